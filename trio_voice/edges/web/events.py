"""``GET /events``: the feed as server-sent events, of all processes of the house at any of them.

An event's id is the listener's place in the feeds of all processes (``call/feed.py``), so ``Last-Event-ID`` resumes at
any of them. A process follows the others only while anybody listens here (``follow_others``); what they have told
meanwhile comes first then. Whoever is asked by another process tells of itself only.

A listener who does not read is cut off by the server (``server.py``: each write has its deadline), and one who reads
too slowly by their mailbox; neither is waited for by anybody.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog
import trio
from quart import Response, request

from trio_voice.call.feed import FeedEvent, Place
from trio_voice.edges.web.answers import failure
from trio_voice.edges.workers.handover import HERE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quart_trio import QuartTrio

    from trio_voice.call.feed import Feed
    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator_door import OperatorDoor

log: Final = structlog.stdlib.get_logger("trio_voice.app")

PATH: Final = "/events"
HEARTBEAT_SECONDS: Final = 10.0
"""Between two signs of life, while nothing happens: less than what proxies and browsers wait."""
PACE_SECONDS: Final = 0.05
"""Between two writes to one listener: what happens meanwhile goes in one."""
MOST_LISTENERS: Final = 60
"""In one process; each holds a connection."""
AGAIN_SECONDS: Final = 1.0
"""Before another process is asked again that did not answer, or has ended."""
NOW: Final = "now"
"""Told between processes only: from here on it happens."""
LINGER_SECONDS: Final = 30.0
"""Time for which the others are still followed once nobody listens: browsers go from page to page."""
RETRY_MS: Final = 2_000
"""Time that a browser waits before it comes back."""


def add_events(app: QuartTrio, context: AppContext, door: OperatorDoor) -> None:
    """The route."""

    @app.get(PATH)
    @door.lets_in
    async def events() -> Response:
        # A browser sends the header by itself when it comes back; in the query it may be given from the start.
        text = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")
        try:
            since = Place.read(text) if text else None
        except ValueError as wrong:
            return failure(400, "bad_request", f"Last-Event-ID: {wrong}")
        if context.feed.listeners >= MOST_LISTENERS:
            return failure(503, "full", f"there are {MOST_LISTENERS} listeners already")
        own = HERE in request.headers
        if own and since is None:
            since = Place()  # another process, which wants all that there is
        answer = Response(_told(context.feed, since, own=own), content_type="text/event-stream")
        answer.timeout = None  # it has no end
        answer.headers["Cache-Control"] = "no-cache, no-store"
        answer.headers["X-Accel-Buffering"] = "no"
        return answer


async def _told(feed: Feed, since: Place | None, *, own: bool) -> AsyncIterator[bytes]:
    """The body of the answer, until the listener goes, or is cut off. Cancelling is safe."""
    with feed.listening(since, own=own) as mailbox:
        place = feed.place(own=own) if since is None else since.copy()
        # Its place, before anything has happened: whoever is cut off at once has one, too.
        first = f"id: {feed.place(own=True) if own else place}\n" if own or str(place) else ""
        yield f"retry: {RETRY_MS}\n{first}: hello\n\n".encode()
        if own:
            past = b"".join(_written(event, place) for event in mailbox.take_now())
            yield past + f"event: {NOW}\nid: {place}\ndata: {{}}\n\n".encode()
        while not mailbox.is_overrun:
            taken: list[FeedEvent] = []
            with trio.move_on_after(HEARTBEAT_SECONDS):
                taken = await mailbox.take()
            yield b"".join(_written(event, place) for event in taken) or b": here\n\n"
            await trio.sleep(PACE_SECONDS)
        log.warning("listener_too_slow")


def _written(event: FeedEvent, place: Place) -> bytes:
    place.move(event.origin, event.number)
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (str(place).encode(), event.kind.encode(), event.data)


async def follow_others(context: AppContext) -> None:
    """Follow the other processes of the house while anybody listens here, until cancelled."""
    colleagues, feed = context.colleagues, context.feed
    if colleagues is None:
        return
    while True:
        await feed.wait_heard_of_all()
        async with trio.open_nursery() as nursery:
            for index in colleagues.others:
                nursery.start_soon(_follow, context, index)
            while feed.is_heard_of_all:  # noqa: ASYNC110 - looked at seldom, on purpose
                await trio.sleep(LINGER_SECONDS)
            nursery.cancel_scope.cancel(reason="nobody listens")


async def _follow(context: AppContext, index: int) -> None:
    """Take over what another process tells; when it ends, what the one tells that comes in its place."""
    assert context.colleagues is not None  # noqa: S101 - or nobody is followed
    other = Follower(context.feed)
    while True:
        with suppress(OSError, trio.BrokenResourceError, trio.TooSlowError, ValueError, LookupError):
            headers = context.as_operator() | {"Last-Event-ID": str(context.feed.place())}
            other.begin()
            await context.colleagues.listen_to(index, PATH, headers, other.hear)
        await trio.sleep(AGAIN_SECONDS)


class Follower:
    """Tells one feed what another process writes on ``GET /events`` when it is asked for itself only.

    Args:
        feed: told.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._origin = ""
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
        if "id" not in fields:
            return
        place = Place.read(fields["id"])
        if "data" not in fields:  # the first: who it is
            began, _ = place.newest()
            if self._origin and began != self._origin:
                self._feed.forget(self._origin)
            self._origin = began
        elif fields["event"] == NOW:
            self._is_past = False
            self._feed.caught_up(self._origin)
        else:
            data, number = fields["data"].encode(), place.after(self._origin)
            self._feed.take_over(self._origin, number, fields["event"], data, is_past=self._is_past)
