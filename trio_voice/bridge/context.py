"""Shared state of a bridge's parts: settings, states, speech and record of one call, and the commands to give next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trio_voice.bridge.latency import Turns
from trio_voice.bridge.marks import MarkLog
from trio_voice.bridge.playout import Playout
from trio_voice.bridge.states import Signal, States
from trio_voice.bridge.transcript import Transcript
from trio_voice.bridge.watcher import NOBODY
from trio_voice.events.call import EndCall

if TYPE_CHECKING:
    from trio_voice.bridge.watcher import Watcher
    from trio_voice.events.call import Command
    from trio_voice.events.model import Capabilities
    from trio_voice.limits import Limits
    from trio_voice.persona import Lines, Persona
    from trio_voice.record import CallRecord, EndReason

MAX_DETAIL: Final = 500
"""Letters of an end's detail, which may quote a peer: it is logged and kept."""


class Context:
    """One call's; see ``Bridge`` for the arguments."""

    __slots__ = (
        "began",
        "capabilities",
        "commands",
        "limits",
        "lines",
        "persona",
        "playout",
        "record",
        "reply_id",
        "states",
        "transcript",
        "turns",
        "was_heard",
        "watcher",
    )

    def __init__(
        self,
        persona: Persona,
        limits: Limits,
        capabilities: Capabilities,
        record: CallRecord,
        now: float,
        lines: Lines,
        watcher: Watcher = NOBODY,
    ) -> None:
        self.watcher = watcher
        self.persona = persona
        self.limits = limits
        self.capabilities = capabilities
        """Of the model that speaks, or is about to."""
        self.record = record
        self.began = now
        self.lines = lines
        self.states = States()
        self.commands: list[Command] = []
        self.transcript = Transcript(record, watcher)
        self.turns = Turns(record, now, watcher)
        self.playout = Playout(limits, record, self.turns, MarkLog(record, now))
        self.reply_id = ""
        """The model's latest reply that is no filler."""
        self.was_heard = any(line.role == "agent" for line in record.transcript)
        """Something of a model's was heard in this call: the greeting, or whatever came in its place."""

    def note(self, kind: str, now: float, detail: str = "") -> None:
        """Put something on the call's timeline."""
        self.record.note(kind, self.record.earlier_seconds + now - self.began, detail)

    def end(self, reason: EndReason, detail: str, *, transferred: bool = False, deaf: bool = False) -> None:
        """The call is over: nothing more is said, and nothing more decided. See ``EndCall``."""
        if self.states.ended:
            return
        self.states.signal(Signal.ENDED)
        self.playout.drop_waiting()
        self.commands.append(EndCall(reason, detail[:MAX_DETAIL], transferred, deaf))

    def take(self) -> list[Command]:
        """The commands; none behind the end."""
        commands, self.commands = self.commands, []
        if self.states.ended:
            for at, command in enumerate(commands):
                if isinstance(command, EndCall):
                    return commands[: at + 1]
        return commands
