"""Share of the daemon itself in a turn of a chain, beyond its three providers and the network.

    .venv/bin/python benchmarks/turns.py                          60 conversing calls, two minutes
    .venv/bin/python benchmarks/turns.py --calls 4 --turns 3 --idle 20 --json out.json

A real daemon on a core of its own, and in this process its callers and three providers: AssemblyAI's streaming, a
server of chat completions, ElevenLabs. All are reached over TLS, and the network is 40 ms there and back: each message
is 20 ms on its way, and a connection is let in only after the two round trips that TCP and TLS 1.3 take. So a request
over a connection that was not open pays for it, as it would.

A turn is the recogniser's final transcript, the question to the language model, its answer's first piece to the voice,
and the voice's first sound to the caller. All four clocks are this process's; what is told is the sum of the daemon's
three shares in a turn, without the 100 ms of network. First turns, and turns after
``--idle`` seconds without one, are told apart: by then the language model's server has closed its idle connection.

Callers and providers are Python, too: where they are late themselves, which is told, the daemon's share is lost in it.
Passed is the run if every turn was answered; exit status 1 if not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import ssl
import statistics
import sys
import tempfile
from base64 import b64encode
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import h11
import httpx2
import trio
import trio_websocket
import trustme

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ONE_WAY: Final = 0.02
"""Seconds that a message is on its way."""
HANDSHAKES: Final = 0.08
"""Seconds of TCP and TLS 1.3 before a connection is let in."""
THINKS: Final = 0.15
BETWEEN_TOKENS: Final = 0.015
SPEAKS_AFTER: Final = 0.1
"""Delays of the providers: the same for every turn."""
CLOSES_IDLE: Final = 5.0
"""Of the language model's server, as uvicorn does it."""
TURN_SECONDS: Final = 4.0
LOUD: Final = b64encode(b"\x2a" * 800).decode()
QUIET: Final = b64encode(b"\xff" * 160).decode()
EVENT_STREAM: Final = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]
GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError, trio_websocket.ConnectionClosed, h11.ProtocolError)
REPLY: Final = ["Yes", " we", " are", " open", " until", " six", "."]

CONFIG: Final = """
[server]
bind = "127.0.0.1:0"
public_url = "https://turns.example.com"
[twilio]
validate_signatures = false
[limits]
max_calls = 1000
[journal]
url = "sqlite:///{folder}/journal.db"
[models.desk]
kind = "chain"
stt = {{ kind = "assemblyai-streaming", url = "wss://localhost:{stt}/v3/ws", credential = "" }}
llm = {{ kind = "openai-chat", url = "https://localhost:{llm}/v1", model = "m", credential = "" }}
tts = {{ kind = "elevenlabs", url = "https://localhost:{tts}", voice = "v", credential = "" }}
[personas.clerk]
model = "desk"
[numbers]
default = "clerk"
"""


@attrs.define(eq=False)
class Turn:
    """Times at which its messages were at the providers: before their way to the daemon, or after their way from it."""

    after_idle: bool
    final_sent: float = 0.0
    question_came: float = 0.0
    piece_sent: float = 0.0
    text_came: float = 0.0
    sound_sent: float = 0.0
    heard: trio.Event = attrs.field(factory=trio.Event)
    heard_at: float = 0.0

    @property
    def shares(self) -> tuple[float, float, float]:
        """The daemon's, in seconds: to the question, to the voice, to the caller."""
        return (
            self.question_came - self.final_sent - 2 * ONE_WAY,
            self.text_came - self.piece_sent - 2 * ONE_WAY,
            self.heard_at - self.sound_sent - ONE_WAY,
        )


@attrs.define(eq=False)
class Call:
    """One conversation."""

    name: str
    say: Callable[[dict[str, Any]], Awaitable[None]] | None = None
    """Sends something to the daemon in the recogniser's name."""
    hears: trio.Event = attrs.field(factory=trio.Event)
    speaks: trio.Event = attrs.field(factory=trio.Event)
    turns: list[Turn] = attrs.field(factory=list)


