"""Goodbyes, transfers and messages in a call with each kind of model: taken back, once, and recorded as they were."""

import pytest
import trio

from tests.call.test_tools_of_every_kind import KINDS, assert_no_mistakes
from trio_voice.call.built_in_tools import end_call, transfer_to_human
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.record import EndReason
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn

END, TRANSFER = ToolUse("end_call"), ToolUse("transfer_to_human")
GOODBYE = "Thank you for calling, goodbye."
MESSAGE = "Please call us back when you have the time."
PERSONA = Persona(
    name="p", model="m", greeting="Hello, this is the bakery.", transfer_to="+15550001111", voicemail=MESSAGE
)


class Phone:
    """Puts callers through: their stream is stopped."""

    def __init__(self):
        self.numbers = []
        self.rig = None

    async def transfer(self, call, number):
        self.numbers.append(number)
        self.rig.twilio.hang_up()


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


async def talked(kind, *turns, speech=(), seconds=20.0, at=None):
    """A call in which the caller speaks at these times; its rig, and its phone. ``at`` is a time, and what is done."""
    phone = Phone()
    made = KINDS[kind](
        script=Script(greeting_ms=500, turns=turns),
        persona=PERSONA,
        limits=Limits(idle_seconds=600),
        tools=[end_call, transfer_to_human],
        phone=phone,
    )
    async with made as rig:
        phone.rig, rig.record.call_sid = rig, "CA1"
        began = trio.current_time()
        for when, how_long in speech:
            await trio.sleep_until(began + when)
            rig.speak(how_long)
        if at is not None:
            await trio.sleep_until(began + at[0])
            at[1](rig)
        with trio.move_on_at(began + seconds):
            await rig.over.wait()
        rig.twilio.hang_up()
    assert_no_mistakes(rig)
    return rig, phone


def said(rig):
    return [line.text for line in rig.record.transcript if line.role == "agent" and line.text]


def bye(tool, after=""):
    return Turn(heard="Thank you, bye.", reply=GOODBYE, reply_ms=3_000, tool=tool, after_tool=after)


@pytest.mark.parametrize("tool", [END, TRANSFER], ids=["end", "transfer"])
async def test_a_goodbye_is_said_once_whatever_a_model_says_to_the_result(autojump_clock, kind, tool):
    rig, phone = await talked(kind, bye(tool, after="Goodbye again."), speech=[(2, 0.5)])
    assert rig.record.end_reason is EndReason.AGENT
    assert said(rig)[1:] == [GOODBYE]
    assert phone.numbers == ["+15550001111"] * (tool is TRANSFER)
    assert rig.ended_at < 8


@pytest.mark.parametrize("tool", [END, TRANSFER], ids=["end", "transfer"])
async def test_a_caller_with_more_to_say_is_answered_and_stays(autojump_clock, kind, tool):
    more = Turn(heard="Wait, one more thing.", reply="Of course, what is it?")
    rig, phone = await talked(kind, bye(tool), more, speech=[(2, 0.5), (4.5, 1)])
    assert rig.record.end_reason is EndReason.HANGUP
    assert said(rig)[-1] == "Of course, what is it?"
    assert phone.numbers == []
    assert rig.record.transcript[2].interrupted


async def test_an_agent_that_says_goodbye_once_more_is_done(autojump_clock, kind):
    again = Turn(heard="Wait, one more thing.", reply="Call tomorrow. Goodbye.", tool=END, after_tool="")
    rig, _ = await talked(kind, bye(END), again, speech=[(2, 0.5), (4.5, 1)])
    assert rig.record.end_reason is EndReason.AGENT
    assert rig.record.end_detail == "the agent ended the call, and its goodbye was heard"
    assert rig.ended_at < 10


async def test_whoever_hangs_up_in_the_goodbye_has_not_heard_it(autojump_clock, kind):
    rig, _ = await talked(kind, bye(END), speech=[(2, 0.5)], seconds=4.5)
    assert rig.record.end_reason is EndReason.HANGUP
    goodbye = rig.record.transcript[-1]
    assert (goodbye.role, goodbye.interrupted) == ("agent", True)


def answers(rig):
    rig.record.answered_by = "machine_end_beep"
    rig.call.machine_answered()


async def test_a_machine_that_is_still_talking_is_left_the_message_and_no_answer(autojump_clock, kind):
    """The verdict may come into its words, or just behind them, when the model is about to answer."""
    tone = Turn(heard="Leave a message after the tone.", reply="Hello Bob, how are you today?")
    menu = Turn(heard="Press one to send it.", reply="I press one.")
    rig, _ = await talked(kind, tone, menu, speech=[(2, 3)], at=(4, answers))
    assert rig.record.end_detail == "a machine answered, and the message was left"
    assert said(rig)[1:] == [MESSAGE]
