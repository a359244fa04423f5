"""Raw WebSockets and raw TCP for tests of our own sockets."""

import ctypes
import socket
import struct
from contextlib import asynccontextmanager

import trio
import trio_websocket
from websockets.http11 import Request
from websockets.server import ServerProtocol

from trio_voice.net.poller import adopt
from trio_voice.net.websocket import WebSocketChannel, quiet_logger
from trio_voice.protocols.websocket import WebSocket
from trio_voice.sandbox.transport.sockets import SandboxSocket


@asynccontextmanager
async def served_channel(*, max_size=65_536):
    """A channel of ours on an accepted connection, and trio-websocket's client at its other end."""
    async with trio.open_nursery() as nursery:
        accepted = []
        done = trio.Event()

        async def accept(stream):
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive_some()
            protocol = ServerProtocol(logger=quiet_logger())
            protocol.receive_data(head)
            (request,) = [event for event in protocol.events_received() if isinstance(event, Request)]
            protocol.send_response(protocol.accept(request))
            await stream.send_all(b"".join(protocol.data_to_send()))
            accepted.append(WebSocketChannel(adopt(stream), WebSocket(client=False, max_message_bytes=max_size)))
            await done.wait()

        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, accept, listeners)
        stream = await trio.testing.open_stream_to_socket_listener(listeners[0])
        connection = await trio_websocket.wrap_client_stream(nursery, stream, "localhost", "/", message_queue_size=100)
        yield accepted[0], SandboxSocket(connection, stream)
        await accepted[0].abort()
        await trio.aclose_forcefully(stream)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def raw_pair(*, server=True, max_size=65_536):
    """A channel of ours on a memory stream, already open, and the bare stream at its other end."""
    ours, theirs = trio.testing.memory_stream_pair()
    yield WebSocketChannel(ours, WebSocket(client=not server, max_message_bytes=max_size)), theirs


def frame(opcode, payload=b"", *, fin=True, mask=True, rsv=0):
    """One frame, as wrong as you like."""
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65_536:
        head += struct.pack("!BH", bit | 126, len(payload))
    else:
        head += struct.pack("!BQ", bit | 127, len(payload))
    return head + (b"\0\0\0\0" if mask else b"") + payload


def go_dark(stream):
    """Have the kernel lose whatever comes for this socket, unread and unacknowledged, as a machine without power does.

    A socket filter of one instruction (BPF_RET, 0 bytes): see socket(7), SO_ATTACH_FILTER, which Python does not name.
    """
    nothing = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))
    stream.setsockopt(socket.SOL_SOCKET, 26, struct.pack("@HP", 1, ctypes.addressof(nothing)))


def reset(stream):
    """Have the kernel send RST when this socket is closed."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
