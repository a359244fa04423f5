"""A session that could not be opened is tried again where that may help, as long as a caller can be left waiting."""

import base64
from functools import partial
from itertools import pairwise

import pytest
import trio

from tests.calls import GREETING, OPENAI_REALTIME, SCRIPT, live_call
from trio_voice.errors import ModelUnavailable
from trio_voice.events.call import LegClosed
from trio_voice.events.model import ModelFault, ModelReady
from trio_voice.legs.attempts import MAX_RETRY_AFTER, Attempts
from trio_voice.limits import Limits
from trio_voice.persona import Line, Lines, Persona
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.assemblyai_agent import VoiceAgentServer
from trio_voice.sandbox.providers.assemblyai_agent.faults import Faults
from trio_voice.sandbox.transport.faults import Cut, Fail, Moment, Strike
from trio_voice.session_record import Closing

GONE = LegClosed("model", politely=False, detail="HTTP 503", passing=True)
FIRST_MESSAGE = Moment(heard=True)
LINE_SECONDS = 4
LINES = Lines(failure=Line("Please call again.", base64.b64encode(bytes(LINE_SECONDS * 8_000)).decode()))


def told_to_wait(seconds):
    return LegClosed("model", politely=False, detail="HTTP 429", passing=True, retry_after=seconds)


def pauses(attempts, now=0.0):
    while (pause := attempts.pause_after(GONE, now)) is not None:
        yield pause
        now += pause


def test_the_pauses_grow_and_end_before_the_caller_has_waited_too_long():
    assert list(pauses(Attempts(0, 10, others=False, first=True))) == [0.3, 0.6, 1.2, 2.0]
    assert list(pauses(Attempts(0, 3, others=False, first=True))) == [0.3, 0.6]
    assert list(pauses(Attempts(0, 10, others=True, first=True))) == [0.3, 0.6]
    assert list(pauses(Attempts(0, 10, others=False, first=False))) == [0.3, 0.6]


def test_a_wait_that_the_provider_asks_for_is_kept_up_to_a_bound():
    assert Attempts(0, 10, others=False, first=True).pause_after(told_to_wait(MAX_RETRY_AFTER), 0) == MAX_RETRY_AFTER
    assert Attempts(0, 20, others=False, first=True).pause_after(told_to_wait(MAX_RETRY_AFTER + 1), 0) is None
    assert (
        Attempts(0, 10, others=True, first=True).pause_after(told_to_wait(3), 0) is None
    )  # somebody else can answer before


@pytest.mark.parametrize(
    "fact",
    [
        LegClosed("model", politely=False, detail="HTTP 401"),
        ModelFault("invalid_api_key", "check the key", fatal=True),
        ModelReady("s"),
    ],
    ids=["closed", "fault", "ready"],
)
def test_what_names_its_cause_is_not_asked_again(fact):
    assert Attempts(0, 10, others=False, first=True).pause_after(fact, 0) is None


class Refusing:
    """Refuses whoever comes, so often."""

    def __init__(self, times, **refusal):
        self.times, self.refusal, self.came_at = times, refusal, []

    async def open(self):
        self.came_at.append(trio.current_time())
        if len(self.came_at) <= self.times:
            await trio.sleep(0.01)
            raise ModelUnavailable("the host answered the WebSocket handshake with HTTP 503", **self.refusal)


@pytest.fixture(params=["assemblyai-agent", "openai-realtime"])
def any_call(request):
    return live_call if request.param == "assemblyai-agent" else partial(live_call, model=OPENAI_REALTIME)


async def test_a_handshake_that_fails_twice_is_no_end_of_the_call(autojump_clock, any_call):
    peer = Refusing(2, status=503, passing=True)
    async with any_call(connect=peer.open) as rig:
        await trio.sleep(4)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert peer.came_at == pytest.approx([0, 0.31, 0.92])
    assert [line.role for line in rig.record.transcript] == ["agent", "caller", "agent"]
    assert [session.closing for session in rig.record.model_sessions] == [
        Closing.ABORTED,
        Closing.ABORTED,
        Closing.ACKNOWLEDGED,
    ]
    assert rig.record.counters["model_faults"] == 2


