"""HTTP/1.1 for the stages of a chain that are asked by requests, with connections that are open before they are needed.

A handshake before an answer would be heard: it is two round trips and more. So a call's client keeps its connections
between requests however long the caller talks, ``warm`` sees to it that one is open before the next request, and what
is still good when the call ends is kept for the next call, for seconds (``open_http_pool``).

``h11`` reads and writes the protocol, on streams of our own: an idle connection can then be looked at without
disturbing it. What a server sends unasked on one is read first, for TLS 1.3 hands out its tickets when it likes; only
an end, an error, or bytes of HTTP that nobody asked for make it useless.

No request is repeated, but one: where a kept connection turns out to have been closed at the other end before a byte of
an answer came, the request is sent on a new one.
"""

from __future__ import annotations

import math
from collections import Counter
from contextlib import asynccontextmanager, contextmanager, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

import h11
import trio

from trio_voice.errors import ModelUnavailable
from trio_voice.isolation import keep_running
from trio_voice.net.connect import Unreachable, connect
from trio_voice.net.polled_stream import PolledStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from trio_voice.events.stage import ModelRequest
    from trio_voice.net.proxies import Proxy

KEPT_A_HOST: Final = 4
"""Connections that are kept between calls for one host, at the most."""
KEPT_SECONDS: Final = 1.5
"""And for so long: like a call's other sockets they are closed within two seconds of its end, or another call's."""
WARM_SECONDS: Final = 5.0
"""For opening a connection ahead of its use."""
HASTY_SECONDS: Final = 20.0
STALE_SECONDS: Final = 2.0
"""A server that closes idle connections so soon has another opened for the next request, if the one that is there has
been idle for some time: it could be closed between the caller's words and the question."""
MAX_HEAD_BYTES: Final = 65_536
"""Of an answer, and of each chunk's length: what is longer is no HTTP."""
READ_BYTES: Final = 16_384
EARLY_SECONDS: Final = 1.0
"""A connection is given up so long before the server would by its own word (``Keep-Alive: timeout``)."""


class Origin(NamedTuple):
    """The host that a connection leads to."""

    secure: bool
    host: str
    port: int


def origin_of(url: str) -> Origin:
    """Of an address. Raises ``ModelUnavailable`` where it is none of HTTP's."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as wrong:
        raise ModelUnavailable(f"{url!r} is no http:// or https:// address") from wrong
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ModelUnavailable(f"{url!r} is no http:// or https:// address")
    secure = parts.scheme == "https"
    return Origin(secure, parts.hostname, port or (443 if secure else 80))


class _Closed(Exception):
    """The other end has closed the connection, and nothing of an answer has come."""


_BROKEN: Final = (_Closed, h11.ProtocolError, OSError, trio.BrokenResourceError, trio.ClosedResourceError)


class Connection:
    """One connection: idle, or with one request on it.

    Args:
        origin: the host that it leads to.
        stream: connected, and this connection's alone.
    """

    def __init__(self, origin: Origin, stream: trio.abc.Stream | PolledStream) -> None:
        self.origin = origin
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._good_until = math.inf
        self.idle_since = trio.current_time()
        self._is_usable = True

    def is_good(self, now: float) -> bool:
        """True if a request may be sent on it: it is idle, nothing has come unasked, and its end is not near."""
        if self._http.our_state is not h11.IDLE or now >= self._good_until:
            return False
        self._is_usable = self._is_usable and _is_quiet(self._stream)
        return self._is_usable

    async def send(self, request: ModelRequest) -> h11.Response:
        """Send a request and wait for the head of its answer. Cancelling is safe, and costs the connection.

        Raises:
            _Closed: it was closed at its other end before a byte of an answer came.
            h11.ProtocolError, trio.BrokenResourceError: what came is no HTTP, or it broke off.
        """
        parts = urlsplit(request.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "trio-voice", "Accept": "*/*"}
        length = {"Content-Length": str(len(request.body))}
        asked = h11.Request(method="POST", target=target, headers=[*(headers | {**request.headers} | length).items()])
        data = [self._http.send(event) for event in (asked, h11.Data(data=request.body), h11.EndOfMessage())]
        with _told_if_closed():
            await self._stream.send_all(b"".join(filter(None, data)))
            came = await self._stream.receive_some(READ_BYTES)
        if not came:
            raise _Closed("it was closed without an answer")
        self._http.receive_data(bytes(came))
        while not isinstance(event := self._http.next_event(), h11.Response):
            if event is h11.NEED_DATA:
                self._http.receive_data(bytes(await self._stream.receive_some(READ_BYTES)))
            elif not isinstance(event, h11.InformationalResponse):
                raise trio.BrokenResourceError("it was closed without an answer")
        return event

    async def receive(self) -> bytes:
        """The next piece of the answer's body; empty at its end. Cancelling is safe, and costs the connection."""
        while True:  # noqa: ASYNC913 - at the latest when there is nothing left to parse
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(bytes(await self._stream.receive_some(READ_BYTES)))
            elif not isinstance(event, h11.Data):
                return b""
            elif event.data:
                return bytes(event.data)

    def settle(self, response: h11.Response) -> bool:
        """The answer was read, or nobody wants the rest: whether another request may follow. Never waits."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        now = trio.current_time()
        self.idle_since = now
        self._good_until = now + _seconds_kept(response) - EARLY_SECONDS
        return self.is_good(now)

    def close(self) -> None:
        """Close. Never waits, never raises. Idempotent."""
        self._is_usable = False
        if isinstance(self._stream, PolledStream):
            self._stream.close_now()
        else:
            _socket_of(self._stream).close()


@contextmanager
def _told_if_closed() -> Iterator[None]:
    try:
        yield
    except (OSError, trio.BrokenResourceError) as broken:
        raise _Closed(_words(broken)) from broken


def _socket_of(stream: trio.abc.Stream) -> trio.socket.SocketType:
    while isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    assert isinstance(stream, trio.SocketStream)  # noqa: S101 - ``connect`` makes no others
    return stream.socket


def _seconds_kept(response: h11.Response) -> float:
    """Seconds for which the server says that it keeps an idle connection."""
    for name, value in response.headers:
        if name == b"keep-alive":
            for part in value.split(b","):
                key, _, seconds = part.strip().partition(b"=")
                if key == b"timeout" and seconds.isdigit():
                    return float(seconds[:9])
    return math.inf


def _is_quiet(stream: trio.abc.Stream | PolledStream) -> bool:
    """True if an idle stream is open and nothing has come on it; TLS's own messages are read and do not count."""
    if isinstance(stream, PolledStream):
        return stream.is_quiet()
    return not _socket_of(stream).is_readable()  # with TLS, a ticket that has come counts as an end


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
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}

    async def receive(self) -> bytes:
        """The next piece of the body; empty at its end. Cancelling is safe.

        Raises:
            ModelUnavailable: it broke off.
        """
        try:
            return await self._connection.receive()
        except _BROKEN as broken:
            raise ModelUnavailable(f"the answer broke off: {_words(broken)}") from broken


