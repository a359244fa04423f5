"""Tools in a call, on the virtual clock: every request is answered, whatever the tool does, whenever the call ends."""

import json

import attrs
import pytest
import structlog
import trio

from tests.calls import GREETING, live_call
from trio_voice.call.built_in_tools import consent_to_recording, end_call, transfer_to_human
from trio_voice.call.call_tools import MAX_TOOLS
from trio_voice.call.transfers import REQUEST_SECONDS
from trio_voice.errors import CallRefused, RestError
from trio_voice.events.call import TransferRequested
from trio_voice.events.model import ToolWithdrawn
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import BROWSER, EndReason
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Manner, Script, Turn

DESK = "+15550001111"
PERSONA = Persona(name="p", model="m", greeting=GREETING, transfer_to=DESK)


def script(tool, *, reply="", after="It is done."):
    return Script(greeting_ms=500, turns=(Turn(reply=reply, tool=ToolUse(tool), after_tool=after),))


def results(rig):
    messages = [json.loads(message) for message in rig.session.messages]
    return [
        (json.loads(message["result"]), message.get("is_error", False))
        for message in messages
        if message["type"] == "tool.result"
    ]


async def look_up(order: int = 7) -> str:
    """Look something up."""
    await trio.sleep(1)
    return f"order {order}"


async def hang() -> None:
    """Never answers."""
    await trio.sleep_forever()


def never_called() -> None:
    """Not asked for."""


async def ask(rig):
    await trio.sleep(2)
    rig.speak(0.5)
    await trio.sleep(1.2)


@pytest.mark.parametrize("preamble_ms", [0, 5_000], ids=["after the reply is done", "before it is"])
async def test_a_result_reaches_the_model_in_either_order(autojump_clock, preamble_ms):
    manner = Manner(preamble_ms=preamble_ms)
    async with live_call(script=script("look_up"), tools=[look_up], manner=manner) as rig:
        await ask(rig)
        await trio.sleep(8)
        rig.twilio.hang_up()
    assert results(rig) == [("order 7", False)]
    assert rig.record.transcript[-1].text == "It is done."
    assert [(use.name, use.failed, use.milliseconds) for use in rig.record.tools] == [("look_up", False, 1_000)]


@pytest.mark.parametrize(
    ("wanted", "words"), [("hang", "took too long"), ("fly", "no tool 'fly'")], ids=["too slow", "unknown"]
)
async def test_a_tool_that_cannot_answer_is_answered_for(autojump_clock, wanted, words):
    limits = Limits(tool_seconds=2)
    async with live_call(script=script(wanted), tools=[hang, never_called], limits=limits) as rig:
        await ask(rig)
        await trio.sleep(8)
        rig.twilio.hang_up()
    ((answer, failed),) = results(rig)
    assert failed
    assert words in answer["error"]
    assert rig.record.end_reason is EndReason.HANGUP


async def test_a_name_that_the_model_invented_is_in_no_log_and_no_record(autojump_clock):
    with structlog.testing.capture_logs() as lines:
        async with live_call(script=script("call_ann_on_5551230042")) as rig:
            await ask(rig)
            await trio.sleep(8)
            rig.twilio.hang_up()
    assert [(use.name, use.known) for use in rig.record.tools] == [("unknown", False)]
    assert "5551230042" not in str([line for line in lines if line["log_level"] != "debug"])


async def test_as_many_tools_run_at_once_as_may_and_one_more_is_refused(autojump_clock):
    turn = Turn(reply="", tool=ToolUse("look_up"), also=(ToolUse("look_up"),) * MAX_TOOLS)
    greedy = Script(greeting_ms=500, turns=(turn,))
    async with live_call(script=greedy, tools=[look_up]) as rig:
        await ask(rig)
        await trio.sleep(8)
        rig.twilio.hang_up()
    assert sorted(failed for _, failed in results(rig)) == [False] * MAX_TOOLS + [True]
    assert any("too many things" in str(answer) for answer, failed in results(rig) if failed)
    assert rig.record.end_reason is EndReason.HANGUP


