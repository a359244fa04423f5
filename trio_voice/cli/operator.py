"""Requests to the running daemon, as its operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx2

from trio_voice.cli.exits import EXIT_FAILED, EXIT_UNAVAILABLE, NotAnswered, stop
from trio_voice.errors import one_line, told_in_words

if TYPE_CHECKING:
    from trio_voice.config.settings import Settings

CALL_ID_LETTERS: Final = 32
LOCKED_OUT: Final = "set TRIO_VOICE_API_TOKEN to the token that the daemon was started with"
ANSWER_SECONDS: Final = 30.0
FILE_SECONDS: Final = 600.0
"""For a file, whose rows are all written before it is answered: 400,000 take a busy machine minutes."""


def ask(settings: Settings, method: str, path: str, body: Any = None, *, csv: bytes | None = None) -> Any:
    """Answer of the running daemon to its operator, who sends JSON, or a file.

    Raises:
        NotAnswered: there is none, or it is a refusal.
    """
    token = settings.secrets.get("TRIO_VOICE_API_TOKEN")
    if token is None:
        raise NotAnswered(EXIT_UNAVAILABLE, LOCKED_OUT)
    where = settings.operator_bind
    try:
        headers = {"Authorization": f"Bearer {token}"}
        # Not through a proxy of the environment: it could not reach this machine, and would be given the token.
        sent: dict[str, Any] = {"json": body, "timeout": ANSWER_SECONDS}
        if csv is not None:
            headers["Content-Type"] = "text/csv"
            sent = {"content": csv, "timeout": FILE_SECONDS}
        answer = httpx2.request(method, f"http://{where}{path}", headers=headers, trust_env=False, **sent)
        said = answer.json()
        failure = said["error"]["message"] if answer.is_error else None
    except httpx2.HTTPError as unreachable:
        raise NotAnswered(
            EXIT_UNAVAILABLE, f"no daemon answers at {where}: {told_in_words(unreachable)}"
        ) from unreachable
    except (ValueError, KeyError, TypeError) as odd:
        raise NotAnswered(EXIT_UNAVAILABLE, f"what answers at {where} is no trio-voice") from odd
    if failure is not None:
        raise NotAnswered(EXIT_FAILED, failure)
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
