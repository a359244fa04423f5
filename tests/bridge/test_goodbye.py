"""The goodbye before a call ends or is put through."""

import attrs
import pytest

from tests.bridge.goodbyes import GOODBYE, asks, says
from tests.playbook import GREETS_NOBODY, HUSH, SPEECH, TALKS_FIRST, Playbook, end_of, run_until_end
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import (
    EndCall,
    PlaceMark,
    PlayAudio,
    Then,
    ToolResult,
    ToolReturned,
    TransferCall,
    TransferFailed,
)
from trio_voice.limits import Limits
from trio_voice.persona import Lines
from trio_voice.record import EndReason


def asked_to_end(book, then=Then.END_CALL):
    book.on(c.ToolCalled("t1", "end_call", {}))
    return book.on(ToolReturned("t1", ToolResult("{}", then=then)))


def test_the_goodbye_is_heard_to_its_end_by_mark(book):
    book.live().speak("r1", *[SPEECH] * 4)
    assert asked_to_end(book) == [c.SendToolResult("t1", "{}", go_on=False)]
    book.on(c.ReplyDone("r1", interrupted=False))
    assert book.after(0.4).tick() == []  # by the clock it has been played; its mark is not back
    book.after(0.3).on(ms.MarkEchoed("0.2"))
    heard_at = book.now
    assert end_of(run_until_end(book)) is EndReason.AGENT
    assert book.now == pytest.approx(heard_at + 0.5)


def test_a_goodbye_that_comes_after_the_request_is_waited_for(book):
    book.live().speak("r1", HUSH)
    asked_to_end(book)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    assert book.after(2).tick() == []
    book.speak("r2", *[SPEECH] * 10)
    book.on(c.ReplyDone("r2", interrupted=False))
    assert book.after(0.9).tick() == []
    for number in range(2, 8):
        book.on(ms.MarkEchoed(f"0.{number}"))
    book.after(0.2)
    assert end_of(run_until_end(book)) is EndReason.AGENT


def test_an_agent_that_says_no_goodbye_gets_a_few_seconds(book):
    book.live()
    asked_to_end(book)
    began = book.now
    assert end_of(run_until_end(book)) is EndReason.AGENT
    assert book.now - began == pytest.approx(4)


def test_a_mark_that_never_comes_back_is_not_waited_for_for_ever(book):
    book.live().speak("r1", SPEECH)
    asked_to_end(book)
    book.on(c.ReplyDone("r1", interrupted=False))
    assert end_of(run_until_end(book, 4)) is EndReason.AGENT


def test_a_caller_who_speaks_into_the_goodbye_is_answered_once_more(book):
    book.live().speak("r1", *[SPEECH] * 10)
    asked_to_end(book)
    book.after(0.2).on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(1).on(c.CallerSpeechStopped())
    assert book.tick() == []
    book.speak("r2", SPEECH)
    book.on(c.ReplyDone("r2", interrupted=False))
    book.after(0.1).on(ms.MarkEchoed("1.3"))
    assert end_of(run_until_end(book, 3)) is EndReason.AGENT


def test_a_caller_who_speaks_into_the_goodbye_is_not_cut_off_before_the_answer_begins(book):
    book.live().speak("r1", *[SPEECH] * 10)
    asked_to_end(book)
    book.after(0.2).on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.on(c.CallerTranscript("i1", "Oh, one more thing.", final=True))
    book.after(1).on(c.CallerSpeechStopped())
    for _ in range(20):  # two seconds until the model has its answer
        assert not any(isinstance(command, EndCall) for command in book.after(0.1).tick())
    assert PlayAudio(SPEECH) in book.speak("r2", SPEECH)


def test_no_goodbye_lasts_for_ever():
    book = Playbook(limits=Limits(media_gap_seconds=1_000, idle_seconds=1_000)).live()
    book.speak("r1", SPEECH)
    asked_to_end(book)
    began = book.now
    for _ in range(40):
        commands = book.after(1).on(c.ReplyAudio("r1", SPEECH)) + book.tick()
        if commands and isinstance(commands[-1], EndCall):
            break
    assert book.now - began == pytest.approx(30, abs=1)


