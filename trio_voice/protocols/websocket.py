"""WebSocket frames (RFC 6455), sans-I/O: what both legs' sockets speak once the HTTP upgrade is through.

A codec of our own, because a frame of a call passes through it every 10 ms: a general one takes five times as long for
a whole text message in one frame, which is what a peer sends nearly always. The rest of the RFC is here all the same:
fragments with control frames between them, masks, lengths, UTF-8, close codes. Extensions are never negotiated, so a
reserved bit is a breach. Subprotocols and the upgrade itself are the business of ``websockets``' HTTP half.
"""

from __future__ import annotations

import codecs
import struct
from typing import Final

from trio_voice.protocols.masking import apply_mask, draw_key

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

NO_CODE: Final = 1005
"""The code of a close frame that has none (RFC 6455, 7.1.5)."""
_NORMAL: Final = 1000
_PROTOCOL_ERROR: Final = 1002
_NOT_TEXT: Final = 1007
_TOO_BIG: Final = 1009

_FIN: Final = 0x80
_MASKED: Final = 0x80
_WHOLE_TEXT: Final = _FIN | TEXT
_CONTROL_BYTES: Final = 125
"""The longest control frame's payload (RFC 6455, 5.5)."""
_CODES: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
"""Codes of a close frame besides 3000 to 4999: section 7.4, and IANA's registry since."""
SMALL_PIECE_BYTES: Final = 32
"""A piece of a message that is not the last and shorter than this costs more for its frame than for what is in it."""

_utf8_decoder: Final = codecs.getincrementaldecoder("utf-8")
_medium_head: Final = struct.Struct("!BBH").pack
_long_head: Final = struct.Struct("!BBQ").pack


