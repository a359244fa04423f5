"""The operator's token as it is offered: the right one is let in, and guessing is slow.

A few wrong tokens a second are judged, over all connections together. While there are no more than that nobody waits,
and the right one costs nothing. While there are more, whoever offers a token waits for their turn: the token that was
first offered longest ago comes first, so that somebody who has the right one and tries again passes those who try
another one each time. Few may wait, because each holds a connection; the latest are told to come back.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from enum import Enum, auto
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Sequence

WRONG_PER_SECOND: Final = 15.0
"""Wrong tokens that are judged."""
WRONG_AT_ONCE: Final = 5
"""The same, after a quiet time."""
MAX_WAITING: Final = 30
"""Connections that may wait to be judged: some two seconds."""
REMEMBERED: Final = 4_096
"""Most tokens that are remembered as wrong, or with the time of their first offer. As hashes with a key."""


class Verdict(Enum):
    """Verdict on a token that was offered."""

    RIGHT = auto()
    WRONG = auto()
    TOO_MANY = auto()
    """Not judged: they may try again in a second."""


@attrs.define(eq=False)
class _Waiting:
    since: float
    """Time at which their token was first offered."""
    turn: trio.Event = attrs.field(factory=trio.Event)
    sent_away: bool = False


class TokenJudge:
    """Judges the tokens of all connections.

    Args:
        per_second: how many wrong ones, in the long run.
    """

    def __init__(self, per_second: float = WRONG_PER_SECOND) -> None:
        self._every = 1 / per_second
        self._free_at = float("-inf")
        """Time at which the next can be judged, less what may come at once."""
        self._waiting: list[_Waiting] = []
        """Tokens that wait, those that were first offered longest ago first."""
        self._first_offered: OrderedDict[bytes, float] = OrderedDict()
        self._known_wrong: OrderedDict[bytes, None] = OrderedDict()
        self._key = secrets.token_bytes(32)
        self._tokens: tuple[str, ...] = ()

    async def judge(self, offered: str, tokens: Sequence[str]) -> Verdict:
        """The verdict on whether what is offered is one of the tokens. Cancelling is safe."""
        await trio.lowlevel.checkpoint()  # from here to the verdict nobody else has a turn, but while waiting for it
        if tuple(tokens) != self._tokens:
            self._tokens = tuple(tokens)
            self._known_wrong.clear()
        name = blake2b(offered.encode("utf-8", "surrogateescape"), key=self._key, digest_size=16).digest()
        if not self._may_judge or self._waiting:
            if name in self._known_wrong:  # judged already: it need not wait, nor be heard again
                return Verdict.TOO_MANY
            if not await self._wait(self._since(name)):
                return Verdict.TOO_MANY
        if self._fits(offered):
            self._first_offered.pop(name, None)
            return Verdict.RIGHT
        earliest = trio.current_time() - WRONG_AT_ONCE * self._every
        self._free_at = max(self._free_at, earliest) + self._every
        _keep(self._known_wrong, name, None)
        return Verdict.WRONG

    def _fits(self, offered: str) -> bool:
        data = offered.encode("utf-8", "surrogateescape")
        fits = False
        for token in self._tokens:  # all of them: how long it takes says nothing
            fits |= hmac.compare_digest(data, token.encode())
        return fits

    @property
    def _may_judge(self) -> bool:
        return self._free_at <= trio.current_time()

    def _since(self, name: bytes) -> float:
        if name not in self._first_offered:
            _keep(self._first_offered, name, trio.current_time())
        return self._first_offered[name]

    async def _wait(self, since: float) -> bool:
        """Wait for a turn; whether there was one."""
        me = _Waiting(since)
        place = next((at for at, each in enumerate(self._waiting) if each.since > since), len(self._waiting))
        self._waiting.insert(place, me)
        if len(self._waiting) > MAX_WAITING:
            last = self._waiting.pop()
            last.sent_away = True
            last.turn.set()
        try:
            while not me.sent_away and not (self._waiting[0] is me and self._may_judge):
                if self._waiting[0] is me:
                    with trio.move_on_at(self._free_at):
                        await me.turn.wait()
                else:
                    await me.turn.wait()
                me.turn = trio.Event()
            return not me.sent_away
        finally:
            if me in self._waiting:
                self._waiting.remove(me)
            if self._waiting:
                self._waiting[0].turn.set()


def _keep(kept: OrderedDict[bytes, Any], name: bytes, value: object) -> None:
    kept[name] = value
    if len(kept) > REMEMBERED:
        kept.popitem(last=False)


def bearer_of(authorization: str) -> str | None:
    """The token in an ``Authorization`` header (RFC 9110, 11.4; RFC 6750, 2.1); ``None`` if there is none.

    The scheme must be there, in whatever case.
    """
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token else None
