"""Daemons as processes between the sandbox's Twilio and the sandbox's agent, and what they leave behind."""

from __future__ import annotations

import base64
import json
import random
import signal
from collections import Counter
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import httpx2
import trio

from trio_voice.sandbox.demo.demo import AGENT_KEY, open_daemon
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN, Daemon
from trio_voice.sandbox.providers.assemblyai_agent import AgentSession, Script, Turn, VoiceAgentServer, open_voice_agent
from trio_voice.sandbox.twilio.server import SandboxTwilio, open_sandbox_twilio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio_voice.sandbox.twilio.call import SandboxCall

HOST = "voice.example.com"
OUR_NUMBER, THEIR_NUMBER = "+15551234567", "+15557654321"
PATIENCE_SECONDS = 10.0
"""For anything that ought to happen at once: other suites may be using this machine, too."""

CONFIG = """\
[server]
bind = "{bind}"
public_url = "https://{host}"
workers = {workers}
{server}
{operator}
[twilio]
account_sid = "{account_sid}"
from_number = "{our_number}"
api_url = "{api_url}"
{twilio}

[limits]
{limits}

[journal]
url = "{journal}"
dead_after_seconds = {dead_after}

[models.aai]
kind = "assemblyai-agent"
url = "{agent_url}"

[models.nobody]
kind = "assemblyai-agent"
url = "ws://127.0.0.1:{closed_port}/v1/ws"

[prices]
as_of = 2026-11-20
[prices.twilio]
inbound_minute = 0.0085
outbound_minute = 0.014
media_stream_minute = 0.004
[prices.assemblyai-agent]
minute = 0.075
unacknowledged_seconds = 30

[personas.receptionist]
model = "aai"
voice = "alba"
greeting = "{greeting}"
prompt = "You answer the telephone of a lighthouse."
turn_detection = {{ interrupt_response = false }}

[personas.absent]
model = "nobody"

[personas.understudied]
model = ["nobody", "aai"]
greeting = "Stand by."
takeover_line = "A gull is in the wires."

[numbers]
default = "receptionist"
"+15550000404" = "absent"
"+15550000202" = "understudied"
{personas}
"""
UNDERSTUDIED_NUMBER = "+15550000202"
"""The persona that answers it has the same model, and a better one when that fails."""
ABSENT_NUMBER = "+15550000404"
"""The persona that answers it has a model that nobody listens for."""

GREETING = "Ahoy, this is the lighthouse of Mackerel Bay."
SCRIPT = Script(
    greeting_ms=300,
    turns=(Turn(heard="Is the harbour frozen?", reply="No, the pelicans have left.", reply_ms=1_000),),
)
PRIVATE_WORDS = ("lighthouse", "mackerel", "harbour", "pelicans")
"""Words of the prompt and of what is said, that no log may hold."""


def noise(text: str, ms: int) -> bytes:
    """Sound of the agent when it says this: bytes that come in no other order anywhere."""
    return random.Random(text).randbytes(ms * 8)