async def test_a_call_that_ends_while_a_tool_runs_does_not_wait_for_it(autojump_clock):
    async with live_call(script=script("hang"), tools=[hang], limits=Limits(tool_seconds=100)) as rig:
        await ask(rig)
        rig.twilio.hang_up()
        ended = trio.current_time()
    assert rig.ended_at - ended < 0.05
    assert rig.session.told_goodbye


async def test_a_request_whose_reply_was_interrupted_gets_no_answer(autojump_clock):
    manner = Manner(preamble_ms=5_000)
    talkative = script("look_up", reply="Let me see what I can find for you there.")
    async with live_call(script=talkative, tools=[look_up], manner=manner) as rig:
        await ask(rig)
        await trio.sleep(2.4)  # the tool has just been asked for
        rig.speak(1)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert results(rig) == []
    assert rig.record.counters["tool_results_not_wanted"] == 1
    assert [use.failed for use in rig.record.tools] == [False]


async def test_the_agent_ends_the_call_once_its_goodbye_was_heard(autojump_clock):
    goodbye = script("end_call", reply="Goodbye, and thank you for calling.", after="")
    async with live_call(script=goodbye, tools=[end_call]) as rig:
        await ask(rig)
    assert rig.record.end_reason is EndReason.AGENT
    heard = rig.twilio.line.heard(rig.ended_at)
    assert heard.count(b"\x2a") == (500 + 50 * len("Goodbye, and thank you for calling.")) * 8
    assert rig.session.told_goodbye


@attrs.define
class StubPhone:
    """Twilio's side of a transfer."""

    fails: bool = False
    rig: object = None
    transferred: list[tuple[str, str]] = attrs.field(factory=list)

    async def transfer(self, call, number):
        await trio.sleep(0.2)
        if self.fails:
            raise RestError("Twilio says no")
        self.transferred.append((call.call_sid, number))
        self.rig.twilio.hang_up()


async def test_a_transfer_comes_after_its_announcement(autojump_clock):
    phone = StubPhone()
    announced = script("transfer_to_human", reply="One moment please.", after="")
    async with live_call(script=announced, tools=[transfer_to_human], phone=phone, persona=PERSONA) as rig:
        phone.rig = rig
        await ask(rig)
    assert phone.transferred == [(rig.record.call_sid, DESK)]
    assert rig.record.end_reason is EndReason.AGENT
    assert rig.record.handed_over
    assert rig.twilio.line.heard(rig.ended_at).count(b"\x2a") == (500 + 50 * len("One moment please.")) * 8


@pytest.mark.parametrize("phone", [StubPhone(fails=True), None], ids=["Twilio refuses", "no account"])
async def test_a_transfer_that_fails_leaves_the_caller_with_the_agent(autojump_clock, phone):
    announced = script("transfer_to_human", reply="One moment please.", after="")
    async with live_call(script=announced, tools=[transfer_to_human], phone=phone, persona=PERSONA) as rig:
        await ask(rig)
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    assert not rig.record.handed_over
    assert any("reply.create" in str(message) for message in rig.session.messages)


async def test_a_caller_whose_stream_stops_before_twilio_has_answered_the_request_was_put_through(autojump_clock):
    """Twilio acts, and only then answers; the phone of whoever is talking to somebody else is not hung up."""

    class PromptPhone:
        async def transfer(self, call, number):
            rig.twilio.hang_up()
            await trio.sleep(5)

    announced = script("transfer_to_human", reply="One moment please.", after="")
    async with live_call(script=announced, tools=[transfer_to_human], phone=PromptPhone(), persona=PERSONA) as rig:
        await ask(rig)
    assert rig.record.end_reason is EndReason.AGENT
    assert rig.record.handed_over


