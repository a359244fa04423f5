"""The end that an agent asks for, and that nobody waits for any more when its tool is done."""

import pytest

from tests.playbook import SPEECH, Playbook
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import EndCall, ModelReplaced, ReplaceModel, Then, ToolResult, ToolReturned, TransferCall
from trio_voice.limits import Limits

YIELDS = c.Capabilities(speaks_first=True, truncates=True, yields_on_request=True)
CUTS = c.Capabilities(speaks_first=True, truncates=False)
LIMITS = Limits(media_gap_seconds=1000, idle_seconds=1000, playback_lead_seconds=10)
every_end = pytest.mark.parametrize("then", [Then.END_CALL, Then.TRANSFER])


def talking(kind):
    """A call that has lasted for a while, whose agent has just said something like a goodbye."""
    book = Playbook(capabilities=kind, limits=LIMITS).live()
    book.after(20).speak("r1", SPEECH, SPEECH)
    return book


def ends(done):
    return [command for _, command in done if isinstance(command, EndCall | TransferCall)]


@every_end
@pytest.mark.parametrize("kind", [YIELDS, CUTS])
def test_it_stays_asked_for_though_the_session_is_gone_before_the_tool_is_done(kind, then):
    book = talking(kind)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(c.ToolCalled("t1", "end_call", {}))
    commands = book.on(c.SessionExpiring(0.0))
    assert any(isinstance(command, ReplaceModel) for command in commands)
    book.on(ToolReturned("t1", ToolResult("{}", then=then)))
    book.on(ModelReplaced(kind))
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    assert len(ends(book.pass_time(2))) == 1


def test_words_behind_the_lost_session_are_not_hung_up_on():
    book = talking(CUTS)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(c.ToolCalled("t1", "end_call", {}))
    book.on(c.SessionExpiring(0.0))
    book.on(ModelReplaced(CUTS))
    book.on(c.ModelReady("s2"))
    book.after(1).on(c.CallerSpeechStarted(item_id="i"))
    book.on(ToolReturned("t1", ToolResult("{}", then=Then.END_CALL)))
    book.after(1).on(c.CallerSpeechStopped())
    assert ends(book.pass_time(3)) == []


@every_end
def test_it_is_done_for_who_asks_again_and_is_told_the_result_that_was_kept(then):
    book = talking(CUTS)
    book.on(c.ToolCalled("t1", "end_call", {}))
    book.on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    book.on(ToolReturned("t1", ToolResult("{}", then=then)))
    book.after(0.5).on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript("i", "No, thanks, that is all.", final=True))
    book.speak("r2", SPEECH)
    assert book.on(c.ToolCalled("t2", "end_call", {})) == [c.SendToolResult("t2", "{}", go_on=False)]
    book.on(c.ReplyDone("r2", interrupted=False))
    book.after(0.2).on(ms.MarkEchoed("1.1"))
    assert len(ends(book.pass_time(3))) == 1
