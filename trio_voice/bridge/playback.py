"""Position of the caller's ear in the speech that we handed to Twilio.

Twilio queues our audio and plays it in real time. Two things say how far it is: the echo of a mark (certain, but only
every so often) and the clock between echoes (an estimate that may not pass a mark whose echo has not come). After a
``clear`` Twilio echoes every pending mark though its audio was thrown away, and nothing in the echo says so; hence each
clear begins a new generation, and the echo of an older one is known for what it is by its name.

Positions are milliseconds of audio handed over since the last clear. Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from trio_voice.bridge.marks import MarkLog

MARK_EVERY_MS: Final = 200.0
"""Audio that may go out without a mark; the clock has to bridge no more than this."""


@attrs.define
class _Span:
    reply_id: str
    start_ms: float
    end_ms: float


class Playback:
    """Twilio's queue, as far as it can be known from here.

    Args:
        log: told of the marks.
    """

    __slots__ = ("_generation", "_heard_ms", "_log", "_marked_ms", "_marks", "_pending", "_spans", "ends_at", "sent_ms")

    def __init__(self, log: MarkLog) -> None:
        self._log = log
        self._generation = 0
        self._marks = 0
        self._pending: list[tuple[str, float, float]] = []
        """Name and position of each mark that has not come back, and when it should, by the clock."""
        self.sent_ms = 0.0
        """The position of the end of all that was handed over."""
        self._marked_ms = 0.0
        self._heard_ms = 0.0
        self.ends_at = 0.0
        """Time at which all that was sent will have been played, by the clock."""
        self._spans: list[_Span] = []

    def send(self, reply_id: str, ms: float, now: float) -> None:
        """Audio of a reply has been handed to Twilio."""
        if self._spans and self._spans[-1].reply_id == reply_id:
            self._spans[-1].end_ms += ms
        else:
            self._spans.append(_Span(reply_id, self.sent_ms, self.sent_ms + ms))
        self.sent_ms += ms
        self.ends_at = max(self.ends_at, now) + ms / 1000

    def forward(self, reply_id: str, ms: float, now: float, *, lead_ms: float, overdue_seconds: float) -> str | None:
        """``send``, and ``place_mark`` where one is due, if Twilio is no further ahead and no echo so long overdue.

        Returns:
            The mark that is to be sent behind it, empty for none; ``None`` if it is not so simple: nothing was done.
        """
        pending = self._pending
        if (self.ends_at - now) * 1000 > lead_ms or (pending and pending[0][2] + overdue_seconds <= now):
            return None
        self.send(reply_id, ms, now)
        return self.place_mark() if self.mark_is_due else ""

    @property
    def mark_is_due(self) -> bool:
        """True if enough audio has gone out since the last mark."""
        return self.sent_ms - self._marked_ms >= MARK_EVERY_MS

    @property
    def is_marked(self) -> bool:
        """True if a mark stands at the end of all that was sent."""
        return self.sent_ms == self._marked_ms

    def place_mark(self) -> str:
        """Name a mark for here; the caller sends it to Twilio."""
        self._marks += 1
        name = f"{self._generation}.{self._marks}"
        self._pending.append((name, self.sent_ms, self.ends_at))
        self._marked_ms = self.sent_ms
        self._log.placed(self.ends_at)
        return name

    def echo(self, name: str, now: float) -> bool:
        """A mark has come back; returns whether it means that its audio was played.

        False for a mark of before the last clear, and for one that we never placed.
        """
        passed = next((at for at, (pending, _, _) in enumerate(self._pending, 1) if pending == name), 0)
        if not passed:
            return False
        _, self._heard_ms, due = self._pending[passed - 1]
        del self._pending[:passed]
        self._log.played(passed, due, now)
        self.ends_at = now + (self.sent_ms - self._heard_ms) / 1000
        return True

    def heard_ms(self, now: float) -> float:
        """The position that the caller has heard by ``now``."""
        by_the_clock = self.sent_ms - self.ahead_ms(now)
        not_beyond = self._pending[0][1] if self._pending else self.sent_ms
        return min(max(by_the_clock, self._heard_ms), not_beyond)

    def ahead_ms(self, now: float) -> float:
        """Milliseconds that Twilio still has to play, by the clock."""
        return max(0.0, self.ends_at - now) * 1000

    def is_playing(self, now: float) -> bool:
        """True if the caller has not yet heard all that was sent."""
        return self.heard_ms(now) < self.sent_ms

    def heard_of(self, reply_id: str, now: float) -> float:
        """Milliseconds of one reply that the caller has heard."""
        heard = self.heard_ms(now)
        return sum(
            min(max(heard - span.start_ms, 0.0), span.end_ms - span.start_ms)
            for span in self._spans
            if span.reply_id == reply_id
        )

    def unheard_replies(self, now: float) -> list[str]:
        """Replies with something still to be played, in their order."""
        heard = self.heard_ms(now)
        return [span.reply_id for span in self._spans if span.end_ms > heard]

    @property
    def awaits_marks(self) -> bool:
        """True if a mark has not come back yet."""
        return bool(self._pending)

    @property
    def echo_due(self) -> float:
        """Time at which the oldest mark that is out should come back, by the clock; infinite if none is out."""
        return self._pending[0][2] if self._pending else math.inf

    def forget_heard(self, now: float) -> list[tuple[str, float]]:
        """Drop what lies behind the caller's ear, so that a long call stays small; returns the replies, and lengths."""
        heard, forgotten = self.heard_ms(now), list[tuple[str, float]]()
        while self._spans and self._spans[0].end_ms <= heard:
            span = self._spans.pop(0)
            forgotten.append((span.reply_id, span.end_ms - span.start_ms))
        return forgotten

    def clear(self, now: float) -> None:
        """A ``clear`` is sent: what was not heard never will be, and the echoes to come mean nothing."""
        self._generation += 1
        self._log.discarded(len(self._pending), now)
        self._pending.clear()
        self._spans.clear()
        self.sent_ms = self._marked_ms = self._heard_ms = 0.0
        self.ends_at = now
