"""Metrics of a registry with a stub call, read as a scraper does."""

from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from trio_voice.call.registry import Registry
from trio_voice.edges.metrics.metrics import Metrics
from trio_voice.limits import Limits
from trio_voice.record import CallRecord, EndReason, ToolUse, Turn
from trio_voice.session_record import Closing, ModelSessionRecord

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def calls():
    return Registry(Limits(max_calls=7))


@pytest.fixture
def metrics(calls):
    return Metrics(calls, NOON)


def read(metrics):
    """Every sample: its name with its labels' values, in the order of the labels' names, and its value."""
    return {
        " ".join([sample.name, *(sample.labels[label] for label in sorted(sample.labels))]): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def changed(metrics, before):
    """Samples that are not as they were, and not of the process."""
    return {
        name: value
        for name, value in read(metrics).items()
        if value != before.get(name, 0) and not name.startswith("process_")
    }


def a_record(**fields):
    known = {"call_id": "c1", "call_sid": "CA1", "direction": "inbound", "persona": "desk"}
    return CallRecord(**known, from_number="+15550001111", to_number="+15551234567", **fields)


def a_session(**fields):
    return ModelSessionRecord("assemblyai-agent", NOON, session_id="sess-1", **fields)


def a_whole_call():
    return a_record(
        end_reason=EndReason.HANGUP,
        seconds=90.0,
        closing_seconds=0.25,
        setup_seconds=0.4,
        currency="USD",
        telephone_cost=0.025,
        model_sessions=[
            a_session(
                closed_at=NOON,
                closing=Closing.ACKNOWLEDGED,
                seconds=90.25,
                billed_seconds=89.0,
                overrun_seconds=0.25,
                cost=0.125,
                model="aai",
            ),
            a_session(closed_at=NOON, closing=Closing.TIMED_OUT, seconds=92.0, overrun_seconds=2.0, model="aai"),
        ],
        turns=[Turn(at=5, latency_ms=500, heard_after_ms=1_100), Turn(at=9, latency_ms=1_250)],
        tools=[
            ToolUse("shop", failed=False, milliseconds=3),
            ToolUse("shop", failed=True, milliseconds=3),
            ToolUse("I would like bread", failed=True, milliseconds=0, known=False),
        ],
        counters={"caller_frames_before_ready": 20, "late_reply_frames": 3, "barge_ins": 2, "model_faults": 1},
    )
