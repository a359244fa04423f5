"""Calls whose daemon is dead: a journal in memory, and telephones that may not be hung up."""

import copy
import math
from datetime import UTC, datetime, timedelta

import attrs
import trio
import trio.testing

from trio_voice.call.recovery import LOOKS, SILENT_SECONDS, OrphanRecovery
from trio_voice.journal import JournaledCall, JournalUnavailable, Run
from trio_voice.record import CallRecord
from trio_voice.session_record import ModelSessionRecord

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LOOK_SECONDS = SILENT_SECONDS / LOOKS


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


def reckoner(archive, phones, name="here", *, gone=(), clock=lambda: NOON, on_closed=None):
    return OrphanRecovery(Journal(archive, name), phones, clock, gone.__contains__, on_closed=on_closed)


async def until(condition, seconds=3600.0):
    """Time at which it became true."""
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.1)
    return trio.current_time()
