"""A call whose stream has been promised a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from trio_voice.call.put_through import CameBack
    from trio_voice.persona import Limits, Persona
    from trio_voice.record import CallRecord

EXPECTED_SECONDS: Final = 30.0
"""Time for which a promised path is good. Twilio opens the stream within a second of reading the TwiML."""
QUEUED_SECONDS: Final = 1_800.0
"""Time that a call which we place may wait at Twilio before it is dialed: one second for each call before it, unless
the account has been given more (Twilio, "Call resource", CPS). Then it is given up, and taken out of the queue."""


@attrs.define
class ExpectedCall:
    """A call whose stream has been promised a path."""

    record: CallRecord
    persona: Persona
    limits: Limits
    expires_at: float
    came_back: CameBack | None = None
    """The transfer before which nobody answered, if the caller has come back from one."""
    path: str = attrs.field(default=attrs.Factory(lambda self: self.record.call_id, takes_self=True))
    """The last part of its stream's address, which is good once."""
    seconds_from_dialing: float = 0.0
    """For how long the promise is good once it is being dialed, or rings; until then it waits in Twilio's queue."""
