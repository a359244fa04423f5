"""Metrics of this moment, looked up when a scraper asks: open calls, the journal, the process."""

from __future__ import annotations

import os
import resource
import time
from collections import Counter as Tally
from typing import TYPE_CHECKING, Any, Final

import trio
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

from trio_voice.record import CallState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from prometheus_client.metrics_core import Metric

    from trio_voice.call.budget import Budget
    from trio_voice.call.registry import Registry
    from trio_voice.edges.metrics.labels import BoundedLabel
    from trio_voice.journal import Journal

OUR_OWN_DESCRIPTOR: Final = 1
"""The one that lists the others."""


class LookedUp:
    """Metrics that are looked up whenever somebody asks.

    Args:
        look: makes them.
    """

    def __init__(self, look: Callable[[], Iterator[Metric]]) -> None:
        self._look = look

    def describe(self) -> list[Metric]:
        """Nothing: asked when this is registered, it need not look anything up."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Their values of this moment."""
        return self._look()


def requests_now(counts: Mapping[str, int]) -> Iterator[Metric]:
    """Requests of chains to their providers, by the connection that they went over."""
    requests = CounterMetricFamily(
        "trio_voice_requests",
        "Requests of chains, by connection: one that was open (warm), new, or new because that was dead (again).",
        labels=["connection"],
    )
    for connection in ("warm", "new", "again"):
        requests.add_metric([connection], counts.get(connection, 0))
    yield requests


def calls_now(calls: Registry, providers: BoundedLabel) -> Iterator[Metric]:
    """The open calls, and what runs."""
    records = calls.records()
    states = Tally(record.state for record in records)
    by_state = GaugeMetricFamily("trio_voice_calls", "Calls that have not ended, by state.", labels=["state"])
    for state in CallState:
        if state is not CallState.ENDED:
            by_state.add_metric([state], states[state])
    yield by_state

    # Those of ended calls too: one there is a meter that outlived its call, and should be seen.
    meters = Tally(
        providers.one_of(session.provider)
        for record in records
        for session in record.model_sessions
        if session.closed_at is None
    )
    sessions = GaugeMetricFamily(
        "trio_voice_model_sessions_open", "Model sessions whose meter is running.", labels=["provider"]
    )
    for provider in providers.seen.keys() | meters.keys():
        sessions.add_metric([provider], meters[provider])
    yield sessions

    limit = calls.limits.max_calls
    yield GaugeMetricFamily("trio_voice_max_calls", "How many calls there may be at once.", limit)
    draining = calls.statistics().draining
    yield GaugeMetricFamily("trio_voice_draining", "1 while no new call is taken.", draining)
    tasks = trio.lowlevel.current_statistics().tasks_living
    yield GaugeMetricFamily("trio_voice_tasks", "Tasks: those of each live call, and a few that stay.", tasks)


def journal_now(journal: Journal) -> Iterator[Metric]:
    """Health of the journal."""
    counts = journal.statistics()
    yield GaugeMetricFamily("trio_voice_journal_healthy", "1 while what is to be written down is.", journal.healthy)
    yield GaugeMetricFamily("trio_voice_journal_waiting_entries", "Entries still to be written.", counts.waiting)
    lost = CounterMetricFamily("trio_voice_journal_lost_entries", "Entries that never will be written.", labels=["why"])
    lost.add_metric(["too_many_waited"], counts.dropped)
    lost.add_metric(["refused_by_the_database"], counts.refused)
    yield lost
    yield CounterMetricFamily(
        "trio_voice_journal_unwritten_openings",
        "Model sessions that were opened before that was written down.",
        counts.unwritten_openings,
    )


def process_now(started_at: datetime) -> Iterator[Metric]:
    """The process, under the names that every dashboard knows.

    The library's own collector says nothing at all where /proc/stat is hidden, as our systemd unit does
    (``ProcSubset=pid``).
    """

    def gauge(name: str, documentation: str, value: Any) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"process_{name}", documentation, value)

    yield CounterMetricFamily("process_cpu_seconds", "Processor time, user and system.", time.process_time())
    yield gauge("start_time_seconds", "When the process began, in seconds since 1970.", started_at.timestamp())
    yield gauge("max_fds", "Descriptors that it may have open.", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    try:
        open_fds = len(os.listdir("/proc/self/fd")) - OUR_OWN_DESCRIPTOR  # noqa: PTH208 - names, not paths
        with open("/proc/self/statm", encoding="ascii") as pages:  # noqa: PTH123 - no file that anybody wrote
            virtual, resident = (int(word) * resource.getpagesize() for word in pages.read().split()[:2])
    except OSError:  # there is no descriptor to look with: the rest is told all the same
        return
    yield gauge("open_fds", "Descriptors that it has open.", open_fds)
    yield gauge("virtual_memory_bytes", "Memory it has asked for.", virtual)
    yield gauge("resident_memory_bytes", "Memory it has.", resident)


def spending_now(budget: Budget) -> Iterator[Metric]:
    """Today's costs, and their ceiling."""
    yield GaugeMetricFamily("trio_voice_daily_cost_limit", "[limits] daily_cost.", budget.daily_cost)
    yield GaugeMetricFamily("trio_voice_spent_today", "What the ended calls of the day (UTC) cost.", budget.spent)
    yield GaugeMetricFamily(
        "trio_voice_daily_cost_reached", "1 once a call was refused by it today (UTC).", float(budget.is_reached)
    )


def log_now(dropped: Callable[[], int]) -> Iterator[Metric]:
    """Log lines that nobody will ever read."""
    lines = CounterMetricFamily(
        "trio_voice_log_lines_dropped", "Lines that were not written because the log's reader had stopped."
    )
    lines.add_metric([], dropped())
    yield lines
