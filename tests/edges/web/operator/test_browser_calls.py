"""Calls of pages: who is promised a path, for how long, and who may open it."""

import os

import pytest
import trio

from tests.edges.web.stubs import OPERATOR
from trio_voice.billing.cost import telephone_cost
from trio_voice.billing.prices import TwilioPrices
from trio_voice.edges.twilio.signatures import sign
from trio_voice.edges.web.entrypoints import Hosts
from trio_voice.edges.web.media_stream import PREFIX
from trio_voice.edges.workers.call_counts import CallCounts, make_call_counts
from trio_voice.errors import CallRefused
from trio_voice.record import EndReason

HOST = "127.0.0.1:8081"
ORIGIN = f"http://{HOST}"


async def ask(client, body='{"persona": "desk"}', **headers):
    return await client.post("/browser-calls", data=body, headers={**OPERATOR, "Host": HOST, **headers})


async def test_a_page_is_promised_a_path_of_its_own(client, registry, context):
    answer = await ask(client)
    assert answer.status_code == 201
    told = await answer.get_json()
    assert told == {
        "call_id": told["call_id"],
        "stream_url": f"ws://{HOST}{PREFIX}{told['call_id']}",
        "expires_in": 10,
    }
    record = registry.record(told["call_id"])
    assert (record.direction, record.from_number, record.call_sid) == ("inbound", "browser", None)
    assert context.journal.began == [(told["call_id"], None)]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, "bad_request"),
        ("[]", 400, "bad_request"),
        ('{"persona": 7}', 404, "unknown_persona"),
        ('{"persona": "nobody"}', 404, "unknown_persona"),
        ('{"persona": "desk", "to": "+1"}', 400, "unknown_field"),
    ],
)
async def test_a_request_that_makes_no_sense(client, registry, body, status, code):
    answer = await ask(client, body)
    assert answer.status_code == status
    assert (await answer.get_json())["error"]["code"] == code
    assert registry.statistics().expected_calls == 0


async def test_only_operators_are_promised_anything(client):
    answer = await client.post("/browser-calls", json={"persona": "desk"}, headers={"Host": HOST})
    assert answer.status_code == 401


async def test_there_may_be_only_so_many(client, context, registry, nursery):
    context.max_browser_calls = 1
    first = await (await ask(client)).get_json()
    second = await ask(client)
    assert second.status_code == 503
    error = (await second.get_json())["error"]
    assert error["code"] == "full"
    assert "max_browser_calls" in error["message"]
    registry.end(first["call_id"], EndReason.OPERATOR, "")
    assert (await ask(client)).status_code == 201


async def test_those_of_other_processes_count(client, context, registry):
    descriptor = make_call_counts(2)
    here, there = (CallCounts(descriptor, 2, index) for index in range(2))
    registry._call_counts = here
    there.occupy_browsers(1)
    first = await (await ask(client)).get_json()
    assert there.browsers_of_others == 1
    assert (await ask(client)).status_code == 503
    there.occupy_browsers(0)
    assert (await ask(client)).status_code == 201
    registry.end(first["call_id"], EndReason.OPERATOR, "")
    assert there.browsers_of_others == 1
    os.close(descriptor)


async def test_a_path_is_good_for_ten_seconds(client, context, autojump_clock):
    told = await (await ask(client)).get_json()
    await trio.sleep(10)
    with pytest.raises(CallRefused, match="unknown, used or expired"):
        context.authenticator.admit(PREFIX + told["call_id"], None, ORIGIN, HOST)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "",
        "http://evil.example",
        "https://127.0.0.1:8081",
        "http://127.0.0.1:8080",
        f"{ORIGIN}.evil.example",
    ],
)
async def test_only_a_page_of_the_console_opens_it_and_once(client, context, origin):
    context.authenticator.hosts = Hosts(("127.0.0.1", 8081), "https://desk.example.com")
    path = PREFIX + (await (await ask(client)).get_json())["call_id"]
    signature = sign(f"wss://voice.example.com{path}", {}, "12345")
    with pytest.raises(CallRefused, match="Origin") as refused:
        context.authenticator.admit(path, signature, origin, HOST)
    assert refused.value.code == "wrong_origin"
    assert context.authenticator.admit(path, None, ORIGIN, HOST).record.is_browser_call
    with pytest.raises(CallRefused):
        context.authenticator.admit(path, None, ORIGIN, HOST)


@pytest.mark.parametrize("origin", ["http://localhost:8081", "https://desk.example.com"])
async def test_the_console_has_several_names(client, context, origin):
    context.authenticator.hosts = Hosts(("127.0.0.1", 8081), "https://desk.example.com")
    told = await (await ask(client)).get_json()
    assert context.authenticator.admit(PREFIX + told["call_id"], None, origin, HOST)


async def test_twilios_own_paths_need_a_signature_whatever_the_origin_says(context, registry):
    expected = registry.expect(
        context.routing.personas["desk"], direction="inbound", from_number="browser", to_number="", call_sid="CA1"
    )
    with pytest.raises(CallRefused) as refused:
        context.authenticator.admit(PREFIX + expected.path, None, ORIGIN, HOST)
    assert refused.value.code == "bad_signature"


async def test_behind_tls_the_page_is_told_to_use_it(client, context):
    context.hosts = Hosts(("127.0.0.1", 8081), "https://desk.example.com")
    told = await (await ask(client, Host="desk.example.com")).get_json()
    assert told["stream_url"].startswith("wss://desk.example.com/media-stream/")


async def test_twilio_bills_nothing_for_it(client, registry):
    record = registry.record((await (await ask(client)).get_json())["call_id"])
    record.seconds = 100.0
    assert telephone_cost(record, TwilioPrices()) == 0