def test_a_transfer_waits_for_its_announcement_and_then_for_twilios_stop(book):
    book.live().speak("r1", SPEECH)
    asked_to_end(book, Then.TRANSFER)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.1).on(ms.MarkEchoed("0.1"))
    assert run_until_end(book, 3) == [TransferCall()]
    (end,) = book.on(ms.CallerStopped())
    assert (end.reason, end.detail, end.transferred) == (EndReason.AGENT, "the agent put the caller through", True)


def test_a_transfer_that_fails_is_apologised_for(book):
    book.live()
    asked_to_end(book, Then.TRANSFER)
    run_until_end(book, 6)
    (apology,) = book.on(TransferFailed())
    assert isinstance(apology, c.RequestReply)
    assert end_of(book.on(ms.CallerStopped())) is EndReason.HANGUP


YIELDS = attrs.evolve(TALKS_FIRST, truncates=True, yields_on_request=True)


@pytest.mark.parametrize("line", [GOODBYE, None])
def test_a_caller_who_gets_no_word_to_their_last_ones_hears_the_persona_s_goodbye_once(line):
    book = Playbook(lines=Lines(goodbye=line)).live()
    says(book, "Never mind.")
    asks(book)
    asked_at = book.now
    done = book.pass_time(7)
    assert [command.payload for _, command in done if isinstance(command, PlayAudio)] == [SPEECH] * (line is not None)
    ended_at, end = done[-1]
    assert end.detail == "the agent ended the call, and no goodbye of its own was heard"
    assert 4 <= ended_at - asked_at < 7  # no mark comes back here, and is waited for
    assert [said.text for said in book.record.transcript[1:]] == ["Goodbye."] * (line is not None)


def test_an_agent_that_spoke_last_has_said_its_goodbye():
    book = Playbook(lines=Lines(goodbye=GOODBYE)).live()
    says(book, "Never mind.")
    book.speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.5).on(ms.MarkEchoed("0.1"))
    asks(book)
    assert not [command for _, command in book.pass_time(7) if isinstance(command, PlayAudio)]


def test_what_was_said_long_ago_was_no_goodbye():
    """A model that ends a silent call by itself, and does not say why."""
    book = Playbook(lines=Lines(goodbye=GOODBYE), limits=Limits(media_gap_seconds=1000)).live()
    book.speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.5).on(ms.MarkEchoed("0.1"))
    book.pass_time(10)
    (answer,) = (each for each in asks(book) if isinstance(each, c.SendToolResult))
    assert answer.go_on
    done = [command for _, command in book.pass_time(6)]
    assert any(isinstance(command, PlayAudio) for command in done)
    assert [said.text for said in book.record.transcript][-1] == "Goodbye."


def test_a_goodbye_whose_sound_is_being_made_asks_for_no_other():
    """A tool may be done before the voice has made a sound of the words that stood beside it."""
    chain = attrs.evolve(TALKS_FIRST, speaks_meanwhile=True, yields_on_request=True, words_while_speaking=True)
    book = Playbook(capabilities=chain).live()
    book.on(c.ReplyStarted("r1"))
    book.on(c.ToolCalled("t1", "end_call", {}))
    (answer,) = (
        each
        for each in book.on(ToolReturned("t1", ToolResult("{}", then=Then.END_CALL)))
        if isinstance(each, c.SendToolResult)
    )
    assert not answer.go_on


