"""Cases: each a fault in a phase of a call, at one kind of model.

Its acts are done one after another; the last is the first sign that the call is over, and from there the clock runs.
Where nothing but a limit can notice (silence, a machine that is gone) the case names it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from rig.call import NEVER_RETURNS, Call, Phase
from rig.manner import ORDINARY, Handshake, Manner
from rig.protocols import HEARING, SPEAKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Act = Callable[[Call], Awaitable[None]]


class Told(enum.Enum):
    """Answer to whether the provider can be told that the call is over."""

    CAN_BE = enum.auto()
    CANNOT = enum.auto()
    """It has left, does not read, or was never spoken to."""


@attrs.frozen(kw_only=True)
class Fault:
    """A way for a call to end."""

    words: str
    phases: tuple[Phase, ...]
    acts: tuple[Act, ...]
    manner: Manner = ORDINARY
    limit: str | None = None
    """The limit that notices it, where nothing else can."""
    told: Told = Told.CAN_BE
    tool: str = NEVER_RETURNS
    ends_process: bool = False
    is_owed: bool = False
    """The caller is owed an answer, or the last line, from then on."""
    at_model: bool = False
    """It strikes the model, and of a chain each of its sockets in turn."""
    kinds: tuple[str, ...] = ()
    """The kinds of model that can go wrong so; all if empty."""
    spares: tuple[str, ...] = ()
    """The sockets of a chain that it cannot strike."""


@attrs.frozen
class Case:
    """A fault in a phase."""

    fault: Fault
    phase: Phase
    kind: str
    """The kind of model."""
    stage: str = ""
    """Stage of a chain's that it strikes; empty for the only one, or for none in particular."""

    @property
    def words(self) -> str:
        """The fault, and where it strikes."""
        return f"{self.fault.words} ({self.stage})" if self.stage else self.fault.words

    @property
    def name(self) -> str:
        """For ``--only``."""
        return f"{self.words}, {self.phase.value}"

    @property
    def limit(self) -> str | None:
        """The limit that notices it."""
        if self._looks_like_a_silent_caller:
            return "heard out and idle"
        if self.fault.limit == "gone and last line" and self.stage == SPEAKING:
            return "no answer"  # nothing is sent to it while a kept filler is heard
        if self.fault.limit == "ready and last line" and self.stage == SPEAKING:
            return "handshakes and last line"  # the greeting was kept, so the call can wait for a voice
        if self.fault.limit == "last line" and self.phase in (Phase.HANDSHAKE, Phase.OPENING):
            return "ready and last line"  # it is tried again meanwhile
        if self.fault.limit == "last line" and self.stage:
            return "tries and last line"  # a chain's stage is, too, while the caller hears fillers
        return self.fault.limit

    @property
    def is_owed(self) -> bool:
        """True if the caller waits for us from then on."""
        return self.fault.is_owed and not self._looks_like_a_silent_caller

    @property
    def _looks_like_a_silent_caller(self) -> bool:
        """True if nothing of it can be noticed: a recogniser that is there, and hears nothing."""
        return self.fault.limit == "no answer" and self.stage == HEARING

    def can_tell(self, stage: str) -> bool:
        """True if the provider of this stage can be told."""
        return self.fault.told is Told.CAN_BE or self.stage not in {"", stage}

    def manner_of(self, stage: str) -> Manner:
        """Manner of this stage, so that the phase is reached and the fault can strike."""
        struck = self.stage in {"", stage}
        manner = self.fault.manner if struck else ORDINARY
        match self.phase:
            case Phase.HANDSHAKE if struck and manner.handshake is Handshake.ANSWERED:
                return attrs.evolve(manner, handshake=Handshake.HELD)
            case Phase.OPENING:
                return attrs.evolve(manner, becomes_ready=False)
            case Phase.GREETING:
                return attrs.evolve(manner, greeting_ms=20_000)
        return manner
