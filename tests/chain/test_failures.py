"""Answers that do not come: what a chain asks again, of whom, and what becomes of a voice without sound."""

import attrs
import pytest

from tests.chain.stages import SOUND, Stage, lines
from trio_voice.audio.mulaw import encode
from trio_voice.audio.mulaw import silence as mulaw_silence
from trio_voice.chain.answers import GO_ON, MAX_BROKEN_OFF, SAY_SOMETHING
from trio_voice.chain.tries import LONGEST_WAIT_SECONDS, MAX_ADAPTED, MAX_ASKED, MAX_EMPTY
from trio_voice.chain.voicing import OTHER_WORDS
from trio_voice.events import model as c
from trio_voice.events import stage as s

A = s.ToolCall("a", "look_up", {"day": 1})


def refused(number, code="http_500", *, retryable=True, **more):
    return s.ThoughtFailed(number, code, "it failed", retryable, **more)


def faults(stage):
    return [fault.fatal for fault in stage.of(c.ModelFault)]


def test_a_question_that_fails_is_asked_once_more():
    stage = Stage()
    first = stage.asked()
    stage.do(refused(first.number))
    assert stage.of(c.ModelFault) == [c.ModelFault("http_500", "it failed", fatal=False)]
    assert stage.of(s.Count) == [s.Count("llm_retries_http_500")]
    assert stage.question.conversation == first.conversation
    assert stage.question.after_seconds > 0
    stage.do(refused(stage.question.number))
    assert faults(stage) == [True]


def test_a_refusal_is_final():
    stage = Stage()
    stage.do(s.ThoughtFailed(stage.asked().number, "http_401", "check OPENAI_API_KEY", retryable=False))
    assert stage.of(c.ModelFault) == [c.ModelFault("http_401", "check OPENAI_API_KEY", fatal=True)]


def test_a_pause_that_the_provider_asks_for_is_kept_and_worth_one_more_question():
    stage = Stage()
    think = stage.asked()
    for _ in range(2):
        stage.do(refused(think.number, wait_seconds=2.4))
        assert stage.question.after_seconds == 2.4
        think = stage.question
    stage.do(refused(think.number, wait_seconds=2.4))
    assert faults(stage) == [True]


def test_a_pause_that_is_too_long_is_not_waited_for():
    stage = Stage(members=2)
    stage.do(refused(stage.asked().number, wait_seconds=20.0))
    assert (stage.question.member, stage.question.after_seconds) == (1, 0)
    stage.do(refused(stage.question.number, wait_seconds=20.0))
    assert faults(stage) == [True]


def test_a_pause_that_is_just_short_enough_is_kept():
    stage = Stage(members=2)
    stage.do(refused(stage.asked().number, wait_seconds=LONGEST_WAIT_SECONDS))
    assert (stage.question.member, stage.question.after_seconds) == (0, LONGEST_WAIT_SECONDS)


def test_the_last_language_model_is_asked_once_more_though_it_is_silent():
    stage = Stage()
    stage.do(refused(stage.asked().number, "unavailable"))
    stage.do(refused(stage.question.number, "unavailable"))
    assert faults(stage) == [True]


def test_the_next_language_model_has_all_its_tries():
    """Whatever the one before has used up."""
    stage = Stage(members=2)
    stage.asked()
    for member in (0, 1):
        for _ in range(MAX_ASKED):
            assert stage.question.member == member
            stage.do(refused(stage.question.number))
    assert faults(stage) == [True]
    stage = Stage(members=2)
    stage.asked()
    for member in (0, 1):
        for _ in range(MAX_EMPTY):
            assert stage.question.member == member
            stage.answered("")
    assert faults(stage) == [True]


def test_a_server_of_which_there_is_no_end_of_what_to_learn_is_given_up():
    stage = Stage()
    stage.asked()
    for _ in range(MAX_ADAPTED):
        stage.do(refused(stage.question.number, "http_418", retryable=False, remedy="adapted"))
    stage.do(refused(stage.question.number, "http_418", retryable=False, remedy="adapted"))
    assert faults(stage) == [True]


