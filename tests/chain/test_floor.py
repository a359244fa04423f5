"""The floor in a chain: noise, words that only agree, words that interrupt, and turns that are left open."""

import math

import pytest

from tests.chain.stages import SOUND, Stage, lines
from trio_voice.chain.hearing import END_SECONDS, WORDLESS_SECONDS
from trio_voice.chain.history import MAX_ENTRIES
from trio_voice.chain.replies import MAX_WANTED
from trio_voice.chain.turns import CUT_FOR_NOTHING, VERDICT_SECONDS, ChainTurns
from trio_voice.events import model as c
from trio_voice.events import stage as s


def speaking(stage, *, made_ms=1_000):
    """An answer that is being spoken, and more of it thought."""
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. Until six. And"))
    stage.spoken(made_ms=made_ms, over=False)
    return number


def test_noise_over_an_answer_changes_nothing():
    stage = Stage()
    number = speaking(stage)
    assert stage.do(s.SpeechBegan(), s.TurnOver("c2", "")) == [c.CallerSpeechStarted(), c.CallerSpeechStopped()]
    stage.do(s.Thought(number, " on Monday. "), s.ThoughtOver(number))
    assert stage.of(s.Speak)


@pytest.mark.parametrize("end", [s.TurnOver("c2", ""), None], ids=["an empty turn", "no further word"])
def test_a_question_that_noise_comes_after_is_answered(end):
    stage = Stage(filler="")
    number = stage.asked().number
    stage.do(s.SpeechBegan(), s.Thought(number, "Yes."), s.ThoughtOver(number))
    assert stage.of(s.Speak, c.ReplyStarted, s.StopThinking) == []  # not into what may be words
    if end is None:
        stage.wait(WORDLESS_SECONDS)
    else:
        stage.do(end)
    assert [speak.text.strip() for speak in stage.of(s.Speak)] == ["Yes."]


def test_a_turn_over_the_agent_waits_for_the_bridge_s_word():
    stage = Stage()
    number = speaking(stage)
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "Uh-huh."))
    assert stage.of(s.Think, s.StopThinking, c.AnswerOwed) == []
    assert stage.do(c.IgnoreTurn("c2")) == []
    stage.do(s.Thought(number, " on Monday."), s.ThoughtOver(number))
    assert stage.of(s.Speak)
    stage.spoken()
    assert "Uh-huh." not in str(stage.asked("Good.", "c3"))


def test_what_is_asked_for_behind_words_that_ask_for_nothing_waits_for_no_other_verdict():
    stage = Stage()
    stage.asked()
    stage.answered("Yes, until six.")
    stage.spoken(made_ms=5_000)
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "Uh-huh."), c.IgnoreTurn("c2"), c.RequestReply("Tell the hours."))
    assert stage.question.conversation[-1].text == "Tell the hours."


def test_speech_that_was_made_and_not_yet_heard_is_the_agent_s_too_and_no_longer():
    stage = Stage()
    stage.asked()
    stage.answered("Yes, until six.")
    stage.spoken(made_ms=5_000)  # all of it, at once
    stage.wait(4.9)
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "And tomorrow?"))
    assert not stage.of(s.Think)  # the bridge may say what it is
    stage.wait(VERDICT_SECONDS)
    stage.answered("Tomorrow, too.")
    stage.spoken(made_ms=1_000)
    stage.wait(1.1)
    stage.do(s.SpeechBegan(), s.TurnOver("c3", "And on Sunday?"))
    assert stage.of(s.Think)


def test_a_turn_that_takes_the_floor_is_asked_at_once_with_what_was_heard():
    stage = Stage()
    number = speaking(stage)
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "Stop."))
    assert s.StopThinking(number) in stage.do(c.TruncateReply("1", 300.0))
    stage.wait(0.01)
    assert lines(stage.question)[-1] == ("caller", "Stop.")


def test_words_that_take_the_floor_before_they_are_over_are_asked_without_any_wait():
    stage = Stage()
    speaking(stage)
    stage.do(s.SpeechBegan(), s.TurnGoesOn("c2", "Stop"), c.TruncateReply("1", 300.0))
    stage.do(s.TurnOver("c2", "Stop it."))
    assert lines(stage.question)[-1] == ("caller", "Stop it.")


