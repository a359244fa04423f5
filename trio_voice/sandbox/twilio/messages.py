"""The three messages that Twilio takes on a bidirectional Media Stream, checked as strictly as Twilio does.

From Twilio's "Media Streams - WebSocket Messages" page and the pages of errors 31950 and 31951.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

_BODY_FIELD: Final = {"media": "payload", "mark": "name", "clear": None}


class Misfit(Exception):
    """A message that Twilio would warn about: ``code`` is 31950 or 31951."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


def check_message(message: str | bytes, stream_sid: str) -> dict[str, Any]:
    """A message of the server's, parsed, if it is one of the three Twilio knows, with exactly their fields.

    Raises:
        Misfit: it is binary (31950); or no JSON, an unknown event, a field too many or too few, another stream's
            SID, a payload that is no base64 (31951).
    """
    if isinstance(message, bytes):
        raise Misfit(31950, "a binary message")
    try:
        value = json.loads(message)
    except ValueError:
        raise Misfit(31951, "not JSON") from None
    parsed: dict[str, Any] = value if isinstance(value, dict) else {}
    event = parsed.get("event")
    if not isinstance(event, str) or event not in _BODY_FIELD:
        raise Misfit(31951, f"not an event that Twilio takes: {event!r}")
    field = _BODY_FIELD[event]
    if parsed.keys() != {"event", "streamSid"} | ({event} if field else set()):
        raise Misfit(31951, f"{event} with the fields {', '.join(sorted(parsed))}")
    if parsed["streamSid"] != stream_sid:
        raise Misfit(31951, f"{event} for another stream, {parsed['streamSid']!r}")
    body: Any = parsed.get(event)
    if field and (not isinstance(body, dict) or body.keys() != {field} or not isinstance(body[field], str)):
        raise Misfit(31951, f"{event} whose body is not one text, {field}")
    if event == "media":
        try:
            base64.b64decode(body[field], validate=True)
        except ValueError:
            raise Misfit(31951, "a payload that is no base64") from None
    return parsed
