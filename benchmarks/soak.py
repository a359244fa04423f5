"""The long run: thousands of calls through one daemon, ended in every way there is, and what is left of them.

    make soak                                                       10,000 calls
    .venv/bin/python benchmarks/soak.py --calls 1000 --json out.json

A real daemon, as a process; its Twilio and its models are the sandbox's, in this one, over real sockets. Calls are made
``--at-once`` at a time, as fast as both processes can; after every ``--round`` of them all are waited for, and what the
daemon holds is looked at from outside. Passed is the run if

- descriptors, tasks and threads end where they began, and resident memory does not grow with the calls (its slope, by
  least squares over the samples after the warm-up, is not certainly above ``MEMORY_BOUND_KB`` for 1,000 calls);
- /metrics counts what was played: every call by its end reason, every refusal, every session of a model, none open;
- the journal has a row for each call, all of them closed;
- the log has nothing but what these endings ought to write, so many times as they were played.

Exit status 1 if not. The daemon remembers its last 1,000 calls and SQLite fills a cache of 2 MB: the warm-up is longer.
"""

from __future__ import annotations

import json
import math
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter, deque
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click
import httpx2
import trio

from benchmarks.endings import ENDINGS, HOST, OUR_NUMBER, Ending, Stage, number_of, numbers_table, tables_of
from benchmarks.steadiness import HELD, Counts, Sample, Slope, look_at, read_metrics, slope_of
from trio_voice.sandbox.demo import AGENT_KEY, open_daemon
from trio_voice.sandbox.twilio import open_sandbox_twilio
from trio_voice.sandbox.voice_agent import Manner, VoiceAgentServer, open_voice_agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

MEMORY_BOUND_KB: Final = 64.0
"""Of growth for each 1,000 calls: 64 bytes a call, less than the smallest thing that could be kept of one."""
PLAY_SECONDS: Final = 60.0
"""For one ending, on a machine that is busy."""
SETTLE_SECONDS: Final = 15.0
"""For what is left of a round to go away."""
LATE_SECONDS: Final = 0.1
"""By how much a task of this process may be late when another call is begun: more would be more than it can play."""
TEARDOWN_BUCKET: Final = "2.5"
"""Seconds in which every call must be closed: ``close_seconds``, and what a full processor adds."""
PROMISE_SECONDS: Final = 31.0
"""After which a path that was promised and never taken is forgotten."""

CONFIG: Final = """\
[server]
bind = "127.0.0.1:0"
public_url = "https://{host}"

[twilio]
account_sid = "{account_sid}"
from_number = "{our_number}"
api_url = "{api_url}"

[limits]
max_calls = 1000
start_seconds = 3
model_ready_seconds = 5
drain_seconds = 5
"""


@attrs.frozen(kw_only=True)
class Plan:
    """What is to be played."""

    calls: int = 10_000
    at_once: int = 40
    round_calls: int = 250
    warm_up_calls: int = 2_000
    endings: tuple[str, ...] = tuple(ENDINGS)


@attrs.define(kw_only=True)
class Report:
    """What came of it."""

    played: Counter[str] = attrs.field(factory=Counter)
    samples: list[Sample] = attrs.field(factory=list)
    seconds: float = 0.0
    """That calls were being made in."""
    failures: list[str] = attrs.field(factory=list)

    @property
    def calls(self) -> int:
        """How many endings were played."""
        return self.played.total()

    def warm(self, plan: Plan) -> list[Sample]:
        """The samples after the warm-up."""
        return [sample for sample in self.samples if sample.calls >= plan.warm_up_calls]

    def slopes(self, plan: Plan) -> dict[str, Slope]:
        """Of each thing that a process holds."""
        warm = self.warm(plan)
        return {name: slope_of(warm, name) for name in HELD} if len(warm) >= 3 else {}


