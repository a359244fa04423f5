"""The faults, and in which phases of a call each strikes.

A case is a fault in a phase. Its acts are done one after another; the last is the first sign that the call is over,
and from there the clock runs. Where nothing but a limit can notice (silence, a machine that is gone) the case names it.
"""

from __future__ import annotations

import enum
import itertools
import signal
from typing import TYPE_CHECKING, Final

import attrs
import trio

from rig.call import BLOCKS, END_CALL, MOMENT_SECONDS, NEVER_RETURNS, Call, Phase
from rig.model import Goodbye, Handshake, Manner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Act = Callable[[Call], Awaitable[None]]


ORDINARY: Final = Manner()


class Told(enum.Enum):
    """Whether the provider can be told that the call is over."""

    CAN_BE = enum.auto()
    CANNOT = enum.auto()
    """It has left, does not read, or was never spoken to."""


@attrs.frozen(kw_only=True)
class Fault:
    """A way for a call to end."""

    words: str
    phases: tuple[Phase, ...]
    acts: tuple[Act, ...]
    manner: Manner = ORDINARY
    limit: str | None = None
    """The limit that notices it, where nothing else can."""
    told: Told = Told.CAN_BE
    tool: str = NEVER_RETURNS
    ends_process: bool = False


@attrs.frozen
class Case:
    """A fault in a phase."""

    fault: Fault
    phase: Phase

    @property
    def name(self) -> str:
        """For ``--only``, and the table."""
        return f"{self.fault.words}, {self.phase.value}"

    @property
    def manner(self) -> Manner:
        """How the model goes, so that the phase is reached and the fault can strike."""
        manner = self.fault.manner
        match self.phase:
            case Phase.HANDSHAKE if manner.handshake is Handshake.ANSWERED:
                return attrs.evolve(manner, handshake=Handshake.HELD)
            case Phase.OPENING:
                return attrs.evolve(manner, becomes_ready=False)
            case Phase.GREETING:
                return attrs.evolve(manner, greeting_ms=20_000)
        return manner


# Acts


async def hang_up(call: Call) -> None:
    await call.phone.hang_up()


async def say_stop(call: Call) -> None:
    await call.phone.say_stop()


async def cut_caller(call: Call) -> None:
    await call.phone.cut()


async def reset_caller(call: Call) -> None:
    call.phone.reset()


async def silence_caller(call: Call) -> None:
    call.phone.fall_silent()


async def stall_caller(call: Call) -> None:
    call.phone.stop_reading()


async def lose_caller(call: Call) -> None:
    call.phone.vanish()


async def report_stream_error(call: Call) -> None:
    call.phone.vanish()
    await call.phone.report_stream_error()


async def garble_caller(call: Call) -> None:
    await call.phone.talk_garbage()


async def confuse_caller(call: Call) -> None:
    await call.phone.talk_nonsense()


async def close_model(call: Call) -> None:
    await call.model.close(1000, "bye")


async def cut_model(call: Call) -> None:
    call.model.fall_silent()
    await call.model.line.finish()


async def reset_model(call: Call) -> None:
    call.model.line.reset()


async def fail_model(call: Call) -> None:
    await call.model.fail()


async def garble_model(call: Call) -> None:
    await call.model.talk_garbage()


async def confuse_model(call: Call) -> None:
    await call.model.talk_nonsense()


async def silence_model(call: Call) -> None:
    call.model.fall_silent()


async def stall_model(call: Call) -> None:
    call.model.stop_reading()


async def lose_model(call: Call) -> None:
    call.model.vanish()


async def wait(call: Call) -> None:
    del call
    await trio.sleep(MOMENT_SECONDS)


async def wait_long(call: Call) -> None:
    """Until the buffers on the way to who does not read are full, but not until anybody can have given up."""
    del call
    await trio.sleep(1.5)


async def nothing(call: Call) -> None:
    """What the phase itself has done is the sign."""
    del call


async def drain(call: Call) -> None:
    call.server.tell(signal.SIGTERM)


async def say_goodbye(call: Call) -> None:
    """The agent says its last sentence; the call is to end when it has been heard."""
    await call.model.speak(400)


IN_CALL: Final = (Phase.GREETING, Phase.REPLY, Phase.TOOL)
OPENED: Final = (Phase.OPENING, *IN_CALL)
CONNECTING: Final = (Phase.HANDSHAKE, *OPENED)
ALL: Final = (Phase.START, *CONNECTING)
CLOSING: Final = (Phase.CLOSING,)

