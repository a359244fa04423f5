"""One WebSocket of the load generator, cheap enough that the generator is never the bottleneck.

Whole frames only, text and control, on a non-blocking socket; no more of RFC 6455 than a load needs.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import socket
import ssl
import struct

from websockets.frames import apply_mask

RECEIVE_BYTES = 16_384  # more would be given back to the system and asked of it anew, each time
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Wire:
    """A socket that has just been connected or accepted.

    ``on_message`` is called with every text message, ``on_open`` once the handshake is through, ``on_close`` when the
    peer has said close or has gone.
    """

    def __init__(self, sock: socket.socket, *, client: bool, tls: ssl.SSLContext | None = None) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        self.client = client
        self.open = False
        self.closed = False
        self._mask = secrets.token_bytes(4)
        self._unread = b""
        self._unsent = b""
        self._tls = None
        if tls is not None:
            self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = tls.wrap_bio(self._in, self._out, server_side=True)
            self._shaken = False

    def ask(self, host: str, path: str) -> None:
        """The client's half of the handshake."""
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self._write(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def send(self, message: bytes, opcode: int = TEXT) -> None:
        """Send one message. What the socket does not take waits for the next one."""
        size = len(message)
        bit = 0x80 if self.client else 0
        if size < 126:
            head = bytes((0x80 | opcode, bit | size))
        elif size < 65_536:
            head = struct.pack("!BBH", 0x80 | opcode, bit | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, bit | 127, size)
        if self.client:
            self._write(head + self._mask + apply_mask(message, self._mask))
        else:
            self._write(head + message)

    def _write(self, data: bytes) -> None:
        if self._tls is not None:
            if data:
                self._tls.write(data)
            data = self._out.read()
        data = self._unsent + data
        try:
            sent = self.socket.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self.closed, sent = True, len(data)
        self._unsent = data[sent:]

    def receive(self) -> list[bytes]:
        """The text messages that have come; nothing more comes once ``closed``."""
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return []
        if self._tls is not None:
            data = self._decrypt(data)
        data = self._unread + data
        if not self.open:
            head, blank, data = data.partition(b"\r\n\r\n")
            if not blank:
                self._unread = head
                return []
            self._shake_hands(head)
        return self._parse(data)

    def _decrypt(self, data: bytes) -> bytes:
        assert self._tls is not None
        self._in.write(data)
        plain = []
        try:
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
            while True:
                plain.append(self._tls.read(RECEIVE_BYTES))
                if not self._in.pending and not self._tls.pending():
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.closed = True
        if self._out.pending:
            self._write(b"")
        return b"".join(plain)

    def _shake_hands(self, head: bytes) -> None:
        self.open = True
        if self.client:
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                raise RuntimeError(f"a relay refused a stream: {head!r}")
            return
        lines = [line.partition(b":") for line in head.split(b"\r\n")]
        key = next(value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())  # noqa: S324 - RFC 6455 says so
        upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._write(upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")

    def _parse(self, data: bytes) -> list[bytes]:
        messages = []
        at, end = 0, len(data)
        while end - at >= 2:
            opcode, masked, size, begin = data[at] & 15, data[at + 1] & 0x80, data[at + 1] & 127, at + 2
            if size == 126:
                size, begin = int.from_bytes(data[begin : begin + 2]), begin + 2
            elif size == 127:
                size, begin = int.from_bytes(data[begin : begin + 8]), begin + 8
            begin += 4 if masked else 0
            if begin + size > end:
                break
            payload = data[begin : begin + size]
            if masked:
                payload = apply_mask(payload, data[begin - 4 : begin])
            at = begin + size
            if opcode == TEXT:
                messages.append(payload)
            elif opcode == PING:
                self.send(payload, PONG)
            elif opcode == CLOSE:
                self.send(payload[:2], CLOSE)
                self.closed = True
        self._unread = data[at:]
        return messages