class World:
    """The three providers, and the calls that they serve. Calls are opened one after the other."""

    def __init__(self) -> None:
        self.opening: Call | None = None
        self.calls: dict[str, Call] = {}
        self.connections = 0
        """To the language model."""
        self.lateness: list[float] = []
        """Lateness of this process itself, each 50 ms: seconds."""

    async def watch(self) -> None:
        """Measure until cancelled how late the providers and callers are: a figure below that says nothing."""
        while True:
            due = trio.current_time() + 0.05
            await trio.sleep_until(due)
            self.lateness.append(trio.current_time() - due)

    async def hear(self, request: trio_websocket.WebSocketRequest) -> None:
        """Be the recogniser of the call that is being opened."""
        socket, call = await request.accept(), self.opening
        assert call is not None

        async def say(message: dict[str, Any]) -> None:
            await trio.sleep(ONE_WAY)
            await socket.send_message(json.dumps(message))

        call.say = say
        await say({"type": "Begin", "id": call.name})
        call.hears.set()
        while "Terminate" not in str(await socket.get_message())[:40]:
            pass
        await socket.send_message('{"type":"Termination"}')

    async def speak(self, request: trio_websocket.WebSocketRequest) -> None:
        """Be the voice of the call that is being opened."""
        socket, call = await request.accept(), self.opening
        assert call is not None
        call.speaks.set()
        async with trio.open_nursery() as nursery:
            while True:
                said = json.loads(await socket.get_message())
                context = said.get("context_id")
                if said.get("close_context"):
                    over = {"isFinal": True, "contextId": context}
                    nursery.start_soon(_send_later, socket, SPEAKS_AFTER + 4 * ONE_WAY, over)
                elif said.get("close_socket"):
                    break
                elif (said.get("text") or "").strip():
                    turn = Turn(after_idle=False) if not call.turns or call.turns[-1].text_came else call.turns[-1]
                    turn.text_came = trio.current_time() + ONE_WAY
                    nursery.start_soon(self._sound, socket, turn, context)

    @staticmethod
    async def _sound(socket: trio_websocket.WebSocketConnection, turn: Turn, context: str) -> None:
        await trio.sleep(ONE_WAY + SPEAKS_AFTER)
        turn.sound_sent = trio.current_time()
        await _send_later(socket, ONE_WAY, {"audio": LOUD, "contextId": context})

    async def think(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        """Be the language model on one connection, until it is idle for too long."""
        self.connections += 1
        http = h11.Connection(h11.SERVER)
        while (body := await _request(stream, http)) is not None:
            name = json.loads(body)["messages"][-1]["content"].split()[-1].strip(".?")
            turn = self.calls[name].turns[-1]
            turn.question_came = trio.current_time() + ONE_WAY
            await trio.sleep(ONE_WAY + THINKS)
            sent = http.send(h11.Response(status_code=200, headers=EVENT_STREAM)) or b""
            for at, token in enumerate(REPLY, start=1):
                if at == len(REPLY):
                    turn.piece_sent = trio.current_time()
                await trio.sleep(ONE_WAY if at == len(REPLY) else BETWEEN_TOKENS)
                await stream.send_all(sent + (http.send(h11.Data(data=_delta({"content": token}, None))) or b""))
                sent = b""
            await trio.sleep(BETWEEN_TOKENS)
            await stream.send_all(http.send(h11.Data(data=_delta({}, "stop") + b"data: [DONE]\n\n")) or b"")
            await stream.send_all(http.send(h11.EndOfMessage()) or b"")
            http.start_next_cycle()


def _delta(delta: dict[str, str], finish: str | None) -> bytes:
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta, 'finish_reason': finish}]})}\n\n".encode()


async def _request(stream: trio.SSLStream[trio.SocketStream], http: h11.Connection) -> bytes | None:
    body = b""
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            data = b""
            with trio.move_on_after(CLOSES_IDLE):
                data = bytes(await stream.receive_some(65_536))
            if not data:
                return None
            http.receive_data(data)
        elif isinstance(event, h11.Data):
            body += event.data
    return body


async def _send_later(socket: trio_websocket.WebSocketConnection, seconds: float, message: dict[str, Any]) -> None:
    await trio.sleep(seconds)
    await socket.send_message(json.dumps(message))


