"""Two addresses, Twilio's and the operator's: who is served at which, and by which names they may be called.

With ``[operator] bind`` the operator has an address of their own; without it there is one for both. A browser believes
whoever a name points to (DNS rebinding), so the operator's address answers only to names that are its own: its IP
address, ``localhost``, and the name that a proxy in front of it has.
"""

from __future__ import annotations

import enum
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs

from trio_voice.edges.web.request_head import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

ENTRYPOINT: Final = "trio_voice.entrypoint"
"""The key of an ASGI scope under which the server says by which entrypoint a request has come."""
MORE_TIME: Final = "trio_voice.more_time"
"""The key under which the server says how an exchange is given as much time again as it had at its beginning."""
TWILIOS: Final = frozenset(
    {"twiml", "media-stream", "call-status", "stream-status", "amd-status", "recording-status", "dial-status"}
)
"""The first part of the paths that Twilio asks for."""
ANYBODYS: Final = frozenset({"healthz", "readyz"})
BROWSERS: Final = "media-stream"
"""Twilio's path that is on the operator's address, too: a page may be the telephone."""
PORTS: Final = {"http": 80, "https": 443}
WRONG_HOST: Final = Refusal(
    HTTPStatus.MISDIRECTED_REQUEST,
    "wrong_host",
    "this Host is not one of this address: use its IP address, localhost, or the name in public_url of [operator]",
)


class Entrypoint(enum.Enum):
    """The address that a connection has come to. The value stands for it between processes."""

    SHARED = b"S"
    """The only one there is."""
    TWILIO = b"T"
    OPERATOR = b"O"
    COLLEAGUE = b"C"
    """Not an address: another process of this machine, by a socket in a folder that nobody else may enter."""

    def serves(self, path: str) -> bool:
        """True if a path, as it was decoded, is served here."""
        part = path.lstrip("/").partition("/")[0]
        match self:
            case Entrypoint.TWILIO:
                return part in TWILIOS or part in ANYBODYS
            case Entrypoint.OPERATOR:
                return part not in TWILIOS or part == BROWSERS
            case _:
                return True


@attrs.frozen
class Name:
    """A host name or an IP address, and the port that goes with it; ``None`` for the scheme's own."""

    host: str
    port: int | None


class Hosts:
    """The names by which the operator's address may be called.

    Args:
        bind: host and port of its socket.
        public_url: its name behind a TLS proxy, if it has one.
        peer_url: by which other nodes reach it, if that was said.
    """

    def __init__(self, bind: tuple[str, int], public_url: str | None, peer_url: str | None = None) -> None:
        peer = None if peer_url is None else urlsplit(peer_url)
        self._peer = None if peer is None else Name(peer.hostname or "", peer.port or PORTS[peer.scheme])
        self._host, self._port = bind
        self._any = _is_unspecified(self._host)
        parts = None if public_url is None else urlsplit(public_url)
        self._public = None if parts is None else Name(parts.hostname or "", parts.port)
        self._scheme = "http" if parts is None else parts.scheme

    def takes(self, host: str | None) -> bool:
        """True if a ``Host`` header names this address."""
        name = _name_of(host)
        return name is not None and (self._is_public(name) or self._is_bind(name) or self._is_peer(name))

    def origin_of(self, host: str | None) -> str:
        """The origin of a page that was asked for with this ``Host``, as browsers write it."""
        name = _name_of(host)
        scheme = self._scheme if name is not None and self._is_public(name) else "http"
        shown = (host or "").strip().lower()
        return f"{scheme}://{shown.removesuffix(f':{PORTS[scheme]}')}"

    def is_https(self, host: str | None) -> bool:
        """True if the browser that asks for this ``Host`` speaks TLS to the proxy in front."""
        name = _name_of(host)
        return name is not None and self._is_public(name) and self._scheme == "https"

    def _is_public(self, name: Name) -> bool:
        public = self._public
        return (
            public is not None and name.host == public.host and _port(name, self._scheme) == _port(public, self._scheme)
        )

    def _is_peer(self, name: Name) -> bool:
        peer = self._peer
        return peer is not None and name.host == peer.host and name.port in (peer.port, None)

    def _is_bind(self, name: Name) -> bool:
        if _port(name, "http") != self._port:
            return False
        # Of any address a name could be rebound, an IP address not.
        return name.host in (self._host, "localhost") or (self._any and _is_ip(name.host))


def _port(name: Name, scheme: str) -> int:
    return PORTS[scheme] if name.port is None else name.port


def _name_of(host: str | None) -> Name | None:
    """A ``Host`` header in its parts; ``None`` if it is none."""
    text = (host or "").strip().lower()
    if not text or any(letter in text for letter in "/@\\?# \t"):
        return None
    name, port = text, ""
    if text.startswith("["):
        name, _, rest = text[1:].partition("]")
        if rest and not rest.startswith(":"):
            return None
        port = rest[1:]
    elif ":" in text:
        name, _, port = text.rpartition(":")
    if not name or (port and not (port.isascii() and port.isdigit())) or len(port) > 5:
        return None
    return Name(name, int(port) if port else None)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_unspecified(host: str) -> bool:
    return _is_ip(host) and ip_address(host).is_unspecified


def host_refusal(head: bytes, entrypoint: Entrypoint, hosts: Hosts | None) -> Refusal | None:
    """The refusal of a request for the name that it was asked by; ``None`` if it may be served.

    On an address that both share Twilio's webhooks and the health are let in by any name: their proxies give them
    names of their own, and a signature is what opens them.
    """
    if hosts is None or entrypoint in (Entrypoint.TWILIO, Entrypoint.COLLEAGUE):
        return None
    lines = head.lstrip(b"\r\n").partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n").split(b"\n")
    if entrypoint is Entrypoint.SHARED:
        target = lines[0].split(b" ")[1] if lines[0].count(b" ") else b""
        part = target.partition(b"?")[0].lstrip(b"/").partition(b"/")[0].decode("latin-1")
        if part in TWILIOS or part in ANYBODYS:
            return None
    named = [line.partition(b":")[2] for line in lines[1:] if line.partition(b":")[0].strip().lower() == b"host"]
    if len(named) == 1 and hosts.takes(named[0].decode("latin-1")):
        return None
    return WRONG_HOST


def give_more_time(scope: Mapping[str, object]) -> None:
    """Say that a long piece of work goes on, where the server counts the time of an exchange."""
    give = scope.get(MORE_TIME)
    if callable(give):
        give()


def entrypoint_of(scope: Mapping[str, object]) -> Entrypoint:
    """The entrypoint by which a request has come; the only one, where the server says nothing of it."""
    entrypoint = scope.get(ENTRYPOINT)
    return entrypoint if isinstance(entrypoint, Entrypoint) else Entrypoint.SHARED
