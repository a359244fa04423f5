"""Settling of the calls of the dead: on a virtual clock, with a journal in memory; then on the real ones."""

import copy
import itertools
import math
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import attrs
import pytest
import structlog
import trio
import trio.testing

from trio_voice.call import recovery
from trio_voice.call.call import wall_clock
from trio_voice.call.overrun_alarm import OverrunAlarm
from trio_voice.call.recovery import (
    ATTEMPT_SECONDS,
    BLIND_LOOKS,
    FIRST_RETRY_SECONDS,
    JOIN_SECONDS,
    LAST_RETRY_SECONDS,
    LEAST_SILENT_SECONDS,
    LOOKS,
    PHONE_LASTS_SECONDS,
    PHONES_AT_ONCE,
    SILENT_SECONDS,
    FailureDetector,
    OrphanRecovery,
    heed_own_death,
)
from trio_voice.call.registry import Registry
from trio_voice.journal import JournaledCall, JournalUnavailable, Pace, Run, open_journal
from trio_voice.persona import Limits, Persona
from trio_voice.record import CallRecord, CallState, EndReason
from trio_voice.session_record import Closing, ModelSessionRecord

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LOOK_SECONDS = SILENT_SECONDS / LOOKS
BLIND_SECONDS = LOOK_SECONDS * BLIND_LOOKS


def call_of(number, **fields):
    record = CallRecord(
        call_id=f"c{number}",
        call_sid=f"CA{number}",
        direction="inbound",
        persona="p",
        from_number="+1",
        to_number="+2",
        started_at=NOON,
    )
    record.model_sessions.append(ModelSessionRecord("assemblyai-agent", NOON))
    for name, value in fields.items():
        setattr(record, name, value)
    return record


class Phones:
    """Twilio: hangs up, refuses, or does not answer."""

    def __init__(self):
        self.hung_up = []
        self.asked = []
        """Time at which, and the calls for which."""
        self.refused = set()
        self.silent = set()
        self.broken = set()
        self.takes = 0.1
        self.at_once = self.most_at_once = 0

    async def hang_up(self, call_sid):
        self.asked.append((trio.current_time(), call_sid))
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            return await self._hang_up(call_sid)
        finally:
            self.at_once -= 1

    async def _hang_up(self, call_sid):
        if call_sid in self.silent:
            await trio.sleep_forever()
        await trio.sleep(self.takes)
        if call_sid in self.broken:
            raise ValueError("a bug")
        if call_sid not in self.refused:
            self.hung_up.append(call_sid)
        return call_sid not in self.refused


class Archive:
    """A database that several journals share."""

    def __init__(self):
        self.runs = {}
        self.declared = {}
        self.settled = set()
        self.calls = {}
        self.up = True
        self.answers_after = 0.0
        self.steps = 0
        self.crash_at = math.inf
        """The number of the step at which whoever takes it dies, and who: the scope of its life."""
        self.victim = None

    def add_run(self, name, *, beats=False, ended=False, process=""):
        self.runs[name] = Run(name, f"node of {name}", 1, NOON, NOON, NOON if ended else None, process)
        return self.runs[name]

    async def beat(self, name, clock=lambda: NOON):
        number = 0
        while True:
            await trio.sleep(5)
            number += 1
            if self.up:
                at = clock() + timedelta(microseconds=number)
                self.runs[name] = attrs.evolve(self.runs[name], beat_at=at)

    def leave(self, run, record, **fields):
        self.calls[record.call_id] = JournaledCall(
            record, fields.get("began_at", NOON), run, None, fields.get("phone_down_at")
        )

    def is_open(self, call):
        sessions = call.record.model_sessions
        return (
            call.record.ended_at is None
            or call.phone_down_at is None
            or any(session.closed_at is None for session in sessions)
        )

    @property
    def open_calls(self):
        return {call_id for call_id, call in self.calls.items() if self.is_open(call)}


