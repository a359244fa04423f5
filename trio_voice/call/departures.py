"""Calls whose stream is over and whose callers may come back, and the paths by which they do.

Twilio asks for TwiML again because it did not get the answer, or because somebody has redirected the caller, which it
does not say. So whoever asks gets a second path, and nothing else changes until a stream comes by it: the call that
lives goes on, the one that ended stays so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

from trio_voice.call.expected import EXPECTED_SECONDS
from trio_voice.call.put_through import OUTCOME_SECONDS, PutThrough

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trio_voice.call.expected import ExpectedCall
    from trio_voice.limits import Limits
    from trio_voice.record import CallRecord


class Departures:
    """Those of this process. Times are trio's."""

    def __init__(self) -> None:
        self._away: dict[str, PutThrough] = {}
        """By call id, of those that are not told of as ended yet: they were put through, or have a second path."""
        self._second: dict[str, ExpectedCall] = {}
        """The promises of second paths by call id, one a call."""

    def __contains__(self, call_id: str) -> bool:
        return call_id in self._away

    def __len__(self) -> int:
        return len(self._away)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._away))

    @property
    def wake_at(self) -> float:
        """Time from which the next of them is certain not to come back."""
        return min((each.until for each in self._away.values()), default=math.inf)

    def settled(self, now: float) -> list[str]:
        """Ids of those that are certain not to come back."""
        return [call_id for call_id, departed in self._away.items() if departed.until <= now]

    def get(self, call_id: str) -> PutThrough | None:
        """The departure of a call, if it is not told of as ended."""
        return self._away.get(call_id)

    def pop(self, call_id: str) -> PutThrough | None:
        """The same, and no more of it."""
        return self._away.pop(call_id, None)

    def note(self, record: CallRecord, expected: ExpectedCall, began: float, limits: Limits, now: float) -> PutThrough:
        """A call ends that was put through, or whose stream Twilio has stopped.

        Args:
            record: of the call.
            expected: the promise that it kept.
            began: time at which its stream came.
            limits: of this process.
            now: the time.
        """
        earlier, streams = expected.came_back, frozenset(filter(None, [record.stream_sid]))
        if earlier is not None:
            began, streams = earlier.began, streams | earlier.earlier_streams
        second = self._second_of(record.call_id, now)
        until = now + OUTCOME_SECONDS if record.handed_over or second is None else second.expires_at
        departed = PutThrough(record, expected.persona, expected.persona.within(limits), began, until, streams)
        if record.handed_over or second is not None:
            self._away[record.call_id] = departed
        return departed

    def promise_again(self, expected: ExpectedCall, new_id: Callable[[], str], now: float) -> ExpectedCall:
        """The promise of a second path to a call whose first was used, made now if there is none."""
        call_id = expected.record.call_id
        second = self._second_of(call_id, now)
        if second is None:
            second = attrs.evolve(expected, path=new_id(), expires_at=now + EXPECTED_SECONDS, is_second=True)
            self._second[call_id] = second
        return second

    def take(self, path: str, now: float) -> ExpectedCall | None:
        """Keep the promise of a second path, if there is one."""
        found = next((each for each in self._second.values() if each.path == path and each.expires_at > now), None)
        return None if found is None else self._second.pop(found.record.call_id)

    def _second_of(self, call_id: str, now: float) -> ExpectedCall | None:
        self._second = {key: each for key, each in self._second.items() if each.expires_at > now}
        return self._second.get(call_id)
