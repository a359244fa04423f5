"""Masks of WebSocket frames (RFC 6455, 5.3): a key for each frame, and its work."""

from __future__ import annotations

import os
from typing import Final

try:
    from websockets.speedups import apply_mask
except ImportError:  # there is no wheel with the compiled one for this machine
    from websockets.utils import apply_mask

__all__ = ["apply_mask", "draw_key"]

_KEY_POOL_BYTES: Final = 512
"""Masking keys are drawn from the kernel by the hundred: one draw each would be a system call each frame."""
_keys: Final[list[bytes]] = []
"""Those that were drawn and not used."""


def draw_key() -> bytes:
    """A key that nobody can guess, for one frame."""
    try:
        return _keys.pop()
    except IndexError:
        drawn = os.urandom(_KEY_POOL_BYTES)
        _keys.extend(drawn[at : at + 4] for at in range(4, _KEY_POOL_BYTES, 4))
        return drawn[:4]
