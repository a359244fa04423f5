"""The three providers of the benchmark's calls, as far away as the network says: ears, a language model, a voice.

AssemblyAI's streaming, a server of chat completions, ElevenLabs' socket of many contexts: spoken by trio_voice, by
Pipecat's services and by LiveKit's plugins alike.
"""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import h11
import trio
import trio_websocket
from conversing.calls import NAMES, ONE_WAY, Call, Question, Turn

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

HANDSHAKES: Final = 0.08
"""Seconds of TCP and TLS 1.3 before a connection is let in."""
THINKS: Final = 0.15
BETWEEN_TOKENS: Final = 0.015
SPEAKS_AFTER: Final = 0.1
"""Delays of the providers: the same for every turn."""
SOUND_MS: Final = 100
EVENT_STREAM: Final = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]
GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError, trio_websocket.ConnectionClosed, h11.ProtocolError)
REPLY: Final = ("Yes", " {name}", " we", " are", " open", " until", " six", ".")


class Providers:
    """The three, and the calls that they serve. Calls are opened one after the other.

    Args:
        keeps: seconds for which the language model's server keeps an idle connection.
    """

    def __init__(self, keeps: float) -> None:
        self._keeps = keeps
        self.opening: Call | None = None
        self.calls: dict[str, Call] = {}
        self.connections = 0
        """To the language model."""
        self.questions: list[Question] = []
        self.lateness: list[float] = []
        """Lateness of this process itself, each 50 ms: seconds."""

    async def serve(self, tls: ssl.SSLContext, nursery: trio.Nursery) -> dict[str, int]:
        """Serve until the nursery is cancelled; their ports."""
        handlers = {
            "stt": partial(_websockets, self.hear),
            "llm": self.think,
            "tts": partial(_websockets, self.speak),
        }
        nursery.start_soon(self._watch)
        return {name: await nursery.start(_serve, handle, tls) for name, handle in handlers.items()}

    async def _watch(self) -> None:
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
        await say({"type": "Begin", "id": call.name, "expires_at": 4_000_000_000})
        call.hears.set()
        while not isinstance(message := await socket.get_message(), str) or "Terminate" not in message:
            pass
        over = {"type": "Termination", "audio_duration_seconds": 1.0, "session_duration_seconds": 1.0}
        await socket.send_message(json.dumps(over))

    async def speak(self, request: trio_websocket.WebSocketRequest) -> None:
        """Be the voice of one call, or of several."""
        socket = await request.accept()
        sound = b64encode(_sound("pcm" in request.path)).decode()
        async with trio.open_nursery() as nursery:
            while True:
                said = json.loads(await socket.get_message())
                context = said.get("context_id")
                if said.get("close_context"):
                    over = {"isFinal": True, "contextId": context}
                    nursery.start_soon(_send_later, socket, SPEAKS_AFTER + 4 * ONE_WAY, over)
                elif said.get("close_socket"):
                    break
                elif (text := said.get("text") or "").strip():
                    nursery.start_soon(_speak, socket, self._turn_of(text), context, sound)

    def _turn_of(self, text: str) -> Turn | None:
        """The turn whose answer has come to the voice; ``None`` for a greeting, and for what follows its beginning."""
        named = NAMES.search(text)
        turn = self.calls[named[0]].turns[-1] if named else None
        if turn is None or turn.text_came:
            return None
        turn.text_came = trio.current_time() + ONE_WAY
        return turn

    async def think(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        """Be the language model on one connection, until it is idle for too long."""
        self.connections += 1
        http = h11.Connection(h11.SERVER)
        while (body := await _request(stream, http, self._keeps)) is not None:
            if not body:  # a list of models: how LiveKit opens a connection ahead
                await trio.sleep(2 * ONE_WAY)
                await _answer(stream, http, b'{"object":"list","data":[]}')
            else:
                await self._think(stream, http, json.loads(body))
            http.start_next_cycle()

    async def _think(
        self, stream: trio.SSLStream[trio.SocketStream], http: h11.Connection, asked: dict[str, Any]
    ) -> None:
        words = _text_of(asked["messages"][-1]["content"])
        name = NAMES.findall(words)[-1]
        turn = self.calls[name].turns[-1]
        question = Question(turn, words)
        self.questions.append(question)
        turn.question_came = trio.current_time() + ONE_WAY
        await trio.sleep(ONE_WAY + THINKS)
        sent = http.send(h11.Response(status_code=200, headers=EVENT_STREAM)) or b""
        for at, token in enumerate(REPLY, start=1):
            if at == len(REPLY):
                turn.piece_sent = trio.current_time()
            await trio.sleep(ONE_WAY if at == len(REPLY) else BETWEEN_TOKENS)
            delta = _delta({"content": token.format(name=name)}, None)
            await stream.send_all(sent + (http.send(h11.Data(data=delta)) or b""))
            question.tokens += 1
            sent = b""
        await trio.sleep(BETWEEN_TOKENS)
        await stream.send_all(http.send(h11.Data(data=_delta({}, "stop") + b"data: [DONE]\n\n")) or b"")
        await stream.send_all(http.send(h11.EndOfMessage()) or b"")


def _sound(is_pcm: bool) -> bytes:  # noqa: FBT001 - which of two
    return b"\x00\x20" * 8 * SOUND_MS if is_pcm else b"\x2a" * 8 * SOUND_MS


async def _speak(socket: trio_websocket.WebSocketConnection, turn: Turn | None, context: str, sound: str) -> None:
    await trio.sleep(ONE_WAY + SPEAKS_AFTER)
    if turn is not None:
        turn.sound_sent = trio.current_time()
    await _send_later(socket, ONE_WAY, {"audio": sound, "contextId": context})


def _text_of(content: str | list[dict[str, str]]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _delta(delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


async def _answer(stream: trio.SSLStream[trio.SocketStream], http: h11.Connection, body: bytes) -> None:
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    events = (h11.Response(status_code=200, headers=headers), h11.Data(data=body), h11.EndOfMessage())
    await stream.send_all(b"".join(filter(None, map(http.send, events))))


async def _request(stream: trio.SSLStream[trio.SocketStream], http: h11.Connection, patience: float) -> bytes | None:
    """The body of the next request; ``None`` if there is none in time."""
    body = b""
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            data = b""
            with trio.move_on_after(patience):
                data = bytes(await stream.receive_some(65_536))
            if not data:
                return None
            http.receive_data(data)
        elif isinstance(event, h11.Data):
            body += event.data
    return body


async def _send_later(socket: trio_websocket.WebSocketConnection, seconds: float, message: dict[str, Any]) -> None:
    await trio.sleep(seconds)
    with suppress(trio_websocket.ConnectionClosed):
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
