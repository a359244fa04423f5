"""A connection to a provider: TCP, and TLS over it where it is wanted, on a stream that the poller watches."""

from __future__ import annotations

import re
import socket
import ssl
from functools import cache
from typing import TYPE_CHECKING, Final

import trio

from trio_voice.net.polled_stream import PolledStream
from trio_voice.net.poller import adopt

if TYPE_CHECKING:
    from trio_voice.net.proxies import Proxy

HEAD_END: Final = b"\r\n\r\n"
MAX_PROXY_BYTES: Final = 16_384
"""For the head of a proxy's answer."""


class Unreachable(Exception):
    """There is no connection; the words say why, and name nobody but a proxy.

    Args:
        why: in words.
        passing: what is wrong may be gone at another try.
    """

    def __init__(self, why: str, *, passing: bool = False) -> None:
        super().__init__(why)
        self.passing = passing


async def connect(
    host: str, port: int, *, secure: bool, tls: ssl.SSLContext | None = None, proxy: Proxy | None = None
) -> trio.abc.Stream | PolledStream:
    """Connect. Cancelling is safe: the socket is closed. The caller sets the deadline.

    Args:
        host: a name or an address; over TLS the peer has to prove to be it.
        port: of the server.
        secure: with TLS.
        tls: the authorities to trust; the system's by default.
        proxy: the proxy to ask for a tunnel.

    Raises:
        Unreachable: the name does not resolve, nobody listens, TLS fails, or the proxy does not do it.
    """
    try:
        if proxy is None:
            tcp = await trio.open_tcp_stream(host, port)
        else:
            tcp = await trio.open_tcp_stream(proxy.host, proxy.port)
            await dig_tunnel(tcp, proxy, host, port)
    except (OSError, UnicodeError) as failed:  # a name that IDNA cannot encode is not asked for
        why = str(failed) if proxy is None else f"the proxy {proxy.host}: {failed}"
        raise Unreachable(why, passing=isinstance(failed, OSError) and not _is_unknown(failed)) from failed
    stream: trio.abc.Stream | PolledStream = adopt(tcp)
    if not secure:
        return stream
    shaken = False
    try:
        context = tls or default_tls()
        if isinstance(stream, PolledStream):
            await stream.start_tls(context, host)
        else:
            stream = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
            await stream.do_handshake()
        shaken = True
    except (OSError, trio.BrokenResourceError) as failed:  # ssl.SSLError is an OSError
        cause = failed.__cause__ or failed  # trio wraps what TLS said
        raise Unreachable(str(cause) or type(cause).__name__, passing=not isinstance(cause, ssl.SSLError)) from failed
    finally:
        if not shaken:
            await trio.aclose_forcefully(stream)
    return stream


def _is_unknown(unreachable: OSError) -> bool:
    """True if the host's name is known to nobody, which trying again does not mend."""
    return isinstance(unreachable, socket.gaierror) and unreachable.errno == socket.EAI_NONAME


async def dig_tunnel(tcp: trio.SocketStream, proxy: Proxy, host: str, port: int) -> None:
    """Have a proxy connect us to somebody (RFC 9110, 9.3.6). On failure the socket is closed.

    Raises:
        Unreachable: it does not.
    """
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    asked = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if proxy.authorization is not None:
        asked += f"Proxy-Authorization: {proxy.authorization}\r\n"
    opened = False
    try:
        await tcp.send_all(f"{asked}\r\n".encode("ascii"))
        head = b""
        while HEAD_END not in head:
            more = await tcp.receive_some(MAX_PROXY_BYTES)
            head += more
            if not more or (len(head) >= MAX_PROXY_BYTES and HEAD_END not in head):
                raise Unreachable(f"the proxy {proxy.host} does not answer CONNECT as a proxy does")
        status = re.match(rb"HTTP/1\.[01] ([0-9]{3})(?: |\r)", head)
        if status is None or not status[1].startswith(b"2"):
            said = f"HTTP {status[1].decode()}" if status is not None else "no HTTP"
            raise Unreachable(f"the proxy {proxy.host} answered CONNECT {target} with {said}")
        opened = True
    except (OSError, UnicodeError, trio.BrokenResourceError) as broken:
        raise Unreachable(f"the proxy {proxy.host} was lost: {broken}") from broken
    finally:
        if not opened:
            await trio.aclose_forcefully(tcp)


@cache
def default_tls() -> ssl.SSLContext:
    """The system's authorities, read once: it takes some 17 ms, in which no call goes on, and a megabyte."""
    return ssl.create_default_context()
