"""Our messages to OpenAI are what the ``openai`` package would say: its types are made from OpenAI's own schema."""

import json

import pytest

from tests.openai_types import mistakes
from tests.protocols.openai_realtime.talk import ROLL, Talk, make, persona, settings
from trio_voice.events import model as c
from trio_voice.persona import TurnDetection
from trio_voice.protocols.openai_realtime import OpenAIRealtimeSession

TURNS = TurnDetection(vad_threshold=0.4, min_silence=700, max_silence=900, interrupt_response=False)
HISTORY = (c.Said("agent", "Hello"), c.Said("caller", "Hi"))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"turn_detection": TURNS, "keyterms": ("Juniper",)}, {"noise_reduction": "near_field", "speed": 1.2}),
        ({"voice": "voice_123"}, {"semantic_eagerness": "high", "reasoning_effort": "low"}),
        ({"voice": None, "keyterms": ("x",)}, {"transcription_model": "gpt-4o-transcribe"}),
        ({}, {"transcription_model": ""}),
    ],
)
def test_every_opening_is_valid(ours, theirs):
    session = OpenAIRealtimeSession(settings(**theirs), persona(**ours), (ROLL,), HISTORY)
    messages = [json.loads(message) for message in session.opening()]
    assert len(messages) == 3
    assert [mistakes(message, "Client") for message in messages] == [[], [], []]


def test_everything_else_we_say_is_valid():
    talk = Talk(make(tools=(ROLL,)))
    talk.hear("session.created", session={})
    talk.hear("session.updated", session={})
    talk.do(c.HearCaller("AAAA"))
    talk.do(c.RequestReply("Greet."))
    talk.begin()
    talk.audio(100)
    talk.do(c.TruncateReply("r1", 50.0))
    talk.call("c1")
    talk.call("c2", "{")
    talk.done()
    talk.do(c.TruncateReply("r1", 33.3))
    talk.do(c.SendToolResult("c1", "{}"))
    kinds = [message["type"] for message in talk.sent]
    assert sorted(set(kinds)) == [
        "conversation.item.create",
        "conversation.item.truncate",
        "input_audio_buffer.append",
        "response.cancel",
        "response.create",
    ]
    assert len(kinds) == 9
    assert [mistakes(message, "Client") for message in talk.sent] == [[]] * 9


@pytest.mark.parametrize(
    "message",
    [
        {"type": "session.update", "session": {"type": "realtime", "voice": "marin"}},
        {
            "type": "session.update",
            "session": {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu", "rate": 8000}}}},
        },
        {"type": "conversation.item.truncate", "item_id": "i", "audio_end_ms": 3},
        {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 3.5},
        {"type": "response.createe"},
    ],
)
def test_the_judge_finds_mistakes(message):
    assert mistakes(message, "Client")
