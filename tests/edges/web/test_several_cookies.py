"""Several cookies of one name, as a browser sends where another page of the host has set one for a longer path."""

import pytest

from trio_voice.edges.web.operator.access import COOKIE


@pytest.mark.parametrize(
    ("cookies", "status"),
    [
        ("{name}={right}", 200),
        ("{name}=old; {name}={right}", 200),
        ("{name}={right}; {name}=old", 200),
        ("{name}=; other={right}; {name}={right}", 200),
        ("{name}=old; {name}=older", 401),
        ("{name}x={right}", 401),
        ("{name}=a; {name}=b; {name}=c; {name}=d; {name}={right}", 401),
    ],
)
async def test_one_that_opens_is_enough_and_few_are_looked_at(client, context, cookies, status):
    right = context.sessions.open("op")
    headers = {"Cookie": cookies.format(name=COOKIE, right=right), "Host": "desk.example"}
    assert (await client.get("/calls", headers=headers)).status_code == status


async def test_signing_out_ends_the_one_that_opens(client, context):
    right = context.sessions.open("op")
    headers = {"Cookie": f"{COOKIE}=old; {COOKIE}={right}", "Host": "desk.example"}
    assert (await client.post("/console/sign-out", headers=headers)).status_code == 303
    assert not context.sessions.is_open(right, ("op",))
