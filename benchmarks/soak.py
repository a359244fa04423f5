"""The long run: thousands of calls through one daemon, ended in every way there is, and what is left of them.

    make soak                                                       10,000 calls: about a quarter of an hour
    .venv/bin/python benchmarks/soak.py --calls 1000 --json out.json

A real daemon, as a process; its Twilio and its models are the sandbox's, in this one, over real sockets. Calls are made
``--at-once`` at a time, as fast as both processes can; after every ``--round`` of them all are waited for, and what the
daemon holds is looked at from outside. Passed is the run if

- descriptors, tasks and threads end where they began, and resident memory does not grow with the calls (its slope, by
  least squares over the samples after the warm-up, is not certainly above ``MEMORY_BOUND_KB`` for 1,000 calls);
- /metrics counts what was played: every call by its end reason, every refusal, every session of a model, none open;
- the log has a line for the end of each call, and otherwise nothing but what these endings ought to write;
- told to stop in the middle of its last calls, the daemon ends them, and itself, in order;
- the journal has a row for each call and each session, all of them closed, and no phone is left up.

Exit status 1 if not. The daemon remembers its last 1,000 calls and SQLite fills a cache of 2 MB: the warm-up is longer.
"""

from __future__ import annotations

import json
import math
import random
import signal
import sys
import tempfile
import time
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import httpx2
import trio

from benchmarks.soaking.books import check_journal, check_log, check_metrics, tries_left_out
from benchmarks.soaking.endings import ENDINGS, NOBODY, Ending, model_table, number_of, numbers_table, tables_of
from benchmarks.soaking.plays import HOST, OUR_NUMBER, Stage
from benchmarks.soaking.report import ENDS_AS_IT_BEGAN, Plan, Report
from benchmarks.soaking.steadiness import look_at, read_metrics
from trio_voice.sandbox.demo.demo import AGENT_KEY, open_daemon
from trio_voice.sandbox.providers.assemblyai_agent import Manner, VoiceAgentServer, open_voice_agent
from trio_voice.sandbox.twilio.server import open_sandbox_twilio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

