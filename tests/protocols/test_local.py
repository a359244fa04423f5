"""The stages of this machine: the caller's turns by what ears report, and the times of words."""

import pytest

from trio_voice.events.stage import SpeechBegan, TurnGoesOn, TurnMayBeOver, TurnOver, TurnResumed
from trio_voice.protocols.local import (
    SETTLE_MS,
    LocalHearingSettings,
    LocalSpeakingSettings,
    LocalTurns,
    timed_words,
)

SETTLED = SETTLE_MS * 8


def said(turns, words):
    """An utterance, from its beginning until its words are known."""
    facts = turns.speech_started()
    turns.speech_stopped()
    return facts + turns.understood(words)


def test_a_turn_may_be_over_when_its_words_are_known_and_is_when_the_pause_has_lasted():
    turns = LocalTurns()
    began, goes_on, may_be_over = said(turns, "Are you open?")
    assert began == SpeechBegan(words_come_last=True)
    assert goes_on == TurnGoesOn("caller_0", "Are you open?")
    assert may_be_over == TurnMayBeOver("caller_0", "Are you open?")
    assert turns.heard(SETTLED - 1) == []
    assert turns.heard(1) == [TurnOver("caller_0", "Are you open?")]
    assert turns.heard(SETTLED) == []
    assert said(turns, "And tomorrow?")[1] == TurnGoesOn("caller_1", "And tomorrow?")


def test_who_goes_on_has_resumed_the_turn_and_its_words_are_all_of_them():
    turns = LocalTurns()
    said(turns, "Are you open")
    assert turns.speech_started() == [TurnResumed("caller_0")]
    assert turns.heard(2 * SETTLED) == []
    turns.speech_stopped()
    assert turns.understood("on Sundays?")[1] == TurnMayBeOver("caller_0", "Are you open on Sundays?")


def test_a_pause_that_nobody_was_told_of_is_not_resumed():
    turns = LocalTurns()
    turns.speech_started()
    turns.speech_stopped()
    assert turns.speech_started() == []
    assert turns.understood("Are you open") == []
    turns.speech_stopped()
    assert [type(fact) for fact in turns.understood("?")] == [TurnGoesOn, TurnMayBeOver]


def test_a_turn_waits_for_words_that_come_later_than_the_pause():
    turns = LocalTurns()
    turns.speech_started()
    turns.speech_stopped()
    assert turns.heard(3 * SETTLED) == []
    assert turns.understood("Yes.")[-1] == TurnOver("caller_0", "Yes.")


def test_noise_is_a_turn_without_words():
    turns = LocalTurns()
    assert said(turns, "") == [SpeechBegan(words_come_last=True)]
    assert turns.heard(SETTLED) == [TurnOver("caller_0", "")]


def test_a_turn_that_is_ended_waits_for_nothing_but_its_words():
    turns = LocalTurns()
    said(turns, "My number is four two")
    assert turns.end() == [TurnOver("caller_0", "My number is four two")]
    turns.speech_started()
    turns.speech_stopped()
    assert turns.end() == []
    assert turns.understood("four two")[-1] == TurnOver("caller_1", "four two")


def test_letters_share_the_time_of_a_text():
    assert timed_words("We are open.", 1_200) == [("We ", 0), ("are ", 300), ("open. ", 700)]
    assert timed_words(" a  b", 500) == [("a ", 100), ("b ", 400)]
    assert timed_words("", 0) == []


def test_they_need_no_key():
    assert LocalHearingSettings(kind="local").key_name == LocalSpeakingSettings(kind="local").key_name == ""


@pytest.mark.parametrize("of", [LocalHearingSettings, LocalSpeakingSettings])
def test_they_are_on_this_machine(of):
    assert of(kind="local", url="sandbox").url == "sandbox"  # as it stood there by default once
    for url in ("wss://api.example.com", "ws://127.0.0.1:9"):
        with pytest.raises(ValueError, match="on this machine"):
            of(kind="local", url=url)
