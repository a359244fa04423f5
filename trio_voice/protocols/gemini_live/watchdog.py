"""Notices that the caller has spoken and no answer comes.

A session can wedge: it takes sound and says nothing any more, for instance after an ``interrupted`` that no speech
followed (googleapis/python-genai #2333). Gemini does not say when the caller begins and stops, so this listens itself:
by loudness, and by the words that Gemini transcribes. It never decides that the caller interrupts, which is Gemini's
business; it only knows whether they seem to be speaking, and for how long they have been waiting.

Silence is no answer, whatever fields it comes in: turns end without a sound, some with ``RESPONSE_REJECTED``, or with
seconds of digital silence (google-gemini/gemini-live-api-examples #40). Only what can be heard, or a tool, settles it.

What follows is harmless where the watchdog is wrong, because it heard a lorry and not the caller: first Gemini is asked
to answer, which makes it ask what was said; only if even that brings nothing should another session take over. A cough
is too short for that, and a Gemini that was asked about loudness and could answer has ears: what is loud then is no
speech, until it hears words, or answers by itself, again.
"""

from __future__ import annotations

import enum
import math
from typing import Final

FRAME_MS_A_BYTE: Final = 1 / 8
PATIENCE_SECONDS: Final = 8.0
"""Time that a caller who is loud may wait for the first sign of an answer: it may be a lorry. Also the time that Gemini
may think, or be silent in a reply that has begun."""
ANSWER_SECONDS: Final = 3.0
"""The same for one whose words Gemini has heard, and for what it was asked to say; and for each further step."""
PAUSE_SECONDS: Final = 0.2
"""Silence after speech that counts as its end."""
WORDS_SECONDS: Final = 0.8
"""Silence after words that counts as the end of speech which is too low to be heard here."""
FORGET_SECONDS: Final = 1.0
"""After so much quiet it is another utterance."""
LOW_SECONDS: Final = 3.0
"""Words that come so long after the last loudness are of a voice that is too low to be heard here."""
SPOKEN_MS: Final = 300.0
"""Length of loudness that makes an utterance; a word takes longer, a click does not."""
ANSWERED_MS: Final = 600.0
"""The same for one that has to be answered, or for several: whoever is not heard says it again, whoever coughs does
not."""
TOGETHER_SECONDS: Final = 10.0
"""Most between two of them."""

# mu-law keeps the exponent in bits 4 to 6, inverted: of these the two lowest, up to 380 of 32,124 or -38.5 dB, are what
# a line has when nobody speaks into it.
_QUIET: Final = bytes((*range(0x60, 0x80), *range(0xE0, 0x100)))
_LOUD_SHARE: Final = 1 / 8


class Step(enum.Enum):
    """Outcome of the caller's speech."""

    BEGUN = "the caller seems to be speaking"
    PAUSED = "the caller has stopped speaking"
    NUDGE = "no answer comes: ask for one"
    LEAVE = "still none: another session should take over"


