"""One call's failure is one call's failure: its neighbours' frames come as if it were not there.

On the virtual clock, where nothing takes time but waiting: a frame that is late has waited for something of the call
that misbehaves. What it costs them in processor time is what ``benchmarks/neighbours.py`` measures.
"""

import json
import socket
import threading
from contextlib import AsyncExitStack

import pytest
import structlog
import trio
import trio.lowlevel

from tests.calls import live_call
from tests.daemons import THEIR_NUMBER, eventually, open_world
from tests.overriding import override
from trio_voice.limits import Limits
from trio_voice.net.poller import adopt, open_poller
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.assemblyai_agent import Faults, Moment, Say, Script, Strike

NEIGHBOURS = 5
FRAMES = 120
LIMITS = Limits(idle_seconds=1_000, tool_seconds=1, playback_lead_seconds=1)
MID_GREETING = Moment("reply.audio", 3)
NEVER = threading.Event()
"""Set when the suite is through with the threads that wait for it."""


class Oops(Exception):
    """An exception that nobody expects."""


async def wait_for_ever() -> None:
    """Never returns."""
    await trio.sleep_forever()


def block_for_ever() -> None:
    """Never returns, in a thread."""
    NEVER.wait()


async def fail() -> None:
    """Raises."""
    raise Oops


def fail_in_a_thread() -> None:
    """Raises there."""
    raise Oops


async def give_back_nonsense() -> object:
    """A value that no JSON can hold."""
    return object()


TOOLS = (wait_for_ever, block_for_ever, fail, fail_in_a_thread, give_back_nonsense)


def calls_for(tool, times=30):
    calls = [f'{{"type":"tool.call","call_id":"t{n}","name":"{tool.__name__}","arguments":{{}}}}' for n in range(times)]
    return Faults(strikes=(Strike(MID_GREETING, Say(tuple(calls))),))


def says(*messages, times=1):
    return Faults(strikes=(Strike(MID_GREETING, Say(messages, times)),))


async def raise_async(*_):
    raise Oops


def raise_now(*_):
    raise Oops


def break_model_reader(rig):
    rig.model_wire[0].receive = raise_async


def break_model_writer(rig):
    rig.model_wire[0].send = raise_async


def break_caller_reader(rig):
    rig.caller_wire[0].receive = raise_async


def break_caller_writer(rig):
    rig.caller_wire[0].send = raise_async


def break_bridge(rig):
    override(rig.call._bridge, handle=raise_now)


def break_timer(rig):
    override(rig.call._bridge, tick=raise_now)
    rig.call._timer_scope.deadline = trio.current_time()


def break_its_closes(rig):
    for channel, _ in (rig.model_wire, rig.caller_wire):

        async def close(_code=1000, _reason="", channel=channel):
            await channel.abort()  # whatever it raises, it is closed: see Channel.aclose
            raise Oops

        channel.aclose = close
    break_bridge(rig)


def model_stops_reading(rig):
    rig.model_wire[0].stall_sends()


def caller_stops_reading(rig):
    rig.caller_wire[0].stall_sends()


def caller_floods(rig):
    for _ in range(900):
        rig.twilio.send_raw('{"event":"dtmf","dtmf":{"digit":"1"}}')


def caller_sends_garbage(rig):
    for _ in range(300):
        rig.twilio.send_raw("{")


def nothing(_rig):
    """Its faults are what it does."""


B, F, S = EndReason.BUG, EndReason.MODEL_FAILED, EndReason.CALLER_STALLED
MISBEHAVIOURS = {
    "a tool that never returns": (nothing, calls_for(wait_for_ever), None),
    "a tool that never returns, in a thread": (nothing, calls_for(block_for_ever), None),
    "a tool that raises": (nothing, calls_for(fail), None),
    "a tool that raises, in a thread": (nothing, calls_for(fail_in_a_thread), None),
    "a tool that gives nonsense back": (nothing, calls_for(give_back_nonsense), None),
    "a model that sends garbage": (nothing, says("{", "[]", "7", b"\xff", times=100), F),
    "a model that floods": (nothing, says('{"type":"input.speech.started"}', times=5_000), F),
    "a caller that sends garbage": (caller_sends_garbage, Faults(), EndReason.CALLER_LOST),
    "a caller that floods": (caller_floods, Faults(), None),
    "a model that stops reading": (model_stops_reading, Faults(), None),
    "a caller that stops reading": (caller_stops_reading, Faults(), S),
    "an error in the model's reader": (break_model_reader, Faults(), B),
    "an error in the model's writer": (break_model_writer, Faults(), B),
    "an error in the caller's reader": (break_caller_reader, Faults(), B),
    "an error in the caller's writer": (break_caller_writer, Faults(), B),
    "an error in the bridge": (break_bridge, Faults(), B),
    "an error in its timer": (break_timer, Faults(), B),
    "an error, and more in its clean-up": (break_its_closes, Faults(), B),
}


