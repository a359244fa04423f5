"""The caller's turn as a chain hears it: who speaks until when, and how a turn ends that its recogniser leaves open."""

from __future__ import annotations

import math
from typing import Final

from trio_voice.chain.reply import words_of
from trio_voice.events.stage import EndTurn, TurnOver
from trio_voice.speech_text.backchannels import is_speech

WORDLESS_SECONDS: Final = 2.0
"""Time that a caller counts as speaking while no word comes: recognisers hear noise, and then say no more of it."""
REPEATED_SECONDS: Final = 0.3
SECONDS_A_LETTER: Final = 0.04
LONGEST_REPEATED_SECONDS: Final = 1.0
"""Nobody says the same again sooner: such a turn, of which nothing was told before its end, is the one before."""
SPEECH_SECONDS: Final = 5.0
"""The same, after their last word."""
END_SECONDS: Final = 1.0
"""Time that a recogniser may take to end a turn that it was told to end."""


class HearingTurn:
    """The caller's turn, as far as it is known.

    Args:
        hang_seconds: how long after its last word a turn may stay open.
    """

    def __init__(self, hang_seconds: float) -> None:
        self._hang_seconds = hang_seconds
        self.speaks_until = -math.inf
        """The caller counts as speaking until then."""
        self._item_id = ""
        self._text = ""
        """The words of the open turn so far; empty if there are none."""
        self.is_open = False
        """The caller has begun to speak, and not finished."""
        self._hangs_at = math.inf
        self._told_to_end = False
        self._ended: tuple[str, str] = ("", "")
        """The turn that was ended for the recogniser, and its words."""
        self._last: tuple[list[str], float] = ([], -math.inf)
        """The words of the turn before, and when it ended."""
        self._before: tuple[str, str] = ("", "")
        """The turn that another recogniser has heard the beginning of, and its words."""

    def began(self, now: float, *, may_hang: bool = True) -> None:
        """The caller makes a sound, of which no more may come: neither words nor an end."""
        self.speaks_until = max(self.speaks_until, now + WORDLESS_SECONDS)
        self.is_open = True
        if may_hang and not self._text:
            self._hangs_at, self._told_to_end = now + self._hang_seconds, False

    def resumed(self, now: float) -> None:
        """The caller goes on after a pause that looked like the end."""
        self.speaks_until = now + SPEECH_SECONDS
        if self._text:
            self._hangs_at, self._told_to_end = now + self._hang_seconds, False

    def goes_on(self, item_id: str, text: str, now: float) -> tuple[str, str] | None:
        """The turn's words so far, under its id; ``None`` if they are those of a turn that is over."""
        new = self._new_of(item_id, text)
        if new is None or not is_speech(new[1]):
            return None
        self.is_open = True
        if new != (self._item_id, self._text):
            self._item_id, self._text = new
            self.speaks_until = now + SPEECH_SECONDS
            self._hangs_at, self._told_to_end = now + self._hang_seconds, False
        return new

    def over(self, item_id: str, text: str, now: float) -> tuple[str, str] | None:
        """The turn that is over; ``None`` if it was ended before. One that comes twice is empty the second time."""
        new = self._new_of(item_id, text)
        if new is None:
            return None
        if not is_speech(new[1]):
            new = (new[0], "")
        words, (said, said_at) = words_of(new[1]), self._last
        too_soon = now - said_at < min(max(REPEATED_SECONDS, SECONDS_A_LETTER * len(new[1])), LONGEST_REPEATED_SECONDS)
        if words and words == said and too_soon and not self.words:
            new = (new[0], "")
        elif words:
            self._last = (words, now)
        self.speaks_until, self._hangs_at, self._text, self._before = -math.inf, math.inf, "", ("", "")
        self.is_open = False
        return new

    def changed(self, now: float) -> None:
        """Another recogniser hears: the words of an open turn so far stand before those that it hears, if it does."""
        if self._text:
            self._before = (self._item_id, self._text)
        if self.is_open:
            self._hangs_at, self._told_to_end = now + WORDLESS_SECONDS, True

    def hung(self, now: float) -> EndTurn | TurnOver | None:
        """The step that a turn asks for which has been left open."""
        if now < self._hangs_at:
            return None
        if not self._told_to_end:
            self._told_to_end, self._hangs_at = True, now + END_SECONDS
            return EndTurn()
        over = TurnOver(self._item_id if self._text else "", self._text)
        self._hangs_at = math.inf
        return over

    def end_for(self, over: TurnOver) -> None:
        """A turn was ended for the recogniser, which may still speak of it."""
        self._ended = (over.item_id, over.text)

    @property
    def words(self) -> str:
        """Those of the open turn so far; empty if there are none."""
        return self._text

    @property
    def wake_at(self) -> float:
        """Time at which ``hung`` is next needed."""
        return self._hangs_at

    def _new_of(self, item_id: str, text: str) -> tuple[str, str] | None:
        """New words of a turn, and its id; ``None`` if the turn was ended, and nothing is new."""
        before_id, before = self._before
        if before and item_id != before_id:
            return before_id, f"{before} {text}".rstrip()
        ended_id, said = self._ended
        if item_id != ended_id or not ended_id:
            return item_id, text
        rest = text[len(said) :].lstrip(" .,!?;") if text.startswith(said.rstrip(".!?")) else ""
        return (f"{item_id}+", rest) if rest else None