class Journal:
    """One run's journal in that archive, with the methods and the manners of the real one."""

    def __init__(self, archive, name):
        self.archive = archive
        self.this_run = archive.add_run(name)

    async def _step(self):
        await trio.lowlevel.checkpoint()
        if not self.archive.up:
            raise JournalUnavailable("the database is away")
        self.archive.steps += 1
        if self.archive.steps == self.archive.crash_at:
            self.archive.victim.cancel()
            await trio.lowlevel.checkpoint()  # before it is done

    async def other_runs(self):
        await self._step()
        return [
            attrs.evolve(run, declared_dead_by=self.archive.declared.get(run_id))
            for run_id, run in self.archive.runs.items()
            if run_id not in self.archive.settled | {self.this_run.run_id}
        ]

    async def declare_dead(self, run):
        await self._step()
        return self.archive.declared.setdefault(run.run_id, self.this_run.run_id)

    async def left_open(self, run):
        await self._step()
        calls = map(self.archive.calls.get, sorted(self.archive.open_calls))
        found = [copy.deepcopy(call) for call in calls if call.run.run_id == run.run_id]
        await trio.sleep(self.archive.answers_after)
        return found

    async def other_runs_with(self, call_id, call_sid):
        await self._step()
        calls = [self.archive.calls[each] for each in self.archive.open_calls]
        same = [call for call in calls if call.record.call_sid == call_sid and call.record.call_id != call_id]
        return {call.run.run_id for call in same}

    async def settle_run(self, run):
        await self._step()
        assert not any(call.run.run_id == run.run_id for call in map(self.archive.calls.get, self.archive.open_calls))
        self.archive.settled.add(run.run_id)

    async def settle_sessions(self, call, at):
        await self._step()
        for session in self.archive.calls[call.record.call_id].record.model_sessions:
            session.closed_at = session.closed_at or at

    async def settle_call(self, call, at, detail):
        await self._step()
        kept = self.archive.calls[call.record.call_id]
        kept.record.ended_at = kept.record.ended_at or at
        kept.record.end_detail = detail
        self.archive.calls[call.record.call_id] = attrs.evolve(kept, phone_down_at=at, settled_by=self.this_run.run_id)


def reckoner(archive, phones, name="here", *, gone=(), clock=lambda: NOON):
    return OrphanRecovery(Journal(archive, name), phones, clock, gone.__contains__)


@pytest.fixture
def archive():
    return Archive()


@pytest.fixture
def phones():
    return Phones()


async def until(condition, seconds=3600.0):
    """Time at which it became true."""
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.1)
    return trio.current_time()


# Who is gone


def beating(name, beat):
    return Run(name, "n", 1, NOON, NOON + timedelta(seconds=beat))


def test_a_heart_has_stopped_when_it_stood_still_for_long_enough_while_somebody_watched():
    detector = FailureDetector()
    for now in range(0, 30, 5):
        assert detector.silent([beating("still", 0), beating("alive", now)], now) == set()
    assert detector.silent([beating("still", 0), beating("alive", 30)], 30) == {"still"}
    assert detector.silent([beating("still", 1), beating("alive", 35)], 35) == set()  # it had only been slow


@pytest.mark.parametrize("skew", [-86_400, 86_400])
def test_what_its_clock_shows_and_how_it_jumps_does_not_matter(skew):
    detector = FailureDetector()
    for now in range(0, 90, 5):
        jumping = skew if now > 40 else 0
        assert detector.silent([beating("r", now * 0.001 + jumping)], now) == set()


def test_time_in_which_nobody_could_look_does_not_count():
    """The database that all share was away: nobody has beaten, and nobody is dead."""
    detector = FailureDetector()
    for now in (0, 5, 10):
        detector.silent([beating("r", 0)], now)
    later = 10 + BLIND_SECONDS + 100
    assert detector.silent([beating("r", 0)], later) == set()
    for now in range(0, int(SILENT_SECONDS), 5):
        assert detector.silent([beating("r", 0)], later + now) == set()
    assert detector.silent([beating("r", 0)], later + SILENT_SECONDS) == {"r"}


def test_who_is_of_no_interest_for_a_while_is_watched_anew():
    detector = FailureDetector()
    for now in range(0, 25, 5):
        detector.silent([beating("r", 0)], now)
    detector.silent([], 25)
    assert detector.silent([beating("r", 0)], 30) == set()


def test_a_daemon_has_time_to_notice_that_its_connection_is_stuck_and_to_open_another():
    connect_seconds = pytest.importorskip("trio_voice.journal.postgres").CONNECT_SECONDS
    pace = Pace()
    last_beat_but_one = pace.beat_seconds + pace.stuck_seconds + pace.beat_seconds
    assert last_beat_but_one + pace.retry_seconds + connect_seconds < SILENT_SECONDS
    assert LOOK_SECONDS + pace.answer_seconds <= BLIND_SECONDS  # a slow answer is no outage


