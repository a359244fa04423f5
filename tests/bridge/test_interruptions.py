"""The floor, with a model that waits for our word: sounds over the agent that interrupt it, and those that do not."""

import base64

import pytest

from tests.bridge.interrupted import CUTS_ITSELF, WRITES_LATE, YIELDS, said, sound_of, speaking
from tests.playbook import HUSH, MORE, SPEECH, Playbook
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import ClearPlayback, PlaceMark, PlayAudio
from trio_voice.persona import Persona, TurnDetection


def test_the_agent_falls_silent_at_once_and_keeps_what_was_not_heard():
    book = speaking()
    assert book.on(c.CallerSpeechStarted()) == [ClearPlayback()]
    assert "barge_ins" not in book.record.counters
    assert book.pass_time(3) == []


@pytest.mark.parametrize("text", ["uh-huh", "Yeah.", "mm-hmm, okay", "[cough]", ""])
def test_a_word_that_only_agrees_takes_no_floor_and_the_rest_is_said_from_a_moment_before_the_cut(text):
    book = speaking()
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    resumed = book.on(said(text, final=True))
    heard_again = 0.2
    assert len(sound_of(resumed)) == pytest.approx((2.0 - 0.3 + heard_again) * 8000, abs=8)
    assert sound_of(resumed) == (base64.b64decode(SPEECH) * 20)[-len(sound_of(resumed)) :]
    assert ([c.IgnoreTurn("i1")] if text else []) == [each for each in resumed if isinstance(each, c.IgnoreTurn)]
    assert book.record.counters["false_interruptions_resumed"] == 1
    assert "barge_ins" not in book.record.counters


def test_a_noise_without_a_turn_is_over_with_the_turn_within_half_a_second():
    book = speaking()
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    ((at, first), *_) = book.pass_time(2)
    assert isinstance(first, PlayAudio)
    assert at - book.now + 2 <= 0.5


def test_a_noise_of_which_nothing_more_is_heard_is_given_five_seconds():
    book = speaking()
    began = book.now
    book.on(c.CallerSpeechStarted())
    ((at, first), *_) = book.pass_time(10)
    assert isinstance(first, PlayAudio)
    assert at - began == pytest.approx(5)


def test_words_take_the_floor_and_the_model_is_told_what_was_heard():
    book = speaking()
    book.on(c.CallerSpeechStarted())
    assert book.after(0.3).on(said("Wait, I have")) == [c.TruncateReply("r1", pytest.approx(300))]
    assert book.record.counters["barge_ins"] == 1
    assert not any(isinstance(each, PlayAudio) for _, each in book.pass_time(2))


def test_what_was_heard_is_counted_over_a_resumption():
    book = speaking()
    book.on(c.CallerSpeechStarted())
    resumed = book.after(0.4).on(said("uh-huh", final=True))
    _, mark, *_ = [command.name for command in resumed if isinstance(command, PlaceMark)]
    book.after(0.4).on(ms.MarkEchoed(mark))
    book.after(0.1).on(c.CallerSpeechStarted())
    (cut,) = book.on(said("No, stop.", final=True))
    assert cut == c.TruncateReply("r1", pytest.approx(300 - 200 + 500, abs=1))


@pytest.mark.parametrize("filler", [False, True])
def test_what_was_heard_before_a_stall_is_told_when_the_caller_speaks_in_it(filler):
    book = speaking(pieces=2, done=False)  # all that has come was heard, and more is to come
    if filler:
        book.on(c.ReplyStarted("f1", is_filler=True))
        book.on(c.ReplyAudio("f1", SPEECH))
        book.on(c.ReplyDone("f1", interrupted=False))
    book.after(1.0).on(c.CallerSpeechStarted())
    told = [each for each in book.on(said("And on Sunday?")) if isinstance(each, c.TruncateReply)]
    assert [each.heard_ms for each in told if each.reply_id == "r1"] == [200.0]


