"""The operator in a call: what they have the agent say, and what they cannot have now. Pure: time is an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trio_voice.bridge.states import Model
from trio_voice.events.call import SayRequested
from trio_voice.timeline import EventKind

if TYPE_CHECKING:
    from trio_voice.bridge.context import Context
    from trio_voice.bridge.ending import Endings
    from trio_voice.bridge.speaking import Speaking
    from trio_voice.events.call import OperatorFact

MOST_TO_SAY: Final = 5
"""Texts of the operator's that may wait for a model to be ready."""


class Operator:
    """That of one call.

    Args:
        context: of the call.
        speaking: the agent's voice.
        endings: whether the call is ending.
    """

    __slots__ = ("_context", "_endings", "_playout", "_speaking", "_to_say")

    def __init__(self, context: Context, speaking: Speaking, endings: Endings) -> None:
        self._context = context
        self._playout = context.playout
        self._speaking = speaking
        self._endings = endings
        self._to_say: list[str] = []
        """Texts for a model that is not ready."""

    def refusal_of(self, fact: OperatorFact) -> tuple[str, str] | None:
        """Reason for which the operator's wish cannot be done now, as a code and in words; ``None`` if it can."""
        states = self._context.states
        if states.ended or self._endings.is_leaving:
            return "not_live", "the call is ending"
        if isinstance(fact, SayRequested):
            if states.model is Model.LOST:
                return "not_supported", "no model speaks in this call any more"
            if self._playout.is_silenced:
                return "muted", 'the agent is muted: send {"muted": false} first'
            if len(self._to_say) >= MOST_TO_SAY:
                return "not_live", "the agent is not ready to speak yet: try again in a moment"
        return None

    def say(self, text: str, now: float) -> None:
        """Have the agent say something, whatever it is saying now."""
        states = self._context.states
        if self._playout.is_silenced or self._endings.is_leaving:
            return
        if states.model is not Model.READY:
            self._to_say.append(text)
            del self._to_say[:-MOST_TO_SAY]
            return
        if self._playout.is_busy(now) or states.reply_is_open:
            self._speaking.interrupt(now, by_caller=False)
        self._context.note(EventKind.OPERATOR, now, "the agent is told what to say")
        self._speaking.say(text, now)

    def model_ready(self, now: float) -> None:
        """Have said what has waited for a model."""
        for text in self._to_say:
            self._speaking.say(text, now)
        self._to_say.clear()
