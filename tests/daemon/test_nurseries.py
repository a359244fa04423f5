"""Nurseries that are older than one call: none of their children's failures is a caller's.

Each nursery of the package is in a table here, and a new one fails until it is. Those that serve many callers are met
in a daemon with all its services, or in a supervisor, whose tasks are failed where they wait, one after the other,
while a neighbour's call is live.
"""

import os
import signal
import socket
from collections import Counter
from contextlib import suppress

import httpx2
import pytest
import trio

from tests.daemon.nurseries import OF_MANY, OF_SUPERVISOR, Injected, alone, below, fail, opened_in, service_of
from tests.daemons import CONFIG, GREETING, HOST, OUR_NUMBER, SCRIPT, THEIR_NUMBER, closed_port, eventually
from trio_voice import isolation
from trio_voice.call.async_tools import open_async_tools, run_async_tool
from trio_voice.call.call import wall_clock
from trio_voice.call.nodes import Node, NodeDirectory
from trio_voice.config.reading import read_settings
from trio_voice.daemon.daemon import run_daemon
from trio_voice.daemon.supervisor import WorkerSlot
from trio_voice.edges.twilio.rest import TwilioRest
from trio_voice.edges.web.entrypoints import Entrypoint
from trio_voice.edges.web.operator.sessions import make_table
from trio_voice.edges.workers.call_counts import CallCounts, make_call_counts
from trio_voice.edges.workers.handover import Colleagues
from trio_voice.journal import open_journal
from trio_voice.record import CallRecord, CallState
from trio_voice.sandbox.demo.demo import AGENT_KEY
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN
from trio_voice.sandbox.providers.assemblyai_agent import open_voice_agent
from trio_voice.sandbox.twilio.server import open_sandbox_twilio

__all__ = ["alone", "opened_in"]


@pytest.fixture
def stdin():
    """Standard input says nothing and does not end, as a worker's whose supervisor lives."""
    before = os.dup(0)
    reads, writes = os.pipe()
    os.dup2(reads, 0)
    os.close(reads)
    yield
    os.dup2(before, 0)
    os.close(before)
    os.close(writes)


async def no_lines(_personas):
    await trio.lowlevel.checkpoint()
    return {}


def configuration(folder, twilio, agent_url, port):
    """All services."""
    tables = f'[recording]\ndirectory = "{folder}/recordings"\n[telemetry]\nurl = "http://127.0.0.1:{port}"\n'
    return CONFIG.format(
        bind="127.0.0.1:0",
        host=HOST,
        dead_after=30,
        workers=2,
        server='node = "01"',
        operator="",
        twilio="",
        our_number=OUR_NUMBER,
        journal=f"sqlite:///{folder}/journal.db",
        account_sid=twilio.account_sid,
        api_url=twilio.api_url,
        agent_url=agent_url,
        greeting=GREETING,
        closed_port=port,
        personas=tables,
        limits="daily_cost = 1000",
    )


async def leave_a_call_of_the_dead(url):
    """A run that is over has left a call open in the journal, and its telephone up."""
    async with open_journal(url, node="dead", clock=wall_clock, process="boot ns 1 2") as journal:
        record = CallRecord(call_id="02" * 16, direction="inbound", persona="p", from_number="", to_number="")
        record.call_sid, record.state = "CA" + "0" * 32, CallState.LIVE
        record.begin(wall_clock())
        journal.call_began(record)


