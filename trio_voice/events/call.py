"""Facts that the bridge is told and commands that it gives, as far as they belong to neither leg alone.

Facts are what has happened; commands are what is to be done, in order. Those of the two legs are in ``caller.py`` and
``model.py``.
"""

from __future__ import annotations

import enum
from typing import Any, Final

import attrs

from trio_voice.events import model as c
from trio_voice.events.caller import CallerEvent
from trio_voice.record import EndReason

CALLER: Final = "caller"
MODEL: Final = "model"
"""The two legs, where a fact is about one of them."""

# What a tool gives back: to the model, and to the call.


class Then(enum.Enum):
    """Fate of the call after a tool."""

    GO_ON = "go on"
    END_CALL = "end the call once the goodbye was heard"
    RECORD = "keep a recording from now on"
    TRANSFER = "transfer the call once the words before it were heard"


@attrs.frozen
class ToolResult:
    """The answer to one request: JSON text, and what becomes of the call."""

    text: str
    failed: bool = False
    then: Then = Then.GO_ON
    unknown_arguments: int = 0
    """Those that the model has given and the tool has no name for; it ran without them."""


# Facts that come from neither protocol but from the legs and the world around the call.


@attrs.frozen
class LegClosed:
    """A leg's socket is gone; ``politely`` if the peer said a close."""

    leg: str
    politely: bool
    detail: str
    passing: bool = False
    """It was only being opened, and what was wrong may be gone if it is opened again."""
    retry_after: float | None = None
    """The wait in seconds that the peer asks for before that, if it does."""


@attrs.frozen
class LegStalled:
    """A leg's peer has not taken what we sent for as long as it may."""

    leg: str


@attrs.frozen
class ToolReturned:
    """A tool that the model asked for has its result."""

    call_id: str
    result: ToolResult


@attrs.frozen
class MachineAnswered:
    """Twilio has found that a machine, and no human, answered the call; it has finished its own greeting."""

    is_fax: bool = False


@attrs.frozen
class TransferFailed:
    """Twilio would not put the caller through."""


@attrs.frozen
class ModelReplaced:
    """Another session is being opened; the one before is not heard of any more."""

    capabilities: c.Capabilities


@attrs.frozen
class EndRequested:
    """Somebody outside ends the call: the operator, a drain, Twilio's callbacks."""

    reason: EndReason
    detail: str


@attrs.frozen
class LastWordsDue:
    """The call will be ended from outside in a moment, for this reason: the caller is to be told goodbye."""

    reason: EndReason
    detail: str


@attrs.frozen
class SayRequested:
    """The operator has the agent say this, to the letter if it can."""

    text: str


@attrs.frozen
class MuteRequested:
    """The operator mutes the agent, or lets it be heard again."""

    muted: bool


@attrs.frozen
class TransferRequested:
    """The operator has the caller put through."""

    number: str
    """In E.164."""


OperatorFact = SayRequested | MuteRequested | TransferRequested

Fact = (
    CallerEvent
    | c.ModelEvent
    | LegClosed
    | LegStalled
    | ToolReturned
    | MachineAnswered
    | TransferFailed
    | ModelReplaced
    | OperatorFact
    | LastWordsDue
    | EndRequested
)

# Commands to the caller's leg and to the call; those to the model are in ``events.model``.


@attrs.frozen
class PlayAudio:
    """Hand a piece of base64 mu-law to Twilio."""

    payload: str


@attrs.frozen
class PlaceMark:
    """Ask Twilio to say when it has played everything before this."""

    name: str


@attrs.frozen
class ClearPlayback:
    """Have Twilio throw away what it has not played."""


@attrs.frozen
class RunTool:
    """Run a tool and say when it is finished, whatever becomes of it."""

    call_id: str
    name: str
    arguments: Any
    """As they came, see ``events.model.ToolCalled``."""


@attrs.frozen
class ReplaceModel:
    """Give the session up and open another: of the persona's next model, or of the same one if it ``renews``."""

    why: str
    history: tuple[c.Said, ...]
    renews: bool = False
    resume_with: str | None = None


@attrs.frozen
class DismissModel:
    """Give the session up, and open no other: what is still to be said is said on this machine."""

    why: str


@attrs.frozen
class TransferCall:
    """Have Twilio put the caller through: to the persona's human, if no number is given."""

    number: str | None = None


@attrs.frozen
class EndCall:
    """The call is over. Always the last command."""

    reason: EndReason
    detail: str
    transferred: bool = False
    """Twilio has put the caller through: the telephone call goes on without us."""
    deaf: bool = False
    """Twilio answers nothing on this stream any more, and would not answer a close."""


ModelOrder = ReplaceModel | DismissModel
Command = PlayAudio | PlaceMark | ClearPlayback | RunTool | ModelOrder | TransferCall | EndCall | c.ModelCommand
