"""Calls whose streams have been promised a path, until they are over: a promise has one path, and is kept once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.errors import CallRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_voice.limits import Limits
    from trio_voice.persona import Persona
    from trio_voice.record import CallRecord

EXPECTED_SECONDS: Final = 30.0
"""Time for which a promised path is good. Twilio opens the stream within a second of reading the TwiML."""
ARRIVAL_SECONDS: Final = 2.0
"""From a stream that was admitted to a live call: one answer to a handshake lies between them. One that never becomes a
call is forgotten then."""
QUEUED_SECONDS: Final = 1_800.0
"""Time that a call which we place may wait at Twilio before it is dialed: one second for each call before it, unless
the account has been given more (Twilio, "Call resource", CPS). Then it is given up, and taken out of the queue."""


@attrs.frozen
class CameBack:
    """Differences of a call whose caller has come back from a transfer, or from elsewhere."""

    began: float
    """Time at which the call first began, by trio's clock: its record goes on."""
    why: str
    """Words by which the agent learns why."""
    earlier_streams: frozenset[str] = frozenset()
    """Ids of the streams of before."""


@attrs.define
class ExpectedCall:
    """A call whose stream has been promised a path."""

    record: CallRecord
    persona: Persona
    limits: Limits
    expires_at: float
    came_back: CameBack | None = None
    """Their absence, if the caller has come back."""
    path: str = attrs.field(default=attrs.Factory(lambda self: self.record.call_id, takes_self=True))
    """The last part of its stream's address, which is good once."""
    is_second: bool = False
    """The path is a second one, of a call whose first was used: see ``departures.py``."""
    seconds_from_dialing: float = 0.0
    """For how long the promise is good once it is being dialed, or rings; until then it waits in Twilio's queue."""


class ExpectedCalls:
    """Promises of this process, and what has become of those that were kept, until their calls are over."""

    def __init__(self) -> None:
        self._expected: dict[str, ExpectedCall] = {}
        self._by_sid: dict[str, ExpectedCall] = {}
        """The promises of all calls that are not over, kept or not: a call has one record, however often it is asked
        for."""
        self._arriving: dict[str, float] = {}
        """Time at which each is given up."""
        self._browsers: set[str] = set()
        """Calls of pages whose stream has come, and that are not over."""
        self._returning: dict[str, str] = {}
        """The call ids of those that come back, by their paths."""

    def __len__(self) -> int:
        """Number of those whose stream is expected."""
        return len(self._expected)

    def __iter__(self) -> Iterator[str]:
        """Ids of those whose stream is expected."""
        return iter(self._expected)

    def get(self, call_id: str) -> ExpectedCall | None:
        """The promise of a call whose stream is expected."""
        return self._expected.get(call_id)

    def of_sid(self, call_sid: str | None) -> ExpectedCall | None:
        """The promise of a call that is not over, kept or not."""
        return self._by_sid.get(call_sid or "")

    def records(self) -> list[CallRecord]:
        """Those of the calls whose stream is expected."""
        return [expected.record for expected in self._expected.values()]

    @property
    def arriving(self) -> int:
        """Number of those whose stream has come and is being answered."""
        return len(self._arriving)

    @property
    def browser_calls(self) -> int:
        """Number of calls of pages, promised or not yet over."""
        return sum(record.is_browser_call for record in self.records()) + len(self._browsers)

    @property
    def wake_at(self) -> float:
        """Time at which the next of them is given up, if nothing happens."""
        promises = (expected.expires_at for expected in self._expected.values())
        return min([*promises, *self._arriving.values()], default=math.inf)

    def add(self, expected: ExpectedCall) -> None:
        """Promise one."""
        record = expected.record
        self._expected[record.call_id] = expected
        if record.call_sid is not None:
            self._by_sid[record.call_sid] = expected
        if expected.path != record.call_id:
            self._returning[expected.path] = record.call_id

    def identify(self, expected: ExpectedCall, call_sid: str | None) -> None:
        """Twilio has said what it calls a call."""
        expected.record.call_sid = call_sid
        if call_sid is not None:
            self._by_sid[call_sid] = expected

    def answered(self, call_id: str, call_sid: str | None) -> ExpectedCall | None:
        """The promise of a call that somebody has answered, if its stream is expected."""
        expected = self._expected.get(call_id)
        if expected is None or expected.record.call_sid not in (None, call_sid):
            return None
        self.identify(expected, call_sid)
        return expected

    def take(self, path: str, now: float) -> ExpectedCall:
        """Keep a promise: the stream has come. Works once for each path.

        Raises:
            CallRefused: ``unknown_call``: never promised, already used, or expired.
        """
        call_id = self._returning.get(path, path)
        expected = self._expected.get(call_id)
        if expected is None or expected.path != path:
            raise CallRefused("unknown_call", "no call is expected on this path: it is unknown, used or expired")
        self.withdraw(call_id)
        self.identify(expected, expected.record.call_sid)
        self._arriving[call_id] = now + ARRIVAL_SECONDS
        if expected.record.is_browser_call:
            self._browsers.add(call_id)
        return expected

    def withdraw(self, call_id: str) -> ExpectedCall | None:
        """Expect a call's stream no more; returns the promise, if it was expected."""
        expected = self._expected.pop(call_id, None)
        if expected is not None:
            self._returning.pop(expected.path, None)
        return expected

    def came(self, call_id: str) -> None:
        """A call's stream is being answered no more: it lives."""
        self._arriving.pop(call_id, None)

    def over(self, record: CallRecord) -> None:
        """A call is over, whether or not its stream ever came."""
        self._arriving.pop(record.call_id, None)
        self._browsers.discard(record.call_id)
        held = self.of_sid(record.call_sid)
        if held is not None and held.record.call_id == record.call_id:
            del self._by_sid[record.call_sid or ""]

    def give_up_lost(self, now: float) -> None:
        """Forget those that were being answered and never came to live."""
        for call_id, until in list(self._arriving.items()):
            if until <= now:
                del self._arriving[call_id]
                self._browsers.discard(call_id)
                self._by_sid = {sid: each for sid, each in self._by_sid.items() if each.record.call_id != call_id}

    def expired(self, now: float) -> list[str]:
        """Ids of those whose path is good no more."""
        return [call_id for call_id, expected in self._expected.items() if expected.expires_at <= now]
