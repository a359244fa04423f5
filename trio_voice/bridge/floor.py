"""The floor, where a caller makes a sound while the agent speaks: they are heard at once, their words decide.

A cough, a car, an "uh-huh" are no interruption, and nobody can tell before there are words. So where the model waits
for our word (``yields_on_request``) the agent falls silent at once and keeps what was not heard; when words take the
floor it is thrown away, and when none do it is said. Models that fall silent by themselves have thrown it away; they
are asked to go on.

A persona's ``min_interruption_ms`` and ``min_interruption_words`` let the agent speak on until they are reached.

Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Final

from trio_voice.speech_text.backchannels import takes_floor

if TYPE_CHECKING:
    from trio_voice.persona import Persona

WORDS_SECONDS: Final = 0.35
"""Time after a turn in which its words may still come, from a model that writes while the caller speaks."""
LATE_WORDS_SECONDS: Final = 1.2
"""The same for one that writes when the turn is over."""
LONG_SPEECH_SECONDS: Final = 1.2
"""Nobody says "uh-huh" for so long: where words come late, it is speech."""
LOUD_SECONDS: Final = 1.0
"""After the last loud piece of it, a sound that is not over is still no noise."""
WORDLESS_SECONDS: Final = 5.0
"""Sound that goes on so long without a word is none of the caller's."""
PAUSE_SECONDS: Final = 0.2
"""Whoever was loud so short a time ago is speaking; models wait longer until they say that a turn is over."""
LOOK_SECONDS: Final = 0.1
"""Between two looks at whether a sound has become long enough."""


class Verdict(enum.Enum):
    """The step to take."""

    NOTHING = "wait, or there is nothing to decide"
    HUSH = "fall silent, and wait for words"
    CUT = "it is speech by its length: what was not heard is given up, unless no words follow"
    TAKEN = "the caller has the floor"
    GO_ON = "it was none: say what was not heard"


class _State(enum.Enum):
    FREE = "free"
    SOUND = "the caller makes a sound, and the agent still speaks"
    HUSHED = "the agent has fallen silent, and is waiting for words"


