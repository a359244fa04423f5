"""One undecided interruption, from the first sound to a verdict, by the clock and by what is heard on the line."""

import math

from trio_voice.bridge.floor import LATE_WORDS_SECONDS, WORDLESS_SECONDS, WORDS_SECONDS, Floor, Verdict
from trio_voice.persona import Persona, TurnDetection


def floor(*, yields=True, writes_while_spoken=True, **turns):
    return Floor(
        Persona(name="p", model="m", turn_detection=TurnDetection(**turns)),
        yields=yields,
        writes_while_spoken=writes_while_spoken,
    )


def test_a_caller_who_goes_on_after_a_breath_is_waited_for():
    it = floor()
    assert it.began(0.0, answers=False) is Verdict.HUSH
    assert it.ended(0.3) is Verdict.NOTHING
    assert it.began(0.4, answers=False) is Verdict.NOTHING
    assert it.tick(0.3 + WORDS_SECONDS + 0.1) is Verdict.NOTHING
    assert it.ended(1.0) is Verdict.NOTHING
    assert it.tick(1.0 + WORDS_SECONDS) is Verdict.GO_ON


def test_words_that_are_whole_before_the_sound_is_long_enough_wait_for_it():
    it = floor(min_interruption_ms=1_000)
    it.began(0.0, answers=False)
    assert it.said("Stop, please wait.", 0.5, final=True, last_sound_at=0.5) is Verdict.NOTHING
    assert it.tick(1.0, last_sound_at=1.0) is Verdict.TAKEN


def test_words_of_a_sound_that_is_over_too_soon_take_nothing():
    it = floor(min_interruption_ms=1_000)
    it.began(0.0, answers=False)
    it.ended(0.5, last_sound_at=0.5)
    assert it.said("Stop, please wait.", 0.6, final=True, last_sound_at=0.5) is Verdict.GO_ON


def test_a_quiet_line_whose_model_never_tells_the_end_is_looked_at_for_five_seconds_and_no_more():
    it, now = floor(min_interruption_ms=1_000), 0.0
    it.began(now, answers=False)
    while it.wake_at < WORDLESS_SECONDS:
        now = it.wake_at
        assert it.tick(now, last_sound_at=0.1) is Verdict.NOTHING
    assert it.tick(it.wake_at, last_sound_at=0.1) is Verdict.GO_ON
    assert it.wake_at == math.inf


def test_a_sound_that_was_over_when_the_model_noticed_it_has_lasted_no_longer():
    it = floor(min_interruption_ms=500)
    it.began(1.0, answers=False)
    assert it.said("Stop, please wait.", 1.7, final=False, last_sound_at=0.9) is Verdict.NOTHING
    assert it.said("Stop, please wait.", 1.8, final=False, last_sound_at=1.8) is Verdict.TAKEN


def test_a_voice_too_low_for_us_to_hear_is_timed_by_the_model():
    it = floor(min_interruption_ms=500)
    it.began(1.0, answers=False)
    assert it.said("Stop, please wait.", 1.7, final=False) is Verdict.TAKEN


def test_words_are_waited_for_longer_from_a_model_that_writes_them_at_the_end():
    it = floor(writes_while_spoken=False)
    it.began(0.0, answers=False)
    it.ended(0.3)
    assert it.tick(0.3 + WORDS_SECONDS) is Verdict.NOTHING
    assert it.tick(0.3 + LATE_WORDS_SECONDS) is Verdict.GO_ON


def test_who_interrupted_a_model_that_is_gone_has_nothing_to_wait_for():
    it = floor()
    it.began(0.0, answers=False)
    it.model_replaced(yields=True, writes_while_spoken=True)
    assert (it.is_undecided, it.wake_at) == (False, math.inf)
