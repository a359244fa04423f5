"""Traces: made from the record, sent until they are taken, in nobody's way, and also of a call whose node died."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs
import trio

from tests.daemons import SCRIPT, THEIR_NUMBER, eventually, keep_up, open_town
from trio_voice.edges.telemetry.exporter import MAX_WAITING, Traces
from trio_voice.edges.telemetry.spans import root_span, span_id, turn_span
from trio_voice.record import CallRecord, EndReason, Turn

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def call_of(**fields):
    record = CallRecord(
        call_id="01" + "a" * 30,
        direction="inbound",
        persona="desk",
        from_number="+15557654321",
        to_number="+15551234567",
        started_at=NOON,
        ended_at=NOON + timedelta(seconds=30),
        end_reason=EndReason.HANGUP,
    )
    record.turns.append(Turn(2.5, 640.5, {"thinking": 400.5}))
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def attributes(span):
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_a_call_is_a_root_with_a_child_a_turn_and_says_nothing_of_people():
    record = call_of()
    root, turn = root_span(record, "01"), turn_span(record, 0)
    assert root["traceId"] == turn["traceId"] == record.call_id
    assert turn["parentSpanId"] == root["spanId"] == span_id(record.call_id, "root")
    assert "parentSpanId" not in root
    assert attributes(root)["gen_ai.conversation.id"] == record.call_id
    assert int(turn["startTimeUnixNano"]) - int(root["startTimeUnixNano"]) == 2_500_000_000
    assert int(turn["endTimeUnixNano"]) - int(turn["startTimeUnixNano"]) == 640_500_000
    assert "5557654321" not in json.dumps([root, turn])
    of_a_dead_node = root_span(call_of(ended_at=None, end_reason=None), "02", NOON + timedelta(seconds=9))
    assert of_a_dead_node["spanId"] == root["spanId"]
    assert of_a_dead_node["status"] == {"code": 2}


async def test_what_waits_is_bounded(autojump_clock):
    traces = Traces("http://127.0.0.1:1", "01", list)
    for number in range(MAX_WAITING + 10):
        traces.call_ended(attrs.evolve(call_of(), call_id=f"{number:032x}", turns=[]))
    assert len(traces._waiting) == MAX_WAITING


@contextmanager
def collector(statuses):
    """Takes spans, once it has answered with these statuses; ``hang`` for none at all."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = statuses.pop(0) if statuses else 200
            if status == "hang":
                server.hung.wait(20)
                return
            server.paths.add((self.path, self.headers["Content-Type"]))
            if status == 200:
                for resource in body["resourceSpans"]:
                    server.services.update(each["value"]["stringValue"] for each in resource["resource"]["attributes"])
                    server.spans += [span for scope in resource["scopeSpans"] for span in scope["spans"]]
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.spans, server.services, server.paths, server.hung = [], set(), set(), threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.hung.set()
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_killed_node_s_call_is_in_a_trace_too(tmp_path):
    """The first collector's answers fail; of the call whose node dies the other node tells at least the root."""
    with collector([503]) as taken, trio.fail_after(150):
        tables = f'\n[telemetry]\nurl = "http://127.0.0.1:{taken.server_port}"\n'
        async with open_town(tmp_path, make_backend=SCRIPT.backend) as town:
            one = {"host": "n1.voice.example.com", "server": 'node = "01"', "tables": tables}
            two = {"host": "n2.voice.example.com", "server": 'node = "02"', "tables": tables}
            async with town.daemon("one", **one) as dies, town.daemon("two", **two):
                over, _ = await dies.talk()
                over.hang_up()
                await eventually(lambda: [span for span in taken.spans if "parentSpanId" not in span], seconds=20)
                [root] = [span for span in taken.spans if "parentSpanId" not in span]
                assert root["name"] == "trio_voice.call"
                assert {path for path, _ in taken.paths} == {"/v1/traces"}
                assert "trio_voice" in taken.services
                assert THEIR_NUMBER not in json.dumps(taken.spans)

                left, _ = await dies.talk()
                keep_up(left)
                left_id = left.connects[-1].url.rpartition("/")[2]
                await dies.kill()
                await eventually(lambda: [span for span in taken.spans if span["traceId"] == left_id], seconds=60)
                assert left.over


async def test_a_collector_that_hangs_delays_no_exit(tmp_path):
    with collector(["hang"] * 50) as taken, trio.fail_after(60):
        tables = f'\n[telemetry]\nurl = "http://127.0.0.1:{taken.server_port}"\n'
        async with open_town(tmp_path, make_backend=SCRIPT.backend) as town, town.daemon(tables=tables) as world:
            call, _ = await world.talk()
            call.hang_up()
            await eventually(lambda: world.logged("call_ended"))
