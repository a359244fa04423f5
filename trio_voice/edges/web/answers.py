"""Answers that several routes give, and those that any server can give: without a web framework or with it."""

from __future__ import annotations

import json
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import attrs
import structlog
from quart import Response

if TYPE_CHECKING:
    from werkzeug.exceptions import HTTPException

    from trio_voice.errors import CallRefused

log: Final = structlog.stdlib.get_logger("trio_voice.app")

JSON: Final = "application/json"
TEXT: Final = "text/html; charset=utf-8"
XML: Final = "text/xml; charset=utf-8"
STATUSES: Final = {
    "bad_number": 400,
    "bad_public_url": 409,
    "bad_signature": 403,
    "budget": 403,
    "do_not_call": 403,
    "draining": 503,
    "full": 503,
    "muted": 409,
    "no_account": 409,
    "no_from_number": 409,
    "no_list": 503,
    "node_away": 503,
    "node_refuses": 502,
    "not_allowed": 403,
    "not_live": 409,
    "not_supported": 422,
    "other_node": 404,
    "pace": 503,
    "twilio_refused": 502,
    "unknown_call": 404,
    "unknown_outcome": 504,
    "wrong_origin": 403,
}
"""The HTTP status of each reason for which a call, or an operator's wish, is refused (``CallRefused``)."""


@attrs.frozen
class Answer:
    """A status, and a body with its type."""

    status: int
    body: bytes = b""
    content_type: str = TEXT

    def as_response(self) -> Response:
        """An answer of Quart's."""
        return Response(self.body, self.status, content_type=self.content_type)

    def as_http(self) -> bytes:
        """Bytes as hypercorn would send them, and nothing after them."""
        head = (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\ncontent-type: {self.content_type}\r\n"
            f"content-length: {len(self.body)}\r\ndate: {formatdate(usegmt=True)}\r\nconnection: close\r\n\r\n"
        )
        return head.encode("latin-1") + self.body


NO_CONTENT: Final = Answer(204)


def json_answer(status: int, content: dict[str, Any]) -> Answer:
    """An answer for programs, as Quart writes JSON."""
    return Answer(status, json.dumps(content, separators=(",", ":")).encode() + b"\n", JSON)


def error_of(code: str, message: str) -> dict[str, Any]:
    """The body of an error: the word for programs; what is wrong and what to do, for people."""
    return {"error": {"code": code, "message": message}}


def error_answer(status: int, code: str, message: str) -> Answer:
    """An error: see ``error_of``."""
    return json_answer(status, error_of(code, message))


def http_error_answer(error: HTTPException) -> Answer:
    """An error that has a status of its own."""
    code = (error.name or "error").lower().replace(" ", "_")
    return error_answer(error.code or 500, code, error.description or str(error))


def bug_answer(path: str, error: Exception) -> Answer:
    """Answer to a request that failed here, which is logged. It stays one request's failure."""
    log.error("request_bug", path=path, exc_info=error)
    return error_answer(500, "bug", "an error in trio_voice; its log has the traceback")


def failure(status: int, code: str, message: str) -> Response:
    """``error_answer`` for Quart."""
    return error_answer(status, code, message).as_response()


def refusal(refused: CallRefused) -> Response:
    """Answer of Quart to whom something is refused."""
    return failure(STATUSES.get(refused.code, 409), refused.code, str(refused))