@pytest.mark.parametrize("answers", [True, False], ids=["the request was answered", "not yet"])
async def test_a_transfer_is_the_agents_end_though_the_callback_of_a_caller_who_hung_up_then_comes_first(
    autojump_clock, answers
):
    class PromptPhone:
        async def transfer(self, call_sid, number):
            rig.twilio.vanish()  # its stop is on its way, and long in coming
            rig.call.phone_over("Twilio says that the call is completed")
            await trio.sleep(0.1 if answers else 5)

    announced = script("transfer_to_human", reply="One moment please.", after="")
    async with live_call(script=announced, tools=[transfer_to_human], phone=PromptPhone(), persona=PERSONA) as rig:
        await ask(rig)
    assert rig.record.end_reason is EndReason.AGENT
    assert rig.record.handed_over


@pytest.mark.parametrize("trouble", ["hangs", "breaks off"])
async def test_a_transfer_of_which_twilio_says_nothing_may_be_done_all_the_same(autojump_clock, trouble):
    """The caller hears a word within seconds; if the stream stops then, Twilio is asked what became of them."""

    class SlowPhone:
        async def transfer(self, call, number):
            if trouble == "hangs":
                await trio.sleep_forever()
            raise RestError("Twilio cannot be reached", retryable=True, outcome_unknown=True)

    announced = script("transfer_to_human", reply="One moment please.", after="")
    async with live_call(script=announced, tools=[transfer_to_human], phone=SlowPhone(), persona=PERSONA) as rig:
        await ask(rig)
        await trio.sleep(REQUEST_SECONDS + 6)  # the reply that is being made is waited for
        assert any("could not be put through" in str(message) for message in rig.session.messages)
        assert not rig.record.handed_over
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    assert rig.record.transfers[0].outcome == "unknown"
    assert rig.record.handed_over


@pytest.mark.parametrize(("direction", "ours"), [("inbound", "to_number"), ("outbound", "from_number")])
async def test_nobody_is_put_through_to_our_end_of_their_call(autojump_clock, direction, ours):
    """A number of ours that points here would begin another call with the same agent, and so on."""
    phone = StubPhone()
    announced = script("transfer_to_human", reply="One moment please.", after="")
    async with live_call(script=announced, tools=[transfer_to_human], phone=phone, persona=PERSONA) as rig:
        rig.record.direction = direction
        setattr(rig.record, ours, f"sip:{DESK}@example.com")
        await ask(rig)
        await trio.sleep(3)
        with pytest.raises(CallRefused, match="of ours"):
            rig.call.ask(TransferRequested(DESK))
        rig.twilio.hang_up()
    assert phone.transferred == []
    assert rig.record.transfers == []
    assert any("could not be put through" in str(message) for message in rig.session.messages)


async def test_a_caller_who_hangs_up_before_they_can_be_put_through_was_not(autojump_clock):
    class LatePhone:
        async def transfer(self, call_sid, number):
            rig.twilio.vanish()
            rig.call.phone_over("Twilio says that the call is completed")
            await trio.sleep(0.1)
            raise RestError("the call is not in progress")

    announced = script("transfer_to_human", reply="One moment please.", after="")
    async with live_call(script=announced, tools=[transfer_to_human], phone=LatePhone(), persona=PERSONA) as rig:
        await ask(rig)
    assert rig.record.end_reason is EndReason.TWILIO_ENDED
    assert not rig.record.handed_over


async def test_a_call_that_ends_during_its_transfer_is_not_taken_for_handed_over(autojump_clock):
    """The time limit strikes while Twilio has not answered: the phone must be hung up after all."""

    class SlowPhone:
        async def transfer(self, call, number):
            await trio.sleep_forever()

    announced = script("transfer_to_human", reply="One moment please.", after="")
    async with live_call(script=announced, tools=[transfer_to_human], phone=SlowPhone(), persona=PERSONA) as rig:
        await ask(rig)
        await trio.sleep(4)
        assert rig.record.handed_over
        rig.call.end(EndReason.OPERATOR, "")
    assert not rig.record.handed_over