class Floor:
    """One undecided interruption at a time.

    Args:
        persona: whose words and thresholds count.
        yields: whether the model waits for our word; otherwise it has fallen silent by itself.
        writes_while_spoken: whether it sends words while the caller is still speaking.
    """

    __slots__ = (
        "_answers",
        "_began_at",
        "_ended_at",
        "_last_sound_at",
        "_looked_at",
        "_loud_until",
        "_min_seconds",
        "_min_words",
        "_persona",
        "_state",
        "_text",
        "_was_answered",
        "_was_cut",
        "_was_long_enough",
        "_was_too_short",
        "_writes_while_spoken",
        "_yields",
    )

    def __init__(self, persona: Persona, *, yields: bool, writes_while_spoken: bool) -> None:
        self._persona = persona
        self._yields = yields
        self._writes_while_spoken = writes_while_spoken
        self._min_words = persona.min_interruption_words or None
        self._min_seconds = (persona.min_interruption_ms or 0.0) / 1000
        self._state = _State.FREE
        self._began_at = 0.0
        self._ended_at = math.inf
        self._loud_until = -math.inf
        """Time before which it is no noise: the line is as loud as speech, and its words come at its end."""
        self._last_sound_at = self._looked_at = -math.inf
        """Time of the last piece that was as loud as speech, and of the last look at it."""
        self._text = ""
        self._answers = False
        self._was_answered = False
        self._was_cut = False
        self._was_long_enough = True
        self._was_too_short = False

    def model_replaced(self, *, yields: bool, writes_while_spoken: bool) -> None:
        """Another model hears the caller; who interrupted the one before has nothing to wait for."""
        self._yields, self._writes_while_spoken = yields, writes_while_spoken
        self.release()

    @property
    def is_undecided(self) -> bool:
        """True if somebody may be interrupting."""
        return self._state is not _State.FREE

    def began(self, now: float, *, answers: bool) -> Verdict:
        """The caller makes a sound over the agent; it ``answers`` if the agent had all but finished."""
        if self._state is not _State.FREE:
            self._ended_at = math.inf  # they go on
            return Verdict.NOTHING
        self._began_at, self._ended_at, self._loud_until, self._text = now, math.inf, -math.inf, ""
        self._last_sound_at = self._looked_at = -math.inf
        self._answers, self._was_answered, self._was_cut = answers, False, False
        self._was_long_enough, self._was_too_short = not self._min_seconds, False
        if self._min_seconds or self._min_words is not None:
            self._state = _State.SOUND
            return Verdict.NOTHING
        self._state = _State.HUSHED
        return Verdict.HUSH

    def said(self, text: str, now: float, *, final: bool, last_sound_at: float = -math.inf) -> Verdict:
        """The words of it so far."""
        if self._state is _State.FREE:
            return Verdict.NOTHING
        self._last_sound_at = last_sound_at
        self._text = text.strip()
        if self._takes(now, partial=not final):
            return self._decide(Verdict.TAKEN)
        too_soon = self._is_too_soon(now)
        if not final or (too_soon and self._ended_at == math.inf):
            return Verdict.NOTHING
        self._was_too_short = too_soon
        return self._decide(Verdict.GO_ON)

    def ended(self, now: float, last_sound_at: float = -math.inf) -> Verdict:
        """The caller has fallen silent."""
        if self._state is not _State.FREE:
            self._ended_at = now
        return self.tick(now, last_sound_at)

    def answered(self) -> None:
        """The model has begun another reply: it has heard somebody, whatever the words are."""
        self._was_answered = True
        if not self._yields:
            self.release()

    def release(self) -> None:
        """There is nothing to decide any more."""
        self._state, self._ended_at = _State.FREE, math.inf

    @property
    def wake_at(self) -> float:
        """Time at which ``tick`` is next needed."""
        if self._state is _State.FREE:
            return math.inf
        if self._ended_at < math.inf:
            seconds = WORDS_SECONDS if self._writes_while_spoken else LATE_WORDS_SECONDS
            return self._ended_at + (2 * seconds if self._was_cut else seconds)
        if not self._was_long_enough:
            return max(self._began_at + self._min_seconds, self._looked_at + LOOK_SECONDS)
        seconds = max(LONG_SPEECH_SECONDS if self._length_tells else WORDLESS_SECONDS, self._min_seconds)
        return max(self._began_at + seconds, self._loud_until)

    def tick(self, now: float, last_sound_at: float = -math.inf) -> Verdict:
        """The step that time decides, if the last speech on the line was then. Harmless to call too early."""
        self._last_sound_at = last_sound_at
        if self._state is not _State.FREE and self._ended_at == math.inf and not self._writes_while_spoken:
            self._loud_until = last_sound_at + LOUD_SECONDS
        if self._state is _State.FREE or now < self.wake_at:
            return Verdict.NOTHING
        if not self._was_long_enough and self._ended_at == math.inf and now < self._began_at + WORDLESS_SECONDS:
            self._looked_at = now
            if self._is_too_soon(now):
                return Verdict.NOTHING
            self._was_long_enough = True
            return self._decide(Verdict.TAKEN) if self._takes(now) else Verdict.NOTHING
        if self._takes(now) or (not self._text and self._was_answered):
            return self._decide(Verdict.TAKEN)
        if not self._text and self._is_long(now):
            self._was_cut = True
            return Verdict.CUT
        self._was_too_short = self._is_too_soon(now)
        return self._decide(Verdict.GO_ON)

    def takes_late(self, text: str) -> bool:
        """True if words that are told when it was decided without them take the floor."""
        persona = self._persona
        if self._was_too_short:
            return False
        if self._answers and text.strip():
            return True
        return takes_floor(text, persona.language, persona.backchannels, self._min_words)

    @property
    def _length_tells(self) -> bool:
        """True if nothing but its length tells while it lasts: the model still speaks on, and words come late."""
        may_tell = self._yields and not self._writes_while_spoken and self._min_words is None
        return may_tell and not self._was_cut

    def _is_long(self, now: float) -> bool:
        return self._length_tells and min(now, self._ended_at) >= self._began_at + LONG_SPEECH_SECONDS

    def _takes(self, now: float, *, partial: bool = False) -> bool:
        """True if the words so far take the floor."""
        if self._is_too_soon(now):
            return False
        if self._answers and self._text.strip():
            return True
        persona = self._persona
        return takes_floor(self._text, persona.language, persona.backchannels, self._min_words, partial=partial)

    def _is_too_soon(self, now: float) -> bool:
        """True if the sound has not lasted, or did not last, as long as the persona asks for."""
        until = min(now, self._ended_at)
        if self._last_sound_at >= self._began_at - PAUSE_SECONDS:  # else their voice is too low for us to hear
            until = min(until, self._last_sound_at + PAUSE_SECONDS)
        return not self._was_long_enough and until < self._began_at + self._min_seconds

    def _decide(self, verdict: Verdict) -> Verdict:
        self.release()
        return verdict
