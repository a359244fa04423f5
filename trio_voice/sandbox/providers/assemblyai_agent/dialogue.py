"""Dialogue of an AssemblyAI agent, and its decisions: one reply at the pace at which it is heard."""

import base64
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

import attrs
import trio

from trio_voice.sandbox.agent import dialogue
from trio_voice.sandbox.agent.backend import BYTES_PER_MS, AgentBackend
from trio_voice.sandbox.agent.replies import Line, Reply, Tool, ToolUse
from trio_voice.sandbox.providers.assemblyai_agent.faults import BargeIn
from trio_voice.sandbox.providers.assemblyai_agent.record import AgentSession
from trio_voice.speech import SpeechStarted

CHUNK_BYTES: Final = 300
"""37.5 ms, as seen live; not a multiple of Twilio's 160."""
SILENCE: Final = b"\xff"

TOOL_SECONDS: Final = 120.0
"""For a tool that the session does not list; the others say how long they may take."""
TOO_LONG: Final = Reply("I am sorry, that is taking longer than it should. Let us go on without it.")


class Post(Protocol):
    """Has events sent."""

    def __call__(self, kind: str, /, **fields: Any) -> None:
        """Have an event of this type sent, with its fields. Never waits."""


@attrs.frozen
class _Word:
    text: str
    start_ms: float
    end_ms: float


@attrs.define(eq=False)
class _Speaking(dialogue.CurrentReply):
    """``began_at`` is that of the leading silence."""

    reply_id: str = attrs.field(factory=lambda: f"resp_{secrets.token_hex(12)}")
    item_id: str = attrs.field(factory=lambda: f"msg_{secrets.token_hex(12)}")
    words: list[_Word] = attrs.field(factory=list)
    audio: bytes = b""
    sent_bytes: int = 0
    call_ids: list[str] = attrs.field(factory=list)
    part: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    """The sound that is being sent; cancelled by a request that the reply is merged with."""
    merged: list[Line] = attrs.field(factory=list)

    def text_until(self, now: float) -> str:
        """Words whose sound was sent by then."""
        sent_ms = (now - self.began_at) * 1_000
        return "".join(word.text for word in self.words if word.end_ms <= sent_ms)


@attrs.define(eq=False)
class _ToolCall:
    tool: ToolUse
    preamble: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    timer: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def settle(self) -> None:
        self.preamble.cancel()
        self.timer.cancel()


