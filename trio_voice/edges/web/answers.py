"""Answers that several routes give, and those that any server can give: without a web framework or with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import attrs
import structlog
from quart import Response

if TYPE_CHECKING:
    from werkzeug.exceptions import HTTPException

log: Final = structlog.stdlib.get_logger("trio_voice.app")

JSON: Final = "application/json"
TEXT: Final = "text/html; charset=utf-8"
XML: Final = "text/xml; charset=utf-8"


@attrs.frozen
class Answer:
    """A status, and a body with its type."""

    status: int
    body: bytes = b""
    content_type: str = TEXT

    def as_response(self) -> Response:
        """The same for Quart."""
        return Response(self.body, self.status, content_type=self.content_type)


NO_CONTENT: Final = Answer(204)


def json_answer(status: int, content: dict[str, Any]) -> Answer:
    """An answer for programs, as Quart writes JSON."""
    return Answer(status, json.dumps(content, separators=(",", ":")).encode() + b"\n", JSON)


def error_answer(status: int, code: str, message: str) -> Answer:
    """An error, for programs and people.

    Args:
        status: of HTTP.
        code: the word for programs.
        message: what is wrong and what to do.
    """
    return json_answer(status, {"error": {"code": code, "message": message}})


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
