"""Facts and commands between a model leg and the bridge, whoever the vendor is.

Events are facts that came from the model; commands are what the bridge wants of it. A protocol in ``protocols/``
turns its vendor's wire messages into these events and these commands into wire messages; nothing past it knows the
vendor. Audio is base64 mu-law at 8 kHz on both sides (``audio/mulaw.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

GOOD_SECONDS: Final = 10.0
"""A session that was ready for so long was good: if it is lost, another one carries on."""

BilledBy = Literal["seconds", "tokens", "parts"]
"""Measure that a provider bills by: seconds of the session; tokens; or each part of a chain by its own."""


@attrs.frozen(kw_only=True)
class Capabilities:
    """Abilities of a kind of model, so that nobody need ask which kind it is."""

    speaks_first: bool
    """It says the persona's greeting by itself once it is ready."""
    truncates: bool
    """It can be told how much of a reply was heard; others cut their memory themselves."""
    withdraws_tools: bool = False
    """It says itself which results it no longer wants (``ToolWithdrawn``); others have given up on those of a reply
    that is interrupted."""
    exact_speech: bool = False
    """It says a given text to the letter (``SayExactly``); others are asked to, and mostly do."""
    session_seconds: float | None = None
    """The provider's cap on a session's length; past it another session takes over."""
    resumes: bool = False
    """A session that ends too early can be taken up where it stopped, by a handle."""
    billed_by: BilledBy = "seconds"
    yields_on_request: bool = False
    """It speaks on until ``TruncateReply`` says that the caller has the floor; others fall silent by themselves."""
    protects_replies: bool = False
    """It can be kept from falling silent for the caller (``ProtectReply``). One that yields on request need not be."""
    words_while_speaking: bool = False
    """It sends what the caller says while they are saying it; others when the turn is over, or not at all."""
    speaks_meanwhile: bool = False
    """It says a given text (``SayExactly``) even while it is making an answer."""


@attrs.frozen
class Said:
    """A line of the conversation so far, for a session that takes over from another."""

    role: Literal["caller", "agent"]
    text: str
    interrupted: bool = False
    """An agent's line that the caller did not hear to its end; ``text`` is what they heard."""


# Events: model to bridge


@attrs.frozen
class ModelReady:
    """The session is open and listening; audio sent before this would be lost."""

    session_id: str
    accepted: Mapping[str, str] = attrs.field(factory=dict)
    """Settings as the provider says that it took them (voice, formats, model); for people to read."""


@attrs.frozen
class CallerSpeechStarted:
    """The model has decided that the caller is speaking.

    ``interrupts`` is false where somebody seems to be speaking and the model has not said that it gives way: nothing
    is cut, but this is no quiet moment.
    """

    interrupts: bool = True
    item_id: str = ""
    """The turn's, which its ``CallerTranscript`` will have, too; empty where the model does not name it yet."""


@attrs.frozen
class CallerSpeechStopped:
    """The model has decided that the caller's turn is over."""


@attrs.frozen
class CallerTranscript:
    """Words of the caller; a partial is replaced by the next text of the same item."""

    item_id: str
    text: str
    final: bool


@attrs.frozen
class AnswerOwed:
    """The caller's turn is over and its answer, or the rest of it, is being made: from here on silence is ours."""


@attrs.frozen
class ReplyStarted:
    """The model has begun a reply."""

    reply_id: str
    is_filler: bool = False
    """It is not the answer, only said until that comes."""


@attrs.frozen
class FillerUnspoken:
    """A filler that was asked for is not said: no voice is open that could."""


@attrs.frozen
class ReplyAudio:
    """A piece of a reply's sound."""

    reply_id: str
    payload: str


@attrs.frozen
class ReplyWords:
    """Some words of a reply and, where known, when in it they begin (ms from the reply's first sample)."""

    reply_id: str
    text: str
    start_ms: float | None


@attrs.frozen
class ReplyTranscript:
    """The whole text of a reply; already cut to what was heard if ``interrupted``."""

    reply_id: str
    text: str
    interrupted: bool


@attrs.frozen
class ReplyDone:
    """No more will come of this reply."""

    reply_id: str
    interrupted: bool


@attrs.frozen
class ToolCalled:
    """The model wants a tool run and its result by ``SendToolResult`` with the same ``call_id``."""

    call_id: str
    name: str
    arguments: Any
    """A dict; whatever else the model gave is held against the tool's parameters all the same, and it is told so."""


@attrs.frozen
class ToolWithdrawn:
    """The model no longer wants the result of a ``ToolCalled``; the tool is stopped if it still runs."""

    call_id: str


@attrs.frozen
class StageReached:
    """A part of the answer to the caller's turn is there, such as ``first_token``; its moment is when it is told."""

    stage: str


