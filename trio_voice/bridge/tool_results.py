"""Tools that the model asks for, and the results that it is told: the part of a bridge that has them run.

A tool acts once (``tool_calls.py``). A model that asks again and again in one turn is told to answer with what it has,
and one that goes on asking then does not answer at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trio_voice.bridge.states import Reply
from trio_voice.events import model as c
from trio_voice.events.call import RunTool, Then, ToolResult

if TYPE_CHECKING:
    from trio_voice.bridge.caller_turn import CallerTurn
    from trio_voice.bridge.context import Context
    from trio_voice.bridge.ending import Endings
    from trio_voice.bridge.losses import Losses
    from trio_voice.bridge.speaking import Speaking
    from trio_voice.bridge.tool_calls import ToolCalls

BROUGHT: Final = "What you were looking up when you were interrupted has come; tell the caller: {}"
UNMET: Final = ToolResult('{"error": "the caller has said something more meanwhile: answer that first"}', failed=True)
ENOUGH: Final = ToolResult('{"error": "enough was looked up: answer the caller now with what you have"}', failed=True)


class ToolResults:
    """Those of one call.

    Args:
        context: of the call.
        tools: what runs, and who waits for it.
        speaking: the agent's voice.
        endings: what a tool may ask for.
        losses: what becomes of a model that never answers.
        caller_turn: what is being answered.
    """

    __slots__ = ("_caller_turn", "_context", "_endings", "_losses", "_speaking", "_tools")

    def __init__(
        self,
        context: Context,
        tools: ToolCalls,
        speaking: Speaking,
        endings: Endings,
        losses: Losses,
        caller_turn: CallerTurn,
    ) -> None:
        self._context = context
        self._tools = tools
        self._speaking = speaking
        self._endings = endings
        self._losses = losses
        self._caller_turn = caller_turn

    def called(self, fact: c.ToolCalled, now: float) -> None:
        """The model asks for one."""
        context = self._context
        if self._tools.is_repeated(fact.call_id, context.reply_id):
            context.record.count("tool_requests_repeated")
            return
        if self._tools.is_too_much(fact.name, context.reply_id, now):
            context.record.count("tool_rounds_over_the_bound")
            if self._tools.has_no_end:
                self._tools.caller_began()
                self._losses.does_not_answer("the model asks for tools and never answers", now)
            else:
                self._tell(fact.call_id, ENOUGH, now)
            return
        wanted = self._tools.request(fact.call_id, fact.name, fact.arguments, context.reply_id, now)
        if isinstance(wanted, ToolResult):
            self._tell(fact.call_id, wanted, now)
            self._end_with(wanted, now)
        elif wanted:
            context.commands.append(RunTool(fact.call_id, fact.name, fact.arguments))

    def returned(self, call_id: str, result: ToolResult, now: float) -> None:
        """One has ended, with this."""
        if result.then is not Then.GO_ON and self._endings.are_put_off_by(self._caller_turn.unmet_words):
            self._context.record.count("goodbyes_taken_back")
            result = UNMET
        is_wanted = self._tools.is_wanted(call_id)
        ends_for_it = self._tools.is_orphan(call_id) and result.then is not Then.GO_ON
        asked_by = self._tools.finished(call_id, result, now)
        if is_wanted and not asked_by and result.then is Then.GO_ON:
            self._speaking.request(BROUGHT.format(result.text))
        elif not (asked_by or ends_for_it):
            self._context.record.count("tool_results_not_wanted")
            return
        for each in asked_by or ():
            self._tell(each, result, now)
        self._end_with(result, now)

    def _end_with(self, result: ToolResult, now: float) -> None:
        """Do what a result asks for besides being told."""
        if result.then is not Then.GO_ON:
            unmet_since = self._caller_turn.unmet_since
            self._endings.say_goodbye(result.then, now, spoken=self._reply_speaks(now), unmet_since=unmet_since)

    def _reply_speaks(self, now: float) -> bool:
        """True if the agent has said something by now: it was heard, or its sound is being made.

        That is, since the caller spoke or it was told something, and not long ago: it may ask for the end in a reply of
        its own.
        """
        is_made = self._context.capabilities.speaks_meanwhile and self._context.states.reply is Reply.SILENT
        return (self._caller_turn.has_heard_agent and not self._endings.last_words_are_old(now)) or is_made

    def _tell(self, call_id: str, result: ToolResult, now: float) -> None:
        self._tools.told()
        ends = result.then is not Then.GO_ON or self._endings.is_leaving
        go_on = not (ends and (self._endings.is_said or self._reply_speaks(now)))
        self._context.commands.append(c.SendToolResult(call_id, result.text, result.failed, go_on))
        if go_on and not self._tools:  # models go on when they have all of a reply's results
            self._speaking.is_asked, self._caller_turn.has_heard_agent = True, False
