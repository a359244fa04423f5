"""A whole call on this machine: the real daemon, a Twilio and an agent that hears and speaks, and nobody else.

Nothing here is staged. The daemon is a process of its own that knows of no sandbox; the caller's words are spoken,
cross both sockets as 20 ms frames, are recognised, answered and spoken again; the interruption is noticed or not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx2
import trio

from trio_voice.sandbox.demo.scenes import COLLEAGUE, OPERATOR_TOKEN, PUBLIC_HOST, RECORDING, Daemon, Stage
from trio_voice.sandbox.demo.view import View
from trio_voice.sandbox.peers import PEERS, open_peer
from trio_voice.sandbox.twilio.server import open_sandbox_twilio
from trio_voice.speech import load_speech

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio_voice.sandbox.peers import Chat, Peer
    from trio_voice.sandbox.twilio.server import SandboxTwilio

KIND: Final = "assemblyai-agent"
AGENT_KEY: Final = "demo-agent-key"
START_SECONDS: Final = 60.0

SCENES: Final = {
    "inbound": (Stage.converse, Stage.replay),
    "outbound": (Stage.call_out,),
    "transfer": (Stage.put_through,),
}

CONFIG: Final = """\
[server]
bind = "127.0.0.1:0"
public_url = "https://{host}"

[twilio]
account_sid = "{account_sid}"
from_number = "+15551234567"
api_url = "{api_url}"

{model}
[personas.receptionist]
model = "here"
voice = "{voices[0]}"
greeting = "Hello, this is the automated receptionist of Juniper Bakery. How can I help you?"
prompt = "You answer the telephone of a small bakery."

tools = ["transfer_to_human"]
transfer_to = "{colleague}"

[personas.reminder]
model = "here"
voice = "{voices[1]}"
greeting = "Hello, this is the automated assistant of Juniper Bakery. Your cake will be ready tomorrow at ten."
prompt = "You remind customers of their orders."
tools = ["generate_random_number", "end_call", "mark_do_not_call"]

[numbers]
default = "receptionist"

# As the shipped config.toml has them; yours are in your contracts.
[prices]
as_of = 2026-11-20
currency = "USD"

[prices.twilio]
inbound_minute = 0.0085
outbound_minute = 0.014
media_stream_minute = 0.004

[prices.assemblyai-agent]
minute = 0.075
unacknowledged_seconds = 30
"""


def configuration(kind: str, peer: Peer, twilio: SandboxTwilio) -> str:
    """A daemon's config.toml between such a peer and the sandbox's Twilio."""
    keys = {"kind": kind, **PEERS[kind].keys, **peer.urls}
    model = "\n".join(["[models.here]", *(f'{key} = "{value}"' for key, value in keys.items())])
    voices = PEERS[kind].voices
    return CONFIG.format(
        host=PUBLIC_HOST,
        account_sid=twilio.account_sid,
        api_url=twilio.api_url,
        model=model,
        voices=voices,
        colleague=COLLEAGUE,
    )


@asynccontextmanager
async def open_daemon(config: Path, log: Path, auth_token: str) -> AsyncIterator[Daemon]:
    """Run ``trio-voice serve`` until the block is left; then it is told to stop, and killed if it does not.

    It runs where its configuration is, so that its journal is there too.

    Raises:
        RuntimeError: it did not start; its log says why.
    """
    environment = os.environ | {
        "TWILIO_AUTH_TOKEN": auth_token,
        **{name: AGENT_KEY for family in PEERS.values() for name in family.credentials},
        "TRIO_VOICE_API_TOKEN": OPERATOR_TOKEN,
    }
    config = config.absolute()  # noqa: ASYNC240 - it asks for the working directory, which does not block
    command = [sys.executable, "-m", "trio_voice", "--config", str(config), "serve"]
    with log.open("wb") as stderr:
        process = await trio.lowlevel.open_process(
            command, stdout=subprocess.PIPE, stderr=stderr, env=environment, cwd=config.parent
        )
        try:
            said = b""
            with trio.move_on_after(START_SECONDS):
                while b"\n" not in said and process.stdout and (more := await process.stdout.receive_some()):
                    said += more
            if not said.startswith(b"listening on "):
                raise RuntimeError(f"the daemon did not start; see {log}")
            # A proxy has no business on loopback, and a busy machine answers late.
            async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
                yield Daemon(process, said.decode(), http)
        finally:
            with trio.CancelScope(deadline=trio.current_time() + 5, shield=True):
                process.send_signal(signal.SIGTERM)
                await process.wait()
            if process.returncode is None:
                process.kill()
                with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
                    await process.wait()


async def run_demo(
    out: Path, *, kind: str = KIND, chat: Chat | None = None, scene: str = "inbound", quiet: bool = False
) -> bool:
    """The demo: a conversation with an interruption, then a real captured stream, then what they have left.

    Args:
        out: where recording, transcript and log are written.
        kind: of the model.
        chat: answers in place of the intents.
        scene: ``inbound``, ``outbound`` (the daemon calls somebody) or ``transfer`` (a caller is put through).
        quiet: without meters, for a log instead of a terminal.

    Returns:
        Whether all of it went as promised.

    Raises:
        SpeechUnavailable: the ``speech`` extra is not installed or does not work here.
    """
    view = View(quiet=quiet)
    if chat is not None and (reason := await chat.ask_first()):
        return view.check(f"the language model at {chat.url} answers: {reason}", kept=False)
    view.say("loading ears and a voice for this machine")
    speech = await trio.to_thread.run_sync(load_speech)
    async with open_peer(kind, speech, chat, AGENT_KEY) as agent, open_sandbox_twilio() as twilio:
        config = out / "config.toml"
        config.write_text(configuration(kind, agent, twilio))
        async with open_daemon(config, out / "daemon.log", twilio.auth_token) as daemon:
            twilio.connect_to(PUBLIC_HOST, daemon.port)
            view.say(f"the daemon listens on {daemon.url}, as a process of its own")
            stage = Stage(view, speech, agent, twilio, daemon, out)
            try:
                promises = [await play(stage) for play in SCENES[scene]]
            finally:
                stage.keep_recording()  # of a demo that is stopped, too
            promises.append(await stage.look_around())
        promises.append(view.check("the daemon stopped when it was told to", daemon.process.returncode == 0))
        if chat is not None:
            said = f" ({chat.failures[-1]})" if chat.failures else ""
            promises.append(view.check(f"the language model answered each time{said}", not chat.failures))
    view.say(f"listen to {out / RECORDING} (left: the caller, right: what they heard); read {out / 'transcript.txt'}")
    return all(promises)
