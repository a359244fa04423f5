"""OpenAI's Realtime protocol: whatever comes is an event."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.openai_realtime.talk import CREATED_FIELDS, UPDATED_FIELDS, Talk, make
from trio_voice.events import model as c
from trio_voice.protocols.json_messages import MAX_ID
from trio_voice.protocols.openai_realtime import OpenAIRealtimeSession
from trio_voice.protocols.openai_realtime.caller_events import KEPT_TRANSCRIPTIONS
from trio_voice.protocols.openai_realtime.dialects import DIALECTS
from trio_voice.protocols.openai_realtime.responses import KEPT_RESPONSES, MAX_CALLS, MAX_ITEMS
from trio_voice.protocols.openai_realtime.tools import MAX_RUNNING

GARBAGE = [
    b"\x00",
    "",
    "nonsense",
    "[]",
    "7",
    "{}",
    '{"type":[]}',
    '{"type":"response.output_audio.delta"}',
    '{"type":"response.output_audio.delta","delta":"a\\"b"}',
    "[" * 100_000,
    "\ud800",
]


@pytest.mark.parametrize("message", GARBAGE, ids=[f"{n} {text[:30]!a}" for n, text in enumerate(GARBAGE)])
def test_garbage_is_an_event_and_not_an_exception(talk, message):
    (event,) = talk.session.receive(message, 0.0)
    assert isinstance(event, c.Unrecognized)


LONG = "x" * (MAX_ID + 1)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("response.created", {"response": {"id": LONG}}),
        ("response.output_audio.delta", {"response_id": LONG, "delta": "AAAA"}),
        ("response.output_audio.delta", {"response_id": "r", "item_id": LONG, "delta": "AAAA"}),
        ("response.output_audio_transcript.done", {"response_id": "r", "item_id": LONG, "transcript": "x"}),
        ("conversation.item.input_audio_transcription.delta", {"item_id": LONG, "delta": "x"}),
        ("response.output_item.done", {"response_id": "r", "item": {"type": "function_call", "call_id": LONG}}),
        ("conversation.item.added", {"item": {"type": "function_call_output", "call_id": LONG}}),
    ],
)
def test_endless_ids_are_garbage_and_not_remembered(talk, kind, fields):
    (event,) = talk.hear(kind, **fields)
    assert event.garbage
    assert LONG not in talk.session._responses.kept.keys() | talk.session._caller_events._transcriptions.keys()
    assert not any(response.received_ms or response.calls for response in talk.session._responses.kept.values())


def test_unknown_events_are_events(talk):
    assert talk.hear("future.event", x=1) == [c.Unrecognized("an event of type 'future.event'")]


def test_floods_of_ids_are_forgotten(talk):
    for n in range(200):
        talk.begin(f"r{n}")
        talk.audio(20, f"r{n}", f"i{n}")
        talk.hear("conversation.item.input_audio_transcription.delta", item_id=f"u{n}", delta="x" * 1_000)
        talk.audio(20, "r199", f"i{n}")
        talk.call(f"c{n}", response_id="r199")
        talk.do(c.RequestReply(f"{n}"))
    session = talk.session
    assert len(session._responses.kept) == KEPT_RESPONSES
    assert len(session._caller_events._transcriptions) == KEPT_TRANSCRIPTIONS
    assert len(session._responses.kept["r199"].received_ms) <= MAX_ITEMS
    assert len(session._responses.kept["r199"].calls) <= MAX_CALLS
    for n in range(20):
        talk.call(f"d{n}", response_id=f"x{n}")
        talk.done(f"x{n}", output=[{"type": "function_call", "call_id": f"{n}.{m}", "name": "r"} for m in range(99)])
    assert len(session._calls) <= MAX_RUNNING
    assert len(session._requests._waiting) <= 8
    assert len(session._requests._results) <= 64


KINDS = sorted(OpenAIRealtimeSession._readers)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda kids: st.lists(kids, max_size=2) | st.dictionaries(st.text(), kids, max_size=2),
    max_leaves=3,
)
NAMES = st.sampled_from(
    ["session", "response", "error", "item", "usage", "id", "status", "code", "message", "param", "response_id",
     "delta", "transcript", "item_id", "call_id", "name", "arguments", "output", "status_details", "type", "expires_at",
     "audio", "input_token_details", "event_id"]
)  # fmt: skip
IDS = st.sampled_from(["r1", "r2", "i1", "c1", "function_call", "completed", "cancelled", "failed", "ask_1", "AAAA"])
FIELDS = st.dictionaries(NAMES, st.one_of(IDS, JSON, st.dictionaries(NAMES, IDS | JSON, max_size=3)), max_size=4)
COMMANDS = st.sampled_from(
    [c.RequestReply("x"), c.SayExactly("y"), c.TruncateReply("r1", 5.0), c.SendToolResult("c1", "{}")]
)

STEPS = st.tuples(st.sampled_from([*KINDS, "x"]), FIELDS) | COMMANDS


@given(st.sampled_from(sorted(DIALECTS)), st.lists(STEPS, max_size=8))
def test_any_fields_of_any_type_in_any_order_are_events(dialect, steps):
    session = make(dialect)
    for number, step in enumerate(steps):
        if not isinstance(step, tuple):
            session.encode(step, number)
            continue
        kind, fields = step
        meanings = [*session.receive(json.dumps(fields | {"type": kind}), number), *session.tick(number)]
        assert session.wake_at > number
        for event in meanings:
            assert isinstance(event, c.ModelEvent | c.Outgoing)
            texts = [getattr(event, name, "") for name in ("reply_id", "text", "item_id", "payload", "message", "code")]
            assert all(isinstance(text, str) for text in texts)


@given(st.one_of(st.text(), st.binary()))
def test_anything_at_all_is_events(message):
    make().receive(message, 0.0)


SOUND = {
    "type": st.sampled_from(["response.output_audio.delta", "response.audio.delta", "response.done"]) | JSON,
    "response_id": st.sampled_from(["r1", "r2", ""]) | JSON,
    "item_id": st.sampled_from(["i1", "i2", "i" * MAX_ID, "i" * (MAX_ID + 1)]) | JSON,
    "delta": st.sampled_from(["", "////", "///=", "//", "a\nb="]) | JSON,
}


@given(st.lists(st.fixed_dictionaries({}, optional=SOUND), max_size=4))
def test_sound_that_is_told_apart_is_what_would_have_been_received(events):
    told, telling = Talk(make()), Talk(make())
    for each in told, telling:
        each.hear(**CREATED_FIELDS)
        each.hear(**UPDATED_FIELDS)
        each.begin("r1")
    for event in events:
        message = json.dumps(event)
        meant = told.session.receive(message, 0.0)
        found = telling.session.reply_audio(message)
        if found is None:
            assert telling.session.receive(message, 0.0) == meant
        else:
            assert meant == [c.ReplyAudio(*found)]
    heard = [
        {name: each.received_ms for name, each in talk.session._responses.kept.items()} for talk in (told, telling)
    ]
    assert heard[0] == heard[1]
