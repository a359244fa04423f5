"""Text that a scraper reads, parsed as a scraper would."""

import errno
import os
import socket

import attrs
import trio
from prometheus_client.parser import text_string_to_metric_families

from tests.call.promises import StubCall
from tests.edges.metrics.scrapes import NOON, a_session, a_whole_call, calls, changed, metrics, read
from trio_voice.call.drain import drain
from trio_voice.edges.metrics.metrics import CONTENT_TYPE, Metrics
from trio_voice.persona import Persona
from trio_voice.record import CallState
from trio_voice.session_record import ModelSessionRecord

__all__ = ["calls", "metrics"]

PERSONA = Persona(name="desk", model="m")
SECRETS = ("+15550001111", "+15551234567", "CA1", "c1", "sess-1", "I would like bread")


@attrs.define
class StubJournal:
    """A journal in trouble: its own statistics, too."""

    healthy: bool = True
    waiting: int = 0
    dropped: int = 0
    refused: int = 0
    unwritten_openings: int = 0

    def statistics(self):
        return self


# The text


async def test_a_scraper_can_read_it(metrics):
    metrics.observe_call(a_whole_call())
    families = list(text_string_to_metric_families(metrics.render().decode()))
    assert len(families) > 20
    assert all(family.documentation.endswith(".") for family in families if not family.name.startswith("process_"))
    assert CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"


async def test_names_follow_prometheus_conventions(calls):
    metrics = Metrics(calls, NOON, StubJournal())
    metrics.observe_call(a_whole_call())
    families = list(text_string_to_metric_families(metrics.render().decode()))
    assert all(family.name.startswith(("trio_voice_", "process_")) for family in families)
    counters = {sample.name for family in families if family.type == "counter" for sample in family.samples}
    assert all(name.endswith("_total") for name in counters)
    assert all(family.name.endswith("_seconds") for family in families if family.type == "histogram")
    assert not [family.name for family in families if family.name.endswith(("_created", "_ms", "_milliseconds"))]


async def test_nobody_can_be_recognised_in_it(metrics, calls):
    calls.expect(PERSONA, direction="inbound", from_number="+15550001111", to_number="+15551234567", call_sid="CA1")
    metrics.observe_call(a_whole_call())
    text = metrics.render().decode()
    assert not [secret for secret in SECRETS if secret in text.replace("acknowledged", "")]


async def test_asking_changes_nothing(metrics):
    metrics.observe_call(a_whole_call())
    assert changed(metrics, read(metrics)) == {}


# Now


async def test_open_calls_are_told_by_state(metrics, calls):
    calls.expect(PERSONA, direction="inbound", from_number="", to_number="", call_sid="CA1")
    calls.expect(PERSONA, direction="outbound", from_number="", to_number="", call_sid="CA2")
    calls.expect(PERSONA, direction="outbound", from_number="", to_number="", call_sid="CA3")
    ended = StubCall("c8")
    with calls.living(ended):
        ended.record.state = CallState.ENDED
    live = StubCall("c9")
    live.record.state = CallState.LIVE
    with calls.living(live):
        now = read(metrics)
        assert {name: value for name, value in now.items() if name.startswith("trio_voice_calls ")} == {
            "trio_voice_calls dialing": 2,
            "trio_voice_calls ringing": 1,
            "trio_voice_calls live": 1,
            "trio_voice_calls ending": 0,
        }
        assert now["trio_voice_max_calls"] == 7
        live.record.state = CallState.ENDED
    assert read(metrics)["trio_voice_calls live"] == 0


async def test_a_meter_that_runs_is_seen_even_if_its_call_has_ended(metrics, calls):
    open_session = "trio_voice_model_sessions_open assemblyai-agent"
    assert read(metrics)[open_session] == 0
    call = StubCall()
    with calls.living(call):
        call.record.model_sessions.append(a_session())
        call.record.model_sessions.append(a_session(closed_at=NOON))
        assert read(metrics)[open_session] == 1
    assert read(metrics)[open_session] == 1
    call.record.model_sessions[0].closed_at = NOON
    assert read(metrics)[open_session] == 0


async def test_a_provider_that_was_seen_once_does_not_vanish(metrics, calls):
    call = StubCall()
    with calls.living(call):
        call.record.model_sessions.append(ModelSessionRecord("new-provider", NOON))
        assert read(metrics)["trio_voice_model_sessions_open new-provider"] == 1
    call.record.model_sessions.clear()
    assert read(metrics)["trio_voice_model_sessions_open new-provider"] == 0


async def test_a_drain_is_seen(metrics, calls):
    assert read(metrics)["trio_voice_draining"] == 0
    await drain(calls, 0)
    assert read(metrics)["trio_voice_draining"] == 1


