"""The way from a stream to a call: the path is checked, the legs are made, the call is lived.

The one way in, whatever carried the stream here: our own server's lane or the Quart route.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.bridge.failover import history_of
from trio_voice.call.call import Call
from trio_voice.call.call_teller import CallTeller
from trio_voice.errors import CallRefused
from trio_voice.legs.caller import CallerLeg
from trio_voice.legs.pumps import BUG_DETAIL
from trio_voice.legs.session_ledger import Ledger
from trio_voice.record import CallState, EndReason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trio_voice.call.expected import ExpectedCall
    from trio_voice.call.feed import Feed
    from trio_voice.call.registry import Registry
    from trio_voice.call.tools import Tool
    from trio_voice.call.transfers import CallControl
    from trio_voice.events.model import Said
    from trio_voice.journal import Journal
    from trio_voice.legs.succession import Succession
    from trio_voice.net.channel import Channel
    from trio_voice.persona import Lines, Persona, ToolSchema
    from trio_voice.recorder.recordings import Recordings

log: Final = structlog.stdlib.get_logger("trio_voice.reception")


class Reception:
    """Answers streams.

    Args:
        registry: who is expected.
        journal: where the call is written down.
        open_model: makes a persona's models, none yet connected; told the conversation so far, where there was one.
        tools_of: the tools of a persona, loaded.
        lines_of: what a persona says when no model speaks.
        phone: what can be done to telephone calls; ``None`` without Twilio's REST API.
        on_delay: told how long messages to the caller were held here; see ``Writer``.
        recordings: what is recorded on this machine; ``None`` where nothing is.
        feed: told of what calls say and do.
    """

    def __init__(
        self,
        registry: Registry,
        journal: Journal,
        open_model: Callable[[Persona, Ledger, tuple[ToolSchema, ...], tuple[Said, ...]], Succession],
        tools_of: Callable[[Persona], Mapping[str, Tool]],
        lines_of: Callable[[Persona], Lines],
        phone: CallControl | None,
        on_delay: Callable[[float], None],
        recordings: Recordings | None,
        feed: Feed,
    ) -> None:
        self.registry = registry
        self._journal = journal
        self._open_model = open_model
        self._tools_of = tools_of
        self._lines_of = lines_of
        self._phone = phone
        self._on_delay = on_delay
        self._recordings = recordings
        self._feed = feed

    async def answer(
        self, expected: ExpectedCall, channel: Channel, *, cancelled_because: EndReason = EndReason.DRAIN
    ) -> None:
        """Live a call on an accepted stream until nothing of it is left.

        Raises nothing but ``Cancelled``, and that only after both sockets are closed.

        Args:
            expected: what ``registry.take`` gave for the stream's path.
            channel: the stream; closed when this returns.
            cancelled_because: the end reason if this task is cancelled.
        """
        record, recording = expected.record, None
        structlog.contextvars.bind_contextvars(call_id=record.call_id, call_sid=record.call_sid)
        try:
            if expected.is_second:
                try:
                    expected = await self.registry.resume(expected)
                except CallRefused as refused:
                    log.warning("stream_refused", code=refused.code, reason=str(refused))
                    with trio.move_on_after(expected.limits.close_seconds):
                        await channel.aclose(1000, "the call has ended")
                    return
            limits = expected.limits
            try:
                persona, came_back = expected.persona, expected.came_back
                began = trio.current_time() if came_back is None else came_back.began
                if self._recordings is not None:
                    recording = self._recordings.open(record, persona, trio.current_time() - began)
                tap = None if recording is None else recording.recorder
                caller = CallerLeg(channel, limits.close_seconds, self._on_delay, tap)
                tools = self._tools_of(persona)
                ledger = Ledger(record, self._journal, began=began)
                history = () if came_back is None else history_of(record.transcript)
                model = self._open_model(persona, ledger, tuple(tool.schema for tool in tools.values()), history)
                call = Call(
                    record,
                    persona,
                    limits,
                    caller,
                    model,
                    tools=tools,
                    phone=self._phone,
                    ledger=ledger,
                    expected_call_sid=record.call_sid,
                    lines=self._lines_of(persona),
                    came_back=came_back,
                    recording=recording,
                    watcher=CallTeller(self._feed, record),
                )
            except Exception:  # this call cannot begin; the others go on
                log.exception("call_bug")
                record.state, record.end_reason = CallState.ENDED, EndReason.BUG
                record.end_detail = BUG_DETAIL
                if recording is not None:
                    await recording.close()
                self.registry.remember(record)
                with trio.move_on_after(limits.close_seconds, shield=True):
                    await channel.aclose(1011, "an error in the server")
                return
            self._journal.call_began(record)
            with self.registry.living(call):
                try:
                    await call.run(cancelled_because)
                finally:
                    if recording is not None:
                        await recording.close()  # noqa: ASYNC102 - it has a deadline of its own
        finally:
            structlog.contextvars.unbind_contextvars("call_id", "call_sid")