async def test_a_tool_that_the_model_withdraws_is_let_finish_and_not_answered(autojump_clock):
    async def book() -> str:
        """Takes long."""
        await trio.sleep(5)
        return "booked"

    async with live_call(script=script("book"), tools=[book]) as rig:
        await ask(rig)
        (request,) = [event for _, event in rig.session.sent if event["type"] == "tool.call"]
        rig.call._on_fact(ToolWithdrawn(request["call_id"]))
        await trio.sleep(5.5)
        rig.twilio.hang_up()
    assert results(rig) == []
    assert [(tool.name, tool.failed) for tool in rig.record.tools] == [("book", False)]


async def test_a_caller_whose_telephone_is_a_page_cannot_be_put_through_and_the_model_is_told(autojump_clock):
    phone = StubPhone()
    wants = script("transfer_to_human", reply="One moment please.", after="That does not work here.")
    async with live_call(script=wants, tools=[transfer_to_human], phone=phone, persona=PERSONA) as rig:
        rig.record.from_number = BROWSER
        await trio.sleep(2)
        rig.speak(0.6)
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert rig.record.call_sid is None
    assert rig.record.stream_sid is not None
    assert rig.record.transfers == []
    assert [(tool.name, tool.failed) for tool in rig.record.tools] == [("transfer_to_human", True)]
    assert rig.record.transcript[-1].text == "That does not work here."
    assert rig.record.end_reason is EndReason.HANGUP


async def test_a_recording_that_was_consented_to_begins_then_and_one_that_cannot_be_made_is_told(autojump_clock):
    for can_record in (True, False):
        paper = StubRecording(can_record)
        wants = script("consent_to_recording", reply="", after="Thank you.")
        async with live_call(script=wants, tools=[consent_to_recording]) as rig:
            rig.call._tools._recording = paper
            await trio.sleep(2)
            rig.speak(0.6)
            await trio.sleep(3)
            rig.twilio.hang_up()
        assert paper.asked == 1
        assert [(tool.name, tool.failed) for tool in rig.record.tools] == [("consent_to_recording", not can_record)]
        assert rig.record.end_reason is EndReason.HANGUP


class StubRecording:
    """A recording that waits for consent."""

    def __init__(self, can_record):
        self.asked = 0
        self._can_record = can_record

    def consent(self):
        self.asked += 1
        return self._can_record


async def test_tools_that_are_over_make_room_for_no_more_than_may_run_at_once(autojump_clock):
    once = Turn(reply="", tool=ToolUse("look_up"), after_tool="It is done.")
    greedy = Turn(reply="", tool=ToolUse("look_up"), also=(ToolUse("look_up"),) * MAX_TOOLS)
    async with live_call(script=Script(greeting_ms=500, turns=(once, greedy)), tools=[look_up]) as rig:
        await ask(rig)
        await trio.sleep(8)
        await ask(rig)
        await trio.sleep(8)
        rig.twilio.hang_up()
    assert sorted(failed for _, failed in results(rig)) == [False] * (MAX_TOOLS + 1) + [True]


async def test_the_record_says_when_a_tool_was_used_and_what_was_not_asked_for(autojump_clock):
    wanted = Script(greeting_ms=500, turns=(Turn(reply="", tool=ToolUse("look_up", {"colour": "blue"})),))
    async with live_call(script=wanted, tools=[look_up]) as rig:
        await ask(rig)
        await trio.sleep(8)
        rig.twilio.hang_up()
    (use,) = rig.record.tools
    assert 2.5 < use.at < 8
    assert rig.record.counters["unknown_tool_arguments"] == 1


async def test_a_transfer_that_twilio_refuses_is_in_the_record_as_that(autojump_clock):
    class RefusingPhone:
        async def transfer(self, call, number):
            raise RestError("no")

    announced = script("transfer_to_human", reply="One moment please.", after="")
    async with live_call(script=announced, tools=[transfer_to_human], phone=RefusingPhone(), persona=PERSONA) as rig:
        await ask(rig)
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert [transfer.outcome for transfer in rig.record.transfers] == ["refused"]
