"""The addresses that a daemon listens on: Twilio's, and the operator's where they have one of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import trio

from trio_voice.edges.web.entrypoints import Hosts
from trio_voice.errors import CannotListen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio_voice.config.settings import Settings

Ports = tuple[list[trio.SocketListener], list[trio.SocketListener]]
"""Twilio's listeners, and the operator's; the latter empty if they have none of their own."""


class Announce(Protocol):
    """Called once calls are accepted."""

    def __call__(self, url: str, operator_url: str | None = None, /) -> None:
        """Say where: the base URL, and the operator's if it is another."""


async def open_ports(settings: Settings) -> Ports:
    """Listen on ``[server] bind`` and, if it is set, on ``[operator] bind``.

    Raises:
        CannotListen: somebody else does, or it is no address of this machine.
    """
    twilios = await _listen(settings.server.bind, settings.server.address)
    operators: list[trio.SocketListener] = []
    if settings.operator.bind is not None and settings.operator.address is not None:
        try:
            operators = await _listen(settings.operator.bind, settings.operator.address)
        except CannotListen:
            for listener in twilios:
                listener.socket.close()
            raise
    return twilios, operators


async def _listen(bind: str, address: tuple[str, int]) -> list[trio.SocketListener]:
    host, port = address
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as busy:
        raise CannotListen(f"cannot listen on {bind}: {busy}") from busy


def urls_of(listeners: Sequence[trio.SocketListener], operators: Sequence[trio.SocketListener]) -> list[str]:
    """The base URLs of both, as far as there are both."""
    return [_url_of(each[0]) for each in (listeners, operators) if each]


def hosts_of(
    settings: Settings, listeners: Sequence[trio.SocketListener], operators: Sequence[trio.SocketListener]
) -> Hosts:
    """The names of the operator's address, with the port that it has got."""
    own = operators or listeners
    host, port, *_ = own[0].socket.getsockname()
    public_url = settings.operator.public_url if operators else settings.server.public_url
    return Hosts((host, port), public_url, settings.server.peer_url)


def _url_of(listener: trio.SocketListener) -> str:
    host, port, *_ = listener.socket.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
