"""What one call that misbehaves does to fifty that do not: how much later their frames arrive.

    make neighbours
    .venv/bin/python benchmarks/neighbours.py --calls 20 --seconds 3 --json out.json

A real daemon, as a process, and real sockets. Every neighbour says something different every 20 ms, and its model says
it back: measured is the time from a frame's leaving the caller to its coming back to it, which is twice through the
daemon. Quiet and misbehaviour take turns, with the same calls and in the same daemon; the calls that misbehave are made
by a third process, one at a time, and again at once when they are ended. The machine's other work is in both figures,
so what is told is their difference and their ratio.

Passed is the run if no neighbour was ended and every one of its frames came back; exit status 1 if not.
"""

from __future__ import annotations

import base64
import gc
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click
import httpx2
import trio

from benchmarks.neighbouring import bad_tools, misbehaviour
from benchmarks.neighbouring.misbehaviour import FRAME_SECONDS, MISBEHAVIOURS, open_stream
from trio_voice.sandbox.demo import open_daemon
from trio_voice.sandbox.sockets import SandboxSocket, serve_sockets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from trio_voice.legs.channel import Channel

NUMBER: Final = "+15553999999"
"""Whom one calls to be echoed."""
LATE_SECONDS: Final = 5.0
"""For the last frames to come back."""
BETWEEN_SECONDS: Final = 1.0
"""What is still going on from before is measured as neither."""
QUIET: Final = ""

CONFIG: Final = """\
[server]
bind = "127.0.0.1:0"
public_url = "https://neighbours.trio-voice.example"

[twilio]
validate_signatures = false

[limits]
max_calls = 1000
time_limit_seconds = 3600
idle_seconds = 3600

[models.echo]
kind = "assemblyai-agent"
url = "{echo}"

[personas.echo]
model = "echo"

"""


@attrs.frozen
class Plan:
    """What is to be measured."""

    calls: int = 50
    seconds: float = 5.0
    """Of each quiet, and of each misbehaviour."""
    misbehaviours: tuple[str, ...] = tuple(MISBEHAVIOURS)


