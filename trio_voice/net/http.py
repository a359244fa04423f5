"""HTTP/1.1 for the stages of a chain that are asked by requests, with connections that are open before they are needed.

A handshake before an answer would be heard: it is two round trips and more. So a call's client keeps its connections
between requests however long the caller talks, ``warm`` sees to it that one is open before the next request, and what
is still good when the call ends is kept for the next call, for seconds (``open_http_pool``).

``h11`` reads and writes the protocol, on streams of our own: an idle connection can then be looked at without
disturbing it. What a server sends unasked on one is read first, for TLS 1.3 hands out its tickets when it likes; only
an end, an error, or bytes of HTTP that nobody asked for make it useless.

A server that has moved is followed where it is still that server (a slash too many), or the same host with TLS; a key
is never sent to another host or port. What came of a permanent move is remembered for the call.

No request is repeated, but one: where a kept connection turns out to have been closed at the other end before a byte of
an answer came, the request is sent on a new one.
"""

from __future__ import annotations

import math
import urllib.parse
from collections import Counter
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs
import h11
import trio

from trio_voice.errors import ModelUnavailable
from trio_voice.isolation import keep_running
from trio_voice.net.connect import Unreachable, connect
from trio_voice.net.content_coding import Decoder
from trio_voice.net.http_connection import BROKEN, Closed, Connection, Origin, origin_of, words_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from trio_voice.events.stage import ModelRequest
    from trio_voice.net.proxies import Proxy

KEPT_A_HOST: Final = 4
"""Connections that are kept between calls for one host, at the most."""
KEPT_SECONDS: Final = 1.5
"""And for so long: like a call's other sockets they are closed within two seconds of its end, or another call's."""
WARM_SECONDS: Final = 5.0
"""For opening a connection ahead of its use."""
HASTY_SECONDS: Final = 20.0
MOVED: Final = frozenset({301, 302, 307, 308})
"""Answers that name another address for the same request; the first two mean it wherever a proxy gives them."""
MOVED_FOR_GOOD: Final = frozenset({301, 308})
MAX_MOVES: Final = 3
PATIENT_SECONDS: Final = 6.0
"""Many servers close an idle connection after two, four or five seconds; who keeps it longer is not one of these."""
STALE_SECONDS: Final = 2.0
"""A server that closes idle connections soon, or of which it is not known yet, has another opened for the next request,
if the one that is there has been idle for so long: it could be closed between the caller's words and the question."""


class HttpPool:
    """The connections that are kept between calls."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, Connection]] = []
        self._is_closed = False
        self._changed = trio.Event()
        self.used: Counter[str] = Counter()
        """Requests, by their connection, of all calls: see ``HttpClient``."""
        self.hasty: set[Origin] = set()
        """Servers that have closed a connection which was idle for less than ``HASTY_SECONDS``."""
        self.patient: set[Origin] = set()
        """Servers that have kept one for ``PATIENT_SECONDS``."""

    def take(self, origin: Origin) -> Connection | None:
        """One that is good, and the taker's from now on."""
        now = trio.current_time()
        for at, (_until, connection) in enumerate(self._kept):
            if connection.origin == origin and connection.is_good(now):
                del self._kept[at]
                return connection
        return None

    def keep(self, connection: Connection) -> bool:
        """Keep one, if it is good and there is room for it; else it stays the giver's to close."""
        now = trio.current_time()
        of_host = sum(1 for _, kept in self._kept if kept.origin == connection.origin)
        if self._is_closed or of_host >= KEPT_A_HOST or not connection.is_good(now):
            return False
        self._kept.append((now + KEPT_SECONDS, connection))
        self._changed.set()
        return True

    async def run(self) -> None:
        """Close what was kept for long enough, until cancelled."""
        while True:
            if not self._kept:
                self._changed = trio.Event()
                await self._changed.wait()
            await trio.sleep_until(self._kept[0][0] if self._kept else -math.inf)
            while self._kept and self._kept[0][0] <= trio.current_time():
                self._kept.pop(0)[1].close()

    def close(self) -> None:
        """Close all, and keep none any more: the daemon drains. Never waits. Idempotent."""
        self._is_closed = True
        kept, self._kept = self._kept, []
        for _, connection in kept:
            connection.close()


