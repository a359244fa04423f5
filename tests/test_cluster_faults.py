"""Three nodes behind a balancer, and what goes wrong at one: its journal, or its life in the middle of an order."""

import re
import signal
import tempfile
from contextlib import asynccontextmanager

import httpx2
import pytest
import trio

from tests.daemons import operator
from tests.test_cluster import DEFAULT_DEAD_AFTER, assert_nothing_went_wrong, calls_of, hung_up, nodes_of, open_cluster
from tests.test_death import DEAD_AFTER, measured, shared

pytestmark = [pytest.mark.slow, pytest.mark.whole, pytest.mark.timeout(300)]
__all__ = ["shared"]

EXAMPLE = "nodes/haproxy.cfg"
AWAY_SECONDS = 20
SEVERAL = 3
PROMISED_SECONDS = 6
"""From an operator's order to a telephone that is down: an owner that stands still is asked for two of them."""


@asynccontextmanager
async def open_cable(url):
    """The database once more, by a cable that can be pulled: nothing goes through it then, and nobody is told."""
    [real] = re.findall(r"host=([^&]+)", url)
    plugged = trio.Event()
    plugged.set()

    class Cable:
        def __init__(self, url):
            self.url = url

        def pull(self):
            nonlocal plugged
            plugged = trio.Event()

        def plug(self):
            plugged.set()

    async def carry(one, other):
        try:
            while data := await one.receive_some(65_536):
                await plugged.wait()
                await other.send_all(data)
            await other.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def serve(ours):
        await plugged.wait()
        theirs = await trio.open_unix_socket(f"{real}/.s.PGSQL.5432")
        async with ours, theirs, trio.open_nursery() as both:
            both.start_soon(carry, ours, theirs)
            both.start_soon(carry, theirs, ours)

    with tempfile.TemporaryDirectory(prefix="tv-cable-") as folder:
        listener = trio.socket.socket(trio.socket.AF_UNIX)
        await listener.bind(f"{folder}/.s.PGSQL.5432")
        listener.listen(50)
        async with trio.open_nursery() as nursery:
            listening = [trio.SocketListener(listener)]
            nursery.start_soon(trio.serve_listeners, serve, listening)
            yield Cable(url.replace(real, folder))
            nursery.cancel_scope.cancel()


async def readiness(world):
    async with httpx2.AsyncClient(trust_env=False) as http:
        return (await http.get(f"{world.daemon.url}/readyz")).status_code


async def until_ready_is(status, world, seconds):
    with trio.fail_after(seconds):
        while await readiness(world) != status:
            await trio.sleep(0.1)


async def test_a_node_whose_journal_is_away_keeps_its_calls_and_new_ones_go_elsewhere(tmp_path, shared, monkeypatch):
    async with (
        open_cable(shared) as cable,
        open_cluster(
            EXAMPLE, tmp_path, shared, monkeypatch, DEFAULT_DEAD_AFTER, own_journals={"03": cable.url}
        ) as cluster,
    ):
        cut, one = cluster.worlds["03"], cluster.worlds["01"]
        calls = [await one.ring() for _ in range(6)]
        for call in calls:
            await call.wait_for_stream()
        assert nodes_of(calls)["03"] > 0
        cable.pull()
        pulled = trio.current_time()
        await until_ready_is(503, cut, 20)
        measured("from the cable to /readyz", trio.current_time() - pulled)
        await trio.sleep(3)  # the balancer has asked once more
        late = [await one.ring() for _ in range(6)]
        for call in late:
            await call.wait_for_stream()
        assert "03" not in nodes_of(late)
        await trio.sleep(max(0, pulled + AWAY_SECONDS - trio.current_time()))
        cable.plug()
        await until_ready_is(200, cut, 20)
        assert not any(call.over for call in [*calls, *late])
        assert not cut.logged("declared_dead")
        await hung_up([*calls, *late])
        assert_nothing_went_wrong([*calls, *late])
        # What could not be written meanwhile is.
        async with operator() as http:
            with trio.fail_after(30):
                while len((await http.get(f"{one.daemon.url}/calls?limit=100")).json()["calls"]) < 12:
                    await trio.sleep(0.5)
        assert not cluster.town.agent.open_sessions


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_an_operator_ends_calls_of_a_node_that_dies(tmp_path, shared, monkeypatch, how):
    async with open_cluster(EXAMPLE, tmp_path, shared, monkeypatch) as cluster:
        dying, one = cluster.worlds["02"], cluster.worlds["01"]
        calls = await calls_of(dying, SEVERAL)
        ids = [call.connects[-1].url.rpartition("/")[2] for call in calls]
        async with operator() as http:
            with trio.fail_after(30):
                for each in ids:
                    while each not in (await http.get(f"{one.daemon.url}/calls")).text:
                        await trio.sleep(0.2)
            dying.tell(how)
            times = []
            try:
                for call, each in zip(calls, ids, strict=True):
                    began = trio.current_time()
                    answer = await http.delete(f"{one.daemon.url}/calls/{each}", timeout=20)
                    assert answer.status_code == 200
                    with trio.fail_after(30):
                        await call.ended.wait()
                    times.append(trio.current_time() - began)
            finally:
                if how is signal.SIGSTOP:
                    dying.tell(signal.SIGCONT)
        measured(f"{how.name}: from each order to its telephone down, at most", max(times))
        assert max(times) < PROMISED_SECONDS
        assert sum(times) < DEAD_AFTER - 2, "they were settled with the dead, and not by the operator"
        # A killed node's sockets are closed, and Twilio may hang up at the end of the TwiML before the order comes.
        assert {call.ended_by for call in calls} <= ({"rest", "verb"} if how is signal.SIGKILL else {"rest"})
