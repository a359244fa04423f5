"""``Idempotency-Key``: an order to place a call that is sent again is answered as it was, and no telephone rings twice.

The key is claimed in the journal before the call is placed, so it does not matter which node is asked again, nor when
within a day. An order that was refused is forgotten; one of which nobody knows what became is not placed again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import trio

from trio_voice.edges.web.answers import error_of
from trio_voice.journal import JournalUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio_voice.journal import Journal
    from trio_voice.journal.idempotency_keys import Order

Answer = tuple[dict[str, Any], int]

MAX_LETTERS: Final = 255
WAIT_SECONDS: Final = 20.0
"""For the answer to an order that is being placed at this moment."""
LOOK_SECONDS: Final = 0.25
NOT_REPEATED: Final = frozenset({201, 504})
"""Statuses after which a telephone rings, or may."""


async def once(journal: Journal, key: str, asked: Any, place: Callable[[], Awaitable[Answer]]) -> Answer:
    """Place a call, unless it was placed already: then the answer is what it was.

    Cancelling is safe; the key stays claimed then.
    """
    if not 0 < len(key) <= MAX_LETTERS or not key.isprintable():
        return error_of("bad_request", f"Idempotency-Key: must have 1 to {MAX_LETTERS} letters"), 400
    wanted = json.dumps(asked, sort_keys=True)
    try:
        before = await journal.claim_order(key, wanted)
        if before is not None:
            return await _as_before(journal, key, wanted, before)
        answer, status = await place()
        kept = json.dumps([answer, status]) if status in NOT_REPEATED else None
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
            await journal.answer_order(key, kept)
    except JournalUnavailable as trouble:
        return error_of("no_journal", f"without the journal nobody knows whether this call was placed: {trouble}"), 503
    return answer, status


async def _as_before(journal: Journal, key: str, wanted: str, before: Order) -> Answer:
    if before.asked != wanted:
        return error_of("key_reused", "this Idempotency-Key was used for another order: take a new one"), 422
    found: Order | None = before
    with trio.move_on_after(WAIT_SECONDS):  # noqa: ASYNC912 - checkpoints while the order is under way
        while found is not None and found.answer is None:
            await trio.sleep(LOOK_SECONDS)
            found = await journal.order(key)
    if found is None:
        return error_of("refused_before", "the same order was refused a moment ago: send it again"), 503
    if found.answer is None:
        return error_of("unknown_outcome", "it is not known whether this call was placed; it is not repeated"), 504
    answer, status = json.loads(found.answer)
    return answer, status