class _BreachError(Exception):
    """The peer broke the protocol: with which close code it is told, and how."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class WebSocket:
    """The frames of one open connection, in both directions.

    Args:
        client: which end this is. A client masks and takes no mask, a server the other way round.
        max_message_bytes: a longer message, in one piece or in several, is a breach (1009) as soon as a header says so.
    """

    __slots__ = (
        "_breach",
        "_buffer",
        "_client",
        "_fragments",
        "_fragments_are_text",
        "_in_fragments",
        "_mask_bit",
        "_max_bytes",
        "_need",
        "_partial_begin",
        "_partial_key",
        "_partial_seen",
        "_usual_begin",
        "_usual_second",
        "_utf8",
        "bare_frames",
        "close_code",
        "close_reason",
        "close_sent",
        "failure",
        "replies",
    )

    def __init__(self, *, client: bool, max_message_bytes: int) -> None:
        self._client = client
        self._mask_bit = _MASKED if client else 0
        self._usual_second = 126 if client else _MASKED | 126
        self._usual_begin = 4 if client else 8
        """The second byte of a frame of 126 to 65,535 bytes, and the place at which its payload begins."""
        self._max_bytes = max_message_bytes
        self._buffer = bytearray()
        self._need = 0
        """Bytes that the buffer must have before it is worth looking into it."""
        self._in_fragments = False
        self._fragments = bytearray()
        self._fragments_are_text = True
        self._partial_begin = 0
        """Place in the buffer at which the payload begins of a text frame that has not come whole; 0 if there is
        none."""
        self._partial_key = b""
        self._partial_seen = 0
        """Bytes of it that have been looked at."""
        self._utf8: codecs.IncrementalDecoder | None = None
        """Has read what has come of a text that is not whole: what is none is refused as soon as that is seen."""
        self.close_code: int | None = None
        """The code of the peer's close frame, once there was one."""
        self.close_reason = ""
        self.close_sent = False
        """A close frame of ours has been made: nothing more may be said."""
        self._breach: _BreachError | None = None
        """Found, and not yet answered."""
        self.failure: str | None = None
        """The peer's breach of the protocol, in words, if there was one. Nothing is read after that."""
        self.bare_frames = 0
        """Frames that have brought nothing, or next to nothing: small pieces, pings, pongs. Whoever reads counts them,
        and takes them off: a peer can send them without end and without a message."""
        self.replies: list[bytes] = []
        """Frames that must be written because of what was read: pongs, and our half of a close. Whoever writes them
        takes them out; how many may wait is for whoever reads to decide."""

    # What we hear

    def whole_text(self, data: bytes) -> str | None:
        """The common case: one text of the usual length, whole, in one frame, and nothing else.

        ``None`` for any other bytes, and nothing is done about them: they are for ``receive``, which finds the same in
        these. The tests compare the two.
        """
        begin = self._usual_begin
        if (
            len(data) >= begin + 126
            and data[0] == _WHOLE_TEXT
            and data[1] == self._usual_second
            and len(data) - begin == (data[2] << 8 | data[3]) <= self._max_bytes
            and not self._buffer
            and not self._in_fragments
            and self.failure is None
            and self.close_code is None
        ):
            try:
                return (apply_mask(data[8:], data[4:8]) if begin == 8 else data[4:]).decode()
            except UnicodeDecodeError:
                pass
        return None

    def receive(self, data: bytes, *, settled: bool = True) -> list[str | bytes]:
        """The messages that these bytes complete, in order. Never raises: see ``failure`` and ``close_code``.

        Args:
            data: what has come.
            settled: a breach is answered at once. If not, it is by ``settle``, which must follow: what comes before a
                breach can be answered until then.
        """
        text = self.whole_text(data)
        if text is not None:
            return [text]
        messages: list[str | bytes] = []
        if self.failure is not None or self.close_code is not None:
            return messages
        rest: bytes | bytearray = data
        used = 0
        try:
            if self._buffer:
                self._buffer += data
                rest = self._buffer
            if rest is data or len(rest) >= self._need:
                used = self._parse(rest, messages)
            elif self._partial_begin:
                self._look_at_part(rest, 0)
        except _BreachError as breach:
            self._breach = breach
            if settled:
                self.settle()
            return messages
        if rest is self._buffer:
            del self._buffer[:used]
        elif used < len(data):
            self._buffer += data[used:]
        return messages

    def settle(self) -> bool:
        """Answer a breach that ``receive`` has found; whether it has."""
        breach, self._breach = self._breach, None
        if breach is None:
            return False
        self.failure = str(breach)
        self._buffer.clear()
        self._fragments.clear()
        if not self.close_sent:
            self.replies.append(self.close(breach.code, ""))
        return True

    def _parse(self, data: bytes | bytearray, messages: list[str | bytes]) -> int:
        """Take whole frames from the beginning of ``data``; returns how many bytes those were."""
        at, end = 0, len(data)
        while end - at >= 2:
            first, second = data[at], data[at + 1]
            size, begin = second & 0x7F, at + 2
            masked = second & _MASKED
            if masked == self._mask_bit:
                raise _BreachError(_PROTOCOL_ERROR, "a frame is masked" if masked else "a frame is not masked")
            if size >= 126:
                begin = at + (4 if size == 126 else 10)
                if end < begin:
                    self._check_head(first, size)  # nothing is waited for that cannot become right
                    self._need = begin - at
                    return at
                size = self._long_size(data[at + 2 : begin])
            if first != _WHOLE_TEXT or size > self._max_bytes or self._in_fragments:
                self._check_head(first, size)
            if masked:
                begin += 4
            stop = begin + size
            if stop > end:
                self._need = stop - at
                is_text = self._fragments_are_text if self._in_fragments else first & 0x0F == TEXT
                if is_text and not first & 0x08:
                    if begin > end:  # half a key
                        self._need = begin - at
                        return at
                    self._partial_begin = begin - at
                    self._partial_key = bytes(data[begin - 4 : begin]) if masked else b""
                    self._look_at_part(data, at)
                return at
            payload = bytes(data[begin:stop])
            if masked:
                payload = apply_mask(payload, data[begin - 4 : begin])
            at = stop
            seen, self._partial_seen, self._partial_begin = self._partial_seen, 0, 0
            if first == _WHOLE_TEXT:
                if seen:
                    self._utf8 = None
                messages.append(_text(payload))
            elif first & 0x08:
                self._take_control(first & 0x0F, payload)
                if self.close_code is not None:
                    return end  # what comes behind a close frame means nothing
            else:
                self._take_fragment(first, payload, messages, seen)
        self._need = 2
        return at

    def _long_size(self, encoded: bytes | bytearray) -> int:
        size = int.from_bytes(encoded, "big")
        if size < (126 if len(encoded) == 2 else 65_536) or size >> 63:
            raise _BreachError(_PROTOCOL_ERROR, "a frame's length is not written as it must be")
        return size

    def _check_head(self, first: int, size: int) -> None:
        """Look whether a frame may come here, before its payload has."""
        opcode, fin = first & 0x0F, first & _FIN
        if first & 0x70:
            raise _BreachError(_PROTOCOL_ERROR, "a reserved bit is set")
        if opcode & 0x08:
            if opcode > PONG:
                raise _BreachError(_PROTOCOL_ERROR, f"there is no opcode {opcode}")
            if not fin:
                raise _BreachError(_PROTOCOL_ERROR, "a control frame is in fragments")
            if size > _CONTROL_BYTES:
                raise _BreachError(_PROTOCOL_ERROR, "a control frame is too long")
            return
        if opcode > BINARY:
            raise _BreachError(_PROTOCOL_ERROR, f"there is no opcode {opcode}")
        if self._in_fragments and opcode != CONTINUATION:
            raise _BreachError(_PROTOCOL_ERROR, "a message begins within another")
        if not self._in_fragments and opcode == CONTINUATION:
            raise _BreachError(_PROTOCOL_ERROR, "a continuation continues nothing")
        if len(self._fragments) + size > self._max_bytes:
            raise _BreachError(_TOO_BIG, f"a message is longer than {self._max_bytes} bytes")

    def _look_at_part(self, data: bytes | bytearray, at: int) -> None:
        """Read on in the text of a frame that begins here and has not come whole."""
        part = bytes(data[at + self._partial_begin + self._partial_seen :])
        if self._partial_key:
            turn = self._partial_seen % 4
            part = apply_mask(part, self._partial_key[turn:] + self._partial_key[:turn])
        self._partial_seen += len(part)
        self._read_on(part)

    def _read_on(self, part: bytes, *, final: bool = False) -> None:
        if self._utf8 is None:
            self._utf8 = _utf8_decoder()
        try:
            self._utf8.decode(part, final)
        except UnicodeDecodeError:
            raise _BreachError(_NOT_TEXT, "a text message is not UTF-8") from None

    def _take_fragment(self, first: int, payload: bytes, messages: list[str | bytes], seen: int) -> None:
        """A piece of a message, or a whole binary one. Empty pieces may come without end and take no room.

        Args:
            first: the frame's first byte.
            payload: unmasked.
            messages: where the message goes that this completes.
            seen: how much of the payload has been looked at.
        """
        if not self._in_fragments:
            self._fragments_are_text = first & 0x0F == TEXT
            self._in_fragments = True
        if self._fragments_are_text:
            self._read_on(payload[seen:], final=bool(first & _FIN))
        self._fragments += payload
        if first & _FIN:
            whole = bytes(self._fragments)
            self._in_fragments = False
            self._fragments.clear()
            self._utf8 = None
            messages.append(_text(whole) if self._fragments_are_text else whole)
        elif len(payload) < SMALL_PIECE_BYTES:
            self.bare_frames += 1

    def _take_control(self, opcode: int, payload: bytes) -> None:
        self.bare_frames += 1
        if opcode == PING:
            if not self.close_sent:
                self.replies.append(self._frame(_FIN | PONG, payload))
        elif opcode == CLOSE:
            code, reason = _read_close(payload)
            self.close_code, self.close_reason = code, reason
            if not self.close_sent:
                self.replies.append(self.close(code, ""))

    # What we say

    def text(self, message: str) -> bytes:
        """The frame of a text message."""
        payload = message.encode()
        size = len(payload)
        if not 126 <= size < 65_536:
            return self._frame(_WHOLE_TEXT, payload)
        if not self._client:
            return _medium_head(_WHOLE_TEXT, 126, size) + payload
        key = draw_key()
        return _medium_head(_WHOLE_TEXT, _MASKED | 126, size) + key + apply_mask(payload, key)

    def binary(self, message: bytes) -> bytes:
        """The frame of a binary message."""
        return self._frame(_FIN | BINARY, message)

    def close(self, code: int = _NORMAL, reason: str = "") -> bytes:
        """The frame that says that we are done; nothing may be said after it.

        Args:
            code: ``NO_CODE`` for a frame without one.
            reason: cut to what fits.
        """
        self.close_sent = True
        if code == NO_CODE:
            return self._frame(_FIN | CLOSE, b"")
        said = reason.encode()[: _CONTROL_BYTES - 2].decode(errors="ignore").encode()
        return self._frame(_FIN | CLOSE, code.to_bytes(2, "big") + said)

    def _frame(self, first: int, payload: bytes) -> bytes:
        size = len(payload)
        if size < 126:
            head = bytes((first, self._mask_bit | size))
        elif size < 65_536:
            head = _medium_head(first, self._mask_bit | 126, size)
        else:
            head = _long_head(first, self._mask_bit | 127, size)
        if not self._client:
            return head + payload
        key = draw_key()
        return head + key + apply_mask(payload, key)


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise _BreachError(_NOT_TEXT, "a text message is not UTF-8") from None


def _read_close(payload: bytes) -> tuple[int, str]:
    if not payload:
        return NO_CODE, ""
    if len(payload) == 1:
        raise _BreachError(_PROTOCOL_ERROR, "a close frame has half a code")
    code = int.from_bytes(payload[:2], "big")
    if code not in _CODES and not 3_000 <= code <= 4_999:
        raise _BreachError(_PROTOCOL_ERROR, f"no peer may close with code {code}")
    return code, _text(payload[2:])
