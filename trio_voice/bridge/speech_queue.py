"""Speech that waits to be handed to Twilio, one reply after the other.

A server that makes two replies at once sends a piece of this and a piece of that. Each is said in one piece, in the
order of their first sounds: what comes of the second is held until the first is over. Pure.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Piece = tuple[str, str, float]
"""Reply id, payload and length of sound; an empty payload asks for a mark."""


class SpeechQueue:
    """That of one call."""

    __slots__ = ("_held", "_waiting", "ms", "speaks")

    def __init__(self) -> None:
        self._waiting: deque[Piece] = deque()
        self._held: dict[str, list[Piece]] = {}
        """Pieces of replies that come while another is being said, by their ids."""
        self.speaks = ""
        """The reply that is being said, and of which more is to come; empty if there is none."""
        self.ms = 0.0
        """Length of all that waits or is held."""

    def __bool__(self) -> bool:
        """True if something waits or is held."""
        return bool(self._waiting or self._held)

    @property
    def is_ready(self) -> bool:
        """True if ``take`` has something."""
        return bool(self._waiting)

    @property
    def holds(self) -> bool:
        """True if nothing may be taken, because more of the reply that is being said is to come."""
        return bool(self._held) and not self._waiting

    @property
    def reply_ids(self) -> list[str]:
        """The replies of which something waits or is held, in order, some more than once."""
        return [*(reply_id for reply_id, *_ in self._waiting), *self._held]

    def add(self, reply_id: str, pieces: Iterable[Piece], *, holds: bool = True, waits: bool = True) -> None:
        """Put more of a reply in, which others wait for if it ``holds`` them, and which itself ``waits`` for others."""
        queue: deque[Piece] | list[Piece] = self._waiting
        if waits and self.speaks not in ("", reply_id):
            queue = self._held.setdefault(reply_id, [])
        elif holds:
            self.speaks = reply_id
        before = len(queue)
        queue.extend(pieces)
        self.ms += sum(queue[at][2] for at in range(before, len(queue)))

    def put_back(self, pieces: list[Piece]) -> None:
        """Put in what was taken, and is to be taken first."""
        self._waiting.extendleft(reversed(pieces))
        self.ms += sum(ms for *_, ms in pieces)

    def end(self, reply_id: str) -> None:
        """Nothing more of a reply comes: a mark is asked for behind it, and the next is said."""
        self._held.get(reply_id, self._waiting).append((reply_id, "", 0.0))
        self.leave(reply_id)

    def leave(self, reply_id: str) -> None:
        """Nothing more of a reply comes: if it is being said, the next one is."""
        if reply_id == self.speaks:
            self.go_on()

    def go_on(self) -> None:
        """Let the reply that is being said wait for what is held, if anything is."""
        self.speaks = ""
        while self._held and not self.speaks:
            self.speaks = next(iter(self._held))
            self._waiting += self._held.pop(self.speaks)
            if not self._waiting[-1][1]:  # it is over already
                self.speaks = ""

    def take(self) -> Piece:
        """The next piece."""
        piece = self._waiting.popleft()
        self.ms -= piece[2]
        return piece

    def keep_only(self, is_wanted: Callable[[Piece], bool]) -> None:
        """Drop all but these pieces."""
        self._waiting = deque(filter(is_wanted, self._waiting))
        held = {reply_id: [*filter(is_wanted, pieces)] for reply_id, pieces in self._held.items()}
        self._held = {reply_id: pieces for reply_id, pieces in held.items() if pieces}
        self.ms = sum(ms for pieces in (self._waiting, *self._held.values()) for *_, ms in pieces)
