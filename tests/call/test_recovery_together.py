"""Settling of the calls of the dead by several at once, and by who dies meanwhile."""

import math

import attrs
import structlog
import trio
import trio.testing

from tests.call.orphans import LOOK_SECONDS, Archive, Phones, call_of, reckoner, until
from trio_voice.call.recovery import JOIN_SECONDS, heed_own_death
from trio_voice.call.registry import Registry
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import CallState, EndReason


async def test_two_that_live_share_the_dead_without_doing_anything_twice(archive, phones, autojump_clock, nursery):
    dead = archive.add_run("dead")
    for number in range(50):
        archive.leave(dead, call_of(number))
    for name in ("one", "other"):
        nursery.start_soon(reckoner(archive, phones, name).run)
        nursery.start_soon(archive.beat, name)
    await until(lambda: not archive.open_calls)
    await trio.sleep(JOIN_SECONDS + 60)
    assert sorted(sid for _, sid in phones.asked) == sorted(f"CA{number}" for number in range(50))
    assert len({call.settled_by for call in archive.calls.values()}) == 1


async def test_who_lives_and_cannot_is_helped(archive, autojump_clock, nursery):
    """Its key is wrong, or its network is broken; another's is not."""
    unable, able = Phones(), Phones()
    archive.leave(archive.add_run("dead", ended=True), call_of(1))
    unable.refused = {"CA1"}
    nursery.start_soon(reckoner(archive, unable, "unable").run)
    nursery.start_soon(archive.beat, "unable")
    await trio.sleep(1)
    nursery.start_soon(reckoner(archive, able, "able").run)
    assert JOIN_SECONDS < await until(lambda: not archive.open_calls) < JOIN_SECONDS + 2 * LOOK_SECONDS
    assert able.hung_up == ["CA1"]


async def test_who_dies_while_settling_is_followed_at_once_by_who_knows_it(archive, phones, autojump_clock, nursery):
    archive.leave(archive.add_run("dead", process="p1"), call_of(1))
    phones.silent = {"CA1"}
    with trio.move_on_after(3):
        second = reckoner(archive, phones, "second", gone=["p1"])
        archive.runs["second"] = attrs.evolve(archive.runs["second"], process="p2")
        await second.run()
    phones.silent = set()
    nursery.start_soon(reckoner(archive, phones, "third", gone=["p1", "p2"]).run)
    assert await until(lambda: not archive.open_calls) < 3 + 1


async def test_a_crash_at_any_step_of_the_recovery_is_recovered_from(autojump_clock):
    """And so is one in the recovery of that, and so on: each life is one step longer than the one before."""

    def world():
        archive, phones = Archive(), Phones()
        dead = archive.add_run("dead", ended=True)
        for number in range(3):
            archive.leave(dead, call_of(number))
        return archive, phones

    async def live(archive, phones, name, steps):
        archive.crash_at = archive.steps + steps
        with trio.CancelScope() as archive.victim:
            with trio.move_on_after(3600):
                await reckoner(archive, phones, name, gone=[f"p{n}" for n in range(100)]).run()
            return
        archive.runs[name] = attrs.evolve(archive.runs[name], process=f"p{name}")

    archive, phones = world()
    await live(archive, phones, "0", math.inf)
    assert not archive.open_calls
    whole = archive.steps
    crashes = 0
    for steps in range(1, 13):
        archive, phones = world()
        for life in range(20):
            await live(archive, phones, str(life), steps)
            crashes += 1
            if not archive.open_calls:
                break
        await live(archive, phones, "99", math.inf)
        assert not archive.open_calls
        assert {sid for _, sid in phones.asked} == {"CA0", "CA1", "CA2"}
        for call in archive.calls.values():
            assert call.record.ended_at
            assert call.record.model_sessions[0].closed_at
    assert whole > 9
    assert crashes > 30


# A daemon that had only stood still


async def test_who_is_declared_dead_ends_what_it_has_and_goes_on(nursery):
    class Told:
        def __init__(self):
            self.send, self.receive = trio.open_memory_channel(1)

        async def wait_declared_dead(self):
            return await self.receive.receive()

    told, ended = Told(), []
    registry = Registry(Limits(), ended.append)

    def expect():
        persona = Persona(name="p", model="m")
        return registry.expect(persona, direction="inbound", from_number="+1", to_number="+2", call_sid=None).record

    nursery.start_soon(heed_own_death, told, registry)
    before = expect()
    with structlog.testing.capture_logs() as logged:
        await told.send.send("r9")
        await trio.testing.wait_all_tasks_blocked()
    assert (before.state, before.end_reason) == (CallState.ENDED, EndReason.TWILIO_ENDED)
    assert "run r9 declared it dead" in before.end_detail
    [line] = logged
    assert (line["event"], line["log_level"], line["calls_ended"]) == ("declared_dead", "error", 1)
    after = expect()
    assert registry.record(after.call_id).state is CallState.RINGING
