"""Tools of one call, run while it lives: whatever becomes of one, the model is answered, and the record has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import structlog
import trio

from trio_voice.call.tools import CallFacts, cannot_record, no_telephone, too_many_tools, tool_of, unknown_tool
from trio_voice.events.call import Then
from trio_voice.record import ToolUse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trio_voice.bridge.watcher import Watcher
    from trio_voice.call.tools import Tool
    from trio_voice.events.call import RunTool, ToolResult
    from trio_voice.persona import Persona
    from trio_voice.record import CallRecord
    from trio_voice.recorder.recordings import OpenRecording

log: Final = structlog.stdlib.get_logger("trio_voice.call")

MAX_TOOLS: Final = 10
"""Tools that one call may have running; a request beyond that is answered with an error."""
UNKNOWN_TOOL: Final = "unknown"
"""In the log and the record, for a name that no tool has."""


class CallTools:
    """Tools of one call, and how many of them are running.

    Args:
        tools: what the model may call, by name.
        record: of the call; each use is written there.
        persona: whose call it is.
        seconds: how long one may take.
        began: the time from which uses are counted.
        recording: what a consent begins, if anything is recorded on this machine.
        watcher: told of each use.
    """

    def __init__(
        self,
        tools: Mapping[str, Tool],
        record: CallRecord,
        persona: Persona,
        seconds: float,
        began: float,
        recording: OpenRecording | None,
        watcher: Watcher,
    ) -> None:
        self._tools = tools
        self._record = record
        self._persona = persona
        self._seconds = seconds
        self._began = began
        self._recording = recording
        self._watcher = watcher
        self._running = 0

    async def run(self, wanted: RunTool) -> ToolResult:
        """Run one tool; the answer to the model. Cancelling is safe: see ``Tool.run``."""
        tool = tool_of(wanted.name, self._tools)
        facts = CallFacts(
            self._record.call_id,
            self._record.call_sid,
            self._record.direction,
            self._record.from_number,
            self._record.to_number,
            self._record.persona,
        )
        began = trio.current_time()
        if tool is None:
            result = unknown_tool(wanted.name)
        elif self._running >= MAX_TOOLS:
            result = too_many_tools()
        else:
            self._running += 1
            try:
                result = await tool.run(wanted.arguments, facts, self._seconds)
            finally:
                self._running -= 1
        if result.then is Then.TRANSFER and self._record.is_browser_call:
            result = no_telephone()
        if result.then is Then.RECORD:
            may_go_on = self._recording is not None and self._recording.consent()
            result = attrs.evolve(result, then=Then.GO_ON) if may_go_on else cannot_record()
        milliseconds = round((trio.current_time() - began) * 1000)
        name = UNKNOWN_TOOL if tool is None else tool.schema.name  # what a model invents may be what was said
        if tool is None:
            log.debug("tool_unknown", tool=wanted.name)
        use = ToolUse(name, failed=result.failed, milliseconds=milliseconds, known=tool is not None)
        use.at = round(began - self._began, 3)
        if tool is not None and self._persona.keep_tool_details:
            use.keep(wanted.arguments, result.text)
        self._record.tools.append(use)
        self._watcher.tool(use)
        if result.unknown_arguments:
            self._record.count("unknown_tool_arguments", result.unknown_arguments)
        log.info("tool", tool=name, failed=result.failed, milliseconds=milliseconds)
        return result