def noisy(script: Script) -> Any:
    """Agents that play this script and makes ``noise``, so that each byte of it can be told from the others."""

    @asynccontextmanager
    async def backend():
        async with script.backend() as backend:

            async def say(text, voice):
                return noise(text, len(await backend.say(text, voice)) // 8)

            yield attrs.evolve(backend, say=say)

    return backend


class Talker:
    """A caller whose every 20 ms are different, and remembered."""

    def __init__(self, seed: object = 0) -> None:
        self.frames: list[str] = []
        self._random = random.Random(repr(seed))

    def next_frame(self, now):
        frame = self._random.randbytes(160)
        self.frames.append(base64.b64encode(frame).decode())
        return frame


async def eventually(ready, *, seconds=PATIENCE_SECONDS):
    """Look until this is true, or anything but false; what it was then."""
    with trio.fail_after(seconds):
        while not (found := ready()):
            await trio.sleep(0.02)
        return found


@attrs.define
class World:
    """One daemon and everybody whom it talks to."""

    daemon: Daemon
    twilio: SandboxTwilio
    agent: VoiceAgentServer
    config: Path
    log_file: Path
    host: str = HOST

    # Calls

    async def ring(self, **how) -> SandboxCall:
        """Somebody calls."""
        return await self.twilio.call_in(
            f"https://{self.host}/twiml",
            **{"from_": THEIR_NUMBER, "to": OUR_NUMBER, "status_callback": f"https://{self.host}/call-status"} | how,
        )

    async def talk(self, **how) -> tuple[SandboxCall, AgentSession]:
        """Somebody calls and the agent is on the line, listening."""
        number = len(self.agent.sessions) + 1
        call = await self.ring(**how)
        await call.wait_for_stream()
        session = await self.agent.wait_session(number)
        await eventually(lambda: session.payloads)
        return call, session

    async def place(self, number: str, persona: str) -> SandboxCall:
        """The operator has it call somebody."""
        placed = await self.daemon.ask("/call", method="POST", body={"to": number, "persona": persona})
        return self.twilio.calls[placed["call_sid"]]

    async def record(self, call: SandboxCall) -> dict[str, Any]:
        """All that the daemon tells its operator about a call."""
        listed = (await self.daemon.ask("/calls"))["calls"]
        (call_id,) = [each["call_id"] for each in listed if each["call_sid"] == call.sid]
        record: dict[str, Any] = await self.daemon.ask(f"/calls/{call_id}")
        return record

    async def ended(self, call: SandboxCall, *, settled: bool = True) -> dict[str, Any]:
        """The same, once the call is over at the daemon, and at Twilio with all that it has to say."""
        # By the log: asking over HTTP again and again would take a whole core.
        await eventually(lambda: [line for line in self.logged("call_ended") if line["call_sid"] == call.sid])
        if settled:
            with trio.fail_after(PATIENCE_SECONDS):
                await call.settled.wait()
        return await self.record(call)

    async def hang_up(self, call: SandboxCall, record: dict[str, Any]) -> None:
        """The operator hangs up."""
        async with operator() as http:
            (await http.delete(f"{self.daemon.operator_url}/calls/{record['call_id']}")).raise_for_status()

    async def status_at_twilio(self, call: SandboxCall) -> str:
        """Answer of the REST API about the phone."""
        path = f"/2010-04-01/Accounts/{self.twilio.account_sid}/Calls/{call.sid}.json"
        auth = (self.twilio.account_sid, self.twilio.auth_token)
        async with httpx2.AsyncClient(auth=auth) as http:
            return str((await http.get(self.twilio.api_url + path)).raise_for_status().json()["status"])

    def rest_updates(self, call: SandboxCall) -> list[int | None]:
        """Answers to each of the daemon's attempts to hang the phone up by REST."""
        requests = self.twilio.rest.requests
        return [each.status for each in requests if each.method == "POST" and each.path.endswith(f"/{call.sid}.json")]

    # The process

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.daemon.process.send_signal(number)

    async def exit_status(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Reason of its end, which must be soon."""
        with trio.fail_after(seconds):
            return await self.daemon.process.wait()

    async def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self.tell(signal.SIGKILL)
        await self.daemon.process.wait()

    def descriptors(self) -> Counter[str]:
        """The kinds of what it holds open: ``socket``, ``pipe``, the names of files."""
        kinds: Counter[str] = Counter()
        for each in Path(f"/proc/{self.daemon.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # it was closed meanwhile
                kinds[str(each.readlink()).partition(":[")[0]] += 1
        return kinds

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines that it has written about something so far."""
        *lines, _unfinished = self.log_file.read_text().split("\n")
        return [json.loads(line) for line in lines if f'"event": "{event}"' in line]

    def assert_log_is_clean(self) -> None:
        """It holds nothing but JSON, no error of ours, no secret, no full number and nothing of what was said."""
        log = self.log_file.read_text()
        for line in map(json.loads, log.splitlines()):
            assert "exception" not in line, line
        secrets = (self.twilio.auth_token, AGENT_KEY, OPERATOR_TOKEN)
        numbers = (number.lstrip("+") for number in (OUR_NUMBER, THEIR_NUMBER, ABSENT_NUMBER))
        for private in (*secrets, *numbers, *PRIVATE_WORDS):
            assert private not in log.lower(), private


def operator():
    """An HTTP client with the operator's token."""
    return httpx2.AsyncClient(headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}, trust_env=False, timeout=30)


async def closed_port():
    """A port that nobody listens on."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    return port


@attrs.define
class Town:
    """Twilio and an agent, and any number of daemons between them, at once or one after the other."""

    twilio: SandboxTwilio
    agent: VoiceAgentServer
    folder: Path

    @asynccontextmanager
    async def daemon(
        self,
        name: str = "daemon",
        *,
        host: str = HOST,
        journal: str = "",
        dead_after: float = 30,
        workers: int = 1,
        personas: str = "",
        server: str = "",
        twilio: str = "",
        tables: str = "",
        operator: str = "",
        bind: str = "127.0.0.1:0",
        behind_balancer: bool = False,
        **limits: object,
    ) -> AsyncIterator[World]:
        """Run one until the block is left; then it is told to stop, if it still runs.

        Args:
            name: of its folder and its log.
            host: where Twilio finds it from now on.
            journal: its URL; without one it is a file in the town's folder, the same for all.
            dead_after: how long it must not have heard of another to end that one's calls.
            workers: how many processes it is.
            personas: more tables of ``[personas]``.
            server: more keys of ``[server]``.
            twilio: more keys of ``[twilio]``.
            tables: more tables.
            operator: the ``bind`` of ``[operator]``, if there is one.
            bind: where it listens.
            behind_balancer: that host is a balancer's, and Twilio finds it where it did.
            limits: its ``[limits]``.
        """
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        config, log_file = folder / "config.toml", folder / "daemon.log"
        config.write_text(
            CONFIG.format(
                bind=bind,
                host=host,
                dead_after=dead_after,
                workers=workers,
                our_number=OUR_NUMBER,
                journal=journal or f"sqlite:///{self.folder}/journal.db",
                account_sid=self.twilio.account_sid,
                api_url=self.twilio.api_url,
                agent_url=self.agent.url,
                greeting=GREETING,
                closed_port=await closed_port(),
                personas=personas + tables,
                server=server,
                twilio=twilio,
                operator=f'[operator]\nbind = "{operator}"\n' if operator else "",
                limits="\n".join(f"{name} = {value}" for name, value in limits.items()),
            )
        )
        async with open_daemon(config, log_file, self.twilio.auth_token) as daemon:
            if not behind_balancer:
                self.twilio.connect_to(host, daemon.port)
            yield World(daemon, self.twilio, self.agent, config, log_file, host)


@asynccontextmanager
async def open_town(folder: Path, *, make_backend: Any = SCRIPT.backend) -> AsyncIterator[Town]:
    """Without a daemon yet; agents play ``make_backend``."""
    async with open_voice_agent(make_backend, api_key=AGENT_KEY) as agent, open_sandbox_twilio() as twilio:
        yield Town(twilio, agent, folder)


@asynccontextmanager
async def open_world(
    folder: Path, *, make_backend=SCRIPT.backend, seconds=90.0, at_end=0, workers=1, personas="", operator="", **limits
):
    """A running daemon with these limits, and perhaps more personas, for at most so many seconds.

    When the block is left it is told to stop, if it has not been, and must have kept what it promises for all calls:
    nothing that they opened is still there, nobody's secrets are in its log, it said one line on stdout and its exit
    status is ``at_end``.
    """
    with trio.fail_after(seconds):
        async with open_town(folder, make_backend=make_backend) as town:
            async with town.daemon(workers=workers, personas=personas, operator=operator, **limits) as world:
                await world.daemon.ask("/healthz")  # it serves, by listeners of its own
                await trio.sleep(0.3)  # and that connection is gone
                before = world.descriptors()
                yield world
                if world.daemon.process.returncode is None:
                    await eventually(lambda: world.descriptors() == before)
                    assert (await world.daemon.ask("/healthz"))["live_calls"] == 0
            assert not town.agent.open_sessions
            assert all(call.over for call in town.twilio.calls.values())
            assert world.daemon.process.returncode == at_end
            assert world.daemon.process.stdout is not None
            assert await world.daemon.process.stdout.receive_some() == b""
            world.assert_log_is_clean()


def keep_up(call: SandboxCall) -> None:
    """Have Twilio not notice that this call's stream is gone: its phone stays up, whatever becomes of the daemon."""
    call.streams[0].ended = trio.Event()


def decoded(payloads):
    return b"".join(map(base64.b64decode, payloads))


def played_to(stream):
    return [each.message["media"]["payload"] for each in stream.received if each.event == "media"]
