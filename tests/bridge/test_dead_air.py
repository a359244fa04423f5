"""Silence by itself: when the next words are due, and when a silent caller is asked."""

from trio_voice.bridge.dead_air import UNHEARD_AGAIN_SECONDS, UNHEARD_SECONDS, DeadAir
from trio_voice.bridge.deadlines import ASKED_AT, Deadlines
from trio_voice.limits import Limits


def test_a_voice_that_was_asked_for_its_first_words_has_longer_than_for_those_behind_them():
    air = DeadAir(3.0, ("One moment.", "Still there.", "Sorry."))
    air.owe(0.0)
    air.next(3.0)
    air.asked(3.0)
    assert air.due(0.0) == 3.0 + UNHEARD_SECONDS
    air.heard()
    air.next(9.0)
    air.asked(9.0)
    assert air.due(0.0) == 9.0 + UNHEARD_AGAIN_SECONDS


def test_a_caller_who_has_answered_and_falls_silent_again_is_asked_again():
    deadlines = Deadlines(Limits(idle_seconds=30), 0.0)
    deadlines.asked(20.0)
    assert deadlines.ask_at is None
    deadlines.caller_heard(25.0)
    assert not deadlines.was_asked
    assert deadlines.ask_at == 25.0 + 30 * ASKED_AT
