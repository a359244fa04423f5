"""WebSocket over a trio stream: the channel of both legs.

The framing is that of ``websockets``' sans-I/O protocol; this file is the I/O around it, which differs from its own
trio shell in what this project needs: no task of its own, so that a close can be said and bounded even while the call
is being cancelled; and an abort that works whatever the peer does.
"""

from __future__ import annotations

import logging
import socket
import ssl
import struct
from collections import deque
from functools import cache
from typing import TYPE_CHECKING, Final

import trio
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING, OPEN
from websockets.uri import parse_uri

from trio_voice.errors import ModelUnavailable
from trio_voice.legs.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from websockets.protocol import Protocol

RECEIVE_BYTES: Final = 65_536
"""What one read takes at the most. A 20 ms frame is about 400 bytes, so the kernel is asked once for a burst."""
MAX_PENDING_CONTROL: Final = 64
"""Pongs that may wait for the writer. A peer that pings faster than it reads is cut off."""

# At DEBUG this logger writes whole frames, which are what people said.
_FRAME_LOG = logging.getLogger("trio_voice.websocket")
_FRAME_LOG.setLevel(logging.CRITICAL)


class WebSocketChannel(Channel):
    """An open WebSocket on a stream that belongs to it alone.

    Args:
        stream: closed by this channel and by nobody else.
        protocol: a ``websockets`` protocol in the state OPEN, made with ``logger=quiet_logger()``.
    """

    def __init__(self, stream: trio.abc.Stream, protocol: Protocol) -> None:
        self._stream = stream
        self._protocol = protocol
        self._messages: deque[str | bytes] = deque()
        self._fragments = bytearray()
        self._fragments_are_text = True
        self._closed = False
        self._given_up = False
        """The peer cannot be read any more, though its connection may be there; ``close_reason`` says why."""
        self._torn = False
        """A send was cut short: half a frame may be on the wire, so nothing more can be said."""
        self._writing = trio.Lock()

    async def receive(self) -> str | bytes:
        while not self._messages:
            if self._closed:
                raise trio.ClosedResourceError
            if self._given_up or (self._protocol.parser_exc is not None):
                raise trio.BrokenResourceError(self.close_reason)
            if self._protocol.close_rcvd is not None:
                raise trio.EndOfChannel
            await self._read_more()
        return self._messages.popleft()

    async def _read_more(self) -> None:
        try:
            data = await self._stream.receive_some(RECEIVE_BYTES)
        except OSError as broken:  # TLS reports some cuts in its own words
            raise trio.BrokenResourceError(str(broken)) from broken
        if data:
            self.feed(bytes(data))
        elif self._protocol.close_rcvd is None:
            self.close_reason = "it was cut without a close frame"
            raise trio.BrokenResourceError(self.close_reason)

    def feed(self, data: bytes) -> None:
        """Parse bytes that have arrived, here or with the handshake. Never raises; ``receive`` says what was wrong."""
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request | Response):
                continue
            opcode = event.opcode
            if opcode is Opcode.TEXT or opcode is Opcode.BINARY or opcode is Opcode.CONT:
                self._assemble(opcode, bytes(event.data), fin=event.fin)
        if protocol.close_rcvd is not None and self.close_code is None:
            self.close_code, self.close_reason = protocol.close_rcvd.code, protocol.close_rcvd.reason
        if protocol.parser_exc is not None and not self.close_reason:
            self.close_reason = str(protocol.parser_exc)
        if len(protocol.writes) > MAX_PENDING_CONTROL:
            self._give_up("the peer pings without reading the answers")
        if protocol.writes and self.wake_writer is not None:
            self.wake_writer()

    def _assemble(self, opcode: Opcode, data: bytes, *, fin: bool) -> None:
        """Join fragments. The protocol has checked their order and the size of the whole, not the UTF-8."""
        if opcode is not Opcode.CONT:
            self._fragments_are_text = opcode is Opcode.TEXT
            if fin:
                self._take(data)
                return
        self._fragments += data  # empty ones may come without end
        if fin:
            whole = bytes(self._fragments)
            self._fragments.clear()
            self._take(whole)

    def _take(self, data: bytes) -> None:
        """A message is complete. After one that cannot be understood nothing more is."""
        if self._given_up:
            return
        try:
            self._messages.append(data.decode() if self._fragments_are_text else data)
        except UnicodeDecodeError:
            self._give_up("a text message is not UTF-8")

    def _give_up(self, reason: str) -> None:
        self._given_up, self.close_reason = True, reason

    def break_off(self, reason: str) -> None:
        """The handshake was not taken: nothing is read, and nothing may be said, not even a close."""
        self._give_up(reason)
        self._torn = True

    async def send(self, message: str | bytes) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        if self._torn or self._protocol.state is not OPEN:
            raise trio.BrokenResourceError("the connection is closing")
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        await self.flush()

    async def flush(self) -> None:
        async with self._writing:
            data = b"".join(self._protocol.data_to_send())  # an empty piece stands for end-of-file: aclose does that
            if not data:
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
        try:
            if not self._torn:
                if self._protocol.state is OPEN:
                    self._protocol.send_close(code, reason)
                await self.flush()
                while self._protocol.close_rcvd is None and self._protocol.parser_exc is None and not self._given_up:
                    await self._read_more()
                    self._messages.clear()
                self._closed = True
                await self._stream.aclose()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it is gone, which is what we wanted
        finally:
            await self.abort()  # noqa: ASYNC102 - never waits

    async def abort(self) -> None:
        self._closed = True
        transport = self._stream
        while isinstance(transport, trio.SSLStream):
            transport = transport.transport_stream
        if isinstance(transport, trio.SocketStream) and transport.socket.fileno() >= 0:
            # Reset instead of an orderly end: what a stalled peer has not read would keep the connection, and the
            # provider's idea of a session, alive in the kernel.
            transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self._stream)


