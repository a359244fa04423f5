"""AssemblyAI's Voice Agent protocol: replies that are asked for."""

import json

import pytest

from tests.protocols.assemblyai_agent.agent import LOUD, READY, at, persona, sent
from trio_voice.events import model as c
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession
from trio_voice.protocols.assemblyai_agent.requests import MAX_WAITING
from trio_voice.protocols.unanswered import ANSWER_SECONDS


def test_the_model_can_be_asked_to_speak_and_cannot_be_told_to_forget(ready):
    assert json.loads(*ready.encode(c.RequestReply("Say hi."), 0.0)) == {
        "type": "reply.create",
        "instructions": "Say hi.",
    }
    assert ready.encode(c.TruncateReply("r", 100), 0.0) == ()


def test_a_request_waits_for_the_reply_that_is_being_made(listening):
    """The server makes one of both otherwise, of which the caller hears neither whole."""
    at(listening, 1, "reply.started", reply_id="r2")
    at(listening, 1.1, "reply.audio", data=LOUD)
    assert list(listening.encode(c.RequestReply("Say A."), 2.0)) == []
    assert list(listening.encode(c.RequestReply("Say B."), 2.5)) == []
    assert at(listening, 3, "reply.done") == [
        c.ReplyDone("r2", interrupted=False),
        c.Outgoing(json.dumps({"type": "reply.create", "instructions": "Say A.\nSay B."}, separators=(",", ":"))),
    ]
    assert listening.wake_at == pytest.approx(3 + ANSWER_SECONDS)  # its answer is owed from here
    at(listening, 3.2, "reply.started", reply_id="r3")
    at(listening, 3.3, "reply.audio", data=LOUD)
    assert sent(at(listening, 4, "reply.done")) == []


def test_a_request_does_not_wait_for_ever(listening):
    at(listening, 1, "reply.started", reply_id="r2")
    at(listening, 1.1, "reply.audio", data=LOUD)
    assert list(listening.encode(c.RequestReply("Say A."), 3.0)) == []
    assert (listening.wake_at, listening.tick(7.9)) == (8.0, [])
    assert sent(listening.tick(8.0)) == [{"type": "reply.create", "instructions": "Say A."}]


def test_a_request_for_a_reply_in_place_of_the_one_that_is_made_waits_for_nothing(listening):
    at(listening, 1, "reply.started", reply_id="r2")
    assert len(listening.encode(c.RequestReply("Finish.", instead=True), 2.0)) == 1


def test_requests_that_wait_are_bounded(listening):
    at(listening, 1, "reply.started", reply_id="r2")
    for number in range(MAX_WAITING + 2):
        listening.encode(c.RequestReply(f"Say {number}."), 2.0)
    (message,) = sent(at(listening, 3, "reply.done"))
    assert message["instructions"].splitlines() == [f"Say {number}." for number in range(2, MAX_WAITING + 2)]


# Replies that may not be interrupted


def test_a_greeting_that_may_not_be_interrupted_is_said_to_its_end():
    session = VoiceAgentSession(persona(greeting_interruptible=False))
    (opening,) = session.opening()
    assert json.loads(opening)["session"]["input"]["turn_detection"] == {"interrupt_response": False}
    at(session, 0, READY["type"], session_id="s", config=READY["config"])
    at(session, 1, "reply.started", reply_id="r1")
    at(session, 1, "reply.audio", data=LOUD)
    (again,) = sent(at(session, 3, "reply.done"))
    assert again["session"] == {"input": {"turn_detection": {"interrupt_response": True}}}
    at(session, 4, "reply.started", reply_id="r2")
    at(session, 4, "reply.audio", data=LOUD)
    assert sent(at(session, 5, "reply.done")) == []


@pytest.mark.parametrize("on", [True, False])
def test_any_reply_may_be_protected(ready, on):
    (message,) = ready.encode(c.ProtectReply(on), 0.0)
    assert json.loads(message)["session"] == {"input": {"turn_detection": {"interrupt_response": not on}}}
