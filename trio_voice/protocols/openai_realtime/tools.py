"""Function calls that are run, and answers for the others.

The model believes every call made that it has finished, so each is answered: those of a response that was cut off,
those whose arguments are no JSON object, and those that are too many, here and at once.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.events import model as c
from trio_voice.protocols.json_messages import arguments_in, text_in
from trio_voice.protocols.openai_realtime import messages
from trio_voice.protocols.openai_realtime.responses import MAX_CALLS

if TYPE_CHECKING:
    from trio_voice.protocols.openai_realtime.requests import Requests
    from trio_voice.protocols.openai_realtime.responses import Response

MAX_RUNNING: Final = 2 * MAX_CALLS
"""Function calls that are run at a time; further ones are not."""

_NO_JSON: Final = '{"error":"The tool was not run: its arguments were no JSON object. Try again."}'
_TOO_MANY: Final = '{"error":"The tool was not run: too many are running."}'
_INTERRUPTED: Final = '{"error":"The tool was not run: the caller interrupted."}'


@attrs.define(eq=False)
class _Call:
    """A function call: the server's id of it, and the response that it came in."""

    wire_id: str
    response_id: str


class ToolCalls:
    """Those of one session that the bridge has been asked to run.

    Args:
        requests: is told of every result, since something may be said about it.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._calls: dict[str, _Call] = {}
        """By the id that the bridge knows."""
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._calls)

    def request(self, response: Response) -> list[c.ModelEvent | c.Outgoing]:
        """The calls of a whole response, to be run; those that cannot be are answered here."""
        events: list[c.ModelEvent | c.Outgoing] = []
        refused: list[str] = []
        calls, response.calls = response.calls, {}
        for wire_id, item in calls.items():
            arguments = arguments_in(item.get("arguments"))
            readable = isinstance(arguments, dict)
            if not readable or len(self._calls) >= MAX_RUNNING:
                refused.append(wire_id)
                events.append(c.Outgoing(messages.result(wire_id, _TOO_MANY if readable else _NO_JSON)))
            else:
                call_id = self._new_id(wire_id)
                self._calls[call_id] = _Call(wire_id, response.response_id)
                events.append(c.ToolCalled(call_id, text_in(item, "name"), arguments))
        for wire_id in refused:
            self._requests.result_sent(wire_id, last=len(refused) == len(calls))
        return events

    def _new_id(self, wire_id: str) -> str:
        call_id = wire_id
        while call_id in self._calls:  # the same id again, though the first is not answered yet
            call_id = f"{wire_id} {next(self._numbers)}"
        return call_id

    @staticmethod
    def withhold(response: Response) -> list[c.Outgoing]:
        """The whole calls of a response that was cut off: they are answered, and nothing is to be said about that."""
        calls, response.calls = response.calls, {}
        return [c.Outgoing(messages.result(wire_id, _INTERRUPTED)) for wire_id in calls]

    def answer(self, call_id: str, result: str, *, go_on: bool) -> list[str]:
        """Messages for a result; none for a call that is not waited for.

        Unless the model is to ``go_on``, nothing is asked of it.
        """
        call = self._calls.pop(call_id, None)
        if call is None:
            return []
        last = all(other.response_id != call.response_id for other in self._calls.values())
        self._requests.result_sent(call.wire_id, last=last and go_on)
        return [messages.result(call.wire_id, result)]
