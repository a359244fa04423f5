"""The operator's routes: who may ask, and what is told of calls."""

from types import SimpleNamespace

import pytest
import trio
import trio.testing

from tests.call.promises import StubCall
from tests.edges.web.stubs import OPERATOR
from trio_voice.record import CallRecord, CallState, EndReason


@pytest.mark.parametrize("header", ["op", "Basic op", "Bearer", "Bearer  ", "Bearer wrong"])
async def test_the_operators_token_comes_as_a_bearers(client, header):
    answer = await client.get("/calls", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["bearer op", "BEARER op", "Bearer   op"])
async def test_a_schemes_case_means_nothing(client, header):
    assert (await client.get("/calls", headers={"Authorization": header})).status_code == 200


async def test_many_wrong_tokens_are_not_all_judged_and_the_right_one_gets_in(client, autojump_clock):
    statuses = []

    async def guess(number):
        answer = await client.get("/calls", headers={"Authorization": f"Bearer {number}"})
        statuses.append(answer.status_code)

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(300):
            nursery.start_soon(guess, number)
        await trio.testing.wait_all_tasks_blocked()
        while (answer := await client.get("/calls", headers=OPERATOR)).status_code == 429:
            assert answer.headers["Retry-After"] == "1"
            await trio.sleep(1)
    assert answer.status_code == 200
    assert trio.current_time() - began < 15
    assert len(statuses) == 300
    assert statuses.count(401) < 40
    assert set(statuses) == {401, 429}


OPERATORS = [("POST", "/call"), ("GET", "/calls"), ("GET", "/calls/c1"), ("DELETE", "/calls/c1")]


def journaled(number):
    record = CallRecord(call_id=f"{number:032x}", direction="inbound", persona="desk", from_number="+1", to_number="+2")
    record.state, record.end_reason, record.end_detail = CallState.ENDED, EndReason.IDLE, "nobody has spoken"
    return SimpleNamespace(record=record)


async def get(client, path):
    return await client.get(path, headers=OPERATOR)


async def test_calls_of_before_a_restart_are_listed_behind_those_that_live(client, context, registry, nursery):
    context.journal.over = [journaled(number) for number in range(5)]
    call = StubCall("c1")
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    first = await (await get(client, "/calls?limit=2")).get_json()
    assert [each["call_id"] for each in first["calls"]] == ["c1", f"{0:032x}", f"{1:032x}"]
    assert first["calls"][1]["end_detail"] == "nobody has spoken"
    seen, next_page = [], first["next"]
    while next_page:
        page = await (await get(client, f"/calls?limit=2&after={next_page}")).get_json()
        seen += [each["call_id"] for each in page["calls"]]
        next_page = page["next"]
    assert seen == [f"{number:032x}" for number in (2, 3, 4)]  # and nobody who lives
    nursery.cancel_scope.cancel()


async def test_a_call_of_before_a_restart_is_shown_whole(client, context):
    context.journal.over = [journaled(7)]
    shown = await (await get(client, f"/calls/{7:032x}")).get_json()
    assert (shown["end_reason"], shown["transcript"], shown["transfers"]) == ("idle", [], [])
    assert (await get(client, f"/calls/{8:032x}")).status_code == 404


async def test_without_its_journal_the_daemon_tells_what_it_knows_by_heart(client, context, registry, nursery):
    context.journal.trouble = "the disk is full"
    call = StubCall("c1")
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    assert [each["call_id"] for each in (await (await get(client, "/calls")).get_json())["calls"]] == ["c1"]
    assert (await get(client, "/calls/c1")).status_code == 200
    answer = await get(client, f"/calls/{8:032x}")
    assert answer.status_code == 503
    assert (await answer.get_json())["error"]["code"] == "no_journal"
    nursery.cancel_scope.cancel()


async def test_what_is_asked_of_the_list_reaches_the_journal_and_the_live(client, context, registry, nursery):
    call = StubCall("c1")
    call.record.from_number = "+15557654321"
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    query = "since=2026-01-31T09:00:00Z&until=2026-02-01T00:00:00+01:00&persona=p&number=765 4321&limit=5000"
    found = await (await get(client, f"/calls?{query}")).get_json()
    assert [each["call_id"] for each in found["calls"]] == ["c1"]
    (wanted,) = context.journal.wanted
    assert (wanted.number, wanted.limit, wanted.persona) == ("7654321", 1_000, "p")
    assert (wanted.since.isoformat(), wanted.until.isoformat()) == (
        "2026-01-31T09:00:00+00:00",
        "2026-02-01T00:00:00+01:00",
    )
    for other in ("persona=desk", "number=0000", "end_reason=idle"):
        assert (await (await get(client, f"/calls?{other}")).get_json())["calls"] == []
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "query",
    [
        "since=noon",
        "since=2026-01-31T09:00:00",
        "since=0001-01-01T00:00:00%2B14:00",
        "until=9999-12-31T23:59:59-14:00",
        "until=7",
        "limit=0",
        "limit=x",
        "number=%25",
        "end_reason=bored",
        "after=%25",
    ],
)
async def test_what_cannot_be_meant_by_a_list_is_refused_by_its_name(client, query):
    answer = await get(client, f"/calls?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in (await answer.get_json())["error"]["message"]


@pytest.mark.parametrize(("method", "path"), OPERATORS)
async def test_the_operators_routes_need_the_token(client, context, method, path):
    for headers in ({}, {"Authorization": "Bearer nope"}, {"Authorization": "op "}):
        answer = await client.open(path, method=method, headers=headers)
        assert answer.status_code == 401
        assert (await answer.get_json())["error"]["code"] == "unauthorized"
    context.api_token = None
    answer = await client.open(path, method=method, headers=OPERATOR)
    assert answer.status_code == 403
    assert "TRIO_VOICE_API_TOKEN" in (await answer.get_json())["error"]["message"]


async def test_the_operator_lists_looks_and_hangs_up(client, registry, nursery):
    call = StubCall()
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    (listed,) = (await (await client.get("/calls", headers=OPERATOR)).get_json())["calls"]
    assert listed["call_id"] == "c1"
    looked = await (await client.get("/calls/c1", headers=OPERATOR)).get_json()
    assert {"model_sessions", "transcript", "turns", "end_reason", "state"} <= looked.keys()
    assert (await client.delete("/calls/c1", headers=OPERATOR)).status_code == 200
    assert call.ended_for[0][0] is EndReason.OPERATOR
    assert (await client.get("/calls/c2", headers=OPERATOR)).status_code == 404
    assert (await client.delete("/calls/c2", headers=OPERATOR)).status_code == 404
