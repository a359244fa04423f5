"""Audit of the daemon's counters, its log and its journal: they say what was played, no more and no less."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from benchmarks.soaking.endings import ENDINGS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.soaking.steadiness import Counts

Played = Counter[str]
"""Times that each of ``ENDINGS`` was played."""

TEARDOWN_BUCKET: Final = "2.0"
"""Seconds in which every call must be closed: ``close_seconds`` is 1 here, the rest is what a busy machine adds."""
TOLD_ONCE: Final = ("stream_refused", "webhook_refused")
"""Logged at most once in ten seconds, however many there are."""
MUST_BE_ZERO: Final = ("calls", "model_sessions_open", "journal_waiting_entries", "journal_lost_entries_total")


def tries_left_out(played: Played, path: Path) -> int:
    """Number of tries that the log lacks, if they may be those that a daemon does without when it is late; else 0.

    A session that was not tried is in no book: so many less are wanted in each, and no other number will do.
    """
    lacking = sum(ENDINGS[name].tries * times for name, times in played.items())
    with path.open(encoding="utf-8") as log:
        lacking -= sum('"model_tried_again"' in line for line in log)
    most = sum(ENDINGS[name].tries_left_out * times for name, times in played.items())
    return lacking if 0 <= lacking <= most else 0


def check_metrics(played: Played, before: Counts, after: Counts, *, left_out: int = 0) -> list[str]:
    """Differences of /metrics from what was played, and of what it should not hold any more, when no call is live."""

    def counted(name: str, *labels: str) -> Counter[Any]:
        found: Counter[Any] = Counter()
        for (sample, pairs), value in after.items():
            more = value - before.get((sample, pairs), 0)
            if sample == name and more:
                values = dict(pairs)
                found[tuple(values[label] for label in labels)] += round(more)
        return found

    calls, refusals, sessions = Counter[Any](), Counter[Any](), 0
    for name, times in played.items():
        ending = ENDINGS[name]
        if ending.reason is not None:
            calls[ending.reason, ending.direction] += times
        if ending.refusal is not None:
            refusals[ending.refusal] += times
        sessions += (ending.sessions + ending.tries) * times
    closings = counted("trio_voice_model_sessions_total", "closing").total()
    failures = [
        *_differences("calls_ended", counted("trio_voice_calls_ended_total", "end_reason", "direction"), calls),
        *_differences("refusals", counted("trio_voice_refusals_total", "what", "code"), refusals),
        *_differences("sessions", {"all": closings}, {"all": sessions - left_out}),
    ]
    answered = after["trio_voice_call_teardown_seconds_count", ()]
    in_time = after["trio_voice_call_teardown_seconds_bucket", (("le", TEARDOWN_BUCKET),)]
    if in_time < answered:
        failures.append(f"{answered - in_time:g} calls took longer than {TEARDOWN_BUCKET} s to be closed")
    left = Counter[str]()
    for (sample, _), value in after.items():
        left[sample.removeprefix("trio_voice_")] += round(value)
    return failures + [f"{name}: {left[name]} at the end" for name in MUST_BE_ZERO if left[name]]


def check_log(played: Played, path: Path, *, left_out: int = 0) -> list[str]:
    """Warnings as many as were asked for, one ``call_ended`` for each call that was answered, and no error at all."""
    failures: list[str] = []
    found: Counter[Any] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            failures.append(f"no JSON in the log: {line[:200]}")
            continue
        if entry["event"] in {"call_ended", "connection_aborted"}:
            found[entry["event"], entry.get("end_reason") or entry.get("error")] += 1
        elif entry["level"] not in {"info", "debug"} or "exception" in entry:
            found[entry["event"]] += 1
    wanted: Counter[Any] = Counter()
    for name, times in played.items():
        ending = ENDINGS[name]
        if ending.warning is not None:
            wanted[ending.warning] += times
        if ending.reason is not None and ending.sessions:
            wanted["call_ended", ending.reason] += times
        if ending.loses_its_model:
            wanted["model_dismissed"] += times
        wanted["model_tried_again"] += ending.tries * times
    wanted["model_tried_again"] -= left_out
    for event in TOLD_ONCE:
        if 0 < found[event] <= wanted[event]:
            found[event] = wanted[event]
    return [*failures, *_differences("in the log,", found, wanted)]


def check_journal(played: Played, path: Path, *, left_out: int = 0) -> list[str]:
    """A row for each call and each session, all of them closed, when the daemon is gone."""
    connection = sqlite3.connect(path)
    try:
        rows = dict(connection.execute("SELECT end_reason, count(*) FROM calls GROUP BY end_reason"))
        (sessions,) = connection.execute("SELECT count(*) FROM model_sessions").fetchone()
        open_ones = {
            "calls": connection.execute("SELECT count(*) FROM calls WHERE ended_at IS NULL").fetchone()[0],
            "sessions": connection.execute("SELECT count(*) FROM model_sessions WHERE closed_at IS NULL").fetchone()[0],
        }
    finally:
        connection.close()
    wanted: Counter[Any] = Counter()
    wanted_sessions = 0
    for name, times in played.items():
        if (reason := ENDINGS[name].reason) is not None:
            wanted[str(reason)] += times
        wanted_sessions += (ENDINGS[name].sessions + ENDINGS[name].tries) * times
    return [
        *_differences("calls in the journal,", rows, wanted),
        *_differences("rows in the journal,", {"sessions": sessions}, {"sessions": wanted_sessions - left_out}),
        *_differences("open in the journal,", open_ones, {}),
    ]


def _differences(what: str, found: Mapping[Any, int], wanted: Mapping[Any, int]) -> list[str]:
    found, wanted = _by_words(found), _by_words(wanted)
    return [
        f"{what} {key}: {found[key]:g} instead of {wanted[key]}"
        for key in sorted({*found, *wanted})
        if found[key] != wanted[key]
    ]


def _by_words(counts: Mapping[Any, int]) -> Counter[str]:
    words = ((key if isinstance(key, tuple) else (key,), times) for key, times in counts.items())
    return Counter({" ".join(map(str, key)): times for key, times in words})