@pytest.mark.parametrize("failure", [{"retryable": False}, {"code": "unavailable"}], ids=["a refusal", "a silent one"])
def test_the_next_language_model_takes_over_within_the_turn_and_stays(failure):
    stage = Stage(members=2)
    first = stage.asked()
    assert first.member == 0
    stage.do(refused(first.number, **failure))
    assert (stage.question.member, stage.question.conversation) == (1, first.conversation)
    stage.answered("Yes.")
    stage.spoken()
    assert stage.asked("And now?", "c2").member == 1
    stage.do(refused(stage.question.number, retryable=False))
    assert stage.question.member == 0  # round again, each once in a turn
    stage.do(refused(stage.question.number, retryable=False))
    assert faults(stage) == [True]


def test_a_question_that_is_too_long_is_asked_without_the_older_half():
    stage = Stage(said=[c.Said("caller" if at % 2 else "agent", f"{at}" * 100) for at in range(20)])
    first = stage.asked()
    stage.do(refused(first.number, retryable=False, remedy="shorten"))
    second = stage.question.conversation
    assert 0 < len(second) <= len(first.conversation) // 2 + 1
    assert second == first.conversation[-len(second) :]
    for _ in range(2):
        stage.do(refused(stage.question.number, retryable=False, remedy="shorten"))
    assert lines(stage.question)[-1] == ("caller", "Are you open?")
    stage.do(refused(stage.question.number, retryable=False, remedy="shorten"))
    assert faults(stage) == [True]


def test_a_question_that_is_too_long_by_a_result_alone_is_asked_with_its_beginning():
    stage = Stage()
    stage.asked()
    stage.answered("", A)
    stage.do(c.SendToolResult("1.0", '"' + "x" * 20_000 + '"'))
    stage.do(refused(stage.question.number, retryable=False, remedy="shorten"))
    assert len(str(stage.question.conversation)) < 2_000
    assert stage.question.conversation[-1].results


def test_of_the_results_only_the_long_ones_are_shortened():
    stage = Stage()
    stage.asked()
    stage.answered("", A, attrs.evolve(A, call_id="b"))
    stage.do(c.SendToolResult("1.0", '"' + "x" * 20_000 + '"'), c.SendToolResult("1.1", '"' + "y" * 300 + '"'))
    stage.do(refused(stage.question.number, retryable=False, remedy="shorten"))
    long, short = stage.question.conversation[-1].results
    assert len(long.text) < 1_000
    assert short.text == '"' + "y" * 300 + '"'


def test_a_filler_before_an_answer_that_fails_is_not_told_with_the_question():
    stage = Stage()
    first = stage.asked()
    stage.wait(1.0)
    assert [speak.text for speak in stage.of(s.Speak)] == ["One moment."]
    stage.spoken()
    stage.do(refused(first.number))
    assert stage.question.conversation == first.conversation


def test_words_that_a_filter_takes_offence_at_are_not_told_again():
    stage = Stage()
    stage.do(refused(stage.asked("Something rude").number, retryable=False, remedy="rephrase"))
    assert "rude" not in str(stage.question)
    assert [entry.role for entry in stage.question.conversation] == ["caller", "instruction"]
    stage.do(refused(stage.question.number, retryable=False, remedy="rephrase"))
    assert faults(stage) == [True]


def test_what_a_protocol_has_learned_costs_no_try():
    stage = Stage()
    think = stage.asked()
    for _ in range(4):
        stage.do(refused(think.number, remedy="adapted"))
        assert stage.question.after_seconds == 0
        think = stage.question
    stage.do(refused(think.number))
    assert stage.of(s.Think)


def test_an_answer_that_breaks_off_stays_half_an_answer():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. We are"))
    stage.do(s.ThoughtFailed(number, "cut", "it was cut", retryable=True))
    assert stage.of(s.Speak, s.Think) == [s.Speak("1", "", last=True)]  # nobody wants half a sentence
    assert stage.of(c.ModelFault) == [c.ModelFault("cut", "it was cut", fatal=False)]


