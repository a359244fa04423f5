"""Both ends of our WebSocket as Autobahn wants them: whatever is said is said again.

As a leg does it: on a socket of the poller's, heard by a listener, answered by a writer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio
from websockets.http11 import Request
from websockets.server import ServerProtocol

from trio_voice.legs.pumps import run_pair
from trio_voice.legs.writer import Writer
from trio_voice.net.poller import adopt
from trio_voice.net.websocket import WebSocketChannel, open_websocket, quiet_logger
from trio_voice.protocols.websocket import WebSocket

if TYPE_CHECKING:
    from trio_voice.net.channel import Channel

MAX_MESSAGE_BYTES: Final = 2**25
"""Group 9 sends messages of 16 MB."""
MAX_WAITING: Final = 20_000
PATIENCE_SECONDS: Final = 60.0
CLOSE_SECONDS: Final = 5.0
AGENT: Final = "trio_voice"


async def echo(channel: Channel) -> None:
    """Say again whatever is said, to the end."""
    writer = Writer(MAX_WAITING, PATIENCE_SECONDS)
    try:
        await run_pair("peer", channel, writer, writer.post, lambda _: None)
    finally:
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            await channel.aclose()


async def serve_echo(task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
    """Serve on a free port, until cancelled."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(_accept, listeners)


async def _accept(stream: trio.SocketStream) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        data = await stream.receive_some(4_096)
        if not data:
            return
        head += data
    head, _, behind = head.partition(b"\r\n\r\n")
    protocol = ServerProtocol(logger=quiet_logger())
    protocol.receive_data(head + b"\r\n\r\n")
    (request,) = [event for event in protocol.events_received() if isinstance(event, Request)]
    protocol.send_response(protocol.accept(request))
    await stream.send_all(b"".join(protocol.data_to_send()))
    channel = WebSocketChannel(adopt(stream), WebSocket(client=False, max_message_bytes=MAX_MESSAGE_BYTES))
    channel.feed(behind)
    await echo(channel)


async def run_cases(url: str) -> None:
    """Be the client of all cases that a fuzzing server at this address has, and have it write its report."""
    counting = await open_websocket(f"{url}/getCaseCount", {}, max_message_bytes=MAX_MESSAGE_BYTES)
    count = int(await counting.receive())
    await counting.aclose()
    for number in range(1, count + 1):
        case = f"{url}/runCase?case={number}&agent={AGENT}"
        await echo(await open_websocket(case, {}, max_message_bytes=MAX_MESSAGE_BYTES))
    report = await open_websocket(f"{url}/updateReports?agent={AGENT}", {}, max_message_bytes=MAX_MESSAGE_BYTES)
    await report.aclose()
