"""The goodbye before a call ends or is put through."""

import pytest

from tests.playbook import HUSH, SPEECH, Playbook, end_of, run_until_end
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import EndCall, PlayAudio, Then, ToolResult, ToolReturned, TransferCall, TransferFailed
from trio_voice.persona import Limits
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
