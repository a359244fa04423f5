"""Every way in which a call begins and ends, as rows of a table: what is played, and what the daemon must count of it.

Each ending has a number of its own, and behind the number a persona and a model of its own, so that calls of all kinds
can be made at once and each meets what it should.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Final

import attrs

from benchmarks.soaking import plays
from benchmarks.soaking.plays import GARBAGE_MESSAGES, Stage, persona_of
from trio_voice.record import EndReason
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import (
    BINARY,
    SPOKEN,
    Close,
    Cut,
    Fail,
    Faults,
    GoSilent,
    Moment,
    Say,
    Script,
    StopReading,
    Strike,
    Turn,
)
from trio_voice.sandbox.providers.assemblyai_agent.faults import NO_FAULTS
from trio_voice.sandbox.transport.faults import Act

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

SOON_SECONDS: Final = 1
"""The limits of the personas that run into one."""
MID_GREETING: Final = Moment("reply.audio", 2)
AGAIN: Final = 20
"""Times that an agent can be asked for its last words: on a busy machine the caller speaks into them."""
OWN: Final = "own"
NOBODY: Final = "nobody"
"""A model at whose address nobody listens."""


@attrs.frozen(kw_only=True)
class Ending:
    """A way to end, and what it must leave in the daemon's counters."""

    play: Callable[[Stage, str], Awaitable[None]]
    reason: EndReason | None = None
    """``None`` where no call ever begins."""
    direction: str = "inbound"
    refusal: tuple[str, str] | None = None
    """Kind and code of what was refused."""
    warning: str | None = None
    """Line in the log at level ``warning``, once."""
    sessions: int = 1
    """Number of a model's sessions that it opens, or tries to."""
    tries: int = 0
    """Number of sessions more that it tries to, because a handshake failed for a reason that may pass
    (``legs/attempts.py``)."""
    tries_left_out: int = 0
    """Number of those that a daemon does without when it is a tenth of a second late with them."""
    turns: tuple[Turn, ...] = ()
    """Turns of the model with a caller who speaks."""
    faults: Faults = NO_FAULTS
    key: str | None = None
    """The model's key, where it is not the daemon's."""
    models: tuple[str, ...] = (OWN,)
    """Models that answer, and take over: of this ending's own, or ``NOBODY``."""
    leaves_model_open: bool = False
    """The model does not notice that it was left; we do not wait until it does."""
    persona: str = ""
    """More of the persona's table."""
    promises_for_nothing: bool = False
    """It is over for the daemon only when a promise has expired, half a minute later."""
    is_the_last: bool = False
    """The daemon ends with it."""

    @property
    def loses_its_model(self) -> bool:
        """True if its last words are said on the daemon's machine, because no model is left."""
        return self.reason in {EndReason.MODEL_FAILED, EndReason.MODEL_ENDED}

    @property
    def has_a_model(self) -> bool:
        """True if anybody answers at all."""
        return OWN in self.models

    @property
    def script(self) -> Script:
        """Script of the model when it does not fail."""
        return Script(greeting_ms=160, ms_per_letter=20, onset_ms=60, quiet_ms=100, turns=self.turns)


def _struck(*acts: Act) -> Faults:
    return Faults(strikes=tuple(Strike(MID_GREETING, act) for act in acts))


_IS_OVER: Final = '{"type":"session.ended","session_duration_seconds":1.5,"audio_duration_seconds":null}'
_FLOOD: Final = Say(('{"type":"future.event","padding":"' + "x" * 500_000 + '"}',), 200)
"""Long messages, which count as several: many short ones cost this process more than the daemon."""
_SIX_SECONDS: Final = base64.b64encode(SPOKEN * 48_000).decode()
_LONG_SPEECH: Final = Say((json.dumps({"type": "reply.audio", "reply_id": "resp_1", "data": _SIX_SECONDS}),), 5)

