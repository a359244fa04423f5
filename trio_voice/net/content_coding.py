"""Bodies that a server has compressed though nobody asked for it."""

from __future__ import annotations

import zlib
from typing import Final

from trio_voice.errors import ModelUnavailable

PIECE_BYTES: Final = 65_536
"""The most that comes of a body at once, however well it was compressed."""
_DEFLATED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_PLAIN: Final = frozenset({"", "identity"})


class Decoder:
    """Makes a body plain again, piece by piece.

    Args:
        coding: the answer's ``Content-Encoding``.

    Raises:
        ModelUnavailable: it is none that can be read.
    """

    def __init__(self, coding: str) -> None:
        name = coding.strip().lower()
        if name not in _DEFLATED | _PLAIN:
            raise ModelUnavailable(f"the answer is compressed as {coding[:40]!r}, which nobody asked for")
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 32) if name in _DEFLATED else None

    @property
    def rest(self) -> bytes:
        """Bytes that came and were not looked at yet."""
        return self._inflater.unconsumed_tail if self._inflater is not None else b""

    def take(self, data: bytes) -> bytes:
        """The plain bytes of a further piece, or of the ``rest``; empty if more must come.

        Raises:
            ModelUnavailable: it is not compressed as it says.
        """
        if self._inflater is None:
            return data
        try:
            return self._inflater.decompress(data, PIECE_BYTES)
        except zlib.error as wrong:
            raise ModelUnavailable(f"the answer is not compressed as it says: {wrong}") from wrong
