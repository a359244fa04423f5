"""A caller who is put through to somebody else: the request to Twilio, and whose the telephone is from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import structlog
import trio

from trio_voice.errors import CallRefused, RestError
from trio_voice.phone_numbers import e164
from trio_voice.record import Transfer

if TYPE_CHECKING:
    from trio_voice.legs.session_ledger import Ledger
    from trio_voice.record import CallRecord

REQUEST_SECONDS: Final = 5.0
"""For Twilio's answer, which the caller waits for without a word; they are longer only where it is in trouble."""
OWN_NUMBER: Final = "the number is the one of ours in this call: the agent would answer there again"
REFUSED: Final = "refused"
UNKNOWN: Final = "unknown"
"""Outcomes of a request that Twilio refused, or did not answer: then it may do it all the same."""
log: Final = structlog.stdlib.get_logger("trio_voice.call")


class CallControl(Protocol):
    """Acts on a telephone call besides ending it."""

    async def transfer(self, call: CallRecord, number: str) -> None:
        """Connect the caller to somebody else. Raises ``RestError``."""


class Transfers:
    """Those of one call.

    Args:
        record: of the call; each transfer is written there, and whether the telephone is still ours to hang up.
        phone: what can be done to the telephone call; ``None`` without Twilio's REST API.
        ledger: where a hand-over is written down.
        seconds: how long Twilio may take to answer.
        began: the time from which transfers are counted.
    """

    __slots__ = ("_began", "_ledger", "_phone", "_record", "_seconds", "is_stopped", "may_be_done")

    def __init__(
        self, record: CallRecord, phone: CallControl | None, ledger: Ledger, seconds: float, began: float
    ) -> None:
        self._record = record
        self._phone = phone
        self._ledger = ledger
        self._seconds = seconds
        self._began = began
        self.is_stopped = False
        """Twilio has stopped the stream because of it."""
        self.may_be_done = False
        """Twilio did not say whether it does what it was asked for last."""

    def is_own(self, number: str) -> bool:
        """True if a number is our end of this very call: whoever is put through to it reaches the agent again."""
        record = self._record
        return number == e164(record.from_number if record.direction == "outbound" else record.to_number)

    def check(self, number: str) -> None:
        """Look whether the operator may have the caller put through to a number.

        Raises:
            CallRefused: ``not_supported``.
        """
        if self._phone is None or self._record.call_sid is None:
            raise CallRefused("not_supported", "this call cannot be put through: it has no telephone at Twilio")
        if self.is_own(number):
            raise CallRefused("not_supported", OWN_NUMBER)

    async def put_through(self, number: str | None) -> bool:
        """Connect the caller to this number; returns whether Twilio does. It answers by stopping the stream, too.

        Cancelling is safe: cut short by the end of the call, it counts as done only if that end is Twilio's stop.
        """
        record = self._record
        if self._phone is None or record.call_sid is None or number is None:
            log.warning("transfer_failed", error="it needs account_sid, TWILIO_AUTH_TOKEN and transfer_to")
            return False
        if self.is_own(number):
            log.warning("transfer_failed", error=OWN_NUMBER)
            return False
        transfer = Transfer(number, round(trio.current_time() - self._began, 3))
        record.transfers.append(transfer)
        record.handed_over = True  # before the request: Twilio may stop the stream before it answers us
        self._ledger.changed()
        done = False
        try:
            with trio.fail_after(min(self._seconds, REQUEST_SECONDS)):
                await self._phone.transfer(record, number)
            done, self.may_be_done = True, False
            log.info("transferred")
        except (RestError, trio.TooSlowError) as failed:
            log.warning("transfer_failed", error=str(failed) or "Twilio did not answer in time")
            self.may_be_done = not isinstance(failed, RestError) or failed.outcome_unknown
            transfer.outcome = UNKNOWN if self.may_be_done else REFUSED
        finally:
            record.handed_over = done or self.is_stopped
            self._ledger.changed()
        return done
