"""Gemini's Live API: whatever comes."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.gemini_live.live import COMMANDS, ROLL, hear, kinds, persona, said, settings, sound
from trio_voice.audio.mulaw import base64_ms
from trio_voice.events import model as c
from trio_voice.protocols.gemini_live.session import GeminiLiveSession

GARBAGE = [
    b"\x00\xff",
    "not JSON",
    "",
    "[]",
    "7",
    "null",
    '"text"',
    "[" * 100_000,
    '{"serverContent":7}',
    '{"serverContent":{"modelTurn":{"parts":[7]}}}',
    '{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm","data":"?"}}]}}}',
    '{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm"}}]}}}',
    '{"toolCall":{"functionCalls":[{"id":"f1"}]}}',
    '{"toolCall":{}}',
    '{"toolCallCancellation":{"ids":7}}',
    '{"usageMetadata":{"promptTokensDetails":[7]}}',
    '{"goAway":7}',
]


@pytest.mark.parametrize("message", GARBAGE)
def test_garbage_is_an_event(ready, message):
    assert any(isinstance(event, c.Unrecognized) and event.garbage for event in ready.receive(message, 0.0))


@pytest.mark.parametrize("message", ['{"future":{}}', "{}"])
def test_a_message_that_means_nothing_to_us_is_no_garbage(ready, message):
    (event,) = ready.receive(message, 0.0)
    assert event == c.Unrecognized(event.what)


def test_what_stood_before_the_garbage_is_heard(ready):
    content = sound()
    content["modelTurn"]["parts"].append(7)
    assert kinds(ready.receive(json.dumps({"serverContent": content}), 0.0)) == [
        *("ReplyStarted", "ReplyAudio", "Unrecognized")
    ]


JSON = st.sampled_from([None, 7, -1.5, True, "x", [], [7], ["x"], {}, {"x": None}, 10**30])
TEXTS = st.fixed_dictionaries({}, optional={"text": st.text(max_size=5) | JSON, "finished": st.booleans()})
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "inlineData": st.fixed_dictionaries(
            {
                "mimeType": st.sampled_from(["audio/pcm;rate=24000", "audio/pcm;rate=16000", "audio/pcm", "image/png"]),
                "data": st.sampled_from([b"", b"\1", b"\1\2" * 700]).map(lambda data: base64.b64encode(data).decode())
                | JSON,
            }
        ),
        "text": st.text(max_size=5),
        "thought": st.booleans(),
    },
)
FLAGS = dict.fromkeys(["interrupted", "generationComplete", "turnComplete"], st.booleans() | JSON)
CALLS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["a", "b"]) | JSON}, optional={"id": st.sampled_from(["x", "y", None]) | JSON}
    ),
    max_size=3,
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "setupComplete": st.just({}) | JSON,
        "serverContent": st.fixed_dictionaries(
            {},
            optional=FLAGS
            | {
                "modelTurn": st.fixed_dictionaries({}, optional={"parts": st.lists(PARTS, max_size=2) | JSON}),
                "inputTranscription": TEXTS,
                "outputTranscription": TEXTS,
            },
        )
        | JSON,
        "toolCall": st.fixed_dictionaries({"functionCalls": CALLS | JSON}) | JSON,
        "toolCallCancellation": st.fixed_dictionaries({"ids": st.lists(st.sampled_from(["x", "y", None]), max_size=2)}),
        "goAway": st.fixed_dictionaries({"timeLeft": st.sampled_from(["50s", "0s", "s"])}) | JSON,
        "sessionResumptionUpdate": st.fixed_dictionaries({"newHandle": st.text(max_size=3), "resumable": st.booleans()})
        | JSON,
        "usageMetadata": JSON | st.fixed_dictionaries({"promptTokenCount": st.integers()}),
    },
)


@given(st.lists(st.tuples(MESSAGES | COMMANDS | st.none(), st.floats(0, 60)), max_size=12))
def test_no_sequence_raises_and_what_comes_of_it_makes_sense(sequence):
    session = GeminiLiveSession(settings(), persona(), (ROLL,))
    hear(session, setupComplete={})
    now, asked, open_reply = 0.0, set(), None
    for step, passed in sequence:
        now += passed
        if step is None:
            events = list(session.tick(now))
        elif isinstance(step, dict):
            events = list(session.receive(json.dumps(step).encode(), now))
        else:
            for text in session.encode(step, now):
                said(text)
            continue
        for event in events:
            match event:
                case c.ReplyStarted(reply_id=reply_id):
                    assert open_reply is None
                    open_reply = reply_id
                case c.ReplyAudio(reply_id=reply_id, payload=payload):
                    assert reply_id == open_reply
                    assert base64_ms(payload) % 20 == 0
                case c.ReplyDone(reply_id=reply_id, interrupted=interrupted):
                    assert reply_id == open_reply or interrupted
                    open_reply = None
                case c.ToolCalled(call_id=call_id):
                    assert call_id not in asked
                    asked.add(call_id)
                case c.ToolWithdrawn(call_id=call_id):
                    asked.remove(call_id)
                    asked.add(call_id)
                case c.Outgoing():
                    said(event.message)
        assert session.wake_at >= 0