class Soak:
    """One run.

    Args:
        plan: what to play.
        folder: where configuration, journal and log are written.
        tell: told a line of progress after every round.
    """

    def __init__(self, plan: Plan, folder: Path, tell: Callable[[str], None]) -> None:
        self._plan = plan
        self._folder = folder
        self._tell = tell
        self._random = random.Random(1)  # noqa: S311 - the same order each time
        self._models: dict[str, VoiceAgentServer] = {}
        self.report = Report()

    async def run(self) -> Report:
        """Play it all, and check what is left."""
        plan, report = self._plan, self.report
        async with self._open_stage() as stage:
            before = await read_metrics(stage.http, stage.daemon.url)
            await self._settle(stage)
            names = [plan.endings[number % len(plan.endings)] for number in range(plan.calls)]
            self._random.shuffle(names)
            for begin in range(0, plan.calls, plan.round_calls):
                await self._play_round(stage, names[begin : begin + plan.round_calls])
                await self._settle(stage)
                self._forget_settled(stage)
            if "the stream never comes" in plan.endings:
                await trio.sleep(PROMISE_SECONDS)
            await self._settle(stage, threads=True)
            self._check_counters(before, await read_metrics(stage.http, stage.daemon.url))
            for name, model in self._models.items():
                if model.open_sessions and not ENDINGS[name].leaves_model_open:
                    self._fail(f"{name}: {len(model.open_sessions)} sessions are open at the model")
            process = stage.daemon.process
            process.send_signal(signal.SIGTERM)
            with trio.move_on_after(SETTLE_SECONDS):
                await process.wait()
            if process.returncode != 0:
                self._fail(f"the daemon did not stop in good order: {process.returncode}")
        self._check_held()
        self._check_log(self._folder / "daemon.log")
        self._check_journal(self._folder / "journal.db")
        return report

    @asynccontextmanager
    async def _open_stage(self) -> AsyncIterator[Stage]:
        async with (
            open_sandbox_twilio() as twilio,
            httpx2.AsyncClient(trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0)) as http,
            AsyncExitStack() as models,
        ):
            twilio.account.record = False
            twilio.account.calls_per_second = 1_000
            config = CONFIG.format(
                host=HOST,
                our_number=OUR_NUMBER,
                account_sid=twilio.account_sid,
                api_url=twilio.api_url,
            )
            nobody = await _closed_port()
            for name in self._plan.endings:
                ending = ENDINGS[name]
                url = f"ws://127.0.0.1:{nobody}/v1/ws"
                if ending.sessions and not ending.unreachable:
                    self._models[name] = await models.enter_async_context(_open_model(ending))
                    url = self._models[name].url
                config += tables_of(name, url)
            path = self._folder / "config.toml"
            path.write_text(config + numbers_table(self._plan.endings), encoding="utf-8")
            async with open_daemon(path, self._folder / "daemon.log", twilio.auth_token) as daemon:
                twilio.connect_to(HOST, daemon.port)
                yield Stage(twilio, daemon, http)

    async def _play_round(self, stage: Stage, names: Sequence[str]) -> None:
        waiting = deque(names)

        async def play() -> None:
            while waiting:
                await _keep_time()
                if waiting:
                    await self._play(stage, waiting.popleft())

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(self._plan.at_once):
                nursery.start_soon(play)
        self.report.seconds += trio.current_time() - began

    async def _play(self, stage: Stage, name: str) -> None:
        self.report.played[name] += 1
        try:
            with trio.fail_after(PLAY_SECONDS):
                await ENDINGS[name].play(stage, number_of(name))
        except Exception as error:  # noqa: BLE001 - one ending's failure is told, and the others are played
            self._fail(f"{name}: {error!r}")

    async def _settle(self, stage: Stage, *, threads: bool = False) -> None:
        """Wait until nothing of a call is left, or its time is up, and look.

        ``threads``: also until those have gone that ran a tool, which trio keeps for ten seconds in case of another.
        """
        first = self.report.samples[0] if self.report.samples else None
        held = ("descriptors", "tasks", "threads") if threads else ("descriptors", "tasks")
        pid = stage.daemon.process.pid
        with trio.move_on_after(SETTLE_SECONDS):
            looks = 0
            while True:
                looks += 1
                await trio.sleep(0.2)
                counts = await read_metrics(stage.http, stage.daemon.url)
                sample = look_at(pid, self.report.calls, counts["trio_voice_tasks", ()])
                if first is None:
                    still = looks > 3
                else:
                    still = all(getattr(sample, name) <= getattr(first, name) for name in held)
                if still and not counts["trio_voice_calls", (("state", "live"),)]:
                    break
        self.report.samples.append(sample)
        rate = self.report.calls / self.report.seconds if self.report.seconds else 0
        words = f"{sample.descriptors} descriptors, {sample.tasks} tasks, {sample.threads} threads"
        self._tell(f"{sample.calls:6} calls  {rate:5.1f} a second  {words}, {sample.resident_kb} kB")

    def _forget_settled(self, stage: Stage) -> None:
        """What this process keeps of calls that are over would slow it down."""
        calls = stage.twilio.calls
        for sid in [sid for sid, call in calls.items() if call.settled.is_set()][: -self._plan.round_calls]:
            del calls[sid]
        stage.twilio.rest.requests.clear()
        for model in self._models.values():
            model.sessions[:] = model.open_sessions

    # What is checked

    def _fail(self, words: str) -> None:
        self.report.failures.append(words)

    def _expect(self, what: str, found: Counter[Any], wanted: Counter[Any]) -> None:
        for key in sorted((found | wanted).keys(), key=str):
            if found[key] != wanted[key]:
                self._fail(f"{what} {key}: {found[key]:g} instead of {wanted[key]}")

    def _check_held(self) -> None:
        first, last = self.report.samples[0], self.report.samples[-1]
        for name in ("descriptors", "tasks", "threads"):
            if getattr(last, name) > getattr(first, name):
                self._fail(f"{name}: {getattr(last, name)} at the end, {getattr(first, name)} at the beginning")
        bounds = dict.fromkeys(HELD, 0.0) | {"resident_kb": MEMORY_BOUND_KB}
        for name, slope in self.report.slopes(self._plan).items():
            if slope.grows(bounds[name]):
                self._fail(f"{name} grows by {slope.per_1000_calls:.2f} ± {slope.error:.2f} for every 1,000 calls")

    def _check_counters(self, before: Counts, after: Counts) -> None:
        def counted(name: str, *labels: str) -> Counter[Any]:
            found: Counter[Any] = Counter()
            for (sample, pairs), value in after.items():
                more = value - before.get((sample, pairs), 0)
                if sample == name and more:
                    values = dict(pairs)
                    found[tuple(values[label] for label in labels)] += round(more)
            return found

        calls, refusals, sessions = Counter[Any](), Counter[Any](), 0
        for name, times in self.report.played.items():
            ending = ENDINGS[name]
            if ending.reason is not None:
                calls[ending.reason, ending.direction] += times
            if ending.refusal is not None:
                refusals[ending.refusal] += times
            sessions += ending.sessions * times
        self._expect("calls_ended", counted("trio_voice_calls_ended_total", "end_reason", "direction"), calls)
        self._expect("refusals", counted("trio_voice_refusals_total", "what", "code"), refusals)
        closings = counted("trio_voice_model_sessions_total", "closing")
        self._expect("sessions", Counter({"all": closings.total()}), Counter({"all": sessions}))
        answered = after["trio_voice_call_teardown_seconds_count", ()]
        in_time = after["trio_voice_call_teardown_seconds_bucket", (("le", TEARDOWN_BUCKET),)]
        if in_time < answered:
            self._fail(f"{answered - in_time:g} calls took longer than {TEARDOWN_BUCKET} s to be closed")
        for name in ("calls", "model_sessions_open", "journal_waiting_entries", "journal_lost_entries_total"):
            left = sum(value for (sample, _), value in after.items() if sample == f"trio_voice_{name}")
            if left:
                self._fail(f"{name}: {left:g} at the end")

    def _check_log(self, path: Path) -> None:
        found: Counter[Any] = Counter()
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                self._fail(f"no JSON in the log: {line[:200]}")
                continue
            if entry["level"] not in {"info", "debug"} or "exception" in entry:
                found[entry["event"]] += 1
        wanted: Counter[Any] = Counter()
        for name, times in self.report.played.items():
            if (warning := ENDINGS[name].warning) is not None:
                wanted[warning] += times
        self._expect("warnings in the log,", found, wanted)

    def _check_journal(self, path: Path) -> None:
        connection = sqlite3.connect(path)
        try:
            rows = Counter(dict(connection.execute("SELECT end_reason, count(*) FROM calls GROUP BY end_reason")))
            (calls_open,) = connection.execute("SELECT count(*) FROM calls WHERE ended_at IS NULL").fetchone()
            (sessions,) = connection.execute("SELECT count(*) FROM model_sessions").fetchone()
            (sessions_open,) = connection.execute(
                "SELECT count(*) FROM model_sessions WHERE closed_at IS NULL"
            ).fetchone()
        finally:
            connection.close()
        wanted: Counter[Any] = Counter()
        wanted_sessions = 0
        for name, times in self.report.played.items():
            if (reason := ENDINGS[name].reason) is not None:
                wanted[str(reason)] += times
            wanted_sessions += ENDINGS[name].sessions * times
        self._expect("calls in the journal,", rows, wanted)
        if sessions != wanted_sessions:
            self._fail(f"sessions in the journal: {sessions} instead of {wanted_sessions}")
        if calls_open or sessions_open:
            self._fail(f"{calls_open} calls and {sessions_open} sessions are open in the journal")


