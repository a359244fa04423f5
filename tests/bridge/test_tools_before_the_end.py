"""Tools that run when the agent asks for the end, or for a transfer: what has begun to act is let finish."""

import pytest

from tests.bridge.goodbyes import asks, says
from tests.playbook import SPEECH, Playbook
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import EndCall, Then, ToolResult, ToolReturned, TransferCall
from trio_voice.limits import Limits
from trio_voice.persona import Line, Lines

ENDS = pytest.mark.parametrize("then", [Then.END_CALL, Then.TRANSFER])


def booking(then):
    """A live call whose agent has said goodbye, and has something booked and asks for the end in one reply."""
    book = Playbook(limits=Limits(media_gap_seconds=1000, idle_seconds=1000)).live()
    book.speak("r1", SPEECH)
    book.on(c.ToolCalled("slow", "book", {}))
    asks(book, then)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    return book


def ends(done):
    return [command for _, command in done if isinstance(command, EndCall | TransferCall)]


@ENDS
def test_the_end_waits_for_a_tool_that_runs_and_nothing_more_is_said(then):
    book = booking(then)
    assert ends(book.pass_time(8)) == []
    assert book.on(ToolReturned("slow", ToolResult("{}"))) == [c.SendToolResult("slow", "{}", go_on=False)]
    assert len(ends(book.pass_time(1))) == 1


@ENDS
def test_no_tool_keeps_the_caller_longer_than_a_goodbye_may_take(then):
    book = booking(then)
    assert ends(book.pass_time(25)) == []
    assert len(ends(book.pass_time(7))) == 1


def test_words_meanwhile_take_the_end_back_as_ever():
    book = booking(Then.END_CALL)
    book.after(2)
    says(book, "Wait, one more thing.")
    book.on(ToolReturned("slow", ToolResult("{}")))
    assert ends(book.pass_time(3)) == []


def test_a_tool_holds_up_no_last_line():
    book = Playbook(lines=Lines(failure=Line("Sorry.", SPEECH))).live()
    book.on(c.ToolCalled("slow", "book", {}))
    book.on(c.ModelFault("invalid_api_key", "no", fatal=True))
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    assert len(ends(book.pass_time(3))) == 1


@pytest.mark.parametrize("order", [[Then.END_CALL, Then.TRANSFER], [Then.TRANSFER, Then.END_CALL]])
def test_whoever_is_to_be_put_through_is_not_hung_up_on_instead(order):
    """Tools of one reply run side by side: whichever is asked for first, either may be done first."""
    book = Playbook().live()
    book.speak("r1", SPEECH)
    for at, then in enumerate(order):
        book.on(c.ToolCalled(f"t{at}", then.name, {}))
    for at, then in enumerate(order):
        book.on(ToolReturned(f"t{at}", ToolResult("{}", then=then)))
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    assert ends(book.pass_time(3)) == [TransferCall()]


@ENDS
@pytest.mark.parametrize("first", ["done", "failed"])
def test_a_tool_that_is_done_before_the_wish_for_the_end_makes_no_second_goodbye(then, first):
    book = Playbook().live()
    book.speak("r1", SPEECH)
    book.on(c.ToolCalled("t1", "note", {}))
    book.on(c.ToolCalled("t2", then.name, {}))
    book.on(ToolReturned("t1", ToolResult("{}", failed=first == "failed")))
    told = book.on(ToolReturned("t2", ToolResult("{}", then=then)))
    assert told == [c.SendToolResult("t2", "{}", go_on=False)]
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    assert book.speak("r2", SPEECH) == []
    (end,) = ends(book.pass_time(1))
    assert getattr(end, "detail", "") in ("", "the agent ended the call, and its goodbye was heard")