@pytest.mark.slow
async def test_each_child_may_fail_and_the_neighbours_call_goes_on(tmp_path, alone, stdin, opened_in, monkeypatch):
    monkeypatch.setattr(isolation, "FIRST_PAUSE_SECONDS", 0.01)  # what has failed has begun again before the next does
    monkeypatch.setattr(isolation, "LONGEST_PAUSE_SECONDS", 0.01)
    hung_up = trio.Event()

    async def hang_up(_rest, _call_sid):
        hung_up.set()
        await trio.sleep_forever()  # Twilio takes its time

    monkeypatch.setattr(TwilioRest, "hang_up", hang_up)
    gone = Node(digits="02", node_url="https://n02.example.com", peer_url="http://127.0.0.1:1")
    monkeypatch.setattr(NodeDirectory, "others", property(lambda _: [gone]))
    bound, aside = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    address, failed = [], Counter()
    async with (
        open_voice_agent(SCRIPT.backend, api_key=AGENT_KEY) as agent,
        open_sandbox_twilio() as twilio,
        httpx2.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}) as http,
        trio.open_nursery() as nursery,
    ):
        config = tmp_path / "config.toml"
        config.write_text(configuration(tmp_path, twilio, agent.url, await closed_port()))
        tokens = {"TWILIO_AUTH_TOKEN": twilio.auth_token, "TRIO_VOICE_API_TOKEN": OPERATOR_TOKEN}
        settings = read_settings(config, tokens | {"ASSEMBLYAI_API_KEY": AGENT_KEY})
        await leave_a_call_of_the_dead(settings.journal.url)
        slot = WorkerSlot(0, 2, (os.dup(bound.fileno()),), (), make_call_counts(2), make_table(), str(tmp_path))

        async def serve(task_status):
            task_status.started(trio.lowlevel.current_task())
            async with open_async_tools():
                await run_daemon(settings, lambda *_: address.append(url), config, no_lines, slot)

        async def talk():
            number = len(agent.sessions) + 1
            how = {"from_": THEIR_NUMBER, "to": OUR_NUMBER, "status_callback": f"https://{HOST}/call-status"}
            call = await twilio.call_in(f"https://{HOST}/twiml", **how)
            await call.wait_for_stream()
            session = await agent.wait_session(number)
            await eventually(lambda: session.payloads)
            return call, session

        async def listen():
            while True:
                with suppress(httpx2.HTTPError):  # its own connection is failed, too
                    async with http.stream("GET", f"{url}/events", timeout=None) as events:
                        async for _ in events.aiter_lines():
                            pass
                await trio.sleep(0.1)

        async def hand_over():
            """Another process of the node hands over listeners, one after the other."""
            colleague = Colleagues(tmp_path, 1, 2, CallCounts(slot.call_counts, 2, 1))
            here = url.removeprefix("http://")
            head = f"GET /events HTTP/1.1\r\nHost: {here}\r\nAuthorization: Bearer {OPERATOR_TOKEN}\r\n\r\n"
            while True:
                async with await trio.open_tcp_stream("127.0.0.1", aside.getsockname()[1]) as handed:
                    async with trio.SocketStream(trio.socket.from_stdlib_socket(aside.accept()[0])) as accepted:
                        was_taken = await colleague.hand_over(Entrypoint.SHARED, accepted, head.encode(), 0)
                    with suppress(trio.BrokenResourceError):
                        while was_taken and await handed.receive_some():
                            pass
                await trio.sleep(0.1)

        async def use_a_tool():
            with suppress(Injected):
                await run_async_tool("slow", trio.sleep_forever, {})

        with trio.fail_after(100):
            root = await nursery.start(serve)
            await eventually(lambda: address)
            twilio.connect_to(HOST, bound.getsockname()[1])
            nursery.start_soon(listen)
            nursery.start_soon(use_a_tool)
            idle = await trio.open_tcp_stream(*bound.getsockname())
            neighbour, session = await talk()
            other, other_session = await talk()
            listed = (await http.get(f"{url}/calls")).json()["calls"]
            (other_id,) = [each["call_id"] for each in listed if each["call_sid"] == other.sid]
            await http.delete(f"{url}/calls/{other_id}")
            await eventually(lambda: not other_session.is_open)
            await hung_up.wait()
            nursery.start_soon(hand_over)

            def connections_of_calls():
                """The tasks on whose connection a call lives, the neighbour's in the end."""
                found = set()
                for way in below(root):
                    names = [opened_in(nursery) for nursery, _ in way]
                    if "call.call.Call.run" in names:
                        found.add(way[names.index("edges.web.server.Server.serve")][1])
                return found

            await eventually(lambda: len(connections_of_calls()) == 1)
            its_own = connections_of_calls()
            seen, late = set(), trio.current_time() + 60
            while not OF_MANY - OF_SUPERVISOR - {"daemon.daemon._drain"} <= set(failed):
                await trio.sleep(0.05)
                assert trio.current_time() < late, OF_MANY - OF_SUPERVISOR - set(failed)
                for way in reversed(list(below(root))):
                    (nursery_of_it, task), name = way[-1], opened_in(way[-1][0])
                    kind = (name, task.name, service_of(task))
                    if kind in seen or its_own & {each for _, each in way} or not await fail(task):
                        continue
                    seen.add(kind)
                    failed[name] += 1
                    heard = len(session.payloads)
                    await trio.sleep(0.05)
                    await eventually(lambda heard=heard: len(session.payloads) > heard)
                    status = (await http.get(f"{url}/healthz", timeout=10)).json()["status"]
                    assert (status, session.is_open) == ("ok", True), kind
                    assert name not in OF_MANY or not nursery_of_it.cancel_scope.cancel_called, kind

            signal.raise_signal(signal.SIGTERM)
            await eventually(lambda: "hurry" in {service_of(way[-1][1]) for way in below(root)})
            for way in list(below(root)):
                if opened_in(way[-1][0]) == "daemon.daemon._drain" and await fail(way[-1][1]):
                    failed["daemon.daemon._drain"] += 1
            await trio.sleep(0.1)
            assert session.is_open
            neighbour.hang_up()
            await eventually(lambda: not session.is_open)
            await idle.aclose()
            await eventually(lambda: root not in nursery.child_tasks)
            nursery.cancel_scope.cancel()
    bound.close()
    aside.close()
    assert not OF_MANY - OF_SUPERVISOR - set(failed), failed