def test_an_answer_behind_what_was_cut_is_not_spoken_into_the_caller_s_words():
    stage = Stage()
    number = stage.asked().number
    stage.do(c.SayExactly("One moment, please.", is_filler=True))
    filler = stage.spoken(over=False)
    stage.do(s.SpeechBegan(), s.TurnGoesOn("c2", "No, wait"), c.TruncateReply(filler, 50.0))
    stage.do(s.Thought(number, "Yes."), s.ThoughtOver(number))
    assert stage.of(s.Speak) == []
    stage.do(s.TurnOver("c2", "No, wait, tomorrow."))
    assert [text for role, text in lines(stage.question) if role == "caller"] == [
        "Are you open?",
        "No, wait, tomorrow.",
    ]


def test_a_turn_of_which_the_bridge_says_nothing_is_answered_when_the_agent_has_finished():
    stage = Stage()
    number = speaking(stage)
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "And Monday?"))
    stage.wait(VERDICT_SECONDS)
    assert stage.of(s.Think) == []
    stage.do(s.Thought(number, " so on."), s.ThoughtOver(number))
    stage.spoken()
    assert lines(stage.question)[-1] == ("caller", "And Monday?")


def test_a_turn_in_a_quiet_moment_is_asked_at_once():
    stage = Stage()
    stage.asked()
    stage.answered("Yes.")
    stage.spoken(made_ms=1_000)
    stage.wait(1.1)
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "And Monday?"))
    assert stage.of(s.Think)


def test_more_words_while_the_answer_is_thought_are_asked_together_with_the_first():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "I mean tomorrow."))
    stage.wait(VERDICT_SECONDS)
    assert stage.of(s.StopThinking) == [s.StopThinking(number)]
    assert lines(stage.question) == [("caller", "Are you open?"), ("caller", "I mean tomorrow.")]


def test_a_given_text_is_said_before_an_answer_that_is_still_thought():
    stage = Stage()
    number = stage.asked().number
    stage.do(c.SayExactly("One moment, please.", is_filler=True))
    assert stage.of(c.ReplyStarted) == [c.ReplyStarted("3", is_filler=True)]
    said = [*stage.out]
    stage.do(s.Thought(number, "Yes. "), s.ThoughtOver(number))
    assert stage.of(s.Speak) == []
    stage.out = said
    stage.spoken()
    assert stage.of(c.ReplyDone, c.ReplyStarted) == [c.ReplyDone("3", interrupted=False), c.ReplyStarted("1")]
    stage.spoken()
    told = lines(stage.asked("Good.", "c2"))
    assert [text for role, text in told if role == "agent"] == ["One moment, please.", "Yes."]


def test_an_answer_is_owed_until_its_first_sound_and_again_after_whatever_was_said_meanwhile():
    stage = Stage(filler="")
    stage.do(s.TurnOver("c1", "Hi?"))
    assert stage.of(c.AnswerOwed) == [c.AnswerOwed()]
    stage.do(c.SayExactly("One moment.", is_filler=True))
    filler = stage.spoken()
    assert stage.out[-2:] == [c.ReplyDone(filler, interrupted=False), c.AnswerOwed()]


def test_a_slow_language_model_is_covered_by_the_chain_s_own_filler_once_a_turn():
    stage = Stage(filler_after_seconds=1.5)
    number = stage.asked().number
    assert stage.turns.wake_at == 1.5
    stage.wait(1.5)
    assert [speak.text for speak in stage.of(s.Speak)] == ["One moment."]
    stage.spoken()
    assert [output for _ in range(5) for output in stage.wait(3.0) if isinstance(output, s.Speak)] == []
    stage.do(s.Thought(number, "Yes."), s.ThoughtOver(number))
    assert stage.of(s.Speak)


def test_the_filler_waits_anew_for_a_caller_who_has_said_more():
    stage = Stage(filler_after_seconds=1.5)
    stage.asked()
    stage.wait(1.4)
    stage.do(s.SpeechBegan(), s.TurnOver("c2", "I mean tomorrow."))
    stage.wait(VERDICT_SECONDS)
    assert stage.turns.wake_at == 1.4 + 1.5
    assert [type(output) for output in stage.wait(1.5 - VERDICT_SECONDS)] == [c.ReplyStarted, s.Speak]
    stage.spoken()
    stage.do(s.SpeechBegan(), s.TurnOver("c3", "In the morning."))
    assert [output for _ in range(5) for output in stage.wait(1.0) if isinstance(output, s.Speak)] == []


# A turn that is left open


