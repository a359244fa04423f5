"""Our addresses as Twilio has them, and every spelling of one that it may have signed."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit, urlunsplit


class PublicUrl:
    """Our addresses as Twilio sees them, which are the only ones that signatures are checked against.

    What a proxy made of the host, the scheme or the port never matters.

    Args:
        base: ``public_url`` of the configuration, such as ``https://voice.example.com``.
        node: ``node_url``, by which streams and callbacks come back to this very node, where it is another address.
    """

    def __init__(self, base: str, node: str | None = None) -> None:
        self._base = base.rstrip("/")
        self._node = self._base if node is None else node.rstrip("/")

    def of(self, path: str) -> str:
        """The URL of one of our paths, at this node."""
        return self._node + path

    def stream(self, call_id: str) -> str:
        """The URL of a call's media stream."""
        return f"{_as_websocket(self._node)}/media-stream/{call_id}"

    def webhook_spellings(self, path_and_query: str) -> list[str]:
        """URLs that Twilio may have signed for a webhook: it drops an https port for voice, and keeps an http one."""
        return [spelling for base in self._bases for spelling in spellings_at(base, path_and_query)]

    def stream_spellings(self, path: str) -> list[str]:
        """URLs that Twilio may have signed for a handshake; its documentation says to try a trailing slash as well."""
        return [spelling for base in self._bases for spelling in stream_spellings_at(base, path)]

    @property
    def _bases(self) -> list[str]:
        return [self._node] if self._node == self._base else [self._node, self._base]


def spellings_at(base: str, path_and_query: str) -> list[str]:
    """URLs that Twilio may have signed for a webhook at an address of ours."""
    return _with_and_without_port(base.rstrip("/") + path_and_query)


def stream_spellings_at(base: str, path: str) -> list[str]:
    """URLs that Twilio may have signed for a handshake at an address of ours."""
    bare = _as_websocket(base.rstrip("/")) + path.rstrip("/")
    return [spelling for url in (bare, bare + "/") for spelling in _with_and_without_port(url)]


def _as_websocket(base: str) -> str:
    parts = urlsplit(base)
    return urlunsplit(parts._replace(scheme="ws" if parts.scheme == "http" else "wss"))


_USUAL_PORTS: Final = {"https": 443, "wss": 443, "http": 80, "ws": 80}


def _with_and_without_port(url: str) -> list[str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    bare = f"[{host}]" if ":" in host else host
    if parts.port is None:
        return [url, urlunsplit(parts._replace(netloc=f"{bare}:{_USUAL_PORTS[parts.scheme]}"))]
    return [url, urlunsplit(parts._replace(netloc=bare))]
