"""An echo: the agent's own words, which the line gives back, and the model takes for the caller's.

Three words and more are one if they are a run of what the agent is saying or has just said, in a sound that is over
soon after the agent's: who says the same by themselves goes on when the agent has fallen silent. Callers choose by
repeating what they are offered, so words that offer a choice are none. Neither are words behind which others come.

Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Final

from trio_voice.speech_text.backchannels import words_of
from trio_voice.speech_text.repetition import LEAST_WORDS, repeats, said_without_choice

if TYPE_CHECKING:
    from trio_voice.bridge.context import Context
    from trio_voice.events.model import CallerTranscript
    from trio_voice.record import Utterance

HEARD_SECONDS: Final = 1.0
"""Time after its last word in which an echo of the agent may begin, as a model tells it."""
OUTLASTS_SECONDS: Final = 0.6
"""Longest delay of an echo on a telephone line, and of a ``clear`` on its way."""
IN_PIECES_SECONDS: Final = 3.0
"""Time in which words that are too few go on with an echo of before."""
LINES: Final = 2
"""Latest lines of the agent's that are compared: a filler may stand behind its answer."""


class Echo:
    """Those of one call.

    Args:
        context: of the call.
    """

    __slots__ = (
        "_context",
        "_item_id",
        "_lines",
        "_may_come",
        "_open",
        "_outlasts",
        "_run",
        "_run_until",
        "is_over",
        "taken_id",
    )

    def __init__(self, context: Context) -> None:
        self._context = context
        self._may_come = False
        """The agent was heard when the sound began, or just before."""
        self._lines: list[tuple[Utterance, str]] = []
        """The agent's latest, with their texts as they were known then: those that are cut lose words."""
        self._outlasts: bool | None = None
        """The sound went on behind the agent's; ``None`` while it goes on."""
        self.is_over = True
        """All words are told of the turn that began last."""
        self._open: CallerTranscript | None = None
        """An echo of which more words may come."""
        self.taken_id: str | None = None
        """The turn whose echo was taken as it was: its end is no other."""
        self._item_id: str | None = None
        """The turn whose words are the caller's own."""
        self._run: tuple[str, ...] = ()
        self._run_until = -math.inf
        """The echo that was heard last, and until when it may go on."""

    def began(self, now: float) -> None:
        """The model hears somebody."""
        playout = self._context.playout
        self._may_come = playout.is_busy(now) or now - playout.playback.ends_at <= HEARD_SECONDS
        self._lines = [(line, line.text) for line in self._latest()]
        self._outlasts = self._item_id = self._open = self.taken_id = None
        self.is_over = False

    def ended(self) -> None:
        """They have fallen silent; the agent may go on from here."""
        self._outlasts = self._goes_on()

    def brought(self, fact: CallerTranscript, now: float) -> bool:
        """True if these words are the agent's own. The first words of an echo are, as long as more may come."""
        self.is_over, self._open = fact.final, None
        if not fact.text or fact.item_id == self._item_id:
            return False
        outlasts = self._goes_on() if self._outlasts is None else self._outlasts
        if self._may_come and not outlasts and self._is_run(fact, now):
            self._open = None if fact.final or len(words_of(fact.text)) < LEAST_WORDS else fact
            return True
        self._item_id = fact.item_id
        return False

    def take_open(self) -> CallerTranscript | None:
        """The words of an echo of which more may come, and which is taken as it is; ``None`` if there is none."""
        taken, self._open = self._open, None
        self.taken_id = None if taken is None else taken.item_id
        return taken

    def _is_run(self, fact: CallerTranscript, now: float) -> bool:
        language, words = self._context.persona.language, words_of(fact.text)
        if len(words) < LEAST_WORDS and now < self._run_until:
            words = (*self._run, *words)
        if len(words) < LEAST_WORDS and (fact.final or not words):
            return False
        asks = "?" in fact.text
        known = [line for line, _ in self._lines]
        texts = [max(text, line.text, key=len) for line, text in self._lines]
        if len(self._latest()) < LINES:  # its text may be told later than it is heard
            texts.append(self._context.persona.greeting or "")
        for text in (*texts, *(line.text for line in self._latest() if line not in known)):
            said = said_without_choice(text, language)
            if asks <= ("?" in text) and repeats(words, said, begun=not fact.final):
                if fact.final:
                    self._run, self._run_until = words, now + IN_PIECES_SECONDS
                return True
        return False

    def _goes_on(self) -> bool:
        """True if the caller's line is loud for longer than the agent's words take to come back."""
        context = self._context
        return context.turns.last_sound_at > context.playout.playback.ends_at + OUTLASTS_SECONDS

    def _latest(self) -> list[Utterance]:
        agents = (line for line in reversed(self._context.transcript.latest) if line.role == "agent")
        return list(islice(agents, LINES))
