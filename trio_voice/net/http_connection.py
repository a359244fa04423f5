"""One connection of HTTP/1.1, idle or with one request on it."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

import h11
import trio

from trio_voice.errors import ModelUnavailable
from trio_voice.net.polled_stream import PolledStream
from trio_voice.net.tcp import finish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_voice.events.stage import ModelRequest

MAX_HEAD_BYTES: Final = 65_536
"""Of an answer, and of each chunk's length: what is longer is no HTTP."""
READ_BYTES: Final = 16_384
LOW_LATENCY_PIECES: Final = 32
"""Of an answer, from its head on, that are not let gather with others' news (``poller.py``): those before the first
text that can be spoken, and more."""
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


class Closed(Exception):
    """The other end has closed the connection, and nothing of an answer has come."""


BROKEN: Final = (Closed, h11.ProtocolError, OSError, trio.BrokenResourceError, trio.ClosedResourceError)


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
        self._pieces = 0
        """That have come of the answer; what follows ``LOW_LATENCY_PIECES`` may be late."""
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
            Closed: it was closed at its other end before a byte of an answer came.
            h11.ProtocolError, trio.BrokenResourceError: what came is no HTTP, or it broke off.
        """
        parts = urlsplit(request.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "trio-voice", "Accept": "*/*"}
        headers["Accept-Encoding"] = "identity"  # without it any coding would be allowed
        length = {"Content-Length": str(len(request.body))}
        asked = h11.Request(method="POST", target=target, headers=[*(headers | {**request.headers} | length).items()])
        data = [self._http.send(event) for event in (asked, h11.Data(data=request.body), h11.EndOfMessage())]
        self._pieces = 0
        self._set_low_latency(wanted=True)
        with _told_if_closed():
            await self._stream.send_all(b"".join(filter(None, data)))
            came = await self._stream.receive_some(READ_BYTES)
        if not came:
            raise Closed("it was closed without an answer")
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
                self._pieces += 1
                if self._pieces == LOW_LATENCY_PIECES:
                    self._set_low_latency(wanted=False)
                return bytes(event.data)

    def settle(self, response: h11.Response) -> bool:
        """The answer was read, or nobody wants the rest: whether another request may follow. Never waits."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        self._set_low_latency(wanted=False)
        now = trio.current_time()
        self.idle_since = now
        self._good_until = now + _seconds_kept(response) - EARLY_SECONDS
        return self.is_good(now)

    def _set_low_latency(self, *, wanted: bool) -> None:
        if isinstance(self._stream, PolledStream):
            self._stream.set_low_latency(wanted=wanted)

    def close(self) -> None:
        """Close. Never waits, never raises. Idempotent."""
        self._is_usable = False
        if isinstance(self._stream, PolledStream):
            self._stream.close_now()
        else:
            finish(_socket_of(self._stream))
            _socket_of(self._stream).close()


@contextmanager
def _told_if_closed() -> Iterator[None]:
    try:
        yield
    except (OSError, trio.BrokenResourceError) as broken:
        raise Closed(words_of(broken)) from broken


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


def words_of(error: BaseException) -> str:
    """The words of an error, or its name."""
    return str(error) or type(error).__name__
