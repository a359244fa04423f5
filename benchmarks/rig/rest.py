"""A Twilio account and as much of its REST API as ends a call: every request is written down."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import parse_qs

import attrs
import h11
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REQUEST_SECONDS: Final = 5.0
RECEIVE_BYTES: Final = 65_536


class EndedByRest(Protocol):
    """A call, as far as the API can see it and act on it."""

    call_sid: str
    completed_at: float | None

    async def be_completed(self) -> None:
        """End it."""


@attrs.define
class Account:
    """Account of the calls. ``calls`` is by call SID."""

    account_sid: str = "AC" + "0" * 31 + "1"
    auth_token: str = "0123456789abcdef0123456789abcdef"  # noqa: S105 - a made-up account's
    calls: dict[str, EndedByRest] = attrs.field(factory=dict)
    requests: list[tuple[float, str, str, dict[str, str]]] = attrs.field(factory=list)
    """Trio's time, method, path and form of each."""
    api_url: str = ""

    async def answer(self, method: str, path: str, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        """One request: ``POST`` or ``GET /2010-04-01/Accounts/AC…/Calls/CA….json``."""
        self.requests.append((trio.current_time(), method, path, form))
        call = self.calls.get(path.rpartition("/")[2].removesuffix(".json"))
        if call is None:
            return 404, {"code": 20404, "message": "not found", "more_info": "", "status": 404}
        if method == "POST" and form.get("Status") == "completed":
            await call.be_completed()
        status = "in-progress" if call.completed_at is None else "completed"
        return 200, {"sid": call.call_sid, "account_sid": self.account_sid, "status": status}

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, one request."""
        connection = h11.Connection(h11.SERVER)
        request, body = None, b""
        gone = (trio.BrokenResourceError, h11.RemoteProtocolError)
        with trio.move_on_after(REQUEST_SECONDS), suppress(*gone):  # noqa: ASYNC912 - a request is received first
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(bytes(await stream.receive_some(RECEIVE_BYTES)))
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                else:
                    break
            if request is not None:
                form = {name: values[-1] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
                target = request.target.decode().partition("?")[0]
                status, answer = await self.answer(request.method.decode(), target, form)
                text = json.dumps(answer).encode()
                headers = [("content-type", "application/json"), ("content-length", str(len(text)))]
                head = h11.Response(status_code=status, headers=[*headers, ("connection", "close")])
                pieces = [connection.send(each) for each in (head, h11.Data(data=text), h11.EndOfMessage())]
                await stream.send_all(b"".join(piece or b"" for piece in pieces))
        await stream.aclose()


@asynccontextmanager
async def open_account() -> AsyncIterator[Account]:
    """An account whose API listens on a port of its own."""
    account = Account()
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    account.api_url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, account.serve, listeners)  # noqa: ASYNC113 - they listen already
        yield account
        nursery.cancel_scope.cancel(reason="the server under test is done")
