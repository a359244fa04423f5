"""Daemons are killed, stopped and frozen in the middle of their calls, and others end what they left: nothing else.

Real processes, real databases, the sandbox's Twilio, whose list of requests says what was touched.
"""

import math
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import pytest
import structlog
import trio

from tests.daemons import eventually, keep_up, open_town, open_world
from trio_voice.call.call import wall_clock
from trio_voice.call.recovery import LOOKS, MIN_SILENT_SECONDS
from trio_voice.daemon.process_identity import BOOT_VARIABLE
from trio_voice.journal import Pace, open_journal
from trio_voice.sandbox.providers.assemblyai_agent import Script
from trio_voice.session_record import Closing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

QUIET = Script(greeting_ms=300)
A, B, C = ("a.example.com", "b.example.com", "c.example.com")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
DEAD_AFTER = MIN_SILENT_SECONDS
BEAT_SECONDS = Pace().beat_seconds
LOOK_SECONDS = DEAD_AFTER / LOOKS
BY_THE_HEART = BEAT_SECONDS + DEAD_AFTER + LOOK_SECONDS
"""Time that it takes at the most to see that a heart has stopped: a beat, the silence, a look."""


async def calls_in_the_middle(world, number):
    """Calls that are answered, whose phones stay up whatever becomes of their streams."""
    sessions = len(world.agent.open_sessions)
    calls = [await world.ring() for _ in range(number)]
    await eventually(lambda: len(world.agent.open_sessions) == sessions + number, seconds=60)
    for call in calls:
        await call.wait_for_stream()
        keep_up(call)
    return calls


async def somebody_elses(town):
    """A call of the same account that is no business of ours."""
    call = await town.twilio.call_in("https://elsewhere.example.com/twiml", from_="+15550000001", to="+15550000002")
    return call.sid


def assert_touched(town, calls, *, once, others=()):
    """By REST nothing was asked about any call but these, and to end each of the first only once if it had to be."""
    asked = {}
    for request in town.twilio.rest.requests:
        if request.path.endswith("/Calls.json"):
            continue  # a call is placed, or all are listed
        sid = request.path.rpartition("/")[2].removesuffix(".json")
        asked[sid] = asked.get(sid, 0) + (request.method == "POST")
    ours = {call.sid for call in calls}
    assert ours <= asked.keys() <= ours | {call.sid for call in others}
    if once:
        assert {asked[sid] for sid in ours} == {1}


async def all_down(calls, seconds):
    """Time that it took until all phones were down."""
    began = trio.current_time()
    with trio.fail_after(seconds):
        for call in calls:
            await call.ended.wait()
    assert {call.ended_by for call in calls} == {"rest"}
    return trio.current_time() - began


def measured(what, seconds):
    """For whoever wants to know: ``pytest -rP``."""
    structlog.get_logger("tests").info("measured", what=what, seconds=round(seconds, 2))


@asynccontextmanager
async def auditor(url):
    async with open_journal(url, node="auditor", clock=wall_clock) as journal:
        yield journal


async def assert_closed_on_paper(url, calls):
    """Every call and every session has an end in the journal, and how long it may have run."""
    async with auditor(url) as journal:
        with trio.fail_after(10):
            while any([await journal.left_open(run) for run in await journal.other_runs()]):
                await trio.sleep(0.1)
        written = await journal.calls(LONG_AGO, wall_clock())
        by_sid = {call.record.call_sid: call for call in written}
        for call in calls:
            kept = by_sid[call.sid]
            assert kept.record.ended_at
            assert kept.phone_down_at
            assert kept.settled_by
            [session] = kept.record.model_sessions
            assert (session.closing, bool(session.closed_at)) == (Closing.ABORTED, True)
            assert 0 <= session.seconds_at_least <= session.seconds < 600
            assert session.seconds > 0


@pytest.fixture
def shared(postgres_stand):
    """A database that several nodes share."""
    return postgres_stand.url


async def test_killed_with_fifty_calls_and_started_again(tmp_path):
    """The kernel knows that the process is gone: nobody waits for its heart to be missed."""
    async with open_town(tmp_path, make_backend=QUIET.backend) as town:
        async with town.daemon("first") as first:
            calls = await calls_in_the_middle(first, 50)
            strange = await somebody_elses(town)
            await first.kill()
        killed_at = trio.current_time()
        async with town.daemon("next") as after:
            started = trio.current_time()
            await all_down(calls, 15)
            measured("from the kill until all fifty were down", trio.current_time() - killed_at)
            measured("from the next one's readiness", trio.current_time() - started)
            await eventually(lambda: len(after.logged("call_settled")) == 50)
            call, _ = await after.talk()  # and it takes calls
            call.hang_up()
            await after.ended(call)
        assert_touched(town, calls, once=True, others=[call])
        assert town.twilio.calls[strange].ended_by != "rest"
        await assert_closed_on_paper(f"sqlite:///{tmp_path}/journal.db", calls)
        after.assert_log_is_clean()