@asynccontextmanager
async def _open_model(ending: Ending) -> AsyncIterator[VoiceAgentServer]:
    async with open_voice_agent(
        ending.script.cast,
        api_key=ending.key or AGENT_KEY,
        manner=Manner(leading_silence_ms=20, preamble_ms=0),
        faults=ending.faults,
        keeps_audio=False,
    ) as agent:
        yield agent


async def _keep_time() -> None:
    """Wait until this process keeps time: what is late here would be taken for the daemon's doing."""
    late = math.inf
    while late > LATE_SECONDS:
        due = trio.current_time() + LATE_SECONDS / 2
        await trio.sleep_until(due)
        late = trio.current_time() - due


async def _closed_port() -> int:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port: int = listener.socket.getsockname()[1]
    await listener.aclose()
    return port


def table_of(plan: Plan, report: Report) -> str:
    """What a person reads."""
    first, last = report.samples[0], report.samples[-1]
    used = last.cpu_seconds - first.cpu_seconds
    rate = f"{report.calls} calls, {plan.at_once} at once: {report.calls / report.seconds:.1f} a second"
    lines = [
        f"{rate}, {used / report.calls * 1_000:.1f} ms of the daemon's processor for each",
        "",
        f"{'':14}{'at first':>10}{'at last':>10}{'slope for 1,000 calls':>24}",
    ]
    slopes = report.slopes(plan)
    for name in HELD:
        slope = slopes.get(name)
        words = "" if slope is None else f"{slope.per_1000_calls:+.3f} ± {slope.error:.3f}"
        lines.append(f"{name:14}{getattr(first, name):>10}{getattr(last, name):>10}{words:>24}")
    if slopes:
        since = report.warm(plan)[0].calls
        lines.append(f"(slopes from call {since} on, {len(report.warm(plan))} samples, ± one standard error)")
    lines += ["", *(f"{times:7}  {name}" for name, times in report.played.most_common())]
    lines += ["", *(f"FAILED  {failure}" for failure in report.failures[:50])]
    if len(report.failures) > 50:
        lines.append(f"... and {len(report.failures) - 50} more")
    lines.append("failed" if report.failures else "passed")
    return "\n".join(lines)


