"""JSON messages, as the providers' protocols read and write them.

Reading never raises: a message that is no JSON, or not of the shape that was described, is ``Unrecognized``, and the
session goes on. What is remembered of a message is bounded.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from trio_voice.events.model import Unrecognized

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

MAX_ID: Final = 200
"""Letters of an id, or of a tool's name, that is remembered."""

JSON_IN_JSON: Final = 3
"""Times that arguments may be wrapped up as text; models have been seen to do it twice."""
NOTHING: Final = ("null", "none", "undefined", "nil")
"""Words for it that models write; one of them is JSON."""

NO_JSON: Final = (msgspec.DecodeError, RecursionError)
"""Exceptions of decoding text that is no JSON, or endlessly nested."""

UNDECODABLE: Final = (*NO_JSON, ValueError)
"""The same where the message may even be a text that is no text (half a character)."""

_ESCAPES: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
"""Escapes of JSON, of which the one in brackets is half of a surrogate pair."""

UNREADABLE: Final = (*NO_JSON, AttributeError, LookupError, TypeError, ValueError, OverflowError)
"""Exceptions of reading a message that has not the shape that its reader expects."""


def read(message: str | bytes, understand: Callable[[Any], Sequence[T]]) -> Sequence[T | Unrecognized]:
    """The meaning of a message, of a server that sends JSON text.

    Args:
        message: what came.
        understand: what the decoded message means; may raise any of ``UNREADABLE``.
    """
    if isinstance(message, bytes):
        return [Unrecognized("a binary message", garbage=True)]
    try:
        return understand(decoded(message))
    except UNREADABLE as wrong:
        return [garbage(wrong)]


def decoded(message: str | bytes) -> Any:
    """A message's meaning as JSON, without halves of surrogate pairs. May raise any of ``UNDECODABLE``."""
    try:
        return msgspec.json.decode(message)
    except msgspec.DecodeError:
        text = message if isinstance(message, str) else message.decode()
        if (mended := without_halves(text)) == text:
            raise
        return msgspec.json.decode(mended)


def without_halves(text: str) -> str:
    """JSON text without escapes that are half of a surrogate pair: a model's character may be torn between two pieces.

    A strict reader would refuse all of it, and a lenient one make a text of which there is no UTF-8. Linear.
    """
    return _ESCAPES.sub(lambda found: "" if found[1] else found[0], text)


def unknown(kind: object) -> Unrecognized:
    """An event of a type that nobody told us of."""
    return Unrecognized(f"an event of type {str(kind)[:60]!r}")


def garbage(wrong: Exception) -> Unrecognized:
    """A message that could not be read, one of ``UNREADABLE`` says why."""
    return Unrecognized(f"{type(wrong).__name__}: {wrong}"[:200], garbage=True)


def text_in(event: dict[str, Any], key: str) -> str:
    """The text under a key; empty if there is none."""
    value = event.get(key)
    return value if isinstance(value, str) else ""


def table_in(event: dict[str, Any], key: str) -> dict[str, Any]:
    """The object under a key; empty if there is none."""
    value = event.get(key)
    return value if isinstance(value, dict) else {}


def arguments_in(given: Any) -> Any:
    """A tool's arguments as a model gives them, be it an object or JSON text of one, or of such a text.

    Whatever means nothing at all (null, an empty text or list, nothing given) means no arguments. Anything else is
    returned as far as it could be read, and is for whoever runs the tool to refuse.
    """
    for _ in range(JSON_IN_JSON):
        if not isinstance(given, str) or not (given := given.strip("\ufeff \t\r\n\u00a0")):
            break
        try:
            given = msgspec.json.decode(given)
        except UNDECODABLE:
            given = {} if given.strip().lower() in NOTHING else _decoded_leniently(given)
            break
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], dict):
        given = given[0]
    return {} if not given or (isinstance(given, str) and given.strip().lower() in ("", *NOTHING)) else given


def _decoded_leniently(text: str) -> Any:
    """JSON with line breaks inside of its texts, as small models write it; the text itself if it is none."""
    try:
        return json.loads(without_halves(text), strict=False)
    except (ValueError, RecursionError):
        return text


def as_json(value: object) -> str:
    """A message, or what is to stand in one, as JSON text."""
    return msgspec.json.encode(value).decode()
