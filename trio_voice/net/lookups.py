"""Look-ups of host names that do not wait for one another.

trio looks names up in threads, of which there are forty for everybody. Where a name's server does not answer, calls to
that model take them all, and the request that hangs up a phone, at a name that resolves at once, stands behind them. So
each name has threads of its own.
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS_A_NAME: Final = 8
"""Look-ups of one name at a time. Many calls may begin at once; an answer takes a millisecond where there is one."""
MAX_NAMES: Final = 64
"""Names that have their own. There are as many as the configuration has addresses."""


class Lookups(trio.abc.HostnameResolver):
    """Looks names up as trio does, each name with a limit of its own: ``trio.socket.set_custom_hostname_resolver``.

    Cancelling is safe; a look-up that nobody waits for any more goes on in its thread, and counts until it has ended.
    """

    def __init__(self) -> None:
        self._limits: OrderedDict[object, trio.CapacityLimiter] = OrderedDict()

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002 - trio's signature
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        """The addresses of a name."""
        return await self._run(host, socket.getaddrinfo, host, port, family, type, proto, flags)

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        """The name of an address."""
        found: tuple[str, str] = await self._run(None, socket.getnameinfo, sockaddr, flags)
        return found

    async def _run(self, name: object, look_up: Callable[..., Any], *what: object) -> Any:
        limit = self._limits.get(name)
        if limit is None:
            limit = self._limits[name] = trio.CapacityLimiter(THREADS_A_NAME)
            if len(self._limits) > MAX_NAMES:
                self._limits.popitem(last=False)
        return await trio.to_thread.run_sync(look_up, *what, abandon_on_cancel=True, limiter=limit)
