"""Calls that behave as badly as they can, one at a time and again at once: what ``neighbours.py`` puts beside others.

A process of its own, so that what a misbehaviour costs its author is not measured. It says on which port its models
are, and on which a language model; a line on its standard input names the next misbehaviour and the daemon's address,
an empty one ends it.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs
import httpx2
import trio
from neighbouring import bad_tools

from trio_voice.audio.mulaw import FRAME_BYTES, encode, silence
from trio_voice.errors import ModelUnavailable
from trio_voice.net.websocket import open_websocket
from trio_voice.sandbox.agent.replies import Reply
from trio_voice.sandbox.providers.chain import ChainBackend, open_chain
from trio_voice.sandbox.transport.sockets import SandboxSocket, serve_sockets
from trio_voice.sandbox.twilio.twiml import Connect, parse_twiml
from trio_voice.speech import VOICES, load_mouth

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import trio_websocket

    from trio_voice.net.channel import Channel
    from trio_voice.sandbox.agent.backend import AgentBackend

SHORT: Final = '{"event":"dtmf","dtmf":{"digit":"1"},"streamSid":"MZ1"}'
MEDIA: Final = '{"event":"media","media":{"track":"inbound","payload":"' + "/" * 212 + "fg==" + '"},"streamSid":"MZ1"}'
OPERATOR_TOKEN: Final = "operator"  # noqa: S105 - a made-up one
PAYLOAD: Final = "/" * 212 + "fg=="
FRAMES_PER_SECOND: Final = 50
LONG_MEDIA: Final = '{"event":"media","media":{"payload":"' + "/" * 60_000 + '"},"streamSid":"MZ1"}'
TOO_LONG: Final = '{"event":"media","media":{"payload":"' + "/" * 100_000 + '"},"streamSid":"MZ1"}'
UNMASKED: Final = b"\x81\x80\0\0\0\0"
"""A text frame with nothing in it, from a client."""
SPEECH: Final = '{"type":"reply.audio","reply_id":"r","data":"' + "/" * 400 + '"}'
PADDED: Final = '{"type":"future.event","padding":"' + "x" * 1_000_000 + '"}'
FRAME_SECONDS: Final = 0.02
QUESTION: Final = "What are your opening hours on Saturday, and do you also have cinnamon buns today?"
ANSWER: Final = "On Saturdays we are open from eight to two, and yes, there are cinnamon buns until they are gone."
CALM_PER_SECOND: Final = 350
"""Messages a second that are just no flood (``legs/pumps.py``)."""


# The model's side. Each is handed a socket on which the session is ready and a reply has begun.


async def listen(socket: Channel) -> None:
    while True:
        await socket.receive()


async def send_at_once(message: str, socket: Channel) -> None:
    while True:
        await socket.send(message)


async def send_calmly(message: str, per_second: float, socket: Channel) -> None:
    """Also reads, as who is well-behaved does."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen, socket)
        due = trio.current_time()
        while True:
            due += 1 / per_second
            await trio.sleep_until(due)
            await socket.send(message)


async def ask_for(tool: str, times: int, socket: Channel) -> None:
    for number in range(times):
        await socket.send(json.dumps({"type": "tool.call", "call_id": f"t{number}", "name": tool, "arguments": {}}))
    await listen(socket)


async def ask_for_calmly(tool: str, socket: Channel) -> None:
    await send_calmly(json.dumps({"type": "tool.call", "call_id": "t", "name": tool, "arguments": {}}), 100, socket)


async def read_nothing(_socket: Channel) -> None:
    await trio.sleep_forever()


# The caller's side. Each is handed a stream that has started.


