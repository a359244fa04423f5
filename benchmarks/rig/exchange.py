"""A connection to a chain's language model: HTTP, one request after another, answers as server-sent events."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import attrs
import h11
import trio

from rig import outcome
from rig.manner import Answer
from rig.session import Session
from rig.wire import Wire

if TYPE_CHECKING:
    from rig.manner import Manner
    from rig.protocols.chat_completions import ChatCompletions

EVENT_STREAM: Final = [("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]
JSON: Final = [("content-type", "application/json")]
COMMENT_SECONDS: Final = 0.5
"""Between the comments of an answer that does not end."""
GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError, h11.LocalProtocolError)


@attrs.define
class Script:
    """Answers of a case's language model, yet to come."""

    tool: str = ""
    """It asks for this one, once."""
    goes_on: bool = False
    """It says a sentence, and then its answer does not end, once."""
    asked: trio.Event = attrs.field(factory=trio.Event)
    """Set when a request has come."""
    called: trio.Event = attrs.field(factory=trio.Event)
    """Set when it has asked for its tool."""


class Exchange(Session):
    """One connection.

    Args:
        stage: of the model.
        stream: accepted.
        protocol: made for this connection.
        manner: how it shall go.
        script: what is answered.
        nursery: outlives the connection.
    """

    def __init__(
        self,
        stage: str,
        stream: trio.SocketStream,
        protocol: ChatCompletions,
        manner: Manner,
        script: Script,
        nursery: trio.Nursery,
    ) -> None:
        super().__init__(stage, Wire(stream))
        self._protocol = protocol
        self._manner = manner
        self._script = script
        self._nursery = nursery
        self._http = h11.Connection(h11.SERVER)

    async def goodbye(self, *, tellable: bool) -> outcome.Goodbye:
        """HTTP has none: a request that nobody waits for any more is one whose connection is closed."""
        del tellable
        return outcome.Goodbye.NONE

    async def run(self) -> None:
        """Live the session to its end."""
        self._nursery.start_soon(self.line.watch)
        with suppress(*GONE):
            while (body := await self._request()) is not None:
                self._script.asked.set()
                await self._answer(body)
                self._http.start_next_cycle()
        await self.line.finish()

    async def _request(self) -> bytes | None:
        """The next request's body; ``None`` if the client has left."""
        body = b""
        while True:  # noqa: ASYNC913 - at the latest when there is nothing left to parse
            event = self._http.next_event()
            match event:
                case h11.NEED_DATA:
                    self._http.receive_data(await self.line.receive())
                case h11.Data(data=data):
                    body += bytes(data)
                case h11.EndOfMessage():
                    return body
                case h11.ConnectionClosed():
                    return None

    async def _answer(self, body: bytes) -> None:
        match self._manner.answer:
            case Answer.GIVEN:
                await self._think(body)
            case Answer.HELD:
                await self.line.wait_released()
            case Answer.REFUSED:
                await self._send(h11.Response(status_code=503, headers=[*JSON, ("content-length", "2")]))
                await self._say(b"{}")
                await self._send(h11.EndOfMessage())
            case Answer.CUT:
                await self._break_off()
                await self.line.finish()
                await self.line.wait_released()
            case Answer.RESET:
                await self._break_off()
                self.line.reset()
            case Answer.GARBAGE:
                await self.line.send_bytes(b"\xf7\xff\r\n\r\n" * 20)
                await self.line.wait_released()
            case Answer.NONSENSE:
                await self._send(h11.Response(status_code=200, headers=EVENT_STREAM))
                await self._say(self._protocol.nonsense())
                await self._send(h11.EndOfMessage())
            case Answer.ENDLESS:
                await self._send(h11.Response(status_code=200, headers=EVENT_STREAM))
                while self.line.released_at is None:
                    await self._say(self._protocol.text("And so on and on, ") * 20)

    async def _think(self, body: bytes) -> None:
        await self._send(h11.Response(status_code=200, headers=EVENT_STREAM))
        tool, self._script.tool = self._script.tool, ""
        if tool in self._protocol.tools_in(body):
            await self._say(self._protocol.tool_call(tool) + self._protocol.over("tool_calls"))
            self._script.called.set()
        else:
            await self._say(self._protocol.text("Ahoy, then. "))
            goes_on, self._script.goes_on = self._script.goes_on, False
            while goes_on and self.line.released_at is None:
                await trio.sleep(COMMENT_SECONDS)
                await self._say(self._protocol.text(""))
            await self._say(self._protocol.over("stop"))
        await self._send(h11.EndOfMessage())

    async def _break_off(self) -> None:
        await self._send(h11.Response(status_code=200, headers=EVENT_STREAM))
        await self._say(self._protocol.text("Ahoy")[:-9])

    async def _say(self, events: bytes) -> None:
        await self._send(h11.Data(data=events))

    async def _send(self, event: h11.Event) -> None:
        await self.line.send_bytes(self._http.send(event) or b"")
