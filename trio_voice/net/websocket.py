"""WebSocket over a stream: the channel of both legs.

The frames are those of ``protocols/websocket.py``; this file is the I/O around them. It has no task of its own, so that
a close can be said and bounded even while the call is being cancelled; and an abort that works whatever the peer does.

On a stream of the poller's (``poller.py``) messages are handed to a listener, and sent, by plain calls; on any other
stream, such as one in memory, the same is done by waiting. The upgrade is done by ``websockets``' HTTP half.
"""

from __future__ import annotations

import logging
import ssl
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, NoReturn

import trio
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.protocol import CONNECTING
from websockets.uri import parse_uri

from trio_voice.errors import ModelUnavailable
from trio_voice.net.channel import Channel
from trio_voice.net.connect import HEAD_END, Unreachable, connect
from trio_voice.net.flood import FLOOD_PER_SECOND, Flooded, RateLimiter
from trio_voice.net.polled_stream import PolledStream
from trio_voice.net.tcp import finish, reset
from trio_voice.protocols.retry_after import wait_seconds
from trio_voice.protocols.websocket import WebSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from websockets.http11 import Response

    from trio_voice.net.proxies import Proxy

RECEIVE_BYTES: Final = 4_096
"""Most bytes of one read, where the stream lets us say: no more messages than can wait in a list."""
MAX_PENDING_CONTROL: Final = 64
"""Pongs that may wait for the writer. A peer that pings faster than it reads is cut off."""
PASSING_STATUSES: Final = frozenset({408, 425, 429})
"""Refusals of a handshake, besides the 5xx, that another try may not meet."""

# At DEBUG this logger writes whole frames, which are what people said.
_FRAME_LOG = logging.getLogger("trio_voice.websocket")
_FRAME_LOG.setLevel(logging.CRITICAL)