@pytest.mark.parametrize("silent_seconds", [LEAST_SILENT_SECONDS, SILENT_SECONDS])
def test_an_outage_of_what_all_share_kills_nobody_however_long_it_is(silent_seconds):
    """Whoever lives has beaten within 5 s before it, and does within 2 after it; the watcher looks at once."""
    look_seconds = silent_seconds / LOOKS
    for began, lasted in itertools.product([0.1, 2.5, 4.9], [each / 4 for each in range(200)]):
        detector, ended = FailureDetector(silent_seconds), began + lasted
        looks = [each * look_seconds for each in range(LOOKS) if each * look_seconds <= began]
        for now in [*looks, ended, ended + 1.99]:
            assert detector.silent([beating("r", 0)], now) == set(), (began, lasted)


async def test_the_calls_of_a_process_that_is_no_more_are_settled_at_once(archive, phones, autojump_clock, nursery):
    for number in range(50):
        archive.leave(archive.add_run("dead", process="p1"), call_of(number))
    nursery.start_soon(reckoner(archive, phones, gone=["p1"]).run)
    took = await until(lambda: not archive.open_calls)
    assert sorted(phones.hung_up) == sorted(f"CA{number}" for number in range(50))
    assert took <= 50 / PHONES_AT_ONCE * 0.1 + 0.2
    assert phones.most_at_once == PHONES_AT_ONCE
    for call in archive.calls.values():
        assert call.record.model_sessions[0].closed_at == NOON
        assert "run dead on node of dead, died" in call.record.end_detail


@pytest.mark.parametrize("other_lives", [True, False])
async def test_a_telephone_call_that_came_to_a_second_node_is_not_hung_up_for_the_first(
    archive, phones, autojump_clock, nursery, other_lives
):
    """Its balancer asked another for TwiML when the first died over it."""
    asked_first = call_of(1, model_sessions=[], started_at=None)
    archive.leave(archive.add_run("dead", process="p1"), asked_first)
    archive.leave(archive.add_run("other", process="p2"), call_of(2, call_sid="CA1"))
    nursery.start_soon(archive.beat, "other")
    nursery.start_soon(reckoner(archive, phones, gone=["p1"] if other_lives else ["p1", "p2"]).run)
    await until(lambda: "c1" not in archive.open_calls and (other_lives or not archive.open_calls))
    assert bool(phones.hung_up) is not other_lives


async def test_a_run_that_left_in_good_order_is_not_watched(archive, phones, autojump_clock, nursery):
    archive.leave(archive.add_run("left", ended=True), call_of(1))
    nursery.start_soon(reckoner(archive, phones).run)
    assert await until(lambda: not archive.open_calls) < 1


async def test_a_dead_node_is_found_by_a_live_one_whatever_their_clocks_show(archive, phones, autojump_clock, nursery):
    archive.leave(archive.add_run("dying"), call_of(1))
    archive.leave(archive.add_run("alive"), call_of(2))
    nursery.start_soon(archive.beat, "alive", lambda: NOON - timedelta(days=1))
    with trio.CancelScope() as life:
        nursery.start_soon(reckoner(archive, phones).run)
        with trio.move_on_after(100):
            await archive.beat("dying", lambda: NOON + timedelta(days=1))
    assert phones.asked == []
    last_beat = trio.current_time()
    took = await until(lambda: archive.open_calls == {"c2"}) - last_beat
    assert SILENT_SECONDS - 5 < took < SILENT_SECONDS + 2 * LOOK_SECONDS
    assert not life.cancelled_caught
    await trio.sleep(300)
    assert phones.hung_up == ["CA1"]


async def test_after_an_outage_of_the_journal_nobody_is_taken_for_dead(archive, phones, autojump_clock, nursery):
    archive.leave(archive.add_run("alive"), call_of(1))
    nursery.start_soon(archive.beat, "alive")
    nursery.start_soon(reckoner(archive, phones).run)
    await trio.sleep(60)
    archive.up = False
    await trio.sleep(600)
    archive.up = True
    await trio.sleep(600)
    assert (phones.asked, archive.declared) == ([], {})


# What is touched


