"""A session that was good is lost, and the one that takes over is accepted and never ready."""

from itertools import pairwise

import pytest

from tests.bridge.silences import CHAIN, HOSTED, LINES, PATIENT, WORDS, asked, pass_time
from tests.playbook import SPEECH
from trio_voice.events import model as c
from trio_voice.events.call import EndCall, LegClosed, ModelReplaced, ReplaceModel
from trio_voice.record import EndReason

DROPPED = LegClosed("model", politely=False, detail="cut")
MOST_SECONDS = 6.0


def has_asked(book):
    pass_time(book, 1)


def hears_an_answer(book):
    book.speak("r1", *[SPEECH] * 5)


def waits_for_a_tool(book):
    book.on(c.ReplyStarted("r1"))
    book.on(c.ToolCalled("t1", "look_up", {}))
    book.on(c.ReplyDone("r1", interrupted=False))


@pytest.mark.parametrize("situation", [has_asked, hears_an_answer, waits_for_a_tool])
@pytest.mark.parametrize("capabilities", [HOSTED, CHAIN], ids=["hosted", "chain"])
@pytest.mark.parametrize("successors", [0, 1])
def test_the_caller_hears_something_every_six_seconds_and_the_last_line(capabilities, situation, successors):
    """Each session has its ``model_ready_seconds``, under fillers."""
    book = asked(capabilities, lines=LINES, limits=PATIENT, successors=successors)
    pass_time(book, 1)
    book.bridge._takeover._session_began -= 60  # it was good
    situation(book)
    commands = book.on(DROPPED)
    assert [each.renews for each in commands if isinstance(each, ReplaceModel)] == [True]
    book.on(ModelReplaced(capabilities))
    heard, rest = pass_time(book, 10 * (successors + 1) + 2)
    assert max(later - earlier for (earlier, _), (later, _) in pairwise([(0.0, ""), *heard])) <= MOST_SECONDS
    assert heard[-1][1] == WORDS.last_line
    assert [each.reason for _, each in rest if isinstance(each, EndCall)] == [EndReason.MODEL_FAILED]