@pytest.mark.parametrize("ends", [1, 2])
@pytest.mark.parametrize("then", [Then.END_CALL, Then.TRANSFER])
def test_a_model_that_speaks_on_behind_each_result_is_heard_saying_goodbye_once(then, ends):
    """AssemblyAI's agent and Gemini begin another reply with every result, whether or not they are asked."""
    book = Playbook().live()
    book.speak("r1", SPEECH)
    for number in range(ends):
        book.on(c.ToolCalled(f"t{number}", "end_call", {}))
        book.on(ToolReturned(f"t{number}", ToolResult("{}", then=then)))
    book.on(c.ReplyDone("r1", interrupted=False))
    assert book.speak("r2", SPEECH) == []
    book.on(c.ReplyDone("r2", interrupted=False))
    done = [command for _, command in book.pass_time(5)]
    assert isinstance(done[-1], EndCall if then is Then.END_CALL else TransferCall)
    assert book.record.counters["answers_in_vain"] == 1


@pytest.mark.parametrize("asked", ["before the noise", "in it"])
def test_a_noise_asks_for_no_second_goodbye(asked):
    book = Playbook(capabilities=YIELDS, limits=Limits(media_gap_seconds=1000, playback_lead_seconds=10)).live()
    book.speak("r1", *[SPEECH] * 20)
    book.on(c.ReplyDone("r1", interrupted=False))
    if asked == "before the noise":
        asks(book)
    book.after(0.5).on(c.CallerSpeechStarted(item_id="i1"))
    if asked == "in it":
        asks(book)
    book.after(0.3).on(c.CallerSpeechStopped())
    rest = book.after(0.3).on(c.CallerTranscript("i1", "", final=True))
    marks = [command.name for command in rest if isinstance(command, PlaceMark)]
    book.speak("r2", SPEECH)
    book.on(c.ReplyDone("r2", interrupted=False))
    book.after(1.8).on(ms.MarkEchoed(marks[-1]))
    assert book.record.counters["late_reply_frames"] == 1
    assert end_of([command for _, command in book.pass_time(1)]) is EndReason.AGENT


@pytest.mark.parametrize("then", [Then.END_CALL, Then.TRANSFER])
def test_a_goodbye_whose_rest_was_asked_for_is_said_once_it_was_heard(then):
    """A server that was told of the result says another one behind it."""
    book = saying_goodbye_in_two_parts(then)
    rest = book.speak("r2", SPEECH) + book.on(c.ReplyDone("r2", interrupted=False))
    (mark,) = (command.name for command in rest if isinstance(command, PlaceMark))
    assert book.speak("r3", SPEECH) == []
    book.on(c.ReplyDone("r3", interrupted=False))
    book.after(0.1).on(ms.MarkEchoed(mark))
    done = [command for _, command in book.pass_time(1)]
    assert isinstance(done[-1], EndCall if then is Then.END_CALL else TransferCall)


def saying_goodbye_in_two_parts(then):
    """The model has broken its goodbye off for a noise, and was asked for the rest."""
    book = Playbook(limits=Limits(media_gap_seconds=1000, playback_lead_seconds=10)).live()
    book.speak("r1", *[SPEECH] * 20)
    asks(book, then)
    book.after(0.5).on(c.CallerSpeechStarted(item_id="i1"))
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.3).on(c.CallerSpeechStopped())
    done = book.on(c.CallerTranscript("i1", "", final=True)) + [command for _, command in book.pass_time(1)]
    assert any(isinstance(command, c.RequestReply) for command in done)
    return book


@pytest.mark.parametrize("asked", ["by the agent", "for silence"])
def test_a_goodbye_that_was_said_on_this_machine_is_said_by_nobody_else(asked):
    limits = Limits(media_gap_seconds=1000, idle_seconds=30, playback_lead_seconds=10)
    lines = Lines(idle_goodbye=GOODBYE, goodbye=GOODBYE)
    book = Playbook(persona=GREETS_NOBODY, lines=lines, limits=limits).live()
    if asked == "by the agent":
        says(book, "Never mind.")
        asks(book)
        book.pass_time(4.1)
    else:
        book.pass_time(33)
    assert [line.text for line in book.record.transcript if line.role == "agent"] == ["Goodbye."]
    assert book.speak("r1", SPEECH) == []
    book.on(c.ReplyDone("r1", interrupted=False))
    assert isinstance(book.pass_time(5)[-1][1], EndCall)