def test_a_filler_is_heard_in_the_middle_of_a_reply_that_hangs():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. We are"), s.Sound("1", SOUND))
    stage.do(c.SayExactly("One moment.", is_filler=True))
    filler = stage.of(s.Speak)[-1]
    assert (filler.text, filler.last) == ("One moment.", True)
    context = filler.context_id
    stage.do(s.Sound(context, SOUND), s.SpeechOver(context), s.Thought(number, " open. "))
    assert stage.of(s.Speak)[-1].context_id == "1"


def test_digital_silence_of_a_voice_is_no_sound():
    stage = Stage()
    stage.asked()
    stage.answered("Yes.")
    silence = s.Sound("1", encode(mulaw_silence(100)))
    stage.do(silence, s.SpeechOver("1"))
    assert {each.context_id for each in stage.of(s.Speak)} == {"1.2"}  # once more
    stage.do(attrs.evolve(silence, context_id="1.2"), s.SpeechOver("1.2"))
    assert [each.code for each in stage.of(s.ChangeVoice)] == ["speech_silent"]


def test_half_an_answer_that_was_cut_off_twice_is_said():
    stage = Stage()
    think = stage.asked()
    stage.do(s.Thought(think.number, "We close at five"), refused(think.number, "cut"))
    think = stage.question
    stage.do(s.Thought(think.number, "We close at five"), refused(think.number, "cut"))
    assert stage.of(s.Speak) == [s.Speak("1", "We close at five", last=True)]
    assert stage.of(c.ModelFault) == [c.ModelFault("cut", "it failed", fatal=False)]


@pytest.mark.parametrize("text", ["", " ", "...", "…\n"])
def test_an_empty_answer_is_asked_for_again_then_in_so_many_words_then_the_model_has_failed(text):
    stage = Stage()
    think = stage.asked()
    stage.answered(text)
    assert stage.question.conversation == think.conversation
    assert stage.question.after_seconds == 0  # the caller waits, and the server is well
    stage.answered(text)
    assert lines(stage.question)[-1] == ("instruction", SAY_SOMETHING)
    assert (think.with_tools, stage.question.with_tools) == (True, False)
    stage.answered(text)
    assert [(fault.code, fault.fatal) for fault in stage.of(c.ModelFault)] == [("empty_answer", True)]
    assert stage.of(c.ReplyStarted, c.ReplyDone) == []


@pytest.mark.parametrize(
    ("cut_short", "counted", "told"),
    [
        ("content_filter", "llm_retries_rephrase", ["caller", "instruction"]),
        ("refusal", "llm_retries_rephrase", ["caller", "instruction"]),
        ("length", "llm_retries_shorten", ["caller"]),
        ("model_context_window_exceeded", "llm_retries_shorten", ["caller"]),
        ("tool_use", "llm_retries_empty_answer", ["caller", "agent", "caller"]),
    ],
)
def test_why_an_answer_is_empty_is_told_and_what_may_mend_it_is_done(cut_short, counted, told):
    stage = Stage(said=[c.Said("caller", "Something rude"), c.Said("agent", "Pardon?")])
    if told[-1] == "instruction":
        stage = Stage()
    stage.do(s.ThoughtOver(stage.asked().number, (), cut_short))
    message = f"the language model said nothing ({cut_short})"
    assert stage.of(c.ModelFault) == [c.ModelFault("empty_answer", message, fatal=False)]
    assert stage.of(s.Count) == [s.Count(counted)]
    assert [entry.role for entry in stage.question.conversation] == told
    assert ("Are you open?" in str(stage.question)) == (told[-1] != "instruction")


