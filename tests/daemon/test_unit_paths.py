"""A unit for other paths than the package's."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.daemon.units import lines, packaged
from trio_voice.cli import main
from trio_voice.daemon.systemd_unit import (
    PACKAGED_CONFIG,
    PACKAGED_EXECUTABLE,
    doubts_about,
    render_unit,
    this_executable,
)

__all__ = ["packaged"]


def test_the_paths_of_an_installation_take_their_places():
    unit = lines(render_unit(Path("/srv/voice/bin/trio-voice"), Path("/srv/voice/etc/my.toml")))
    assert unit["ExecStart"] == ["/srv/voice/bin/trio-voice --config /srv/voice/etc/my.toml serve"]
    assert unit["LoadCredential"][0] == "twilio_auth_token:/srv/voice/etc/credentials/twilio_auth_token"
    assert unit["ExecReload"][0].endswith(" reload /srv/voice/etc/credentials %t/%N-credentials $MAINPID")
    odd = lines(render_unit(Path("/x"), Path("/a $b/c.toml")))
    assert odd["ExecReload"][0].endswith(' reload "/a $$b/credentials" %t/%N-credentials $MAINPID')
    text = render_unit(Path("/srv/voice/bin/trio-voice"), Path("/srv/voice/etc/my.toml"))
    settings = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert "/opt/" not in settings
    assert "/etc/trio-voice" not in settings


def test_the_packaged_unit_is_what_is_rendered_for_its_own_paths():
    packaged = (
        Path(sys.modules["trio_voice.daemon.systemd_unit"].__file__).parents[1] / "systemd" / "trio-voice.service"
    )
    assert render_unit(Path(PACKAGED_EXECUTABLE), PACKAGED_CONFIG) == packaged.read_text()


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/a b/c", '"/a b/c"'),
        ("/100%/c", "/100%%/c"),
        ("/a$b/c", "/a$$b/c"),
        ('/a"b/c', '"/a\\"b/c"'),
        ("/a\\b/c", '"/a\\\\b/c"'),
        ("/a;b/c", '"/a;b/c"'),
    ],
)
def test_an_odd_path_is_written_so_that_systemd_reads_it_back(path, word):
    [command] = lines(render_unit(Path("/x"), Path(path)))["ExecStart"]
    assert command == f"/x --config {word} serve"


@pytest.mark.parametrize("path", ["relative/config.toml", "/two\nlines", "/a\tb"])
def test_a_path_that_no_unit_can_hold_is_refused(path):
    with pytest.raises(ValueError, match="absolute path"):
        render_unit(Path("/x"), Path(path))


def test_the_command_prints_it():
    printed = CliRunner().invoke(main, ["unit"])
    assert printed.exit_code == 0
    assert printed.stdout == render_unit(this_executable(), PACKAGED_CONFIG)
    elsewhere = CliRunner().invoke(main, ["--config", "/srv/voice/my.toml", "unit"])
    assert elsewhere.stdout == render_unit(this_executable(), Path("/srv/voice/my.toml"))
    assert "warning: /srv/voice/my.toml: No such file" in elsewhere.stderr
    assert CliRunner().invoke(main, ["unit", "--config", "/two\nlines"]).exit_code == 2


def test_the_link_by_which_versions_are_switched_stands_in_the_unit(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/opt/trio-voice/bin/trio-voice", "unit"])
    assert this_executable() == Path("/opt/trio-voice/bin/trio-voice")


def test_this_installation_is_found(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/lib/trio_voice/__main__.py", "unit"])
    assert this_executable().is_file()
    assert subprocess.run([this_executable(), "--help"], capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("executable", "config", "doubts"),
    [
        ("/home/me/bin/trio-voice", "", ["does not see /home", "is not there"]),
        ("/tmp/bin/trio-voice", "", ["does not see /tmp", "is not there"]),
        ("", "/tmp/none/config.toml", ["does not see /tmp", "No such file"]),
        ("", "", []),
    ],
)
def test_what_the_service_could_not_see_is_said(monkeypatch, executable, config, doubts):
    monkeypatch.setattr("sys.executable", "/usr/bin/env")
    monkeypatch.setattr("trio_voice.daemon.systemd_unit.__file__", "/usr/lib/unit.py")
    said = doubts_about(Path(executable or "/usr/bin/env"), Path(config or "/etc/passwd"))
    assert len(said) == len(doubts)
    assert all(doubt in sentence for doubt, sentence in zip(doubts, said, strict=True))


def test_a_configuration_that_the_service_cannot_read_is_said(tmp_path):
    config = tmp_path / "config.toml"
    config.touch(mode=0o600)
    assert any("chmod o+r" in doubt for doubt in doubts_about(Path("/usr/bin/env"), config))
