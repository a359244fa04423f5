"""Answers that several routes give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import jsonify

if TYPE_CHECKING:
    from quart import Response


def failure(status: int, code: str, message: str) -> Response:
    """An error, for programs and people.

    Args:
        status: of HTTP.
        code: the word for programs.
        message: what is wrong and what to do.
    """
    answer = jsonify({"error": {"code": code, "message": message}})
    answer.status_code = status
    return answer