async def talk(stream: Channel) -> None:
    """As it should be."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen, stream)
        due = trio.current_time()
        while True:
            due += FRAME_SECONDS
            await trio.sleep_until(due)
            await stream.send(MEDIA)


async def talk_as_twilio(stream: Channel) -> None:
    """With what a recorder wants to know: each frame says when it was, and each mark comes back when it is due."""

    async def echo_marks() -> None:
        while True:
            message = json.loads(await stream.receive())
            if message["event"] == "mark":
                await stream.send(json.dumps(message))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(echo_marks)
        began = trio.current_time()
        for number in itertools.count(1):
            await trio.sleep_until(began + number * FRAME_SECONDS)
            media = {"track": "inbound", "chunk": str(number), "timestamp": str(20 * number), "payload": PAYLOAD}
            await stream.send(json.dumps({"event": "media", "media": media, "streamSid": "MZ1"}))


async def ask(stream: Channel) -> None:
    """Ask the same again and again, in words, with time for the answer to begin: 5.4 s of speech, 1.5 s of silence."""
    mouth = await trio.to_thread.run_sync(load_mouth)
    said = mouth.say(QUESTION, VOICES["george"], lambda: None) + silence(1_500)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen, stream)
        due = trio.current_time()
        for at in itertools.cycle(range(0, len(said) - FRAME_BYTES, FRAME_BYTES)):
            due += FRAME_SECONDS
            await trio.sleep_until(due)
            media = {"track": "inbound", "payload": encode(said[at : at + FRAME_BYTES])}
            await stream.send(json.dumps({"event": "media", "media": media, "streamSid": "MZ1"}))


async def answer(_lines: object, _prompt: str, _tools: object) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply(ANSWER)


async def say_nothing(stream: Channel) -> None:
    await listen(stream)


async def talk_without_listening(stream: Channel) -> None:
    due = trio.current_time()
    while True:
        due += FRAME_SECONDS
        await trio.sleep_until(due)
        await stream.send(MEDIA)


async def send_words(message: str, stream: Channel) -> None:
    """Speech in real time, and a word of it five times a second."""
    for number in itertools.count(1):
        await stream.send(message)
        if number % 10 == 0:
            word = {"type": "transcript.agent.delta", "reply_id": "r", "delta": f"word {number} "}
            await stream.send(json.dumps(word))
        await trio.sleep(FRAME_SECONDS)


async def listen_to_feed(base: str) -> None:
    """Be one listener, until cancelled."""
    parts = urlsplit(base)
    stream = await trio.open_tcp_stream(parts.hostname or "", parts.port or 80)
    head = f"GET /events HTTP/1.0\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {OPERATOR_TOKEN}\r\n\r\n"
    async with stream:
        await stream.send_all(head.encode())
        while await stream.receive_some():
            pass
    raise RuntimeError("the feed has ended: see the daemon's log")


async def send_raw_at_once(data: bytes, stream: Channel) -> None:
    transport: trio.abc.Stream = stream._stream  # type: ignore[attr-defined]  # noqa: SLF001 - below what it would say
    while True:
        await transport.send_all(data)


@attrs.frozen
class Misbehaviour:
    """Acts of one call."""

    caller: Callable[[Channel], Awaitable[None]] = talk
    model: Callable[[Channel], Awaitable[None]] = listen
    model_is_ready: bool = True
    local: bool = False
    """In place of the model, ears and voice of the daemon's own process (``kind = "local"``)."""
    lingers_seconds: float = 0.0
    """For which it goes on when its call is over."""
    calls: int = 1
    """So many at once."""
    is_recorded: bool = False
    """The daemon keeps a recording of it."""
    listeners: int = 0
    """So many listen to the feed of all calls meanwhile."""


MISBEHAVIOURS: Final = {
    "a well-behaved call, for comparison": Misbehaviour(),
    "is one of ten, for comparison": Misbehaviour(
        caller=talk_as_twilio, model=partial(send_calmly, SPEECH, FRAMES_PER_SECOND), calls=10
    ),
    "is one of ten, all recorded": Misbehaviour(
        caller=talk_as_twilio, model=partial(send_calmly, SPEECH, FRAMES_PER_SECOND), calls=10, is_recorded=True
    ),
    "twenty listen to the feed": Misbehaviour(caller=talk_as_twilio, model=partial(send_words, SPEECH), listeners=20),
    "nobody listens to the feed, for comparison": Misbehaviour(
        caller=talk_as_twilio, model=partial(send_words, SPEECH)
    ),
    "its caller floods": Misbehaviour(caller=partial(send_at_once, SHORT)),
    "its caller floods with empty frames": Misbehaviour(caller=partial(send_raw_at_once, UNMASKED * 20_000)),
    "its caller sends messages of 60,000 bytes": Misbehaviour(caller=partial(send_at_once, LONG_MEDIA)),
    "its caller sends messages of 100,000 bytes": Misbehaviour(caller=partial(send_at_once, TOO_LONG)),
    "its caller sends just less than a flood": Misbehaviour(caller=partial(send_calmly, MEDIA, CALM_PER_SECOND)),
    "its caller sends nothing": Misbehaviour(caller=say_nothing),
    "its caller does not read": Misbehaviour(
        caller=talk_without_listening, model=partial(send_calmly, SPEECH, CALM_PER_SECOND)
    ),
    "its model floods": Misbehaviour(model=partial(send_at_once, '{"type":"input.speech.started"}')),
    "its model sends messages of 1,000,000 bytes": Misbehaviour(model=partial(send_at_once, PADDED)),
    "its model sends just less than a flood": Misbehaviour(model=partial(send_calmly, SPEECH, CALM_PER_SECOND)),
    "its model is never ready": Misbehaviour(model_is_ready=False),
    "its model does not read": Misbehaviour(model=read_nothing),
    "its tool never returns": Misbehaviour(model=partial(ask_for, "wait_for_ever", 20)),
    "its tool never returns, in a thread": Misbehaviour(model=partial(ask_for, "block_for_ever", 20)),
    "its tool computes, in a thread": Misbehaviour(
        model=partial(ask_for, "compute", 1), lingers_seconds=bad_tools.COMPUTE_SECONDS
    ),
    "is heard and answered by the daemon itself": Misbehaviour(caller=ask, local=True),
    "its tool raises, a hundred times a second": Misbehaviour(model=partial(ask_for_calmly, "fail")),
}


