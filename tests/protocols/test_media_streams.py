"""Twilio's messages, from a real captured stream and from what nobody should send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.errors import LocalProtocolError
from trio_voice.events.caller import CallerAudio, CallerStarted, CallerStopped, DigitPressed, MarkEchoed
from trio_voice.events.model import Unrecognized
from trio_voice.protocols.media_streams import MediaStream
from trio_voice.sandbox.twilio.captured import captured_stream

CAPTURE = captured_stream()
START = CAPTURE[1]


@pytest.fixture
def stream():
    started = MediaStream()
    started.receive(START)
    return started


def test_a_real_stream_is_understood_whole():
    stream = MediaStream()
    events = [stream.receive(line) for line in CAPTURE]
    sent = [json.loads(line)["media"]["payload"] for line in CAPTURE if json.loads(line)["event"] == "media"]

    assert events[0] is None
    assert events[1] == CallerStarted(
        "MZ726559aad844c8e924c9d32545e4e46f",
        "CAc17e4a124d5375ccacd5f673ac6764b4",
        {"StateName": "IRS", "IsScoutCall": "no"},
    )
    assert [event.payload for event in events[2:-1]] == sent
    assert len(sent) == 363
    assert events[-1] == CallerStopped()


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ('{"event":"mark","sequenceNumber":"4","streamSid":"MZ1","mark":{"name":"m1"}}', MarkEchoed("m1")),
        ('{"event":"dtmf","dtmf":{"track":"inbound_track","digit":"#"},"streamSid":"MZ1"}', DigitPressed("#")),
        ('{"event":"stop","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}', CallerStopped()),
        ('{"media":{"payload":"/////w==","chunk":7,"new":[1]},"event":"media","added":{}}', CallerAudio("/////w==")),
    ],
)
def test_documented_messages(stream, message, event):
    assert stream.receive(message) == event


@pytest.mark.parametrize(
    "message",
    [
        b"\x00\x01",
        "",
        "not json",
        "[]",
        "17",
        '{"event":7}',
        '{"event":"media"}',
        '{"event":"media","media":{"payload":7}}',
        '{"event":"media","media":{"payload":"a\\",\\"type\\":\\"session.end"}}',
        '{"event":"mark","mark":{}}',
        START,
        '{"event":' + "[" * 60_000,
        '{"event":"stop","x":' + "[" * 60_000,
        "\ud800",
    ],
    ids=lambda message: ascii(message[:50]),
)
def test_garbage_is_an_event_and_not_an_exception(stream, message):
    event = stream.receive(message)
    assert isinstance(event, Unrecognized)
    assert event.garbage
    assert event.leg == "caller"


def test_an_event_that_twilio_may_add_some_day_is_no_garbage(stream):
    assert stream.receive('{"event":"warmth","warmth":{"degrees":3}}') == Unrecognized(
        "an event of type 'warmth'", garbage=False, leg="caller"
    )


def test_media_before_start_and_after_stop_is_garbage():
    stream = MediaStream()
    assert isinstance(stream.receive(CAPTURE[2]), Unrecognized)
    stream.receive(START)
    stream.receive(CAPTURE[-1])
    assert isinstance(stream.receive(CAPTURE[2]), Unrecognized)


def test_a_stream_that_is_not_mu_law_is_refused():
    wrong = START.replace("audio/x-mulaw", "audio/l16")
    assert isinstance(MediaStream().receive(wrong), Unrecognized)


def test_what_we_send_has_exactly_the_documented_fields(stream):
    sid = stream.stream_sid
    assert json.loads(stream.media("////")) == {"event": "media", "streamSid": sid, "media": {"payload": "////"}}
    assert json.loads(stream.mark("0.1")) == {"event": "mark", "streamSid": sid, "mark": {"name": "0.1"}}
    assert json.loads(stream.clear()) == {"event": "clear", "streamSid": sid}


def test_nothing_can_be_sent_before_start():
    for send in (lambda s: s.media("////"), lambda s: s.mark("m"), lambda s: s.clear()):
        with pytest.raises(LocalProtocolError, match="stream SID"):
            send(MediaStream())


@given(st.one_of(st.text(), st.binary()))
def test_anything_at_all_is_an_event(message):
    stream = MediaStream()
    stream.receive(START)
    stream.receive(message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda kids: (
        st.lists(kids)
        | st.dictionaries(
            st.sampled_from(["event", "media", "payload", "mark", "name", "start", "streamSid", "x"]), kids
        )
    ),
)


@given(
    st.dictionaries(st.sampled_from(["media", "mark", "start", "dtmf", "stop"]), JSON),
    st.sampled_from(["media", "mark", "start", "dtmf", "stop", "connected", "x"]),
)
def test_any_json_object_is_an_event(fields, event):
    MediaStream().receive(json.dumps(fields | {"event": event}))
