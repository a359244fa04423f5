"""The systemd unit, with the paths of this installation.

``systemd/trio-voice.service`` is complete as it stands for an installation in /opt/trio-voice; what is done here is to
put other paths in their places, and to say which of them the service could not see.
"""

from __future__ import annotations

import re
import stat
import sys
import sysconfig
from importlib.resources import files
from pathlib import Path
from typing import Final

PACKAGED_EXECUTABLE: Final = "/opt/trio-voice/bin/trio-voice"
PACKAGED_CONFIG: Final = Path("/etc/trio-voice/config.toml")
"""Place where a unit looks for the configuration if nobody says otherwise; credentials are beside it."""
HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - named, not used
"""Folders that ``ProtectHome=`` and ``PrivateTmp=`` put out of the service's sight."""


def this_executable() -> Path:
    """The ``trio-voice`` of this installation, as it was called: a link may be how versions are switched."""
    called = Path(sys.argv[0])
    if called.name == "trio-voice":
        return called.absolute()
    return Path(sysconfig.get_path("scripts"), "trio-voice")


def render_unit(executable: Path, config: Path) -> str:
    """The unit's text.

    Args:
        executable: the ``trio-voice`` to run, absolute.
        config: its configuration, absolute; credentials are looked for in ``credentials/`` beside it.

    Raises:
        ValueError: a path is not absolute, or cannot be written in a unit.
    """
    for path in (executable, config):
        if not path.is_absolute() or not str(path).isprintable():
            raise ValueError(f"{str(path)!r} must be an absolute path of printable characters")
    credentials = config.parent / "credentials"
    text = files("trio_voice").joinpath("systemd/trio-voice.service").read_text(encoding="utf-8")
    # The command's own path is no place for variables, the arguments are.
    text = text.replace(PACKAGED_EXECUTABLE, _word(str(executable)))
    text = text.replace(str(PACKAGED_CONFIG), _word(str(config).replace("$", "$$")))
    copied = f"{PACKAGED_CONFIG.parent}/credentials %t"
    text = text.replace(copied, f"{_word(str(credentials).replace('$', '$$'))} %t")
    return text.replace(f"{PACKAGED_CONFIG.parent}/credentials/", f"{_specifiers_off(str(credentials))}/")


def doubts_about(executable: Path, config: Path) -> list[str]:
    """Reasons for which the service might not start with these paths, a sentence each."""
    doubts = [
        f"{path}: the service does not see {hidden}; install it elsewhere, such as in /opt/trio-voice"
        for path in dict.fromkeys((executable, config, Path(sys.executable).resolve(), Path(__file__).resolve()))
        for hidden in HIDDEN
        if path.is_relative_to(hidden)
    ]
    if not executable.is_file():
        doubts.append(f"{executable}: is not there")
    try:
        mode = config.stat().st_mode
    except OSError as missing:
        doubts.append(f"{config}: {missing.strerror}")
    else:
        if not mode & stat.S_IROTH:
            doubts.append(f"{config}: the service's user cannot read it: chmod o+r, it holds no secrets")
    return doubts


def _word(path: str) -> str:
    """A path as one word of a command line (systemd.syntax(7), "Quoting")."""
    path = _specifiers_off(path)
    if re.fullmatch(r"[\w/.@%:+$-]+", path):
        return path
    return '"' + path.replace("\\", r"\\").replace('"', r"\"") + '"'


def _specifiers_off(path: str) -> str:
    return path.replace("%", "%%")
