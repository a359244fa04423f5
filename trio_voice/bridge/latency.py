"""Pauses before answers, as the caller waits for them, and the stages that they are made of.

What a caller feels is ``heard_after_ms``: from the last sound that they made to the first that they hear, both measured
from the audio. The rest tells where that time goes. A turn begins when the model decides that the caller has finished,
which is some time after their last sound. Its stages, each measured from there in milliseconds:

    final_transcript   what the caller said is certain (before the turn begins, with some models: then negative)
    first_token        the language model has begun, where the model tells
    first_audio        the first sound of the answer is here
    first_frame        it is on its way to Twilio; this is the turn's ``latency_ms``: the model's share, and ours
    first_mark         Twilio says that the caller has heard the first piece of it

And before it: ``caller_stopped``, the last sound that they made.

Only sound that can be heard counts. Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from trio_voice.audio.mulaw import is_speech
from trio_voice.bridge.watcher import NOBODY
from trio_voice.record import Turn

if TYPE_CHECKING:
    from trio_voice.bridge.watcher import Watcher
    from trio_voice.record import CallRecord


STALE_SECONDS: Final = 3.0
"""A transcript that was final so long before the caller's end is of their turn before: some come after the answer."""


ANSWER_SECONDS: Final = 5.0
"""Time that an answer may take to begin. Later it is not to be expected: the turn was a noise, or the model is ill."""


class Turns:
    """Writes the turns of a call's record.

    Args:
        record: the call's.
        began: when the call began.
        watcher: told of each turn.
    """

    __slots__ = (
        "_began",
        "_ended_at",
        "_heard_after_ms",
        "_last_sound_at",
        "_record",
        "_said_at",
        "_silent_since",
        "_stages",
        "_unheard",
        "_watcher",
    )

    def __init__(self, record: CallRecord, began: float, watcher: Watcher = NOBODY) -> None:
        self._watcher = watcher
        self._record = record
        self._began = began - record.earlier_seconds
        self._ended_at: float | None = None
        """Time at which the caller stopped speaking, while there is no answer."""
        self._said_at: float | None = None
        """Time at which the transcript of their words became final, which may be before they have stopped."""
        self._last_sound_at: float | None = None
        """Of the caller."""
        self._silent_since: float | None = None
        """Their last sound before the model decided that they have finished."""
        self._heard_after_ms: float | None = None
        """Pause until the caller heard something after that, if it was before the answer itself."""
        self._stages: dict[str, float] = {}
        self._unheard: tuple[Turn, float, float] | None = None
        """A turn whose answer is not yet heard, when it began, and where in what was sent its answer begins (ms)."""

    def caller_audio(self, payload: str, now: float) -> None:
        """A piece of the caller's audio has come."""
        if is_speech(payload):
            self._last_sound_at = now

    @property
    def last_sound_at(self) -> float:
        """Time of the last piece of the caller's audio that was as loud as speech."""
        return -math.inf if self._last_sound_at is None else self._last_sound_at

    def caller_began(self) -> None:
        """They go on: what was to be answered is not over."""
        self._ended_at = self._said_at = None

    def caller_finished(self, now: float) -> None:
        """The model has decided so."""
        self._ended_at = now
        self._silent_since, self._heard_after_ms = self._last_sound_at, None
        if self._said_at is not None and now - self._said_at > STALE_SECONDS:
            self._said_at = None
        known = {"caller_stopped": self._last_sound_at, "final_transcript": self._said_at}
        self._stages = {stage: (at - now) * 1000 for stage, at in known.items() if at is not None}

    def transcript_is_final(self, now: float) -> None:
        """Note that the caller's words are certain."""
        self._said_at = now
        self.reached("final_transcript", now)

    def reached(self, stage: str, now: float) -> None:
        """A part of the answer is there; only the first of its name counts."""
        if self._ended_at is not None:
            self._stages.setdefault(stage[:40], (now - self._ended_at) * 1000)

    @property
    def awaits_answer(self) -> bool:
        """True if the caller has finished and has been sent nothing yet."""
        return self._ended_at is not None

    def answer_is_near(self, now: float) -> bool:
        """True if the caller has finished so short a time ago that they are about to be answered."""
        return self._ended_at is not None and now - self._ended_at < ANSWER_SECONDS

    def sound_sent(self, now: float, ahead_ms: float) -> None:
        """Something that can be heard has been handed to Twilio, who has so much to play before it."""
        if self._silent_since is not None and self._heard_after_ms is None:
            self._heard_after_ms = (now - self._silent_since) * 1000 + ahead_ms

    def frame_sent(self, now: float, position_ms: float) -> None:
        """Something that can be heard has been handed to Twilio, at so much of all that was sent since a clear."""
        if self._ended_at is None:
            return
        self.reached("first_frame", now)
        latency = (now - self._ended_at) * 1000
        turn = Turn(self._ended_at - self._began, latency, self._stages, self._heard_after_ms)
        self._record.turns.append(turn)
        self._watcher.turn(turn)
        self._unheard = (turn, self._ended_at, position_ms)
        self._ended_at = self._said_at = None

    def mark_heard(self, now: float, heard_ms: float) -> None:
        """Twilio has played so much."""
        if self._unheard is not None and heard_ms > self._unheard[2]:
            turn, ended_at, _ = self._unheard
            turn.stages["first_mark"] = (now - ended_at) * 1000
            self._unheard = None

    def playback_cleared(self) -> None:
        """Nothing of what was sent will be heard any more."""
        self._unheard = None