class WebSocketChannel(Channel):
    """An open WebSocket on a stream that belongs to it alone.

    Args:
        stream: closed by this channel and by nobody else.
        protocol: fresh.
    """

    __slots__ = (
        "_bare_frames",
        "_closed",
        "_given_up",
        "_messages",
        "_on_message",
        "_polled",
        "_protocol",
        "_stream",
        "_torn",
        "_writing",
        "close_code",
        "close_reason",
        "wake_writer",
    )

    def __init__(self, stream: trio.abc.Stream | PolledStream, protocol: WebSocket) -> None:
        self.close_code, self.close_reason, self.wake_writer = None, "", None
        self._stream = stream
        self._polled = stream if isinstance(stream, PolledStream) else None
        self._protocol = protocol
        self._messages: list[str | bytes] = []
        self._on_message: Callable[[str | bytes], None] | None = None
        self._bare_frames: RateLimiter | None = None
        """Once there was one. Messages are counted by whoever hears them."""
        self._closed = False
        self._given_up = False
        """The peer cannot be read any more, though its connection may be there; ``close_reason`` says why."""
        self._torn = False
        """A send was cut short: half a frame may be on the wire, so nothing more can be said."""
        self._writing = trio.Lock()

    async def receive(self) -> str | bytes:
        while not self._messages:
            self._check_readable()
            await self._read_more()
        return self._messages.pop(0)

    async def listen(self, on_message: Callable[[str | bytes], None]) -> NoReturn:
        if self._polled is None:
            await super().listen(on_message)
        while self._messages:
            on_message(self._messages.pop(0))
        self._on_message = on_message
        try:
            while True:
                self._check_readable()
                await self._polled.listen(self._take)
                if self._protocol.close_code is None and self._protocol.failure is None and not self._given_up:
                    self._be_cut()
        finally:
            self._on_message = None

    def _check_readable(self) -> None:
        if self._protocol.settle():  # all that came before it has been heard
            self._look_after()
        if self._closed:
            raise trio.ClosedResourceError
        if self._given_up or self._protocol.failure is not None:
            raise trio.BrokenResourceError(self.close_reason)
        if self._protocol.close_code is not None:
            raise trio.EndOfChannel

    async def _read_more(self) -> None:
        try:
            data = await self._stream.receive_some(RECEIVE_BYTES)
        except OSError as broken:  # TLS reports some cuts in its own words
            raise trio.BrokenResourceError(str(broken)) from broken
        if data:
            self.feed(bytes(data))
        elif self._protocol.close_code is None:
            self._be_cut()

    def _be_cut(self) -> NoReturn:
        self.close_reason = "it was cut without a close frame"
        raise trio.BrokenResourceError(self.close_reason)

    def feed(self, data: bytes) -> None:
        """Parse bytes that have arrived, here or with the handshake. Never raises; ``receive`` says what was wrong."""
        if not self._given_up:
            self._messages.extend(self._protocol.receive(data, settled=False))
            if not self._messages:
                self._protocol.settle()
        self._look_after()

    def _take(self, data: bytes) -> None:
        """Parse bytes that have arrived, and hand what is whole to the listener."""
        protocol, on_message = self._protocol, self._on_message
        text = protocol.whole_text(data)
        if text is not None and on_message is not None:
            on_message(text)
            return
        try:
            for message in protocol.receive(data, settled=False):
                if self._on_message is not None:
                    self._on_message(message)
                else:  # it was cancelled by what it heard
                    self._messages.append(message)
        finally:
            protocol.settle()
        if protocol.bare_frames or protocol.failure is not None or protocol.close_code is not None:
            self._look_after()
            if self._given_up or protocol.failure is not None or protocol.close_code is not None:
                self._polled.stop_listening()  # type: ignore[union-attr]  # who else would call this

    def _look_after(self) -> None:
        """See to what reading has brought besides messages."""
        protocol = self._protocol
        if protocol.close_code is not None and self.close_code is None:
            self.close_code, self.close_reason = protocol.close_code, protocol.close_reason
        if protocol.failure is not None and not self.close_reason:
            self.close_reason = protocol.failure
        if protocol.bare_frames:
            self._count_bare_frames()
        if len(protocol.replies) > MAX_PENDING_CONTROL:
            self._give_up("the peer pings without reading the answers")
        if protocol.replies and self.wake_writer is not None:
            self.wake_writer()

    def _count_bare_frames(self) -> None:
        limiter = self._bare_frames = self._bare_frames or RateLimiter()
        limiter.in_hand -= self._protocol.bare_frames
        self._protocol.bare_frames = 0
        if limiter.in_hand < 0:
            try:
                limiter.draw()
            except Flooded:
                self._give_up(f"the peer floods us: over {FLOOD_PER_SECOND} frames a second that bring no message")

    def _give_up(self, reason: str) -> None:
        self._given_up, self.close_reason = True, reason

    def break_off(self, reason: str) -> None:
        """The handshake was not taken: nothing is read, and nothing may be said, not even a close."""
        self._give_up(reason)
        self._torn = True

    def send_now(self, message: str | bytes, behind: str | bytes | None = None) -> bool:
        polled, protocol = self._polled, self._protocol
        if polled is None or protocol.close_sent or self._torn or self._closed:
            return False
        frames = protocol.text(message) if isinstance(message, str) else protocol.binary(message)
        if behind is not None:
            frames += protocol.text(behind) if isinstance(behind, str) else protocol.binary(behind)
        if protocol.replies:  # a pong stands before whatever is said to what came behind its ping
            frames = b"".join(protocol.replies) + frames
        taken = polled.send_now(frames)
        if taken:
            protocol.replies.clear()
        if polled.unsent and self.wake_writer is not None:
            self.wake_writer()
        return taken

    async def send(self, message: str | bytes) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        if self._torn or self._protocol.close_sent:
            raise trio.BrokenResourceError("the connection is closing")
        protocol = self._protocol
        await self._write(protocol.text(message) if isinstance(message, str) else protocol.binary(message))

    async def flush(self) -> None:
        await self._write(b"")

    async def _write(self, data: bytes) -> None:
        """Write this, after what reading has made."""
        async with self._writing:
            replies = self._protocol.replies
            if replies:
                data = b"".join(replies) + data
                replies.clear()
            if not data and (self._polled is None or not self._polled.unsent):
                return
            self._torn = True
            try:
                await self._stream.send_all(data)
            except OSError as broken:
                raise trio.BrokenResourceError(str(broken)) from broken
            self._torn = False

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        if self._closed:
            return
        self._protocol.settle()
        try:
            if not self._torn:
                await self._write(b"" if self._protocol.close_sent else self._protocol.close(code, reason))
                while self._protocol.close_code is None and self._protocol.failure is None and not self._given_up:
                    await self._read_more()
                    self._messages.clear()
                    self._protocol.settle()
                self._closed = True
                if isinstance(self._stream, trio.SocketStream):
                    finish(self._stream.socket)
                await self._stream.aclose()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it is gone, which is what we wanted
        finally:
            await self.abort()  # noqa: ASYNC102 - never waits

    async def abort(self) -> None:
        self._closed = True
        if self._polled is not None:
            self._polled.abort()
            await trio.lowlevel.checkpoint()
            return
        transport = self._stream
        while isinstance(transport, trio.SSLStream):
            transport = transport.transport_stream
        if isinstance(transport, trio.SocketStream) and transport.socket.fileno() >= 0:
            # Reset instead of an orderly end: what a stalled peer has not read would keep the connection, and the
            # provider's idea of a session, alive in the kernel.
            reset(transport.socket)
        await trio.aclose_forcefully(self._stream)


