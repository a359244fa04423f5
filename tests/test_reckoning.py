"""A daemon is killed in the middle of its calls; the next one ends what it left, and nothing else."""

import signal

import pytest
import trio

from tests.test_outbound import CONFIG, DESK, HOST
from trio_voice import reckoning
from trio_voice.auditor import Auditor
from trio_voice.call import wall_clock
from trio_voice.journal import open_journal
from trio_voice.persona import Limits, Persona
from trio_voice.record import CallRecord, Closing, EndReason, ModelSessionRecord
from trio_voice.registry import Registry
from trio_voice.sandbox.demo import AGENT_KEY, open_daemon
from trio_voice.sandbox.twilio import open_sandbox_twilio
from trio_voice.sandbox.voice_agent import Script, open_voice_agent


class Phones:
    """Hangs up, unless it cannot."""

    def __init__(self):
        self.hung_up = []
        self.works = True

    async def hang_up(self, call_sid):
        await trio.lowlevel.checkpoint()
        if self.works:
            self.hung_up.append(call_sid)
        return self.works


def call_of(number, **fields):
    record = CallRecord(
        call_id=f"c{number}",
        call_sid=f"CA{number}",
        direction="inbound",
        persona="p",
        from_number="+1",
        to_number="+2",
        started_at=wall_clock(),
        **fields,
    )
    record.model_sessions.append(ModelSessionRecord("assemblyai-agent", wall_clock()))
    return record


async def settled(journal, *call_ids):
    with trio.fail_after(10):
        while True:
            calls = [await journal.call(call_id) for call_id in call_ids]
            if all(call.record.ended_at for call in calls):
                return calls
            await trio.sleep(0.02)


@pytest.fixture
async def left_behind(tmp_path):
    """A journal in which a run has ended with a call, and one that was handed over, still open."""
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    async with open_journal(url, node="dead", clock=wall_clock) as journal:
        for record in (call_of(1), call_of(2, handed_over=True)):
            await journal.session_opening(record, record.model_sessions[0])
    return url


async def test_phones_are_hung_up_and_sessions_closed_on_paper(left_behind, nursery):
    phones, alarms = Phones(), []
    auditor = Auditor(None, alarms.append)
    async with open_journal(left_behind, node="next", clock=wall_clock) as journal:
        nursery.start_soon(reckoning.reckon_with_the_dead, journal, phones, wall_clock, auditor.settled)
        first, second = await settled(journal, "c1", "c2")
        assert phones.hung_up == ["CA1"]  # not the one that goes on without us
        for call in (first, second):
            (session,) = call.record.model_sessions
            assert session.closing is Closing.ABORTED
            assert session.closed_at is not None
            assert call.settled_by == journal.this_run.run_id
        assert "died" in first.record.end_detail
        with trio.fail_after(10):
            while len(alarms) < 2:  # one for each session: nobody knows how long it has outlived its call
                await trio.sleep(0.02)
        nursery.cancel_scope.cancel()


async def test_a_phone_that_cannot_be_hung_up_is_tried_again(left_behind, nursery, monkeypatch):
    monkeypatch.setattr(reckoning, "LOOK_SECONDS", 0.05)
    phones = Phones()
    phones.works = False
    async with open_journal(left_behind, node="next", clock=wall_clock) as journal:
        nursery.start_soon(reckoning.reckon_with_the_dead, journal, phones, wall_clock)
        await settled(journal, "c2")
        assert (await journal.call("c1")).record.ended_at is None
        phones.works = True
        await settled(journal, "c1")
        nursery.cancel_scope.cancel()


async def test_a_call_that_ended_before_its_stream_came_is_not_a_dead_daemons(tmp_path):
    """It was written down without an end once, and every next start looked for its phone at Twilio."""
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    async with open_journal(url, node="before", clock=wall_clock) as journal:
        registry = Registry(Limits(), journal.call_ended)
        expected = registry.expect(
            Persona(name="p", model="m"), direction="outbound", from_number="+1", to_number="+2", call_sid="CA1"
        )
        registry.note_status(expected.record.call_id, "CA1", "no-answer")
    async with open_journal(url, node="next", clock=wall_clock) as journal:
        assert (await journal.call(expected.record.call_id)).record.end_reason is EndReason.TWILIO_ENDED
        assert await journal.left_open(wall_clock()) == []


async def test_calls_of_the_living_are_left_alone(tmp_path, nursery):
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    phones = Phones()
    async with (
        open_journal(url, node="alive", clock=wall_clock) as neighbour,
        open_journal(url, node="next", clock=wall_clock) as journal,
    ):
        record = call_of(1)
        await neighbour.session_opening(record, record.model_sessions[0])
        mine = call_of(2)
        await journal.session_opening(mine, mine.model_sessions[0])
        nursery.start_soon(reckoning.reckon_with_the_dead, journal, phones, wall_clock)
        await trio.sleep(0.3)
        assert phones.hung_up == []
        assert (await journal.call("c1")).record.ended_at is None
        nursery.cancel_scope.cancel()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_kill_minus_nine_in_the_middle_of_twenty_calls(tmp_path):
    """Twenty calls and one of somebody else's on the same account: the twenty end, at Twilio and on paper."""
    script = Script(greeting_ms=300)
    async with open_voice_agent(script.cast, api_key=AGENT_KEY) as agent, open_sandbox_twilio() as twilio:
        config = tmp_path / "config.toml"
        config.write_text(
            CONFIG.format(
                host=HOST, account_sid=twilio.account_sid, api_url=twilio.api_url, agent_url=agent.url, desk=DESK
            )
        )
        async with open_daemon(config, tmp_path / "log1", twilio.auth_token) as daemon:
            twilio.connect_to(HOST, daemon.port)
            calls = [await twilio.call_in(f"https://{HOST}/twiml") for _ in range(20)]
            await agent.wait_session(20)
            await trio.sleep(0.5)
            for call in calls:
                # A Twilio that does not notice: the phone stays up whatever becomes of the stream.
                call.streams[0].ended = trio.Event()
            daemon.process.send_signal(signal.SIGKILL)
            await daemon.process.wait()
        somebody_elses = await twilio.call_in("https://elsewhere.example.com/twiml")
        async with open_daemon(config, tmp_path / "log2", twilio.auth_token) as daemon:
            twilio.connect_to(HOST, daemon.port)
            with trio.fail_after(60):
                for call in calls:
                    await call.ended.wait()
        assert {call.ended_by for call in calls} == {"rest"}
        assert somebody_elses.ended_by != "rest"
        url = f"sqlite:///{tmp_path / 'journal.db'}"
        async with open_journal(url, node="auditor", clock=wall_clock) as journal:
            left = await journal.left_open(wall_clock())
            assert left == []
