"""Three nodes, PostgreSQL and a balancer with the file of `examples/`, and calls that live in it: ``make cluster``.

Real processes all of them; Twilio and the agent are the sandbox's. `make cluster` plays all of it at full size, in a
network of its own where it can: there the examples' addresses are the nodes', and the files are used word by word.
"""

import os
import signal
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio

from tests.balancers import EXAMPLES_NODES, balancer, free_port
from tests.daemons import HOST, eventually, keep_up, open_town, operator
from tests.test_death import (
    DEAD_AFTER,
    all_down,
    assert_closed_on_paper,
    assert_touched,
    measured,
    shared,
)
from trio_voice.daemon.process_identity import BOOT_VARIABLE
from trio_voice.sandbox.providers.assemblyai_agent import Script

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
__all__ = ["shared"]

QUIET = Script(greeting_ms=300)
NOTICED = {31921, 31930}
"""Twilio's notices of which no caller hears: we closed the stream's socket, as we do when the operator hangs up; and
the server read too slowly, which on a busy machine it may."""
DIGITS = ("01", "02", "03")
CALLS_PER_SECOND, MANY = 5, 200
DEFAULT_DEAD_AFTER, BOOKED_SECONDS = 30, 60
"""Down within 40 s is the aim, and what is measured says it; a busy machine plays Twilio and nodes alike late."""
SETUP_SECONDS = 300
"""For so many calls on a machine that is busy with others, too: meanwhile the first ones must not end as idle."""
ALONE = os.environ.get("TRIO_VOICE_OWN_NETWORK") == "1"
"""This network is our own: the examples' addresses are ours."""


class Cluster:
    """Three nodes behind one name, each with its own address, and at it again after a restart."""

    def __init__(self, town, shared, folder, dead_after, own_journals=None):
        self.town = town
        self._shared, self._folder, self._dead_after = shared, folder, dead_after
        self._own_journals = own_journals or {}
        self.at = list(EXAMPLES_NODES) if ALONE else [f"127.0.0.1:{free_port()}" for _ in DIGITS]
        self.worlds = {}
        self._stacks = {}

    async def start(self, digits):
        stack = AsyncExitStack()
        place = DIGITS.index(digits)
        opened = self.town.daemon(
            digits,
            journal=self._own_journals.get(digits, self._shared),
            dead_after=self._dead_after,
            server=f'node = "{digits}"',
            bind=self.at[place],
            behind_balancer=True,
            max_calls=400,
            idle_seconds=2 * SETUP_SECONDS,
        )
        self.worlds[digits] = await stack.enter_async_context(opened)
        self._stacks[digits] = stack
        return self.worlds[digits]

    async def stop(self, digits):
        await self._stacks.pop(digits).aclose()

    async def stop_all(self):
        for digits in list(self._stacks):
            await self.stop(digits)

    async def drain(self, digits):
        """As `systemctl stop` does it: with all the time that it needs."""
        self.worlds[digits].tell(signal.SIGTERM)
        assert await self.worlds[digits].exit_status(150) == 0
        await self.stop(digits)


@asynccontextmanager
async def open_cluster(example, folder, shared, monkeypatch, dead_after=DEAD_AFTER, **how):
    """The whole fleet, with a balancer in front, ready for calls.

    ``own_journals`` has the journal's URL of a node, by its digits.
    """
    async with open_town(folder, make_backend=QUIET.backend) as town, AsyncExitStack() as stack:
        town.twilio.account.calls_per_second = 1_000
        cluster = Cluster(town, shared, folder, dead_after, **how)
        stack.push_async_callback(cluster.stop_all)
        for digits in DIGITS:
            # Machines of their own, as far as anybody can see.
            monkeypatch.setenv(BOOT_VARIABLE, f"boot of {digits}")
            await cluster.start(digits)
        port = stack.enter_context(balancer(example, cluster.at, folder, as_it_is=ALONE))
        town.twilio.connect_to(HOST, port)
        yield cluster


def assert_nothing_went_wrong(calls):
    """Twilio was answered well each time, for each of these calls."""
    asked = [each for call in calls for each in call.requests]
    odd = [(each.event, each.status, each.error) for each in asked if each.status not in (200, 204)]
    assert odd == []
    assert {notice.code for call in calls for notice in call.notices} <= NOTICED


async def hung_up(calls):
    for call in calls:
        call.hang_up()
    for call in calls:
        with trio.fail_after(60):
            await call.settled.wait()
    assert {call.ended_by for call in calls} == {"caller"}


def nodes_of(calls):
    return Counter(call.connects[-1].url.rpartition("/")[2][:2] for call in calls)


async def answered(calls):
    for call in calls:
        await call.wait_for_stream()


async def calls_of(world, number):
    """Calls that this node has placed, each with its agent on the line: by the balancer, as any others."""
    placed = [await world.place(f"+1555100{n:04}", "receptionist") for n in range(number)]
    for call in placed:
        await call.wait_for_stream()
        keep_up(call)
    await eventually(lambda: len(world.agent.open_sessions) == number, seconds=SETUP_SECONDS)
    return placed