@attrs.define
class Delays:
    """Of the frames that were sent in one phase, in seconds."""

    values: list[float] = attrs.field(factory=list)
    sent: int = 0

    def at(self, fraction: float) -> float:
        """The delay that so many of them do not exceed."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))] if ordered else math.nan


@attrs.frozen
class Finding:
    """One misbehaviour beside the quiet before it."""

    name: str
    quiet: Delays
    misbehaving: Delays

    @property
    def lost(self) -> int:
        """Frames that did not come back, of both."""
        return sum(delays.sent - len(delays.values) for delays in (self.quiet, self.misbehaving))

    def as_json(self) -> dict[str, Any]:
        """In milliseconds."""
        figures: dict[str, Any] = {"misbehaviour": self.name, "frames_lost": self.lost}
        for what, delays in (("quiet", self.quiet), ("misbehaving", self.misbehaving)):
            figures[what] = {"frames": delays.sent} | {
                f"p{100 * fraction:g}_ms": round(delays.at(fraction) * 1_000, 3) for fraction in (0.5, 0.99, 1)
            }
        return figures


class Neighbours:
    """Well-behaved calls, and the clock that they are held against."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        """Why neighbours were ended, which none should be."""
        self.over = False
        """Nobody is to be blamed any more."""
        self._phase: Delays = Delays()

    def begin(self) -> Delays:
        """From now on frames count there."""
        self._phase = Delays()
        return self._phase

    async def live(self, stream: Channel, number: int) -> None:
        """One call: a frame every 20 ms, each with a number."""
        sent: dict[int, tuple[float, Delays]] = {}
        filling = base64.b64encode(random.Random(number).randbytes(154)).decode()
        head = '{"event":"media","media":{"track":"inbound","payload":"'
        tail = filling + '"},"streamSid":"MZ1"}'

        marks: deque[str] = deque()  # echoed with the next frame: a channel has one writer

        async def hear() -> None:
            while True:
                message = str(await stream.receive())
                if message.startswith('{"event":"media"'):
                    payload = message.partition('"payload":"')[2]
                    at, phase = sent.pop(int(base64.b64decode(payload[:8])))
                    phase.values.append(trio.current_time() - at)
                elif message.startswith('{"event":"mark"'):
                    marks.append(message)

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(hear)
                due = trio.current_time() + number * 0.000_4  # not all at once
                for frame in range(10**6):
                    due += FRAME_SECONDS
                    await trio.sleep_until(due)
                    while marks:
                        await stream.send(marks.popleft())
                    media = head + base64.b64encode(b"%06d" % frame).decode() + tail
                    sent[frame] = trio.current_time(), self._phase
                    self._phase.sent += 1
                    await stream.send(media)
        except* (trio.EndOfChannel, trio.BrokenResourceError) as ended:
            if not self.over:
                self.ended.append(
                    f"neighbour {number}: {ended.exceptions[0]!r} {stream.close_code} {stream.close_reason}"
                )


async def echo(socket: SandboxSocket, _request: object) -> None:
    """A model that says what it hears."""
    with suppress(trio.EndOfChannel, trio.BrokenResourceError):
        await socket.receive()
        await socket.send('{"type":"session.ready","session_id":"s","config":{}}')
        await socket.send('{"type":"reply.started","reply_id":"r"}')
        while True:
            message = str(await socket.receive())
            if message.startswith('{"type":"input.audio","audio":"'):
                await socket.send('{"type":"reply.audio","reply_id":"r","data":' + message[30:])


@asynccontextmanager
async def open_house(folder: Path) -> AsyncIterator[tuple[str, Callable[[str], Any]]]:
    """A daemon, an echo, and who misbehaves: the daemon's address, and what tells the latter how."""
    command = [sys.executable, "-m", "benchmarks.neighbouring.misbehaviour", "10"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    async with trio.open_nursery() as nursery:
        echo_port = await nursery.start(lambda task_status: serve_sockets(echo, task_status=task_status))
        rogue = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        try:
            assert rogue.stdout is not None
            assert rogue.stdin is not None
            stdin = rogue.stdin
            rogue_port = int(await rogue.stdout.receive_some())
            config = CONFIG.format(echo=f"ws://127.0.0.1:{echo_port}/")
            config += rogue_tables(rogue_port)
            path = folder / "config.toml"
            path.write_text(config + f'\n[numbers]\n"{NUMBER}" = "echo"\n' + rogue_numbers(), encoding="utf-8")
            shutil.copy(bad_tools.__file__, folder / "bad_tools.py")
            async with open_daemon(path, folder / "daemon.log", "no token") as daemon:

                async def tell(name: str) -> None:
                    await stdin.send_all(f"{name} {daemon.url}\n".encode() if name else b"\n")

                yield daemon.url, tell
        finally:
            rogue.kill()
            with trio.CancelScope(deadline=trio.current_time() + 5, shield=True):
                await rogue.wait()
            nursery.cancel_scope.cancel()


def rogue_tables(port: int) -> str:
    """A model and a persona for each misbehaviour."""
    tools = ["wait_for_ever", "block_for_ever", "compute_for_ever", "fail"]
    listed = ", ".join(f'"bad_tools:{tool}"' for tool in tools)
    return "\n".join(
        f'[models.m{place}]\nkind = "assemblyai-agent"\nurl = "ws://127.0.0.1:{port}/{place}"\n'
        f'[personas.p{place}]\nmodel = "m{place}"\ntools = [{listed}]\n'
        for place in range(len(MISBEHAVIOURS))
    )


def rogue_numbers() -> str:
    """Whom one calls to meet each."""
    return "".join(f'"{misbehaviour.number_of(name)}" = "p{place}"\n' for place, name in enumerate(MISBEHAVIOURS))


async def measure(plan: Plan, folder: Path, tell: Callable[[Finding], None]) -> tuple[list[Finding], list[str]]:
    """Everything that there is to find, and why neighbours were ended, if any were."""
    findings: list[Finding] = []
    neighbours = Neighbours()
    async with (
        open_house(folder) as (url, misbehave),
        httpx2.AsyncClient(trust_env=False) as http,
        trio.open_nursery() as nursery,
    ):
        for number in range(plan.calls):
            nursery.start_soon(neighbours.live, await open_stream(http, url, NUMBER), number)
        await trio.sleep(BETWEEN_SECONDS)
        for name in plan.misbehaviours:
            phases = []
            for now in (QUIET, name):
                await misbehave(now)
                neighbours.begin()
                await trio.sleep(BETWEEN_SECONDS)
                phases.append(neighbours.begin())
                await trio.sleep(plan.seconds)
            neighbours.begin()
            with trio.move_on_after(LATE_SECONDS):  # noqa: ASYNC912 - it sleeps where it loops
                while any(phase.sent > len(phase.values) for phase in phases):
                    await trio.sleep(0.05)
            findings.append(Finding(name, *phases))
            tell(findings[-1])
        neighbours.over = True
        nursery.cancel_scope.cancel()
    return findings, neighbours.ended


def line_of(finding: Finding) -> str:
    """What a person reads."""
    quiet, bad = finding.quiet.at(0.99) * 1_000, finding.misbehaving.at(0.99) * 1_000
    worst = finding.misbehaving.at(1) * 1_000
    return f"{finding.name:45}{quiet:9.2f}{bad:9.2f}{bad - quiet:+9.2f}{bad / quiet:8.2f}{worst:9.1f}{finding.lost:7}"


HEADING: Final = f"{'while one call ...':45}{'quiet':>9}{'beside':>9}{'added':>9}{'ratio':>8}{'worst':>9}{'lost':>7}"


@click.command(help=__doc__)
@click.option("--calls", default=Plan().calls, show_default=True)
@click.option("--seconds", default=Plan().seconds, show_default=True, help="Of each quiet and each misbehaviour.")
@click.option("--only", multiple=True, help="Words of the misbehaviours to measure.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures there.")
def main(calls: int, seconds: float, only: tuple[str, ...], json_path: Path | None) -> None:
    names = tuple(name for name in MISBEHAVIOURS if not only or any(words in name for words in only))
    plan = Plan(calls, seconds, names)
    gc.disable()  # this process's own pauses would be taken for the daemon's
    click.echo(f"{calls} neighbours; the 99th percentile of their frames' way there and back, in ms\n\n{HEADING}")
    with tempfile.TemporaryDirectory() as folder:
        findings, ended = trio.run(measure, plan, Path(folder), lambda finding: click.echo(line_of(finding)))
    failures = [*ended, *(f"{each.lost} frames were lost: {each.name}" for each in findings if each.lost)]
    click.echo("\n".join(["", *(f"FAILED  {failure}" for failure in failures), "failed" if failures else "passed"]))
    if json_path is not None:
        figures = {"calls": calls, "findings": [each.as_json() for each in findings], "failures": failures}
        json_path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
