"""AssemblyAI's Voice Agent protocol: answers that are owed, because nothing was heard of them or not all."""

import json
import math

import pytest

from tests.protocols.assemblyai_agent.agent import LOUD, at, sent
from trio_voice.events import model as c
from trio_voice.protocols.unanswered import ALOUD, NUDGE, OTHERWISE, REST

SILENCE = "/////w=="
DIGITAL_SILENCE = [("reply.started", {"reply_id": "r2"}), ("reply.audio", {"data": SILENCE}), ("reply.done", {})]


def asked(session, now=0.0):
    """The caller has asked something."""
    at(session, now, "input.speech.started")
    at(session, now, "input.speech.stopped")
    return at(session, now, "transcript.user", item_id="i1", text="Are you open?")


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [("reply.started", {"reply_id": "r2"}), ("reply.done", {"reply_id": "r2"})],
        [("reply.started", {"reply_id": "r2"}), ("reply.error", {"message": "llm"}), ("reply.done", {})],
        DIGITAL_SILENCE,
    ],
    ids=["none", "empty", "error", "silence"],
)
def test_an_answer_without_a_sound_is_asked_for_once_and_then_given_up(listening, answer):
    asked(listening)
    for kind, fields in answer:
        at(listening, 0.1, kind, **fields)
    assert listening.wake_at == 2.5
    fault, *messages = listening.tick(2.5)
    assert (fault.code, fault.fatal) == ("silent", False)
    assert sent(messages) == [{"type": "reply.create", "instructions": NUDGE}]
    for kind, fields in answer:
        at(listening, 2.6, kind, **fields)
    (given_up,) = listening.tick(5.0)
    assert (given_up.code, given_up.fatal, given_up.passing) == ("silent", True, True)


def test_an_answer_that_is_a_text_alone_is_asked_for_word_by_word(listening):
    asked(listening)
    at(listening, 0.1, "reply.started", reply_id="r2")
    at(listening, 0.1, "transcript.agent", text="Yes, until six.")
    at(listening, 0.1, "reply.done")
    _, *messages = listening.tick(2.5)
    assert sent(messages) == [{"type": "reply.create", "instructions": ALOUD.format("Yes, until six.")}]


def test_a_wait_that_is_too_long_is_for_another_session_or_model(listening):
    asked(listening)
    (fault,) = at(listening, 0.1, "reply.error", message="Rate limited. Please try again in 20s.")
    assert (fault.fatal, fault.passing) == (True, True)


def test_a_turn_that_is_to_be_ignored_is_owed_no_answer(listening):
    asked(listening)
    assert listening.encode(c.IgnoreTurn("i1"), 0.1) == ()
    assert listening.wake_at == math.inf


def test_what_was_asked_for_before_such_a_turn_still_is(listening):
    listening.encode(c.RequestReply("Greet."), 0.0)
    at(listening, 0.5, "input.speech.started")
    at(listening, 1.0, "input.speech.stopped")
    at(listening, 1.0, "transcript.user", item_id="i1", text="Uh-huh.")
    listening.encode(c.IgnoreTurn("i1"), 1.0)
    assert listening.wake_at == 3.5


def test_an_answer_that_can_be_heard_settles_it(listening):
    asked(listening)
    at(listening, 0.1, "reply.started", reply_id="r2")
    assert listening.reply_audio(json.dumps({"type": "reply.audio", "data": LOUD})) is None  # it is looked at first
    at(listening, 0.2, "reply.audio", data=LOUD)
    assert listening.reply_audio(json.dumps({"type": "reply.audio", "data": SILENCE})) == ("r2", SILENCE)
    at(listening, 0.3, "reply.done")
    assert listening.wake_at == math.inf


@pytest.mark.parametrize("over", [True, False])
def test_words_that_are_written_behind_the_answer_ask_for_no_other(listening, over):
    at(listening, 0, "input.speech.started")
    at(listening, 1, "input.speech.stopped")
    at(listening, 1.5, "reply.started", reply_id="r2")
    at(listening, 1.6, "reply.audio", data=LOUD)
    if over:
        at(listening, 2, "reply.done", reply_id="r2")
    (line,) = at(listening, 2.5, "transcript.user", item_id="i1", text="Are you open?")
    assert line.text == "Are you open?"
    assert listening.wake_at == math.inf
    at(listening, 9, "input.speech.started")
    at(listening, 10, "input.speech.stopped")
    at(listening, 10, "transcript.user", item_id="i2", text="And on Sunday?")
    assert listening.wake_at < math.inf