_pool: Final = trio.lowlevel.RunVar["HttpPool | None"]("trio_voice.http_pool", None)


@asynccontextmanager
async def open_http_pool() -> AsyncIterator[HttpPool]:
    """While this is open, what is good of a call's connections is kept for the next call."""
    pool = HttpPool()
    token = _pool.set(pool)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_running, "http_pool", pool.run)
            yield pool
            nursery.cancel_scope.cancel(reason="nobody takes a connection any more")
    finally:
        _pool.reset(token)
        pool.close()


class HttpAnswer:
    """An answer whose body is still coming."""

    def __init__(self, connection: Connection, response: h11.Response) -> None:
        self._connection = connection
        self.response = response
        self.status = response.status_code
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
        self.headers = {"date": formatdate(usegmt=True)} | told  # RFC 9110, 6.6.1
        self._decoder = Decoder(self.headers.get("content-encoding", ""))

    async def receive(self) -> bytes:
        """The next piece of the body; empty at its end. Cancelling is safe.

        Raises:
            ModelUnavailable: it broke off, or cannot be read.
        """
        if (rest := self._decoder.rest) and (plain := self._decoder.take(rest)):
            await trio.lowlevel.checkpoint()
            return plain
        while True:
            try:
                data = await self._connection.receive()
            except BROKEN as broken:
                raise ModelUnavailable(f"the answer broke off: {words_of(broken)}") from broken
            plain = self._decoder.take(data) if data else b""
            if plain or not data:
                return plain