def test_a_turn_without_an_end_is_ended_by_the_recogniser_or_else_by_us():
    stage = Stage(hang_seconds=4.0)
    stage.do(s.SpeechBegan(), s.TurnGoesOn("c1", "Are you open"))
    stage.wait(2.0)
    stage.do(s.TurnGoesOn("c1", "Are you open tomorrow"))
    assert stage.turns.wake_at == 6.0
    stage.wait(4.0)
    assert stage.of(s.EndTurn, s.Think) == [s.EndTurn()]
    stage.wait(END_SECONDS)
    assert lines(stage.question) == [("caller", "Are you open tomorrow")]
    assert stage.of(c.CallerTranscript) == [c.CallerTranscript("c1", "Are you open tomorrow", final=True)]
    assert stage.do(s.TurnGoesOn("c1", "Are you open tomorrow"), s.TurnOver("c1", "Are you open tomorrow?")) == []
    stage.do(s.TurnOver("c1", "Are you open tomorrow? And Sunday?"))
    assert stage.of(c.CallerTranscript) == [c.CallerTranscript("c1+", "And Sunday?", final=True)]


def test_a_recogniser_that_obeys_has_the_last_word():
    stage = Stage(hang_seconds=4.0, filler="")
    stage.do(s.SpeechBegan(), s.TurnGoesOn("c1", "Are you"))
    stage.wait(4.0)
    stage.do(s.TurnOver("c1", "Are you open?"))
    assert lines(stage.question) == [("caller", "Are you open?")]
    assert [output for output in stage.wait(END_SECONDS) if isinstance(output, s.Think)] == []


# The history


def test_results_are_bounded_in_letters_the_oldest_first():
    stage = Stage()
    for turn in range(6):
        stage.asked(item=f"c{turn}")
        stage.answered("", s.ToolCall(f"a{turn}", "look_up", {}))
        (requested,) = stage.of(c.ToolCalled)
        stage.do(c.SendToolResult(requested.call_id, '"' + "x" * 10_000 + '"'))
        results = [entry.results[0].text for entry in stage.question.conversation if entry.results]
        assert len(results[-1]) > 10_000  # the one that is being asked about
        assert sum(map(len, results)) < 30_000
        stage.answered("Yes.")
        stage.spoken()
        stage.wait(10)


def test_a_long_call_stays_within_bounds():
    stage = Stage()
    for turn in range(150):
        stage.asked(f"Why {turn}? " * 300, f"c{turn}")
        stage.answered("Because.")
        stage.spoken()
        stage.wait(10)
    assert sum(len(text) for _, text in lines(stage.asked(item="last"))) < 210_000


def test_what_is_left_of_a_long_call_begins_with_the_caller():
    stage = Stage(said=[c.Said("caller" if at % 2 else "agent", f"{at}") for at in range(MAX_ENTRIES)])
    conversation = lines(stage.asked())
    assert conversation[0] == ("caller", f"{MAX_ENTRIES // 4 + 1}")
    assert conversation[-1] == ("caller", "Are you open?")


def test_of_two_words_about_what_was_heard_of_a_reply_the_lesser_counts():
    stage = Stage()
    stage.asked()
    stage.answered("Yes. Until six.")
    stage.do(s.SpokenWords("1", "Yes. ", 0.0), s.SpokenWords("1", "Until six.", 150.0))
    stage.do(*[s.Sound("1", SOUND)] * 3, s.SpeechOver("1"))
    stage.do(c.TruncateReply("1", 100.0))
    stage.do(c.TruncateReply("1", 200.0))
    assert lines(stage.asked("Hm?", "c2"))[1] == ("agent", "Yes. —")


def test_of_more_texts_than_may_wait_the_oldest_are_not_said():
    stage = Stage(has_voice=False)
    for number in range(MAX_WANTED + 2):
        stage.do(c.SayExactly(f"Text {number}."))
    said = []
    stage.do(s.VoiceChanged())
    while stage.of(s.Speak):
        said += [speak.text.strip() for speak in stage.of(s.Speak)]
        stage.spoken()
    assert said == [f"Text {number}." for number in range(2, MAX_WANTED + 2)]


def test_a_chain_that_was_given_no_filler_says_none():
    turns = ChainTurns()
    turns.handle(s.TurnOver("c1", "Are you open?"), 0.0)
    assert not [output for output in turns.tick(10.0) if isinstance(output, s.Speak)]


# Turns that a recogniser leaves open