class HttpClient:
    """Posts to the providers of one call. Has no timeouts of its own: whoever asks has a deadline."""

    def __init__(self, nursery: trio.Nursery, proxies: Mapping[str, Proxy]) -> None:
        self._nursery = nursery
        self._proxies = {origin_of(address): proxy for address, proxy in proxies.items()}
        self._idle: list[Connection] = []
        self._opening: dict[Origin, trio.Event] = {}
        pool = _pool.get()
        self._hasty: set[Origin] = set() if pool is None else pool.hasty
        self.used: Counter[str] = Counter() if pool is None else pool.used
        """Requests, by their connection: ``warm``; ``new``; or ``again``, a new one because the warm one was dead."""

    def warm(self, url: str) -> None:
        """See to it that a connection is open for the next request to this address. Never waits, never raises."""
        try:
            origin = origin_of(url)
        except ModelUnavailable:
            return  # the request will tell
        if origin in self._opening:
            return
        pool = _pool.get()
        good = self._idle_one(origin) or (pool.take(origin) if pool is not None else None)
        if good is not None:
            self._idle.append(good)
            if origin not in self._hasty or trio.current_time() - good.idle_since < STALE_SECONDS:
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
        origin = origin_of(request.url)
        connection, response = await self._ask(origin, request)
        is_settled = False
        try:
            yield HttpAnswer(connection, response)
            is_settled = connection.settle(response)
        finally:
            if is_settled:
                self._idle.append(connection)
            else:
                connection.close()

    async def _ask(self, origin: Origin, request: ModelRequest) -> tuple[Connection, h11.Response]:
        how, connection = "new", await self._warm_one(origin)
        if connection is not None:
            how = "again"
        try:
            if connection is not None:
                with suppress(_Closed):
                    return await self._send("warm", connection, request)
            return await self._send(how, await self._open(origin), request)
        except (Unreachable, *_BROKEN) as failed:
            raise ModelUnavailable(f"{origin.host} cannot be asked: {_words(failed)}") from failed

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
            if not connection.is_good(now):
                if now - connection.idle_since < HASTY_SECONDS:
                    self._hasty.add(origin)
            elif good is None:
                good = connection
            elif now - connection.idle_since < HASTY_SECONDS:
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


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