class HttpClient:
    """Posts to the providers of one call. Has no timeouts of its own: whoever asks has a deadline."""

    def __init__(self, nursery: trio.Nursery, proxies: Mapping[str, Proxy]) -> None:
        self._nursery = nursery
        self._proxies = {origin_of(address): proxy for address, proxy in proxies.items()}
        self._idle: list[Connection] = []
        self._opening: dict[Origin, trio.Event] = {}
        self._moved: dict[str, str] = {}
        """Addresses of requests, by those that they had before."""
        pool = _pool.get()
        self._hasty: set[Origin] = set() if pool is None else pool.hasty
        self._patient: set[Origin] = set() if pool is None else pool.patient
        self.used: Counter[str] = Counter() if pool is None else pool.used
        """Requests, by their connection: ``warm``; ``new``; or ``again``, a new one because the warm one was dead."""

    def warm(self, url: str) -> None:
        """See to it that a connection is open for the next request to this address. Never waits, never raises."""
        try:
            origin = origin_of(url)
        except ModelUnavailable:
            return  # the request will tell
        origin = next((origin_of(new) for old, new in self._moved.items() if origin_of(old) == origin), origin)
        if origin in self._opening:
            return
        pool = _pool.get()
        good = self._idle_one(origin) or (pool.take(origin) if pool is not None else None)
        if good is not None:
            self._idle.append(good)
            idle = trio.current_time() - good.idle_since
            if idle < STALE_SECONDS or (origin in self._patient and origin not in self._hasty):
                return  # else it may be closed before the request comes
        self._opening[origin] = trio.Event()
        self._nursery.start_soon(self._open_ahead, origin)

    async def _open(self, origin: Origin) -> Connection:
        proxy = self._proxies.get(origin)
        return Connection(origin, await connect(origin.host, origin.port, secure=origin.secure, proxy=proxy))

    async def _open_ahead(self, origin: Origin) -> None:
        try:
            with trio.move_on_after(WARM_SECONDS), suppress(Unreachable):  # the request will tell
                self._idle.append(await self._open(origin))
        finally:
            self._opening.pop(origin).set()

    @asynccontextmanager
    async def post(self, request: ModelRequest) -> AsyncIterator[HttpAnswer]:
        """Send a request; the block reads the answer, and leaving it closes the answer.

        Cancelling is safe: the connection is closed.

        Raises:
            ModelUnavailable: nobody answers there; the message names the host and never a header.
        """
        connection, response = await self._ask_where_it_is(request)
        is_settled = False
        try:
            yield HttpAnswer(connection, response)
            is_settled = connection.settle(response)
        finally:
            if is_settled:
                self._idle.append(connection)
            else:
                connection.close()

    async def _ask_where_it_is(self, request: ModelRequest) -> tuple[Connection, h11.Response]:
        """Ask, and follow a server that has moved within itself; the last answer where it goes on for ever."""
        url = self._moved.get(request.url, request.url)
        for _ in range(MAX_MOVES):
            connection, response = await self._ask(origin_of(url), attrs.evolve(request, url=url))
            new = _moved_to(url, response)
            if new is None:
                return connection, response
            connection.close()
            if response.status_code in MOVED_FOR_GOOD:
                self._moved[request.url] = new
            url = new
        return await self._ask(origin_of(url), attrs.evolve(request, url=url))

    async def _ask(self, origin: Origin, request: ModelRequest) -> tuple[Connection, h11.Response]:
        how, connection = "new", await self._warm_one(origin)
        if connection is not None:
            how = "again"
        try:
            if connection is not None:
                with suppress(Closed):
                    return await self._send("warm", connection, request)
            return await self._send(how, await self._open(origin), request)
        except (Unreachable, *BROKEN) as failed:
            raise ModelUnavailable(f"{origin.host} cannot be asked: {words_of(failed)}") from failed

    async def _send(self, how: str, connection: Connection, request: ModelRequest) -> tuple[Connection, h11.Response]:
        sent = False
        try:
            response = await connection.send(request)
            sent = True
        finally:
            if not sent:
                connection.close()
        self.used[how] += 1
        return connection, response

    async def _warm_one(self, origin: Origin) -> Connection | None:
        """A connection that is open already, or about to be."""
        connection = self._idle_one(origin)
        if connection is None and origin in self._opening:
            await self._opening[origin].wait()
            connection = self._idle_one(origin)
        pool = _pool.get()
        return connection or (pool.take(origin) if pool is not None else None)

    def _idle_one(self, origin: Origin) -> Connection | None:
        """One of the call's own that is good, taken out; those that are not are closed."""
        now = trio.current_time()
        good = None
        for connection in [idle for idle in reversed(self._idle) if idle.origin == origin]:
            is_good, idle = connection.is_good(now), now - connection.idle_since
            if not is_good and idle < HASTY_SECONDS:
                self._hasty.add(origin)
            elif is_good and idle > PATIENT_SECONDS:
                self._patient.add(origin)
            if is_good and good is None:
                good = connection
            elif is_good and idle < HASTY_SECONDS:
                continue  # the next one's
            self._idle.remove(connection)
            if connection is not good:
                connection.close()
        return good

    def close(self) -> None:
        """Give what is good to the pool, and close the rest. Never waits."""
        pool = _pool.get()
        idle, self._idle = self._idle, []
        for connection in idle:
            if pool is None or not pool.keep(connection):
                connection.close()


def _moved_to(url: str, response: h11.Response) -> str | None:
    """The address to which a request is to be sent instead; ``None`` for another server's, or one without TLS."""
    if response.status_code not in MOVED:
        return None
    told = next((value for name, value in response.headers if name == b"location"), b"").decode("latin-1")
    try:
        new = urllib.parse.urljoin(url, told)
        was, now = origin_of(url), origin_of(new)
    except (ValueError, ModelUnavailable):
        return None
    is_same = now == was or (now.host == was.host and now.secure and not was.secure)
    return new if new != url and is_same else None


@asynccontextmanager
async def open_http(proxies: Mapping[str, Proxy] = MappingProxyType({})) -> AsyncIterator[HttpClient]:
    """A client for one call.

    Args:
        proxies: the proxy of each address that is reached by one (``proxies.py``).
    """
    async with trio.open_nursery() as nursery:
        client = HttpClient(nursery, proxies)
        try:
            yield client
        finally:
            nursery.cancel_scope.cancel(reason="the call is over")
            client.close()
