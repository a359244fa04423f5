"""The tools that a language model in a chain waits for: every call gets its answer, if only that it was not run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.chain.history import PENDING
from trio_voice.events import model as c
from trio_voice.events.stage import ToolCallResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trio_voice.events.stage import ToolCall

BROKEN: Final = '{"error":"the arguments were not a JSON object; call the tool again with correct arguments"}'


@attrs.define(eq=False)
class _Tool:
    call: ToolCall
    answer: ToolCallResult | None = None


class AwaitedTools:
    """Calls that the last answer asked for, until all of them are answered; by the ids that the bridge knows."""

    def __init__(self) -> None:
        self._tools: dict[str, _Tool] = {}
        self._late: dict[str, ToolCall] = {}
        self.end_turn = False
        """The call or the talk is over once the results are there: nothing is asked of the model."""

    def __bool__(self) -> bool:
        """True if a result is waited for."""
        return bool(self._tools)

    def ask(self, reply_id: str, calls: Iterable[ToolCall]) -> list[c.ToolCalled]:
        """A reply asks for these; returns those that are to be run. A broken one is answered already."""
        self.end_turn = False
        requested: list[c.ToolCalled] = []
        for at, call in enumerate(calls):
            call_id = f"{reply_id}.{at}"
            tool = self._tools[call_id] = _Tool(call)
            if call.broken:
                tool.answer = ToolCallResult(call.call_id, BROKEN, failed=True)
            else:
                requested.append(c.ToolCalled(call_id, call.name, call.arguments))
        return requested

    def answer(self, result: c.SendToolResult) -> bool:
        """A tool has its result; returns whether that was waited for."""
        tool = self._tools.get(result.call_id)
        if tool is None or tool.answer is not None:
            return False
        tool.answer = ToolCallResult(tool.call.call_id, result.result, result.failed)
        self.end_turn = self.end_turn or not result.go_on
        return True

    def take_answers(self) -> list[ToolCallResult] | None:
        """All the answers, once none is missing; then nothing is waited for any more."""
        answers = [tool.answer for tool in self._tools.values() if tool.answer is not None]
        if len(answers) < len(self._tools):
            return None
        self._tools.clear()
        return answers

    def give_up(self) -> list[ToolCallResult]:
        """Wait no longer: what every call is answered for now. Results that come later are ``late``."""
        answers = [
            tool.answer or ToolCallResult(tool.call.call_id, PENDING, failed=True) for tool in self._tools.values()
        ]
        self._late |= {call_id: tool.call for call_id, tool in self._tools.items() if tool.answer is None}
        self._tools.clear()
        return answers

    @property
    def has_late(self) -> bool:
        """True if a tool still runs for whose result nobody waits."""
        return bool(self._late)

    def late(self, call_id: str) -> ToolCall | None:
        """The call whose result comes when nobody waits for it any more; ``None`` if it is of no such call."""
        return self._late.pop(call_id, None)