FAULTS: Final = (
    # The caller's side
    Fault(words="caller hangs up", phases=ALL, acts=(hang_up,)),
    Fault(words="stop, socket left open", phases=ALL, acts=(say_stop,)),
    Fault(words="caller's socket cut", phases=ALL, acts=(cut_caller,)),
    Fault(words="caller's socket reset", phases=ALL, acts=(reset_caller,)),
    Fault(words="caller's frames are garbage", phases=IN_CALL, acts=(garble_caller,)),
    Fault(words="nonsense from Twilio, then a hang-up", phases=IN_CALL, acts=(confuse_caller, wait, hang_up)),
    Fault(words="caller stops reading, hangs up", phases=IN_CALL, acts=(stall_caller, wait_long, say_stop)),
    Fault(words="Twilio never starts", phases=(Phase.START,), acts=(nothing,), limit="start_seconds"),
    Fault(words="caller falls silent", phases=OPENED, acts=(silence_caller,), limit="media_gap_seconds"),
    Fault(words="caller vanishes", phases=IN_CALL, acts=(lose_caller,), limit="media_gap_seconds"),
    Fault(words="caller vanishes, Twilio reports it", phases=IN_CALL, acts=(report_stream_error,)),
    Fault(words="caller stops reading", phases=(Phase.REPLY,), acts=(stall_caller,), limit="time_limit_seconds"),
    # The model's side
    Fault(words="model closes", phases=OPENED, acts=(close_model,), told=Told.CANNOT),
    Fault(words="model's socket cut", phases=CONNECTING, acts=(cut_model,), told=Told.CANNOT),
    Fault(words="model's socket reset", phases=CONNECTING, acts=(reset_model,), told=Told.CANNOT),
    Fault(words="model fails and closes", phases=OPENED, acts=(fail_model,), told=Told.CANNOT),
    Fault(words="model's frames are garbage", phases=OPENED, acts=(garble_model,), told=Told.CANNOT),
    Fault(words="nonsense from the model, then a hang-up", phases=IN_CALL, acts=(confuse_model, wait, hang_up)),
    Fault(
        words="model refuses the handshake",
        phases=(Phase.HANDSHAKE,),
        acts=(nothing,),
        manner=Manner(handshake=Handshake.REFUSED),
        told=Told.CANNOT,
    ),
    Fault(
        words="model never answers",
        phases=(Phase.HANDSHAKE,),
        acts=(nothing,),
        limit="model_ready_seconds",
        told=Told.CANNOT,
    ),
    Fault(words="model is never ready", phases=(Phase.OPENING,), acts=(nothing,), limit="model_ready_seconds"),
    Fault(words="model falls silent", phases=IN_CALL, acts=(silence_model,), limit="idle_seconds"),
    Fault(words="model vanishes", phases=IN_CALL, acts=(lose_model,), limit="idle_seconds", told=Told.CANNOT),
    Fault(
        words="model vanishes, caller hangs up", phases=OPENED, acts=(lose_model, wait_long, hang_up), told=Told.CANNOT
    ),
    Fault(
        words="model stops reading, hang-up", phases=IN_CALL, acts=(stall_model, wait_long, hang_up), told=Told.CANNOT
    ),
    # While closing
    Fault(words="goodbye is ignored", phases=CLOSING, acts=(hang_up,), manner=Manner(goodbye=Goodbye.IGNORED)),
    Fault(
        words="goodbye and close are ignored",
        phases=CLOSING,
        acts=(hang_up,),
        manner=Manner(goodbye=Goodbye.IGNORED, answers_close=False),
    ),
    Fault(words="goodbye answered, close ignored", phases=CLOSING, acts=(hang_up,), manner=Manner(answers_close=False)),
    Fault(words="goodbye answered by a reset", phases=CLOSING, acts=(hang_up,), manner=Manner(goodbye=Goodbye.RESET)),
    Fault(words="goodbye drowned in audio", phases=CLOSING, acts=(hang_up,), manner=Manner(goodbye=Goodbye.DROWNED)),
    Fault(words="goodbye answered by garbage", phases=CLOSING, acts=(hang_up,), manner=Manner(goodbye=Goodbye.GARBAGE)),
    Fault(
        words="both ignore every close",
        phases=CLOSING,
        acts=(lose_caller, say_stop),
        manner=Manner(goodbye=Goodbye.IGNORED, answers_close=False),
    ),
    # The server's own ends
    Fault(
        words="agent ends the call", phases=(Phase.TOOL,), acts=(say_goodbye, nothing), limit="goodbye", tool=END_CALL
    ),
    Fault(words="caller hangs up, the tool blocks", phases=(Phase.TOOL,), acts=(hang_up,), tool=BLOCKS),
    Fault(words="SIGTERM", phases=ALL, acts=(drain,), limit="drain_seconds", ends_process=True),
)


def every_case() -> Iterator[Case]:
    """All there are, in the order of the table."""
    for fault in FAULTS:
        for phase in fault.phases:
            yield Case(fault, phase)


def cases_for(wanted: list[str]) -> list[Case]:
    """Those whose name has one of these words in it; all for none."""
    found = [case for case in every_case() if not wanted or any(word in case.name for word in wanted)]
    ordinary = [case for case in found if not case.fault.ends_process]
    # Those that end the process come last, so that it serves all others first.
    return list(itertools.chain(ordinary, (case for case in found if case.fault.ends_process)))
