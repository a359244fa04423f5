"""One event of the feed, a listener's cursor, and the mailbox of what they have still to be told."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_WAITING: Final = 1_000
"""Events in one mailbox."""
_CURSOR: Final = re.compile(r"[0-9a-f]{8}\.[0-9]{1,15}(?:-[0-9a-f]{8}\.[0-9]{1,15}){0,255}")


@attrs.frozen(eq=False)
class FeedEvent:
    """One event."""

    origin: str
    """Of the process that it happened in."""
    number: int
    kind: str
    data: bytes
    """JSON."""
    key: tuple[str, ...] | None = None
    """The thing that it says the newest of: in a mailbox it takes the place of one with the same key."""
    is_passing: bool = False
    """Something newer will say it better."""
    is_of_other_node: bool = False
    """Another machine's: whoever asks on behalf of a machine is not told."""


class Reach(enum.Enum):
    """Processes that a listener wants to hear of."""

    PROCESS = "this one"
    NODE = "those of this machine"
    FLEET = "all"


class Cursor:
    """A listener's place in the feed: the number of the last event that they heard of each process."""

    def __init__(self, numbers: Mapping[str, int] = {}) -> None:
        self._numbers = dict(numbers)

    @classmethod
    def read(cls, text: str) -> Cursor:
        """The cursor that ``str`` has written. Raises ``ValueError`` if it has not."""
        if not _CURSOR.fullmatch(text):
            raise ValueError("this is the id of no event here")
        return cls({origin: int(number) for origin, _, number in (each.partition(".") for each in text.split("-"))})

    def after(self, origin: str) -> int:
        """The last number that was heard of a process; 0 of one that nothing was heard of."""
        return self._numbers.get(origin, 0)

    def move(self, origin: str, number: int) -> None:
        """An event was heard, perhaps one from before: a newcomer is told first which calls live."""
        self._numbers[origin] = max(number, self.after(origin))

    def at_most(self, origin: str, number: int) -> Cursor:
        """A cursor like this, with no later event of that process."""
        return Cursor({each: min(number, last) if each == origin else last for each, last in self._numbers.items()})

    def copy(self) -> Cursor:
        """Another that is the same."""
        return Cursor(self._numbers)

    def __str__(self) -> str:
        return "-".join(f"{origin}.{number}" for origin, number in self._numbers.items())


class Mailbox:
    """Events that one listener has still to be told of.

    Args:
        since: what they have heard already, and are not told again.
        takes: true for an event that they want to hear of.
        resumes: whether they are to be told of what is past.
        most: how many events may wait.
    """

    def __init__(
        self,
        since: Cursor,
        reach: Reach = Reach.FLEET,
        takes: Callable[[FeedEvent], bool] = lambda _: True,
        *,
        resumes: bool = False,
        most: int = MAX_WAITING,
    ) -> None:
        self.reach = reach
        self._takes = takes
        self.resumes = resumes
        self._heard = since
        self._most = most
        self._waiting: dict[tuple[str, ...], FeedEvent] = {}
        self._filled = trio.Event()
        self.is_overrun = False
        """Something was lost that the listener should have been told; nothing more is put in."""

    def put(self, event: FeedEvent) -> None:
        """Put an event in, unless it was put in before. Does not wait."""
        if self.is_overrun or event.number <= self._heard.after(event.origin) or not self._takes(event):
            return
        self._heard.move(event.origin, event.number)
        if event.key is not None:
            self._waiting.pop(event.key, None)
        if len(self._waiting) >= self._most:
            passing = next((key for key, each in self._waiting.items() if each.is_passing), None)
            if passing is not None:
                del self._waiting[passing]
            elif not event.is_passing:
                self.is_overrun = True
                self._waiting.clear()
                self._filled.set()
                return
            else:
                return
        is_kept_by_key = event.key is not None and event.is_passing
        self._waiting[event.key if is_kept_by_key and event.key else (event.origin, str(event.number))] = event
        self._filled.set()

    def take_now(self) -> list[FeedEvent]:
        """Take what there is."""
        taken = list(self._waiting.values())
        self._waiting.clear()
        if not self.is_overrun:
            self._filled = trio.Event()
        return taken

    async def take(self) -> list[FeedEvent]:
        """Wait until there is something, and take all of it; nothing if the mailbox is overrun. Cancelling is safe."""
        await self._filled.wait()
        return self.take_now()
