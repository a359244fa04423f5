"""Telephone audio: mu-law at 8 kHz, one byte a sample, carried as base64 text.

Audio passes through the daemon as the base64 text it arrived in. All that the bridge ever asks of it is how long it
lasts and whether anything can be heard in it.
"""

from __future__ import annotations

import base64
import binascii
import string
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BYTES_PER_MS = 8
FRAME_MS = 20
FRAME_BYTES = FRAME_MS * BYTES_PER_MS
SILENCE_BYTE = 0xFF
PIECE_MS = 6 * FRAME_MS
PIECE_CHARS = PIECE_MS * BYTES_PER_MS * 4 // 3  # 960 bytes: whole groups of base64, which holds 3 bytes in 4 letters

# G.711 mu-law stores the sign in the top bit and the magnitude inverted below it, so 0xFF and 0x7F are zero and
# the codes just under them are the quietest steps. Line noise and encoded silence stay within the first sixteen
# (magnitude at most 120 of 32,124, about -49 dBFS).
_QUIET = bytes(sorted([*range(0x70, 0x80), *range(0xF0, 0x100)]))

# Neither speech nor what is worth to be heard: the background of a call. The first two segments hold magnitudes of 372
# at most, about -39 dBFS.
_SOFT = bytes(sorted([*range(0x60, 0x80), *range(0xE0, 0x100)]))
_LOUD_SHARE = 10
"""Speech is louder than its background in a tenth of its samples at least."""

_BASE64 = string.ascii_letters.encode() + string.digits.encode() + b"+/"
_PADDING = (b"=", b"==")
_URL_SAFE: Final = str.maketrans("-_", "+/")


def base64_ms(payload: str) -> float:
    """Milliseconds of mu-law audio that a base64 text holds, without decoding it."""
    return (len(payload) * 3 // 4 - payload.count("=", -2)) / BYTES_PER_MS


def pieces(payload: str) -> Iterable[str]:
    """The same audio in texts of ``PIECE_MS`` at most, without decoding it; whole if it is no longer than that."""
    if len(payload) <= PIECE_CHARS:
        return (payload,)
    return (payload[at : at + PIECE_CHARS] for at in range(0, len(payload), PIECE_CHARS))


def without_header(payload: str) -> str:
    """The sound alone, of a payload that a server has made a WAV file of; undecodable text as it is."""
    if not payload.startswith("UklGR"):  # RIFF, in base64
        return payload
    try:
        raw = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        return payload
    begins = raw.find(b"data", 12, 512) if raw[8:12] == b"WAVE" else -1
    return base64.b64encode(raw[begins + 8 :]).decode() if begins >= 0 else payload


_FORMATS: Final = {"SUQz": "MP3", "T2dnU": "Ogg", "ZkxhQ": "FLAC"}
"""By what files begin with, in base64."""
_OTHER_CODINGS: Final = frozenset({b"\x01\x00", b"\x03\x00", b"\x06\x00"})
"""Linear, floating point and A-law: format tags of RIFF; mu-law's is 7."""


def format_named(payload: str) -> str:
    """The format of a file that begins so, where it is not mu-law's; empty for mu-law, and for what cannot be told."""
    if payload.startswith("UklGR"):
        try:
            raw = base64.b64decode(payload[:64])
        except (binascii.Error, ValueError):
            return ""
        if raw[8:16] != b"WAVEfmt ":
            return ""
        if raw[20:22] in _OTHER_CODINGS:
            return "a WAV file of another coding"
        rate = int.from_bytes(raw[24:28], "little")
        return "" if rate in {0, 8_000} else f"a WAV file of {rate} Hz"
    return next((name for begins, name in _FORMATS.items() if payload.startswith(begins)), "")


def is_audible(payload: str) -> bool:
    """True if a base64 mu-law payload holds more than silence and line noise; undecodable text is silence."""
    try:
        return bool(base64.b64decode(payload, validate=True).translate(None, _QUIET))
    except (binascii.Error, ValueError):
        return False


SILENCE_BEGINS = frozenset({"////", "f39/"})
"""The first four letters of sound that begins with digital silence (mu-law has two zeros), in base64."""


def is_speech(payload: str) -> bool:
    """True if a base64 mu-law payload is as loud as somebody who speaks; undecodable text is silence.

    For measuring, not for deciding: it takes a microsecond, and knows nothing of words.
    """
    try:
        mulaw = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(mulaw.translate(None, _SOFT)) * _LOUD_SHARE > len(mulaw)


def is_base64(payload: object) -> bool:
    """True if this is base64 text, which alone may be put between the quotes of a JSON message as it is.

    Whole groups, padded at the end (RFC 4648, 4). ``binascii`` takes three times as long, because it decodes.
    """
    if not isinstance(payload, str) or len(payload) % 4:
        return False
    padding = payload.encode("ascii", "replace").translate(None, _BASE64)
    return not padding or (padding in _PADDING and payload.endswith(padding.decode()))


def plain_base64(payload: str) -> str:
    """The same base64 as Twilio takes it: without line breaks and a data URL's head, of one alphabet, padded.

    Encoders and frameworks put breaks into it, write ``-`` and ``_``, leave the padding out, or write ``data:`` before
    it (RFC 4648, 3.1 to 5; RFC 2397). What is none stays none.

    Raises:
        AttributeError: it is no text.
    """
    if is_base64(payload):
        return payload
    if payload.startswith("data:"):
        payload = payload.partition(";base64,")[2]
    text = "".join(payload.split()).translate(_URL_SAFE).rstrip("=")
    return text + "=" * (-len(text) % 4)


def joined(payloads: Iterable[str]) -> str:
    """Several base64 payloads as one; what is no base64 is left out."""
    mulaw = b""
    for payload in payloads:
        if is_base64(payload):
            mulaw += base64.b64decode(payload)
    return encode(mulaw)


def gathered(payloads: Sequence[str], at_once: int) -> list[str]:
    """The payloads in order, so many of them joined into one."""
    return [joined(payloads[at : at + at_once]) for at in range(0, len(payloads), at_once)]


def encode(mulaw: bytes) -> str:
    """Base64 text of mu-law bytes."""
    return base64.b64encode(mulaw).decode("ascii")


def silence(ms: int) -> bytes:
    """``ms`` milliseconds of mu-law silence."""
    return bytes([SILENCE_BYTE]) * (ms * BYTES_PER_MS)
