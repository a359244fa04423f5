"""A server of language models, with a generator of responses behind it. No transport: see ``http.py``.

It answers in whichever protocol it is asked in: ``chat_completions.py`` and
``anthropic_messages.py`` know the two.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import attrs
import trio

from trio_voice.sandbox.agent.replies import Line, Reply, Tool, ToolUse
from trio_voice.sandbox.providers.chain import anthropic_messages, chat_completions
from trio_voice.sandbox.providers.chain.backend import Think
from trio_voice.sandbox.providers.chain.faults import ChainManner, Whim
from trio_voice.sandbox.transport.record import ClientError


class Sink(Protocol):
    """Receiver of an answer."""

    async def start(self, status: int, headers: Mapping[str, str] = ..., /) -> None:
        """Before the body; ``headers`` are besides the usual ones."""

    async def send(self, piece: bytes) -> None:
        """The next piece of the body."""

    async def cut(self) -> None:
        """Break the connection."""


class Dialect(Protocol):
    """One protocol of language models; a module is one."""

    PATH: str
    """End of the path of a question."""
    OVERLOADED: int
    """The status of a server that has too much to do."""

    def key_of(self, headers: Mapping[str, str], /) -> str:
        """The credential of a client."""

    def problem_of(self, asked: Mapping[str, Any], /) -> str:
        """The mistake in a question; empty if there is none. May raise what comes of reading bad JSON."""

    def read(self, asked: Mapping[str, Any], /) -> tuple[list[Line], str, list[Tool]]:
        """The conversation, the prompt and the tools of a question that has no problem."""

    def error(self, status: int, message: str, /) -> dict[str, Any]:
        """The body that is sent instead of an answer."""

    def stream(self, reply: Reply, asked: Mapping[str, Any], manner: ChainManner, /) -> Iterator[str]:
        """The events of an answer."""

    def broken_off(self, message: str, /) -> str:
        """The event of an error after the answer has begun."""


DIALECTS: Final[Sequence[Dialect]] = (chat_completions, anthropic_messages)


@attrs.define(kw_only=True, eq=False)
class Exchange:
    """One question and its answer."""

    asked_at: float
    credential: str = ""
    """The credential of the client."""
    body: dict[str, Any]
    lines: Sequence[Line] = ()
    """The conversation that it was told."""
    status: int = 0
    complete: bool = False
    """The whole answer was sent; otherwise the client closed it, or a whim cut it."""
    closed_at: float | None = None
    client_errors: list[ClientError] = attrs.field(factory=list)


class Thinking:
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
        exchange = Exchange(asked_at=trio.current_time(), body={})
        self.exchanges.append(exchange)
        path = target.partition("?")[0]
        known = next((dialect for dialect in DIALECTS if path.endswith(dialect.PATH)), None)
        dialect = known or chat_completions
        try:
            exchange.credential = dialect.key_of(headers)
            refusal = self._refusal(exchange, dialect, body)
            if known is None:
                refusal = _mistake(exchange, 404, f"There is nothing at {path}")
            whim = self._whims.pop(0) if self._whims else None
            if refusal is None and whim == "refuse":
                refusal = 401, "Incorrect API key provided"
            elif refusal is None and whim == "overload":
                refusal = dialect.OVERLOADED, "The server is overloaded"
            if refusal is not None:
                exchange.status = refusal[0]
                await sink.start(exchange.status)
                await sink.send(json.dumps(dialect.error(*refusal)).encode())
            else:
                await self._stream(exchange, dialect, whim, sink)
            exchange.complete = True
        finally:
            exchange.closed_at = trio.current_time()
            if not self._remembers:
                self.exchanges.remove(exchange)

    def _refusal(self, exchange: Exchange, dialect: Dialect, body: bytes) -> tuple[int, str] | None:
        if self._api_key is not None and exchange.credential != self._api_key:
            return _mistake(exchange, 401, "Incorrect API key provided")
        try:
            exchange.body = json.loads(body)
            problem = dialect.problem_of(exchange.body)
        except (ValueError, LookupError, TypeError, AttributeError) as wrong:
            problem = f"{type(wrong).__name__}: {wrong}"
        return _mistake(exchange, 400, problem) if problem else None

    async def _stream(self, exchange: Exchange, dialect: Dialect, whim: Whim | None, sink: Sink) -> None:
        exchange.lines, prompt, tools = dialect.read(exchange.body)
        exchange.status = 200
        if whim == "hang":
            await trio.sleep_forever()
        await sink.start(200)
        reply = await self._think(exchange.lines, prompt, tools)
        reply = self._varied(reply, breaks=whim == "broken_call")
        events = [event.encode() for event in dialect.stream(reply, exchange.body, self._manner)]
        if self._manner.chunk_seconds:
            for event in events:
                await sink.send(event)
                await trio.sleep(self._manner.chunk_seconds)
            return
        stream = b"".join(events)
        if whim == "error":
            stream = dialect.broken_off("The server had an error").encode()
        half = len(stream) // 2
        if whim == "garbage":
            stream = stream[:half].rpartition(b"\n\n")[0] + b"\n\ndata: {not JSON\n\n" + stream[half:]
        size = self._manner.piece_bytes
        for at in range(0, len(stream), size):
            if whim == "cut" and at > half:
                await sink.cut()
                return
            await sink.send(stream[at : at + size])

    def _varied(self, reply: Reply, *, breaks: bool) -> Reply:
        """The same answer with so many calls of its tools, and with arguments that stop in the middle if it breaks."""
        tools = [ToolUse(tool.name, tool.as_json[: len(tool.as_json) // 2]) if breaks else tool for tool in reply.tools]
        if not tools:
            return reply
        first, *also = tools * self._manner.parallel_calls
        return attrs.evolve(reply, tool=first, also=also)


def _mistake(exchange: Exchange, status: int, message: str) -> tuple[int, str]:
    """Write down a mistake of the client's, and refuse it."""
    exchange.client_errors.append(ClientError(trio.current_time(), str(status), message))
    return status, message
