"""An order that comes twice is placed once, and calls are placed at the account's pace: over all nodes."""

import json
from datetime import datetime, timedelta

import pytest
import trio

from trio_voice.edges.web.operator.idempotency import once

ASKED = {"to": "+15550001111"}


class Placing:
    """Places calls, and counts them."""

    def __init__(self, status=201):
        self.status = status
        self.placed = 0

    async def __call__(self):
        await trio.sleep(0.05)
        self.placed += 1
        return {"call_id": f"c{self.placed}"}, self.status


def age_orders(stand, hours):
    """Make them so much older, by the database's clock."""
    for key, made_at in stand.query("SELECT idempotency_key, made_at FROM journal_orders"):
        older = (datetime.fromisoformat(made_at) - timedelta(hours=hours)).isoformat(timespec="microseconds")
        stand.execute(f"UPDATE journal_orders SET made_at = '{older}' WHERE idempotency_key = '{key}'")


async def test_an_order_is_placed_once_whoever_is_asked(opened, stand):
    async with opened(node="a") as one, opened(node="b") as other:
        place = Placing()
        answers = []

        async def order(journal):
            answers.append(await once(journal, "k1", ASKED, place))

        async with trio.open_nursery() as nursery:
            for journal in (one, other, one):
                nursery.start_soon(order, journal)
        assert (
            answers == [({"call_id": "c1"}, 201)] * 3
            or [list(each) for each in answers] == [[{"call_id": "c1"}, 201]] * 3
        )
        assert place.placed == 1
        assert (await once(other, "k1", {"to": "+1"}, place))[1] == 422
        assert (await once(other, "k2", ASKED, place))[0] == {"call_id": "c2"}
        age_orders(stand, 23.9)
        assert (await once(other, "k1", ASKED, place))[0] == {"call_id": "c1"}
        age_orders(stand, 0.2)
        assert (await once(other, "k1", ASKED, place))[0] == {"call_id": "c3"}
        for wrong in ("", "x" * 256, "a\nb"):
            assert (await once(one, wrong, ASKED, place))[1] == 400


@pytest.mark.parametrize("jump", [timedelta(days=2), timedelta(days=-2)])
async def test_a_node_whose_clock_is_wrong_by_days_neither_forgets_orders_nor_keeps_them(opened, clock, stand, jump):
    async with opened(node="a") as one, opened(node="b") as other:
        place = Placing()
        await once(one, "k1", ASKED, place)
        clock.advance(jump.total_seconds())  # all that is asked from here on has another time of day
        assert (await once(other, "k1", ASKED, place))[0] == {"call_id": "c1"}
        assert (await once(other, "k2", ASKED, place))[0] == {"call_id": "c2"}
        clock.advance(-jump.total_seconds())
        assert (await once(one, "k2", ASKED, place))[0] == {"call_id": "c2"}
        assert place.placed == 2
        age_orders(stand, 24.1)
        assert (await once(one, "k2", ASKED, place))[0] == {"call_id": "c3"}


async def test_what_was_refused_may_be_sent_again_and_what_may_ring_is_not_repeated(opened):
    async with opened() as journal:
        refusing, unknown = Placing(503), Placing(504)
        for _ in range(2):
            assert (await once(journal, "k1", ASKED, refusing))[1] == 503
            assert (await once(journal, "k2", ASKED, unknown))[1] == 504
        assert (refusing.placed, unknown.placed) == (2, 1)


async def test_turns_are_taken_by_all_nodes_together(opened):
    async with opened(node="a") as one, opened(node="b") as other:
        waits = [await (one, other)[number % 2].take_turn("AC1", 0.5) for number in range(6)]
    assert waits[0] == pytest.approx(0, abs=0.5)
    for number, wait in enumerate(waits):
        assert 2 * number - 5 < wait <= 2 * number  # by the database's clock, on however slow a machine
    async with opened() as journal:
        assert [await journal.take_turn("AC2", 0.05) for _ in range(3)][2] is None  # too long for a request
        assert json.dumps(await journal.take_turn("AC3", 100))  # another account's turn is its own