async def test_killed_with_fifty_calls_and_the_other_nodes_take_over(tmp_path, shared, monkeypatch):
    """Another machine, as far as anybody can see: its heart is all that the two live nodes know of the dead one.

    They recover at the same time: neither disturbs the other, and no phone is hung up twice.
    """
    async with open_town(tmp_path, make_backend=QUIET.backend) as town, AsyncExitStack() as nodes:
        b = await nodes.enter_async_context(town.daemon("b", host=B, journal=shared, dead_after=DEAD_AFTER))
        c = await nodes.enter_async_context(town.daemon("c", host=C, journal=shared, dead_after=DEAD_AFTER))
        own = [(world, *await world.talk()) for world in (b, c)]
        monkeypatch.setenv(BOOT_VARIABLE, "another")
        async with town.daemon("a", host=A, journal=shared) as dying:
            calls = await calls_in_the_middle(dying, 50)
            await dying.kill()
        strange = await somebody_elses(town)
        heard = [len(session.payloads) for _, _, session in own]
        took = await all_down(calls, BY_THE_HEART + 10)
        measured("from the kill until all fifty were down", took)
        assert took > DEAD_AFTER - BEAT_SECONDS  # not before it could be known
        await eventually(lambda: len(b.logged("call_settled")) + len(c.logged("call_settled")) == 50)
        for (world, call, session), before in zip(own, heard, strict=True):
            assert len(session.payloads) - before > took * 40  # the survivors' own calls go on
            assert not call.over
            call.hang_up()
            await world.ended(call)
            assert not world.logged("declared_dead")
        assert_touched(town, calls, once=True, others=[call for _, call, _ in own])
        assert town.twilio.calls[strange].ended_by != "rest"
        await assert_closed_on_paper(shared, calls)


async def test_killed_while_recovering_with_a_twilio_that_half_works(tmp_path):
    """The second daemon dies too; the third finishes, and takes calls all the while."""
    async with open_town(tmp_path, make_backend=QUIET.backend) as town:
        async with town.daemon("first") as first:
            calls = await calls_in_the_middle(first, 50)
            strange = await somebody_elses(town)
            await first.kill()
        hanging, failing, refused, gone = calls[:4], calls[4:8], calls[8:10], calls[10]
        for call in hanging:
            town.twilio.rest.fail_next("hang", times=1_000, call_sid=call.sid)
        for call in failing:
            town.twilio.rest.fail_next(503, times=3, call_sid=call.sid)
        for call in refused:
            town.twilio.rest.fail_next(401, times=2, call_sid=call.sid)
        gone.end("completed", "caller")  # and nobody has heard of it

        async with town.daemon("second") as second:
            with trio.fail_after(30):
                for call in [*failing, *calls[11:]]:
                    await call.ended.wait()
            assert not any(call.over for call in hanging)
            await second.kill()
        town.twilio.rest.faults.clear()
        for call in hanging[:2]:
            town.twilio.rest.fail_next("hang", call_sid=call.sid)

        async with town.daemon("third") as third:
            rung = trio.current_time()
            call, session = await third.talk()
            assert trio.current_time() - rung < 3  # though phones do not answer
            await all_down([each for each in calls if each is not gone], 90)
            await eventually(lambda: third.logged("call_settled"))
            heard = len(session.payloads)
            await eventually(lambda: len(session.payloads) > heard)
            call.hang_up()
            await third.ended(call)
        assert_touched(town, calls, once=False, others=[call])
        assert town.twilio.calls[strange].ended_by != "rest"
        await assert_closed_on_paper(f"sqlite:///{tmp_path}/journal.db", calls)


