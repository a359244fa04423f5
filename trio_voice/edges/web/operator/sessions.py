"""Sessions of those who have signed in at the console, and links that sign somebody in once.

Kept in memory that all processes of a node see (``shared_memory.py``), because any of them may be asked: a table of
rows, each a keyed hash and when it ends. Nothing of it is on a disk, and a restart signs everybody out. The key of the
hash is the operator's token: a token that is taken away takes its sessions with it, and what stands in the table is of
no use to anybody.
"""

from __future__ import annotations

import secrets
import struct
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from trio_voice.edges.workers.shared_memory import SharedMemory, make_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SESSION_SECONDS: Final = 12 * 3_600
"""From signing in; it is not prolonged."""
LINK_SECONDS: Final = 300
"""Time for which a link is good that signs in once."""
MAX_SESSIONS: Final = 256
"""Beyond them the one that would end first is ended. It bounds the links, too: they are rows of the same table."""
_DIGEST_BYTES: Final = 16
_ROW: Final = struct.Struct(f"={_DIGEST_BYTES}sd")
_EMPTY: Final = (bytes(_DIGEST_BYTES), 0.0)
_SESSION: Final = b"session"
_LINK: Final = b"link"


def make_table() -> int:
    """A table in memory; the descriptor is to be inherited by all processes that share it."""
    return make_memory("sessions", MAX_SESSIONS * _ROW.size)


class Sessions(SharedMemory):
    """One process's view of the table.

    Args:
        descriptor: of ``make_table``; a table of its own without one.
        clock: seconds of a clock that all processes of the machine share, and that nobody sets.
    """

    def __init__(self, descriptor: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(make_table() if descriptor is None else descriptor)
        self._clock = clock

    def open(self, token: str) -> str:
        """Begin a session for whoever has this token; returns what its cookie holds."""
        return self._enter(_SESSION, token, SESSION_SECONDS)

    def is_open(self, cookie: str, tokens: Sequence[str]) -> bool:
        """True if a cookie is that of a session which was begun with one of these tokens and has not ended."""
        return self._find(_SESSION, cookie, tokens) is not None

    def close(self, cookie: str, tokens: Sequence[str]) -> None:
        """End a session. One that has ended stays so."""
        self._take(_SESSION, cookie, tokens)

    def make_link(self, token: str) -> str:
        """The secret part of a link that signs in once, for whoever has this token."""
        return self._enter(_LINK, token, LINK_SECONDS)

    def is_link(self, secret: str, tokens: Sequence[str]) -> bool:
        """True if a link is still good. It stays so."""
        return self._find(_LINK, secret, tokens) is not None

    def use_link(self, secret: str, tokens: Sequence[str]) -> str | None:
        """The token of whoever made the link, once; ``None`` if it is used, expired, or none of ours."""
        return self._take(_LINK, secret, tokens)

    def _enter(self, kind: bytes, token: str, seconds: float) -> str:
        secret = secrets.token_urlsafe(24)
        with self.locked():
            now = self._clock()
            rows = [self._row(at) for at in range(MAX_SESSIONS)]
            # A row that is empty or has ended, else the one that ends first.
            at = min(range(MAX_SESSIONS), key=lambda at: rows[at][1] if rows[at][1] > now else 0.0)
            _ROW.pack_into(self._memory, at * _ROW.size, _digest(kind, secret, token), now + seconds)
        return secret

    def _take(self, kind: bytes, secret: str, tokens: Sequence[str]) -> str | None:
        with self.locked():
            found = self._find(kind, secret, tokens)
            if found is None:
                return None
            at, token = found
            _ROW.pack_into(self._memory, at * _ROW.size, *_EMPTY)
        return token

    def _find(self, kind: bytes, secret: str, tokens: Sequence[str]) -> tuple[int, str] | None:
        """The row of a secret, and the token it was made with."""
        if not secret or len(secret) > 100:
            return None
        digests = {_digest(kind, secret, token): token for token in tokens}
        now = self._clock()
        for at in range(MAX_SESSIONS):
            digest, ends_at = self._row(at)
            if ends_at > now and digest in digests:
                return at, digests[digest]
        return None

    def _row(self, at: int) -> tuple[bytes, float]:
        digest, ends_at = _ROW.unpack_from(self._memory, at * _ROW.size)
        return digest, ends_at


def _digest(kind: bytes, secret: str, token: str) -> bytes:
    key = blake2b(token.encode("utf-8", "surrogateescape")).digest()
    data = kind + b" " + secret.encode("utf-8", "surrogateescape")
    return blake2b(data, key=key, digest_size=_DIGEST_BYTES).digest()
