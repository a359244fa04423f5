"""A short call with everything in it, struck at any moment: at a scheduling step of its tasks, or at a message.

The conversation has a greeting, a question, an answer that is talked over, another question, a tool, an answer and a
goodbye, all within 1.3 virtual seconds, so that every one of its moments can be tried. The agent makes its speech
faster than it is heard, so that some of it waits in the bridge when the caller interrupts.
"""

import inspect
import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from functools import partial

import attrs
import pytest
import trio
import trio.testing

from tests import calls
from tests.calls import Rig, live_call
from tests.chains import live_chain
from tests.overriding import override
from trio_voice.limits import Limits
from trio_voice.net.websocket import WebSocketChannel
from trio_voice.protocols.websocket import WebSocket
from trio_voice.record import CallState, EndReason
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers import openai_realtime
from trio_voice.sandbox.providers.assemblyai_agent import Manner, Script, Turn
from trio_voice.sandbox.providers.chain import ChainManner
from trio_voice.sandbox.providers.gemini_live import GeminiManner
from trio_voice.sandbox.transport.memory import MemoryChannel
from trio_voice.session_record import Closing

LIMITS = Limits(playback_lead_seconds=0.1, media_gap_seconds=3, start_seconds=3, model_ready_seconds=9)

DENSE = Script(
    greeting_ms=160,
    onset_ms=40,
    quiet_ms=80,
    turns=(
        Turn(heard="Are you open?", reply="Yes, until six.", reply_ms=600),
        Turn(heard="And tomorrow?", reply="", tool=ToolUse("look_up", {"day": "tomorrow"}), after_tool="Too."),
    ),
)


async def look_up(day: str) -> str:
    """Look up when we are open."""
    await trio.sleep(0.05)
    return f"open {day}"


@attrs.frozen(kw_only=True)
class Wire:
    """One of a model's sockets."""

    name: str
    """In ``Rig.wires``."""
    gives_up: Callable[[tuple[MemoryChannel, MemoryChannel], trio.Nursery], None]
    """The provider gives a session up, in its own way, on this wire."""
    ended: EndReason = EndReason.MODEL_ENDED
    """End of the call when the provider closes this socket politely."""
    always_busy: bool = True
    """True if there is always something on its way to the provider, so that it is noticed at once if it stalls."""
    is_renewed: bool = False
    """Another session is opened when this one drops, however young it is."""
    fewest: int = 20
    """Messages in either direction in the whole conversation, at least."""


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of model and its double: what the sweep has to know of a model. Another kind is another of these."""

    name: str
    live_call: Callable[..., AbstractAsyncContextManager[Rig]]
    """``tests.calls.live_call`` with such a model and such a double, who play ``DENSE``."""
    wires: tuple[Wire, ...]
    """The model's sockets."""


def _says(message):
    async def say(wire):
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # the call is over
            await MemoryChannel.send(wire[1], message)

    return lambda wire, nursery: nursery.start_soon(say, wire)


def _closes(code, reason):
    return lambda wire, nursery: nursery.start_soon(wire[1].aclose, code, reason)


