"""Times at which the caller heard what was handed to Twilio: the right channel of a recording.

Twilio queues our audio and plays it in real time, without gaps while there is any. When it got a piece is not told; but
the echo of a mark says when everything before it had been played. An echo may be late, and is never early. So:

- audio that is handed over while some is still playing goes on where that ends; otherwise it begins a *burst*;
- a burst began when it was handed over, and later by the least delay that its next marks show (``LOOK_AHEAD``);
- marks that are late all together by more than ``GAP_SECONDS`` in the middle of a burst show that Twilio had run dry;
- a ``clear`` cuts what was not played when it came there, which the echo of the first mark that it discarded bounds.

Nothing is placed before its marks have said so, or have had time to (``PATIENCE_SECONDS``).

Pure: times are seconds of our clock; positions are samples of Twilio's.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.recorder.wav import RATE

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOK_AHEAD: Final = 3
"""Marks that must agree. They are placed every 200 ms (``bridge/playback.py``)."""
GAP_SECONDS: Final = 0.04
EXACT_SECONDS: Final = 0.002
"""A delay shorter than this is none: it is how long a message takes within a machine."""
PATIENCE_SECONDS: Final = 1.5
"""For an echo, beyond the moment when it is due."""
EARLY_SECONDS: Final = 0.01
"""An echo that comes earlier than its audio can have been played by more than this was discarded by a clear."""
MAX_MARKS: Final = 256
"""Marks of one burst that are remembered; the oldest is forgotten first."""


@attrs.define
class _Mark:
    name: str
    offset: int
    """Bytes of the burst before it."""
    sent_at: float
    echoed_at: float | None = None


@attrs.define
class _Burst:
    """Audio that is played without a gap, as far as is known from here."""

    began: float
    """Time at which its first piece was handed over."""
    audio: bytearray = attrs.field(factory=bytearray)
    settled: int = 0
    """Bytes that were placed, and are no longer in ``audio``."""
    marks: deque[_Mark] = attrs.field(factory=lambda: deque(maxlen=MAX_MARKS))
    delay: float | None = None
    """By how much later than handed over it is heard; known once something of it was placed."""
    position: int = 0
    """Place of its first byte, known in the same way; moved by gaps."""
    cut_at: float = math.inf
    """Time at which a clear was sent."""
    cut_echoed_at: float | None = None
    """Time at which the first mark that it discarded came back."""

    @property
    def length(self) -> int:
        return self.settled + len(self.audio)

    @property
    def ends_at(self) -> float:
        """Time at which it has been played, if nothing takes time."""
        return self.began + self.length / RATE

    def due(self, mark: _Mark) -> float:
        """Time at which a mark's audio has been played, if nothing takes time."""
        return max(mark.sent_at, self.began + mark.offset / RATE)

    def delay_of(self, mark: _Mark) -> float:
        """Delay with which the echo of a mark came."""
        late = math.inf if mark.echoed_at is None else mark.echoed_at - self.due(mark)
        return 0.0 if late < EXACT_SECONDS else late