@pytest.mark.parametrize("after", [5.0, 15.0], ids=["young", "good"])
async def test_who_loses_a_model_that_refuses_from_then_on_has_heard_the_last_line_within_six_seconds(
    autojump_clock, any_call, after
):
    async def refuse():
        if trio.current_time() >= after:
            raise ModelUnavailable("the host refused the connection", passing=True)

    async with any_call(connect=refuse, lines=LINES) as rig:
        await trio.sleep(after)
        rig.model_wire[1].cut()
    assert (rig.record.end_reason, rig.record.transcript[-1].text) == (EndReason.MODEL_FAILED, LINES.failure.text)
    assert LINE_SECONDS < rig.ended_at - after < 6


async def test_a_handshake_that_always_fails_is_given_up_while_somebody_still_waits(autojump_clock, any_call):
    peer = Refusing(99, status=503, passing=True)
    async with any_call(connect=peer.open) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "HTTP 503" in rig.record.end_detail
    assert rig.ended_at < 6


async def test_a_refusal_for_good_is_told_at_once(autojump_clock, any_call):
    peer = Refusing(99, status=401)
    async with any_call(connect=peer.open) as rig:
        pass
    assert (len(peer.came_at), rig.ended_at) == (1, pytest.approx(0.01))


async def test_a_wait_that_is_asked_for_is_waited(autojump_clock, any_call):
    peer = Refusing(1, status=429, passing=True, retry_after=4.0)
    async with any_call(connect=peer.open) as rig:
        await trio.sleep(5)
        rig.twilio.hang_up()
    assert peer.came_at == pytest.approx([0, 4.01])
    assert rig.record.end_reason is EndReason.HANGUP


async def test_who_asks_for_no_wait_at_all_is_not_asked_without_a_pause(autojump_clock, any_call):
    peer = Refusing(99, status=503, passing=True, retry_after=0.0)
    async with any_call(connect=peer.open) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert min(later - earlier for earlier, later in pairwise(peer.came_at)) >= 0.3


@pytest.mark.parametrize("act", [Cut(), Cut(reset=True)], ids=str)
async def test_a_socket_that_is_lost_before_the_session_is_ready_is_opened_again(autojump_clock, any_call, act):
    strikes = (Strike(FIRST_MESSAGE, act),)
    async with any_call(faults=Faults(strikes=strikes)) as rig:
        await trio.sleep(0.1)
        rig.agent.faults = Faults()
        await trio.sleep(3)
        rig.twilio.hang_up()
    assert len(rig.agent.sessions) == 2
    assert [line.role for line in rig.record.transcript] == ["agent"]


async def test_a_provider_that_is_full_for_a_moment_is_asked_again(autojump_clock):
    strikes = (Strike(FIRST_MESSAGE, Fail("at_capacity")),)
    async with live_call(faults=Faults(strikes=strikes)) as rig:
        await trio.sleep(0.1)
        rig.agent.faults = Faults()
        await trio.sleep(3)
        rig.twilio.hang_up()
    assert [line.role for line in rig.record.transcript] == ["agent"]


async def test_the_next_model_is_not_kept_waiting_for_the_first(autojump_clock):
    peer, second = Refusing(3, passing=True), VoiceAgentServer(SCRIPT.backend)
    persona = Persona(name="p", model=("a", "b"), greeting=GREETING)
    async with live_call(connect=peer.open, successors=[second], persona=persona) as rig:
        await trio.sleep(3)
        rig.twilio.hang_up()
    assert len(peer.came_at) == 4  # the last is the second's
    assert second.sessions[0].opened_at < 1.1
    assert [line.text for line in rig.record.transcript] == [GREETING]


async def test_a_call_that_ends_between_two_tries_leaves_nothing(autojump_clock, any_call):
    for tenth in range(20):
        peer = Refusing(3, passing=True)
        async with any_call(connect=peer.open, limits=Limits(close_seconds=1)) as rig:
            await trio.sleep(tenth / 10)
            rig.scope.cancel()
        assert rig.record.closing_seconds <= 1
        assert len(rig.record.model_sessions) == max(len(peer.came_at), 1)


async def test_a_model_that_is_never_ready_is_left_in_time_though_it_is_tried_again(autojump_clock, any_call):
    peer = Refusing(1, passing=True)
    limits = Limits(model_ready_seconds=4)
    async with any_call(connect=peer.open, limits=limits, faults=Faults(never_ready=True)) as rig:
        pass
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert rig.ended_at == pytest.approx(4)