def quiet_logger() -> logging.Logger:
    """The logger that a ``websockets`` protocol must be given, because its own writes frames at DEBUG."""
    return _FRAME_LOG


async def open_websocket(
    url: str, headers: Mapping[str, str], *, max_message_bytes: int, tls: ssl.SSLContext | None = None
) -> WebSocketChannel:
    """Connect to a WebSocket server, over TLS for ``wss``.

    Cancelling is safe: the socket is closed. The caller sets the deadline.

    Raises:
        ModelUnavailable: the address does not resolve, nobody listens, TLS fails, or the answer is not 101; the
            message names the host but never a header.
    """
    try:
        uri = parse_uri(url)
    except (InvalidURI, ValueError) as wrong:
        raise ModelUnavailable(f"{url!r} is no ws:// or wss:// address") from wrong
    protocol = ClientProtocol(uri, max_size=max_message_bytes, logger=_FRAME_LOG)
    try:
        tcp = await trio.open_tcp_stream(uri.host, uri.port)
    except (OSError, UnicodeError) as unreachable:  # a name that IDNA cannot encode is not asked for
        raise ModelUnavailable(f"{uri.host}:{uri.port} cannot be reached: {unreachable}") from unreachable
    stream: trio.abc.Stream = tcp
    if uri.secure:
        context = tls or _default_tls()
        stream = trio.SSLStream(tcp, context, server_hostname=uri.host, https_compatible=True)
    try:
        return await _shake_hands(stream, protocol, headers)
    except InvalidStatus as refused:
        status = refused.response.status_code
        raise ModelUnavailable(
            f"{uri.host} answered the WebSocket handshake with HTTP {status}", status=status
        ) from refused
    except (InvalidHandshake, EOFError, OSError, trio.BrokenResourceError) as failed:  # ssl.SSLError is an OSError
        why = failed.__cause__ or failed  # trio wraps what TLS said
        raise ModelUnavailable(f"{uri.host} does not speak WebSocket here: {why!r}") from failed


@cache
def _default_tls() -> ssl.SSLContext:
    """The system's authorities, read once: it takes some 17 ms, in which no call goes on, and a megabyte."""
    return ssl.create_default_context()


async def _shake_hands(
    stream: trio.abc.Stream, protocol: ClientProtocol, headers: Mapping[str, str]
) -> WebSocketChannel:
    request = protocol.connect()
    for name, value in headers.items():
        request.headers[name] = value
    protocol.send_request(request)
    channel = WebSocketChannel(stream, protocol)
    opened = False
    try:
        await stream.send_all(b"".join(protocol.data_to_send()))
        while protocol.state is CONNECTING:  # a server's 101, first words and close may be one read
            data = await stream.receive_some(RECEIVE_BYTES)
            if data:
                channel.feed(bytes(data))
            else:
                protocol.receive_eof()
            if protocol.handshake_exc is not None:
                raise protocol.handshake_exc
        opened = True
    finally:
        if not opened:
            await trio.aclose_forcefully(stream)
    return channel