@pytest.mark.parametrize(("cut_short", "more"), [("content_filter", 1), ("refusal", 1), ("length", 1)])
def test_an_empty_answer_that_cannot_be_mended_is_asked_for_once_more(cut_short, more):
    stage = Stage()
    number = stage.asked().number
    if cut_short != "length":  # of a conversation of one line nothing can be left out
        stage.do(s.ThoughtOver(number, (), cut_short))
    for _ in range(more):
        stage.do(s.ThoughtOver(stage.question.number, (), cut_short))
        assert faults(stage) == [False]
    stage.do(s.ThoughtOver(stage.question.number, (), cut_short))
    assert faults(stage) == [True]


def test_an_empty_answer_counts_as_a_try_of_the_question():
    stage = Stage()
    stage.asked()
    stage.answered("")
    stage.do(refused(stage.question.number))
    assert faults(stage) == [True]


def test_nothing_after_a_tool_is_no_failure_where_the_words_before_it_were_all():
    stage = Stage()
    stage.asked()
    stage.answered("I have noted that.", A)
    stage.spoken()
    stage.do(c.SendToolResult("1.0", "1"))
    stage.answered("")
    stage.answered("")
    assert stage.of(c.ModelFault) == [c.ModelFault("empty_answer", "the language model said nothing", fatal=False)]
    assert stage.of(s.Think) == []


@pytest.mark.parametrize("text", ["*smiles warmly*", "[pause]", "<br/>", "![](x.png)", "(laughs) 😀"])
def test_an_answer_of_which_nothing_can_be_heard_is_asked_for_again(text):
    stage = Stage()
    stage.asked()
    stage.answered(text)
    assert not stage.of(s.Speak, c.ReplyStarted)
    stage.answered("Yes.")
    assert "".join(speak.text for speak in stage.of(s.Speak)).strip() == "Yes."


def test_an_answer_that_has_become_too_long_is_gone_on_with_behind_its_last_sentence():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "We are open today. And then we"))
    stage.do(s.ThoughtOver(number, cut_short="length"))
    stage.spoken()
    assert lines(stage.question)[-2:] == [("agent", "We are open today."), ("instruction", GO_ON)]


def test_one_long_half_sentence_is_said_and_gone_on_with_twice_at_most():
    stage = Stage()
    stage.asked()
    for _ in range(2):
        stage.do(s.Thought(stage.question.number, "one"), s.ThoughtOver(stage.question.number, cut_short="max_tokens"))
        stage.spoken()
    stage.do(s.Thought(stage.question.number, "one"), s.ThoughtOver(stage.question.number, cut_short="max_tokens"))
    stage.spoken()
    assert not stage.of(s.Think)


def test_an_answer_that_was_cut_at_the_end_of_a_sentence_is_whole():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "We are open today. "))
    stage.do(s.ThoughtOver(number, cut_short="length"))
    stage.spoken()
    assert not stage.of(s.Think)


def test_thoughts_that_are_taken_back_are_not_spoken():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "They want to"), s.Unthought(number), s.Thought(number, "We close at five."))
    assert not stage.of(s.Speak) or "They" not in stage.of(s.Speak)[0].text
    stage.do(s.ThoughtOver(number))
    stage.spoken()
    assert lines(stage.asked("Good.", "c2"))[1] == ("agent", "We close at five.")


# The voice


def test_a_voice_that_says_nothing_has_failed():
    stage = Stage(sound_seconds=5.0)
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. "))
    assert stage.turns.wake_at == 5.0
    stage.wait(5.0)
    assert stage.of(s.ChangeVoice) == [s.ChangeVoice("speech_timeout", "the speech stage has made no sound in time")]


def test_a_voice_that_falls_silent_in_the_middle_of_a_text_has_failed():
    stage = Stage(sound_seconds=5.0)
    stage.asked()
    stage.answered("Yes. Until six.")
    stage.wait(1.0)
    stage.do(s.Sound("1", SOUND))
    assert stage.turns.wake_at == stage.now + 5.0
    stage.wait(4.9)
    assert stage.of(s.ChangeVoice) == []
    stage.wait(0.1)
    assert [change.code for change in stage.of(s.ChangeVoice)] == ["speech_timeout"]