def quiet_logger() -> logging.Logger:
    """The logger that a ``websockets`` protocol must be given, because its own writes frames at DEBUG."""
    return _FRAME_LOG


async def open_websocket(
    url: str,
    headers: Mapping[str, str],
    *,
    max_message_bytes: int,
    tls: ssl.SSLContext | None = None,
    proxy: Proxy | None = None,
    low_latency: bool = False,
) -> WebSocketChannel:
    """Connect to a WebSocket server, over TLS for ``wss``.

    Cancelling is safe: the socket is closed. The caller sets the deadline. What comes may be let gather with others',
    unless ``low_latency`` is wanted: few messages, and a caller who waits for each.

    Raises:
        ModelUnavailable: the address does not resolve, nobody listens, TLS fails, or the answer is not 101; the
            message names the host but never a header.
    """
    try:
        uri = parse_uri(url)
    except (InvalidURI, ValueError) as wrong:
        raise ModelUnavailable(f"{url!r} is no ws:// or wss:// address") from wrong
    protocol = ClientProtocol(uri, logger=_FRAME_LOG)
    try:
        stream = await connect(uri.host, uri.port, secure=uri.secure, tls=tls, proxy=proxy)
    except Unreachable as failed:
        words = f"{uri.host}:{uri.port} cannot be reached: {failed}"
        raise ModelUnavailable(words, passing=failed.passing) from failed
    opened = False
    try:
        frames = WebSocket(client=True, max_message_bytes=max_message_bytes)
        channel = await _shake_hands(WebSocketChannel(stream, frames), stream, protocol, headers)
        if low_latency and isinstance(stream, PolledStream):
            stream.set_low_latency()
        opened = True
    except InvalidStatus as refused:
        status = refused.response.status_code
        raise ModelUnavailable(
            f"{uri.host} answered the WebSocket handshake with HTTP {status}",
            status=status,
            passing=status in PASSING_STATUSES or status >= 500,
            retry_after=_wait_of(refused.response),
        ) from refused
    except (InvalidHandshake, EOFError, OSError, trio.BrokenResourceError) as failed:
        why = failed.__cause__ or failed  # it was cut, or what came is no handshake
        passing = isinstance(why, EOFError | OSError | trio.BrokenResourceError) and not isinstance(why, ssl.SSLError)
        raise ModelUnavailable(f"{uri.host} does not speak WebSocket here: {why!r}", passing=passing) from failed
    finally:
        if not opened:
            await trio.aclose_forcefully(stream)
    return channel


def _wait_of(refusal: Response) -> float | None:
    """The pause that a refusal asks for before the next try."""
    told = {name.lower(): value for name, value in refusal.headers.raw_items()}
    return wait_seconds({"date": formatdate(usegmt=True)} | told, bytes(refusal.body or b"").decode(errors="replace"))


async def _shake_hands(
    channel: WebSocketChannel,
    stream: trio.abc.Stream | PolledStream,
    protocol: ClientProtocol,
    headers: Mapping[str, str],
) -> WebSocketChannel:
    """Upgrade. What comes behind the head of a 101 is the channel's: first words and a close may be in one read."""
    request = protocol.connect()
    for name, value in headers.items():
        request.headers[name] = value
    protocol.send_request(request)
    await stream.send_all(b"".join(protocol.data_to_send()))
    behind = head = b""
    while protocol.state is CONNECTING:
        data = bytes(await stream.receive_some(RECEIVE_BYTES))
        if data:
            before = len(head)
            head += data
            end = head.find(HEAD_END, max(0, before - len(HEAD_END)))
            if end >= 0:
                behind = head[end + len(HEAD_END) :]
                data = head[before : end + len(HEAD_END)]
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
        if behind and protocol.state is CONNECTING:  # a refusal, with a body
            protocol.receive_data(behind)
        if protocol.handshake_exc is not None:
            raise protocol.handshake_exc
    channel.feed(behind)
    return channel
