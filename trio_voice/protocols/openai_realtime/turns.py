"""The caller's turns, and which of them the server answers though nobody may want it to.

A server answers each turn by itself as soon as it is over. One that was made over the agent's words may be a cough or
an "uh-huh", and what it was is known when it has been written down, a moment later. So the response to such a turn is
kept until then: it is passed on as soon as words have the floor, and dropped if the turn is to be ignored. Nothing else
waits. Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

from trio_voice.events import model as c

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio_voice.protocols.openai_realtime.responses import Response

    Meaning = c.ModelEvent | c.Outgoing

KEEP_SECONDS: Final = 0.8
"""Time that a response is kept for words that do not come. Whoever waits for them (the bridge) waits longer, and sees
by the response that the server has heard somebody."""
MAX_KEPT: Final = 500
"""Events of a response that is kept; further ones let it go. A response has some fifty a second of its sound."""
DROPPED_RESPONSES: Final = 8

_OF_A_REPLY: Final = (c.ReplyStarted, c.ReplyAudio, c.ReplyWords, c.ReplyTranscript, c.ReplyDone)


class CallerTurns:
    """Those of one session.

    Args:
        are_written: whether the session has the caller's words written down; otherwise nothing is waited for.
    """

    def __init__(self, *, are_written: bool) -> None:
        self.are_written = are_written
        self._item_id = ""
        self._undecided_until = -math.inf
        self._ignored = False
        self._is_answered = True
        """The server has begun a response to it, by itself or because it was asked."""
        self._kept: list[Meaning] = []
        self._kept_id = ""
        self._release_at = math.inf
        self._dropped: deque[str] = deque(maxlen=DROPPED_RESPONSES)

    # What happens

    def begin(self, item_id: str, *, overlaps: bool) -> None:
        """The caller begins to speak; it ``overlaps`` if they do it over the agent's words."""
        self._item_id, self._ignored, self._is_answered = item_id, False, True
        self._undecided_until = math.inf if overlaps and self.are_written else -math.inf

    def end(self, now: float) -> None:
        """They have finished; their words come, or do not."""
        self._is_answered = False
        if self._undecided_until == math.inf:
            self._undecided_until = now + KEEP_SECONDS

    def written(self, item_id: str, now: float) -> None:
        """Their words are told, and whoever wants the turn ignored says so before anything else is heard or done."""
        if item_id == self._item_id:
            self.decide(now)

    def decide(self, now: float) -> None:
        """Words have the floor, or what was said is known: from here on the turn is to be answered."""
        self._undecided_until = -math.inf
        self._release_at = min(self._release_at, now)

    def ignore(self, item_id: str) -> str | None:
        """The turn is not to be answered; returns the response that is dropped, if one was kept.

        ``None`` if it is too late, or not this turn's; empty if the response has not begun yet.
        """
        if item_id != self._item_id or item_id == "":
            return None
        self._undecided_until = -math.inf
        if not self._kept_id:
            self._ignored = True
            return ""
        dropped, self._kept_id, self._kept, self._release_at = self._kept_id, "", [], math.inf
        self._dropped.append(dropped)
        return dropped

    def answered_by(self, response: Response, now: float) -> bool:
        """The server has begun a response to the turn by itself; returns whether it is to be cancelled."""
        if self._ignored:
            self._ignored = False
            self._dropped.append(response.response_id)
            return True
        if self.is_undecided(now) and not self._kept_id:
            self._kept_id, self._release_at = response.response_id, now + KEEP_SECONDS
        return False

    def answered(self) -> None:
        """A response begins: whatever it is, it comes after the turn."""
        self._is_answered = True

    # What is asked

    def awaits_answer(self, item_id: str) -> bool:
        """True if nothing was begun since this turn was over."""
        return item_id == self._item_id and not self._is_answered

    def waits_for(self, item_id: str) -> bool:
        """True if it is not known yet what this turn was."""
        return item_id == self._item_id and (self._undecided_until > -math.inf or bool(self._kept_id))

    def is_undecided(self, now: float) -> bool:
        """True if it is not known yet whether the turn is to be answered."""
        return now < self._undecided_until

    def holds(self, response_id: str) -> bool:
        """True if a response is kept or dropped."""
        return response_id == self._kept_id or response_id in self._dropped

    def is_dropped(self, response_id: str) -> bool:
        """True if a response is not to be heard at all."""
        return response_id in self._dropped

    @property
    def wake_at(self) -> float:
        """Time at which ``release`` has something, or ``is_undecided`` changes."""
        undecided = self._undecided_until if self._undecided_until > -math.inf else math.inf
        return min(self._release_at if self._kept_id else math.inf, undecided)

    # What is passed on

    def sift(self, events: Sequence[Meaning]) -> list[Meaning]:
        """Those of these events that may be passed on now."""
        if not self._kept_id and not self._dropped:
            return list(events)
        passed: list[Meaning] = []
        for event in events:
            reply_id = event.reply_id if isinstance(event, _OF_A_REPLY) else ""
            if reply_id and reply_id in self._dropped:
                continue
            is_kept = bool(self._kept_id) and (reply_id == self._kept_id or isinstance(event, c.ToolCalled))
            (self._kept if is_kept else passed).append(event)
        if len(self._kept) > MAX_KEPT:
            self._release_at = -math.inf
        return passed

    def release(self, now: float) -> list[Meaning]:
        """Events that were kept, if they may be passed on by now."""
        if self._undecided_until <= now:
            self._undecided_until = -math.inf
        if not self._kept_id or now < self._release_at:
            return []
        kept, self._kept, self._kept_id, self._release_at = self._kept, [], "", math.inf
        self._undecided_until = -math.inf
        return kept
