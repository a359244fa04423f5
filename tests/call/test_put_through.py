"""Callers who were put through: who comes back to the agent, by which path, and when it is over for good."""

import attrs
import pytest
import trio

from tests.call.test_tools_of_every_kind import KINDS, assert_no_mistakes, exchanges
from tests.calls import live_call
from trio_voice.call.callbacks import note_status, note_stream_failure
from trio_voice.call.drain import drain
from trio_voice.call.expected import EXPECTED_SECONDS, CameBack
from trio_voice.call.put_through import MAX_RETURNS, MIN_SECONDS, OUTCOME_SECONDS
from trio_voice.call.registry import Registry
from trio_voice.errors import CallRefused
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import CallState, EndReason, Transfer, Utterance
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn

PERSONA = Persona(name="p", model="m", transfer_to="+15550001111")


class StubCall:
    """A call that lives until it is told to end, as one that put its caller through."""

    def __init__(self, record):
        self.record = record
        self.over = trio.Event()
        self.ended_for = []

    def end(self, reason, detail):
        self.ended_for.append(reason)
        self.record.end_reason = self.record.end_reason or reason
        self.over.set()

    def say_last_words(self, reason, detail):
        pass

    def phone_over(self, detail):
        self.end(EndReason.TWILIO_ENDED, detail)


@attrs.define
class RegistryRig:
    """A registry, and what it tells of calls that are over: whether their callers may come back."""

    nursery: trio.Nursery
    max_calls: int = 1
    told: list[tuple[str, bool]] = attrs.field(factory=list)
    registry: Registry = attrs.field(init=False)

    def __attrs_post_init__(self):
        self.registry = Registry(Limits(max_calls=self.max_calls, time_limit_seconds=600), self._ended)

    def _ended(self, record):
        self.told.append((record.call_id, self.registry.may_come_back(record.call_id)))

    async def live(self, path):
        """A stream comes by this path, and its call begins."""
        expected = self.registry.take(path)
        call = StubCall(expected.record)
        call.record.state = CallState.LIVE

        async def live():
            with self.registry.living(call):
                await call.over.wait()
                call.record.state, call.record.seconds = CallState.ENDED, 30.0

        self.nursery.start_soon(live)
        await trio.testing.wait_all_tasks_blocked()
        return call

    async def begin(self, call_sid="CA1"):
        """Somebody calls and talks for 30 s."""
        expected = self.registry.expect(
            PERSONA, direction="inbound", from_number="+1", to_number="+2", call_sid=call_sid
        )
        call = await self.live(expected.record.call_id)
        await trio.sleep(30)
        return call

    async def put_through(self, call, reason=EndReason.AGENT):
        """The caller is put through: nothing is open here any more."""
        record = call.record
        record.transfers.append(Transfer("+15550001111", 30.0))
        record.handed_over, record.end_reason = True, reason
        call.over.set()
        await trio.testing.wait_all_tasks_blocked()
        return record


@pytest.fixture
def rig(nursery):
    return RegistryRig(nursery)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("busy", "the line was busy"),
        ("no-answer", "nobody picked up"),
        ("failed", "could not be connected"),
        ("canceled", "nobody picked up"),
        ("", "nobody could be reached"),
        ("of 2027", "nobody could be reached"),
    ],
)
async def test_whoever_reaches_nobody_comes_back_to_the_same_record(autojump_clock, rig, outcome, words):
    record = await rig.put_through(await rig.begin())
    assert (record.state, record.end_reason) == (CallState.ENDED, EndReason.AGENT)
    assert rig.told == [(record.call_id, True)]
    await trio.sleep(20)
    expected = await rig.registry.dialed(record.call_id, outcome, over=False)
    assert expected.record is record
    assert words in expected.came_back.why
    assert (record.state, record.end_reason, record.ended_at, record.handed_over) == (CallState.LIVE, None, None, False)
    assert record.transfers == [Transfer("+15550001111", 30.0, outcome)]
    assert record.earlier_seconds == 50
    assert record.counters == {"transfers_unanswered": 1}
    assert rig.registry.records() == [record]
    assert expected.path != record.call_id
    for _ in range(2):  # Twilio asks again if it did not get the answer
        assert await rig.registry.dialed(record.call_id, outcome, over=False) is expected
    with pytest.raises(CallRefused):
        rig.registry.take(record.call_id)  # the path that was used
    call = await rig.live(expected.path)
    assert await rig.registry.dialed(record.call_id, outcome, over=False) is expected
    with pytest.raises(CallRefused):
        rig.registry.take(expected.path)
    assert rig.registry.statistics().live_calls == 1
    call.end(EndReason.HANGUP, "")
    await trio.testing.wait_all_tasks_blocked()
    assert rig.told == [(record.call_id, True), (record.call_id, False)]
    assert record.end_reason is EndReason.HANGUP