def test_words_that_go_on_behind_an_agreement_still_take_the_floor():
    book = speaking()
    book.on(c.CallerSpeechStarted())
    assert book.after(0.3).on(said("yeah")) == []
    assert book.after(0.3).on(said("yeah but what about")) == [c.TruncateReply("r1", pytest.approx(300))]


@pytest.mark.parametrize("text", ["Shall I book it?", "Shall I book it? "])
def test_okay_at_the_very_end_of_a_question_is_the_answer_to_it(text):
    book = speaking(pieces=15)
    book.on(c.ReplyTranscript("r1", text, interrupted=False))
    book.on(c.CallerSpeechStarted())
    book.after(0.3).on(c.CallerSpeechStopped())
    commands = book.on(said("Okay.", final=True))
    assert c.IgnoreTurn("i1") not in commands
    assert c.TruncateReply("r1", pytest.approx(300)) in commands


def test_words_behind_a_long_noise_that_may_still_only_agree_take_no_floor():
    """The noise is over for us after five seconds, though nobody has said that it is; the agent speaks again."""
    book = speaking(pieces=80)
    book.on(c.CallerSpeechStarted())
    book.pass_time(5.5)
    assert book.on(said("makes")) == []  # sense?
    assert book.on(said("makes sense")) == []
    assert any(isinstance(each, c.TruncateReply) for each in book.on(said("makes sense but what")))


def test_a_word_that_agrees_while_nobody_speaks_is_an_answer():
    book = speaking(pieces=3)
    book.after(2)
    book.on(ms.MarkEchoed("0.2"))
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerSpeechStopped())
    assert book.on(said("Yes.", final=True)) == []


def test_sound_that_comes_while_it_is_undecided_waits_behind_the_rest():
    book = speaking(done=False)
    book.on(c.CallerSpeechStarted())
    assert book.after(0.1).on(c.ReplyAudio("r1", MORE)) == []
    resumed = book.after(0.2).on(said("mm-hmm", final=True))
    assert sound_of(resumed).endswith(base64.b64decode(MORE))


def test_an_answer_that_is_being_thought_is_not_dropped_for_a_noise():
    book = Playbook(capabilities=YIELDS).live()
    book.on(c.ReplyStarted("r1"))
    assert book.on(c.CallerSpeechStarted()) == []
    assert book.on(c.ReplyAudio("r1", SPEECH)) == []  # nobody talks over a caller who may be speaking
    book.after(0.3).on(c.CallerSpeechStopped())
    assert next(command for _, command in book.pass_time(0.5)) == PlayAudio(SPEECH)


def test_an_answer_that_is_being_thought_is_dropped_for_words():
    book = Playbook(capabilities=YIELDS).live()
    book.on(c.ReplyStarted("r1"))
    book.on(c.CallerSpeechStarted())
    assert book.on(said("Actually, no")) == [c.TruncateReply("r1", 0.0)]
    assert book.on(c.ReplyAudio("r1", SPEECH)) == []
    assert book.record.counters["late_reply_frames"] == 1


def test_where_words_come_late_long_speech_is_an_interruption_and_short_speech_waits_for_them():
    book = speaking(WRITES_LATE)
    began = book.now
    book.on(c.CallerSpeechStarted())
    ((at, cut),) = book.pass_time(2)
    assert cut == c.TruncateReply("r1", pytest.approx(300))
    assert at - began == pytest.approx(1.2)
    book = speaking(WRITES_LATE)
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    assert book.pass_time(0.8) == []
    assert sound_of(book.on(said("mm-hmm", final=True)))