@pytest.fixture
def is_whole(request):
    return request.config.getoption("--whole")


@pytest.mark.parametrize("example", ["nodes/haproxy.cfg", "nodes/nginx.conf"])
async def test_three_nodes_behind_a_balancer_are_one_fleet(example, tmp_path, shared, monkeypatch, is_whole):
    many = 30 if is_whole else 6
    async with open_cluster(example, tmp_path, shared, monkeypatch) as cluster:
        worlds, town = list(cluster.worlds.values()), cluster.town

        # Inbound.
        calls = [await worlds[0].ring() for _ in range(many)]
        await answered(calls)
        assert set(nodes_of(calls)) == set(DIGITS)
        await hung_up(calls)
        assert_nothing_went_wrong(calls)

        # Outbound, placed at each, ended at another.
        placed = [await worlds[n % 3].place(f"+1555000{n:04}", "receptionist") for n in range(many)]
        with trio.fail_after(60):
            await answered(placed)
        assert set(nodes_of(placed)) == set(DIGITS)
        async with operator() as http:
            for n, call in enumerate(placed):
                call_id = call.connects[-1].url.rpartition("/")[2]
                elsewhere = worlds[(n + 1) % 3].daemon.url
                with trio.fail_after(30):
                    while call_id not in (await http.get(f"{elsewhere}/calls")).text:
                        await trio.sleep(0.2)
                assert (await http.post(f"{elsewhere}/calls/{call_id}/mute", json={"muted": True})).status_code == 202
                assert (await http.delete(f"{elsewhere}/calls/{call_id}")).status_code == 200
        for call in placed:
            with trio.fail_after(60):
                await call.settled.wait()
        assert_nothing_went_wrong(placed)
        assert {call.ended_by for call in placed} <= {"rest", "verb"}  # the TwiML goes on, and hangs up
        assert not town.agent.open_sessions


@pytest.mark.whole
@pytest.mark.parametrize("example", ["nodes/haproxy.cfg", "nodes/nginx.conf"])
async def test_a_rolling_restart_loses_and_refuses_nobody(example, tmp_path, shared, monkeypatch):
    calls, refused = [], []
    async with open_cluster(example, tmp_path, shared, monkeypatch) as cluster:
        going_on = trio.Event()

        async def somebody_calls(world):
            call = await world.ring()
            calls.append(call)
            with trio.fail_after(60):
                try:
                    await call.wait_for_stream()
                except EOFError:
                    refused.append(call)
                    return
            await trio.sleep(3)
            call.hang_up()
            with trio.fail_after(60):
                await call.settled.wait()

        async with trio.open_nursery() as nursery:

            async def keep_calling():
                world = next(iter(cluster.worlds.values()))
                while not going_on.is_set():
                    nursery.start_soon(somebody_calls, world)
                    await trio.sleep(1 / CALLS_PER_SECOND)

            nursery.start_soon(keep_calling)
            await trio.sleep(3)
            for digits in DIGITS:
                await cluster.drain(digits)
                monkeypatch.setenv(BOOT_VARIABLE, f"boot of {digits}")
                await cluster.start(digits)
                await trio.sleep(4)
            going_on.set()
        measured(f"{example}: calls under a rolling restart", len(calls))
        assert [[(each.event, each.status, each.error) for each in call.requests] for call in refused] == []
        assert {call.ended_by for call in calls} == {"caller"}
        assert_nothing_went_wrong(calls)


@pytest.mark.whole
async def test_a_node_is_killed_with_its_calls_and_all_are_down_and_booked(tmp_path, shared, monkeypatch):
    async with open_cluster("nodes/haproxy.cfg", tmp_path, shared, monkeypatch, DEFAULT_DEAD_AFTER) as cluster:
        dying = cluster.worlds["02"]
        calls = await calls_of(dying, MANY)
        assert set(nodes_of(calls)) == {"02"}
        await dying.kill()
        took = await all_down(calls, BOOKED_SECONDS)
        measured(f"from the kill until all {MANY} were down", took)
        assert_touched(cluster.town, calls, once=True)
        # And whoever calls meanwhile has an answer.
        late = await cluster.worlds["01"].ring()
        await late.wait_for_stream()
        late.hang_up()
        with trio.fail_after(60):
            await late.settled.wait()
        await assert_closed_on_paper(shared, calls)


@pytest.mark.whole
async def test_a_node_that_stands_still_takes_no_new_caller_with_it(tmp_path, shared, monkeypatch):
    async with open_cluster("nodes/haproxy.cfg", tmp_path, shared, monkeypatch) as cluster:
        cluster.worlds["03"].tell(signal.SIGSTOP)
        try:
            calls = [await cluster.worlds["01"].ring() for _ in range(6)]
            with trio.fail_after(60):
                await answered(calls)
            assert set(nodes_of(calls)) <= {"01", "02"}
        finally:
            cluster.worlds["03"].tell(signal.SIGCONT)
        await hung_up(calls)