async def _serve(
    handle: Callable[[trio.SSLStream[trio.SocketStream]], Awaitable[None]],
    tls: ssl.SSLContext,
    *,
    task_status: trio.TaskStatus[int],
) -> None:
    """Serve over TLS on loopback, as if it were as far away as ``HANDSHAKES`` says."""

    async def let_in(tcp: trio.SocketStream) -> None:
        stream = trio.SSLStream(tcp, tls, server_side=True, https_compatible=True)
        try:
            await trio.sleep(HANDSHAKES)
            await stream.do_handshake()
            await handle(stream)
        except* GONE:
            pass
        finally:
            await trio.aclose_forcefully(stream)

    (listener, *_) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listener.socket.getsockname()[1])
    await trio.serve_listeners(let_in, [listener])


async def _websockets(
    handle: Callable[[trio_websocket.WebSocketRequest], Awaitable[None]], stream: trio.SSLStream[trio.SocketStream]
) -> None:
    async with trio.open_nursery() as nursery:
        request = await trio_websocket.wrap_server_stream(nursery, stream)
        await handle(request)
        nursery.cancel_scope.cancel()


class Caller:
    """Twilio's side of one call: sends silence, and notices the first sound of each answer."""

    def __init__(self, call: Call, url: str, port: int) -> None:
        self._call, self._url, self._port = call, url, port

    async def run(self) -> None:
        """Be on the line until it is hung up; turns that were not answered are the daemon's."""
        try:
            await self._be_on_the_line()
        except* trio_websocket.ConnectionClosed as ended:
            print(f"{self._call.name}: hung up: {ended.exceptions}", file=sys.stderr)

    async def _be_on_the_line(self) -> None:
        path = self._url.partition("turns.example.com")[2]
        async with trio_websocket.open_websocket("127.0.0.1", self._port, path, use_ssl=False) as socket:
            sid = f"MZ{self._call.name}"
            form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
            start = {"streamSid": sid, "callSid": f"CA{self._call.name}", "tracks": ["inbound"], "mediaFormat": form}
            await socket.send_message('{"event":"connected","protocol":"Call","version":"1.0.0"}')
            await socket.send_message(json.dumps({"event": "start", "streamSid": sid, "start": start}))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_silence, socket, sid)
                while True:
                    message = json.loads(await socket.get_message())
                    if message["event"] == "mark":
                        await socket.send_message(json.dumps(message))
                    elif message["event"] == "media" and self._call.turns and not self._call.turns[-1].heard_at:
                        self._call.turns[-1].heard_at = trio.current_time()
                        self._call.turns[-1].heard.set()

    @staticmethod
    async def _send_silence(socket: trio_websocket.WebSocketConnection, sid: str) -> None:
        due = trio.current_time()
        media = json.dumps({"event": "media", "streamSid": sid, "media": {"track": "inbound", "payload": QUIET}})
        while True:
            due += 0.02
            await trio.sleep_until(due)
            await socket.send_message(media)


async def converse(call: Call, turns: int, idle: float, began: float) -> None:
    """Have the turns of one call, the last after a silence."""
    say = call.say
    assert say is not None
    await trio.sleep_until(began + random.random() * TURN_SECONDS)
    for number in range(turns):
        after_idle = number == turns - 1 and idle > 0
        await trio.sleep(idle if after_idle else TURN_SECONDS * (0.75 + random.random() / 2))
        turn = Turn(after_idle)
        call.turns.append(turn)
        words = f"Are you open, asks caller {call.name}"
        await say({"type": "SpeechStarted"})
        await trio.sleep(0.4)
        await say({"type": "Turn", "turn_order": number, "transcript": words, "end_of_turn": False})
        await trio.sleep(0.3)
        turn.final_sent = trio.current_time()
        await say({"type": "Turn", "turn_order": number, "transcript": f"{words}.", "end_of_turn": True})
        with trio.move_on_after(10):
            await turn.heard.wait()


@asynccontextmanager
async def daemon(config: Path, environment: dict[str, str]) -> AsyncIterator[int]:
    """A daemon on the first core; its port."""
    async with trio.open_nursery() as nursery:
        command = [sys.executable, "-m", "trio_voice", "--config", str(config), "serve"]
        log = config.with_name("log").open("w")
        process = await nursery.start(
            partial(trio.run_process, command, stdout=-1, stderr=log, env=environment, check=False)
        )
        os.sched_setaffinity(process.pid, {0})
        line = b""
        while b"\n" not in line:
            line += await process.stdout.receive_some()
        try:
            yield int(line.split()[-1].rpartition(b":")[2])
        except BaseException:
            sys.stderr.write(config.with_name("log").read_text()[-3_000:])
            raise
        finally:
            process.terminate()


