"""Base class of a vendor's protocol with a model, or with a stage of a chain."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio_voice.events.model import Capabilities


class ModelSession(ABC):
    """A vendor's protocol, without I/O. ``now`` is in seconds of one clock.

    Its events are ``ModelEvent`` and ``Outgoing``, its commands ``ModelCommand``; a stage of a chain has those of
    ``events/stage.py`` besides. What has a default is for a session that has nothing of the kind.
    """

    __slots__ = ()

    capabilities: Capabilities
    """Abilities of this kind of model."""
    provider: str
    """The kind's name, for the record."""
    caller_audio: tuple[str, str] | None = None
    """Two constant texts, if ``encode`` puts the payload of ``HearCaller`` between them once the model is ready.

    The caller's frames then pass through without a command made of each.
    """

    @abstractmethod
    def opening(self) -> Sequence[str | bytes]:
        """Messages to send first on a new socket."""

    @abstractmethod
    def receive(self, message: str | bytes, now: float, /) -> Sequence[Any]:
        """Events that a message means, and messages to be sent because of it, in order; never raises."""

    @abstractmethod
    def encode(self, command: Any, now: float, /) -> Sequence[str | bytes]:
        """The wire form of a command; nothing if the vendor has none for it, or if it has to wait."""

    @abstractmethod
    def goodbye(self) -> str | None:
        """The message that ends the session, and its bill; ``None`` if closing the socket does."""

    def reply_audio(self, _message: str | bytes, /) -> tuple[str, str] | None:
        """Reply id and payload, where ``receive`` would make ``ReplyAudio`` of the message and do nothing else.

        ``None`` for any other message. The agent's frames then pass through without an event made of each.
        """
        return None

    def explain_close(self, _code: int | None, _reason: str, _now: float, /) -> Sequence[Any]:
        """The events that a close of the socket means, if the provider says what is wrong by how it closes it.

        ``code`` is ``None`` where the socket is just gone, or nobody reads from it any more.
        """
        return ()

    @property
    def wake_at(self) -> float:
        """Time at which ``tick`` is next needed; infinite if it is not."""
        return math.inf

    def tick(self, _now: float, /) -> Sequence[Any]:
        """Events that come of time having passed. Harmless to call too early."""
        return ()
