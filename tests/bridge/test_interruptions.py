"""The floor: sounds over the agent that are interruptions, and those that are none."""

import base64

import attrs
import pytest

from tests.playbook import HUSH, MORE, SPEECH, TALKS_FIRST, Playbook
from trio_voice.audio.mulaw import encode
from trio_voice.bridge.interruptions import MAX_GREETINGS
from trio_voice.bridge.states import Caller
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import ClearPlayback, PlaceMark, PlayAudio, ToolResult, ToolReturned
from trio_voice.persona import Line, Lines, Persona, TurnDetection

YIELDS = attrs.evolve(TALKS_FIRST, truncates=True, yields_on_request=True, words_while_speaking=True)
WRITES_LATE = attrs.evolve(YIELDS, words_while_speaking=False)
CUTS_ITSELF = attrs.evolve(TALKS_FIRST, truncates=False)


def speaking(capabilities=YIELDS, *, pieces=20, done=True, persona=None, **rest):
    """A live call whose agent has said 300 ms of a reply."""
    book = Playbook(capabilities=capabilities, persona=persona, **rest).live()
    book.speak("r1", *[SPEECH] * pieces)
    if done:
        book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    return book.after(0.1)


def sound_of(commands):
    """All the sound that is handed to Twilio."""
    return b"".join(base64.b64decode(command.payload) for command in commands if isinstance(command, PlayAudio))


def kinds(commands):
    return [type(command) for command in commands]


def said(text, *, final=False):
    return c.CallerTranscript("i1", text, final=final)


# A model that waits for our word


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


# A model that falls silent by itself


def test_a_model_that_cuts_itself_is_asked_to_go_on_after_a_noise():
    book = speaking(CUTS_ITSELF, done=False)
    assert book.on(c.CallerSpeechStarted()) == [ClearPlayback()]
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.4).on(c.CallerSpeechStopped())
    ((at, asked),) = book.pass_time(2)
    assert isinstance(asked, c.RequestReply)
    assert at - (book.now - 2) <= 1.5
    assert book.record.counters["false_interruptions_resumed"] == 1


@pytest.mark.parametrize("text", ["", "Uh-huh."])
@pytest.mark.parametrize("told_first", [True, False])
@pytest.mark.parametrize("filler", [True, False])
def test_the_rest_of_an_answer_that_stood_still_is_asked_for_after_a_noise(filler, told_first, text):
    lines = Lines(fillers=(Line("One moment.", SPEECH),)) if filler else Lines()
    book = Playbook(capabilities=CUTS_ITSELF, lines=lines).live()
    book.speak("r1", SPEECH)
    book.on(ms.MarkEchoed("0.1"))
    book.pass_time(2.63)  # what was made of it has been heard, and a filler is being
    facts = [c.CallerSpeechStarted(), c.ReplyDone("r1", interrupted=True)]
    for fact in facts if told_first else reversed(facts):
        book.on(fact)
    book.after(0.4).on(c.CallerSpeechStopped())
    done = book.on(said(text, final=True)) + [command for _, command in book.pass_time(1)]
    assert sum(isinstance(command, c.RequestReply) for command in done) == 1


def test_the_words_that_interrupt_an_answer_that_stood_still_are_answered_and_not_its_rest():
    book = Playbook(capabilities=CUTS_ITSELF).live()
    book.speak("r1", SPEECH)
    book.on(ms.MarkEchoed("0.1"))
    book.after(2).on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.8).on(c.CallerSpeechStopped())
    assert book.on(said("And on Sundays?", final=True)) == []
    assert not any(isinstance(command, c.RequestReply) for _, command in book.pass_time(2))


def test_an_answer_that_is_being_thought_of_survives_a_noise_over_a_filler():
    lines = Lines(fillers=(Line("One moment.", MORE),))
    book = Playbook(capabilities=CUTS_ITSELF, lines=lines).live()
    book.on(c.ReplyStarted("r1"))
    book.pass_time(2.55)
    book.on(c.CallerSpeechStarted())
    book.after(0.3).on(c.CallerSpeechStopped())
    book.on(said("", final=True))
    assert PlayAudio(SPEECH) in book.on(c.ReplyAudio("r1", SPEECH))


@pytest.mark.parametrize("capabilities", [YIELDS, WRITES_LATE, CUTS_ITSELF])
def test_the_rest_is_heard_though_nobody_says_that_the_noise_is_over(capabilities):
    book = speaking(capabilities)
    book.on(c.CallerSpeechStarted())
    if capabilities is CUTS_ITSELF:
        book.on(c.ReplyDone("r1", interrupted=True))
    done = [command for _, command in book.pass_time(6.5)]
    asked = sum(isinstance(command, c.RequestReply) for command in done)
    assert asked <= 1
    assert asked or sound_of(done)
    if asked:
        assert PlayAudio(MORE) in book.speak("r2", MORE)


# A reply that was asked for and comes while the caller speaks


