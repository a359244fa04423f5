"""Answering machines and faxes."""

import pytest

from tests.playbook import HUSH, SPEECH, Playbook, end_of, run_until_end
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import ClearPlayback, EndCall, MachineAnswered
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
