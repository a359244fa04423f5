"""Pages of a daemon that knows little yet: no call, no price."""

from datetime import date, timedelta

from tests.edges.web.console.pages import NOON, get, numbers
from trio_voice.billing.prices import Prices
from trio_voice.edges.metrics.samples import Samples

__all__ = ["numbers"]


async def test_a_journal_without_a_call_says_so_and_a_search_in_vain_says_something_else(client, context):
    context.journal.over = []
    _, page = await get(client, "/console/history")
    assert "No call yet" in page.text
    _, page = await get(client, "/console/history?number=1234")
    assert "No such call" in page.text


async def test_a_cost_without_prices_is_unknown_and_not_nothing(client, context):
    times = iter(range(0, 300, 30))
    context.samples = Samples(context.metrics, lambda: NOON + timedelta(seconds=next(times)))
    context.samples.take()
    _, page = await get(client, "/console/health")
    assert "Cost in an hour: no [prices]" in page.text
    context.prices = lambda: Prices(as_of=date(2026, 1, 31), currency="EUR", models={})
    _, page = await get(client, "/console/health")
    assert "no [prices]" not in page.text
    assert "0 EUR" in page.text
