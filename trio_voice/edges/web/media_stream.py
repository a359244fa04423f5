"""The media stream's short way: from an upgrade request to a socket that is its call's alone.

Nothing is opened, and nothing but a refusal is sent, before the request is admitted: Twilio's signature is right and a
call is expected on this very path.
"""

from __future__ import annotations

import json
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
import trio
from websockets.http11 import Request
from websockets.server import ServerProtocol

from trio_voice.edges.complaints import Complaints
from trio_voice.edges.twilio.signatures import is_signed
from trio_voice.edges.web.answers import STATUSES, error_of
from trio_voice.errors import CallRefused
from trio_voice.net.poller import adopt
from trio_voice.net.websocket import WebSocketChannel, quiet_logger
from trio_voice.protocols.media_streams import MAX_MESSAGE_BYTES
from trio_voice.protocols.websocket import WebSocket
from trio_voice.tokens import tokens_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.call.accept import Reception
    from trio_voice.call.expected import ExpectedCall
    from trio_voice.edges.twilio.public_url import PublicUrl
    from trio_voice.edges.web.entrypoints import Hosts
    from trio_voice.edges.web.nodes import Nodes

log: Final = structlog.stdlib.get_logger("trio_voice.lane")

PREFIX: Final = "/media-stream/"
HANDSHAKE_SECONDS: Final = 1.0
"""To write the answer to a handshake. An empty socket takes it at once."""


class OtherNode(CallRefused):
    """A call is another node's.

    Args:
        digits: of that node.
    """

    def __init__(self, digits: str) -> None:
        super().__init__(
            "other_node", f"this call is of node {digits}, and this is another: route by the id's first two"
        )
        self.digits = digits


def refusal_of(refused: CallRefused) -> dict[str, Any]:
    """The body of the answer to whoever is refused."""
    body = error_of(refused.code, str(refused))
    if isinstance(refused, OtherNode):
        body["error"]["node"] = refused.digits
    return body


class StreamAuthenticator:
    """The check of who may open a stream.

    Args:
        reception: answers those who may.
        public_url: the address that Twilio signs.
        auth_token: Twilio's, several perhaps, one a line; ``None`` only where signatures are not checked.
        nodes: of the fleet, if there are several.
        on_refusal: told the code of every handshake that is refused.
    """

    def __init__(
        self,
        reception: Reception,
        public_url: PublicUrl,
        auth_token: str | None,
        on_refusal: Callable[[str], None] | None = None,
        nodes: Nodes | None = None,
    ) -> None:
        self.reception = reception
        self._nodes = nodes
        self._complaints = Complaints(log)
        self._on_refusal = on_refusal
        self._public_url = public_url
        self.auth_token = auth_token
        self.hosts: Hosts | None = None
        """The names of the operator's address, once it is known."""

    def admit(self, path: str, signature: str | None, origin: str | None, host: str | None) -> ExpectedCall:
        """Decide about one handshake. A path that was admitted is used up.

        Args:
            path: which is asked for.
            signature: Twilio's, if it is there.
            origin: whose page asks, where a browser does.
            host: by which name.

        Raises:
            CallRefused: ``bad_signature``, ``wrong_origin``, ``unknown_call`` or ``other_node``.
        """
        try:
            return self._admit(path, signature, origin, host)
        except CallRefused as refused:
            self._complaints.warn("stream_refused", refused.code, code=refused.code, reason=str(refused))
            if self._on_refusal is not None:
                self._on_refusal(refused.code)
            raise

    def _admit(self, path: str, signature: str | None, origin: str | None, host: str | None) -> ExpectedCall:
        call_path = path.removeprefix(PREFIX).rstrip("/")
        owner = None if self._nodes is None else self._nodes.owner_of(call_path)
        if self.reception.registry.is_for_browser(call_path):
            if not self._is_own_page(origin, host):
                raise CallRefused("wrong_origin", "this path is for a page of the console: Origin is another, or none")
        elif self.auth_token is not None:
            spellings = self._public_url.stream_spellings(path)
            if owner is not None and self._nodes is not None:
                spellings += self._nodes.stream_spellings(owner, path)
            if not is_signed(spellings, {}, tokens_of(self.auth_token), signature):
                raise CallRefused("bad_signature", "X-Twilio-Signature does not fit this URL: see public_url")
        if owner is not None:
            raise OtherNode(owner)
        return self.reception.registry.take(call_path)

    def _is_own_page(self, origin: str | None, host: str | None) -> bool:
        """True if an origin is that of the operator's address, by whichever of its names."""
        if origin is None:
            return False
        asked = origin.lower().partition("://")[2]
        if self.hosts is None:
            return asked == (host or "").strip().lower()
        return self.hosts.takes(asked) and self.hosts.origin_of(asked) == origin.lower()


def wants_media_stream(head: bytes) -> bool:
    """True if a request head is for the lane."""
    return head.startswith(b"GET " + PREFIX.encode())


async def serve_media_stream(stream: trio.SocketStream, data: bytes, authenticator: StreamAuthenticator) -> None:
    """Answer the handshake, and if it is admitted live the call on this socket.

    Cancelling is safe; the caller closes the stream.

    Args:
        stream: whose first request was read.
        data: that request's head and whatever came behind it.
        authenticator: who may come in.
    """
    expected, answered, behind = await _answer_handshake(stream, data, authenticator)
    if expected is None:
        return
    channel = WebSocketChannel(adopt(stream), WebSocket(client=False, max_message_bytes=MAX_MESSAGE_BYTES))
    if answered:
        channel.feed(behind)
    else:
        channel.break_off("the handshake's answer was not taken")
    try:
        await authenticator.reception.answer(expected, channel)
    finally:
        await channel.abort()  # noqa: ASYNC102 - never waits


async def _answer_handshake(
    stream: trio.SocketStream, data: bytes, authenticator: StreamAuthenticator
) -> tuple[ExpectedCall | None, bool, bytes]:
    """Decide, and say so. By itself, because what is read here would otherwise be kept for as long as the call lasts.

    Returns:
        The call, if the stream was admitted; whether the answer was taken; and what came behind the request.
    """
    head, blank, behind = data.partition(b"\r\n\r\n")
    protocol = ServerProtocol(logger=quiet_logger())
    protocol.receive_data(head + blank)
    request = next((event for event in protocol.events_received() if isinstance(event, Request)), None)
    if request is None:
        raise ValueError("an upgrade request that is no HTTP")
    response = protocol.accept(request)
    expected = None
    if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
        try:
            expected = authenticator.admit(
                request.path.partition("?")[0],
                _header(request, "X-Twilio-Signature"),
                _header(request, "Origin"),
                _header(request, "Host"),
            )
        except CallRefused as refused:
            body = json.dumps(refusal_of(refused))
            response = protocol.reject(STATUSES[refused.code], body)
            del response.headers["Content-Type"]
            response.headers["Content-Type"] = "application/json"
    protocol.send_response(response)
    answered = False
    # The promise is used up: whatever becomes of this, the call is lived, so that its record is closed and its phone
    # hung up.
    with suppress(trio.BrokenResourceError), trio.move_on_after(HANDSHAKE_SECONDS, shield=True):
        await stream.send_all(b"".join(protocol.data_to_send()))
        answered = True
    return expected, answered, behind


def _header(request: Request, name: str) -> str | None:
    values = request.headers.get_all(name)
    return values[0] if values else None
