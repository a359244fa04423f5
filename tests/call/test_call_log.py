"""Lines of the log that a call writes, as an operator and a dashboard read them: event, level and fields."""

from datetime import UTC

import attrs
import pytest
import structlog
import trio

from tests.calls import GREETING, live_call
from tests.overriding import override
from trio_voice.call.built_in_tools import transfer_to_human
from trio_voice.errors import CallRefused, RestError
from trio_voice.events.call import MuteRequested, SayRequested, TransferRequested
from trio_voice.limits import Limits
from trio_voice.persona import Persona
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn

PERSONA = Persona(name="p", model="m", greeting=GREETING, transfer_to="+15550001111")


def script(tool):
    return Script(greeting_ms=500, turns=(Turn(reply="", tool=ToolUse(tool), after_tool="It is done."),))


async def look_up() -> str:
    """Look something up."""
    await trio.sleep(1)
    return "order 7"


@attrs.frozen
class StubPhone:
    """Twilio's side of a transfer, which takes so long, and may come to nothing."""

    seconds: float = 0.2
    refusal: str | None = None

    async def transfer(self, _call, _number):
        await trio.sleep(self.seconds)
        if self.refusal is not None:
            raise RestError(self.refusal)


async def logged(*, tool="", tools=(), phone=None, limits=None, act=None):
    """The log of a call whose caller speaks after two seconds and hangs up after eight more."""
    with structlog.testing.capture_logs() as lines:
        async with live_call(
            script=script(tool) if tool else Script(greeting_ms=500),
            tools=tools,
            phone=phone,
            persona=PERSONA,
            limits=limits,
        ) as rig:
            await trio.sleep(2)
            if tool:
                rig.speak(0.5)
            if act is not None:
                act(rig)
            await trio.sleep(8)
            rig.twilio.hang_up()
    return lines


def of(lines, event):
    return [line for line in lines if line["event"] == event]


async def test_a_call_begins_and_ends_in_the_log(autojump_clock):
    lines = await logged()
    (began,) = of(lines, "call_started")
    assert began == {"event": "call_started", "log_level": "info", "persona": "p", "direction": "inbound"}
    (ended,) = of(lines, "call_ended")
    told = {
        "log_level": "info",
        "end_reason": "hangup",
        "detail": "Twilio sent stop",
        "seconds": 10.0,
        "model_closing": ["acknowledged"],
    }
    assert told.items() <= ended.items()
    assert 0 <= ended["closing_seconds"] < 0.1
    assert ended["dead_air_ms"] > 0  # and all else that was counted


async def test_a_tool_is_in_the_log_with_its_time_and_an_unknown_one_without_its_name(autojump_clock):
    lines = await logged(tool="look_up", tools=[look_up])
    assert of(lines, "tool") == [
        {"event": "tool", "log_level": "info", "tool": "look_up", "failed": False, "milliseconds": 1_000}
    ]
    lines = await logged(tool="fly", tools=[look_up])
    assert of(lines, "tool") == [
        {"event": "tool", "log_level": "info", "tool": "unknown", "failed": True, "milliseconds": 0}
    ]
    assert of(lines, "tool_unknown") == [{"event": "tool_unknown", "log_level": "debug", "tool": "fly"}]


@pytest.mark.parametrize(
    ("phone", "error"),
    [
        (None, "it needs account_sid, TWILIO_AUTH_TOKEN and transfer_to"),
        (StubPhone(refusal="Twilio says no"), "Twilio says no"),
        (StubPhone(refusal=""), "Twilio did not answer in time"),
        (StubPhone(seconds=100), "Twilio did not answer in time"),
    ],
    ids=["no account", "refused", "refused without a word", "no answer"],
)
async def test_a_transfer_that_fails_says_why(autojump_clock, phone, error):
    lines = await logged(
        tool="transfer_to_human", tools=[transfer_to_human], phone=phone, limits=Limits(tool_seconds=2)
    )
    assert of(lines, "transfer_failed") == [{"event": "transfer_failed", "log_level": "warning", "error": error}]
    assert of(lines, "transferred") == []


async def test_a_transfer_is_in_the_log(autojump_clock):
    lines = await logged(tool="transfer_to_human", tools=[transfer_to_human], phone=StubPhone())
    assert of(lines, "transferred") == [{"event": "transferred", "log_level": "info"}]
    assert of(lines, "transfer_failed") == []


@pytest.mark.parametrize(
    ("wish", "name"), [(SayRequested("One moment."), "SayRequested"), (MuteRequested(muted=True), "MuteRequested")]
)
async def test_a_wish_of_the_operator_is_in_the_log_without_its_words(autojump_clock, wish, name):
    lines = await logged(act=lambda rig: rig.call.ask(wish))
    assert of(lines, "operator_asked") == [{"event": "operator_asked", "log_level": "info", "wish": name}]


async def test_a_bug_is_in_the_log_with_its_trace(autojump_clock):
    def break_bridge(rig):
        override(rig.call._bridge, forward_caller_audio=broken)

    def broken(*_):
        raise RuntimeError("a bug")

    lines = await logged(act=break_bridge)
    (line,) = of(lines, "call_bug")
    assert (line["log_level"], line["exc_info"]) == ("error", True)
    (ended,) = of(lines, "call_ended")
    assert (ended["log_level"], ended["end_reason"]) == ("warning", "bug")


async def test_a_bug_in_a_goodbye_is_in_the_log_and_the_call_is_over_all_the_same(autojump_clock):
    def break_goodbye(rig):
        async def close():
            await rig_close()
            raise RuntimeError("a bug")

        rig_close = rig.call._model.close
        override(rig.call._model, close=close)

    lines = await logged(act=break_goodbye)
    (line,) = of(lines, "close_bug")
    assert (line["log_level"], line["exc_info"]) == ("error", True)
    (ended,) = of(lines, "call_ended")
    assert ended["end_reason"] == "hangup"


async def test_a_call_that_cannot_be_put_through_says_so_and_one_with_a_telephone_can(autojump_clock):
    refusals = []

    def put_through(rig):
        try:
            rig.call.ask(TransferRequested("+15550001111"))
        except CallRefused as refused:
            refusals.append((refused.code, str(refused)))

    lines = await logged(act=put_through)
    assert of(lines, "operator_asked") == []
    lines = await logged(act=put_through, phone=StubPhone())
    assert [line["wish"] for line in of(lines, "operator_asked")] == ["TransferRequested"]
    words = "this call cannot be put through: it has no telephone at Twilio"
    assert [(code, words in said) for code, said in refusals] == [("not_supported", True)]


async def test_the_times_of_a_record_are_of_utc(autojump_clock):
    async with live_call() as rig:
        await trio.sleep(2)
        rig.twilio.hang_up()
    assert rig.record.started_at.tzinfo is rig.record.ended_at.tzinfo is UTC
