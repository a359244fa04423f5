"""AssemblyAI's Voice Agent protocol: whatever comes is an event."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.assemblyai_agent.agent import hear, persona
from trio_voice.events import model as c
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession


def test_unknown_events_are_events(ready):
    assert hear(ready, type="future.event", x=1) == [c.Unrecognized("an event of type 'future.event'")]


GARBAGE = [
    b"\x00",
    "",
    "nonsense",
    "[]",
    "7",
    "null",
    "{}",
    '{"type":[]}',
    '{"type":"reply.audio"}',
    '{"type":"reply.audio","data":"a\\"b"}',
    '{"type":"tool.call","name":"x"}',
    "[" * 100_000,
    '{"type":"transcript.agent.delta","delta":"x","start_ms":1' + "0" * 400 + "}",
    '{"type":"session.ended","session_duration_seconds":1' + "0" * 400 + "}",
    "\ud800",
]


@pytest.mark.parametrize("message", GARBAGE, ids=[f"{n} {text[:30]!a}" for n, text in enumerate(GARBAGE)])
def test_garbage_is_an_event_and_not_an_exception(ready, message):
    (event,) = ready.receive(message, 0.0)
    assert isinstance(event, c.Unrecognized)


KINDS = sorted(VoiceAgentSession._readers)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda kids: st.lists(kids, max_size=3) | st.dictionaries(st.text(), kids, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["session_id", "config", "code", "message", "param", "reply_id", "data", "text", "delta", "start_ms", "item_id",
         "status", "interrupted", "call_id", "name", "arguments", "session_duration_seconds"]
    ),
    JSON,
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from([*KINDS, "x"]), FIELDS), max_size=8))
def test_any_fields_of_any_type_in_any_order_are_events(events):
    session = VoiceAgentSession(persona())
    for kind, fields in events:
        for event in session.receive(json.dumps(fields | {"type": kind}), 0.0):
            assert isinstance(event, c.ModelEvent)
            texts = [getattr(event, name, "") for name in ("reply_id", "text", "item_id", "payload", "message", "code")]
            assert all(isinstance(text, str) for text in texts)


@given(st.one_of(st.text(), st.binary()))
def test_anything_at_all_is_events(message):
    session = VoiceAgentSession(persona())
    session.receive(message, 0.0)
    assert session.reply_audio(message) is None


AUDIO = {
    "type": st.just("reply.audio") | st.sampled_from(KINDS) | JSON,
    "data": st.sampled_from(["", "////", "///=", "//", "a\nb="]) | JSON,
    "reply_id": st.sampled_from(["", "r2"]) | JSON,
    "x": JSON,
}


@given(st.fixed_dictionaries({}, optional=AUDIO), st.booleans())
def test_the_audio_of_a_reply_is_told_apart_as_it_would_be_received(event, began):
    session = VoiceAgentSession(persona())
    if began:
        session.receive('{"type":"reply.started","reply_id":"r1"}', 0.0)
    session.receive('{"type":"reply.audio","data":"AAAA"}', 0.0)  # what can be heard is told apart from then on
    message = json.dumps(event)
    found = session.reply_audio(message)
    meant = session.receive(message, 0.0)
    if found is not None:
        assert meant == [c.ReplyAudio(*found)]
    elif meant and isinstance(meant[0], c.ReplyAudio):  # what is not told apart is received: where an id is no text
        assert not isinstance(event.get("reply_id", ""), str)
