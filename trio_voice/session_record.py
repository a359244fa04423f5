"""The record of one session with a model: what is billed, by which clock, and how it was closed."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

MAX_USAGE: Final = 1e9
"""Of any meter, told at once: days of sound, libraries of text."""


class Closing(enum.StrEnum):
    """Way in which a model session was closed, which is what its bill depends on."""

    ACKNOWLEDGED = "acknowledged"
    """The provider said that it is over."""
    TIMED_OUT = "timed_out"
    """The provider was told and did not answer within the deadline."""
    ABORTED = "aborted"
    """The provider could not be told: the socket was gone, stalled or never answered."""


@attrs.define
class ModelSessionRecord:
    """One billed session."""

    provider: str
    """The kind of model."""
    opened_at: datetime
    model: str | None = None
    """The table of ``[models]`` that it was opened by."""
    opened_after_seconds: float | None = None
    """Seconds that the call had lasted then."""
    session_id: str | None = None
    closed_at: datetime | None = None
    closing: Closing | None = None
    seconds: float | None = None
    """By our clock, from before the socket was opened until it was closed."""
    billed_seconds: float | None = None
    """By the provider's clock, where it says."""
    meters: dict[str, float] = attrs.field(factory=dict)
    """Whatever else the provider said that it will bill, by the name of the meter (``events.model.Meter``)."""
    overrun_seconds: float | None = None
    """Seconds by which it outlived its call, less than 0 if it was closed before; known once both are over."""
    cost: float | None = None
    """Estimate, in the call's currency; unknown while it is open, and if nobody has set a price."""
    settled: bool = False
    """Its daemon died and another closed it in the journal: ``seconds`` is how long it may have lasted until then."""
    seconds_at_least: float | None = None
    """Seconds that a settled session was certainly open: until its daemon's last heartbeat."""

    def add_usage(self, meters: Mapping[Any, float]) -> None:
        """Add to the meters. What no meter can have counted since the last time is a stranger's nonsense: left out."""
        for meter, amount in meters.items():
            if 0 <= amount <= MAX_USAGE:
                self.meters[meter] = self.meters.get(meter, 0) + amount

    def as_json(self) -> dict[str, Any]:
        """The shape that ``GET /calls/<call id>`` answers."""
        return {
            "provider": self.provider,
            "model": self.model,
            "session_id": self.session_id,
            "opened_at": self.opened_at.isoformat(),
            "closed_at": self.closed_at.isoformat() if self.closed_at else None,
            "closing": self.closing,
            "seconds": self.seconds,
            "billed_seconds": self.billed_seconds,
            "meters": dict(self.meters),
            "overrun_seconds": self.overrun_seconds,
            "cost": self.cost,
        }
