"""Answering machines and faxes."""

import attrs
import pytest

from tests.bridge.goodbyes import asks, says
from tests.playbook import HUSH, SPEECH, TALKS_FIRST, Playbook, end_of, run_until_end
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import ClearPlayback, EndCall, MachineAnswered, PlayAudio, Then, TransferCall
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import EndReason


def test_a_machine_ends_a_call_that_has_no_message_for_it(book):
    book.live()
    (end,) = book.on(MachineAnswered())
    assert (end.reason, end.detail) == (EndReason.TWILIO_ENDED, "Twilio says that a machine answered")


def test_a_fax_ends_the_call_whatever_message_a_machine_would_be_left():
    book = Playbook(persona=Persona(name="p", model="m", voicemail="Please call us back.")).live()
    ended = book.on(MachineAnswered(is_fax=True))[-1]
    assert (ended.reason, ended.detail) == (EndReason.TWILIO_ENDED, "Twilio says that a fax answered")


@pytest.mark.parametrize("voicemail", [None, "Please call us back."])
@pytest.mark.parametrize("is_fax", [False, True])
def test_who_has_been_talked_with_is_no_machine_whatever_twilio_says(voicemail, is_fax):
    book = Playbook(persona=Persona(name="p", model="m", voicemail=voicemail)).live()
    for reply in ("r1", "r2"):
        book.after(1).on(c.CallerSpeechStarted())
        book.after(1).on(c.CallerSpeechStopped())
        book.speak(reply, SPEECH)
        book.on(c.ReplyDone(reply, interrupted=False))
    assert len(book.record.turns) == 2
    assert book.on(MachineAnswered(is_fax)) == []
    assert book.record.counters["machine_verdicts_too_late"] == 1


def test_a_message_of_which_nothing_is_heard_is_asked_for_again_and_not_recorded_as_left():
    book = Playbook(persona=Persona(name="p", model="m", voicemail="Please call us back.")).live()
    book.on(MachineAnswered())
    commands = []
    while not (commands and isinstance(commands[-1], EndCall)):
        commands += book.after(0.1).on(ms.CallerAudio(HUSH)) + book.tick()
    (again,) = [command for command in commands if isinstance(command, c.RequestReply)]
    assert "Please call us back." in again.instructions
    assert (commands[-1].reason, commands[-1].detail) == (
        EndReason.AGENT,
        "a machine answered, and no message was left",
    )


def test_a_machine_that_makes_noises_does_not_interrupt_the_message_that_it_is_left():
    book = Playbook(persona=Persona(name="p", model="m", voicemail="Please call us back.")).live()
    book.on(MachineAnswered())
    book.speak("r2", *[SPEECH] * 10)
    assert book.after(0.1).on(c.CallerSpeechStarted()) == []
    book.on(c.ReplyDone("r2", interrupted=False))
    book.after(1).on(ms.MarkEchoed("0.5"))
    ended = run_until_end(book, 10)[-1]
    assert ended.detail == "a machine answered, and the message was left"
    assert "barge_ins" not in book.record.counters


def test_a_machine_is_left_the_message_and_then_the_call_ends():
    book = Playbook(persona=Persona(name="p", model="m", voicemail="Please call us back.")).live()
    book.speak("r1", *[SPEECH] * 10)
    cleared, asked = book.after(0.2).on(MachineAnswered())
    assert cleared == ClearPlayback()
    assert "Please call us back." in asked.instructions
    assert "machine" in asked.instructions  # or a model takes what it hears for a caller's words
    book.speak("r2", SPEECH)
    book.on(c.ReplyDone("r2", interrupted=False))
    book.after(0.1).on(ms.MarkEchoed("1.3"))
    assert end_of(run_until_end(book, 3)) is EndReason.AGENT


def test_a_message_that_was_left_is_not_taken_back_by_a_machines_words():
    book = Playbook(persona=Persona(name="p", model="m", voicemail="Call us.")).live()
    book.on(MachineAnswered())
    book.speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(ms.MarkEchoed("0.1"))
    done = says(book, "To delete this message press seven.") + [command for _, command in book.pass_time(6)]
    assert end_of(done) is EndReason.AGENT


