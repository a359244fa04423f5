"""The feed over HTTP: a call's words, turns and end, at any process of the fleet, and resumed where it stopped."""

import json
from contextlib import asynccontextmanager

import pytest
import trio

from tests.daemons import GREETING, eventually, open_town, open_world, operator
from trio_voice.edges.web.operator.events import MAX_LISTENERS
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN

PATIENCE = 45.0


class Lines:
    """The lines of a stream."""

    def __init__(self, stream):
        self._stream = stream
        self._data = b""

    async def next(self):
        while b"\n" not in self._data:
            more = await self._stream.receive_some()
            if not more:
                raise StopAsyncIteration
            self._data += more
        line, _, self._data = self._data.partition(b"\n")
        return line.removesuffix(b"\r").decode()


class Events:
    """Events of a feed, one after the other."""

    def __init__(self, lines):
        self._lines = lines

    def __aiter__(self):
        return self

    async def __anext__(self):
        fields = {}
        while True:
            line = await self._lines.next()
            if line.startswith(":"):
                return None
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                return fields["id"], fields["event"], json.loads(fields["data"])


@asynccontextmanager
async def listening(url, last_id=None):
    """Events as they come, as ``(id, kind, data)``; ``None`` for a comment."""
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    host, port = url.removeprefix("http://").split(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        asked = {"Host": f"{host}:{port}", "Authorization": f"Bearer {OPERATOR_TOKEN}"} | headers
        lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
        await stream.send_all(f"GET /events HTTP/1.0\r\n{lines}\r\n".encode())
        lines = Lines(stream)
        head = []
        while line := await lines.next():
            head.append(line.lower())
        assert " 200" in head[0]
        assert any(line.startswith("content-type: text/event-stream") for line in head)
        assert any(line.startswith("cache-control: no-cache") for line in head)
        yield Events(lines)


async def until(events, *kinds, of=lambda data: True):
    """All events up to the first of these kinds."""
    found = []
    with trio.fail_after(PATIENCE):
        async for event in events:
            if event is not None:
                found.append(event)
                if event[1] in kinds and of(event[2]):
                    break
        else:
            raise AssertionError("the feed has ended")
    return found


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_a_call_is_told_of_while_it_lives_and_whoever_comes_back_misses_nothing(tmp_path, workers):
    async with open_world(tmp_path, operator="127.0.0.1:0", workers=workers, seconds=55) as world:
        url = world.daemon.operator_url
        async with listening(url) as events:
            call, _ = await world.talk()
            call_id = (await world.record(call))["call_id"]
            first = await until(events, "words", of=lambda data: data["final"])
            assert (first[0][1], first[0][2]["call_id"], first[0][2]["persona"]) == ("call", call_id, "receptionist")
            assert first[-1][2]["text"] == GREETING
            await until(events, "cost")
        last_id = first[-1][0]
        call.hang_up()
        await world.ended(call)
        async with listening(url, last_id) as events:
            rest = await until(events, "end")
            assert [kind for _, kind, _ in rest if kind not in ("call", "cost")] == ["end"]
            assert rest[-1][2]["end_reason"] == "hangup"
        async with operator() as http:
            assert (await http.get(f"{url}/events", headers={"Last-Event-ID": "nonsense"})).status_code == 400
            del http.headers["Authorization"]
            assert (await http.get(f"{url}/events")).status_code == 401


@pytest.mark.slow
async def test_so_many_listen_and_no_more_though_they_come_at_once(tmp_path):
    async with open_world(tmp_path, operator="127.0.0.1:0", seconds=55) as world:
        host, port = world.daemon.operator_url.removeprefix("http://").split(":")
        head = f"GET /events HTTP/1.0\r\nHost: {host}:{port}\r\nAuthorization: Bearer {OPERATOR_TOKEN}\r\n\r\n"
        streams = [await trio.open_tcp_stream(host, int(port)) for _ in range(MAX_LISTENERS + 4)]
        for stream in streams:
            await stream.send_all(head.encode())
        ended = set()

        async def read(stream):
            while await stream.receive_some():
                pass
            ended.add(stream)

        async with trio.open_nursery() as nursery:
            for stream in streams:
                nursery.start_soon(read, stream)
            await eventually(lambda: len(ended) == 4, seconds=40)
            nursery.cancel_scope.cancel()
        for stream in streams:
            await stream.aclose()
        assert len(ended) == 4


async def test_an_operator_steers_a_live_call(tmp_path):
    async with open_world(tmp_path, operator="127.0.0.1:0", seconds=50) as world:
        url = world.daemon.operator_url
        call, _ = await world.talk()
        call_id = (await world.record(call))["call_id"]
        async with operator() as http:
            said = await http.post(f"{url}/calls/{call_id}/say", json={"text": "We close in ten minutes."})
            assert said.status_code == 202
            assert (await http.post(f"{url}/calls/{call_id}/mute", json={"muted": True})).status_code == 202
            again = await http.post(f"{url}/calls/{call_id}/say", json={"text": "Hello?"})
            assert (again.status_code, again.json()["error"]["code"]) == (409, "muted")
            await trio.sleep(0.3)
            heard = len(call.streams[0].received)
            await trio.sleep(0.5)
            media = [message for message in call.streams[0].received[heard:] if message.event == "media"]
            assert media == []
            assert (await http.post(f"{url}/calls/{call_id}/mute", json={"muted": False})).status_code == 202
            through = await http.post(f"{url}/calls/{call_id}/transfer", json={"to": "+15557654321"})
            assert through.status_code == 202
        record = await world.ended(call, settled=False)
        assert (record["end_reason"], record["transfers"][0]["to"]) == ("operator", "+15557654321")
        call.hang_up()
        await call.settled.wait()
        async with operator() as http:
            late = await http.post(f"{url}/calls/{call_id}/say", json={"text": "Hello?"})
            assert late.status_code == 409


async def test_a_listener_who_does_not_read_delays_nobody(tmp_path):
    async with open_world(tmp_path, operator="127.0.0.1:0", seconds=50) as world:
        host, port = world.daemon.operator_url.removeprefix("http://").split(":")
        stream = await trio.open_tcp_stream(host, int(port))
        head = f"GET /events HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {OPERATOR_TOKEN}\r\n\r\n"
        await stream.send_all(head.encode())
        call, _ = await world.talk()
        call.hang_up()
        assert (await world.ended(call))["end_reason"] == "hangup"
        await stream.aclose()


@pytest.mark.slow
async def test_a_call_of_another_node_is_told_of_here_and_whoever_comes_back_may_go_to_either(tmp_path):
    hosts = {digits: f"n{digits}.voice.example.com" for digits in ("01", "02")}
    told = {digits: f'node = "{digits}"\nnode_url = "https://{host}"' for digits, host in hosts.items()}
    with trio.fail_after(90):
        async with (
            open_town(tmp_path) as town,
            town.daemon("one", host=hosts["01"], server=told["01"]) as one,
            town.daemon("two", host=hosts["02"], server=told["02"]) as two,
        ):
            async with listening(two.daemon.operator_url) as events:
                call = await one.ring()
                found = await until(events, "words", of=lambda data: data["final"])
                assert found[0][1] == "call"
                assert all(data["call_id"].startswith("01") for _, _, data in found)
                last_id = found[-1][0]
                call.hang_up()
                await until(events, "end")
            for node in (one, two):
                async with listening(node.daemon.operator_url, last_id) as events:
                    assert [kind for _, kind, _ in await until(events, "end") if kind not in ("call", "cost")] == [
                        "end"
                    ]


@pytest.mark.slow
async def test_nodes_that_have_workers_tell_of_all_calls_once_each_at_any_process(tmp_path):
    """Two nodes of two workers, eight calls: whoever listens and whoever comes back is told of all, nothing twice."""
    hosts = {digits: f"n{digits}.voice.example.com" for digits in ("01", "02")}
    told = {digits: f'node = "{digits}"\nnode_url = "https://{host}"' for digits, host in hosts.items()}
    with trio.fail_after(150):
        async with (
            open_town(tmp_path) as town,
            town.daemon("one", host=hosts["01"], server=told["01"], workers=2) as one,
            town.daemon("two", host=hosts["02"], server=told["02"], workers=2) as two,
        ):
            nodes = (one, two)
            async with listening(two.daemon.operator_url) as events:
                calls = [await nodes[number % 2].ring() for number in range(8)]
                found, last_id = [], None
                for ended in range(len(calls)):
                    # The first is hung up before the others' words: some of what is told is of calls that are over.
                    found += await until(events, "words", of=lambda data: data["final"])
                    last_id = last_id or found[-1][0]
                    calls[ended].hang_up()
                while len(ends(found)) < len(calls):
                    found += await until(events, "end")
            ids = {event[2]["call_id"] for event in found}
            assert len(ids) == len(calls)
            assert {call_id[:2] for call_id in ids} == {"01", "02"}
            assert len({call_id[:4] for call_id in ids}) > 2  # of several workers
            kinds = {call_id: [kind for _, kind, data in found if data["call_id"] == call_id] for call_id in ids}
            assert all(each[0] == "call" and each.count("end") == 1 for each in kinds.values())
            lasting = [(kind, data) for _, kind, data in found if lasts(kind, data)]
            assert len({json.dumps(each, sort_keys=True) for each in lasting}) == len(lasting)

            for node in (one, two, one, two):  # whichever worker it is
                async with listening(node.daemon.operator_url, last_id) as events:
                    again = []
                    while len(ends(again)) < len(calls):
                        again += await until(events, "end")
                place = [event[0] for event in found].index(last_id) + 1
                missed = [(kind, data) for _, kind, data in found[place:] if lasts(kind, data)]
                came = [(kind, data) for _, kind, data in again if lasts(kind, data)]
                for call_id in ids:
                    assert [each for each in came if each[1]["call_id"] == call_id] == [
                        each for each in missed if each[1]["call_id"] == call_id
                    ]


def lasts(kind, data):
    """True for what must not be missed, nor told twice."""
    return kind in ("turn", "tool", "end") or (kind == "words" and data["final"])


def ends(found):
    return [event for event in found if event[1] == "end"]