ENDINGS: Final[dict[str, Ending]] = {
    "the caller hangs up": Ending(play=plays.hang_up, reason=EndReason.HANGUP),
    "the caller interrupts and hangs up": Ending(play=plays.interrupt, reason=EndReason.HANGUP),
    "a conversation, and the agent ends it": Ending(
        play=plays.converse,
        reason=EndReason.AGENT,
        turns=(
            Turn(reply="", tool=ToolUse("generate_random_number"), after_tool="It is seven."),
            *(AGAIN * (Turn(reply="", tool=ToolUse("end_call"), after_tool="Goodbye."),)),
        ),
        persona='tools = ["generate_random_number", "end_call"]',
    ),
    "the caller is put through": Ending(
        play=plays.be_put_through,
        reason=EndReason.AGENT,
        turns=AGAIN * (Turn(reply="", tool=ToolUse("transfer_to_human"), after_tool="One moment."),),
        persona='tools = ["transfer_to_human"]\ntransfer_to = "+15557650000"',
    ),
    "the caller's socket is cut (FIN)": Ending(play=plays.cut_with_fin, reason=EndReason.CALLER_LOST),
    "the caller's socket is cut (RST)": Ending(play=plays.cut_with_reset, reason=EndReason.CALLER_LOST),
    "the caller's side sends garbage": Ending(play=plays.send_garbage, reason=EndReason.CALLER_LOST),
    "Twilio's stream fails, half-open": Ending(play=plays.vanish, reason=EndReason.TWILIO_ENDED),
    "Twilio's stream falls silent": Ending(play=plays.fall_silent, reason=EndReason.CALLER_STALLED),
    "Twilio stops reading": Ending(
        play=plays.stop_reading, reason=EndReason.CALLER_STALLED, faults=_struck(_LONG_SPEECH)
    ),
    "the stream never starts": Ending(play=plays.never_start, reason=EndReason.START_TIMEOUT),
    "the stream never comes": Ending(
        play=plays.never_stream, reason=EndReason.START_TIMEOUT, sessions=0, promises_for_nothing=True
    ),
    "the caller gives up while it rings": Ending(play=plays.give_up_ringing, reason=EndReason.TWILIO_ENDED, sessions=0),
    "the operator hangs up": Ending(play=plays.be_hung_up, reason=EndReason.OPERATOR),
    "nobody speaks": Ending(play=plays.listen, reason=EndReason.IDLE, persona=f"idle_seconds = {SOON_SECONDS}"),
    "it has lasted long enough": Ending(
        play=plays.listen, reason=EndReason.TIME_LIMIT, persona=f"time_limit_seconds = {SOON_SECONDS}"
    ),
    "the model says that it is over": Ending(
        play=plays.listen, reason=EndReason.MODEL_ENDED, faults=_struck(Say((_IS_OVER,)), Close(1000))
    ),
    "the model closes": Ending(play=plays.listen, reason=EndReason.MODEL_ENDED, faults=_struck(Close(1000))),
    "the model's socket is cut (FIN)": Ending(play=plays.listen, reason=EndReason.MODEL_FAILED, faults=_struck(Cut())),
    "the model's socket is cut (RST)": Ending(
        play=plays.listen, reason=EndReason.MODEL_FAILED, faults=_struck(Cut(reset=True))
    ),
    "the model fails": Ending(play=plays.listen, reason=EndReason.MODEL_FAILED, faults=_struck(Fail("internal_error"))),
    "the model sends garbage": Ending(
        play=plays.listen,
        reason=EndReason.MODEL_FAILED,
        faults=_struck(Say(("{", "7", *BINARY.messages), GARBAGE_MESSAGES // 3)),
    ),
    "the model floods": Ending(play=plays.listen, reason=EndReason.MODEL_FAILED, faults=_struck(_FLOOD)),
    "the model is never ready": Ending(
        play=plays.listen, reason=EndReason.MODEL_FAILED, faults=Faults(never_ready=True)
    ),
    "the model refuses the key": Ending(play=plays.listen, reason=EndReason.MODEL_FAILED, key="another key"),
    "the model cannot be reached": Ending(play=plays.listen, reason=EndReason.MODEL_FAILED, models=(NOBODY,), tries=3),
    "another model takes over": Ending(
        play=plays.outlast_a_model,
        reason=EndReason.HANGUP,
        models=(NOBODY, OWN),
        sessions=2,
        tries=2,
        tries_left_out=1,  # it begins 0.9 s after the first, of the 1.0 s that it may
        warning="model_replaced",
    ),
    "the model falls silent": Ending(
        play=plays.listen,
        reason=EndReason.MODEL_FAILED,
        faults=_struck(GoSilent()),
        sessions=2,
        persona="fillers = []",
        warning="model_replaced",
    ),
    "the model stops reading": Ending(
        play=plays.hang_up, reason=EndReason.HANGUP, faults=_struck(StopReading()), leaves_model_open=True
    ),
    "the model does not hear the goodbye": Ending(
        play=plays.hang_up, reason=EndReason.HANGUP, faults=Faults(never_acknowledges_end=True)
    ),
    "the model does not close": Ending(
        play=plays.hang_up, reason=EndReason.HANGUP, faults=Faults(ignores_close=True), leaves_model_open=True
    ),
    "we call, and they hang up": Ending(play=plays.call_out, reason=EndReason.HANGUP, direction="outbound"),
    "we call, and a machine answers": Ending(
        play=plays.call_a_machine,
        reason=EndReason.TWILIO_ENDED,
        direction="outbound",
        persona="detect_machine = true",
    ),
    "we call, and it is busy": Ending(
        play=plays.call_out_in_vain, reason=EndReason.TWILIO_ENDED, direction="outbound", sessions=0
    ),
    "a stream on a wrong path": Ending(
        play=plays.wrong_path, refusal=("stream", "unknown_call"), warning="stream_refused", sessions=0
    ),
    "a stream that is not signed": Ending(
        play=plays.forged_stream, refusal=("stream", "bad_signature"), warning="stream_refused", sessions=0
    ),
    "a webhook that is not signed": Ending(
        play=plays.forged_webhook, refusal=("webhook", "bad_signature"), warning="webhook_refused", sessions=0
    ),
    "half a request": Ending(play=plays.half_a_request, sessions=0),
    "the daemon is told to stop": Ending(play=plays.listen, reason=EndReason.DRAIN, is_the_last=True),
}


def number_of(name: str) -> str:
    """The telephone number that an ending is played on."""
    return f"+1555200{[*ENDINGS].index(name):04}"


def model_table(name: str, url: str) -> str:
    """A model as config.toml has it."""
    return f'\n[models.{name}]\nkind = "assemblyai-agent"\nurl = "{url}"\n'


def tables_of(name: str, agent_url: str) -> str:
    """The model and the persona of an ending, as config.toml has them."""
    persona, ending = persona_of(number_of(name)), ENDINGS[name]
    models = json.dumps([model.replace(OWN, persona) for model in ending.models])
    return f"""{model_table(persona, agent_url) if ending.has_a_model else ""}
[personas.{persona}]
model = {models}
voice = "alba"
greeting = "Hello, this is an automated call."
{ending.persona}
"""


def numbers_table(names: Iterable[str]) -> str:
    """The table of who answers which number."""
    return "\n[numbers]\n" + "".join(f'"{number_of(name)}" = "{persona_of(number_of(name))}"\n' for name in names)
