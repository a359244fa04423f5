"""The drain: no new calls, and time for those there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from trio_voice.bridge.deadlines import LAST_WORDS_SECONDS
from trio_voice.record import EndReason

if TYPE_CHECKING:
    from trio_voice.call.registry import Registry

LONG_DRAIN_SECONDS: Final = 15.0
"""A shorter one leaves no time to tell callers goodbye at its end."""


async def drain(registry: Registry, seconds: float) -> None:
    """Promise nothing more, give what was promised and what is live so long to end by itself, then end it all.

    A call that has its TwiML and not yet its stream is waited for while its path is good, and answered: its caller
    hears us already. Returns when no call is live. Cancelling is safe; no call is taken any more.
    """
    registry.refuse_new()
    because = f"the server went down and drain_seconds = {seconds:g} had passed"
    left = LAST_WORDS_SECONDS if seconds >= LONG_DRAIN_SECONDS else 0.0
    with trio.move_on_after(seconds - left):
        await registry.wait_until_empty()
    if left:
        for call in registry.live():
            call.say_last_words(EndReason.DRAIN, because)
        with trio.move_on_after(left):
            await registry.wait_until_empty()
    registry.end_arrivals(because)
    await registry.wait_until_empty()
