"""State of one session that its parts share: who speaks, whose turn is unanswered, and what is being made."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from trio_voice.protocols.openai_realtime import messages
from trio_voice.protocols.openai_realtime.dialects import DIALECTS
from trio_voice.protocols.openai_realtime.errors import Complaint
from trio_voice.protocols.openai_realtime.requests import Requests
from trio_voice.protocols.openai_realtime.responses import Responses
from trio_voice.protocols.openai_realtime.tools import ToolCalls
from trio_voice.protocols.openai_realtime.turns import CallerTurns
from trio_voice.protocols.unanswered import Rests, Unanswered

if TYPE_CHECKING:
    from trio_voice.persona import Persona
    from trio_voice.protocols.openai_realtime.dialects import OpenAIRealtimeSettings


class Context:
    """One session's.

    Args:
        settings: which server, and how it is spoken to.
        persona: who speaks by it.
    """

    def __init__(self, settings: OpenAIRealtimeSettings, persona: Persona) -> None:
        self.persona = persona
        self.dialect = DIALECTS[settings.dialect]
        self.complaint = Complaint(settings, persona)
        self.bills_tokens = self.dialect.billed_by == "tokens"
        """Others may count tokens, too; told as usage, they would be missed in the prices."""
        self.requests = Requests()
        self.responses = Responses()
        self.unanswered = Unanswered()
        self.turns = CallerTurns(are_written=settings.writes_down)
        self.calls = ToolCalls(self.requests)
        self.caller_speaks = False
        self.turn_waits = False
        """A turn was over while a response was being made: the server has not begun another."""
        self.unheard = ""
        """The text of the last response, if nothing of it could be heard."""
        self.rests = Rests()
        self.first_id = ""
        """The response that greets."""
        self.text_items = 0
        """Sent, and not yet told as usage."""
        self.numbers = count(1)
        """Of what is truncated or cancelled."""

    def ignore(self, item_id: str, now: float) -> list[str]:
        """Leave a turn unanswered, as long as nothing of its answer was passed on."""
        dropped = self.turns.ignore(item_id)
        if dropped is None:
            return []
        self.turn_waits = False
        self.unanswered.resume(now)
        self.requests.forget_turn()
        return self.drop(dropped) if dropped else []

    def drop(self, response_id: str) -> list[str]:
        """Have the server forget a response that nobody hears."""
        response = self.responses.kept.get(response_id)
        is_made = response is not None and response is self.responses.in_the_making
        cancel = [messages.cancellation(response_id, f"cancel_{next(self.numbers)}")] if is_made else []
        unheard = response.unheard(0.0) if response else ()
        return [*cancel, *(messages.truncation(f"truncate_{next(self.numbers)}", *end) for end in unheard)]

    def in_character(self, instructions: str) -> str:
        """A response's own instructions stand in place of the session's, and the voice would lose its manner."""
        prompt = self.persona.prompt
        return f"{prompt}\n\n{instructions}" if prompt else instructions