def leaving_message(capabilities=TALKS_FIRST):
    persona = Persona(name="p", model="m", voicemail="Call us back.")
    limits = Limits(media_gap_seconds=1000, idle_seconds=1000, playback_lead_seconds=10)
    book = Playbook(persona=persona, limits=limits, capabilities=capabilities, direction="outbound").live()
    book.on(MachineAnswered())
    return book


def test_a_message_that_a_machines_noise_breaks_off_is_said_once_more():
    book = leaving_message()
    book.speak("r1", *[SPEECH] * 10)
    book.after(0.3).on(c.CallerSpeechStarted())
    (again,) = [each for each in book.on(c.ReplyDone("r1", interrupted=True)) if isinstance(each, c.RequestReply)]
    assert "Call us back." in again.instructions
    book.speak("r2", *[SPEECH] * 10)
    book.after(0.3)
    assert not any(isinstance(each, c.RequestReply) for each in book.on(c.ReplyDone("r2", interrupted=True)))
    ended = [command for _, command in book.pass_time(10) if isinstance(command, EndCall)]
    assert [end.detail for end in ended] == ["a machine answered, and no message was left"]


def test_a_machine_that_was_talking_interrupts_no_message_and_is_not_answered():
    chain = attrs.evolve(TALKS_FIRST, yields_on_request=True, words_while_speaking=True, exact_speech=True)
    persona = Persona(name="p", model="m", voicemail="Call us back.")
    book = Playbook(persona=persona, capabilities=chain, direction="outbound").live()
    book.on(c.CallerSpeechStarted(item_id="i1"))
    assert c.IgnoreTurn("i1") in book.after(1).on(MachineAnswered())
    book.speak("r1", *[SPEECH] * 5)
    done = book.on(c.CallerTranscript("i1", "Leave a message after", final=False))
    done += book.on(c.CallerTranscript("i1", "Leave a message after the tone.", final=True))
    assert done == [c.IgnoreTurn("i1")]
    assert book.on(c.CallerSpeechStarted(item_id="i2")) == [c.IgnoreTurn("i2")]


def test_what_a_model_answers_to_a_machine_is_not_left_behind_the_message():
    book = leaving_message()
    book.speak("r1", *[SPEECH] * 5)
    book.on(c.ReplyTranscript("r1", "Call us back.", interrupted=False))
    book.on(c.ReplyDone("r1", interrupted=False))
    says(book, "To delete this message press seven.")
    assert book.speak("r2", SPEECH) == []
    assert book.record.counters["answers_in_vain"] == 1


def test_an_answer_that_was_being_made_is_not_taken_for_the_message():
    book = leaving_message()
    book.speak("r1", *[SPEECH] * 5)
    book.on(c.ReplyTranscript("r1", "Hello, Bob.", interrupted=False))
    book.on(c.ReplyDone("r1", interrupted=False))
    assert any(isinstance(each, PlayAudio) for each in book.speak("r2", SPEECH))


@pytest.mark.parametrize("voicemail", ["Call us back.", None])
def test_whoever_is_being_put_through_is_no_machine(voicemail):
    book = Playbook(persona=Persona(name="p", model="m", voicemail=voicemail), direction="outbound").live()
    book.speak("r1", SPEECH)
    asks(book, Then.TRANSFER)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(ms.MarkEchoed("0.1"))
    assert any(isinstance(command, TransferCall) for _, command in book.pass_time(2))
    assert book.on(MachineAnswered()) == []
    assert book.record.counters["machine_verdicts_too_late"] == 1


def test_a_message_of_which_a_failing_model_said_nothing_was_not_left():
    book = leaving_message()
    book.after(3).on(c.ModelFault("silent", "it does not answer", fatal=True))
    ended = [command for _, command in book.pass_time(10) if isinstance(command, EndCall)]
    assert [(end.reason, end.detail) for end in ended] == [
        (EndReason.AGENT, "a machine answered, and no message was left")
    ]
