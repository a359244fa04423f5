"""The states of a conversation, and everything that moves them: four small machines and one table.

A signal may move several of them. What a state has no row for leaves it as it is: any fact may come at any time.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs


class Caller(enum.Enum):
    """State of the caller, as far as it is known."""

    AWAITED = "awaited"
    """Twilio has not sent ``start``."""
    QUIET = "quiet"
    SPEAKING = "speaking"
    """The model has said so."""
    WAITING = "waiting"
    """Their turn is over, and its answer is not heard yet."""


class Model(enum.Enum):
    """State of the model that speaks for us."""

    OPENING = "opening"
    """The session is not ready: the first of a call, or one that takes over."""
    READY = "ready"
    LOST = "lost"
    """There is none any more, and there will be none: what is still said is said on this machine."""


class Reply(enum.Enum):
    """The model's latest reply."""

    NONE = "none"
    SILENT = "silent"
    """Begun; nothing of it could be heard so far."""
    AUDIBLE = "audible"
    HUSHED = "hushed"
    """It could be heard, and there is nothing but silence in it for longer than a pause takes."""
    OVER = "over"
    """Done without a sound."""
    SPOKEN = "spoken"
    """Done, and it could be heard."""


class Ending(enum.Enum):
    """Stage of the call on its way out."""

    NONE = "none"
    GOODBYE = "goodbye"
    """It ends, or is transferred, when the last words were heard."""
    TRANSFERRING = "transferring"
    ENDED = "ended"


class Signal(enum.Enum):
    """A fact that moves a state."""

    STARTED = "Twilio sends start"
    SPEECH_BEGAN = "the caller begins to speak"
    TURN_ENDED = "the caller's turn is over"
    ANSWER_OWED = "an answer is owed"
    NOTHING_OWED = "no answer is owed"
    MODEL_READY = "the model is ready"
    MODEL_REPLACED = "another session is opened"
    MODEL_LOST = "no model is left"
    REPLY_BEGAN = "a reply begins"
    REPLY_SOUNDED = "a reply can be heard"
    REPLY_HUSHED = "a reply falls silent and goes on"
    REPLY_ENDED = "a reply is done"
    GOODBYE = "the agent says goodbye"
    TAKEN_BACK = "the goodbye is taken back"
    TRANSFER = "the caller is put through"
    TRANSFER_FAILED = "the caller could not be put through"
    ENDED = "the call is over"


State = Caller | Model | Reply | Ending

_ANY_CALLER: Final = (Caller.QUIET, Caller.SPEAKING, Caller.WAITING)
_ANY_REPLY: Final = tuple(Reply)
_ANY_ENDING: Final = tuple(Ending)

_MOVES: Final[tuple[tuple[Signal, tuple[State, ...], State], ...]] = (
    (Signal.STARTED, (Caller.AWAITED,), Caller.QUIET),
    (Signal.SPEECH_BEGAN, _ANY_CALLER, Caller.SPEAKING),
    (Signal.TURN_ENDED, (Caller.SPEAKING,), Caller.QUIET),
    (Signal.ANSWER_OWED, (Caller.QUIET, Caller.SPEAKING), Caller.WAITING),
    (Signal.NOTHING_OWED, (Caller.WAITING,), Caller.QUIET),
    (Signal.MODEL_READY, (Model.OPENING,), Model.READY),
    (Signal.MODEL_REPLACED, (Model.OPENING, Model.READY), Model.OPENING),
    (Signal.MODEL_REPLACED, (Caller.SPEAKING,), Caller.QUIET),  # whoever said that they speak is gone
    (Signal.MODEL_REPLACED, _ANY_REPLY, Reply.NONE),
    (Signal.MODEL_LOST, (Model.OPENING, Model.READY), Model.LOST),
    (Signal.MODEL_LOST, (Caller.SPEAKING, Caller.WAITING), Caller.QUIET),
    (Signal.MODEL_LOST, (Reply.SILENT,), Reply.OVER),
    (Signal.MODEL_LOST, (Reply.AUDIBLE, Reply.HUSHED), Reply.SPOKEN),
    (Signal.REPLY_BEGAN, _ANY_REPLY, Reply.SILENT),
    (Signal.REPLY_SOUNDED, (Reply.SILENT, Reply.HUSHED), Reply.AUDIBLE),
    (Signal.REPLY_SOUNDED, (Reply.NONE, Reply.OVER), Reply.SPOKEN),
    (Signal.REPLY_SOUNDED, (Caller.WAITING,), Caller.QUIET),
    (Signal.REPLY_ENDED, (Reply.SILENT, Reply.NONE), Reply.OVER),
    (Signal.REPLY_HUSHED, (Reply.AUDIBLE,), Reply.HUSHED),
    (Signal.REPLY_ENDED, (Reply.AUDIBLE, Reply.HUSHED), Reply.SPOKEN),
    (Signal.GOODBYE, (Ending.NONE,), Ending.GOODBYE),
    (Signal.TAKEN_BACK, (Ending.GOODBYE,), Ending.NONE),
    (Signal.TRANSFER, (Ending.GOODBYE,), Ending.TRANSFERRING),
    (Signal.TRANSFER_FAILED, (Ending.TRANSFERRING,), Ending.NONE),
    (Signal.ENDED, _ANY_ENDING, Ending.ENDED),
)

TABLE: Final[dict[Signal, dict[State, State]]] = {
    signal: {before: after for told, befores, after in _MOVES if told is signal for before in befores}
    for signal in Signal
}
"""For each signal, the states that it moves and where to."""


@attrs.define
class States:
    """All four of one call."""

    caller: Caller = Caller.AWAITED
    model: Model = Model.OPENING
    reply: Reply = Reply.NONE
    ending: Ending = Ending.NONE

    def signal(self, signal: Signal) -> None:
        """Move what the table says; the rest stays."""
        moves = TABLE[signal]
        self.caller = moves.get(self.caller, self.caller)  # type: ignore[assignment]  # a machine's rows stay in it
        self.model = moves.get(self.model, self.model)  # type: ignore[assignment]  # likewise
        self.reply = moves.get(self.reply, self.reply)  # type: ignore[assignment]  # likewise
        self.ending = moves.get(self.ending, self.ending)  # type: ignore[assignment]  # likewise

    @property
    def started(self) -> bool:
        """Twilio listens."""
        return self.caller is not Caller.AWAITED

    @property
    def reply_is_open(self) -> bool:
        """The model has begun a reply and not finished it."""
        return self.reply is Reply.SILENT or self.stands_open

    @property
    def reply_was_heard(self) -> bool:
        """The latest reply has made a sound."""
        return self.reply is Reply.SPOKEN or self.stands_open

    @property
    def stands_open(self) -> bool:
        """The model has begun a reply that could be heard, and not finished it."""
        return self.reply is Reply.AUDIBLE or self.reply is Reply.HUSHED

    @property
    def ended(self) -> bool:
        """Nothing more is decided."""
        return self.ending is Ending.ENDED


def printed() -> str:
    """The table for people: a line for each signal, with the moves that it makes."""
    lines = []
    for signal, moves in TABLE.items():
        told = ", ".join(f"{type(before).__name__} {before.value} -> {after.value}" for before, after in moves.items())
        lines.append(f"{signal.value}: {told}")
    return "\n".join(lines)
