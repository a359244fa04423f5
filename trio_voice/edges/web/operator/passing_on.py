"""Requests about a live call, or a recording, of another node: passed on to that node as they are; its answer is ours.

A node that is asked by another passes nothing on, so nothing goes further than once. Who does not answer is said to be
away; nobody waits for longer than ``PASS_SECONDS``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx2
import structlog
from quart import Response, request

from trio_voice.edges.web.answers import refusal
from trio_voice.edges.web.nodes import NODE
from trio_voice.errors import CallRefused, told_in_words
from trio_voice.net.connect import default_tls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio_voice.call.nodes import Node
    from trio_voice.edges.web.nodes import Nodes

log: Final = structlog.stdlib.get_logger("trio_voice.nodes")

PASS_SECONDS: Final = 5.0
"""For the owner to answer: it may have to look into the do-not-call list first."""
PIECE_SECONDS: Final = 10.0
"""For the next piece of a recording."""
_ASKED_WITH: Final = ("Accept", "Content-Type", "Range")
_ANSWERED_WITH: Final = (
    "Accept-Ranges",
    "Cache-Control",
    "Content-Length",
    "Content-Range",
    "Content-Type",
    "Location",
    "X-Content-Type-Options",
)


class NodeAway(CallRefused):
    """The answer of a call's node cannot be had: ``node_away``, ``unknown_outcome``, ``node_refuses``."""

    @property
    def answer(self) -> Response:
        """The answer to whoever has asked."""
        return refusal(self)


def owner_away(nodes: Nodes, call_id: str) -> NodeAway:
    """The refusal of what only the owner of a call can do, where it does not live."""
    digits = nodes.owner_of(call_id)
    return NodeAway("node_away", f"this is a call of node {digits}, which is not there: its heart is not heard")


async def passed_on(nodes: Nodes | None, call_id: str) -> Response | None:
    """The owner's answer to the request that is being answered; ``None`` if it is ours to answer.

    It is ours if the call is, if another node asks, or if the owner does not live: then the journal says what it knows.
    Cancelling is safe; what was asked for may be done all the same.

    Raises:
        NodeAway: the owner lives and does not answer, or does not let us in.
    """
    node = _owner(nodes, call_id)
    if nodes is None or node is None:
        return None
    answer = await _ask(nodes, node, request.method, await request.get_data() or None)
    kept = {name: value for name in _ANSWERED_WITH if (value := answer.headers.get(name)) is not None}
    kept.pop("Content-Length", None)  # of what may have been zipped
    return Response(answer.content, answer.status_code, kept)


async def recording_passed_on(nodes: Nodes | None, call_id: str) -> Response | None:
    """The owner's answer about a recording, whose body is passed on piece by piece; otherwise as ``passed_on``.

    The owner is asked for the head first, and for the body by whoever sends it.
    """
    node = _owner(nodes, call_id)
    if nodes is None or node is None:
        return None
    head = await _ask(nodes, node, "HEAD", None)
    if not head.is_success or request.method == "HEAD":
        return await passed_on(nodes, call_id)
    kept = {name: value for name in _ANSWERED_WITH if (value := head.headers.get(name)) is not None}
    return Response(_body(nodes, node, request.full_path.rstrip("?"), _asked_with()), head.status_code, kept)


def _owner(nodes: Nodes | None, call_id: str) -> Node | None:
    digits = None if nodes is None or NODE in request.headers else nodes.owner_of(call_id)
    return None if digits is None or nodes is None else nodes.directory.at(digits)


async def _ask(nodes: Nodes, node: Node, method: str, content: str | bytes | None) -> httpx2.Response:
    path = request.full_path.rstrip("?")
    try:
        answer = await nodes.request(node, method, path, seconds=PASS_SECONDS, content=content, headers=_asked_with())
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as away:
        log.warning("node_away", node=node.digits, peer_url=node.peer_url, error=told_in_words(away))
        raise NodeAway("node_away", f"this is a call of node {node.digits}, which cannot be reached") from away
    except httpx2.HTTPError as away:
        log.warning("node_away", node=node.digits, peer_url=node.peer_url, error=told_in_words(away))
        what = f"this is a call of node {node.digits}, which gave no answer"
        if method in ("GET", "HEAD"):
            raise NodeAway("node_away", what) from away
        raise NodeAway("unknown_outcome", f"{what}: it may have done it all the same") from away
    if answer.status_code == 401:
        words = f"node {node.digits} does not take our token: TRIO_VOICE_API_TOKEN must be the same at all nodes"
        raise NodeAway("node_refuses", words)
    return answer


def _asked_with() -> dict[str, str]:
    return {name: value for name in _ASKED_WITH if (value := request.headers.get(name)) is not None}


async def _body(nodes: Nodes, node: Node, path: str, asked: dict[str, str]) -> AsyncIterator[bytes]:  # noqa: ASYNC900 - a body: Quart closes it
    """The pieces of it. What breaks off there breaks off here, too: whoever counts its bytes sees it."""
    headers = nodes.headers() | asked | {"Accept-Encoding": "identity"}
    try:
        async with (
            httpx2.AsyncClient(verify=default_tls(), timeout=PIECE_SECONDS, trust_env=False) as client,
            client.stream("GET", nodes.url_at(node, path), headers=headers) as answer,
        ):
            if answer.is_success:
                async for piece in answer.aiter_raw():
                    yield piece  # noqa: ASYNC119 - as above
    except httpx2.HTTPError as away:
        log.warning("node_away", node=node.digits, peer_url=node.peer_url, error=told_in_words(away))