async def test_a_node_that_was_only_stopped_comes_back_and_bills_nothing_that_was_settled(
    tmp_path, shared, monkeypatch
):
    """It finds that it was declared dead, ends what it has, and takes new calls as a new run."""
    async with open_town(tmp_path, make_backend=QUIET.backend) as town:
        async with town.daemon("b", host=B, journal=shared, dead_after=DEAD_AFTER) as survivor:
            monkeypatch.setenv(BOOT_VARIABLE, "another")
            async with town.daemon("a", host=A, journal=shared, media_gap_seconds=600) as frozen:
                calls = [await frozen.talk(status_callback="") for _ in range(3)]  # which would end them, too
                frozen.tell(signal.SIGSTOP)
                # Its streams say nothing more, not even that they are over: only the daemon can end its sessions.
                for call, _ in calls:
                    keep_up(call)
                    call.streams[0].hang_up = lambda: None
                    call.streams[0]._frame_due = lambda: math.inf
                await all_down([call for call, _ in calls], BY_THE_HEART + 10)
                await eventually(lambda: len(survivor.logged("call_settled")) == 3)
                assert all(session.is_open for _, session in calls)  # its kernel keeps them
                frozen.tell(signal.SIGCONT)
                began = trio.current_time()
                await eventually(lambda: not town.agent.open_sessions)
                measured("from its return until its sessions were closed", trio.current_time() - began)
                (told,) = await eventually(lambda: frozen.logged("declared_dead"))
                assert told["calls_ended"] == 3
                assert {line["end_reason"] for line in frozen.logged("call_ended")} == {"twilio_ended"}
                assert all(session.told_goodbye for _, session in calls)

                call, session = await frozen.talk()  # a new run
                await trio.sleep(LOOK_SECONDS + 1)
                assert session.is_open
                assert not call.over
                call.hang_up()
                await frozen.ended(call)
        async with auditor(shared) as journal:
            written = await journal.calls(LONG_AGO, wall_clock())
            ours = {call.sid for call, _ in calls}
            for kept in [each for each in written if each.record.call_sid in ours]:
                assert [session.closing for session in kept.record.model_sessions] == [Closing.ACKNOWLEDGED]
                assert kept.phone_down_at


async def test_a_node_that_was_frozen_while_another_took_its_digits_ends_itself(tmp_path, shared, monkeypatch):
    """Frozen for less than `dead_after_seconds`: nobody has declared it dead, and two machines have one name."""
    node = 'node = "01"'
    async with (
        open_town(tmp_path, make_backend=QUIET.backend) as town,
        town.daemon("a", host=A, journal=shared, server=node, drain_seconds=60) as frozen,
    ):
        call, session = await frozen.talk()
        frozen.tell(signal.SIGSTOP)
        monkeypatch.setenv(BOOT_VARIABLE, "another")
        async with town.daemon("b", host=B, journal=shared, server=node) as heir:
            frozen.tell(signal.SIGCONT)
            (told, *_) = await eventually(lambda: frozen.logged("node_digits_taken"), seconds=60)
            assert heir.daemon.url in told["problem"]
            await eventually(lambda: frozen.logged("draining"))
            assert session.is_open  # it drains
            call.hang_up()
            assert await frozen.exit_status(60) == 78
            assert not heir.logged("node_digits_taken")
            await heir.talk()


async def test_a_phone_that_the_last_daemon_could_not_hang_up_is_hung_up_by_the_next(tmp_path):
    """It ended in good order while Twilio's API was away: the call is over in the journal, and its phone is up."""
    async with open_town(tmp_path, make_backend=QUIET.backend) as town:
        async with town.daemon("first", drain_seconds=1) as first:
            call, _ = await first.talk()
            keep_up(call)
            async with town.twilio.rest.server.unreachable():
                first.tell(signal.SIGTERM)
                assert await first.exit_status(20) == 0
        assert not call.over
        async with town.daemon("next"):
            await all_down([call], 10)


async def test_a_daemon_that_dies_before_the_stream_came_leaves_no_phone_up(tmp_path):
    async with open_town(tmp_path, make_backend=QUIET.backend) as town:
        town.twilio.account.stream_opens_after = 60
        async with town.daemon("first") as first:
            call = await first.ring()
            await eventually(lambda: first.logged("call_expected"))
            await trio.sleep(0.5)
            await first.kill()
        async with town.daemon("next"):
            await all_down([call], 10)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_drain_waits_for_a_call_that_has_its_twiml_and_answers_it(tmp_path, workers):
    """With several processes the stream may come to any of them that is still there, and is handed to its own."""
    async with open_world(tmp_path, make_backend=QUIET.backend, workers=workers) as world:
        world.twilio.account.stream_opens_after = 2
        call = await world.ring()
        await eventually(lambda: world.logged("call_expected"))
        world.tell(signal.SIGTERM)
        lines = await eventually(lambda: [*world.logged("draining")] if len(world.logged("draining")) == workers else 0)
        assert {line["live_calls"] for line in lines} == {0}
        assert sum(line["expected_calls"] for line in lines) == 1
        session = await world.agent.wait_session(1)
        await eventually(lambda: session.payloads)
        call.hang_up()
        assert await world.exit_status() == 0
        assert [line["end_reason"] for line in world.logged("call_ended")] == ["hangup"]