@pytest.mark.parametrize("timed", [True, False])
def test_a_voice_that_does_not_tell_the_end_of_a_reply_has_not_failed(timed):
    stage = Stage(timed_words=timed)
    stage.asked()
    stage.answered("We close at five.")
    context = stage.spoken(made_ms=1_000, over=False)
    if timed:
        words = [("We ", 0.0), ("close ", 200.0), ("at ", 500.0), ("five. ", 700.0)]
        stage.do(*(s.SpokenWords(context, word, at) for word, at in words))
    stage.wait(6)
    assert not stage.of(s.ChangeVoice)
    assert [done.interrupted for done in stage.of(c.ReplyDone)] == [False]
    stage.do(s.SpeechOver(context))
    assert not stage.of(c.ReplyDone)


def test_a_voice_that_makes_no_sound_of_a_text_is_given_it_once_more_then_it_has_failed():
    stage = Stage()
    stage.asked()
    stage.answered("Yes. Until six.")
    stage.do(s.SpeechOver("1"))
    assert stage.of(s.Speak) == [s.Speak("1.2", "Yes. "), s.Speak("1.2", "Until six. ", last=True)]
    assert stage.of(s.Count) == [s.Count("speech_repeated")]
    assert stage.of(c.ReplyDone) == []
    stage.do(s.SpeechOver("1.2"))
    (change,) = stage.of(s.ChangeVoice)
    assert change == s.ChangeVoice("speech_silent", "the speech stage has made no sound of a text, twice")


def test_a_text_of_which_there_was_no_sound_is_not_in_the_history():
    stage = Stage()
    stage.asked()
    stage.answered("Until six.")
    stage.do(s.SpeechOver("1"), s.SpeechOver("1.2"))
    stage.do(c.TruncateReply("1", 0.0))
    assert "agent" not in [role for role, _ in lines(stage.asked("Hello?", "c2"))]


def test_what_a_voice_has_not_spoken_the_next_one_does():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. Until six. Or"), s.SpokenWords("1", "Yes. ", 0.0), *[s.Sound("1", SOUND)] * 3)
    stage.do(s.VoiceChanged())
    assert stage.of(s.Speak) == [s.Speak("1.2", "Until six. ")]
    stage.do(s.Thought(number, " seven."), s.ThoughtOver(number))
    assert stage.do(s.Sound("1", SOUND)) == []  # what still comes of the one before
    stage.do(s.SpokenWords("1.2", "Until ", 50.0), s.Sound("1.2", SOUND), s.SpeechOver("1.2"))
    assert stage.of(c.ReplyWords) == [c.ReplyWords("1", "Until ", 350.0)]
    assert stage.of(c.ReplyDone) == [c.ReplyDone("1", interrupted=False)]


TIMED = [s.SpokenWords("1", "We ", 0.0), s.SpokenWords("1", "close ", 200.0), s.SpokenWords("1", "at ", 600.0)]


