"""The beginning of a talk, once its model is ready.

That is a greeting, what a caller who comes back is told, or the message that a machine is left. Pure: time is an
argument, in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trio_voice.bridge.states import Model, Signal
from trio_voice.events import model as c
from trio_voice.record import EndReason

if TYPE_CHECKING:
    from trio_voice.bridge.context import Context
    from trio_voice.bridge.deadlines import Deadlines
    from trio_voice.bridge.ending import Endings
    from trio_voice.bridge.failover import Failover
    from trio_voice.bridge.speaking import Speaking
    from trio_voice.events.call import MachineAnswered

TURNS_WITH_A_HUMAN: Final = 2
"""Answered turns after which a verdict that a machine answered comes too late to be believed."""


class Opening:
    """That of one call.

    Args:
        context: of the call.
        speaking: the agent's voice.
        deadlines: where it is kept how long nobody has spoken.
        failover: whether the session takes over in the middle of a talk.
        endings: how a machine is left a message.
        instead: what the model is asked for first, in place of the greeting; empty for the greeting.
    """

    __slots__ = ("_context", "_deadlines", "_endings", "_failover", "_instead", "_machine", "_speaking")

    def __init__(
        self,
        context: Context,
        speaking: Speaking,
        deadlines: Deadlines,
        failover: Failover,
        endings: Endings,
        instead: str,
    ) -> None:
        self._context = context
        self._speaking = speaking
        self._deadlines = deadlines
        self._failover = failover
        self._endings = endings
        self._instead = instead
        self._machine: MachineAnswered | None = None
        """A machine has answered, and is to be left a message by a model that is not ready."""

    def model_ready(self, now: float) -> None:
        """A session may be spoken to: the first one begins the talk."""
        context = self._context
        context.states.signal(Signal.MODEL_READY)
        self._deadlines.agent_heard(now)
        record, persona = context.record, context.persona
        if record.setup_seconds is None:
            record.setup_seconds = round(now - context.began, 3)
        if self._machine is not None:
            self.machine_answered(self._machine, now)
        elif self._failover.ready(now):
            pass  # in the middle of a talk
        elif self._instead:
            instructions, self._instead = self._instead, ""
            self._speaking.request(instructions, kept=True)
        elif persona.greeting and not context.capabilities.speaks_first:
            self._speaking.say(persona.greeting, now)
        elif persona.greeting:
            self._speaking.is_asked = not context.reply_id  # it says the greeting by itself, if it has not begun to
            if record.direction == "outbound" and context.capabilities.protects_replies:
                context.commands.append(c.ProtectReply(on=True))  # which is owed

    def machine_answered(self, fact: MachineAnswered, now: float) -> None:
        """Twilio has found out that nobody is there to be talked with."""
        context = self._context
        if len(context.record.turns) >= TURNS_WITH_A_HUMAN or self._endings.is_transferring:
            context.record.count("machine_verdicts_too_late")
            return
        message = None if fact.is_fax else context.persona.voicemail
        self._machine = None
        if message is None:
            words = f"Twilio says that a {'fax' if fact.is_fax else 'machine'} answered"
            context.end(EndReason.TWILIO_ENDED, words)
        elif context.states.model is not Model.READY:
            self._machine = fact
        else:
            self._endings.leave_message(message, now)
