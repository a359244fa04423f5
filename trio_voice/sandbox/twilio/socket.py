"""The WebSocket that Twilio opens to our server: its headers, its refusals, how it goes half-open, what is told of it.

Headers are those of two captured handshakes: no Origin, no subprotocol, no extension.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import h11
import trio
import trio_websocket
import wsproto.utilities

from trio_voice.sandbox.transport.sockets import MAX_MESSAGE_BYTES, QUEUED_MESSAGES, SandboxSocket
from trio_voice.sandbox.twilio.account import Account, new_sid
from trio_voice.sandbox.twilio.webhooks import Unreachable, sign

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from trio_voice.net.channel import Channel
    from trio_voice.sandbox.twilio.callbacks import Reports
    from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer
    from trio_voice.sandbox.twilio.twiml import Stream

HANDSHAKE_SECONDS: Final = 10.0
"""Time that Twilio waits for the 101. Assumed."""


class StreamRefused(Exception):
    """The stream could not be opened; ``code`` is Twilio's error, ``http_status`` what was answered instead of 101."""

    def __init__(self, code: int, why: str, http_status: int | None = None) -> None:
        super().__init__(why)
        self.code = code
        self.why = why
        self.http_status = http_status


class DeafStream(trio.abc.Stream):
    """A TCP stream that can stop listening: what comes is then taken off the wire and forgotten, until it ends.

    This is what a half-open connection looks like to the server: it writes, and nothing ever answers.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self.socket_stream = stream
        self.over = trio.Event()
        """The server has closed its side, or the connection is lost."""
        self.answer = b""
        """The first bytes that came: the status line of the answer to the handshake."""
        self._deaf = False

    def become_deaf(self) -> None:
        """Hear nothing from now on but the end."""
        self._deaf = True

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The next bytes, as of any stream."""
        try:
            while True:
                data: bytes = bytes(await self.socket_stream.receive_some(max_bytes))
                self.answer = self.answer or data
                if not data:
                    self.over.set()
                if not data or not self._deaf:
                    return data
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.over.set()
            raise

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, as on any stream."""
        await self.socket_stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """As on any stream."""
        await self.socket_stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the connection."""
        await self.socket_stream.aclose()


class TwilioSocket(SandboxSocket):
    """Twilio's end of a stream's WebSocket."""

    def __init__(self, connection: trio_websocket.WebSocketConnection, stream: DeafStream) -> None:
        super().__init__(connection, stream.socket_stream)
        self._deaf_stream = stream

    def mute_close(self) -> None:
        """Answer nothing from now on: neither a close nor a ping."""
        self._deaf_stream.become_deaf()


@asynccontextmanager
async def open_stream_socket(url: str, port: int, auth_token: str) -> AsyncIterator[TwilioSocket]:
    """Connect to the ``wss`` URL of a stream, which is behind this port of this machine, without TLS.

    The socket is closed on leaving, abruptly if it is open still.

    Raises:
        StreamRefused: 31902 nobody listens; 31920 the answer was not 101; 31901 no answer within ten seconds, or the
            connection was closed instead.
    """
    parts = urlsplit(url)
    headers = [(b"User-Agent", b"Twilio.TmeWs/1.0"), (b"X-Twilio-Signature", sign(auth_token, url).encode())]
    try:
        with trio.fail_after(HANDSHAKE_SECONDS):
            tcp = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError as refused:
        raise StreamRefused(31902, str(refused)) from refused
    except trio.TooSlowError:
        raise _refusal(b"") from None
    stream = DeafStream(tcp)
    opened = False
    try:
        async with trio.open_nursery() as nursery:
            handshake = trio.CancelScope(deadline=trio.current_time() + HANDSHAKE_SECONDS)

            async def give_up_at_the_end() -> None:
                # trio-websocket waits on for a handshake that a closed connection can never bring.
                await stream.over.wait()
                handshake.cancel()

            nursery.start_soon(give_up_at_the_end)
            with handshake:
                connection = await trio_websocket.wrap_client_stream(
                    nursery,
                    stream,  # type: ignore[arg-type]  # any stream will do, and its documentation says so
                    parts.netloc,
                    parts.path or "/",
                    extra_headers=headers,
                    message_queue_size=QUEUED_MESSAGES,
                    max_message_size=MAX_MESSAGE_BYTES,
                )
                opened = True
            if opened:
                yield TwilioSocket(connection, stream)
            nursery.cancel_scope.cancel()
    except* (trio_websocket.HandshakeError, trio_websocket.ConnectionClosed, wsproto.utilities.ProtocolError):
        pass  # trio-websocket's reading task says that the socket is gone; whoever uses it is told by its channel
    except* h11.ProtocolError:
        pass  # the same, when the answer to the handshake was no HTTP
    finally:
        await trio.aclose_forcefully(tcp)
    if not opened:
        raise _refusal(stream.answer)


def _refusal(answer: bytes) -> StreamRefused:
    status_line = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    if status_line is None:
        return StreamRefused(31901, "no answer to the connection request")
    status = int(status_line[1])
    return StreamRefused(31920, f"the connection request was answered with {status}, not 101", status)


async def run_stream(
    verb: Stream,
    account: Account,
    reports: Reports,
    build_peer: Callable[[Channel, str], MediaStreamPeer],
    *,
    task_status: trio.TaskStatus[MediaStreamPeer | None],
) -> None:
    """One stream's life, told in callbacks. Starts with the peer, or with None when the stream could not be opened.

    It outlives its verb by the seconds that an interrupted stream needs to close.
    """
    sid = new_sid("MZ")
    try:
        if verb.error is not None:
            raise StreamRefused(*verb.error)  # noqa: TRY301 - one handler for all that keeps a stream from opening
        await trio.sleep(account.stream_opens_after)
        async with open_stream_socket(verb.url, account.transport.port_of(verb.url), account.auth_token) as socket:
            peer = build_peer(socket, sid)
            reports.stream(verb, sid, "stream-started")
            task_status.started(peer)
            end = await peer.run()
    except Unreachable as lost:
        refusal = StreamRefused(31904, str(lost))
    except StreamRefused as refused:
        refusal = refused
    else:
        if end.by == "server":
            reports.note(31921, "our server closed the socket")
        if peer.vanished:
            return  # Twilio has forgotten this stream
        if end.by == "network":
            reports.note(31903, "the socket broke")
            reports.stream(verb, sid, "stream-error", "31903: the socket broke")
        else:
            reports.stream(verb, sid, "stream-stopped")
        return
    reports.note(refusal.code, refusal.why, refusal.http_status)
    reports.stream(verb, sid, "stream-error", f"{refusal.code}: {refusal.why}")
    task_status.started(None)