@pytest.mark.parametrize(
    ("outcome", "over"), [("completed", False), ("answered", False), ("no-answer", True), ("canceled", True)]
)
async def test_whoever_reached_somebody_or_has_hung_up_does_not_come_back(autojump_clock, rig, outcome, over):
    record = await rig.put_through(await rig.begin())
    for _ in range(2):
        assert await rig.registry.dialed(record.call_id, outcome, over=over) is None
    assert (record.state, record.end_reason) == (CallState.ENDED, EndReason.HANGUP if over else EndReason.AGENT)
    assert ("hung up before anybody answered" in record.end_detail) is over
    assert record.transfers[0].outcome == outcome
    assert rig.told == [(record.call_id, True), (record.call_id, False)]
    assert await rig.registry.dialed(record.call_id, "completed", over=False) is None
    assert record.transfers[0].outcome == "completed"  # the talk is over, too


async def test_who_hung_up_while_it_rang_has_done_so_though_the_end_was_told_first(autojump_clock, rig):
    record = await rig.put_through(await rig.begin())
    note_status(rig.registry, record.call_id, "CA1", "completed")
    assert await rig.registry.dialed(record.call_id, "no-answer", over=True) is None
    assert (record.end_reason, record.transfers[0].outcome) == (EndReason.HANGUP, "no-answer")


async def test_after_its_time_it_is_certain_that_somebody_has_answered(autojump_clock, rig):
    record = await rig.put_through(await rig.begin())
    await trio.sleep(OUTCOME_SECONDS - 1)
    rig.registry.records()
    assert rig.told == [(record.call_id, True)]
    await trio.sleep(2)
    rig.registry.records()
    assert rig.told == [(record.call_id, True), (record.call_id, False)]
    assert await rig.registry.dialed(record.call_id, "no-answer", over=False) is None


async def test_twilios_word_that_the_call_is_over_is_the_end_of_it(autojump_clock, rig):
    record = await rig.put_through(await rig.begin())
    note_status(rig.registry, record.call_id, "CA1", "completed")
    assert rig.told == [(record.call_id, True), (record.call_id, False)]
    assert record.end_reason is EndReason.AGENT


async def test_a_seat_is_free_while_they_are_put_through_and_they_need_none_to_come_back(autojump_clock, rig):
    record = await rig.put_through(await rig.begin())
    other = await rig.begin("CA2")
    expected = await rig.registry.dialed(record.call_id, "busy", over=False)
    await rig.live(expected.path)
    assert rig.registry.statistics().live_calls == 2
    with pytest.raises(CallRefused):
        rig.registry.expect(PERSONA, direction="inbound", from_number="", to_number="", call_sid="CA3")
    rig.registry.end_all(EndReason.DRAIN, "")
    assert other.ended_for == [EndReason.DRAIN]


async def test_who_comes_back_and_opens_no_stream_is_over(autojump_clock, rig):
    record = await rig.put_through(await rig.begin())
    expected = await rig.registry.dialed(record.call_id, "busy", over=False)
    await trio.sleep(EXPECTED_SECONDS)
    with pytest.raises(CallRefused):
        rig.registry.take(expected.path)
    assert (record.state, record.end_reason) == (CallState.ENDED, EndReason.START_TIMEOUT)
    assert not record.handed_over  # so the phone is hung up


