"""Quart's WebSocket as a channel, for any ASGI server.

Our own server does not use this way (see ``media_stream.py``); it is there for those who run the app elsewhere, and it
cannot promise all that the lane does: a server that shields its sends cannot be interrupted by us, so the bound of the
end is that server's.

The two generations of quart and quart-trio differ, and this file hides it: on Python 3.11 and 3.12 a peer that leaves
cancels the handler's task, and a send after that returns at once without a checkpoint; on later ones both raise.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import quart.wrappers
import trio

from trio_voice.net.channel import Channel

if TYPE_CHECKING:
    from quart import Websocket

_GONE: Final[tuple[type[Exception], ...]] = (
    OSError,
    RuntimeError,
    trio.BrokenResourceError,
    trio.BusyResourceError,  # hypercorn is closing the connection, for which it does not take its own lock
    trio.ClosedResourceError,
    trio.EndOfChannel,
    getattr(quart.wrappers, "ClientDisconnectedError", OSError),  # from quart 0.23 on
)
"""Exceptions that the two generations raise when the peer has left."""


class QuartChannel(Channel):
    """One accepted WebSocket of Quart's.

    Args:
        websocket: the object itself, not Quart's context-local proxy.
    """

    def __init__(self, websocket: Websocket) -> None:
        self._websocket = websocket
        self._closed = False

    async def receive(self) -> str | bytes:
        if self._closed:
            raise trio.ClosedResourceError
        try:
            message: str | bytes = await self._websocket.receive()
        except _GONE as gone:
            raise trio.BrokenResourceError("the peer is gone") from gone
        return message

    async def send(self, message: str | bytes) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        try:
            await self._websocket.send(message)
        except _GONE as gone:
            raise trio.BrokenResourceError("the peer is gone") from gone
        await trio.lowlevel.checkpoint()  # without it a send loop after a disconnect stops the whole process

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        if self._closed:
            return
        self._closed = True
        with suppress(*_GONE):  # it is gone already
            await self._websocket.close(code, reason)
        await trio.lowlevel.checkpoint()

    async def abort(self) -> None:
        self._closed = True
        await trio.lowlevel.checkpoint()