def test_a_sound_of_which_nothing_more_comes_is_over_in_the_end():
    stage = Stage(hang_seconds=4.0)
    stage.do(s.SpeechBegan())
    stage.wait(4.0)
    assert stage.of(s.EndTurn)
    stage.wait(END_SECONDS)
    assert stage.out == [c.CallerSpeechStopped()]
    assert stage.turns.wake_at == math.inf


def test_words_after_that_are_those_of_somebody_who_speaks():
    stage = Stage(hang_seconds=4.0)
    stage.do(s.SpeechBegan())
    stage.wait(4.0)
    stage.wait(END_SECONDS)
    assert stage.do(s.TurnGoesOn("c1", "Are you")) == [
        c.CallerSpeechStarted(),
        c.CallerTranscript("c1", "Are you", final=False),
    ]
    assert lines(stage.asked("Are you open?")) == [("caller", "Are you open?")]


def test_a_recogniser_that_tells_its_words_last_is_waited_for():
    stage = Stage(hang_seconds=4.0)
    stage.do(s.SpeechBegan(words_come_last=True))
    assert stage.wait(20.0) == []


# Another recogniser takes over


def test_what_the_recogniser_before_has_heard_of_a_turn_is_part_of_it():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnGoesOn("c1", "Are you"), s.HearingChanged(), s.SpeechBegan())
    assert stage.do(s.TurnGoesOn("c0.1", "open")) == [c.CallerTranscript("c1", "Are you open", final=False)]
    stage.do(s.TurnOver("c0.1", "open tomorrow?"))
    assert c.CallerTranscript("c1", "Are you open tomorrow?", final=True) in stage.out
    assert lines(stage.question) == [("caller", "Are you open tomorrow?")]
    assert lines(stage.asked("And on Sunday?", "c1.1"))[-1] == ("caller", "And on Sunday?")


@pytest.mark.parametrize("words", ["Are you open", ""])
def test_if_it_hears_no_more_of_it_the_turn_is_over_soon(words):
    stage = Stage()
    stage.do(s.SpeechBegan(), *([s.TurnGoesOn("c1", words)] if words else []), s.HearingChanged())
    stage.wait(WORDLESS_SECONDS)
    assert stage.of(s.EndTurn) == []
    assert stage.of(c.CallerSpeechStopped)
    assert [lines(think) for think in stage.of(s.Think)] == ([[("caller", words)]] if words else [])


def test_an_empty_turn_of_its_own_ends_what_was_heard_before():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnGoesOn("c1", "Are you open"), s.HearingChanged(), s.TurnOver("c0.1", ""))
    assert c.CallerTranscript("c1", "Are you open", final=True) in stage.out


# Words that are taken back, and turns that come twice


def test_words_that_are_taken_back_ask_for_nothing():
    stage = Stage()
    stage.do(s.SpeechBegan(), s.TurnGoesOn("c1", "Are you"))
    assert stage.do(s.TurnOver("c1", "")) == [c.CallerTranscript("c1", "", final=True), c.CallerSpeechStopped()]


def test_an_answer_that_was_cut_for_them_goes_on():
    stage = Stage()
    speaking(stage)
    stage.do(s.SpeechBegan(), s.TurnGoesOn("c2", "Are you"), c.TruncateReply("1", 300.0), s.TurnOver("c2", ""))
    assert lines(stage.question)[-1] == ("instruction", CUT_FOR_NOTHING)


@pytest.mark.parametrize(
    ("again", "after", "answered"),
    [("are you open", 0.2, False), ("Are you open?", 0.0, False), ("Are you open?", 0.6, True), ("Open?", 0.2, True)],
)
def test_a_turn_that_comes_twice_is_one(again, after, answered):
    stage = Stage()
    stage.asked("Are you open?", "c1")
    stage.wait(after)
    stage.do(s.SpeechBegan(), s.TurnOver("c2", again))
    questions = stage.of(s.Think)
    stage.wait(VERDICT_SECONDS)
    assert len(questions + stage.of(s.Think)) == answered


def test_somebody_who_is_heard_saying_the_same_again_says_it():
    stage = Stage()
    stage.asked("Hello?", "c1")
    stage.wait(0.1)
    stage.do(s.SpeechBegan(), s.TurnGoesOn("c2", "Hello?"), s.TurnOver("c2", "Hello?"))
    assert c.CallerTranscript("c2", "Hello?", final=True) in stage.out
