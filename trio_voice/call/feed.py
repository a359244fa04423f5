"""The feed: calls tell what happens in them while they live, to whoever listens, and for a while to whoever missed it.

Events, each about one call, in the order in which they happened:

    call     it is known, and each time its state changes; the first that is heard of any call
    words    what was said so far: all of a line's text each time, ``final`` once nothing of it changes any more
    turn     an answer is on its way: how long the caller waited for it
    tool     a tool was used
    cost     what both meters come to so far, every few seconds
    end      it is over

**Telling never waits.** A listener has a bounded mailbox. What is passing (a line that is not final, a cost) is
replaced by what follows it, and is the first to go where there is no room; a listener who has missed anything else is
cut off, and may come back.

**Coming back.** What is not passing is kept for a while. Each event has a number, and the cursor of a listener who
stopped is one for each process that they have heard of, because several may be told of in one stream:
``a1b2c3d4.15-0f9e8d7c.3``.
"""

from __future__ import annotations

import secrets
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from trio_voice.billing.running import running_cost
from trio_voice.call.mailbox import MAX_WAITING, Cursor, FeedEvent, Mailbox, Reach
from trio_voice.record import CallState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from trio_voice.billing.prices import Prices
    from trio_voice.call.call import Call
    from trio_voice.record import CallRecord

MAX_KEPT: Final = 4_000
MAX_KEPT_BYTES: Final = 4_000_000
"""Of the events that are kept for whoever comes back: beyond either the oldest go."""
COST_SECONDS: Final = 2.0
"""Between two costs of a call."""


