"""``GET /events``: the feed as server-sent events, of all processes of the fleet at any of them.

An event's id is the listener's cursor in the feeds of all processes (``call/feed.py``), so ``Last-Event-ID`` resumes at
any of them. A process follows the others, of its machine and of other nodes, only while anybody listens here
(``follow_others``); what they have told meanwhile comes first then. Another process of the machine is told of this one
only, another node of this machine's: nobody hears anything twice.

A listener who does not read is cut off by the server (``server.py``: each write has its deadline), and one who reads
too slowly by their mailbox; neither is waited for by anybody.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog
import trio
from quart import Response, request

from trio_voice.call.mailbox import Cursor, FeedEvent, Reach
from trio_voice.edges.web.answers import failure
from trio_voice.edges.web.nodes import NODE
from trio_voice.edges.workers.handover import HERE, hear_lines
from trio_voice.isolation import keep_running
from trio_voice.net.connect import default_tls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from quart_trio import QuartTrio

    from trio_voice.call.feed import Feed
    from trio_voice.call.nodes import Node
    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess

log: Final = structlog.stdlib.get_logger("trio_voice.app")

PATH: Final = "/events"
HEARTBEAT_SECONDS: Final = 10.0
"""Between two signs of life, while nothing happens: less than what proxies and browsers wait."""
LET_IN_SECONDS: Final = 1.0
"""Between two looks if a listener is still let in: their token may be taken away, their session end."""
PACE_SECONDS: Final = 0.05
"""Between two writes to one listener: what happens meanwhile goes in one."""
MAX_LISTENERS: Final = 60
"""In one process; each holds a connection."""
AGAIN_SECONDS: Final = 1.0
"""Before another process is asked again that did not answer, or has ended."""
LOOK_SECONDS: Final = 2.0
"""Between two looks at which nodes there are, while anybody listens."""
CONNECT_SECONDS: Final = 2.0
"""To reach another node."""
NOW: Final = "now"
"""Told between processes only: from here on it happens."""
LINGER_SECONDS: Final = 30.0
"""Time for which the others are still followed once nobody listens: browsers go from page to page."""
RETRY_MS: Final = 2_000
"""Time that a browser waits before it comes back."""


def add_events(app: QuartTrio, context: AppContext, access: OperatorAccess) -> None:
    """The route."""

    @app.get(PATH)
    @access.lets_in
    async def events() -> Response:
        # A browser sends the header by itself when it comes back; in the query it may be given from the start.
        text = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")
        try:
            since = context.feed.within(Cursor.read(text)) if text else None
        except ValueError as wrong:
            return failure(400, "bad_request", f"Last-Event-ID: {wrong}")
        if context.feed.listeners >= MAX_LISTENERS:
            return failure(503, "full", f"there are {MAX_LISTENERS} listeners already")
        reach = Reach.FLEET
        if HERE in request.headers or NODE in request.headers:
            reach = Reach.PROCESS if HERE in request.headers else Reach.NODE
            since = since or Cursor()  # another process, which wants all that there is
        told = _told(context.feed, since, reach, access.lasting())
        answer = Response(told, content_type="text/event-stream")
        answer.timeout = None  # it has no end
        answer.headers["Cache-Control"] = "no-cache, no-store"
        answer.headers["X-Accel-Buffering"] = "no"
        return answer


async def _told(  # noqa: ASYNC900 - a body: Quart closes it
    feed: Feed, since: Cursor | None, reach: Reach, is_let_in: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """The body of the answer, until the listener goes, is cut off, or is let in no more. Cancelling is safe."""
    is_inside = reach is not Reach.FLEET
    if feed.listeners >= MAX_LISTENERS:
        return  # others have come in the moment since this one was let in
    with feed.listening(since, reach) as mailbox:
        cursor = feed.cursor() if since is None else since.copy()
        # Its cursor, before anything has happened: whoever is cut off at once has one, too.
        first = f"id: {cursor}\n" if str(cursor) and not is_inside else ""
        yield f"retry: {RETRY_MS}\n{first}: hello\n\n".encode()  # noqa: ASYNC119 - as above
        if is_inside:
            past = b"".join(_written(event, cursor, is_inside=True) for event in mailbox.take_now())
            yield past + f"event: {NOW}\norigin: {feed.origin}\ndata: {{}}\n\n".encode()  # noqa: ASYNC119 - as above
        looked_at = trio.current_time()
        while not mailbox.is_overrun:
            taken: list[FeedEvent] = []
            with trio.move_on_after(HEARTBEAT_SECONDS):
                taken = await mailbox.take()
            if trio.current_time() - looked_at >= LET_IN_SECONDS:
                looked_at = trio.current_time()
                if not is_let_in():
                    return
            told = b"".join(_written(event, cursor, is_inside=is_inside) for event in taken)
            yield told or b": here\n\n"  # noqa: ASYNC119 - as above
            await trio.sleep(PACE_SECONDS)
        log.warning("listener_too_slow")


def _written(event: FeedEvent, cursor: Cursor, *, is_inside: bool) -> bytes:
    """An event as it is sent; another process is told whose it is, in fields of our own."""
    cursor.move(event.origin, event.number)
    whose = b"origin: %b\nnumber: %d\n" % (event.origin.encode(), event.number) if is_inside else b""
    return b"id: %b\n%bevent: %b\ndata: %b\n\n" % (str(cursor).encode(), whose, event.kind.encode(), event.data)


async def follow_others(context: AppContext) -> None:
    """Follow the other processes of the fleet while anybody listens here, until cancelled."""
    feed = context.feed
    if context.colleagues is None and context.nodes is None:
        return
    while True:
        await feed.wait_heard_of_all()
        async with trio.open_nursery() as nursery:
            if context.colleagues is not None:
                for index in context.colleagues.others:
                    nursery.start_soon(keep_running, "follow_colleague", partial(_follow_colleague, context, index))
            nursery.start_soon(keep_running, "follow_nodes", partial(_follow_nodes, context))
            while feed.is_heard_of_all:  # noqa: ASYNC110 - looked at seldom, on purpose
                await trio.sleep(LINGER_SECONDS)
            nursery.cancel_scope.cancel(reason="nobody listens")


async def _follow_colleague(context: AppContext, index: int) -> None:
    """Take over what another process tells; when it ends, what the one tells that comes in its place."""
    assert context.colleagues is not None  # noqa: S101 - or nobody is followed
    other = Follower(context.feed, of_node=False)
    while True:
        with suppress(OSError, trio.BrokenResourceError, trio.TooSlowError, ValueError, LookupError):
            headers = context.as_operator() | {"Last-Event-ID": str(context.feed.cursor())}
            other.begin()
            await context.colleagues.listen_to(index, PATH, headers, other.hear)
        await trio.sleep(AGAIN_SECONDS)


async def _follow_nodes(context: AppContext) -> None:
    """Follow each node that lives, as long as anybody here wants to hear of them."""
    followed: dict[str, trio.CancelScope] = {}

    async def follow(node: Node) -> None:
        with trio.CancelScope() as followed[node.peer_url]:
            await keep_running("follow_node", partial(_follow_node, context, node))

    async with trio.open_nursery() as nursery:
        while True:
            wanted = {node.peer_url: node for node in context.nodes.directory.others} if context.nodes else {}
            if not context.feed.is_heard_of_nodes:
                wanted = {}
            for peer_url in followed.keys() - wanted.keys():
                followed.pop(peer_url).cancel(reason="it is gone, or nobody listens")
            for peer_url in wanted.keys() - followed.keys():
                followed[peer_url] = trio.CancelScope()
                nursery.start_soon(follow, wanted[peer_url])
            await trio.sleep(LOOK_SECONDS)


async def _follow_node(context: AppContext, node: Node) -> None:
    """Take over what the processes of another machine tell, until cancelled."""
    other = Follower(context.feed, of_node=True)
    parts = urlsplit(node.peer_url)
    digits = "" if context.nodes is None else context.nodes.digits
    port = parts.port or (443 if parts.scheme == "https" else 80)
    while True:
        with suppress(OSError, trio.BrokenResourceError, trio.TooSlowError, ValueError, LookupError):
            headers = context.as_operator() | {"Last-Event-ID": str(context.feed.cursor()), NODE: digits}
            other.begin()
            with trio.fail_after(CONNECT_SECONDS):
                stream: trio.abc.Stream = await trio.open_tcp_stream(parts.hostname or "", port)
                if parts.scheme == "https":
                    stream = trio.SSLStream(
                        stream, default_tls(), server_hostname=parts.hostname, https_compatible=True
                    )
            path = f"{parts.path.rstrip('/')}{PATH}"
            await hear_lines(stream, parts.netloc, path, headers, other.hear)
        await trio.sleep(AGAIN_SECONDS)


class Follower:
    """Tells one feed what another process writes on ``GET /events`` when it is asked by a process.

    Args:
        feed: told.
        of_node: it is of another machine, whose processes come and go without our knowing.
    """

    def __init__(self, feed: Feed, *, of_node: bool) -> None:
        self._feed = feed
        self._of_node = of_node
        self._origins: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """It is asked anew: first comes what is past."""
        self._fields: dict[str, str] = {}
        self._is_past = True

    def hear(self, line: str) -> None:
        """One line of it. Raises ``ValueError`` or ``LookupError`` for what ``_written`` has not written."""
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")
            return
        fields, self._fields = self._fields, {}
        if "event" not in fields:
            return
        origin = fields["origin"]
        if fields["event"] != NOW:
            self._origins.add(origin)
            number, kind, data = int(fields["number"]), fields["event"], fields["data"].encode()
            self._feed.take_over(origin, number, kind, data, is_past=self._is_past, of_node=self._of_node)
            return
        if not self._of_node:
            for gone in self._origins - {origin}:
                self._feed.forget(gone)
            self._origins = {origin}
        self._is_past = False
        self._feed.caught_up(self._origins)
