"""The processes that share our port: a connection that is another's business is handed to it, bytes and all.

Any of them may accept any connection. Whose business it is stands in the path: behind the two digits of the node a call
id has those of the process that made it; and a new call is for whoever has the fewest. The socket itself is
passed on (SCM_RIGHTS, unix(7)), so nothing stands between Twilio and the call afterwards.
"""

from __future__ import annotations

import array
import errno
import json
import re
import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import httpx2
import structlog
import trio

from trio_voice.call.nodes import DEFAULT_DIGITS
from trio_voice.edges.web.entrypoints import Entrypoint
from trio_voice.edges.workers.addresses import LOOK_SECONDS, bind_at
from trio_voice.isolation import contained, keep_running
from trio_voice.net.connect import default_tls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from trio_voice.edges.workers.call_counts import CallCounts

log: Final = structlog.stdlib.get_logger("trio_voice.colleagues")

HAND_OVER_SECONDS: Final = 1.0
"""For a colleague to take a connection. It is on this machine and has nothing else to do for it than to read."""
AWAY_SECONDS: Final = 5.0
"""Time in which no new call is offered to one that has not taken what it was offered."""
FULL_SECONDS: Final = 0.1
"""Between two attempts to accept while there are no descriptors."""
FULL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""Of accept(2): what passes when something else is closed."""
_TAKEN: Final = b"taken"
_SERVE: Final = b"serve"
HERE: Final = "X-Trio-Voice-Here"
"""A header of requests from one process to another: answer for yourself only."""
ASK_SECONDS: Final = 2.0
"""For a colleague to answer what an operator or a scraper wants to know of all."""
SILENT_SECONDS: Final = 30.0
"""For a colleague that is listened to between two signs of life."""
MAX_LINE_BYTES: Final = 262_144
"""Of what it says."""
_ONE_DESCRIPTOR: Final = socket.CMSG_SPACE(array.array("i").itemsize)
_MAX_BYTES: Final = 65_536
_WITH_ID: Final = re.compile(
    rb"[A-Z]+ /(?:media-stream|twiml|(?:call|stream|amd|recording|dial)-status|(?:console/)?calls)"
    rb"/([0-9a-f]{2})([0-9a-f]{2})[0-9a-f]{28}[/? ]"
)
_BROWSERS: Final = re.compile(rb"POST /browser-calls[/? ]")
"""All for the first process, so that one counts them all."""
_NEW: Final = re.compile(rb"POST /(?:twiml|call)[/]?[? ]")


PROMISED: Final = "promised here"
LIVES: Final = "lives here as "
"""Said of a call SID instead of Twilio's statuses, the second with the call id: Twilio may ask one process for TwiML
and another once more, and one call is to have one record."""
MAX_ELSEWHERE: Final = 10_000
"""Calls of colleagues that are known by their SIDs; the oldest are forgotten first."""


async def hear_lines(
    stream: trio.abc.Stream, host: str, path: str, headers: Mapping[str, str], heard: Callable[[str], None]
) -> None:
    """Ask another process of ours for something that has no end, and hear its lines until it ends, or cancellation.

    Asked by HTTP/1.0: what comes is the body as it is. The stream is closed.

    Raises:
        OSError: it breaks off, or says something else than 200.
        trio.BrokenResourceError: likewise.
        trio.TooSlowError: it says nothing for ``SILENT_SECONDS``.
        ValueError: what it says makes no sense to whoever hears it, or is no text.
    """
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    async with stream:
        with trio.fail_after(SILENT_SECONDS):
            await stream.send_all(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n{told}\r\n".encode())
        waiting, in_body = b"", False
        while True:
            with trio.fail_after(SILENT_SECONDS):
                more = await stream.receive_some()
            if not more:
                return
            *lines, waiting = (waiting + more).split(b"\n")
            if len(waiting) > MAX_LINE_BYTES:
                raise ValueError("a line without an end")
            for line in lines:
                text = line.removesuffix(b"\r").decode()
                if in_body:
                    heard(text)
                elif text.startswith("HTTP/") and " 200" not in text:
                    raise ConnectionRefusedError(text)
                in_body = in_body or not text


OUR_ADDRESSES: Final = 2
"""Names of sockets at which one process listens to the others: for connections, and for questions."""


class Colleagues:
    """All processes of a node, as one of them sees it.

    Args:
        directory: where their sockets are; nobody else may enter it.
        index: which of them this is.
        count: how many there are.
        call_counts: how many calls each has.
        node: the digits of this machine.
    """

    def __init__(
        self, directory: Path, index: int, count: int, call_counts: CallCounts, node: str = DEFAULT_DIGITS
    ) -> None:
        self.index = index
        self._node = node
        self._directory = directory
        self._count = count
        self._call_counts = call_counts
        self._away: dict[int, float] = {}
        """Times until which no new call is offered to a process, by its index."""
        self._heeded: set[Path] = set()
        self._elsewhere: dict[str, str] = {}
        """Ids of calls whose streams have come to colleagues, by their SIDs."""
        self.heeds = trio.Event()
        """Set once colleagues may hand over and ask: whoever is told of before loses the first that they say."""

    @property
    def prefix(self) -> str:
        """Beginning of the ids of our calls."""
        return f"{self._node}{self.index:02x}"

    def http_address(self, index: int) -> Path:
        """Socket at which a process answers HTTP to its colleagues only."""
        return self._directory / f"http-{index}"

    @property
    def others(self) -> list[int]:
        """The numbers of all but this one."""
        return [index for index in range(self._count) if index != self.index]

    def owner_of(self, head: bytes) -> int:
        """Index of the process whose business a request is, by its head."""
        known = _WITH_ID.match(head)
        if known is not None:
            owner = int(known[2], 16)
            return owner if known[1].decode() == self._node and owner < self._count else self.index
        if _BROWSERS.match(head):
            return 0
        return self._emptiest() if _NEW.match(head) else self.index

    def _emptiest(self) -> int:
        now = trio.current_time()
        return self._call_counts.emptiest_of(
            [index for index in range(self._count) if index == self.index or self._away.get(index, 0.0) <= now]
        )

    async def hand_over(self, entrypoint: Entrypoint, stream: trio.SocketStream, data: bytes, to: int) -> bool:
        """Give a connection to another process, with its entrypoint and what was read of it; whether it was taken.

        It counts when the other says that it has it: a message waits in the socket of a process that stands still, too.
        The other serves it only when it is then told to, so that nobody serves what was given up here meanwhile. The
        caller closes its own end of the stream. Cancelling is safe.
        """
        rights = array.array("i", [stream.socket.fileno()]).tobytes()
        taken = await self._tell(to, b"C" + entrypoint.value + data, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        if not taken:
            self._away[to] = trio.current_time() + AWAY_SECONDS
        return taken

    async def pass_on_status(self, call_sid: str, status: str) -> None:
        """Tell everybody else what Twilio has said of a call whose id it did not say; or ``PROMISED`` or ``LIVES``."""
        for index in self.others:
            with contained("call_status"):
                await self._tell(index, b"S" + json.dumps([call_sid, status]).encode(), [])

    def lives_elsewhere(self, call_sid: str, call_id: str) -> None:
        """A colleague says that a call's stream has come there."""
        self._elsewhere[call_sid] = call_id
        if len(self._elsewhere) > MAX_ELSEWHERE:
            del self._elsewhere[next(iter(self._elsewhere))]

    def call_elsewhere(self, call_sid: str) -> str | None:
        """The id of a call whose stream has come to a colleague, if it has said so."""
        return self._elsewhere.get(call_sid)

    async def ask(self, path: str, headers: Mapping[str, str]) -> list[httpx2.Response]:
        """Answers of all others to a GET; who does not answer well, or in time, is left out."""
        answers: list[httpx2.Response] = []

        async def ask_one(index: int) -> None:
            transport = httpx2.AsyncHTTPTransport(verify=default_tls(), uds=str(self.http_address(index)))
            try:
                async with httpx2.AsyncClient(transport=transport, timeout=ASK_SECONDS) as client:
                    answer = await client.get(f"http://colleague{path}", headers={**headers, HERE: "1"})
                if answer.is_success:
                    answers.append(answer)
            except httpx2.HTTPError as away:
                log.warning("colleague_away", colleague=index, error=repr(away))

        async with trio.open_nursery() as nursery:
            for index in self.others:
                nursery.start_soon(ask_one, index)
        return answers

    async def listen_to(self, index: int, path: str, headers: Mapping[str, str], heard: Callable[[str], None]) -> None:
        """Hear the lines of an answer of another process's that has no end; see ``hear_lines``."""
        with trio.fail_after(ASK_SECONDS):
            stream = await trio.open_unix_socket(self.http_address(index))
        await hear_lines(stream, "colleague", path, {**headers, HERE: "1"}, heard)

    async def _tell(self, to: int, message: bytes, rights: list[Any]) -> bool:
        try:
            with trio.socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other, trio.fail_after(HAND_OVER_SECONDS):
                await other.connect(str(self._directory / f"hand-{to}"))
                await other.sendmsg([message], rights)
                if rights:
                    if await other.recv(len(_TAKEN)) != _TAKEN:
                        raise ConnectionResetError("it did not take the connection")
                    await other.send(_SERVE)
        except (OSError, trio.TooSlowError) as away:
            log.warning("colleague_away", colleague=to, error=repr(away))
            return False
        return True

    async def listen(
        self,
        serve: Callable[[Entrypoint, trio.SocketStream, bytes], Awaitable[None]],
        note_status: Callable[[str, str], None],
    ) -> None:
        """Take what colleagues hand over and ask, until cancelled; each connection is served by a child of this task.

        Should taking fail, it is begun again, and no connection ends of it.
        """

        async def answer(asked: trio.socket.SocketType) -> None:
            with contained("colleague"):
                await serve(Entrypoint.COLLEAGUE, trio.SocketStream(asked), b"")

        receive = partial(self._receive, serve=serve, note_status=note_status)
        handed = self._directory / f"hand-{self.index}"
        asked = self.http_address(self.index)
        async with trio.open_nursery() as connections:
            take = partial(self._accept, handed, socket.SOCK_SEQPACKET, receive, connections)
            heed = partial(self._accept, asked, socket.SOCK_STREAM, answer, connections)
            connections.start_soon(keep_running, "colleagues_questions", heed)
            await keep_running("colleagues", take)

    async def _accept(
        self,
        path: Path,
        kind: socket.SocketKind,
        serve: Callable[[trio.socket.SocketType], Awaitable[None]],
        connections: trio.Nursery,
    ) -> None:
        while True:
            with await bind_at(path, kind) as listening:
                listening.listen(1024)
                self._heeded.add(path)
                if len(self._heeded) == OUR_ADDRESSES:
                    self.heeds.set()
                while path.exists():  # noqa: ASYNC240 - a look at memory
                    try:
                        with trio.move_on_after(LOOK_SECONDS):
                            colleague, _ = await listening.accept()
                            connections.start_soon(serve, colleague)
                    except OSError as full:
                        if full.errno not in FULL:
                            raise
                        await trio.sleep(FULL_SECONDS)  # whoever waits serves it itself

    async def _receive(
        self,
        giver: trio.socket.SocketType,
        serve: Callable[[Entrypoint, trio.SocketStream, bytes], Awaitable[None]],
        note_status: Callable[[str, str], None],
    ) -> None:
        """One message of a colleague's."""
        with contained("colleague"):
            message, connection = b"", None
            is_ours = False
            try:
                with giver, trio.move_on_after(HAND_OVER_SECONDS), suppress(OSError):
                    message, ancillary, _, _ = await giver.recvmsg(_MAX_BYTES, _ONE_DESCRIPTOR)
                    for level, kind, data in ancillary:
                        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                            (descriptor,) = array.array("i", data[: array.array("i").itemsize])
                            connection = trio.socket.from_stdlib_socket(socket.socket(fileno=descriptor))
                    if connection is not None:
                        await giver.send(_TAKEN)
                        is_ours = await giver.recv(len(_SERVE)) == _SERVE
            finally:
                if connection is not None and not is_ours:
                    connection.close()
            if message[:1] == b"S":
                call_sid, status = json.loads(message[1:])
                note_status(call_sid, status)
            if connection is not None and is_ours:
                await serve(Entrypoint(message[1:2]), trio.SocketStream(connection), message[2:])