async def test_what_is_handed_over_is_not_hung_up_and_what_has_no_phone_cannot_be(
    archive, phones, autojump_clock, nursery
):
    run = archive.add_run("dead", ended=True)
    archive.leave(run, call_of(1, handed_over=True))
    archive.leave(run, call_of(2, call_sid=None))
    archive.leave(run, call_of(4, ended_at=NOON))  # ended, and its daemon died before the phone was down
    archive.leave(run, call_of(5, ended_at=NOON), phone_down_at=NOON)  # only its session is open
    nursery.start_soon(reckoner(archive, phones).run)
    await until(lambda: not archive.open_calls)
    assert phones.hung_up == ["CA4"]


@pytest.mark.parametrize("days", [-3, 3])
async def test_whoever_settles_may_have_a_clock_that_is_wrong_by_days(archive, phones, autojump_clock, nursery, days):
    archive.leave(archive.add_run("dead", ended=True), call_of(1), began_at=NOON + timedelta(days=days))
    nursery.start_soon(reckoner(archive, phones).run)
    await until(lambda: not archive.open_calls)
    assert phones.hung_up == ["CA1"]


async def test_a_phone_is_given_up_when_twilio_must_have_ended_it_by_itself(archive, phones, autojump_clock, nursery):
    archive.leave(archive.add_run("dead", ended=True), call_of(1))
    phones.refused = {"CA1"}
    nursery.start_soon(reckoner(archive, phones).run)
    await trio.sleep(PHONE_LASTS_SECONDS - 60)
    assert archive.open_calls
    await trio.sleep(LAST_RETRY_SECONDS + 120)
    assert not archive.open_calls
    assert not phones.hung_up


async def test_what_is_settled_while_somebody_looks_is_not_settled_again(archive, phones, autojump_clock, nursery):
    """The look began before and is answered after."""
    archive.leave(archive.add_run("dead", ended=True), call_of(1))
    archive.answers_after, phones.takes = 3, LOOK_SECONDS + 1
    nursery.start_soon(reckoner(archive, phones).run)
    await until(lambda: not archive.open_calls)
    await trio.sleep(60)
    assert [call_sid for _, call_sid in phones.asked] == ["CA1"]


async def test_without_twilios_api_calls_are_settled_on_paper(archive, autojump_clock, nursery):
    archive.leave(archive.add_run("dead", ended=True), call_of(1))
    nursery.start_soon(reckoner(archive, None).run)
    await until(lambda: not archive.open_calls)


# Phones that cannot be hung up


async def test_a_phone_that_is_not_hung_up_is_tried_again_ever_more_slowly_and_holds_up_no_other(
    archive, phones, autojump_clock, nursery
):
    run = archive.add_run("dead", ended=True)
    for number in range(50):
        archive.leave(run, call_of(number))
    phones.silent = {f"CA{number}" for number in range(5)}
    phones.refused = {"CA5"}
    phones.broken = {"CA6"}
    nursery.start_soon(reckoner(archive, phones).run)
    took = await until(lambda: len(phones.hung_up) == 43)
    assert took < 3
    assert all(call.record.model_sessions[0].closed_at for call in archive.calls.values())  # that waits for no phone
    await trio.sleep(3600)
    for sid in ("CA0", "CA5", "CA6"):
        asked = [at for at, call_sid in phones.asked if call_sid == sid]
        gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
        attempt = ATTEMPT_SECONDS if sid == "CA0" else 0.1
        assert FIRST_RETRY_SECONDS <= gaps[0] - attempt <= FIRST_RETRY_SECONDS + LOOK_SECONDS
        assert gaps[1] > gaps[0]
        assert LAST_RETRY_SECONDS <= max(gaps) - attempt <= LAST_RETRY_SECONDS + LOOK_SECONDS
        assert trio.current_time() - asked[-1] < LAST_RETRY_SECONDS + attempt + LOOK_SECONDS  # never given up
    phones.silent, phones.refused, phones.broken = set(), set(), set()
    await until(lambda: not archive.open_calls)
    assert len(phones.hung_up) == 50


async def test_more_silent_phones_than_are_tried_at_once_keep_nobody_waiting_for_ever(
    archive, phones, autojump_clock, nursery
):
    run = archive.add_run("dead", ended=True)
    for number in range(50):
        archive.leave(run, call_of(number))
    phones.silent = {f"CA{number}" for number in range(30)}
    nursery.start_soon(reckoner(archive, phones).run)
    assert await until(lambda: len(phones.hung_up) == 20) < 50 / PHONES_AT_ONCE * ATTEMPT_SECONDS + 1


