"""A caller who is put through to somebody else: the request to Twilio, and whose the telephone is from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import structlog
import trio

from trio_voice.errors import RestError
from trio_voice.record import Transfer

if TYPE_CHECKING:
    from trio_voice.legs.session_ledger import Ledger
    from trio_voice.record import CallRecord

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

    __slots__ = ("_began", "_ledger", "_phone", "_record", "_seconds", "is_stopped")

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

    async def put_through(self, number: str | None) -> bool:
        """Connect the caller to this number; returns whether Twilio does. It answers by stopping the stream, too.

        Cancelling is safe: cut short by the end of the call, it counts as done only if that end is Twilio's stop.
        """
        record = self._record
        if self._phone is None or record.call_sid is None or number is None:
            log.warning("transfer_failed", error="it needs account_sid, TWILIO_AUTH_TOKEN and transfer_to")
            return False
        transfer = Transfer(number, round(trio.current_time() - self._began, 3))
        record.transfers.append(transfer)
        record.handed_over = True  # before the request: Twilio may stop the stream before it answers us
        self._ledger.changed()
        done = False
        try:
            with trio.fail_after(self._seconds):
                await self._phone.transfer(record, number)
            done = True
            log.info("transferred")
        except (RestError, trio.TooSlowError) as failed:
            log.warning("transfer_failed", error=str(failed) or "Twilio did not answer in time")
            transfer.outcome = "refused"
        finally:
            record.handed_over = done or self.is_stopped
            self._ledger.changed()
        return done
