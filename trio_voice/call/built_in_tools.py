"""Tools that are built in. None computes or waits, so none needs a thread."""

from __future__ import annotations

import random
from typing import Final, Protocol

import trio

from trio_voice.call.tools import Afterwards, CallFacts
from trio_voice.events.call import Then
from trio_voice.phone_numbers import of_telephone


class DoNotCall(Protocol):
    """The list of numbers that are never dialed again."""

    async def mark_do_not_call(self, number: str, reason: str, call_id: str) -> None:
        """Put a number on the list."""


async def generate_random_number(minimum: int = 1, maximum: int = 100) -> dict[str, int]:
    """Draw a random whole number.

    Args:
        minimum: The smallest number that may come.
        maximum: The largest number that may come.
    """
    await trio.lowlevel.checkpoint()
    low, high = sorted((minimum, maximum))
    return {"number": random.randint(low, high)}  # noqa: S311 - a number to say, not a secret


async def end_call() -> Afterwards:
    """End the telephone call. Say goodbye first; the call ends once the caller has heard it."""
    await trio.lowlevel.checkpoint()
    return Afterwards({"status": "the call ends as soon as the caller has heard your goodbye"}, Then.END_CALL)


async def transfer_to_human(reason: str = "") -> Afterwards:
    """Put the caller through to a human. Tell the caller first; the transfer happens once they have heard it.

    Args:
        reason: Why the caller needs a human.
    """
    await trio.lowlevel.checkpoint()
    del reason  # in the arguments, which are logged, for whoever picks up
    status = "the caller is put through as soon as they have heard you say so"
    return Afterwards({"status": status}, Then.TRANSFER)


async def consent_to_recording() -> Afterwards:
    """Begin to record this call. Call it only after you have asked, and the caller has clearly said yes."""
    await trio.lowlevel.checkpoint()
    return Afterwards({"status": "the call is being recorded from now on"}, Then.RECORD)


class DoNotCallTool:
    """``mark_do_not_call``: keeps the number of the person at the other end from ever being dialed again."""

    def __init__(self, numbers: DoNotCall) -> None:
        self._numbers = numbers

    async def mark_do_not_call(self, call: CallFacts, reason: str = "", number: str = "") -> dict[str, str]:
        """Take this person off the list, so that they are never called again.

        Args:
            reason: Why they do not want to be called.
            number: Their number with its country code, as they say it; only where this call does not show it.
        """
        kept = of_telephone(call.other_number) or of_telephone(number)
        if kept is None:
            return {"error": "this call shows no number that could be kept: ask for it, and call this again with it"}
        await self._numbers.mark_do_not_call(kept, reason, call.call_id)
        return {"status": "this number will not be called again"}


END_CALL: Final = "end_call"
TRANSFER: Final = "transfer_to_human"
CONSENT: Final = "consent_to_recording"
"""Offered to the model where the persona has ``record_after_consent``, listed or not, and nowhere else."""
BUILT_IN: Final = frozenset({"generate_random_number", END_CALL, TRANSFER, CONSENT, "mark_do_not_call"})
