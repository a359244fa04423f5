"""The record of a call: the meters of its sessions."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from trio_voice.record import CallRecord
from trio_voice.session_record import MAX_USAGE, ModelSessionRecord
from trio_voice.timeline import MAX_EVENTS, MAX_LETTERS

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_usage_adds_up():
    session = ModelSessionRecord("openai-realtime", NOON)
    session.add_usage({"audio_in_tokens": 300, "text_out_tokens": 12})
    session.add_usage({"audio_in_tokens": 40.5})
    assert session.meters == {"audio_in_tokens": 340.5, "text_out_tokens": 12}
    assert session.as_json()["meters"] == session.meters


@pytest.mark.parametrize("amount", [-1, math.nan, math.inf, -math.inf, MAX_USAGE * 2, 10**400])
def test_what_no_meter_can_have_counted_is_left_out_and_the_rest_is_not(amount):
    session = ModelSessionRecord("openai-realtime", NOON)
    session.add_usage({"seconds": amount, "characters": 7})
    assert session.meters == {"characters": 7}


def call():
    return CallRecord(call_id="1", direction="outbound", persona="p", from_number="", to_number="")


def test_what_twilio_told_before_the_stream_came_stands_before_it():
    record = call()
    record.told("call-status: initiated", NOON)
    record.told("call-status: ringing", NOON + timedelta(seconds=2))
    assert [event.at for event in record.timeline] == [0, 2]  # it has not begun, and may never
    record.begin(NOON + timedelta(seconds=5))
    record.told("call-status: in-progress", NOON + timedelta(seconds=6))
    record.begin(NOON + timedelta(seconds=60))  # the caller is back from a transfer
    assert [event.at for event in record.timeline] == [-5, -3, 1]
    assert record.started_at == NOON + timedelta(seconds=5)
    assert record.as_json()["timeline"][0] == {
        "kind": "callback",
        "at": NOON.isoformat(),
        "detail": "call-status: initiated",
    }


def test_a_timeline_has_a_bound():
    record = call()
    for number in range(MAX_EVENTS + 3):
        record.note("callback", number, "x" * 1_000)
    assert len(record.timeline) == MAX_EVENTS
    assert len(record.timeline[0].detail) == MAX_LETTERS
    assert record.counters == {"timeline_events_over_the_bound": 3}