@pytest.mark.parametrize("later", [2.0, 27.6, 27.9, 28.4])
def test_long_speech_is_one_at_any_time_of_day(later):
    """Sums of seconds are not exact."""
    book = speaking(WRITES_LATE)
    for mark in range(2, 11):
        book.after(0.2).on(ms.MarkEchoed(f"0.{mark}"))
    book.after(later - 1.8)
    book.speak("r2", *[SPEECH] * 20)
    book.on(c.CallerSpeechStarted())
    assert [command.reply_id for _, command in book.pass_time(2) if isinstance(command, c.TruncateReply)] == ["r2"]


def test_a_model_that_answers_a_wordless_sound_has_heard_somebody():
    book = speaking(WRITES_LATE)
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    assert book.speak("r2", MORE) == []
    done = [command for _, command in book.pass_time(1.3)]
    assert done[0] == c.TruncateReply("r1", pytest.approx(300))
    assert sound_of(done) == base64.b64decode(MORE)


def test_an_answer_to_a_word_that_only_agrees_is_not_said():
    book = speaking(WRITES_LATE)
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    book.speak("r2", MORE)
    done = book.on(said("uh-huh", final=True))
    assert c.IgnoreTurn("i1") in done
    assert sound_of(done).endswith(base64.b64decode(SPEECH))


def asked_to_go_on(commands):
    return [command.instead for command in commands if isinstance(command, c.RequestReply)] == [True]


@pytest.mark.parametrize("end", ["no words", "only a word that agrees", "nothing is written", "no end"])
def test_long_noise_over_the_agent_takes_nothing_away(end):
    """It is cut for its length alone, and the model is asked for the rest when that was for nothing."""
    book = speaking(WRITES_LATE)
    book.on(c.CallerSpeechStarted())
    ((_, cut),) = book.pass_time(2)
    assert cut == c.TruncateReply("r1", pytest.approx(300))
    if end == "no end":
        ((at, asked),) = book.pass_time(4)
        assert asked_to_go_on([asked])
        assert book.now - at == pytest.approx(1.0)
        return
    stopped = book.on(c.CallerSpeechStopped())
    assert stopped == []
    if end == "nothing is written":
        ((at, asked),) = book.pass_time(3)
        assert asked_to_go_on([asked])
        assert book.now - at == pytest.approx(0.6)
    else:
        assert asked_to_go_on(book.after(0.4).on(said("Mm-hmm." if end.startswith("only") else "", final=True)))
    assert book.record.counters["false_interruptions_resumed"] == 1


def test_words_behind_a_long_sound_are_answered_and_nothing_else():
    book = speaking(WRITES_LATE)
    book.on(c.CallerSpeechStarted())
    book.pass_time(2)
    book.on(c.CallerSpeechStopped())
    assert book.after(0.4).on(said("No, tomorrow.", final=True)) == []
    assert book.record.counters["barge_ins"] == 1
    assert book.speak("r2", MORE)


def test_a_word_that_only_agrees_and_is_written_late_is_not_answered():
    book = speaking(WRITES_LATE)
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    assert sound_of([command for _, command in book.pass_time(1.4)])
    assert book.on(said("uh-huh", final=True)) == [c.IgnoreTurn("i1")]
    assert not [command for _, command in book.pass_time(3) if isinstance(command, c.RequestReply)]


def test_an_answer_to_it_that_waits_behind_the_rest_is_not_said():
    book = speaking(WRITES_LATE)
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    book.pass_time(1.4)
    book.speak("r2", MORE)
    assert book.on(said("uh-huh", final=True)) == [c.IgnoreTurn("i1"), c.TruncateReply("r2", 0.0)]
    assert base64.b64decode(MORE) not in sound_of([command for _, command in book.pass_time(4)])


def test_words_that_are_written_late_interrupt_what_goes_on():
    book = speaking(WRITES_LATE)
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    book.pass_time(1.4)
    book.speak("r2", MORE)
    done = book.on(said("No, tomorrow.", final=True))
    assert ClearPlayback() in done
    assert [command.reply_id for command in done if isinstance(command, c.TruncateReply)] == ["r1"]
    assert sound_of(done) == base64.b64decode(MORE)