@pytest.mark.parametrize(
    ("made_ms", "rest"),
    [
        (100, "We close at six."),  # no word is whole
        (200, "close at six."),
        (300, "close at six."),  # half of it
        (600, "at six."),
        (900, "six."),  # whose time was not told
    ],
)
def test_what_a_voice_has_broken_off_in_is_begun_anew_with_that_word(made_ms, rest):
    stage = Stage()
    stage.asked()
    stage.answered("We close at six.")
    stage.do(*TIMED, *[s.Sound("1", SOUND)] * (made_ms // 100), s.VoiceChanged())
    assert [speak.text for speak in stage.of(s.Speak)] == [rest]
    stage.do(*[s.SpokenWords("1.2", rest.split()[0], 0.0), s.Sound("1.2", SOUND)], s.VoiceChanged())
    assert [speak.text for speak in stage.of(s.Speak)] == [rest]  # of that one no word was whole


def test_words_of_which_a_voice_that_broke_off_made_no_sound_are_not_told_twice():
    stage = Stage()
    stage.asked()
    stage.answered("We close at six.")
    words = [s.SpokenWords("1", word, 300.0 * at) for at, word in enumerate(("We ", "close ", "at ", "six."))]
    told = []
    for fact in (*words, *[s.Sound("1", SOUND)] * 6, s.VoiceChanged()):
        stage.do(fact)
        told += [each.text for each in stage.of(c.ReplyWords)]
    assert told == ["We ", "close "]
    for fact in (s.SpokenWords("1.2", "at ", 0.0), s.SpokenWords("1.2", "six.", 300.0), *[s.Sound("1.2", SOUND)] * 2):
        stage.do(fact)
        told += [each.text for each in stage.of(c.ReplyWords)]
    assert told == ["We ", "close ", "at "]
    stage.do(s.SpeechOver("1.2"))
    assert [each.text for each in stage.of(c.ReplyWords)] == ["six."]


def test_a_voice_that_tells_the_times_of_parts_of_words_has_spoken_no_more_words_for_it():
    stage = Stage()
    stage.asked()
    stage.answered("We close at six.")
    parts = [s.SpokenWords("1", part, 100.0 * at) for at, part in enumerate(("W", "e ", "cl", "ose "))]
    stage.do(*parts, *[s.Sound("1", SOUND)] * 6, s.VoiceChanged())
    assert [speak.text for speak in stage.of(s.Speak)] == ["at six."]


def test_a_voice_that_tells_no_times_is_taken_to_have_come_as_far_as_its_sound_is_long():
    stage = Stage(timed_words=False)
    stage.asked()
    stage.answered("We close at six in the evening.")
    stage.do(*[s.Sound("1", SOUND)] * 6, s.VoiceChanged(timed_words=False))
    assert [speak.text for speak in stage.of(s.Speak)] == ["at six in the evening."]


def test_a_voice_that_drops_when_all_was_heard_is_asked_for_nothing_more():
    stage = Stage()
    stage.asked()
    stage.answered("At six.")
    words = [s.SpokenWords("1", "At ", 0.0), s.SpokenWords("1", "six.", 200.0)]
    stage.do(*words, *[s.Sound("1", SOUND)] * 5, s.VoiceChanged())
    assert stage.of(s.Speak) == []
    assert stage.of(c.ReplyDone) == [c.ReplyDone("1", interrupted=False)]


def test_a_text_that_a_voice_refuses_is_tried_plainly_and_then_that_reply_s_loss_alone():
    stage = Stage()
    stage.asked()
    stage.answered("Yes; you can.")
    stage.do(s.SpeechFailed("1", "cartesia_400", "no"))
    (speak,) = stage.of(s.Speak)
    assert (speak.context_id, ";" in speak.text) == ("1.2", False)
    stage.do(s.SpeechFailed("1.2", "cartesia_400", "no"))
    assert faults(stage) == [False]
    assert stage.of(c.ReplyDone)
    assert lines(stage.question) == [("caller", "Are you open?"), ("instruction", OTHER_WORDS)]


def test_a_voice_that_has_spoken_between_two_refusals_has_not_failed():
    stage = Stage()
    stage.asked()
    for refuses in (True, False, True):
        stage.answered("Yes you can.")
        context = next(speak.context_id for speak in stage.of(s.Speak))
        if refuses:
            stage.do(s.SpeechFailed(context, "cartesia_500", "no"))
            stage.do(s.SpeechFailed(f"{context}.2", "cartesia_500", "no"))
            assert stage.of(s.ChangeVoice) == []
        else:
            stage.spoken()
            stage.asked("And on Sunday?", "c2")


def test_a_voice_that_refuses_one_reply_after_the_other_has_failed():
    stage = Stage()
    stage.asked()
    for reply in ("1", "3"):
        stage.answered("Yes you can.")
        stage.do(s.SpeechFailed(reply, "cartesia_500", "no"))
        stage.do(s.SpeechFailed(f"{reply}.2", "cartesia_500", "no"))
    (change,) = stage.of(s.ChangeVoice)
    assert change == s.ChangeVoice("speech_refused", "the speech stage has refused one reply after the other")


def test_a_context_that_the_voice_closes_in_a_pause_goes_on_in_another_where_it_stopped():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "The flute. "), s.SpokenWords("1", "The flute. ", 0.0), s.Sound("1", SOUND))
    assert stage.do(s.SpeechOver("1")) == []
    stage.do(s.Thought(number, "The grape."), s.ThoughtOver(number))
    assert "".join(speak.text for speak in stage.of(s.Speak)).strip() == "The grape."
    assert {speak.context_id for speak in stage.of(s.Speak)} == {"1.2"}
    stage.do(s.SpokenWords("1.2", "The grape.", 0.0), s.Sound("1.2", SOUND))
    assert stage.of(c.ReplyWords) == [c.ReplyWords("1", "The grape.", 100.0)]
    stage.do(c.TruncateReply("1", 80.0))
    assert lines(stage.asked("Hm?", "c2"))[1] == ("agent", "The flute. —")


