"""Many who ask at once for what takes milliseconds to collect: calls go on between one and the next."""

from datetime import UTC, datetime
from functools import partial

import pytest
import trio

from tests.edges.web.stubs import OPERATOR
from trio_voice.edges.metrics.samples import Samples

AT_ONCE = 20


class Turns(trio.abc.Instrument):
    """Number of the event loop's turn."""

    now = 0

    def before_io_wait(self, _seconds):
        self.now += 1


@pytest.mark.parametrize("path", ["/metrics", "/console/health.json"])
async def test_each_is_answered_in_a_turn_of_its_own(client, context, monkeypatch, path):
    context.samples = Samples(context.metrics, lambda: datetime.now(UTC))
    turns, collected = Turns(), []
    trio.lowlevel.add_instrument(turns)
    of_all = context.metrics._registry.collect

    def collect():
        collected.append(turns.now)
        return of_all()

    monkeypatch.setattr(context.metrics._registry, "collect", collect)
    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(partial(client.get, path, headers=OPERATOR))
    trio.lowlevel.remove_instrument(turns)
    assert len(set(collected)) == len(collected) == AT_ONCE
