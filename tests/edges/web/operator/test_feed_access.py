"""A feed that is open ends for whoever would not be let in any more."""

from contextlib import suppress

import pytest
import trio

from tests.edges.web.test_sign_in import OWN, client, cookie
from trio_voice.edges.web.operator.events import HEARTBEAT_SECONDS

__all__ = ["client"]

BEARER = {"Authorization": "Bearer op"}


async def is_over(connection):
    """Read on until a look at who listens is due in any case; true if the answer has ended by then."""
    with trio.move_on_after(HEARTBEAT_SECONDS + 2) as patience, suppress(trio.EndOfChannel):
        while True:
            await connection.receive()
    return not patience.cancelled_caught


@pytest.mark.parametrize("by", ["token", "cookie"])
async def test_a_token_that_was_taken_away_ends_the_feeds_that_it_opened(autojump_clock, client, context, by):
    context.api_token = "op\nnew"
    headers = BEARER if by == "token" else await cookie(client)
    async with client.request("/events", headers=headers | OWN) as connection:
        await connection.send_complete()
        assert b"hello" in await connection.receive()
        context.api_token = "new\nop"
        assert not await is_over(connection)
        context.api_token = "new"
        assert await is_over(connection)


async def test_signing_out_ends_the_feed_of_the_same_browser(autojump_clock, client):
    headers, other = await cookie(client), await cookie(client)
    async with client.request("/events", headers=headers | OWN) as connection:
        await connection.send_complete()
        await client.post("/console/sign-out", headers=other | OWN, form={})
        assert not await is_over(connection)
        await client.post("/console/sign-out", headers=headers | OWN, form={})
        assert await is_over(connection)