@pytest.mark.parametrize("capabilities", [YIELDS, WRITES_LATE])
def test_a_reply_that_comes_into_the_callers_turn_waits_until_it_is_over(capabilities):
    book = Playbook(capabilities=capabilities).live()  # the greeting is asked for
    book.on(c.CallerSpeechStarted())
    assert not sound_of(book.after(0.3).speak("r1", *[SPEECH] * 10))
    book.after(0.3).on(c.CallerSpeechStopped())
    assert sound_of(book.on(said("", final=True)))


@pytest.mark.parametrize("capabilities", [YIELDS, WRITES_LATE])
def test_words_are_not_answered_by_what_was_asked_for_before_them(capabilities):
    book = Playbook(capabilities=capabilities).live()
    book.on(c.CallerSpeechStarted())
    book.after(0.3).speak("r1", *[SPEECH] * 10)
    book.on(c.ReplyDone("r1", interrupted=False))
    commands = book.after(1).on(c.CallerSpeechStopped()) + book.on(said("When do you open?", final=True))
    assert c.TruncateReply("r1", 0.0) in commands
    assert not sound_of(commands)
    assert book.bridge._silence.is_owed
    answer = book.after(0.5).speak("r2", MORE)
    assert PlayAudio(MORE) in answer


def test_somebody_who_only_seems_to_be_speaking_is_answered_by_what_comes():
    book = Playbook(capabilities=CUTS_ITSELF).live()
    book.on(c.CallerSpeechStarted(interrupts=False))
    assert PlayAudio(SPEECH) in book.after(0.5).speak("r1", SPEECH)
    assert book.bridge._states.caller is Caller.QUIET


def test_what_a_server_that_tells_no_end_of_a_turn_begins_by_itself_is_the_answer():
    book = speaking(pieces=1)
    book.after(2).on(c.CallerSpeechStarted())
    book.after(1)
    assert PlayAudio(MORE) in book.speak("r2", MORE)
    book.on(c.ReplyDone("r2", interrupted=False))
    book.on(said("When do you open?", final=True))
    assert not book.bridge._silence.is_owed


def test_it_is_not_asked_when_it_answers_or_when_there_are_words():
    book = speaking(CUTS_ITSELF, done=False)
    book.on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.4).on(c.CallerSpeechStopped())
    book.speak("r2", HUSH)
    assert not any(isinstance(each, c.RequestReply) for _, each in book.pass_time(2))
    book = speaking(CUTS_ITSELF, done=False)
    book.on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.4).on(c.CallerSpeechStopped())
    book.on(said("Stop, please.", final=True))
    assert not any(isinstance(each, c.RequestReply) for _, each in book.pass_time(2))


def cut_for_nothing():
    """A model that has fallen silent by itself for "uh-huh"."""
    book = speaking(CUTS_ITSELF, done=False)
    book.on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.4).on(c.CallerSpeechStopped())
    assert book.on(said("uh-huh", final=True)) == []
    return book


def test_a_model_that_may_go_on_by_itself_is_not_asked_at_once():
    book = cut_for_nothing()
    ((at, asked),) = book.pass_time(2)
    assert isinstance(asked, c.RequestReply)
    assert 0.3 <= at - (book.now - 2) <= 1


def test_a_model_that_goes_on_by_itself_is_not_asked_at_all():
    book = cut_for_nothing()
    book.after(0.4).speak("r2", HUSH)
    assert not any(isinstance(each, c.RequestReply) for _, each in book.pass_time(2))
    assert book.record.counters["false_interruptions_resumed"] == 1


def test_what_a_model_that_was_not_cut_answers_to_such_a_word_is_not_said():
    patient = Persona(name="p", model="m", turn_detection=TurnDetection(min_interruption_words=2))
    book = speaking(CUTS_ITSELF, persona=patient)
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    book.on(said("uh-huh", final=True))
    assert sound_of(book.after(0.2).speak("r2", MORE)) == b""
    book.on(c.ReplyTranscript("r2", "What else?", interrupted=False))
    book.on(c.ReplyDone("r2", interrupted=False))
    book.pass_time(5)
    assert ("agent", "What else?", False) not in book.lines()
    assert book.record.counters["answers_in_vain"] == 1
    assert sound_of(book.speak("r3", MORE)) == base64.b64decode(MORE)  # the next is wanted


def test_what_it_was_asked_for_meanwhile_is_said():
    patient = Persona(name="p", model="m", turn_detection=TurnDetection(min_interruption_words=2))
    book = speaking(CUTS_ITSELF, persona=patient)
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    book.on(said("uh-huh", final=True))
    book.on(c.ToolCalled("t1", "look_up", {}))
    book.on(ToolReturned("t1", ToolResult("{}")))
    assert sound_of(book.speak("r2", MORE)) == base64.b64decode(MORE)


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


# Greetings


