"""AssemblyAI's Voice Agent protocol: what a session is opened with."""

import json

import pytest

from tests.protocols.assemblyai_agent.agent import READY, hear, persona
from trio_voice.errors import LocalProtocolError
from trio_voice.events import model as c
from trio_voice.persona import ToolSchema, TurnDetection
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession


def first_update(**more):
    (opening,) = VoiceAgentSession(persona(**more)).opening()
    message = json.loads(opening)
    assert message["type"] == "session.update"
    return message["session"]


def test_the_first_message_asks_for_mu_law_both_ways_without_a_sample_rate():
    assert first_update() == {
        "system_prompt": "Be brief.",
        "greeting": "Hello",
        "input": {"type": "audio", "format": {"encoding": "audio/pcmu"}},
        "output": {"type": "audio", "format": {"encoding": "audio/pcmu"}, "voice": "alba"},
        "tools": [],
    }


def test_what_a_persona_leaves_out_is_left_to_the_provider():
    session = first_update(voice=None, greeting=None)
    assert "greeting" not in session  # a null one is refused
    assert "voice" not in session["output"]
    assert "turn_detection" not in session["input"]


def test_what_the_bridge_decides_about_turns_is_not_sent():
    turns = TurnDetection(min_interruption_ms=200, min_interruption_words=2)
    assert "turn_detection" not in first_update(turn_detection=turns)["input"]


def test_only_the_turn_detection_that_was_set_is_sent():
    turns = TurnDetection(vad_threshold=0.4, interrupt_response=False)
    assert first_update(turn_detection=turns)["input"]["turn_detection"] == {
        "vad_threshold": 0.4,
        "interrupt_response": False,
    }


def test_keyterms_are_sent():
    assert first_update(keyterms=("Juniper",))["input"]["keyterms"] == ["Juniper"]


def test_tools_are_flat():
    tool = ToolSchema(name="roll", description="Rolls.", parameters={"type": "object", "properties": {}})
    (opening,) = VoiceAgentSession(persona(), (tool,)).opening()
    assert json.loads(opening)["session"]["tools"] == [
        {"type": "function", "name": "roll", "description": "Rolls.", "parameters": tool.parameters}
    ]


def test_ready_is_told_once_though_updated_comes_before_it(session):
    assert hear(session, type="session.updated", config={}) == []
    sound = {
        "input.format.encoding": "audio/pcmu",
        "output.format.encoding": "audio/pcmu",
        "output.voice": "alba",
    }
    assert hear(session, **READY) == [c.ModelReady(READY["session_id"], sound)]
    assert hear(session, **READY) == []


def test_no_audio_before_ready(session):
    with pytest.raises(LocalProtocolError, match=r"session\.ready"):
        session.encode(c.HearCaller("////"), 0.0)


def test_audio_goes_through_as_it_is(ready):
    assert json.loads(*ready.encode(c.HearCaller("AAAA"), 0.0)) == {"type": "input.audio", "audio": "AAAA"}
    assert hear(ready, type="reply.audio", reply_id="resp_1", data="BBBB") == [c.ReplyAudio("resp_1", "BBBB")]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("input", "format", "encoding"), "audio/pcm"),
        (("output", "format", "encoding"), "audio/pcm"),
        (("output", "voice"), "anna"),
    ],
)
def test_a_session_that_is_not_what_was_asked_for_is_fatal(session, path, value):
    wrong = json.loads(json.dumps(READY))
    place = wrong["config"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (fault,) = hear(session, **wrong)
    assert fault.fatal
    assert value in fault.message
    assert ".".join(path) in fault.message