class HeardTrack:
    """Audio that was handed to Twilio and is not placed yet."""

    __slots__ = ("_bursts", "_delay", "_ends", "_runs_out_at")

    def __init__(self) -> None:
        self._bursts: deque[_Burst] = deque()
        self._runs_out_at = -math.inf
        """Time at which Twilio's queue is empty, if nothing takes time."""
        self._delay: float | None = None
        """The last that was known."""
        self._ends = 0
        """Behind what was placed."""

    def sent(self, mulaw: bytes, now: float) -> None:
        """Audio was handed over."""
        if now >= self._runs_out_at or not self._bursts:
            self._bursts.append(_Burst(now))
        burst = self._bursts[-1]
        burst.audio += mulaw
        self._runs_out_at = burst.ends_at

    def marked(self, name: str, now: float) -> None:
        """A mark was handed over."""
        if self._bursts:
            self._bursts[-1].marks.append(_Mark(name, self._bursts[-1].length, now))

    def cleared(self, now: float) -> None:
        """Twilio was told to throw away what it has not played."""
        for burst in self._bursts:
            burst.cut_at = min(burst.cut_at, now)
        self._runs_out_at = now

    def echoed(self, name: str, sent_at: float) -> None:
        """A mark has come back.

        Args:
            name: its name.
            sent_at: when Twilio sent it, as far as that is known (``StreamClock.sent_at``).
        """
        for burst in self._bursts:
            mark = next((each for each in burst.marks if each.name == name and each.echoed_at is None), None)
            if mark is None:
                continue
            played_at = burst.due(mark) + self._delay_in(burst)
            if burst.delay is None and self._delay is None and burst.due(mark) > burst.cut_at:
                played_at = math.inf  # nothing says how long an echo takes: it is this one that will
            if burst.cut_at < math.inf and sent_at < played_at - EARLY_SECONDS:
                self._note_cut(burst.cut_at, sent_at)
            else:
                mark.echoed_at = sent_at
            return

    def _note_cut(self, cut_at: float, echoed_at: float) -> None:
        for burst in self._bursts:
            if burst.cut_at == cut_at and burst.cut_echoed_at is None:
                burst.cut_echoed_at = echoed_at

    def settle(self, now: float, origin: float, *, over: bool = False) -> Iterator[tuple[int, bytes]]:
        """Place what is certain by now: position, and what was heard from there on. Each is given once, in order.

        Args:
            now: the time.
            origin: when Twilio's clock stood at 0.
            over: whether nothing more comes, so that what is known must do.
        """
        while self._bursts:
            burst = self._bursts[0]
            if burst.cut_at < math.inf:
                if not over and not self._cut_is_known(burst, now):
                    return
                yield from self._place_cut(burst, origin)
            else:
                for offset, delay in self._known_segments(burst, now, over=over):
                    self._place(burst, delay, origin)
                    yield self._take(burst, offset)
                if burst.audio or (len(self._bursts) == 1 and not over and not self._is_done(burst, now)):
                    return
            self._bursts.popleft()

    def safe_until(self, now: float, origin: float) -> int:
        """The position before which nothing more will be placed."""
        first = next((burst for burst in self._bursts if burst.audio), None)
        if first is None:
            return max(self._ends, round((now - origin) * RATE))
        if first.delay is not None:
            return first.position + first.settled
        return max(self._ends, round((first.began - origin) * RATE))

    def _delay_in(self, burst: _Burst) -> float:
        return burst.delay if burst.delay is not None else self._delay or 0.0

    def _is_done(self, burst: _Burst, now: float) -> bool:
        """True if its marks have had time to come back."""
        return now >= burst.ends_at + self._delay_in(burst) + PATIENCE_SECONDS

    def _known_segments(self, burst: _Burst, now: float, *, over: bool) -> Iterator[tuple[int, float]]:
        """Offsets up to which it is known with what delay the burst was heard, in order."""
        marks = [mark for mark in burst.marks if mark.offset > burst.settled]
        for at, mark in enumerate(marks):
            ahead = marks[at : at + LOOK_AHEAD]
            delay = self._delay_in(burst)
            if not over and now < burst.due(mark) + delay + PATIENCE_SECONDS:
                more_follow = len(ahead) < LOOK_AHEAD and now < burst.ends_at + delay
                if more_follow or any(each.echoed_at is None for each in ahead):
                    return
            yield mark.offset, min(map(burst.delay_of, ahead))
        if burst.audio and (over or self._is_done(burst, now)):
            yield burst.length, math.inf

    def _place(self, burst: _Burst, delay: float, origin: float) -> None:
        """Decide where the next part of a burst lies; an infinite delay is one that is not known."""
        if delay == math.inf:
            delay = self._delay_in(burst)
        if burst.delay is None:
            burst.delay = delay
            burst.position = max(self._ends, round((burst.began + delay - origin) * RATE))
        elif delay > burst.delay + GAP_SECONDS:
            burst.position += round((delay - burst.delay) * RATE)
            burst.delay = delay
        self._delay = burst.delay

    def _take(self, burst: _Burst, offset: int, before: int | None = None) -> tuple[int, bytes]:
        """A burst's audio up to an offset, as far as it lies before a position."""
        at, length = burst.position + burst.settled, offset - burst.settled
        piece = bytes(burst.audio[: length if before is None else max(0, min(length, before - at))])
        del burst.audio[:length]
        burst.settled = offset
        if piece:  # what a clear threw away lies nowhere
            self._ends = max(self._ends, at + len(piece))
        return at, piece

    def _cut_is_known(self, burst: _Burst, now: float) -> bool:
        """True if it is known when a clear came to Twilio, or nothing will tell."""
        if burst.cut_echoed_at is not None or now >= burst.cut_at + PATIENCE_SECONDS:
            return True
        return all(mark.echoed_at is not None for mark in burst.marks)

    def _place_cut(self, burst: _Burst, origin: float) -> Iterator[tuple[int, bytes]]:
        """Place what was heard of a burst before a clear came, and nothing behind it."""
        if self._delay is None and burst.cut_echoed_at is not None:  # nothing but this echo says how long it takes
            late = burst.cut_echoed_at - burst.cut_at
            self._delay = late if late >= EXACT_SECONDS else 0.0
        marks = [mark for mark in burst.marks if mark.offset > burst.settled]
        ends = [(mark.offset, marks[at : at + LOOK_AHEAD]) for at, mark in enumerate(marks)]
        for offset, ahead in [*ends, (burst.length, [])]:
            self._place(burst, min(map(burst.delay_of, ahead), default=math.inf), origin)
            cut = burst.cut_at + self._delay_in(burst)
            if burst.cut_echoed_at is not None and burst.cut_echoed_at > cut + EXACT_SECONDS:
                cut = (cut + burst.cut_echoed_at) / 2
            yield self._take(burst, offset, before=round((cut - origin) * RATE))