class Watchdog:
    """One session's. Time is in seconds of one clock; what it does not hear while the model is busy, it ignores."""

    def __init__(self) -> None:
        self.heard_ms = 0.0
        """Length of all that was as loud as speech, whoever was speaking then."""
        self.heard_at = -math.inf
        """Time of the last of it."""
        self._loud_ms = self._unanswered_ms = 0.0
        self._last_loud = -math.inf
        self._is_only_loud = False
        """An answer is waited for because of loudness alone."""
        self._is_noise = False
        """Gemini was asked about such loudness, and it could answer: it has heard no speech."""
        self._last_words = -math.inf
        """Time of the last words that were too low to be heard here."""
        self._began_at = math.inf
        self._pause_at = math.inf
        self._speaks = False
        """The caller, as far as has been told."""
        self._due_at = self._owed_at = math.inf
        self.is_asked = False
        """Gemini knows that it owes an answer: it has heard words, or was asked."""
        self._step: Step | None = None

    @property
    def wake_at(self) -> float:
        """Time at which ``tick`` is next needed. It may be early: it is not moved with every frame."""
        return min(self._began_at, self._pause_at, self._due_at)

    def hear(self, mulaw: bytes, now: float, *, minds: bool) -> None:
        """The caller's next sound; who speaks is minded while the model says nothing, and owes nothing else."""
        if len(mulaw.translate(None, _QUIET)) < len(mulaw) * _LOUD_SHARE or not mulaw:
            return
        self.heard_ms, self.heard_at = self.heard_ms + len(mulaw) * FRAME_MS_A_BYTE, now
        if not minds:
            return
        if now - self._last_loud > FORGET_SECONDS:
            self._loud_ms = 0.0
        if now - self._last_loud > TOGETHER_SECONDS:
            self._unanswered_ms = 0.0
        self._loud_ms += len(mulaw) * FRAME_MS_A_BYTE
        self._unanswered_ms += len(mulaw) * FRAME_MS_A_BYTE
        self._last_loud = now
        if self._pause_at == math.inf:
            self._pause_at = now + PAUSE_SECONDS
        if self._unanswered_ms >= ANSWERED_MS and self._due_at == math.inf and not self._is_noise:
            self._due_at, self._is_only_loud = now + PATIENCE_SECONDS, True
        if self._loud_ms >= SPOKEN_MS and not self._speaks:
            self._began_at = min(self._began_at, now)

    def expect_answer(self, now: float) -> None:
        """Gemini owes an answer: it says that it has heard words, or it was asked to say something."""
        if self._step is None:
            self._is_only_loud = False
            self.is_asked, self._owed_at, self._due_at = True, now, now + ANSWER_SECONDS

    def hear_words(self, now: float) -> None:
        """Gemini says that it has heard words, be they ever so low."""
        self._is_noise = False
        self.expect_answer(now)
        if now - self._last_loud > LOW_SECONDS:
            self._last_words = now
            self._pause_at = now + WORDS_SECONDS
            if not self._speaks:
                self._began_at = min(self._began_at, now)

    def making(self, now: float) -> None:
        """Something of an answer is there, and nothing of it can be heard yet."""
        if self._due_at < math.inf:
            self._due_at = now + PATIENCE_SECONDS

    def silent(self, now: float) -> bool:
        """The model's turn is over without a sound; returns whether it should have had one, not a noise's."""
        if self.is_asked:
            self._due_at = max(now, self._owed_at + ANSWER_SECONDS)
            return True
        self.forgive()
        return False

    def forgive(self) -> None:
        """Nothing is owed; the caller may be speaking still: an interrupted turn is over before they are."""
        speaks, pause_at = self._speaks, self._pause_at
        self.settle()
        self._speaks, self._pause_at = speaks, pause_at

    def settle(self) -> None:
        """The model is alive: it answers."""
        if self._is_only_loud:
            self._is_noise, self._is_only_loud = self._step is Step.NUDGE, False
        self._loud_ms, self._step, self._speaks, self.is_asked = 0.0, None, False, False
        self._unanswered_ms = 0.0
        self._began_at = self._pause_at = self._due_at = math.inf

    def interrupted(self, now: float) -> None:
        """The model is alive, and says itself that the caller has begun to speak."""
        self.settle()
        self._is_noise, self._unanswered_ms = False, ANSWERED_MS - SPOKEN_MS  # it has heard the rest
        self._speaks, self._last_loud, self._pause_at = True, now, now + PAUSE_SECONDS

    def tick(self, now: float) -> Step | None:
        """Outcome of it by now. A noise that is too short for an utterance has neither beginning nor end."""
        if now >= self._began_at:
            self._began_at, self._speaks = math.inf, True
            return Step.BEGUN
        if now >= self._pause_at:
            ends_at = max(self._last_loud + PAUSE_SECONDS, self._last_words + WORDS_SECONDS)
            self._pause_at = math.inf if now >= ends_at else ends_at
            if now >= ends_at and self._speaks:
                self._speaks = False
                return Step.PAUSED
        if now >= self._due_at:
            patience = ANSWER_SECONDS if self.is_asked else PATIENCE_SECONDS
            latest = self._last_loud + patience  # they may be speaking still, or again
            if now < latest and self._step is None:
                self._due_at = latest
                return None
            if self._step is not None:
                self.settle()
                return Step.LEAVE
            self._step = Step.NUDGE
            self.is_asked, self._owed_at, self._due_at = True, now, now + ANSWER_SECONDS
            return self._step
        return None
