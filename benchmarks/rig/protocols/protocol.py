"""Interface of every kind of model."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Heard(enum.Enum):
    """Subject of a message of the client's."""

    CONFIGURES = enum.auto()
    """It says what the session shall be, and waits to be told that it is."""
    ASKS = enum.auto()
    """It wants the model to speak."""
    WORDS = enum.auto()
    """It gives words to be spoken, of a voice."""
    FINISHES = enum.auto()
    """It gives no more words to what has been spoken already, of a voice."""
    GOODBYE = enum.auto()
    """It ends the session."""
    OTHER = enum.auto()
    """Audio, an answer of a tool, or what makes no difference here."""


class ModelProtocol(Protocol):
    """One session of a provider's protocol: what is heard goes in, what is said comes out, as whole messages.

    Bytes are sent as a binary message. A protocol is stateful (it knows what the client has configured) and made anew
    for every socket.
    """

    url: str
    """Address at which the provider serves it; ``{netloc}`` is the rig's."""
    configured_by_url: bool
    """True if the address says all, so that the session is ready without a word of the client's."""
    has_goodbye: bool
    """True if the protocol has a message that ends the session. Where it has none, a close frame does."""
    asked: bool
    """True if the model is to speak first, as far as the client has said so."""
    tools: list[str]
    """Names of the tools that the client has offered."""

    def welcome(self) -> Sequence[str | bytes]:
        """Messages that are sent as soon as the socket is open."""

    def heard(self, message: str | bytes) -> Heard:
        """Take in a message of the client's."""

    def ready(self) -> Sequence[str | bytes]:
        """The session is as the client has configured it."""

    def reply_begins(self) -> Sequence[str | bytes]:
        """The model begins to speak."""

    def audio(self, milliseconds: int) -> Sequence[str | bytes]:
        """So much more of the reply, in the format that the client wanted."""

    def reply_ends(self) -> Sequence[str | bytes]:
        """The model has said all."""

    def caller_speaks(self) -> Sequence[str | bytes]:
        """The caller has begun to speak; a reply that was being said is over."""

    def caller_spoke(self) -> Sequence[str | bytes]:
        """The caller has finished, and it was understood."""

    def tool_call(self, name: str) -> Sequence[str | bytes]:
        """The model wants one of the client's tools to be run."""

    def going(self) -> Sequence[str | bytes]:
        """The connection's time is up, of a provider that lets a session be taken up on another; else nothing."""

    def error(self) -> Sequence[str | bytes]:
        """The provider has failed, through no fault of the client's. The session is over."""

    def farewell(self) -> Sequence[str | bytes]:
        """The answer to a goodbye, before the server closes the socket."""