def test_words_that_are_written_when_all_was_heard_interrupt_nothing():
    book = speaking(WRITES_LATE, pieces=6)
    book.on(c.CallerSpeechStarted())
    book.after(0.3).on(c.CallerSpeechStopped())
    marks = [each.name for _, each in book.pass_time(1.9) if isinstance(each, PlaceMark)]
    for name in marks:
        book.on(ms.MarkEchoed(name))
    book.on(said("And on Sunday?", final=True))
    assert "barge_ins" not in book.record.counters


def test_what_a_model_answers_to_a_word_that_only_agrees_gives_way_to_the_rest():
    """It was begun before the word was known, and the agent's own words were given up for it."""
    book = speaking(WRITES_LATE)
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    book.speak("r2", *[MORE] * 20)
    book.pass_time(1.5)
    done = book.on(said("uh-huh", final=True))
    assert c.IgnoreTurn("i1") in done
    assert ClearPlayback() in done
    assert [command.reply_id for command in done if isinstance(command, c.TruncateReply)] == ["r2"]
    assert asked_to_go_on(done)


def test_a_sound_that_was_too_short_is_none_whenever_its_words_come():
    persona = Persona(name="p", model="m", turn_detection=TurnDetection(min_interruption_ms=600))
    book = speaking(WRITES_LATE, persona=persona)
    book.on(c.CallerSpeechStarted())
    book.after(0.3).on(c.CallerSpeechStopped())
    book.pass_time(1.4)
    assert book.on(said("No, tomorrow.", final=True)) == [c.IgnoreTurn("i1")]


@pytest.mark.parametrize("lasts", [0.3, 0.9])
def test_how_long_somebody_speaks_is_heard_on_the_line(lasts):
    """A model says half a second later that they have stopped; by that alone any cough would last as long as words."""
    persona = Persona(name="p", model="m", turn_detection=TurnDetection(min_interruption_ms=600))
    book = speaking(WRITES_LATE, persona=persona)
    done = book.on(c.CallerSpeechStarted())
    for moment in range(round((lasts + 0.5) / 0.02)):
        done += book.after(0.02).on(ms.CallerAudio(SPEECH if moment * 0.02 < lasts else HUSH))
        done += book.tick() if book.now >= book.bridge.wake_at else []
    done += book.on(c.CallerSpeechStopped()) + book.on(said("No, tomorrow.", final=True))
    is_taken = lasts > 0.6
    assert any(isinstance(each, ClearPlayback) for each in done) is is_taken
    assert (c.IgnoreTurn("i1") in done) is not is_taken


# The persona's thresholds, for every kind of model


@pytest.mark.parametrize("capabilities", [YIELDS, WRITES_LATE, CUTS_ITSELF])
def test_the_agent_speaks_on_until_the_words_are_enough(capabilities):
    persona = Persona(name="p", model="m", turn_detection=TurnDetection(min_interruption_words=3))
    book = speaking(capabilities, persona=persona)
    assert book.on(c.CallerSpeechStarted()) == []
    assert book.after(0.1).on(said("could you")) == []
    assert ClearPlayback() in book.after(0.1).on(said("could you tell me"))


def test_words_that_always_take_the_floor_need_no_company():
    persona = Persona(name="p", model="m", turn_detection=TurnDetection(min_interruption_words=3))
    book = speaking(persona=persona)
    book.on(c.CallerSpeechStarted())
    assert ClearPlayback() in book.after(0.1).on(said("Stop"))


def test_the_agent_speaks_on_until_the_sound_is_long_enough():
    persona = Persona(name="p", model="m", turn_detection=TurnDetection(min_interruption_ms=500))
    book = speaking(persona=persona)
    book.on(c.CallerSpeechStarted())
    assert book.after(0.2).on(said("could you tell me")) == []
    assert ClearPlayback() in [each for _, each in book.pass_time(0.31)]