async def test_a_call_whose_models_have_failed_has_nobody_to_come_back_to(autojump_clock, rig):
    record = await rig.put_through(await rig.begin(), EndReason.MODEL_FAILED)
    assert await rig.registry.dialed(record.call_id, "busy", over=False) is None
    assert record.end_reason is EndReason.MODEL_FAILED
    assert record.transfers[0].outcome == "busy"


async def test_nobody_comes_back_for_ever(autojump_clock, rig):
    call = await rig.begin()
    for _ in range(MAX_RETURNS):
        record = await rig.put_through(call)
        expected = await rig.registry.dialed(record.call_id, "busy", over=False)
        call = await rig.live(expected.path)
    record = await rig.put_through(call)
    assert await rig.registry.dialed(record.call_id, "busy", over=False) is None
    assert len({each.outcome for each in record.transfers}) == 1
    assert record.end_detail == "the caller was put through, but the line was busy"


async def test_the_time_limit_goes_on_but_leaves_time_for_a_message(autojump_clock, rig):
    call = await rig.begin()
    await trio.sleep(400)
    record = await rig.put_through(call)
    expected = await rig.registry.dialed(record.call_id, "busy", over=False)
    assert expected.limits.time_limit_seconds == 600 - 430
    call = await rig.live(expected.path)
    await trio.sleep(169)
    record = await rig.put_through(call)
    assert (await rig.registry.dialed(record.call_id, "busy", over=False)).limits.time_limit_seconds == MIN_SECONDS
    assert record.earlier_seconds == 599


async def test_the_outcome_waits_until_nothing_of_the_call_is_open(autojump_clock, rig, nursery):
    """Twilio may find a line busy before the model has taken leave."""
    call = await rig.begin()
    record = call.record
    call.phone_over = call.ended_for.append  # it takes its time
    record.transfers.append(Transfer("+15550001111", 30.0))
    record.handed_over = True
    found = []

    async def dial():
        found.append(await rig.registry.dialed(record.call_id, "busy", over=False))

    nursery.start_soon(dial)
    await trio.sleep(1)
    assert found == []
    record.end_reason = EndReason.AGENT
    call.over.set()
    await trio.testing.wait_all_tasks_blocked()
    assert found[0].came_back is not None


async def test_a_stream_that_does_not_say_that_it_is_over_keeps_nobody_from_coming_back(autojump_clock, rig):
    """Twilio has dialed: whatever its stream looks like, it is not there any more."""
    call = await rig.begin()
    call.record.transfers.append(Transfer("+15550001111", 30.0))
    call.record.handed_over, call.record.end_reason = True, EndReason.AGENT  # which its end says
    expected = await rig.registry.dialed(call.record.call_id, "failed", over=False)
    assert expected.came_back is not None
    assert call.over.is_set()


@pytest.mark.parametrize("reason", [EndReason.HANGUP, EndReason.CALLER_LOST])
async def test_a_stop_that_was_twilios_answer_to_a_transfer_lets_the_caller_come_back(autojump_clock, rig, reason):
    record = await rig.put_through(await rig.begin(), reason)
    expected = await rig.registry.dialed(record.call_id, "busy", over=False)
    assert (expected is not None) is (reason is EndReason.HANGUP)


async def test_a_drain_waits_for_those_who_may_come_back_and_lets_them(autojump_clock, rig, nursery):
    record = await rig.put_through(await rig.begin())
    began = trio.current_time()
    nursery.start_soon(drain, rig.registry, 100)
    await trio.sleep(5)
    expected = await rig.registry.dialed(record.call_id, "busy", over=False)
    call = await rig.live(expected.path)
    await trio.sleep(5)
    call.end(EndReason.HANGUP, "")
    await trio.testing.wait_all_tasks_blocked()
    assert trio.current_time() - began == 10


async def test_the_end_of_a_drain_is_the_end_of_those_who_were_put_through(autojump_clock, rig):
    record = await rig.put_through(await rig.begin())
    await drain(rig.registry, 5)
    assert rig.told == [(record.call_id, True), (record.call_id, False)]
    assert await rig.registry.dialed(record.call_id, "busy", over=False) is None


