"""The other nodes of the fleet: whose a call is, who takes a new one, and what they answer when they are asked.

Nodes ask one another over HTTP at their ``peer_url``, with the operator's token, and for what the answer is worth
within a second or two. None is ever asked to ask others.
"""

from __future__ import annotations

import re
import secrets
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx2
import structlog
import trio

from trio_voice.edges import bounded_answer
from trio_voice.edges.twilio.public_url import spellings_at, stream_spellings_at
from trio_voice.errors import told_in_words
from trio_voice.isolation import contained

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from trio_voice.call.nodes import Node, NodeDirectory

log: Final = structlog.stdlib.get_logger("trio_voice.nodes")

NODE: Final = "X-Trio-Voice-Node"
"""A header of requests from one node to another, with the digits of the one that asks: answer for yourself only."""
ASK_SECONDS: Final = 2.0
"""For a node to answer. One that stands still is asked in vain."""
READY_SECONDS: Final = 1.0
"""For a node to say whether it takes calls, while a caller waits."""
CHOOSE_SECONDS: Final = 4.0
"""To find one that does. Twilio waits 15 s for TwiML."""
MAX_ANSWER_BYTES: Final = 16_000_000
"""A list of a thousand calls, or the record of a long one. Recordings are passed on piece by piece."""
MAX_HOPS: Final = 7
"""Nodes that have sent a caller on, one to the next."""
VIA: Final = "via"
"""The query's field with their digits, one behind the other."""
_CALL_ID: Final = re.compile("[0-9a-f]{32}")


class Nodes:
    """The fleet, as one of its nodes sees it.

    Args:
        directory: who lives, by the journal.
        tokens: the operator's, of which the first is asked with.
        spawn: where what nobody waits for is done.
        is_alone: whether no node is configured: then every id is ours.
    """

    def __init__(
        self,
        directory: NodeDirectory,
        tokens: Callable[[], tuple[str, ...]],
        spawn: trio.Nursery,
        *,
        is_alone: bool,
    ) -> None:
        self.directory = directory
        self._tokens = tokens
        self._spawn = spawn
        self._is_alone = is_alone

    @property
    def digits(self) -> str:
        """Of this node."""
        return self.directory.digits

    def owner_of(self, call_id: str | None) -> str | None:
        """The digits of the node whose call this is, if that is another one, whether or not it lives."""
        if self._is_alone or call_id is None or not _CALL_ID.fullmatch(call_id):
            return None
        return None if call_id.startswith(self.digits) else call_id[:2]

    def webhook_spellings(self, digits: str, path_and_query: str) -> list[str]:
        """URLs that Twilio may have signed for a webhook of another node's."""
        node = self.directory.at(digits)
        return [] if node is None else spellings_at(node.node_url, path_and_query)

    def stream_spellings(self, digits: str, path: str) -> list[str]:
        """URLs that Twilio may have signed for a handshake with another node."""
        node = self.directory.at(digits)
        return [] if node is None else stream_spellings_at(node.node_url, path)

    # Who takes a call that we do not

    async def find_taker(self, via: AbstractSet[str]) -> Node | None:
        """A node that takes calls and says so itself; one that cannot be asked only where nobody else does.

        Cancelling is safe. Bounded by ``CHOOSE_SECONDS``.
        """
        silent: list[Node] = []
        with trio.move_on_after(CHOOSE_SECONDS):  # noqa: ASYNC912 - each question is a checkpoint
            for node in self.directory.takers(via):
                try:
                    answer = await self.request(node, "GET", "/readyz", seconds=READY_SECONDS)
                except httpx2.ConnectError:
                    continue  # nobody listens there any more
                except httpx2.HTTPError:
                    silent.append(node)
                    continue
                if answer.is_success and json_of(answer).get("node") == node.digits:
                    return node
        return next(iter(silent), None)

    def redirect_url(self, node: Node, via: str | None) -> str:
        """URL at which another node takes a call that comes by way of this one: a path by which any balancer finds it.

        Args:
            node: the other one.
            via: what the caller's own path had.
        """
        return f"{node.node_url}/twiml/{node.digits}{secrets.token_hex(15)}?{VIA}={via or ''}{self.digits}"

    # Asking

    async def ask(
        self, node: Node, method: str, path: str, body: Any = None, *, seconds: float = ASK_SECONDS
    ) -> httpx2.Response | None:
        """Answer of a node; nothing if it does not, or not in time. Cancelling is safe."""
        if not self._tokens():
            await trio.lowlevel.checkpoint()
            return None
        try:
            return await self.request(node, method, path, body, seconds=seconds)
        except httpx2.HTTPError as away:
            log.warning("node_away", node=node.digits, peer_url=node.peer_url, error=told_in_words(away))
            return None

    async def ask_owner(self, call_id: str, method: str, path: str) -> httpx2.Response | None:
        """Answer of the node of a call, if it is another one, and lives."""
        digits = self.owner_of(call_id)
        node = None if digits is None else self.directory.at(digits)
        return None if node is None else await self.ask(node, method, path)

    async def ask_all(self, path: str) -> dict[str, httpx2.Response | None]:
        """Answer of each other node to a GET, by its digits."""
        answers: dict[str, httpx2.Response | None] = {}

        async def ask_one(node: Node) -> None:
            answers[node.digits] = await self.ask(node, "GET", path)

        async with trio.open_nursery() as nursery:
            for node in self.directory.others:
                nursery.start_soon(ask_one, node)
        return answers

    def tell_status(self, call_sid: str, status: str) -> None:
        """Tell all what Twilio says of a call that is not ours. Does not wait."""
        if not self._is_alone and re.fullmatch("[0-9A-Za-z]{1,64}", call_sid):
            for node in self.directory.others:
                self._spawn.start_soon(self._tell, node, call_sid, status)

    async def _tell(self, node: Node, call_sid: str, status: str) -> None:
        with contained("call_status", node=node.digits):
            await self.ask(node, "POST", f"/calls/{call_sid}/status", {"status": status})

    async def request(
        self,
        node: Node,
        method: str,
        path: str,
        body: Any = None,
        *,
        seconds: float,
        content: str | bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> httpx2.Response:
        """One request, of JSON or of bytes as they are.

        Raises:
            httpx2.HTTPError: there is no answer in time, or it is not that node which answers there.
        """
        answer = await bounded_answer.ask_once(
            method,
            self.url_at(node, path),
            seconds=seconds,
            most_bytes=MAX_ANSWER_BYTES,
            headers=self.headers() | dict(headers),
            json=body,
            content=content,
        )
        answerer = answer.headers.get(NODE, node.digits)
        if answerer != node.digits:
            raise httpx2.RemoteProtocolError(f"at the peer_url of node {node.digits} answers node {answerer}")
        return answer

    def headers(self) -> dict[str, str]:
        """Headers by which another node knows who asks it."""
        token = {"Authorization": f"Bearer {self._tokens()[0]}"} if self._tokens() else {}
        return {NODE: self.digits} | token

    @staticmethod
    def url_at(node: Node, path: str) -> str:
        """URL of a path of another node's."""
        parts = urlsplit(node.peer_url)
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}{path}"


def json_of(answer: httpx2.Response) -> dict[str, Any]:
    """The fields of an answer; none where it is something else: what answers at a ``peer_url`` may be anything."""
    try:
        said = answer.json()
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
