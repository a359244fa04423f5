"""A short call with everything in it, struck at any moment: at a scheduling step of its tasks, or at a message.

The conversation has a greeting, a question, an answer that is talked over, another question, its answer and a goodbye,
all within 1.5 virtual seconds, so that each of its moments can be tried. The agent makes its speech faster than it is
heard, so that some of it waits in the bridge when the caller interrupts.
"""

import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import attrs
import pytest
import trio

from tests.calls import Rig, live_call
from trio_voice.persona import Limits
from trio_voice.record import CallState, Closing, EndReason
from trio_voice.sandbox.voice_agent import Manner, Script, Turn

LIMITS = Limits(playback_lead_seconds=0.1, media_gap_seconds=3, start_seconds=3, model_ready_seconds=3)
PATIENCE = 8.0
"""How long a caller holds a line on which nothing happens any more."""

DENSE = Script(
    greeting_ms=160,
    onset_ms=40,
    quiet_ms=80,
    turns=(
        Turn(heard="Are you open?", reply="Yes, until six.", reply_ms=600),
        Turn(heard="And tomorrow?", reply="Tomorrow too.", reply_ms=120),
    ),
)


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of model, with its double. The sweep knows of a model what is in here."""

    name: str
    live_call: Callable[..., AbstractAsyncContextManager[Rig]]
    """A call with such a model; the rest of its ``Rig`` is the same for all kinds."""
    was_told: Callable[[Rig], bool]
    """Whether every session that was opened was ended in the provider's words."""
    fatal: str
    """A message with which the provider gives a session up."""
    stall_seconds: float = 5.0


def _voice_agent_was_told(rig):
    return all(session.told_goodbye for session in rig.agent.sessions)


def _voice_agent_call(**settings):
    return live_call(script=DENSE, manner=Manner(leading_silence_ms=20, ahead_ms=400), **settings)


VOICE_AGENT = Kind(
    name="voice-agent",
    live_call=_voice_agent_call,
    was_told=_voice_agent_was_told,
    fatal='{"type":"session.error","code":"internal_error","message":"made to fail"}',
)
KINDS = [VOICE_AGENT]


async def converse(rig):
    """The conversation, up to the goodbye."""
    await trio.sleep(0.4)
    rig.speak(0.1)
    await trio.sleep(0.4)
    rig.speak(0.1)  # over the answer
    await trio.sleep(0.5)


class Steps(trio.abc.Instrument):
    """Counts the scheduling steps of a call's tasks, and acts just before the ``nth``."""

    def __init__(self, nth: int, act: Callable[[trio.lowlevel.Task], None]) -> None:
        self.struck_at: float | None = None
        self.count = 0
        self.tasks: set[trio.lowlevel.Task] = set()
        """The call's tasks that have not ended."""
        self._nth = nth
        self._act = act

    def watch(self, rig: Rig) -> None:
        """Take the task that will run the call, and all that come of it, for the call's."""
        run = rig.call.run

        async def watched(*args):
            root = trio.lowlevel.current_task()
            self.tasks.add(root)
            try:
                await run(*args)
            finally:
                self.tasks.discard(root)

        rig.call.run = watched

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        if task.parent_nursery is not None and task.parent_nursery.parent_task in self.tasks:
            self.tasks.add(task)

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        self.tasks.discard(task)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task in self.tasks:
            self.count += 1
            if self.count == self._nth:
                self.struck_at = trio.current_time()
                self._act(task)


def strike_before_message(channel, nth, act):
    """Call ``act`` just before the ``nth`` message of this end is put on the wire."""
    send = channel.send
    numbers = itertools.count(1)

    async def tapped(message):
        if next(numbers) == nth:
            act()
        await send(message)

    channel.send = tapped