VOICE_AGENT = Kind(
    name="voice-agent",
    live_call=partial(
        live_call, script=DENSE, tools=[look_up], manner=Manner(leading_silence_ms=20, ahead_ms=400, preamble_ms=60)
    ),
    wires=(
        Wire(
            name="model",
            gives_up=_says('{"type":"session.error","code":"internal_error","message":"made to fail"}'),
        ),
    ),
)
OPENAI_REALTIME = Kind(
    name="openai-realtime",
    live_call=partial(
        live_call,
        model=calls.OPENAI_REALTIME,
        script=DENSE,
        tools=[look_up],
        manner=openai_realtime.Manner(times_real_time=5, chunk_ms=40),
    ),
    wires=(
        Wire(
            name="model",
            gives_up=_says(
                '{"type":"error","error":{"type":"server_error","code":"session_expired","message":"made to fail"}}'
            ),
        ),
    ),
)
GEMINI_LIVE = Kind(
    name="gemini-live",
    live_call=partial(
        live_call,
        model=calls.GEMINI_LIVE,
        script=DENSE,
        tools=[look_up],
        manner=GeminiManner(speed=8, parallel_calls=2),
    ),
    wires=(Wire(name="model", gives_up=_closes(1007, "Request contains an invalid argument.")),),
)
CHAIN = Kind(
    name="chain",
    live_call=partial(live_chain, script=DENSE, tools=[look_up], manner=ChainManner(speed=1.6, sound_ms=40)),
    wires=(
        Wire(
            name="hearing",
            gives_up=_says('{"type":"Error","error_code":3005,"error":"made to fail"}'),
            ended=EndReason.MODEL_FAILED,
            is_renewed=True,
            fewest=8,
        ),
        Wire(
            name="speaking",
            gives_up=_says('{"message":"made to fail","error":"internal","code":1011}'),
            ended=EndReason.MODEL_FAILED,
            is_renewed=True,
            always_busy=False,
            fewest=8,
        ),
    ),
)
OTHER_CHAIN = Kind(
    name="chain of flux and cartesia",
    live_call=partial(
        live_chain,
        stt="deepgram-flux",
        tts="cartesia",
        script=DENSE,
        tools=[look_up],
        manner=ChainManner(speed=1.6, sound_ms=40, settle_ms=20),
    ),
    wires=(
        Wire(
            name="hearing",
            gives_up=_says(
                '{"type":"Error","sequence_id":9,"code":"INTERNAL_SERVER_ERROR","description":"made to fail"}'
            ),
            ended=EndReason.MODEL_FAILED,
            is_renewed=True,
            fewest=8,
        ),
        Wire(
            name="speaking",
            gives_up=_says('{"type":"error","done":true,"status_code":500,"message":"made to fail"}'),
            ended=EndReason.MODEL_FAILED,
            is_renewed=True,
            always_busy=False,
            fewest=4,
        ),
    ),
)
KINDS = [VOICE_AGENT, OPENAI_REALTIME, GEMINI_LIVE, CHAIN, OTHER_CHAIN]


async def play(kind, arm, *, struck=(), patience=0.0):
    """Play the conversation once, with what ``arm(rig, nursery)`` puts in its way, to the call's end.

    The caller hangs up after the last answer; if something has ``struck`` by then, after so much patience.
    """
    async with kind.live_call(limits=LIMITS) as rig, trio.open_nursery() as nursery:
        arm(rig, nursery)
        await trio.sleep(0.4)
        rig.speak(0.1)
        await trio.sleep(0.4)
        rig.speak(0.1)  # over the answer
        await trio.sleep(0.5)
        with trio.move_on_after(patience if struck else 0):
            await rig.over.wait()
        rig.twilio.hang_up()
        await rig.over.wait()
        nursery.cancel_scope.cancel()
    assert rig.record.state is CallState.ENDED
    assert rig.record.end_reason is not None
    assert rig.record.closing_seconds <= LIMITS.close_seconds
    return rig


@contextmanager
def case(number, words=""):
    """One of many: trio gets its random numbers from it, and a failure says which one it was."""
    trio._core._run._r.seed(number)  # the order in which a batch of tasks is run
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"in case {number} {words}")
        raise


