"""A call of another node: steered, shown and listened to from here, by asking its owner; who is away is said to be."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx2
import pytest

from tests.edges.web.operator.test_steering import OPERATOR
from trio_voice.call.nodes import Node, NodeDirectory
from trio_voice.edges.web.app import create_app
from trio_voice.edges.web.nodes import NODE, Nodes
from trio_voice.journal import Run
from trio_voice.record import CallRecord, CallState, Recording

THEIRS = "02" + "0" * 30
"""Call of another node."""
NOBODYS = "03" + "0" * 30
"""Call of one that does not live."""
PEER = Node(digits="02", node_url="https://n2", peer_url="http://10.0.0.12:8081")


class ScriptedNodes(Nodes):
    """Node 01, beside one other whose answers are written down before; without a nursery, as nobody tells a status."""

    def __init__(self, answer):
        super().__init__(NodeDirectory("01"), lambda: ("op",), SimpleNamespace(), is_alone=False)
        self._answer = answer
        self.asked = []

    async def request(self, node, method, path, body=None, *, seconds, content=None, headers=()):
        self.asked.append((node.digits, method, path, content or body, dict(headers)))
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


NOW = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
async def nodes(context):
    async def find(_call_id):
        return None

    context.recordings = SimpleNamespace(is_open=lambda _: False, find=find)
    context.nodes = ScriptedNodes(httpx2.Response(202, json={"call_id": THEIRS}))
    beating = Run("r", "b", 1, started_at=NOW, beat_at=NOW, node_state=PEER.as_text())
    context.nodes.directory.observe([beating], set())
    return context.nodes


@pytest.fixture
def client(context, nodes):
    return create_app(context).test_client()


def journaled(call_id, state, recording=None):
    record = CallRecord(call_id=call_id, direction="inbound", persona="desk", from_number="+1", to_number="+2")
    record.state, record.recording = state, recording
    return SimpleNamespace(record=record)


async def steer(client, call_id=THEIRS, **headers):
    body = json.dumps({"text": "Hello."})
    answer = await client.post(f"/calls/{call_id}/say", data=body, headers=OPERATOR | headers)
    return answer.status_code, await answer.get_json()


async def test_a_wish_is_passed_on_as_it_is_and_its_answer_is_ours(client, nodes):
    assert await steer(client) == (202, {"call_id": THEIRS})
    ((node, method, path, content, _),) = nodes.asked
    assert (node, method, path) == ("02", "POST", f"/calls/{THEIRS}/say")
    assert json.loads(content) == {"text": "Hello."}


async def test_who_is_asked_by_a_node_asks_nobody(client, nodes):
    status, said = await steer(client, **{NODE: "03"})
    assert (status, said["error"]["code"], nodes.asked) == (404, "unknown_call", [])


async def test_an_answer_says_whose_it_is(client):
    answer = await client.get("/healthz", headers={NODE: "02"})
    assert answer.headers[NODE] == "01"
    assert NODE not in (await client.get("/healthz")).headers


@pytest.mark.parametrize(
    ("trouble", "status", "code"),
    [
        (httpx2.ConnectError("nobody listens"), 503, "node_away"),
        (httpx2.ReadTimeout("it stands still"), 504, "unknown_outcome"),
        (httpx2.RemoteProtocolError("it is another node"), 504, "unknown_outcome"),
        (httpx2.Response(401, json={"error": {"code": "unauthorized", "message": "no"}}), 502, "node_refuses"),
    ],
)
async def test_an_owner_that_does_not_answer_is_said_not_to(client, nodes, trouble, status, code):
    nodes._answer = trouble
    told, said = await steer(client)
    assert (told, said["error"]["code"]) == (status, code)
    assert "02" in said["error"]["message"]
    page = await client.post(
        f"/console/calls/{THEIRS}/hang-up", headers=OPERATOR | {"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert page.status_code == status
    assert "node 02" in await page.get_data(as_text=True)


async def test_a_call_of_a_dead_node_may_live_is_over_or_is_nobody_s(client, context, nodes):
    assert (await steer(client, NOBODYS))[1]["error"]["code"] == "unknown_call"
    context.journal.over = [journaled(NOBODYS, CallState.LIVE)]
    status, said = await steer(client, NOBODYS)
    assert (status, said["error"]["code"]) == (503, "node_away")
    context.journal.over = [journaled(NOBODYS, CallState.ENDED)]
    assert (await steer(client, NOBODYS))[0] == 409
    context.journal.trouble = "it is away"
    assert (await steer(client, NOBODYS))[0] == 503
    assert nodes.asked == []


async def test_pages_of_a_call_are_its_owner_s(client, nodes):
    nodes._answer = httpx2.Response(200, text="<h1>theirs</h1>", headers={"Content-Type": "text/html"})
    for path in ("", "/say", "/hang-up"):
        answer = await client.get(f"/console/calls/{THEIRS}{path}", headers=OPERATOR)
        assert "<h1>theirs</h1>" in await answer.get_data(as_text=True)
        assert "Content-Security-Policy" in answer.headers
    nodes._answer = httpx2.Response(303, headers={"Location": "/console"})
    answer = await client.post(f"/console/calls/{THEIRS}/say", form={"text": "Hello."}, headers=OPERATOR)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console")
    assert (nodes.asked[-1][3], nodes.asked[-1][4]["Content-Type"]) == (
        b"text=Hello.",
        "application/x-www-form-urlencoded",
    )


async def test_whatever_answers_at_a_peer_url_harms_no_list(client, nodes, context):
    for text in ("<html>", '{"calls": 5}', '{"calls": [{"x": 1}, 7]}', "[[[", '{"cards": [1]}'):
        nodes._answer = httpx2.Response(200, text=text)
        context.journal.left_open = nothing
        answer = await client.get("/calls", headers=OPERATOR)
        assert (answer.status_code, (await answer.get_json())["calls"]) == (200, [])
        assert (await client.get("/console", headers=OPERATOR)).status_code == 200
        assert (await client.get(f"/calls/{THEIRS}", headers=OPERATOR)).status_code == 404
        assert (await client.delete(f"/calls/{THEIRS}", headers=OPERATOR)).status_code == 404


async def nothing(_run):
    return []


@pytest.mark.parametrize("verb", ["GET", "DELETE"])
async def test_a_recording_of_a_dead_node_is_there_when_the_node_is(client, context, nodes, verb):
    async def ask(call_id):
        answer = await client.open(f"/calls/{call_id}/recording", method=verb, headers=OPERATOR)
        return answer.status_code, (await answer.get_json())["error"]["code"]

    assert await ask(NOBODYS) == (404, "no_recording")
    context.journal.over = [journaled(NOBODYS, CallState.ENDED, Recording(f"/calls/{NOBODYS}/recording", 3.0))]
    assert await ask(NOBODYS) == (503, "node_away")
    nodes._answer = httpx2.Response(404, json={"error": {"code": "no_recording", "message": "none"}})
    assert await ask(THEIRS) == (404, "no_recording")
    nodes._answer = httpx2.ConnectError("nobody listens")
    assert await ask(THEIRS) == (503, "node_away")