def test_a_reply_that_is_long_in_the_making_is_waited_for(listening):
    asked(listening)
    at(listening, 0.1, "reply.started", reply_id="r2")
    assert listening.tick(8.0) == []
    assert sent(listening.tick(8.1)) == [{"type": "reply.create", "instructions": NUDGE}]


def test_a_noise_is_owed_no_answer_but_takes_none_away(listening):
    at(listening, 0, "input.speech.started")
    at(listening, 1, "input.speech.stopped")
    assert listening.wake_at == math.inf
    asked(listening, 2)
    at(listening, 3, "input.speech.started")
    assert listening.wake_at == math.inf
    at(listening, 4, "input.speech.stopped")
    assert sent(listening.tick(6.5)) == [{"type": "reply.create", "instructions": NUDGE}]


def test_a_greeting_that_does_not_come_is_asked_for_to_the_letter(ready):
    assert sent(ready.tick(2.5)) == [
        {"type": "reply.create", "instructions": "Say exactly this and nothing else: Hello"},
    ]


def test_a_tool_is_an_answer_and_its_result_owes_another(listening):
    asked(listening)
    at(listening, 0.1, "tool.call", call_id="t1", name="roll", arguments={})
    assert listening.wake_at == math.inf
    listening.encode(c.SendToolResult("t1", "4"), 1.0)
    assert listening.wake_at == 1.0 + 2.0 + 2.5


def test_a_wait_that_is_asked_for_is_kept(listening):
    asked(listening)
    at(listening, 0.1, "reply.started", reply_id="r2")
    at(listening, 0.2, "reply.error", code="llm_provider_error", message="Please try again in 4.2s")
    at(listening, 0.2, "reply.done")
    assert listening.wake_at == pytest.approx(4.4)


def test_the_rest_of_an_answer_that_fails_half_way_is_asked_for_twice_in_a_row_and_then_something_else(listening):
    asked(listening)
    for words in (REST, REST, OTHERWISE, None):
        at(listening, 0.1, "reply.started", reply_id="r2")
        at(listening, 0.2, "reply.audio", data=LOUD)
        _, *events = at(listening, 0.3, "reply.done", status="failed")
        messages = [event for event in events if isinstance(event, c.Outgoing)]
        assert sent(messages) == ([{"type": "reply.create", "instructions": words}] if words else [])
    assert [event.fatal for event in events] == [True]


@pytest.mark.parametrize("between", ["a whole answer", "a tool"])
def test_an_answer_behind_a_whole_one_or_a_tool_has_a_rest_of_its_own(listening, between):
    asked(listening)
    for _ in range(4):
        at(listening, 0.1, "reply.started", reply_id="r2")
        at(listening, 0.2, "reply.audio", data=LOUD)
        assert len(sent(at(listening, 0.3, "reply.done", status="failed")[1:])) == 1
        if between == "a tool":
            at(listening, 0.4, "tool.call", call_id="t1", name="look_up", arguments={})
        else:
            at(listening, 0.4, "reply.started", reply_id="r3")
            at(listening, 0.5, "reply.audio", data=LOUD)
            at(listening, 0.6, "reply.done")


def test_a_turn_whose_text_comes_before_its_end_is_owed_an_answer(listening):
    at(listening, 1.0, "input.speech.started")
    at(listening, 1.5, "transcript.user", item_id="i1", text="Are you open?")
    at(listening, 2.0, "input.speech.stopped")
    assert listening.wake_at == 4.5
    assert sent(listening.tick(4.5)[1:]) == [{"type": "reply.create", "instructions": NUDGE}]


@pytest.mark.parametrize("words", ["", "[noise]", "...", "Hello?"])
def test_what_was_asked_for_and_not_heard_is_asked_for_again_unless_the_caller_has_said_something(listening, words):
    listening.encode(c.RequestReply("Say that we close."), 1.0)
    at(listening, 1.5, "input.speech.started")
    at(listening, 2.0, "input.speech.stopped")
    at(listening, 2.0, "transcript.user", item_id="i1", text=words)
    (again,) = sent(listening.tick(4.6)[1:])
    assert again["instructions"] == (NUDGE if words == "Hello?" else "Say that we close.")