@pytest.fixture(autouse=True, scope="module")
def threads_end():
    yield
    NEVER.set()


@pytest.mark.parametrize(("break_it", "faults", "reason"), MISBEHAVIOURS.values(), ids=MISBEHAVIOURS)
async def test_neighbours_keep_their_rhythm_beside(break_it, faults, reason, autojump_clock):
    """Every frame of theirs reaches its model in the instant it was sent, before, while and after the other breaks."""
    script = Script(greeting_ms=1_000)
    async with AsyncExitStack() as stack:
        neighbours = [
            await stack.enter_async_context(live_call(script=script, limits=LIMITS)) for _ in range(NEIGHBOURS)
        ]
        with structlog.testing.capture_logs():
            async with live_call(script=script, limits=LIMITS, faults=faults, tools=TOOLS) as rogue:
                await trio.sleep(0.5)
                heard_before = [len(rig.session.payloads) for rig in neighbours]
                break_it(rogue)
                for frame in range(1, FRAMES):
                    await trio.sleep(0.02)
                    heard = [len(rig.session.payloads) for rig in neighbours]
                    assert heard == [before + frame for before in heard_before]
                rogue.twilio.hang_up()
            assert rogue.record.end_reason == (reason or EndReason.HANGUP)
        for rig in neighbours:
            rig.twilio.hang_up()
    assert {rig.record.end_reason for rig in neighbours} == {EndReason.HANGUP}
    assert all(b"\x2a" * 8_000 in rig.twilio.line.heard(trio.current_time()) for rig in neighbours)  # the greeting


async def test_a_flood_that_has_arrived_is_read_in_helpings_between_which_everybody_else_is_heard():
    """Or the first read would be hundreds of messages, with nobody else's turn before the last of them."""
    heard = []
    async with open_poller(), trio.open_nursery() as nursery:
        ends = []
        for name in ("flood", "frame"):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                theirs = socket.create_connection(listener.getsockname())
                ours, _ = listener.accept()
            ends.append((name, adopt(trio.SocketStream(trio.socket.from_stdlib_socket(ours))), theirs))
        for _, _, theirs in ends:
            theirs.send(b"first")
        for name, stream, _ in ends:
            nursery.start_soon(stream.listen, lambda data, name=name: heard.append((name, len(data))))
        with trio.fail_after(20):
            while len(heard) < 2:
                await trio.lowlevel.checkpoint()
        del heard[:]
        (_, _, flood), (_, _, frame) = ends
        assert flood.send(b"x" * 40_000) == 40_000
        frame.send(b"y" * 400)
        with trio.fail_after(20):
            while sum(size for name, size in heard if name == "flood") < 40_000:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
        for _, stream, theirs in ends:
            stream.abort()
            theirs.close()
    assert heard.index(("frame", 400)) <= 1
    assert max(size for _, size in heard) <= 4_096


INQUIRY = '''
import sys

def ask() -> float:
    """How long a thread may compute before another has its turn."""
    return sys.getswitchinterval()
'''
ASKS_BY_TOOL = """
[personas.curious]
model = "aai"
greeting = "Ask me."
tools = ["inquiry:ask"]
"""


@pytest.mark.slow
async def test_a_tool_that_computes_in_its_thread_may_keep_the_interpreter_to_itself_for_a_moment_only(tmp_path):
    """With Python's own 5 ms, after each system call, the frames of fifty neighbours came two seconds late."""
    (tmp_path / "daemon").mkdir()
    (tmp_path / "daemon" / "inquiry.py").write_text(INQUIRY)
    async with open_world(tmp_path, personas=ASKS_BY_TOOL) as world:
        request = '{"type":"tool.call","call_id":"t","name":"ask","arguments":{}}'
        world.agent.faults = Faults(strikes=(Strike(Moment("reply.audio"), Say((request,))),))
        placed = await world.daemon.ask("/call", method="POST", body={"to": THEIR_NUMBER, "persona": "curious"})
        call, session = world.twilio.calls[placed["call_sid"]], await world.agent.wait_session(1)
        (result,) = await eventually(lambda: [text for text in session.messages if '"tool.result"' in text])
        call.hang_up()
        await world.ended(call)
    assert float(json.loads(result)["result"]) <= 0.000_2
