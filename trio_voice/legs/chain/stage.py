"""The members of a chain's stage that is a socket, or like one: which of them serves, and which is next.

A session that could not be opened for a passing reason is tried again (``legs/attempts.py``); one that drops after it
was ready is opened anew, and so is one whose provider gives it up for no reason that a key or a setting has. Where the
stage has another member, one that drops before it was good is left for that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import attrs
import trio

from trio_voice.events.call import LegClosed, LegStalled
from trio_voice.events.model import ModelFault
from trio_voice.legs.attempts import MAX_RETRY_AFTER, Attempts

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from trio_voice.legs.chain.http_voice import HttpSpeaker
    from trio_voice.legs.chain.local import LocalHearing, LocalSpeaking
    from trio_voice.legs.model import SocketModelLeg

    HearingLeg = SocketModelLeg | LocalHearing
    SpeakingLeg = SocketModelLeg | HttpSpeaker | LocalSpeaking

Leg = TypeVar("Leg", bound="HearingLeg | SpeakingLeg")
Loss = LegClosed | LegStalled | ModelFault
"""The end of a member: of its socket, of its peer's patience, or in its provider's words."""

GOOD_SECONDS: Final = 10.0
"""A session that has served for so long has been good: when it drops, it is opened anew, however often."""
RENEWAL_PAUSES: Final = (0.0, 0.3, 0.6)
"""Seconds before a session that dropped sooner is opened anew, and no oftener in a row than that; a provider may ask
for more."""
READY_SECONDS: Final = 10.0
"""Time that the last member of a stage may take to be ready."""


@attrs.define(eq=False)
class Stage(Generic[Leg]):
    """The members of a stage that is a socket, or like one.

    Args:
        makers: each makes one member's leg, fresh; they are tried in this order, at least one.
    """

    name: str
    makers: deque[Callable[[], Leg]]
    leg: Leg = attrs.field(init=False)
    """The member that serves."""
    living: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)
    ready: trio.Event = attrs.field(init=False, factory=trio.Event)
    ready_at: float = attrs.field(init=False, default=math.inf)
    replaced: int = attrs.field(init=False, default=0)
    """Times that another session has taken over."""
    pause: float = attrs.field(init=False, default=0.0)
    """Seconds until the next one is opened."""
    _maker: Callable[[], Leg] = attrs.field(init=False)
    _attempts: Attempts | None = attrs.field(init=False, default=None)
    _has_served: bool = attrs.field(init=False, default=False)
    """True once a member was ready."""
    _renewed: int = attrs.field(init=False, default=0)
    """Times in a row that a session which was not good yet was opened anew."""

    def __attrs_post_init__(self) -> None:
        self._maker = self.makers.popleft()
        self.leg = self._maker()

    def goes_on_after(self, fact: Loss, now: float) -> bool:
        """True if the stage goes on after the end of its member: with a new session of the same, or with the next."""
        pause = self._pause_after_drop(fact, now) if self.is_ready else self._pause_after_refusal(fact, now)
        if pause is not None:
            self.makers.appendleft(self._maker)
        self.pause = pause or 0.0
        return bool(self.makers)

    def _pause_after_refusal(self, fact: Loss, now: float) -> float | None:
        """Seconds until the same member is opened again that was not ready; None for never."""
        if self._attempts is None:
            self._attempts = Attempts(now, READY_SECONDS, others=bool(self.makers), first=not self._has_served)
        return self._attempts.pause_after(fact, now)

    def _pause_after_drop(self, fact: Loss, now: float) -> float | None:
        """The same of one that was ready."""
        if isinstance(fact, ModelFault) and not fact.passing:
            return None  # it names its cause
        asked = 0.0 if isinstance(fact, LegStalled) else fact.retry_after or 0.0
        if asked > (0.0 if self.makers else MAX_RETRY_AFTER):
            return None  # another is sooner there
        if self.was_good(now):
            self._renewed = 0
            return asked
        if self.makers or self._renewed >= len(RENEWAL_PAUSES):
            return None
        self._renewed += 1
        return max(RENEWAL_PAUSES[self._renewed - 1], asked)

    def was_good(self, now: float) -> bool:
        """True if the session has served for a while."""
        return now - self.ready_at >= GOOD_SECONDS

    @property
    def is_ready(self) -> bool:
        """True if the member that serves is ready."""
        return self.ready.is_set()

    @property
    def serves(self) -> bool:
        """True if it is, and has not failed."""
        return self.is_ready and not self.living.cancel_called

    def replace(self) -> None:
        """Let the next member take over."""
        self.replaced += 1
        self._has_served = self._has_served or self.is_ready
        maker = self.makers.popleft()
        if maker is not self._maker:
            self._renewed = 0
        if maker is not self._maker or self.is_ready:
            self._attempts = None
        self._maker, self.leg = maker, maker()
        self.living, self.ready, self.ready_at = trio.CancelScope(), trio.Event(), math.inf