@attrs.frozen
class SessionExpiring:
    """The provider is about to end this session; another is to take over before.

    ``resume_with`` is the provider's handle for taking up the conversation where it stopped; without one the other
    session is told the conversation so far. One that ``is_silent`` is ended by nobody: it owes an answer that does not
    come.
    """

    seconds_left: float
    resume_with: str | None = None
    is_silent: bool = False


@attrs.frozen
class Outgoing:
    """Not for the bridge: a message that the protocol itself wants sent because of what it has received."""

    message: str


SILENT: Final = "silent"
"""Code of the fault of a model that owes an answer and makes no sound."""


@attrs.frozen
class ModelFault:
    """The model complained; ``message`` says what to do. A fatal fault ends the session.

    One for a ``passing`` reason may be gone if the session is opened again; ``retry_after`` is the wait in seconds
    that the provider asks for, if it does.
    """

    code: str
    message: str
    fatal: bool
    passing: bool = False
    retry_after: float | None = None


@attrs.frozen
class ModelEnded:
    """The model closed the session in words; ``seconds`` is what it will bill, where it says."""

    seconds: float | None


Meter = Literal[
    "seconds",
    "audio_seconds",
    "text_in_tokens",
    "cached_text_in_tokens",
    "text_out_tokens",
    "audio_in_tokens",
    "cached_audio_in_tokens",
    "audio_out_tokens",
    "characters",
    "text_items",
]
"""Things that vendors bill: time that the session was open, time of sound sent or received, tokens, letters to be
spoken, and client text items. No two overlap: what came from a cache is in the cached meter and in no other, thoughts
are text out."""


@attrs.frozen
class Usage:
    """So much more than before is on the vendor's meters; to be added up. The last words may hold some, too.

    A protocol whose vendor tells totals turns them into differences.
    """

    meters: Mapping[Meter, float]


@attrs.frozen
class Unrecognized:
    """A message that means nothing to us (new ones may appear any day) or that broke the protocol."""

    what: str
    garbage: bool = False
    leg: str = "model"


ModelEvent = (
    ModelReady
    | CallerSpeechStarted
    | CallerSpeechStopped
    | CallerTranscript
    | AnswerOwed
    | ReplyStarted
    | FillerUnspoken
    | ReplyAudio
    | ReplyWords
    | ReplyTranscript
    | ReplyDone
    | ToolCalled
    | ToolWithdrawn
    | StageReached
    | SessionExpiring
    | ModelFault
    | ModelEnded
    | Usage
    | Unrecognized
)

# Commands: bridge to model


@attrs.frozen
class HearCaller:
    """Give the model a piece of the caller's sound."""

    payload: str


@attrs.frozen
class SendToolResult:
    """Answer one ``ToolCalled``; ``result`` is JSON text."""

    call_id: str
    result: str
    failed: bool = False
    go_on: bool = True
    """The model is to say something about it; otherwise its last words were the end of the call."""


@attrs.frozen
class RequestReply:
    """Have the model speak now, following ``instructions`` for this reply only."""

    instructions: str
    instead: bool = False
    """It stands in place of an answer to the caller's last turn, which none is waited for."""
    kept: bool = False
    """They tell of something that the caller did, such as pressing keys, which is to be known later, too."""


@attrs.frozen
class SayExactly:
    """Have the model say this and nothing else. Only for one with ``exact_speech``."""

    text: str
    is_filler: bool = False
    """Until the answer comes: its ``ReplyStarted`` says so, too."""


@attrs.frozen
class IgnoreTurn:
    """Leave this turn of the caller's unanswered: noise, a word that only agrees ("uh-huh"), a goodbye in return.

    Comes, if at all, right behind the ``CallerTranscript`` of the turn. A model that has answered already carries on.
    """

    item_id: str


@attrs.frozen
class ProtectReply:
    """From here on the caller may, or again may not, have the model fall silent by speaking.

    Only for one with ``protects_replies``.
    """

    on: bool


@attrs.frozen
class TruncateReply:
    """The caller has interrupted a reply: have the model forget what it said after the first ``heard_ms`` of it.

    ``heard_ms`` may be 0, and the reply may be done already: models speak faster than is heard.
    """

    reply_id: str
    heard_ms: float


ModelCommand = HearCaller | SendToolResult | RequestReply | SayExactly | IgnoreTurn | ProtectReply | TruncateReply


def retold(history: Sequence[Said]) -> str:
    """The conversation so far in words, for a model that can be told of it only in its prompt; empty without any."""
    if not history:
        return ""
    names = {"caller": "Caller", "agent": "You"}
    lines = "\n".join(
        f"{names[said.role]}: {said.text}{' (interrupted)' if said.interrupted else ''}" for said in history
    )
    return f"\n\nThis call is going on already; you have greeted the caller. What has been said so far:\n{lines}"
