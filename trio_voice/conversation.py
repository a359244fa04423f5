"""What a model leg and the bridge say to each other, whoever the vendor is.

Events are facts that came from the model; commands are what the bridge wants of it. A protocol in ``protocols/``
turns its vendor's wire messages into these events and these commands into wire messages; nothing past it knows the
vendor. Audio is base64 mu-law at 8 kHz on both sides (``audio.py``).
"""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen
class Capabilities:
    """What a kind of model can do, so that the bridge need not ask which kind it is."""

    speaks_first: bool
    """It says the persona's greeting by itself once it is ready."""
    truncates: bool
    """It can be told how much of a reply was heard; others cut their memory themselves."""


# Events: model to bridge


@attrs.frozen
class ModelReady:
    """The session is open and listening; audio sent before this would be lost."""

    session_id: str


@attrs.frozen
class CallerSpeechStarted:
    """The model has decided that the caller is speaking."""


@attrs.frozen
class CallerSpeechStopped:
    """The model has decided that the caller's turn is over."""


@attrs.frozen
class CallerTranscript:
    """What the caller has said; a partial is replaced by the next text of the same item."""

    item_id: str
    text: str
    final: bool


@attrs.frozen
class ReplyStarted:
    """The model has begun a reply."""

    reply_id: str


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
class ToolRequested:
    """The model wants a tool run and its result by ``AnswerTool`` with the same ``call_id``."""

    call_id: str
    name: str
    arguments: dict[str, Any]


@attrs.frozen
class ModelFault:
    """The model complained; ``message`` says what to do. A fatal fault ends the session."""

    code: str
    message: str
    fatal: bool


@attrs.frozen
class ModelEnded:
    """The model closed the session in words; ``seconds`` is what it will bill, where it says."""

    seconds: float | None


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
    | ReplyStarted
    | ReplyAudio
    | ReplyWords
    | ReplyTranscript
    | ReplyDone
    | ToolRequested
    | ModelFault
    | ModelEnded
    | Unrecognized
)

# Commands: bridge to model


@attrs.frozen
class HearCaller:
    """Give the model a piece of the caller's sound."""

    payload: str


@attrs.frozen
class AnswerTool:
    """Answer one ``ToolRequested``; ``result`` is JSON text."""

    call_id: str
    result: str
    failed: bool = False


@attrs.frozen
class RequestReply:
    """Have the model speak now, following ``instructions`` for this reply only."""

    instructions: str


@attrs.frozen
class TruncateReply:
    """Have the model forget what it said after the first ``heard_ms`` of a reply."""

    reply_id: str
    heard_ms: float


ModelCommand = HearCaller | AnswerTool | RequestReply | TruncateReply
