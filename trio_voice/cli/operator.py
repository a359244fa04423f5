"""Requests to the running daemon, as its operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx2

from trio_voice.cli.exits import EXIT_FAILED, EXIT_UNAVAILABLE, stop
from trio_voice.errors import one_line

if TYPE_CHECKING:
    from trio_voice.config.settings import Settings

CALL_ID_LETTERS: Final = 32
LOCKED_OUT: Final = "set TRIO_VOICE_API_TOKEN to the token that the daemon was started with"


def ask(settings: Settings, method: str, path: str, body: Any = None) -> Any:
    """Ask the running daemon as its operator."""
    token = settings.secrets.get("TRIO_VOICE_API_TOKEN")
    if token is None:
        stop(EXIT_UNAVAILABLE, LOCKED_OUT)
    url = f"http://{settings.operator_bind}{path}"
    try:
        headers = {"Authorization": f"Bearer {token}"}
        # Not through a proxy of the environment: it could not reach this machine, and would be given the token.
        answer = httpx2.request(method, url, headers=headers, json=body, timeout=30, trust_env=False)
        said = answer.json()
        failure = said["error"]["message"] if answer.is_error else None
    except httpx2.HTTPError as unreachable:
        stop(EXIT_UNAVAILABLE, f"no daemon answers at {settings.operator_bind}: {unreachable}")
    except (ValueError, KeyError, TypeError):
        stop(EXIT_UNAVAILABLE, f"what answers at {settings.operator_bind} is no trio-voice")
    if failure is not None:
        stop(EXIT_FAILED, failure)
    return said


def whole_id(settings: Settings, beginning: str) -> str:
    """The id of the one call that begins so."""
    if len(beginning) == CALL_ID_LETTERS:
        return beginning
    listed = ask(settings, "GET", "/calls?limit=1000")["calls"]
    found = [call["call_id"] for call in listed if call["call_id"].startswith(beginning.lower())]
    if len(found) != 1:
        what = f"{len(found)} calls begin" if found else "no call among the last 1,000 begins"
        stop(EXIT_FAILED, f"{what} with {one_line(beginning)!r}; trio-voice calls lists them")
    return str(found[0])