async def test_who_dies_meanwhile_does_not_wait_for_phones_that_do_not_answer(archive, phones, autojump_clock, nursery):
    phones.silent = {"CA0"}
    archive.leave(archive.add_run("dead", ended=True), call_of(0))
    nursery.start_soon(reckoner(archive, phones).run)
    await trio.sleep(1)
    archive.leave(archive.add_run("dead too", ended=True), call_of(1))
    assert await until(lambda: archive.open_calls == {"c0"}) < 1 + LOOK_SECONDS + 1


async def test_a_journal_that_is_away_is_asked_again(archive, phones, autojump_clock, nursery):
    archive.leave(archive.add_run("dead", ended=True), call_of(1))
    archive.up = False
    nursery.start_soon(reckoner(archive, phones).run)
    await trio.sleep(60)
    archive.up = True
    await until(lambda: not archive.open_calls)


async def test_attempts_are_forgotten_with_their_calls(archive, phones, autojump_clock, nursery):
    phones.refused = {"CA1"}
    archive.leave(archive.add_run("dead", ended=True), call_of(1))
    here = reckoner(archive, phones)
    nursery.start_soon(here.run)
    await trio.sleep(30)
    assert here._attempts.keys() == {"c1"}
    await here._journal.settle_call(archive.calls["c1"], NOON, "")  # by another
    await trio.sleep(30)
    assert (here._attempts, here._gone_since) == ({}, {})


# Several at once


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


# The same in real databases, in a little real time


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    return request.getfixturevalue("postgres_stand").url


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(recovery, "FIRST_RETRY_SECONDS", 0.05)


@asynccontextmanager
async def opened(url, node, **options):
    pace = Pace(beat_seconds=0.1)
    async with open_journal(url, node=node, clock=wall_clock, pace=pace, **options) as journal:
        yield journal


async def settled(journal, *call_ids):
    with trio.fail_after(10):
        while True:
            calls = [await journal.call(call_id) for call_id in call_ids]
            if all(call.phone_down_at for call in calls):
                return calls
            await trio.sleep(0.02)


async def test_a_next_daemon_settles_what_the_last_one_left(url, hasty, nursery, phones):
    async with opened(url, "dead") as journal:
        for record in (call_of(1), call_of(2, handed_over=True), call_of(3)):
            await journal.session_opening(record, record.model_sessions[0])
    phones.refused = {"CA3"}
    alarms = []
    alarm = OverrunAlarm(None, alarms.append)
    async with opened(url, "next") as journal:
        nursery.start_soon(OrphanRecovery(journal, phones, wall_clock, bool, alarm.settled, silent_seconds=0.5).run)
        calls = await settled(journal, "c1", "c2")
        third = await journal.call("c3")
        assert (third.record.ended_at, third.phone_down_at) == (None, None)
        phones.refused = set()
        calls += await settled(journal, "c3")
        assert phones.hung_up == ["CA1", "CA3"]
        for call in calls:
            [session] = call.record.model_sessions
            assert session.closing is Closing.ABORTED
            assert session.closed_at is not None
            assert call.settled_by == journal.this_run.run_id
            assert "died" in call.record.end_detail
        assert len(alarms) == 3  # one a session, however often its phone was tried: nobody saw when it ended
        nursery.cancel_scope.cancel()


async def test_calls_of_the_living_are_left_alone_and_those_of_the_stopped_are_not(url, hasty, nursery, phones):
    """One beats, one does not: its task is there, its heart is not."""
    async with opened(url, "alive") as alive, opened(url, "next") as journal, trio.open_nursery() as lives:
        theirs, mine = call_of(1), call_of(2)
        await alive.session_opening(theirs, theirs.model_sessions[0])
        await journal.session_opening(mine, mine.model_sessions[0])
        run = alive.this_run
        lives.start_soon(OrphanRecovery(journal, phones, wall_clock, lambda process: False, silent_seconds=0.5).run)
        await trio.sleep(1)
        assert phones.asked == []

        alive.heartbeat._pace = attrs.evolve(alive.heartbeat._pace, beat_seconds=1)  # it stands still for a while
        await settled(journal, "c1")
        assert phones.hung_up == ["CA1"]
        with trio.fail_after(5):
            assert await alive.wait_declared_dead() == journal.this_run.run_id
        assert alive.this_run.run_id != run.run_id
        assert (await journal.call("c2")).record.ended_at is None
        lives.cancel_scope.cancel()
        nursery.cancel_scope.cancel()
