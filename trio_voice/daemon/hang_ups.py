"""Telephones of calls that are over: hung up by REST, and Twilio's last callbacks waited for."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import trio

from trio_voice.isolation import contained
from trio_voice.journal import JournalUnavailable

if TYPE_CHECKING:
    from trio_voice.edges.twilio.rest import TwilioRest
    from trio_voice.journal import Journal
    from trio_voice.record import CallRecord

HANG_UP_SECONDS: Final = 8.0
"""For the last telephones to be hung up, before the callbacks of those that are not are waited for no longer."""
LAST_CALLBACKS_SECONDS: Final = 1.0
"""For Twilio's last callbacks of the last call."""


class HangUps:
    """Telephones that are being hung up, and the time of the last end.

    Args:
        journal: told which telephones are down.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._hanging_up = 0
        """Telephones, at this moment."""
        self._hung_up = trio.Event()
        """Set, and replaced, whenever one has been, or could not be."""
        self._last_end = -math.inf
        """Time at which the last call ended, or its telephone was hung up."""

    def note_end(self) -> None:
        """A call has ended."""
        self._last_end = trio.current_time()

    async def hang_up(self, rest: TwilioRest, record: CallRecord, call_sid: str) -> None:
        """Hang up the phone of a call that is over. Where that fails, the journal keeps it for the next daemon."""
        self._hanging_up += 1
        try:
            await self._try(rest, record, call_sid)
        finally:
            self._hanging_up -= 1
            self._last_end = trio.current_time()
            self._hung_up.set()
            self._hung_up = trio.Event()

    async def _try(self, rest: TwilioRest, record: CallRecord, call_sid: str) -> None:
        with contained("hang_up", call_id=record.call_id, call_sid=call_sid):
            if await self._is_somebody_elses(record, call_sid):
                self._journal.phone_is_down(record)
                return
            # Who had only stood still may have been declared dead, and another has hung up meanwhile.
            if (self._journal.stood_still and await rest.is_over(call_sid)) or await rest.hang_up(call_sid):
                self._journal.phone_is_down(record)

    async def _is_somebody_elses(self, record: CallRecord, call_sid: str) -> bool:
        """True if a call whose stream never came here has come to another node, which was asked for TwiML as well."""
        if record.model_sessions or record.direction != "inbound":
            return False
        with suppress(JournalUnavailable):
            return bool(await self._journal.other_runs_with(record.call_id, call_sid))
        return False

    async def stay_for_callbacks(self) -> None:
        """Once no call is live: until the last telephones are hung up, and Twilio has had a moment to say so. Bounded.

        Cancelling is safe.
        """
        if not self._last_end > -math.inf:
            await trio.lowlevel.checkpoint()
            return
        with trio.move_on_after(HANG_UP_SECONDS):  # noqa: ASYNC912 - checkpoints while any is being hung up, and then below
            while self._hanging_up:
                await self._hung_up.wait()
        await trio.sleep_until(self._last_end + LAST_CALLBACKS_SECONDS)