def json_of(plan: Plan, report: Report) -> dict[str, Any]:
    """What a program reads."""
    return {
        "plan": attrs.asdict(plan),
        "calls_a_second": report.calls / report.seconds,
        "slopes_per_1000_calls": {name: attrs.asdict(slope) for name, slope in report.slopes(plan).items()},
        "samples": [attrs.asdict(sample) for sample in report.samples],
        "played": dict(report.played),
        "failures": report.failures,
    }


@click.command(help=__doc__)
@click.option("--calls", default=Plan().calls, show_default=True)
@click.option("--at-once", default=Plan().at_once, show_default=True)
@click.option("--round", "round_calls", default=Plan().round_calls, show_default=True)
@click.option("--warm-up", "warm_up_calls", default=Plan().warm_up_calls, show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all samples there.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep configuration, journal and log there.")
def main(
    calls: int, at_once: int, round_calls: int, warm_up_calls: int, json_path: Path | None, keep: Path | None
) -> None:
    plan = Plan(calls=calls, at_once=at_once, round_calls=round_calls, warm_up_calls=warm_up_calls)
    with tempfile.TemporaryDirectory() as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        soak = Soak(plan, folder, lambda line: click.echo(f"{time.monotonic() - began:6.0f} s  {line}", err=True))
        report = trio.run(soak.run)
    click.echo(table_of(plan, report))
    if json_path is not None:
        json_path.write_text(json.dumps(json_of(plan, report), indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    main()
