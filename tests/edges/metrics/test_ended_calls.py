"""An ended call, as the metrics count and measure it."""

import math

import attrs
import pytest

from tests.edges.metrics.scrapes import a_record, a_session, a_whole_call, calls, changed, metrics, read
from trio_voice.billing.cost import is_late
from trio_voice.edges.metrics.labels import MAX_WORDS
from trio_voice.record import EndReason, ToolUse
from trio_voice.session_record import Closing

__all__ = ["calls", "metrics"]


async def test_an_ended_call_is_counted_and_measured(metrics):
    before = read(metrics)
    metrics.observe_call(a_whole_call())
    after = {name: value for name, value in changed(metrics, before).items() if "_bucket" not in name}
    assert after == {
        "trio_voice_calls_ended_total inbound hangup": 1,
        "trio_voice_call_seconds_count": 1,
        "trio_voice_call_seconds_sum": 90,
        "trio_voice_call_setup_seconds_count desk": 1,
        "trio_voice_call_setup_seconds_sum desk": 0.4,
        "trio_voice_call_teardown_seconds_count": 1,
        "trio_voice_call_teardown_seconds_sum": 0.25,
        "trio_voice_turn_heard_after_seconds_count desk": 1,
        "trio_voice_turn_heard_after_seconds_sum desk": 1.1,
        "trio_voice_turn_latency_seconds_count desk": 2,
        "trio_voice_turn_latency_seconds_sum desk": 1.75,
        "trio_voice_model_sessions_total acknowledged assemblyai-agent": 1,
        "trio_voice_model_sessions_total timed_out assemblyai-agent": 1,
        "trio_voice_model_session_seconds_total assemblyai-agent": 182.25,
        "trio_voice_model_billed_seconds_total assemblyai-agent": 89,
        "trio_voice_model_overrun_seconds_count": 2,
        "trio_voice_model_overrun_seconds_sum": 2.25,
        "trio_voice_model_cost_total USD aai desk": 0.125,
        "trio_voice_sessions_of_unknown_cost_total aai": 1,
        "trio_voice_telephone_cost_total USD inbound desk": 0.025,
        "trio_voice_barge_ins_total": 2,
        "trio_voice_model_faults_total": 1,
        "trio_voice_dropped_messages_total caller_frames_before_ready": 20,
        "trio_voice_dropped_messages_total late_reply_frames": 3,
        "trio_voice_tool_calls_total answered shop": 1,
        "trio_voice_tool_calls_total failed shop": 1,
        "trio_voice_tool_calls_total unknown unknown": 1,
    }


@pytest.mark.parametrize(("seconds", "kept"), [(2.0, True), (2.1, True), (2.11, False)])
async def test_a_broken_promise_lies_beyond_a_bucket_of_its_own(metrics, seconds, kept):
    metrics.observe_call(a_record(end_reason=EndReason.DRAIN, seconds=1.0, closing_seconds=seconds))
    assert read(metrics)["trio_voice_call_teardown_seconds_bucket 2.1"] == kept


async def test_what_a_conversation_went_through_is_counted_apart_from_what_is_dropped(metrics):
    record = a_record(end_reason=EndReason.HANGUP)
    record.counters = {
        "fillers": 2,
        "false_interruptions_resumed": 3,
        "dead_air_ms": 4_250,
        "llm_retries_rate_limit": 1,
    }
    before = read(metrics)
    metrics.observe_call(record)
    told = {name: by for name, by in changed(metrics, before).items() if "calls_ended" not in name}
    assert told == {
        "trio_voice_fillers_total": 2,
        "trio_voice_false_interruptions_total": 3,
        "trio_voice_dead_air_seconds_total": 4.25,
        "trio_voice_retries_total rate_limit": 1,
    }


async def test_a_call_that_was_never_answered_is_counted_and_nothing_is_measured(metrics):
    before = read(metrics)
    metrics.observe_call(attrs.evolve(a_record(end_reason=EndReason.TWILIO_ENDED), direction="outbound"))
    assert changed(metrics, before) == {"trio_voice_calls_ended_total outbound twilio_ended": 1}