@pytest.mark.parametrize(
    ("direction", "interruptible"), [("outbound", True), ("inbound", False)], ids=["we call", "as the persona says"]
)
def test_a_greeting_that_is_owed_is_said_to_its_end(direction, interruptible):
    persona = Persona(name="p", model="m", greeting="Hello", greeting_interruptible=interruptible)
    book = speaking(persona=persona, direction=direction)
    assert book.on(c.CallerSpeechStarted()) == []
    assert book.on(said("Hello?", final=True)) == []
    book.after(2).on(ms.MarkEchoed("0.10"))
    book.speak("r2", *[MORE] * 20)
    assert book.after(0.1).on(c.CallerSpeechStarted()) == [ClearPlayback()]  # what comes after it may be interrupted


def test_a_greeting_that_a_model_breaks_off_by_itself_is_begun_again():
    book = speaking(CUTS_ITSELF, done=False, direction="outbound")
    assert book.on(c.CallerSpeechStarted()) == []
    assert book.on(c.ReplyDone("r1", interrupted=True)) == [ClearPlayback()]
    book.after(0.5).on(c.CallerSpeechStopped())
    (asked,) = [each for _, each in book.pass_time(2) if isinstance(each, c.RequestReply)]
    assert "Hello" in asked.instructions


def test_whoever_talks_over_the_greeting_again_and_again_is_let_off():
    book = Playbook(capabilities=CUTS_ITSELF, direction="outbound").live()
    greeted = 0
    for number in range(10):
        book.speak(f"r{number}", *[SPEECH] * 20)
        book.after(0.3).on(c.CallerSpeechStarted())
        book.on(c.ReplyDone(f"r{number}", interrupted=True))
        book.after(0.5).on(c.CallerSpeechStopped())
        book.on(c.CallerTranscript(f"i{number}", "Who is there?", final=True))
        greeted += 1
        if not [each for _, each in book.pass_time(2) if isinstance(each, c.RequestReply)]:
            break
    assert greeted == MAX_GREETINGS + 1


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
def test_a_model_that_greets_by_itself_is_kept_from_breaking_off_what_is_owed(direction):
    book = Playbook(
        capabilities=attrs.evolve(CUTS_ITSELF, speaks_first=True, protects_replies=True), direction=direction
    )
    assert book.on(c.ModelReady("s")) == ([c.ProtectReply(on=True)] if direction == "outbound" else [])


def test_an_inbound_greeting_may_be_talked_over():
    assert speaking().on(c.CallerSpeechStarted()) == [ClearPlayback()]


def test_a_filler_that_was_cut_is_nothing_to_go_on_with():
    """The model has not said it; the next comes by itself."""
    lines = Lines(fillers=(Line("One moment, please.", encode(b"\x00\x80" * 4_000)),))
    persona = Persona(name="p", model="m", fillers=("One moment, please.",))
    book = Playbook(capabilities=CUTS_ITSELF, lines=lines, persona=persona).live()
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i0", "Where is my order?", final=True))
    book.after(1).on(c.CallerSpeechStopped())
    book.on(c.ReplyStarted("r1"))
    book.on(c.ToolCalled("t1", "look_up", {}))
    book.on(c.ReplyDone("r1", interrupted=False))
    while not any(isinstance(command, PlayAudio) for _, command in book.pass_time(0.02)):
        pass
    assert ClearPlayback() in book.on(c.CallerSpeechStarted())
    book.after(0.5).on(c.CallerSpeechStopped())
    assert book.on(said("Okay.", final=True)) == [c.IgnoreTurn("i1")]
    assert not any(isinstance(command, c.RequestReply) for _, command in book.pass_time(2))


@pytest.mark.parametrize("loud", [True, False])
def test_speech_whose_words_come_at_its_end_is_not_spoken_over(loud):
    """The agent has fallen silent by itself, and goes on only after a sound that was nothing."""
    book = speaking(CUTS_ITSELF, pieces=40)
    book.on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    done = []
    for _ in range(400):
        book.after(0.02).on(ms.CallerAudio(SPEECH if loud else HUSH))
        done += book.tick() if book.now >= book.bridge.wake_at else []
    assert any(isinstance(command, c.RequestReply) for command in done) is not loud


def test_the_rest_of_what_a_server_broke_off_though_it_was_told_not_to_is_asked_for():
    book = speaking(WRITES_LATE, done=False)
    book.on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.4).on(c.CallerSpeechStopped())
    resumed = book.on(said("", final=True))
    assert any(isinstance(command, PlayAudio) for command in resumed)
    assert [command.instead for command in resumed if isinstance(command, c.RequestReply)] == [True]


@pytest.mark.parametrize("pieces", [6, 30], ids=["little was not heard", "much was not heard"])
def test_the_last_line_is_heard_though_the_model_is_lost_while_it_is_undecided_who_speaks(pieces):
    book = speaking(pieces=pieces, lines=Lines(failure=Line("Sorry.", MORE)))
    book.on(c.CallerSpeechStarted())
    lost = book.after(0.1).on(c.ModelFault("gone", "it is gone", fatal=True))
    assert sound_of(lost) == base64.b64decode(MORE)