def test_nothing_without_a_letter_or_digit_is_sent_to_a_voice():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "... "), s.Thought(number, "Yes! 🥐"), s.ThoughtOver(number))
    assert [speak.text.strip() for speak in stage.of(s.Speak) if not speak.last] == ["Yes!"]


def test_what_follows_an_aside_is_spoken():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Good.\n*Smiles.*\nYes!\nBye now. "), s.ThoughtOver(number))
    assert "".join(speak.text for speak in stage.of(s.Speak)).split() == ["Good.", "Yes!", "Bye", "now."]


def test_nothing_is_told_before_there_is_a_voice_and_then_the_greeting_first():
    stage = Stage(has_voice=False)
    stage.do(c.SayExactly("Hello."), s.SpeechBegan(), s.TurnOver("c1", "Hi?"))
    stage.wait(0.3)
    number = stage.question.number
    stage.do(s.Thought(number, "Yes."), s.ThoughtOver(number))
    assert stage.of(c.ReplyStarted, s.Speak) == []
    stage.do(s.VoiceChanged())
    assert stage.of(s.Speak) == [s.Speak("1", "Hello.", last=True)]
    stage.spoken()
    assert [speak.text.strip() for speak in stage.of(s.Speak)] == ["Yes."]


# Answers that break off


CUT = s.ThoughtFailed(0, "cut", "it was cut off", retryable=True)


def broken_off(stage, text):
    """An answer to the last question, of which a part was spoken before it broke off; the question that follows."""
    number = stage.question.number
    stage.do(s.Thought(number, text))
    stage.spoken(over=False)
    stage.do(attrs.evolve(CUT, number=number))
    context = next(output.context_id for output in stage.out if isinstance(output, s.Speak) and output.last)
    stage.do(s.Sound(context, SOUND), s.SpeechOver(context))


def test_the_rest_of_an_answer_that_breaks_off_is_asked_for():
    stage = Stage()
    stage.asked()
    broken_off(stage, "Yes. And on ")
    assert lines(stage.question) == [("caller", "Are you open?"), ("agent", "Yes."), ("instruction", GO_ON)]


def test_a_rest_that_is_asked_for_is_counted_whatever_cut_the_answer_short():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. And on "), s.ThoughtOver(number, (), "length"))
    assert stage.of(s.Count) == [s.Count("llm_retries_broken_off")]


def test_it_is_asked_for_twice_at_most():
    stage = Stage()
    stage.asked()
    for _ in range(MAX_BROKEN_OFF):
        broken_off(stage, "Yes. And on ")
    broken_off(stage, "Yes. And on ")
    assert stage.of(s.Think) == []


def test_another_language_model_says_the_rest_where_there_is_one():
    stage = Stage(members=2)
    stage.asked()
    broken_off(stage, "Yes. And on ")
    assert stage.question.member == 1


@pytest.mark.parametrize("end", ["content_filter", "refusal"])
def test_an_answer_that_a_filter_has_cut_short_is_none(end):
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Sure, you"), s.ThoughtOver(number, (), end))
    assert stage.of(s.Speak) == []
    assert lines(stage.question)[-1][0] == "instruction"