async def test_every_end_and_every_closing_is_there_before_its_first_time(metrics):
    now = read(metrics)
    for reason in EndReason:
        assert now[f"trio_voice_calls_ended_total inbound {reason}"] == 0
        assert now[f"trio_voice_calls_ended_total outbound {reason}"] == 0
    for closing in Closing:
        assert now[f"trio_voice_model_sessions_total {closing} assemblyai-agent"] == 0
    assert now["trio_voice_refusals_total bad_signature webhook"] == 0


async def test_a_session_that_ended_before_its_call_takes_nothing_away(metrics):
    sessions = [a_session(closing=Closing.ABORTED, seconds=10.0, overrun_seconds=-20.0)]
    metrics.observe_call(a_record(end_reason=EndReason.MODEL_FAILED, seconds=30.0, model_sessions=sessions))
    now = read(metrics)
    assert now["trio_voice_model_overrun_seconds_count"] == 1
    assert now["trio_voice_model_overrun_seconds_sum"] == 0


@pytest.mark.parametrize(("seconds", "kept"), [(2.0, True), (2.1, True), (2.101, False)])
async def test_what_sets_off_the_alarm_lies_beyond_a_bucket_of_its_own(metrics, seconds, kept):
    assert is_late(seconds) is not kept
    sessions = [a_session(closing=Closing.ABORTED, seconds=30.0 + seconds, overrun_seconds=seconds)]
    metrics.observe_call(a_record(end_reason=EndReason.DRAIN, seconds=30.0, model_sessions=sessions))
    assert read(metrics)["trio_voice_model_overrun_seconds_bucket 2.1"] == kept


async def test_an_alarm_is_counted_and_the_count_is_there_before_the_first(metrics):
    assert read(metrics)["trio_voice_sessions_outlived_total assemblyai-agent"] == 0
    metrics.count_outlived(a_session())
    assert read(metrics)["trio_voice_sessions_outlived_total assemblyai-agent"] == 1


@pytest.mark.parametrize("billed", [-1.0, math.nan, math.inf, 1e300])
async def test_a_bill_that_is_none_is_left_out(metrics, billed):
    sessions = [a_session(closing=Closing.ACKNOWLEDGED, seconds=1.0, billed_seconds=billed)]
    metrics.observe_call(a_record(end_reason=EndReason.HANGUP, seconds=1.0, model_sessions=sessions))
    assert read(metrics)["trio_voice_model_billed_seconds_total assemblyai-agent"] == 0


async def test_a_session_that_its_call_left_open_is_counted_as_that(metrics):
    metrics.observe_call(a_record(end_reason=EndReason.BUG, model_sessions=[a_session()]))
    assert read(metrics)["trio_voice_model_sessions_total not_closed assemblyai-agent"] == 1


async def test_a_label_takes_only_so_many_values(metrics):
    for number in range(MAX_WORDS + 5):
        tools = [ToolUse(f"tool{number}", failed=False, milliseconds=0)]
        counters = {f"kind{number}": 1}
        sessions = [a_session(model=f"model{number}", cost=1.0)]
        fields = {"tools": tools, "counters": counters, "model_sessions": sessions, "currency": "USD"}
        metrics.observe_call(a_record(end_reason=EndReason.HANGUP, **fields))
        metrics.count_refusal("call", f"code{number}")
        metrics.count_rest_failure(f"request{number}")
    now = read(metrics)
    assert now["trio_voice_tool_calls_total answered other"] == 5
    assert now["trio_voice_dropped_messages_total other"] == 5
    assert now["trio_voice_model_cost_total USD other desk"] == 5
    assert now["trio_voice_refusals_total other call"] == 6  # bad_signature has the first place
    assert now["trio_voice_rest_failures_total other"] == 5
    assert len([name for name in now if name.startswith("trio_voice_tool_calls_total")]) == MAX_WORDS + 1


async def test_a_direction_or_an_end_that_is_none_is_other(metrics):
    metrics.observe_call(attrs.evolve(a_record(), direction="sideways"))
    assert read(metrics)["trio_voice_calls_ended_total other other"] == 1
