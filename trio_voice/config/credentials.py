"""The credentials: never in config.toml, from systemd or from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trio_voice.errors import ConfigError
from trio_voice.net.proxies import Proxies
from trio_voice.tokens import tokens_of

if TYPE_CHECKING:
    from collections.abc import Iterable

JOURNAL_URL: Final = "TRIO_VOICE_JOURNAL_URL"
"""The journal's address, whose password has no place in config.toml: it goes before ``[journal] url``."""
SECRETS: Final[Mapping[str, str]] = {
    "TWILIO_AUTH_TOKEN": "The account's primary token: checks Twilio's signatures, and opens its REST API.",
    "TWILIO_ACCOUNT_SID": "The account, where `[twilio] account_sid` is not set.",
    "ASSEMBLYAI_API_KEY": "Key for `assemblyai-agent` and `assemblyai-streaming`.",
    "OPENAI_API_KEY": "Key for `openai-realtime`, for `openai-chat` at OpenAI, and for `trio-voice demo --chat-url`.",
    "XAI_API_KEY": 'Key for `openai-realtime` with `dialect = "xai"`.',
    "GEMINI_API_KEY": "Key for `gemini-live`.",
    "DEEPGRAM_API_KEY": "Key for `deepgram-flux`.",
    "ANTHROPIC_API_KEY": "Key for `anthropic`.",
    "ELEVENLABS_API_KEY": "Key for `elevenlabs` and `elevenlabs-http`.",
    "CARTESIA_API_KEY": "Key for `cartesia`.",
    JOURNAL_URL: "The journal's address, instead of `[journal] url`: a password has its place here.",
    "TRIO_VOICE_API_TOKEN": "The operator's token. Without it the operator's routes and commands are closed (403).",
}
"""The credentials that the systemd unit asks for, each with its meaning for the reference. A model may name another."""


RELOADED: Final = "TRIO_VOICE_RELOADED_CREDENTIALS"
"""The directory to which the unit's reload copies the files of credentials, each of which goes before its first copy.

systemd itself makes a copy as the service starts and none later (tried with 252), and the files are root's.
"""
SEVERAL: Final = frozenset({"TWILIO_AUTH_TOKEN", "TRIO_VOICE_API_TOKEN"})
"""Credentials that may hold several tokens, one a line: while one takes the place of another, both are valid."""


class Secrets:
    """Credentials by name, with no way to print them by accident."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def get(self, name: str) -> str | None:
        """A credential, if it is there; of several tokens the first, which others are asked with."""
        value = self._values.get(name)
        return value if value is None or name not in SEVERAL else tokens_of(value)[0]

    def tokens(self, name: str) -> str | None:
        """All tokens of a credential that may hold several, one a line."""
        value = self._values.get(name)
        return None if value is None else "\n".join(tokens_of(value))

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"


def read_proxies(environment: Mapping[str, str]) -> Proxies:
    """The proxies that the environment names, as other programs read them: the small letters go first."""
    schemes = ("http", "https", "all", "no")
    named = {each: environment.get(f"{each}_proxy") or environment.get(f"{each.upper()}_PROXY") for each in schemes}
    return Proxies({each: spelt for each, spelt in named.items() if spelt})


def read_secrets(environment: Mapping[str, str], names: Iterable[str] = SECRETS) -> Secrets:
    """Credentials from the directories of them, the reloaded one first, else from the environment.

    Raises:
        ConfigError: one is there and cannot be read; a line for each.
    """
    found: dict[str, str] = {}
    problems: list[str] = []
    named = (environment.get(RELOADED), environment.get("CREDENTIALS_DIRECTORY"))
    directories = [Path(directory) for directory in named if directory]
    for name in names:
        file = next((file for each in directories if (file := each / name.lower()).is_file()), None)
        # An empty credential is none: systemd's unit makes one of each whose file is not there.
        try:
            given = "" if file is None else file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as unreadable:
            why = "it is no UTF-8" if isinstance(unreadable, UnicodeDecodeError) else unreadable.strerror
            problems.append(f"credential {name}: {file} cannot be read: {why}")
            continue
        value = given or environment.get(name, "").strip()
        if value:
            found[name] = value
    if problems:
        raise ConfigError(problems)
    return Secrets(found)