async def test_a_stream_that_broke_before_the_caller_came_back_is_nobodys(autojump_clock, rig):
    """Callbacks come late: the caller has another stream by then."""
    call = await rig.begin()
    call.record.stream_sid = "MZ1"
    record = await rig.put_through(call)
    expected = await rig.registry.dialed(record.call_id, "busy", over=False)
    note_stream_failure(rig.registry, record.call_id, "MZ1", "31921")
    call = await rig.live(expected.path)
    note_stream_failure(rig.registry, record.call_id, "MZ1", "31921")
    assert call.ended_for == []
    record.stream_sid = "MZ2"
    note_stream_failure(rig.registry, record.call_id, "MZ2", "31924")
    assert call.ended_for == [EndReason.TWILIO_ENDED]


async def test_a_second_stream_that_breaks_is_not_the_one_that_lives(autojump_clock, rig):
    """Twilio has asked for TwiML twice, and the path that both documents name is used."""
    call = await rig.begin()
    call.record.stream_sid = "MZ1"
    note_stream_failure(rig.registry, call.record.call_id, "MZ2", "31920")
    assert call.ended_for == []
    note_stream_failure(rig.registry, call.record.call_id, "MZ1", "31924")
    assert call.ended_for == [EndReason.TWILIO_ENDED]


async def test_a_stream_that_breaks_where_its_caller_is_put_through_is_no_end_of_the_call(autojump_clock, rig):
    call = await rig.begin()
    told = []
    call.phone_over, call.record.stream_sid = told.append, "MZ1"
    call.record.transfers.append(Transfer("+15550001111", 30.0))
    call.record.handed_over = True
    note_stream_failure(rig.registry, call.record.call_id, "MZ1", "31921")
    assert (call.ended_for, told) == ([], ["31921"])


async def test_a_stream_that_never_came_ends_the_call_that_waits_for_it(autojump_clock, rig):
    record = await rig.put_through(await rig.begin())
    await rig.registry.dialed(record.call_id, "busy", over=False)
    note_stream_failure(rig.registry, record.call_id, "MZ2", "31920")
    assert record.end_reason is EndReason.TWILIO_ENDED
    note_stream_failure(rig.registry, "c9", "", "31920")


async def test_a_dialing_that_nobody_knows_of(rig):
    assert await rig.registry.dialed("c9", "busy", over=False) is None


# The call itself, with every kind of model


SAID = (
    Utterance("agent", "Hello, this is the bakery.", 0.5),
    Utterance("caller", "A human, please.", 2.0),
    Utterance("agent", "One moment, please.", 4.0),
)
AGAIN = Script(greeting_ms=500, turns=(Turn(heard="Till noon?", reply="Till noon."),))


async def test_a_verdict_of_before_is_none_of_the_caller_who_comes_back(autojump_clock):
    """A machine answered, Twilio said, when they were being put through: whoever comes back is on the line."""
    made = live_call(script=AGAIN, said=SAID[:1], came_back=CameBack(trio.current_time() - 40, "They are here again."))
    async with made as rig:
        rig.record.answered_by = "machine_start"
        await trio.sleep(6)
        assert rig.record.end_reason is None
        rig.twilio.hang_up()


@pytest.mark.parametrize("kind", KINDS)
async def test_the_agent_takes_up_the_talk_and_says_what_became_of_it(autojump_clock, kind):
    why = "They are on the line with you again."
    async with KINDS[kind](script=AGAIN, said=SAID, came_back=CameBack(trio.current_time() - 40, why)) as rig:
        rig.record.earlier_seconds = 40.0
        await trio.sleep(6)
        rig.speak(1)
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert tuple(rig.record.transcript[:3]) == SAID
    lines = rig.record.transcript[3:]
    assert [line.role for line in lines] == ["agent", "caller", "agent"]
    assert "bakery" not in lines[0].text  # it greets nobody twice
    assert lines[2].text == "Till noon."
    assert [line.at for line in rig.record.transcript] == sorted(line.at for line in rig.record.transcript)
    assert lines[0].at >= 40
    assert rig.record.seconds == pytest.approx(52, abs=0.1)
    asked = [str(message) for message in rig.session.messages] + [str(each) for each in exchanges(rig)]
    assert any(why in message for message in asked)
    assert any("A human, please." in message for message in asked)
    assert_no_mistakes(rig)