class Dialogue(dialogue.Dialogue[_Speaking]):
    """The dialogue of one session.

    Args:
        record: whose history is written and whose settings and manner are obeyed.
        backend: who hears, speaks and thinks.
        post: what is said goes there.
        end: called when the agent wants the session to be over.
    """

    def __init__(self, record: AgentSession, backend: AgentBackend, post: Post, end: Callable[[], None]) -> None:
        super().__init__(record, backend, _Speaking)
        self._record = record
        self._post = post
        self._end = end
        self._turn_open = False
        """The caller's turn has begun and is not committed."""
        self._turn_item = ""
        self._parts: list[str] = []
        self._calls: dict[str, _ToolCall] = {}
        self._forgotten_calls: set[str] = set()

    # The caller's turn

    def _on_speech_started(self, _report: SpeechStarted) -> None:
        """A barge-in, the beginning of a turn, or more of one that was not committed yet."""
        if self._current is not None and self._record.settings.config.input.turn_detection.interrupt_response:
            self._interrupt(self._current)
        elif not self._turn_open:
            self._post("input.speech.started")
        self._turn_open = True

    def _on_words(self, words: str, _about: Any) -> None:
        """Make turns of utterances; ``input.speech.stopped`` is the commitment to answer, not the end of the sound."""
        item_id = self._turn_item = self._turn_item or f"msg_{secrets.token_hex(12)}"
        self._parts += words.split()
        for part in dict.fromkeys((len(self._parts) // 2, len(self._parts))):
            if part:
                self._post("transcript.user.delta", item_id=item_id, text=" ".join(self._parts[:part]))
        if self._caller_goes_on:  # it is still the same turn
            return
        self._turn_open = False
        self._post("input.speech.stopped")
        if self._parts:
            text = " ".join(self._parts)
            self._post("transcript.user", item_id=item_id, text=text)
            self.ask(Line("caller", text))
        self._turn_item = ""
        self._parts.clear()

    # The agent's reply

    def _asked(self) -> dialogue.Asked:
        config = self._record.settings.config
        tools = [Tool(tool.name, tool.description, tool.parameters) for tool in config.tools]
        return dialogue.Asked(config.output.voice, config.system_prompt, tools)

    def _on_reply_begun(self, reply: _Speaking) -> None:
        """Said before anything is known of it."""
        self._emit(reply, "reply.started", item_id=reply.item_id)

    async def _finish_reply(self, reply: _Speaking, last: Reply) -> None:
        """Said when it was heard."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self.is_current(reply):
            return
        if reply.text:
            self._record.history.append(Line("agent", reply.text))
            said = {"item_id": reply.item_id, "text": reply.text, "interrupted": False}
            self._emit(reply, "transcript.agent", **said)
        self._emit(reply, "reply.done", status="completed")
        self._current = None
        if last.ends:
            self._end()

    def _emit(self, reply: _Speaking, kind: str, **fields: Any) -> None:
        if self.is_current(reply):
            self._post(kind, reply_id=reply.reply_id, **fields)

    async def _speak(self, reply: _Speaking, text: str) -> None:
        """The words in a burst and ahead of the sound, as seen live."""
        spoken = await self._say(text)
        if spoken is None:
            self._emit(reply, "reply.error", code="tts_provider_error", message="No voice came", retryable=True)
            return
        if reply.merged:
            return
        silence_ms, now = self._record.manner.leading_silence_ms, trio.current_time()
        if not reply.words:
            reply.began_at = now
        begins_ms = (now - reply.began_at) * 1_000 + silence_ms
        words = list(_timed(f" {text}" if reply.words else text, begins_ms, len(spoken) / BYTES_PER_MS))
        for word in words:
            times = {"start_ms": round(word.start_ms), "end_ms": round(word.end_ms)}
            self._emit(reply, "transcript.agent.delta", item_id=reply.item_id, delta=word.text, **times)
        reply.words += words
        reply.text = "".join(word.text for word in reply.words)
        await self._sound(reply, SILENCE * (silence_ms * BYTES_PER_MS) + spoken)
        if reply.merged:
            now = trio.current_time()
            reply.text = reply.text_until(now)
            reply.words = [word for word in reply.words if word.end_ms <= (now - reply.began_at) * 1_000]

    async def _sound(self, reply: _Speaking, audio: bytes) -> None:
        """Send audio at the pace at which it is heard, and stay until it has been."""
        reply.audio, began = audio, trio.current_time()

        def send(at: int, piece: bytes) -> None:
            reply.sent_bytes = at + CHUNK_BYTES
            self._emit(reply, "reply.audio", data=_encoded(piece))

        with trio.CancelScope() as reply.part:
            await self._pace(audio, CHUNK_BYTES, send, ahead_seconds=self._record.manner.ahead_ms / 1_000)
            await trio.sleep_until(began + len(audio) / (1_000 * BYTES_PER_MS))

    def create(self, request: Line) -> None:
        """Have a reply made to a request of the client's. Never waits.

        While a reply is being made it is merged with that one, whose rest is not said (seen live, 3 of 3); a greeting
        is replaced likewise (the vendor's reference).
        """
        if self._current is None:
            self.ask(request)
            return
        self._current.merged.append(request)
        self._current.part.cancel(reason="merged with a request")

    def _merged(self, reply: _Speaking) -> Sequence[Line]:
        merged, reply.merged = reply.merged, []
        return merged

    def _interrupt(self, speaking: _Speaking) -> None:
        """The caller has talked over a reply."""
        record = self._record
        self.stop()
        for call_id in speaking.call_ids:
            self._forget_call(call_id)
        text = speaking.text_until(trio.current_time())
        if text:
            record.history.append(Line("agent", text))
        of_reply = {"reply_id": speaking.reply_id}
        burst: list[tuple[str, dict[str, Any]]] = [
            ("input.speech.started", {}),
            ("transcript.agent", {**of_reply, "item_id": speaking.item_id, "text": text, "interrupted": True}),
            ("reply.done", {**of_reply, "status": "interrupted"}),
        ]
        if record.manner.barge_in is BargeIn.REVERSED:
            burst.reverse()
        elif record.manner.barge_in is BargeIn.SPEECH_ONLY:
            del burst[1:]
        for kind, fields in burst:
            self._post(kind, **fields)
        for late in range(record.faults.late_chunks):
            at = speaking.sent_bytes + late * CHUNK_BYTES
            chunk = speaking.audio[at : at + CHUNK_BYTES] or SILENCE * CHUNK_BYTES
            self._post("reply.audio", **of_reply, data=_encoded(chunk))

    # Tools

    def take_result(self, call_id: str, result: str, *, failed: bool) -> bool:
        """A tool's result has come; false if none was ever asked for by this id. Never waits."""
        if call_id in self._forgotten_calls:
            self._record.late_results += 1
            return True
        call = self._calls.pop(call_id, None)
        if call is None:
            return False
        call.settle()
        self.ask(Line("tool", result, call.tool, failed=failed))
        return True

    async def _call_tools(self, speaking: _Speaking, wanted: Reply) -> Sequence[Line]:
        """Call tools, and hold the reply open in silence as long as the last result may still come within it."""
        if not self.is_current(speaking):
            return ()
        for tool in wanted.tools:
            call, call_id = _ToolCall(tool), f"call_{secrets.token_hex(12)}"
            self._calls[call_id] = call
            speaking.call_ids.append(call_id)
            arguments = {"args" if self._record.manner.legacy_args else "arguments": tool.as_object}
            self._post("tool.call", call_id=call_id, name=tool.name, **arguments)
            self._nursery.start_soon(self._time_out, call_id, call)
        with call.preamble:
            await self._sound(speaking, SILENCE * (self._record.manner.preamble_ms * BYTES_PER_MS))
        return ()  # they are answered by replies of their own

    async def _time_out(self, call_id: str, call: _ToolCall) -> None:
        listed = (spec.timeout_seconds for spec in self._record.settings.config.tools if spec.name == call.tool.name)
        with call.timer:
            await trio.sleep(next(listed, TOOL_SECONDS))
            self._forget_call(call_id)
            self.ask(TOO_LONG)

    def _forget_call(self, call_id: str) -> None:
        call = self._calls.pop(call_id, None)
        if call is not None:
            self._forgotten_calls.add(call_id)
            call.settle()


def _encoded(audio: bytes) -> str:
    return base64.b64encode(audio).decode("ascii")


def _timed(text: str, silence_ms: float, speech_ms: float) -> Iterator[_Word]:
    """The words, each with the space before it, and when each is said: by their letters, which is near enough."""
    ms_per_letter = speech_ms / max(len(text), 1)
    for word in re.finditer(r"\s*\S+", text):
        yield _Word(word[0], silence_ms + word.start() * ms_per_letter, silence_ms + word.end() * ms_per_letter)
