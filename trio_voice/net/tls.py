"""A client's TLS without the socket: bytes in, bytes out.

Not an ``SSLSocket``: that reads each record in two system calls, and a third finds nothing more.
"""

from __future__ import annotations

import ssl
from contextlib import suppress


class ClientTls:
    """One connection's, from the handshake on.

    Args:
        context: the authorities to trust.
        host: who the peer has to be.
        read_bytes: how much is decrypted at a time.
    """

    def __init__(self, context: ssl.SSLContext, host: str, read_bytes: int) -> None:
        self._read_bytes = read_bytes
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self.over = False
        """The peer has said that it sends no more."""

    def shake_hands(self) -> bool:
        """Go on with the handshake; whether it is through."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def feed(self, data: bytes) -> None:
        """Take bytes that have come, during the handshake."""
        self._in.write(data)

    def take_unsent(self) -> bytes:
        """Bytes that have to be sent."""
        return self._out.read() if self._out.pending else b""

    def encrypt(self, data: bytes) -> bytes:
        """Some bytes as they are sent."""
        self._tls.write(data)
        return self._out.read()

    def decrypt(self, data: bytes) -> bytes:
        """Plain bytes that can be read now that these have come. Raises ``ssl.SSLError``."""
        self._in.write(data)
        read, size, waiting = self._tls.read, self._read_bytes, self._in
        plain = b""
        try:
            while True:
                some = read(size)
                if not some:
                    self.over = True
                    return plain
                plain = plain + some if plain else some
                if len(some) < size and not waiting.pending:  # a read gives no more than one record
                    return plain
        except ssl.SSLWantReadError:
            return plain
        except ssl.SSLZeroReturnError:
            self.over = True
            return plain

    def say_goodbye(self) -> bytes:
        """TLS's word that no more is sent. The peer's is not waited for: the messages have their own close."""
        with suppress(ssl.SSLWantReadError, ssl.SSLSyscallError):
            self._tls.unwrap()
        return self._out.read()