def number_of(name: str) -> str:
    """Number to call to meet this model."""
    return f"+1555300{[*MISBEHAVIOURS].index(name):04}"


# Playing it


async def serve_model(socket: SandboxSocket, request: trio_websocket.WebSocketRequest) -> None:
    """A session of the model that the path names."""
    misbehaviour = [*MISBEHAVIOURS.values()][int(request.path.strip("/"))]
    await socket.receive()
    if misbehaviour.model_is_ready:
        await socket.send('{"type":"session.ready","session_id":"s","config":{}}')
        await socket.send('{"type":"reply.started","reply_id":"r"}')
    try:
        await misbehaviour.model(socket)
    except* (trio.EndOfChannel, trio.BrokenResourceError):
        pass


async def call(misbehaviour: Misbehaviour, http: httpx2.AsyncClient, base: str, number: str) -> None:
    """One call, until somebody ends it."""
    try:
        stream = await open_stream(http, base, number)
        try:
            await misbehaviour.caller(stream)
        finally:
            with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
                await stream.abort()
    except* (trio.EndOfChannel, trio.BrokenResourceError, ModelUnavailable, httpx2.HTTPError):
        pass  # that is how they end


async def open_stream(http: httpx2.AsyncClient, base: str, number: str) -> Channel:
    """Call this number, and start the stream that one is told to open."""
    answer = await http.post(f"{base}/twiml", data={"To": number, "From": "+15557654321"})
    (connect,) = [verb for verb in parse_twiml(answer.raise_for_status().content).verbs if isinstance(verb, Connect)]
    url = f"ws://{urlsplit(base).netloc}{urlsplit(connect.stream.url).path}"
    stream = await open_websocket(url, {}, max_message_bytes=1_048_576)
    await stream.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
    start = {"streamSid": "MZ1", "callSid": "CA1"}
    await stream.send(json.dumps({"event": "start", "start": start, "streamSid": "MZ1"}))
    return stream


async def misbehave(name: str, base: str) -> None:
    """Call after call of this kind, until cancelled."""

    async def again_and_again() -> None:
        while True:
            await call(MISBEHAVIOURS[name], http, base, number_of(name))
            await trio.sleep(0.01)

    async with httpx2.AsyncClient(trust_env=False) as http, trio.open_nursery() as nursery:
        for _ in range(MISBEHAVIOURS[name].listeners):
            nursery.start_soon(listen_to_feed, base)
        for _ in range(MISBEHAVIOURS[name].calls):
            nursery.start_soon(again_and_again)


@asynccontextmanager
async def nobody() -> AsyncIterator[AgentBackend]:
    raise NotImplementedError("only the language model is spoken to")
    yield


async def say(_text: str, _voice: str) -> bytes:
    raise NotImplementedError("only the language model is spoken to")


async def main() -> None:
    thinking = ChainBackend(nobody, answer, say)
    async with open_chain(thinking, remembers=False) as chain, trio.open_nursery() as nursery:
        port = await nursery.start(lambda task_status: serve_sockets(serve_model, task_status=task_status))
        print(port, urlsplit(chain.urls["llm.url"]).port, flush=True)
        playing, waiting = trio.CancelScope(), b""
        async for data in trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())):
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                playing.cancel()
                playing = trio.CancelScope()
                if line:
                    name, _, base = line.decode().rpartition(" ")
                    nursery.start_soon(_within, playing, partial(misbehave, name, base))
        nursery.cancel_scope.cancel()


async def _within(scope: trio.CancelScope, play: Callable[[], Awaitable[None]]) -> None:
    with scope:
        await play()


if __name__ == "__main__":
    trio.run(main)