PLAY_SECONDS: Final = 90.0
"""For one ending, on a machine that is busy."""
SETTLE_SECONDS: Final = 60.0
"""For what is left of a round to go away."""
LATE_SECONDS: Final = 0.1
"""By how much a task of this process may be late when another call is begun: more would be more than it can play."""
PROMISE_SECONDS: Final = 31.0
"""After which a path that was promised and never taken is forgotten."""
LAST_CALLS: Final = 5
"""In the middle of which the daemon is told to stop."""
JOURNAL_SECONDS: Final = 5.0
"""For what waits for the journal to be written."""
READY_SECONDS: Final = 5.0
"""That a model has to be ready."""

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
start_seconds = 4
close_seconds = 1
media_gap_seconds = 5
model_ready_seconds = {ready_seconds:g}
drain_seconds = 2
playback_lead_seconds = 4
"""


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
        self._random = random.Random(1)  # the same order each time
        self._models: dict[str, VoiceAgentServer] = {}
        self.report = Report(plan=plan)

    async def run(self) -> Report:
        """Play it all, and check what is left."""
        plan, report = self._plan, self.report
        mixed = [name for name in plan.endings if not ENDINGS[name].is_the_last]
        async with self._open_stage() as stage:
            before = await read_metrics(stage.http, stage.daemon.url)
            await self._settle(stage)
            names = [mixed[number % len(mixed)] for number in range(plan.calls)]
            self._random.shuffle(names)
            for begin in range(0, plan.calls, plan.round_calls):
                if report.seconds > plan.seconds:
                    break
                await self._play_round(stage, names[begin : begin + plan.round_calls])
                await self._settle(stage)
                self._forget_settled(stage)
            if any(ENDINGS[name].promises_for_nothing for name in mixed):
                await trio.sleep(PROMISE_SECONDS)
            await self._settle(stage, threads=True)
            after = await read_metrics(stage.http, stage.daemon.url)
            with trio.move_on_after(JOURNAL_SECONDS):  # noqa: ASYNC912 - it sleeps
                while after["trio_voice_journal_waiting_entries", ()]:  # a heartbeat may be on its way
                    await trio.sleep(0.1)
                    after = await read_metrics(stage.http, stage.daemon.url)
            report.tries_left_out = left_out = tries_left_out(report.played, self._folder / "daemon.log")
            report.failures += check_metrics(report.played, before, after, left_out=left_out)
            for name, model in self._models.items():
                if model.open_sessions and not ENDINGS[name].leaves_model_open:
                    report.failures.append(f"{name}: {len(model.open_sessions)} sessions are open at the model")
            await self._stop(stage, [name for name in plan.endings if ENDINGS[name].is_the_last])
            if up := [call for call in stage.twilio.calls.values() if not call.over]:
                report.failures.append(f"{len(up)} phones are up at the end")
        report.judge()
        report.failures += check_log(report.played, self._folder / "daemon.log", left_out=left_out)
        report.failures += check_journal(report.played, self._folder / "journal.db", left_out=left_out)
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
                ready_seconds=READY_SECONDS,
            )
            config += model_table(NOBODY, f"ws://127.0.0.1:{await _closed_port()}/v1/ws")
            for name in self._plan.endings:
                url = ""
                if ENDINGS[name].has_a_model:
                    self._models[name] = await models.enter_async_context(_open_model(ENDINGS[name]))
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
                await _keep_time()  # sixty that call in the same moment are more than this process can play
        self.report.seconds += trio.current_time() - began

    async def _play(self, stage: Stage, name: str) -> None:
        self.report.played[name] += 1
        try:
            with trio.fail_after(PLAY_SECONDS):
                await ENDINGS[name].play(stage, number_of(name))
        except Exception as error:  # noqa: BLE001 - one ending's failure is told, and the others are played
            self.report.failures.append(f"{name}: {error!r}")

    async def _settle(self, stage: Stage, *, threads: bool = False) -> None:
        """Wait until nothing of a call is left, or its time is up, and look.

        ``threads``: also until those have gone that ran a tool, which trio keeps for ten seconds in case of another.
        """
        report = self.report
        first = report.samples[0] if report.samples else None
        held = ENDS_AS_IT_BEGAN if threads else tuple(name for name in ENDS_AS_IT_BEGAN if name != "threads")
        with trio.move_on_after(SETTLE_SECONDS):
            looks = 0
            while True:
                looks += 1
                await trio.sleep(0.2)
                counts = await read_metrics(stage.http, stage.daemon.url)
                sample = look_at(stage.daemon.process.pid, report.calls, counts["trio_voice_tasks", ()])
                if first is None:
                    still = looks > 3
                else:
                    still = all(getattr(sample, name) <= getattr(first, name) for name in held)
                if still and not counts["trio_voice_calls", (("state", "live"),)]:
                    break
        report.samples.append(sample)
        words = f"{sample.descriptors} descriptors, {sample.tasks} tasks, {sample.threads} threads"
        self._tell(f"{sample.calls:6} calls  {report.calls_a_second:5.1f} a second  {words}, {sample.resident_kb} kB")

    def _forget_settled(self, stage: Stage) -> None:
        """Forget calls that are over: what this process keeps of them would slow it down."""
        calls = stage.twilio.calls
        for sid in [sid for sid, call in calls.items() if call.settled.is_set()]:
            del calls[sid]
        stage.twilio.rest.requests.clear()
        for model in self._models.values():
            model.sessions[:] = model.open_sessions

    async def _stop(self, stage: Stage, names: Sequence[str]) -> None:
        """Tell the daemon to stop while the last calls are live."""
        process = stage.daemon.process
        async with trio.open_nursery() as nursery:
            for name in names:
                for _ in range(LAST_CALLS):
                    nursery.start_soon(self._play, stage, name)
            with trio.move_on_after(SETTLE_SECONDS):  # noqa: ASYNC912 - it sleeps where it loops
                live = 0.0
                while live < LAST_CALLS * len(names):
                    await trio.sleep(0.1)
                    counts = await read_metrics(stage.http, stage.daemon.url)
                    live = counts["trio_voice_calls", (("state", "live"),)]
            process.send_signal(signal.SIGTERM)
            with trio.move_on_after(SETTLE_SECONDS):
                await process.wait()
        if process.returncode != 0:
            self.report.failures.append(f"the daemon did not stop in good order: {process.returncode}")


@asynccontextmanager
async def _open_model(ending: Ending) -> AsyncIterator[VoiceAgentServer]:
    async with open_voice_agent(
        ending.script.backend,
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


@click.command(help=__doc__)
@click.option("--calls", default=Plan().calls, show_default=True)
@click.option("--at-once", default=Plan().at_once, show_default=True)
@click.option("--round", "round_calls", default=Plan().round_calls, show_default=True)
@click.option("--warm-up", "warm_up_calls", default=Plan().warm_up_calls, show_default=True)
@click.option("--minutes", default=math.inf, help="Begin no further round when calls have been made for so long.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all samples there.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep configuration, journal and log there.")
def main(
    calls: int,
    at_once: int,
    round_calls: int,
    warm_up_calls: int,
    minutes: float,
    json_path: Path | None,
    keep: Path | None,
) -> None:
    plan = Plan(
        calls=calls,
        at_once=at_once,
        round_calls=round_calls,
        warm_up_calls=warm_up_calls,
        seconds=60 * minutes,
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("journal.db*"):
            path.unlink()  # an earlier run's
        soak = Soak(plan, folder, partial(_tell, time.monotonic()))
        report = trio.run(soak.run)
    click.echo(report.as_text())
    if json_path is not None:
        json_path.write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if report.failures else 0)


def _tell(began: float, line: str) -> None:
    click.echo(f"{time.monotonic() - began:6.0f} s  {line}", err=True)


if __name__ == "__main__":
    main()
