"""Manner of a model in one case."""

from __future__ import annotations

import enum

import attrs


class Handshake(enum.Enum):
    """Fate of an upgrade request."""

    ANSWERED = enum.auto()
    HELD = enum.auto()
    """The connection is accepted, and then nothing."""
    REFUSED = enum.auto()
    """With HTTP 503."""


class Goodbye(enum.Enum):
    """Fate of a client's goodbye."""

    ANSWERED = enum.auto()
    """As the provider does it; the server closes."""
    IGNORED = enum.auto()
    """It is read, and then nothing."""
    RESET = enum.auto()
    """The connection is reset instead."""
    DROWNED = enum.auto()
    """Audio goes on coming instead of an answer."""
    GARBAGE = enum.auto()
    """The answer is no WebSocket frame."""


class Answer(enum.Enum):
    """Fate of a request to a chain's language model."""

    GIVEN = enum.auto()
    HELD = enum.auto()
    """The request is read, and then nothing."""
    REFUSED = enum.auto()
    """With HTTP 503."""
    CUT = enum.auto()
    """FIN in the middle of an event."""
    RESET = enum.auto()
    """RST in the middle of an event."""
    GARBAGE = enum.auto()
    """The answer is no HTTP."""
    NONSENSE = enum.auto()
    """Events that make no sense."""
    ENDLESS = enum.auto()
    """Words without end, as fast as they are taken."""


@attrs.frozen(kw_only=True)
class Manner:
    """Manner of the sessions of one case."""

    handshake: Handshake = Handshake.ANSWERED
    becomes_ready: bool = True
    greeting_ms: int = 400
    goodbye: Goodbye = Goodbye.ANSWERED
    answers_close: bool = True
    answer: Answer = Answer.GIVEN


ORDINARY = Manner()