async def test_a_task_that_is_left_behind_is_seen(metrics, nursery):
    before = read(metrics)["trio_voice_tasks"]
    nursery.start_soon(trio.sleep_forever)
    assert read(metrics)["trio_voice_tasks"] == before + 1
    nursery.cancel_scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    assert read(metrics)["trio_voice_tasks"] == before


async def test_the_journal_says_how_it_does(calls):
    metrics = Metrics(calls, NOON, StubJournal(False, 12, 3, 2, 1))
    journal = {name: value for name, value in read(metrics).items() if name.startswith("trio_voice_journal")}
    assert journal == {
        "trio_voice_journal_healthy": 0,
        "trio_voice_journal_waiting_entries": 12,
        "trio_voice_journal_lost_entries_total too_many_waited": 3,
        "trio_voice_journal_lost_entries_total refused_by_the_database": 2,
        "trio_voice_journal_unwritten_openings_total": 1,
    }


async def test_of_a_journal_that_is_not_there_nothing_is_said(metrics):
    assert not [name for name in read(metrics) if "journal" in name]


async def test_the_process_is_told_under_the_usual_names(metrics):
    before = read(metrics)
    with socket.socket():
        assert read(metrics)["process_open_fds"] == before["process_open_fds"] + 1
    assert before["process_start_time_seconds"] == NOON.timestamp()
    assert before["process_resident_memory_bytes"] < before["process_virtual_memory_bytes"]
    assert read(metrics)["process_cpu_seconds_total"] > before["process_cpu_seconds_total"] > 0
    assert before["process_max_fds"] > before["process_open_fds"]


async def test_where_no_descriptor_is_left_to_look_with_the_rest_is_told(metrics, monkeypatch):
    def fail(_path):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "listdir", fail)
    told = read(metrics)
    assert "process_open_fds" not in told
    assert told["process_cpu_seconds_total"] > 0


# Meanwhile


async def test_what_is_turned_away_is_counted(metrics):
    before = read(metrics)
    metrics.count_refusal("webhook", "bad_signature")
    metrics.count_refusal("stream", "unknown_call")
    metrics.count_refusal("call", "full", by=2)
    metrics.count_refusal("connection", "displaced")
    metrics.count_rest_failure("complete")
    assert changed(metrics, before) == {
        "trio_voice_refusals_total bad_signature webhook": 1,
        "trio_voice_refusals_total unknown_call stream": 1,
        "trio_voice_refusals_total full call": 2,
        "trio_voice_refusals_total displaced connection": 1,
        "trio_voice_rest_failures_total complete": 1,
    }


async def test_the_delay_that_we_add_is_told_for_each_way(metrics):
    before = read(metrics)
    metrics.observe_relay_delay("to_caller", 1 / 128)
    metrics.observe_relay_delay("to_caller", 1 / 32)
    metrics.observe_relay_delay("to_model", 1 / 1024)
    after = changed(metrics, before)
    assert after["trio_voice_relay_delay_seconds_count to_caller"] == 2
    assert after["trio_voice_relay_delay_seconds_sum to_caller"] == 5 / 128
    assert after["trio_voice_relay_delay_seconds_bucket 0.02 to_caller"] == 1
    assert after["trio_voice_relay_delay_seconds_bucket 0.05 to_caller"] == 2
    assert after["trio_voice_relay_delay_seconds_count to_model"] == 1


async def test_a_loop_that_is_held_up_is_told(metrics, mock_clock, nursery):
    nursery.start_soon(metrics.watch_loop)
    await trio.testing.wait_all_tasks_blocked()
    mock_clock.jump(1.0)
    await trio.testing.wait_all_tasks_blocked()
    mock_clock.jump(1.25)
    await trio.testing.wait_all_tasks_blocked()
    now = read(metrics)
    assert now["trio_voice_loop_delay_seconds_count"] == 2
    assert now["trio_voice_loop_delay_seconds_sum"] == 0.25


async def test_the_pause_that_a_caller_heard_is_told_where_it_is_known(metrics):
    metrics.observe_call(a_whole_call())
    text = metrics.render().decode()
    assert 'trio_voice_turn_latency_seconds_count{persona="desk"} 2.0' in text
    assert 'trio_voice_turn_heard_after_seconds_count{persona="desk"} 1.0' in text
    assert 'trio_voice_turn_heard_after_seconds_sum{persona="desk"} 1.1' in text


async def test_requests_are_told_by_the_connection_that_they_went_over(calls):
    text = Metrics(calls, NOON, requests={"warm": 7, "again": 1}).render().decode()
    assert 'trio_voice_requests_total{connection="warm"} 7.0' in text
    assert 'trio_voice_requests_total{connection="new"} 0.0' in text
    assert 'trio_voice_requests_total{connection="again"} 1.0' in text
