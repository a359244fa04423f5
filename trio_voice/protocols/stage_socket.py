"""Common ground of the sockets of a chain's stages: JSON events of a type, and sound in messages of a length."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any, ClassVar

from trio_voice.events.stage import CHAIN
from trio_voice.protocols.json_messages import read, unknown
from trio_voice.protocols.model_session import ModelSession

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class EventDispatcher(ModelSession):
    """A stage whose server sends JSON objects with a type."""

    capabilities = CHAIN
    _readers: ClassVar[Mapping[Any, Callable[[Any, dict[str, Any]], list[Any]]]]
    """Meaning of an event, by its type."""
    _meaningless: ClassVar[frozenset[str]] = frozenset()
    """Types of events that are known, and tell us nothing."""

    def opening(self) -> list[str]:
        """Nothing: the server speaks first, or waits for what is asked of it."""
        return []

    def receive(self, message: str | bytes, _now: float) -> Sequence[Any]:
        """Meaning of a server's message."""
        return read(message, self._understand)

    def _understand(self, event: dict[str, Any]) -> list[Any]:
        kind = self._kind_of(event)
        understand = self._readers.get(kind)
        if understand is None:
            return [] if kind in self._meaningless else [unknown(kind)]
        return understand(self, event)

    def _kind_of(self, event: dict[str, Any]) -> Any:
        return event.get("type")


class SoundGatherer:
    """The caller's frames, as messages of so many bytes at least and at most. What is over waits for more."""

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most
        self._waiting = bytearray()

    def add(self, payload: str) -> list[bytes]:
        """Messages to send with a further frame, base64 of mu-law; one that is no base64 is left out."""
        try:
            self._waiting += binascii.a2b_base64(payload)
        except ValueError:
            return []
        if len(self._waiting) < self._least:
            return []
        sound = bytes(self._waiting)
        self._waiting.clear()
        pieces = [sound[at : at + self._most] for at in range(0, len(sound), self._most)]
        if len(pieces[-1]) < self._least:
            self._waiting += pieces.pop()
        return pieces