async def run(arguments: argparse.Namespace) -> list[Call]:
    """All calls, with all their turns."""
    authority, theirs = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(theirs)
    world = World()
    with tempfile.TemporaryDirectory() as folder:
        authority.cert_pem.write_to_path(f"{folder}/ca.pem")
        async with trio.open_nursery() as nursery:
            handlers = {
                "stt": partial(_websockets, world.hear),
                "llm": world.think,
                "tts": partial(_websockets, world.speak),
            }
            ports = {name: await nursery.start(_serve, handle, theirs) for name, handle in handlers.items()}
            config = Path(folder, "config.toml")
            await trio.Path(config).write_text(CONFIG.format(folder=folder, **ports))
            async with daemon(config, os.environ | {"SSL_CERT_FILE": f"{folder}/ca.pem"}) as port:
                async with httpx2.AsyncClient(trust_env=False, timeout=10) as http:
                    for number in range(arguments.calls):
                        await open_call(world, Call(f"n{number}"), http, port, nursery)
                    began = trio.current_time()
                    nursery.start_soon(world.watch)
                    async with trio.open_nursery() as talking:
                        for call in world.calls.values():
                            talking.start_soon(converse, call, arguments.turns, arguments.idle, began)
                    page = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
                    print(*(line for line in page.splitlines() if line.startswith("trio_voice_requests_")), sep="\n")
                nursery.cancel_scope.cancel()
    late = sorted(world.lateness)
    middle, worst = (round(late[int(len(late) * at)] * 1_000, 1) for at in (0.5, 0.99))
    print(f"this process itself was late by {middle} ms (99th: {worst}), three times a turn")
    return [*world.calls.values()]


async def open_call(world: World, call: Call, http: httpx2.AsyncClient, port: int, nursery: trio.Nursery) -> None:
    """Ring, and wait until recogniser and voice have begun."""
    world.opening = world.calls[call.name] = call
    form = {"CallSid": f"CA{call.name}", "From": "+15550001111", "To": "+15551234567", "CallStatus": "ringing"}
    twiml = (await http.post(f"http://127.0.0.1:{port}/twiml", data=form)).text
    url = twiml.partition('url="')[2].partition('"')[0]
    nursery.start_soon(Caller(call, url, port).run)
    with trio.fail_after(20):
        await call.hears.wait()
        await call.speaks.wait()


def tell(name: str, turns: list[Turn]) -> dict[str, Any]:
    """The figures of some turns, printed too."""
    answered = [turn for turn in turns if turn.heard_at]
    figures: dict[str, Any] = {"turns": len(turns), "answered": len(answered)}
    if answered:
        shares = sorted(sum(turn.shares) * 1_000 for turn in answered)
        places = {"median": 0.5, "95th": 0.95, "99th": 0.99}
        figures |= {word: round(shares[min(int(len(shares) * at), len(shares) - 1)], 1) for word, at in places.items()}
        parts = zip(*(turn.shares for turn in answered), strict=True)
        figures["medians of the shares"] = [round(statistics.median(part) * 1_000, 1) for part in parts]
    print(f"{name}: {figures}")
    return figures


def main() -> int:
    """Measure, print, and say by the status whether every turn was answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--idle", type=float, default=60.0, help="seconds of silence before the last turn; 0 for none")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {cores[-1]} if len(cores := sorted(os.sched_getaffinity(0))) > 1 else {*cores})
    calls = trio.run(run, arguments)
    figures = {
        "first turns": tell("first turns", [call.turns[0] for call in calls]),
        "later turns": tell("later turns", [t for call in calls for t in call.turns[1:] if not t.after_idle]),
        "turns after silence": tell("turns after silence", [t for call in calls for t in call.turns if t.after_idle]),
    }
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1))
    return 0 if all(turn.heard_at for call in calls for turn in call.turns) else 1


if __name__ == "__main__":
    sys.exit(main())