class Feed:
    """The feed of one process, and what it is told of others."""

    def __init__(self) -> None:
        self.origin = secrets.token_hex(4)
        self._cursor = Cursor({self.origin: 0})
        self._heard = trio.Event()
        """Somebody wants to hear of all processes."""
        self._kept: deque[FeedEvent] = deque()
        self._kept_bytes = 0
        self._calls: dict[str, FeedEvent] = {}
        """The latest ``call`` of each that is not over."""
        self._mailboxes: set[Mailbox] = set()
        self._costs: dict[str, float] = {}
        """The highest that was told of each call: a meter never runs backwards."""

    @property
    def listeners(self) -> int:
        """Number of those that listen here, other processes included."""
        return len(self._mailboxes)

    @property
    def is_heard_of_all(self) -> bool:
        """True if anybody wants to hear of other processes, too."""
        return any(mailbox.reach is not Reach.PROCESS for mailbox in self._mailboxes)

    @property
    def is_heard_of_nodes(self) -> bool:
        """True if anybody wants to hear of other machines, too."""
        return any(mailbox.reach is Reach.FLEET for mailbox in self._mailboxes)

    async def wait_heard_of_all(self) -> None:
        """Wait until anybody does."""
        if self.is_heard_of_all:
            await trio.lowlevel.checkpoint()
            return
        self._heard = trio.Event()
        await self._heard.wait()

    def cursor(self) -> Cursor:
        """The end of what was told so far, of all processes."""
        return self._cursor.copy()

    def within(self, cursor: Cursor) -> Cursor:
        """The cursor, or the end of what this process has told, if it names what has not happened here yet.

        Of other processes nobody here knows what they have told already.
        """
        return cursor.at_most(self.origin, self._cursor.after(self.origin))

    @contextmanager
    def listening(self, since: Cursor | None = None, reach: Reach = Reach.FLEET) -> Iterator[Mailbox]:
        """Listen while the block runs.

        Args:
            since: where the listener stopped before: what was missed comes first. Without it the calls that live do.
            reach: the processes that they want to hear of.
        """
        most = MAX_WAITING + len(self._kept) + len(self._calls)
        start = Cursor() if since is None else since.copy()
        takes: dict[Reach, Callable[[FeedEvent], bool]] = {
            Reach.PROCESS: lambda event: event.origin == self.origin,
            Reach.NODE: lambda event: not event.is_of_other_node,
            Reach.FLEET: lambda _: True,
        }
        mailbox = Mailbox(start, reach, takes[reach], resumes=since is not None, most=most)
        kept = list(self._kept) if since is not None else []
        numbers = {(event.origin, event.number) for event in kept}
        calls = [event for event in self._calls.values() if (event.origin, event.number) not in numbers]
        for event in sorted([*calls, *kept], key=lambda event: event.number):
            mailbox.put(event)
        self._mailboxes.add(mailbox)
        if reach is not Reach.PROCESS:
            self._heard.set()
        try:
            yield mailbox
        finally:
            self._mailboxes.discard(mailbox)

    def tell(
        self, kind: str, fields: Mapping[str, Any], *, key: tuple[str, ...] | None = None, is_passing: bool = False
    ) -> None:
        """Tell everybody who listens. Does not wait."""
        if is_passing and not self._mailboxes:
            return
        number = self._cursor.after(self.origin) + 1
        self._post(
            FeedEvent(self.origin, number, kind, msgspec.json.encode(fields), key, is_passing), fields["call_id"]
        )

    def take_over(
        self, origin: str, number: int, kind: str, data: bytes, *, is_past: bool = False, of_node: bool = False
    ) -> None:
        """Tell what another process has told.

        Args:
            origin: that process.
            number: of the event, there.
            kind: of the event.
            data: as it was told.
            is_past: it was told before that process was asked; only who comes back wants to hear of it.
            of_node: it is another machine's.

        Raises:
            ValueError: that is nothing that any of them tells.
        """
        if number <= self._cursor.after(origin):
            return  # told before the connection broke
        try:
            told = msgspec.json.decode(data, type=_Told)
        except msgspec.MsgspecError as odd:
            raise ValueError(f"no event: {odd}") from odd
        is_passing = kind == "cost" or (kind == "words" and not told.final)
        key = {"cost": ("cost", told.call_id), "words": ("words", told.call_id, str(told.line))}.get(kind)
        event = FeedEvent(origin, number, kind, data, key, is_passing, of_node)
        self._post(event, told.call_id, is_past=is_past)

    def caught_up(self, origins: Collection[str]) -> None:
        """All that is past of these processes was taken over: whoever has just come is told which calls live there."""
        for event in [event for event in self._calls.values() if event.origin in origins]:
            for mailbox in self._mailboxes:
                mailbox.put(event)

    def forget(self, origin: str) -> None:
        """A process is gone, and its calls with it."""
        self._calls = {call_id: event for call_id, event in self._calls.items() if event.origin != origin}

    def _post(self, event: FeedEvent, call_id: str, *, is_past: bool = False) -> None:
        self._cursor.move(event.origin, event.number)
        if not event.is_passing:
            self._keep(event)
        if event.kind == "call":
            self._calls[call_id] = event
        elif event.kind == "end":
            self._calls.pop(call_id, None)
        for mailbox in self._mailboxes:
            if mailbox.resumes or not is_past:
                mailbox.put(event)

    def _keep(self, event: FeedEvent) -> None:
        self._kept.append(event)
        self._kept_bytes += len(event.data)
        while len(self._kept) > MAX_KEPT or self._kept_bytes > MAX_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft().data)

    # Calls

    def call_changed(self, record: CallRecord) -> None:
        """A call is known, or its state has changed. Once it is over, ``call_ended`` says so."""
        if record.state is CallState.ENDED:
            return
        self.tell("call", _of_call(record))

    def call_ended(self, record: CallRecord) -> None:
        """A call is over, and what it has cost is in its record."""
        if record.call_id not in self._calls:
            self.tell("call", _of_call(record))
        self._cost(record, record.cost, record.telephone_cost, record.model_cost, record.seconds)
        self._costs.pop(record.call_id, None)
        self.tell(
            "end",
            {
                "call_id": record.call_id,
                "end_reason": record.end_reason,
                "end_detail": record.end_detail,
                "seconds": record.seconds,
                "total": record.cost,
                "currency": record.currency,
            },
        )

    async def keep_costs(self, live: Callable[[], Iterable[Call]], prices: Callable[[], Prices | None]) -> None:
        """Tell every few seconds what each call has cost so far, as long as anybody listens. Until cancelled."""
        while True:
            await trio.sleep(COST_SECONDS)
            if not self._mailboxes:
                continue
            for call in live():
                cost = running_cost(call.record, prices(), call.seconds)
                self._cost(call.record, cost.total, cost.telephone, cost.model, call.seconds, cost.currency)

    def _cost(
        self,
        record: CallRecord,
        total: float | None,
        telephone: float | None,
        model: float | None,
        seconds: float | None,
        currency: str | None = None,
    ) -> None:
        if total is not None and self._mailboxes:
            total = self._costs[record.call_id] = max(total, self._costs.get(record.call_id, 0.0))
        fields = {
            "call_id": record.call_id,
            "total": total,
            "telephone": telephone,
            "model": model,
            "currency": currency or record.currency,
            "seconds": None if seconds is None else round(seconds, 1),
        }
        self.tell("cost", fields, key=("cost", record.call_id), is_passing=True)


class _Told(msgspec.Struct):
    """Fields of another process's event that have to be known."""

    call_id: str
    final: bool = True
    line: int = 0


def _of_call(record: CallRecord) -> dict[str, Any]:
    sessions = record.model_sessions
    return {
        "call_id": record.call_id,
        "call_sid": record.call_sid,
        "persona": record.persona,
        "direction": record.direction,
        "from": record.from_number,
        "to": record.to_number,
        "state": record.state,
        "model": (sessions[-1].model or sessions[-1].provider) if sessions else None,
        "started_at": record.started_at,
    }
