"""The proxies of the environment: one rule for whatever this process opens to the outside, Twilio's API and models.

``HTTPS_PROXY`` is for ``https://`` and ``wss://``, ``HTTP_PROXY`` for ``http://`` and ``ws://``, ``ALL_PROXY`` for what
has none of its own, ``NO_PROXY`` names hosts that are reached without. What is on this machine is never asked for
through a proxy. A proxy is an HTTP proxy, ``http://[USER:PASSWORD@]HOST:PORT``, that understands CONNECT: nothing else
can be used, and is said at start.
"""

from __future__ import annotations

import base64
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORT: Final = 80
_SCHEMES: Final = {"ws": "http", "wss": "https"}


@attrs.frozen
class Proxy:
    """An HTTP proxy that makes tunnels."""

    url: str = attrs.field(repr=False)
    """As an HTTP client takes it; may hold a password."""
    host: str
    port: int
    authorization: str | None = attrs.field(default=None, repr=False)
    """The value of ``Proxy-Authorization``, if it wants one."""


@attrs.frozen
class Proxies:
    """Proxies that the environment names.

    Args:
        by_scheme: as ``urllib.request.getproxies_environment`` has it: ``http``, ``https``, ``all``, ``no``.
    """

    by_scheme: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    def for_url(self, url: str) -> Proxy | None:
        """The proxy by which an address is reached; ``None`` if it is reached without one.

        Raises:
            ValueError: the environment names one that cannot be used; the message names the variable, and no password.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        scheme = _SCHEMES.get(parts.scheme, parts.scheme)
        chosen = scheme if self.by_scheme.get(scheme) else "all"
        spelt = self.by_scheme.get(chosen, "")
        if not spelt or is_here(host) or self._is_direct(host):
            return None
        return _read(spelt, f"{chosen.upper()}_PROXY")

    def _is_direct(self, host: str) -> bool:
        """True if ``NO_PROXY`` names the host, or a domain that it is of."""
        named = (each.strip().lower().lstrip(".") for each in self.by_scheme.get("no", "").split(","))
        return any(each == "*" or f".{host}".endswith(f".{each}") for each in named if each)


def is_here(host: str) -> bool:
    """True if this is a name or an address that is this machine's own: what is sent there stays on it."""
    try:
        address = ip_address(host)
    except ValueError:
        name = host.lower().removesuffix(".")
        return name == "localhost" or name.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None  # Python 3.13 looks by itself
    return (mapped or address).is_loopback


def _read(spelt: str, variable: str) -> Proxy:
    url = spelt if "://" in spelt else f"http://{spelt}"  # as curl has it
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme != "http" or not parts.hostname or not url.isascii() or not url.isprintable() or " " in url:
        kind = spelt.partition("://")[0] if "://" in spelt else "one"
        raise ValueError(f"{variable}: must be a proxy like http://proxy.example.com:3128, not {kind:.20}://…")
    if parts.username is None:
        return Proxy(url, parts.hostname, port)
    secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return Proxy(url, parts.hostname, port, f"Basic {base64.b64encode(secret).decode()}")
