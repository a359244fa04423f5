"""Calls that there are: expected, live and ended; and the check of who may come in.

A call is *expected* from the TwiML that promised it a path until its stream comes (once, and in time), *arriving* while
that is being answered, *live* until its sockets are closed, and then *remembered* for a while. All but the last count
against ``max_calls``, and a drain waits for them: a promise made is a promise that can be kept.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from trio_voice.call.call import wall_clock
from trio_voice.call.call_counts import NoOthers
from trio_voice.call.departures import Departures
from trio_voice.call.expected import EXPECTED_SECONDS, ExpectedCall, ExpectedCalls
from trio_voice.call.put_through import ANSWERED, ELSEWHERE, PutThrough, note_outcome, why_of
from trio_voice.call.remembered import RememberedCalls
from trio_voice.errors import CallRefused
from trio_voice.record import TERMINAL_STATUSES, CallRecord, CallState, EndReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from trio_voice.call.budget import Budget
    from trio_voice.call.call import Call
    from trio_voice.call.call_counts import CallCounts
    from trio_voice.limits import Limits
    from trio_voice.persona import Persona


@attrs.frozen
class Statistics:
    """Counts of the registry, at one moment."""

    live_calls: int
    expected_calls: int
    draining: bool


class Registry:
    """All calls of this process.

    Args:
        limits: what new calls are given.
        on_ended: told of every call once it is over, whether or not it was ever answered; must not wait.
        on_live: told of every call once its stream has come; must not wait.
        clock: the time of day, for the record.
        call_counts: the calls of other processes, which ``max_calls`` counts too.
        prefix: what the ids of our calls begin with.
        budget: what they may cost, if there is a ceiling.
        on_change: told of every call that is promised a path, and whenever Twilio says how far it is; likewise.
    """

    def __init__(
        self,
        limits: Limits,
        on_ended: Callable[[CallRecord], object] = lambda _record: None,
        clock: Callable[[], datetime] = wall_clock,
        *,
        call_counts: CallCounts | None = None,
        prefix: str = "",
        on_live: Callable[[CallRecord], object] = lambda _record: None,
        budget: Budget | None = None,
        on_change: Callable[[CallRecord], object] = lambda _record: None,
    ) -> None:
        self.limits = limits
        self.on_change = on_change
        self._on_live = on_live
        self._on_ended = on_ended
        self._clock = clock
        self._call_counts = NoOthers() if call_counts is None else call_counts
        self._prefix = prefix
        self._budget = budget
        self.expected = ExpectedCalls()
        """Promises, kept or not, of the calls that are not over."""
        self._live: dict[str, Call] = {}
        self._departures = Departures()
        self._ended = RememberedCalls()
        self._draining = False
        self._drained_because = ""
        """Reason for which a promised stream that comes now is ended at once; empty before the end of a drain."""
        self._departure = trio.Event()
        """Set, and replaced, whenever a call is over."""

    def expect(
        self,
        persona: Persona,
        *,
        direction: str,
        from_number: str,
        to_number: str,
        call_sid: str | None,
        seconds: float = EXPECTED_SECONDS,
        seconds_from_dialing: float = 0.0,
    ) -> ExpectedCall:
        """Promise a path to a call that is coming; asked again for the same call SID, see ``asked_again``.

        The promise is good for ``seconds``, and for a call that we place for ``seconds_from_dialing`` once it is
        dialed, and once it rings.

        Raises:
            CallRefused: ``draining``, ``full``, ``budget``, or ``over`` for a call that has ended.
        """
        promised = self.asked_again(call_sid)
        if promised is not None:
            return promised
        if call_sid is not None and self._ended.is_over(call_sid):
            raise CallRefused("over", "this call has ended")  # the webhook was delivered late
        if self._draining:
            raise CallRefused("draining", "this server is going down and takes no new calls")
        with self._call_counts.locked():
            if self.is_full:
                raise CallRefused("full", f"all lines are busy: max_calls = {self.limits.max_calls}")
            self._call_counts.occupy(self._held + 1)
        limits = persona.within(self.limits)
        call_id = self._new_id()
        if self._budget is not None:
            try:
                self._budget.reserve(call_id, persona, direction, limits.time_limit_seconds)
            except CallRefused:
                self._say_counts()
                raise
        record = CallRecord(
            call_id=call_id,
            call_sid=call_sid,
            direction=direction,
            state=CallState.RINGING if direction == "inbound" else CallState.DIALING,
            persona=persona.name,
            from_number=from_number,
            to_number=to_number,
        )
        expected = ExpectedCall(
            record, persona, limits, trio.current_time() + seconds, seconds_from_dialing=seconds_from_dialing
        )
        self.expected.add(expected)
        self._say_counts()
        self.on_change(record)
        return expected

    def asked_again(self, call_sid: str | None) -> ExpectedCall | None:
        """The promise to a call that Twilio asks about once more, if it is not over.

        That is the first as long as its path was not used; else one of a second path, until which is used nothing
        changes. A caller whose stream Twilio has stopped may be back from elsewhere.
        """
        self._forget_expired()
        promised = self.expected.of_sid(call_sid)
        if promised is not None and promised.record.call_id in self.expected:
            return promised
        now = trio.current_time()
        if promised is None and not self._draining:
            departed = self._ended.departed(call_sid)
            if departed is not None and departed.may_be_taken_up(now):
                promised = ExpectedCall(departed.record, departed.persona, departed.limits, now)
        return None if promised is None else self._departures.promise_again(promised, self._new_id, now)

    def answered(self, call_id: str, call_sid: str | None) -> ExpectedCall | None:
        """A call that we have placed was answered, and Twilio asks what to do: its promise, if it is not over.

        Twilio may be quicker with this than with its answer to the create, and may ask more than once.
        """
        self._forget_expired()
        promised = self.expected.answered(call_id, call_sid) or self.asked_again(call_sid)
        return promised if promised is not None and promised.record.call_id == call_id else None

    def take(self, path: str) -> ExpectedCall:
        """Keep a promise: the stream has come. Works once for each path.

        Raises:
            CallRefused: ``unknown_call``: never promised, already used, or expired.
        """
        self._forget_expired()
        now = trio.current_time()
        return self._departures.take(path, now) or self.expected.take(path, now)

    async def resume(self, expected: ExpectedCall) -> ExpectedCall:
        """Have a call go on in its record: a stream has come by its second path.

        Waits until nothing of the earlier stream is open here any more, at most ``close_seconds`` and some. Cancelling
        is safe: the call ends as it would have.

        Raises:
            CallRefused: ``over``: the call has ended otherwise meanwhile.
        """
        record = expected.record
        if record.call_id in self._live:
            self._live[record.call_id].stream_replaced()
        with trio.move_on_after(self.limits.close_seconds + 1):  # noqa: ASYNC912 - checkpoints only while it closes
            while self.expected.of_sid(record.call_sid) is not None:
                await self._departure.wait()
        departed, now = self._ended.departed(record.call_sid), trio.current_time()
        if departed is None or departed.record is not record or not departed.may_be_taken_up(now):
            raise CallRefused("over", "this call has ended")
        self._departures.pop(record.call_id)
        expected = self._bring_back(departed, ELSEWHERE, expected.path)
        return self.expected.take(expected.path, now)

    def _new_id(self) -> str:
        """The id of a call, or a path: nobody guesses it, and it says whose it is."""
        return self._prefix + secrets.token_hex(16)[len(self._prefix) :]

    @property
    def occupied(self) -> int:
        """Number of calls that live or are promised, here and in the other processes that share ``max_calls``."""
        return self._held + self._call_counts.occupied_by_others

    @property
    def is_full(self) -> bool:
        """True if there are ``max_calls``, promised ones included, here and in other processes."""
        return self.occupied >= self.limits.max_calls

    @property
    def browser_calls(self) -> int:
        """Number of calls of pages that live or are promised, here and in the other processes."""
        self._forget_expired()
        return self.expected.browser_calls + self._call_counts.browsers_of_others

    def is_for_browser(self, path: str) -> bool:
        """True if a path was promised to a page."""
        expected = self.expected.get(path)
        return expected is not None and expected.record.is_browser_call

    @property
    def _held(self) -> int:
        """Number of the ``max_calls`` that are ours."""
        return len(self._live) + self.expected.arriving + len(self.expected)

    def _say_counts(self) -> None:
        """Have the other processes know how many calls there are here."""
        self._call_counts.occupy(self._held)
        self._call_counts.occupy_browsers(self.expected.browser_calls)

    def _forget_expired(self) -> None:
        now = trio.current_time()
        self.expected.give_up_lost(now)
        self._say_counts()
        for call_id in self.expected.expired(now):
            self.end(call_id, EndReason.START_TIMEOUT, "no stream came while its path was good")
        for call_id in self._departures.settled(now):
            self.settle(call_id)

    @contextmanager
    def living(self, call: Call) -> Iterator[None]:
        """While a call is live. Afterwards its record is remembered."""
        call_id = call.record.call_id
        self.expected.came(call_id)
        self._live[call_id] = call
        self._say_counts()
        if self._drained_because:
            call.end(EndReason.DRAIN, self._drained_because)
        self._on_live(call.record)
        began = trio.current_time()
        try:
            yield
        finally:
            del self._live[call_id]
            self.remember(call.record, self._note_departed(call.record, began))

    def _note_departed(self, record: CallRecord, began: float) -> PutThrough | None:
        """See whether the caller of a call that ends may come back."""
        expected, is_stopped = self.expected.of_sid(record.call_sid), record.end_reason is EndReason.HANGUP
        is_over = self._drained_because or record.twilio_status in TERMINAL_STATUSES
        if expected is None or is_over or not (record.handed_over or is_stopped):
            return None
        return self._departures.note(record, expected, began, self.limits, trio.current_time())

    def may_come_back(self, call_id: str) -> bool:
        """True if a call was put through and its caller may be here again; if not, it is told of as ended once more."""
        return call_id in self._departures

    async def dialed(self, call_id: str, outcome: str, *, over: bool) -> ExpectedCall | None:
        """Twilio has said how it went to put a caller through. Repeated, it says the same.

        Waits until nothing of the call is open here any more, at most ``close_seconds`` and some. Cancelling is safe.

        Args:
            call_id: whose caller it is.
            outcome: Twilio's ``DialCallStatus``.
            over: whether the caller has left.

        Returns:
            The promise of a path by which they come back to the agent; ``None`` if they do not.
        """
        if call_id in self._live and self._live[call_id].record.handed_over:
            self._live[call_id].phone_over("Twilio has dialed: its stream is over, whether or not it says so")
        with trio.move_on_after(self.limits.close_seconds + 1):  # noqa: ASYNC912 - checkpoints only while it closes
            while call_id in self._live and self._live[call_id].record.handed_over:
                await self._departure.wait()
        self._forget_expired()
        record = self.record(call_id)
        if record is None or not record.transfers:
            return None
        through = self._departures.get(call_id)
        if through is None:
            known = self.expected.of_sid(record.call_sid)
            is_again = known is not None and known.came_back is not None and record.transfers[-1].outcome == outcome
            if known is None:
                note_outcome(record, outcome, over=over)
            return known if is_again else None
        note_outcome(record, outcome, over=over)
        if outcome in ANSWERED or over or not through.may_be_answered_again or self._drained_because:
            self.settle(call_id)
            return None
        self._departures.pop(call_id)
        record.count("transfers_unanswered")
        return self._bring_back(through, why_of(outcome), self._new_id())

    def _bring_back(self, departed: PutThrough, why: str, path: str) -> ExpectedCall:
        """Promise a path to a caller who comes back. They were counted, and need not be again."""
        self._ended.pop(departed.record.call_id)
        expected = departed.come_back(why, trio.current_time(), path)
        self.expected.add(expected)
        self._say_counts()
        return expected

    def settle(self, call_id: str) -> None:
        """Whoever was put through does not come back."""
        through = self._departures.pop(call_id)
        if through is None:
            return
        self._on_ended(through.record)
        self._note_departure()

    def remember(self, record: CallRecord, departed: PutThrough | None = None) -> None:
        """Keep an ended call's record for a while, and tell of its end; its caller may have departed only."""
        if record.ended_at is None:  # its stream never came, or could not be answered
            record.ended_at = self._clock()
        self.expected.over(record)
        self._on_ended(record)
        self._say_counts()
        self._note_departure()
        self._ended.add(record, departed)

    def _note_departure(self) -> None:
        self._departure.set()
        self._departure = trio.Event()

    def end(self, call_id: str, reason: EndReason, detail: str) -> bool:
        """End a live or expected call; returns whether there was one."""
        if call_id in self._live:
            self._live[call_id].end(reason, detail)
            return True
        expected = self.expected.withdraw(call_id)
        if expected is None:
            return False
        expected.record.state, expected.record.end_reason = CallState.ENDED, reason
        expected.record.end_detail = detail
        self.remember(expected.record)
        return True

    def end_all(self, reason: EndReason, detail: str) -> int:
        """End every live and expected call; returns how many there were."""
        calls = [*self._live, *self.expected]
        for call_id in calls:
            self.end(call_id, reason, detail)
        for call_id in self._departures:
            self.settle(call_id)
        return len(calls)

    def record_of_sid(self, call_sid: str) -> CallRecord | None:
        """The record of the call with this call SID, if it is, or was, ours, as far as that is remembered."""
        return next((record for record in self.records() if record.call_sid == call_sid), None)

    def lives(self, call_sid: str) -> bool:
        """True if the stream of this call has come here, and is here still."""
        held = self.expected.of_sid(call_sid)
        return held is not None and held.record.call_id not in self.expected

    def lives_elsewhere(self, call_sid: str) -> None:
        """The stream of this call has come to another process: what was promised to it here is no promise any more."""
        held = self.expected.of_sid(call_sid)
        if held is not None and held.record.call_id in self.expected and held.record.direction == "inbound":
            held.record.handed_over = True  # so that nobody hangs its phone up
            self.end(held.record.call_id, EndReason.START_TIMEOUT, "its stream came to another process")

    def holds(self, call_sid: str) -> bool:
        """True if a call that is not over has this call SID."""
        return any(record.call_sid == call_sid for record in self._open_records())

    def live(self) -> list[Call]:
        """The calls whose sockets are not yet closed."""
        return list(self._live.values())

    def live_call(self, call_id: str) -> Call | None:
        """A call, if its sockets are not yet closed."""
        return self._live.get(call_id)

    def record(self, call_id: str) -> CallRecord | None:
        """A call's record, whatever state it is in."""
        self._forget_expired()
        if call_id in self._live:
            return self._live[call_id].record
        expected = self.expected.get(call_id)
        return self._ended.get(call_id) if expected is None else expected.record

    def records(self) -> list[CallRecord]:
        """Every record that there is: open calls first, then ended ones, the latest first."""
        self._forget_expired()
        return [*self._open_records(), *self._ended.latest_first()]

    def _open_records(self) -> list[CallRecord]:
        return [call.record for call in self._live.values()] + self.expected.records()

    def statistics(self) -> Statistics:
        """The counts of this moment."""
        self._forget_expired()
        return Statistics(len(self._live), len(self.expected), self._draining)

    def refuse_new(self) -> None:
        """Promise nothing more from now on; who was promised a path still comes in."""
        self._draining = True

    def end_arrivals(self, because: str) -> None:
        """End every call that is live, or that still comes: the drain is over."""
        self._drained_because = because
        self.end_all(EndReason.DRAIN, because)

    async def wait_until_empty(self) -> None:
        """Return when nothing is live, arriving, expected or may come back. Cancelling is safe."""
        while True:
            self._forget_expired()
            if not (self._held or self._departures):
                await trio.lowlevel.checkpoint()
                return
            with trio.move_on_at(min(self.expected.wake_at, self._departures.wake_at)):
                await self._departure.wait()
