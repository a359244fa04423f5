"""``trio-voice demo`` and ``trio-voice sandbox``: a call, and its peers, on this machine."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

from trio_voice.cli.exits import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_UNAVAILABLE, EXIT_USAGE, stop
from trio_voice.cli.extras import why_missing
from trio_voice.daemon.logs import set_up_logging
from trio_voice.errors import first_cause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@click.command(short_help="Run a Twilio and an agent on this machine.")
@click.option("--ring", type=float, metavar="SECONDS", help="Call the daemon after so many seconds.")
@click.option("--force", is_flag=True, help="Write sandbox.toml anew, also where you have changed it.")
def sandbox(ring: float | None, *, force: bool) -> None:
    """Run a Twilio and an agent on this machine, to try a daemon against by hand. Writes sandbox.toml."""
    _need_sandbox()
    from trio_voice.sandbox.demo.try_it import run_playground  # noqa: PLC0415 - only this needs the sandbox extra

    wrong: list[str] = []
    try:
        trio.run(partial(run_playground, Path(), force=force, ring_in=ring))
    except* OSError as refused:
        wrong.append(f"the sandbox cannot begin: {first_cause(refused)} (does another one run?)")
    except* KeyboardInterrupt:
        pass
    if wrong:
        stop(EXIT_UNAVAILABLE, *wrong)


@click.command(short_help="Live a whole call on this machine.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), help="Where the recording goes.")
@click.option(
    "--model",
    "kind",
    help="The kind of model: one of those of config.toml.",
    default="assemblyai-agent",
    show_default=True,
)
@click.option("--outbound", is_flag=True, help="The daemon calls somebody; a tool is used; the agent ends the call.")
@click.option("--transfer", is_flag=True, help="A caller asks for a person, and is put through to one.")
@click.option("--quiet", is_flag=True, help="Without meters, for a log instead of a terminal.")
@click.option("--chat-url", help="An OpenAI-compatible server that answers, such as http://127.0.0.1:11434/v1.")
@click.option("--chat-model", default="default", help="The model's name there.  [default: default]")
def demo(
    out: Path, kind: str, *, outbound: bool, transfer: bool, quiet: bool, chat_url: str | None, chat_model: str
) -> None:
    """Live a whole call on this machine: no account, key, number or network."""
    _need_sandbox()
    from trio_voice.sandbox.demo.demo import run_demo  # noqa: PLC0415 - only this needs the sandbox extra
    from trio_voice.sandbox.peers import PEERS, Chat  # noqa: PLC0415 - likewise

    if kind not in PEERS:
        stop(EXIT_USAGE, f"no model of kind {kind!r} lives on this machine; known are {', '.join(PEERS)}")
    if outbound and transfer:
        stop(EXIT_USAGE, "--outbound and --transfer are two calls: ask for one of them")
    _make_folder(out)
    set_up_logging(json=False)
    scene = "outbound" if outbound else "transfer" if transfer else "inbound"
    chat = Chat(chat_url, chat_model, os.environ.get("OPENAI_API_KEY")) if chat_url else None
    succeeded = _run_demo(partial(run_demo, out, kind=kind, chat=chat, scene=scene, quiet=quiet), out)
    sys.exit(0 if succeeded else EXIT_FAILED)


def _make_folder(out: Path) -> None:
    """Make the folder of the recording, or end the command with a line that says why not."""
    from trio_voice.sandbox.demo.scenes import RECORDING  # noqa: PLC0415 - only the demo needs the sandbox extra

    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / RECORDING).unlink(missing_ok=True)
        (out / "daemon.log").touch()
    except OSError as wrong:
        stop(EXIT_USAGE, f"--out {out}: nothing can be written there: {wrong.strerror or wrong}")


def _need_sandbox() -> None:
    """End the command with a line where the sandbox's libraries are not."""
    missing = why_missing("sandbox")
    if missing is not None:
        stop(EXIT_UNAVAILABLE, missing)


def _run_demo(run: Callable[[], Awaitable[bool]], out: Path) -> bool:
    """Live it through, or up to Ctrl-C."""
    succeeded = False
    try:
        succeeded = trio.run(run)
    except* KeyboardInterrupt:
        recording = out / "call.wav"
        until_now = f"; what was recorded until now is in {recording}" if recording.exists() else ""
        stop(EXIT_INTERRUPTED, f"stopped{until_now}")
    return succeeded
