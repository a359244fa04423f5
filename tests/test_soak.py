"""The long run, cut short: every ending through one daemon process, and nothing left of any."""

from collections import Counter

import pytest

from benchmarks.soak import READY_SECONDS, Soak
from benchmarks.soaking.books import check_log, check_metrics, tries_left_out
from benchmarks.soaking.endings import ENDINGS
from benchmarks.soaking.report import Plan, Report
from benchmarks.soaking.steadiness import Sample, slope_of
from trio_voice.events.model import ModelFault
from trio_voice.legs.attempts import Attempts
from trio_voice.record import EndReason


@pytest.mark.slow
@pytest.mark.timeout(400)  # 25 s on a machine that has nothing else to do
async def test_a_few_hundred_calls_of_every_ending_leave_nothing_and_are_counted(tmp_path):
    """Growth of memory shows in thousands of calls only: ``make soak``."""
    endings = tuple(name for name, ending in ENDINGS.items() if not ending.promises_for_nothing)  # takes half a minute
    lines = []
    plan = Plan(calls=200, at_once=40, round_calls=200, endings=endings)
    report = await Soak(plan, tmp_path, lines.append).run()
    assert not report.failures, "\n".join([*lines, *report.failures])
    assert set(report.played) == set(endings)
    assert report.calls > plan.calls


def test_there_is_an_ending_for_every_reason_but_a_bug():
    assert {ending.reason for ending in ENDINGS.values()} - {None} == set(EndReason) - {EndReason.BUG}


def sample(calls, resident_kb=80_000.0, **held):
    values = {"descriptors": 13, "tasks": 15, "threads": 2} | held
    return Sample(calls=calls, resident_kb=resident_kb, cpu_seconds=0, **values)


def noisy(slope_kb):
    """Memory that grows by so much for 1,000 calls, and jumps about."""
    return [sample(n * 400, 80_000 + slope_kb * n * 0.4 + (-300, 200, 100)[n % 3]) for n in range(26)]


@pytest.mark.parametrize(("slope_kb", "found"), [(0, False), (50, False), (150, True), (1_000, True), (-500, False)])
def test_memory_that_grows_is_told_from_noise(slope_kb, found):
    report = Report(plan=Plan(), samples=noisy(slope_kb))
    report.judge()
    assert [words.startswith("resident_kb grows") for words in report.failures] == [True] * found
    assert report.slopes["resident_kb"].per_1000_calls == pytest.approx(slope_kb, abs=40)


@pytest.mark.parametrize("what", ["descriptors", "tasks", "threads"])
def test_one_descriptor_task_or_thread_too_many_fails_a_run(what):
    report = Report(plan=Plan(), samples=[sample(0), sample(400), sample(800, **{what: 16})])
    report.judge()
    assert [words.split(":")[0] for words in report.failures] == [what]


def test_a_slope_and_its_error():
    samples = [sample(n * 1_000, resident_kb) for n, resident_kb in enumerate([10, 12, 13, 17])]
    slope = slope_of(samples, "resident_kb")
    assert slope.per_1000_calls == pytest.approx(2.2)
    assert slope.error == pytest.approx((1.8 / 2 / 5) ** 0.5)  # the sum of squares, two degrees less, the spread


def counts(ended, sessions):
    labels = (("direction", "inbound"), ("end_reason", "hangup"))
    return Counter(
        {
            ("trio_voice_calls_ended_total", labels): ended,
            ("trio_voice_model_sessions_total", (("closing", "acknowledged"), ("provider", "x"))): sessions,
            ("trio_voice_call_teardown_seconds_count", ()): ended,
            ("trio_voice_call_teardown_seconds_bucket", (("le", "2.0"),)): ended,
        }
    )


def test_what_was_counted_is_held_against_what_was_played():
    played = Counter({"the caller hangs up": 3})
    assert check_metrics(played, counts(5, 5), counts(8, 8)) == []
    assert len(check_metrics(played, counts(5, 5), counts(7, 8))) == 1
    assert len(check_metrics(played, counts(5, 5), counts(8, 9))) == 1
    left_open = counts(8, 8) | {("trio_voice_model_sessions_open", ()): 1.0}
    assert check_metrics(played, counts(5, 5), left_open) == ["model_sessions_open: 1 at the end"]
    too_late = counts(8, 8) | {("trio_voice_call_teardown_seconds_count", ()): 9}
    assert check_metrics(played, counts(5, 5), too_late) == ["1 calls took longer than 2.0 s to be closed"]


def tries_of(ending, late):
    """Times that a model at which nobody listens is tried again by a daemon that is so late each time."""
    attempts, now, tries = Attempts(0, READY_SECONDS, others=len(ending.models) > 1, first=True), late, 0
    while pause := attempts.pause_after(ModelFault("refused", "", fatal=True, passing=True), now):
        now, tries = now + pause + late, tries + 1
    return tries


@pytest.mark.parametrize("name", [name for name, ending in ENDINGS.items() if ending.tries])
def test_a_model_is_tried_again_as_often_as_is_written_down_and_one_less_where_that_is_late(name):
    ending = ENDINGS[name]
    assert tries_of(ending, 0) == ending.tries
    assert tries_of(ending, 0.1) == ending.tries - ending.tries_left_out


@pytest.mark.parametrize(("found", "left_out"), [(11, 0), (9, 2), (7, 4), (6, 0), (12, 0)])
def test_a_try_that_was_left_out_is_wanted_nowhere_and_more_of_them_are_a_failure(found, left_out, tmp_path):
    played = Counter({"another model takes over": 4, "the caller hangs up": 1, "the model cannot be reached": 1})
    log = tmp_path / "daemon.log"
    log.write_text('{"level": "warning", "event": "model_tried_again"}\n' * found)
    assert tries_left_out(played, log) == left_out
    told = [words for words in check_log(played, log, left_out=left_out) if "model_tried_again" in words]
    assert (told == []) == (found in {7, 9, 11})
    assert check_metrics(Counter({"the caller hangs up": 3}), counts(5, 5), counts(8, 8), left_out=1) != []