class Steps(trio.abc.Instrument):
    """Counts the scheduling steps of a call's tasks, and acts just before the ``nth``.

    ``act(rig, task)`` may say False to be asked again at the next step.
    """

    rig: Rig

    def __init__(self, nth: int, act: Callable[[Rig, trio.lowlevel.Task], bool | None]) -> None:
        self.struck_at: float | None = None
        self.after_goodbye = False
        """The caller had hung up already when the call was struck."""
        self.count = 0
        self.left: set[trio.lowlevel.Task] = set()
        """Tasks of the call that were there when it had ended."""
        self._tasks: set[trio.lowlevel.Task] = set()
        self._nth = nth
        self._act = act

    def watch(self, rig: Rig, _nursery: trio.Nursery | None = None) -> None:
        """Take the task that is going to run the call, and all that come of it, for the call's."""
        self.rig = rig
        run = rig.call.run

        async def watched():
            root = trio.lowlevel.current_task()
            self._tasks.add(root)
            trio.lowlevel.add_instrument(self)
            try:
                await run()
            finally:
                trio.lowlevel.remove_instrument(self)
                self.left = self._tasks - {root}

        override(rig.call, run=watched)

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        if task.parent_nursery is not None and task.parent_nursery.parent_task in self._tasks:
            self._tasks.add(task)

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        self._tasks.discard(task)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task not in self._tasks:
            return
        self.count += 1
        if self.count >= self._nth and self.struck_at is None:
            self.after_goodbye = self.rig.twilio._hanging_up
            if self._act(self.rig, task) is not False:
                self.struck_at = trio.current_time()


class FramedChannel(WebSocketChannel):
    """Our own WebSocket, seen as the rig sees a channel in memory."""

    @property
    def closed(self):
        return self._closed


def framed_channels():
    """Two ends of a WebSocket over a stream in memory, in place of ``memory_channels``: frames, locks and flushes."""
    ours, theirs = trio.testing.memory_stream_pair()
    server, client = (WebSocket(client=client, max_message_bytes=1_048_576) for client in (False, True))
    return FramedChannel(ours, server), FramedChannel(theirs, client)


def raise_in(task: trio.lowlevel.Task, bug: Exception) -> bool:
    """Have a task's await raise this when it goes on; false if it has none yet, or none of ours.

    A task whose children are all done is leaving its nursery, inside trio: nothing can raise there.
    """
    leaving = any(nursery._closed for nursery in task.child_nurseries)
    if leaving or inspect.getcoroutinestate(task.coro) == inspect.CORO_CREATED:
        return False
    task._next_send_fn, task._next_send = task.coro.throw, bug
    return True


def strike_before(channel: MemoryChannel, nth: int, act: Callable[[], None]) -> None:
    """Do something just before the ``nth`` message of this end is put on the wire."""
    send, numbers = channel.send, itertools.count(1)

    async def tapped(message):
        if next(numbers) == nth:
            act()
        await send(message)

    channel.send = tapped  # type: ignore[method-assign]  # a tap on this one end


SAMPLE = 37
"""In the quick suite one case in so many: a prime, so that it does not keep step with what comes again and again."""


def how_often(whole):
    """A sample of the cases, and all of them, or as many of them as there is time for."""
    words = "every one" if whole == 1 else f"one in {whole}"
    # A chain takes some 600 steps, each of them a call: minutes, where others work beside it.
    slowly = pytest.param(whole, id=words, marks=[pytest.mark.slow, pytest.mark.timeout(1_200)])
    return pytest.mark.parametrize("every", [pytest.param(SAMPLE, id="a sample"), slowly])


SOCKETLESS = {"openai-chat"}
"""Nothing of these is open between requests."""
AT_ONCE = 0.001
"""Seconds of virtual time: nothing but the rounding of the record's own."""


def assert_model_was_told(rig):
    """The provider was told of the end at its first sign, and acknowledged it at once."""
    assert all(session.told_goodbye for session in rig.agent.sessions)
    reached = {session.provider for session in rig.agent.sessions} | SOCKETLESS
    for session in rig.record.model_sessions:
        assert session.closing is (Closing.ACKNOWLEDGED if session.provider in reached else Closing.ABORTED)
        assert session.seconds <= rig.record.seconds + AT_ONCE


WIRES = [(kind, row) for kind in KINDS for row in (None, *kind.wires)]
"""Every socket of every kind of call; ``None`` is the caller's."""
