"""A server of OpenAI's chat completions, with a mind behind it. No transport: see ``http.py``.

After ``protocols/realtime-models.md``, M1. A conversation in which a tool call has no answer is refused, as it is live.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import attrs
import trio

from trio_voice.sandbox.chain.cast import Think, lines_of
from trio_voice.sandbox.chain.faults import ChainManner, Whim
from trio_voice.sandbox.mind import Reply, Tool, ToolUse
from trio_voice.sandbox.voice_agent.record import ClientError


class Sink(Protocol):
    """Where an answer goes."""

    async def start(self, status: int) -> None:
        """Before the body."""

    async def send(self, piece: bytes) -> None:
        """The next piece of the body."""

    async def cut(self) -> None:
        """Break the connection."""


@attrs.define(kw_only=True, eq=False)
class Exchange:
    """One question and its answer."""

    asked_at: float
    authorization: str
    body: dict[str, Any]
    status: int = 0
    complete: bool = False
    """The whole answer was sent; otherwise the client closed it, or a whim cut it."""
    closed_at: float | None = None
    client_errors: list[ClientError] = attrs.field(factory=list)


class ChatThinking:
    """Answers questions, and remembers them only for whoever looks afterwards."""

    def __init__(
        self,
        think: Think,
        manner: ChainManner,
        whims: Sequence[Whim | None],
        api_key: str | None,
        *,
        remembers: bool = True,
    ) -> None:
        self.exchanges: list[Exchange] = []
        self._think = think
        self._manner = manner
        self._whims = list(whims)
        self._api_key = api_key
        self._remembers = remembers

    async def answer(self, target: str, headers: Mapping[str, str], body: bytes, sink: Sink) -> None:
        """Answer one request. Cancelling is safe."""
        exchange = Exchange(asked_at=trio.current_time(), authorization=headers.get("authorization", ""), body={})
        self.exchanges.append(exchange)
        try:
            refusal = self._refusal(exchange, target.partition("?")[0], body)
            whim = self._whims.pop(0) if self._whims else None
            if refusal is None and whim in {"refuse", "overload"}:
                refusal = (401, "Incorrect API key provided") if whim == "refuse" else (503, "The server is overloaded")
            if refusal is not None:
                exchange.status, message = refusal
                await sink.start(exchange.status)
                await sink.send(json.dumps({"error": {"message": message, "type": "made", "code": None}}).encode())
            else:
                await self._stream(exchange, whim, sink)
            exchange.complete = True
        finally:
            exchange.closed_at = trio.current_time()
            if not self._remembers:
                self.exchanges.remove(exchange)

    def _refusal(self, exchange: Exchange, path: str, body: bytes) -> tuple[int, str] | None:
        def mistake(status: int, message: str) -> tuple[int, str]:
            exchange.client_errors.append(ClientError(trio.current_time(), str(status), message))
            return status, message

        key = exchange.authorization.removeprefix("Bearer ")
        if self._api_key is not None and key != self._api_key:
            return mistake(401, "Incorrect API key provided")
        if not path.endswith("/chat/completions"):
            return mistake(404, f"There is nothing at {path}")
        try:
            exchange.body = json.loads(body)
            problem = problem_of(exchange.body)
        except (ValueError, LookupError, TypeError, AttributeError) as wrong:
            problem = f"{type(wrong).__name__}: {wrong}"
        return mistake(400, problem) if problem else None

    async def _stream(self, exchange: Exchange, whim: Whim | None, sink: Sink) -> None:
        asked = exchange.body
        lines, prompt = lines_of(asked["messages"])
        tools = [
            Tool(tool["function"]["name"], tool["function"].get("description", ""), tool["function"]["parameters"])
            for tool in asked.get("tools") or ()
        ]
        exchange.status = 200
        if whim == "hang":
            await trio.sleep_forever()
        await sink.start(200)
        reply = await self._think(lines, prompt, tools)
        messages = [message.encode() for message in self._messages(reply, asked, breaks=whim == "broken_call")]
        if self._manner.chunk_seconds:
            await self._send_slowly(messages, sink)
            return
        stream = b"".join(messages)
        if whim == "error":
            stream = b'data: {"error":{"message":"The server had an error","type":"server_error","code":null}}\n\n'
        half = len(stream) // 2
        if whim == "garbage":
            stream = stream[:half].rpartition(b"\n\n")[0] + b"\n\ndata: {not JSON\n\n" + stream[half:]
        size = self._manner.piece_bytes
        for at in range(0, len(stream), size):
            if whim == "cut" and at > half:
                await sink.cut()
                return
            await sink.send(stream[at : at + size])

    async def _send_slowly(self, messages: Sequence[bytes], sink: Sink) -> None:
        for message in messages:
            await sink.send(message)
            await trio.sleep(self._manner.chunk_seconds)

    def _messages(self, reply: Reply, asked: Mapping[str, Any], *, breaks: bool) -> Iterator[str]:
        chunk_id = f"chatcmpl-{secrets.token_hex(8)}"

        def chunk(delta: dict[str, Any] | None, finish: str | None = None, usage: dict[str, Any] | None = None) -> str:
            choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
            body = {"id": chunk_id, "object": "chat.completion.chunk", "created": 1, "model": asked["model"]}
            return "data: " + json.dumps({**body, "choices": choices, "usage": usage}, ensure_ascii=False) + "\n\n"

        yield ": a comment, as some proxies send\n\n"
        yield chunk({"role": "assistant", "content": ""})
        words = reply.text.split(" ")
        for at in range(0, len(words) if reply.text else 0, self._manner.words_per_chunk):
            said = " ".join(words[at : at + self._manner.words_per_chunk])
            yield chunk({"content": said if at == 0 else f" {said}"})
        if reply.tool is not None:
            for piece in self._call_pieces(reply.tool, breaks=breaks):
                yield chunk({"tool_calls": [piece]})
        yield chunk({}, "tool_calls" if reply.tool else "stop")
        if self._manner.tells_usage and (asked.get("stream_options") or {}).get("include_usage"):
            prompt, answer = len(json.dumps(asked["messages"])) // 4, len(reply.text) // 4 + 1
            details = {"cached_tokens": prompt // 2}
            usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
            yield chunk(None, usage={**usage, "prompt_tokens_details": details})
        if self._manner.says_done:
            yield "data: [DONE]\n\n"

    def _call_pieces(self, tool: ToolUse, *, breaks: bool) -> Iterator[dict[str, Any]]:
        arguments = json.dumps(dict(tool.arguments), ensure_ascii=False)
        if breaks:
            arguments = arguments[: len(arguments) // 2]
        calls: list[list[dict[str, Any]]] = []
        for index in range(self._manner.parallel_calls):
            named = {"index": index} if self._manner.indexes_calls else {}
            first = {"id": f"call_{secrets.token_hex(6)}", "type": "function"}
            pieces = [{**named, **first, "function": {"name": tool.name, "arguments": ""}}]
            pieces += [
                {**named, "function": {"arguments": arguments[at : at + 5]}} for at in range(0, len(arguments), 5)
            ]
            calls.append(pieces)
        in_turns = zip(*calls, strict=True) if self._manner.indexes_calls else calls
        yield from (piece for pieces in in_turns for piece in pieces)


def problem_of(asked: Mapping[str, Any]) -> str:
    """What is wrong with a request; empty if nothing is."""
    if not isinstance(asked["model"], str) or asked.get("stream") is not True:
        return "the sandbox wants a model, and streams only"
    unanswered: list[str] = []
    for message in asked["messages"]:
        role = message["role"]
        if role not in {"system", "user", "assistant", "tool"}:
            return f"unknown role {role!r}"
        if role == "tool":
            if message["tool_call_id"] not in unanswered:
                return "a tool message must answer a tool call of the message before"
            unanswered.remove(message["tool_call_id"])
        elif unanswered:
            return "an assistant message with tool_calls must be followed by tool messages for each tool_call_id"
        unanswered += [call["id"] for call in message.get("tool_calls") or ()]
        if not isinstance(message.get("content"), str) and not message.get("tool_calls"):
            return "content must be a string"
    return "there are tool calls without an answer" if unanswered else ""