def test_what_was_said_before_the_filter_stays_without_the_half_sentence():
    stage = Stage()
    number = stage.asked().number
    stage.do(s.Thought(number, "Yes. You mix"), s.ThoughtOver(number, (), "content_filter"))
    assert "".join(speak.text for speak in stage.of(s.Speak)).strip() == "Yes."


def test_an_answer_that_repeats_itself_ends_where_it_begins_to():
    stage = Stage()
    number = stage.asked().number
    stage.do(*[s.Thought(number, "We close at five. Come in soon. ")] * 2)
    assert stage.of(s.StopThinking) == []
    stage.do(*[s.Thought(number, "We close at five. Come in soon. ")] * 2)
    assert stage.of(s.StopThinking) == [s.StopThinking(number)]
    assert [fault.code for fault in stage.of(c.ModelFault)] == ["repeats"]
    assert [output.text for output in stage.of(s.Speak)] == [""]  # no more than was said before
    assert stage.of(s.Speak)[0].last
    assert stage.of(s.Think) == []


def test_an_answer_that_is_a_few_words_without_an_end_is_none_and_asked_for_once_more():
    stage = Stage()
    for is_fatal in (False, True):
        number = (stage.question if is_fatal else stage.asked()).number
        stage.do(s.Thought(number, "very " * 100 + ". "))
        assert stage.of(s.StopThinking) == [s.StopThinking(number)]
        assert faults(stage) == [is_fatal]
    assert stage.of(s.Speak) == []


@pytest.mark.parametrize("text", ["Yes. Yes. Yes. Yes. ", "We are open. We are open. ", "One, two. Two, one. " * 2])
def test_what_is_said_twice_or_in_a_word_is_no_circle(text):
    stage = Stage()
    stage.do(s.Thought(stage.asked().number, text))
    assert stage.of(s.StopThinking, c.ModelFault) == []


@pytest.mark.parametrize("code", ["http_400", "http_422"])
def test_a_question_that_is_refused_for_an_unknown_reason_is_put_once_more_as_plainly_as_can_be(code):
    stage = Stage(said=[c.Said("caller", "Hello."), c.Said("agent", "Good day.")])
    think = stage.asked()
    assert think.with_tools
    refusal = s.ThoughtFailed(think.number, code, "it failed", retryable=False)
    stage.do(refusal)
    assert (lines(stage.question), stage.question.with_tools) == ([("caller", "Are you open?")], False)
    assert faults(stage) == [False]
    stage.do(attrs.evolve(refusal, number=stage.question.number))
    assert faults(stage) == [True]


def test_the_plainest_question_tells_what_a_tool_has_found():
    stage = Stage()
    stage.asked()
    stage.answered("One moment.", s.ToolCall("id", "look_up", {}))
    stage.do(c.SendToolResult("1.0", "open"))
    stage.do(s.ThoughtFailed(stage.question.number, "http_400", "it failed", retryable=False))
    told = ["Are you open?", "One moment.", "A look-up has brought this: open"]
    assert [text for _, text in lines(stage.question)] == told
    assert not any(entry.calls or entry.results for entry in stage.question.conversation)


@pytest.mark.parametrize("code", ["http_401", "http_404", "http_500"])
def test_a_refusal_that_has_nothing_to_do_with_the_question_is_final(code):
    stage = Stage()
    stage.do(s.ThoughtFailed(stage.asked().number, code, "it failed", retryable=False))
    assert (stage.of(s.Think), faults(stage)) == ([], [True])


def test_the_header_of_a_wav_file_is_not_played():
    stage = Stage()
    stage.asked()
    stage.answered("Yes.")
    header = b"RIFF\0\0\0\0WAVEfmt \0data\0\0\0\0"
    stage.do(s.Sound("1", encode(header + b"\x2a" * 800)), s.Sound("1", SOUND))
    assert stage.of(c.ReplyAudio) == [c.ReplyAudio("1", SOUND)] * 2
