"""An end that the agent asks for in an answer to less than the caller has to say: they have gone on meanwhile."""

import pytest

from tests.bridge.goodbyes import asks
from tests.bridge.interrupted import WRITES_LATE, YIELDS
from tests.playbook import SPEECH, TALKS_FIRST, Playbook
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import EndCall, Then, ToolResult, ToolReturned, TransferCall
from trio_voice.limits import Limits
from trio_voice.record import EndReason

ENDS = pytest.mark.parametrize("then", [Then.END_CALL, Then.TRANSFER])


def going_on():
    """A live call whose caller goes on speaking after a pause, while the answer to what was before is thought of."""
    book = Playbook(limits=Limits(media_gap_seconds=1000, idle_seconds=1000)).live()
    book.on(c.CallerSpeechStarted(item_id="i1"))
    book.after(0.5).on(c.CallerSpeechStopped())
    book.after(0.3).on(c.ReplyStarted("r1"))
    book.after(0.2).on(c.CallerSpeechStarted(item_id="i2"))
    book.after(0.3)
    return book


def says(book, text):
    return book.on(c.CallerSpeechStopped()) + book.on(c.CallerTranscript("i2", text, final=True))


def is_answered(book):
    book.after(0.3).speak("r2", SPEECH)
    book.on(c.ReplyDone("r2", interrupted=False))
    book.after(0.1).on(ms.MarkEchoed("0.1"))
    return [command for _, command in book.pass_time(25) if isinstance(command, EndCall | TransferCall)]


@ENDS
def test_whoever_is_still_speaking_when_it_is_asked_for_takes_it_back_with_their_words(then):
    book = going_on()
    asks(book, then)
    book.on(c.ReplyDone("r1", interrupted=True))
    book.after(0.5)
    says(book, "And what about Sunday?")
    assert is_answered(book) == []
    assert book.record.counters["goodbyes_taken_back"] == 1


@ENDS
def test_the_late_text_of_what_was_answered_takes_nothing_back(then):
    book = going_on()
    asks(book, then)
    book.on(c.ReplyDone("r1", interrupted=True))
    book.on(c.CallerTranscript("i1", "Please cancel it.", final=True))
    says(book, "Bye bye.")
    assert len(is_answered(book)) == 1
    assert "goodbyes_taken_back" not in book.record.counters


@ENDS
def test_words_that_are_known_before_it_is_asked_for_come_first(then):
    book = going_on()
    says(book, "And what about Sunday?")
    (told, *rest) = asks(book, then)
    assert told.failed
    assert told.go_on
    assert "answer that first" in told.result
    assert rest == []
    assert is_answered(book) == []


@pytest.mark.parametrize("text", ["Bye bye.", ""])
def test_a_goodbye_of_theirs_or_a_noise_leaves_it_as_it_is(text):
    book = going_on()
    says(book, text)
    asks(book)
    assert [end.reason for end in is_answered(book)] == [EndReason.AGENT]


def test_an_end_that_the_answer_to_those_words_asks_for_counts():
    book = going_on()
    says(book, "That is all, do not bother.")
    book.after(0.3).on(c.ReplyStarted("r2"))
    asks(book)
    assert [end.reason for end in is_answered(book)] == [EndReason.AGENT]


def test_a_slow_tool_that_puts_through_is_done_whatever_was_talked_of_meanwhile():
    book = going_on()
    book.on(c.ToolCalled("t1", "callback", {}))
    says(book, "And what about Sunday?")
    book.after(0.3).speak("r2", SPEECH)
    book.on(c.ReplyDone("r2", interrupted=False))
    book.after(2).on(ms.MarkEchoed("0.1"))
    book.on(ToolReturned("t1", ToolResult("{}", then=Then.TRANSFER)))
    assert any(isinstance(command, TransferCall) for _, command in book.pass_time(10))


def speaking_on(capabilities, seconds, *, ends=True):
    """A call whose model begins its answer, and asks for the end in it, while the caller goes on for so long."""
    book = Playbook(capabilities=capabilities, limits=Limits(media_gap_seconds=1000, idle_seconds=1000)).live()
    book.speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    book.after(3).on(c.CallerSpeechStarted(item_id="i2"))
    for at in range(round((1 + seconds) / 0.1)):
        book.on(ms.CallerAudio(SPEECH))
        if at == 10:
            book.speak("r2", SPEECH)
            if ends:
                asks(book)
            book.on(c.ReplyDone("r2", interrupted=False))
        book.after(0.1)
    return book


FAMILIES = pytest.mark.parametrize(
    "capabilities", [TALKS_FIRST, YIELDS, WRITES_LATE], ids=["cuts itself", "chain", "openai"]
)


@FAMILIES
@pytest.mark.parametrize("partial", [False, True])
def test_a_turn_that_goes_on_behind_the_beginning_of_its_answer_takes_it_back(capabilities, partial):
    book = speaking_on(capabilities, 1.2)
    text = "No that is not all, I have another question"
    if partial:
        book.on(c.CallerTranscript("i2", text, final=False))
    says(book, text)
    assert [command for _, command in book.pass_time(25) if isinstance(command, EndCall)] == []
    assert book.record.counters["goodbyes_taken_back"] == 1


@FAMILIES
def test_the_late_text_of_a_turn_whose_end_is_told_late_takes_nothing_back(capabilities):
    book = speaking_on(capabilities, 0.1)
    book.after(0.3)
    says(book, "No, I do not need anything more.")
    assert len(is_answered(book)) == 1


@FAMILIES
def test_words_into_an_answer_that_asks_for_the_end_only_then_come_first(capabilities):
    book = speaking_on(capabilities, 1.0, ends=False)
    says(book, "No wait, what about Sunday?")
    assert any("answer that first" in getattr(each, "result", "") for each in asks(book))
