"""Dialogue of a realtime server, and its decisions: turns by silence alone, responses on their own tasks.

The caller's turns are decided by the ears as the sound comes in, before anything of them is understood. There is one
response at a time, and whoever asks for another is refused.
"""

import base64
import re
from collections.abc import Sequence
from typing import Any, Final, Protocol

import attrs
import trio

from trio_voice.sandbox.agent import dialogue
from trio_voice.sandbox.agent.backend import BYTES_PER_MS, AgentBackend
from trio_voice.sandbox.agent.replies import Line, Reply, Tool, ToolUse
from trio_voice.sandbox.providers.openai_realtime.config import Refusal
from trio_voice.sandbox.providers.openai_realtime.items import (
    Message,
    call_item,
    item_of,
    new_id,
    text_of,
    tokens,
    told_line,
)
from trio_voice.sandbox.providers.openai_realtime.record import RealtimeSession
from trio_voice.speech import SpeechStarted, SpeechStopped

SILENCE: Final = b"\xff"


class Post(Protocol):
    """Has events sent."""

    def __call__(self, kind: str, /, **fields: Any) -> None:
        """Have an event of this type sent, with its fields. Never waits."""


@attrs.define(eq=False)
class _Response(dialogue.CurrentReply):
    """The response that is being made."""

    response_id: str = attrs.field(factory=lambda: new_id("resp"))
    output: list[dict[str, Any]] = attrs.field(factory=list)
    number: int = 0
    """Of the session's, from 1."""
    message: Message | None = None
    """The one that is being said."""
    spoken_ms: float = 0.0

    @property
    def index(self) -> int:
        """Of the item that is being made."""
        return len(self.output)


class Dialogue(dialogue.Dialogue[_Response]):
    """The dialogue of one session.

    Args:
        record: whose history is written and whose settings and manner are obeyed.
        backend: who hears, speaks and thinks.
        post: what is said goes there.
    """

    def __init__(self, record: RealtimeSession, backend: AgentBackend, post: Post) -> None:
        super().__init__(record, backend, _Response)
        self._record = record
        self._post = post
        self._responses = 0
        self._messages: dict[str, Message] = {}
        self._calls: dict[str, tuple[str, ToolUse]] = {}
        """Function calls without an output: the response that each was made in, and the tool."""
        self._last_item: str | None = None
        self._turn_item = ""
        self._unanswered: list[str] = []
        """Words of the caller since the last answer."""
        self._understanding = trio.Event()
        """All that the caller has said is understood."""
        self._understanding.set()

    # The caller's turn

    def _on_speech_started(self, report: SpeechStarted) -> None:
        """The beginning of a turn, and the end of a response."""
        self._turn_item = new_id("item")
        self._post("input_audio_buffer.speech_started", audio_start_ms=round(report.at_ms), item_id=self._turn_item)
        if self._record.config.interrupt_response:
            self._cancel("turn_detected")

    def _on_speech_stopped(self, report: SpeechStopped) -> str:
        """The caller's turn is over; whatever it was, it gets a response. Gives the turn's id."""
        item_id = self._turn_item
        self._post("input_audio_buffer.speech_stopped", audio_end_ms=round(report.at_ms), item_id=item_id)
        self._post("input_audio_buffer.committed", item_id=item_id, previous_item_id=self._last_item)
        content = [{"type": "input_audio", "transcript": None}]
        self._add(item_of(item_id, "message", "completed", role="user", content=content))
        if self._understanding.is_set():
            self._understanding = trio.Event()
        if self._record.config.create_response and self._current is None:
            self._start(None)
        return item_id

    def _on_words(self, words: str, item_id: str) -> None:
        """A turn is understood, and written down some time after that."""
        if words:
            self._unanswered.append(words)
        if not self._utterances.statistics().current_buffer_used:
            self._understanding.set()
        if self._record.config.transcribes:
            self._nursery.start_soon(self._write_down, words, item_id)

    async def _write_down(self, text: str, item_id: str) -> None:
        await trio.sleep(self._record.manner.transcribes_after_seconds)
        kind, of_item = "conversation.item.input_audio_transcription", {"item_id": item_id, "content_index": 0}
        if self._record.dialect == "xai":
            self._post(f"{kind}.updated", **of_item, transcript=text)
        else:
            for word in re.findall(r"\s*\S+", text):
                self._post(f"{kind}.delta", **of_item, delta=word)
        self._post(f"{kind}.completed", **of_item, transcript=text, usage={"type": "duration", "seconds": 1.0})

    # What the client adds to the conversation

    def _add(self, item: dict[str, Any]) -> None:
        """Have an item stand in the conversation, and say so."""
        self._post("conversation.item.added", previous_item_id=self._last_item, item=item)
        self._post("conversation.item.done", previous_item_id=self._last_item, item=item)
        self._last_item = item["id"]

    def take_item(self, item: dict[str, Any]) -> None:
        """An item of the client's.

        Raises:
            Refusal: it is none.
        """
        dialect = self._record.dialect
        match item.get("type"):
            case "function_call_output":
                call_id, output = item.get("call_id"), item.get("output")
                if not isinstance(output, str) or not isinstance(call_id, str):
                    raise Refusal("invalid_type", "A function call's output is a string, as is its id.", "item.output")
                if call_id not in self._calls:
                    raise Refusal("invalid_tool_call_id", f"No tool call {call_id!r} waits for one.", "item.call_id")
                _, tool = self._calls.pop(call_id)
                self._record.history.append(Line("tool", output, tool))
            case "message":
                self._record.history.append(told_line(item, dialect))
                self._record.text_items += 1
            case "force_message" if dialect == "xai":
                if item.get("role") != "assistant":
                    raise Refusal("invalid_value", "A forced message is the assistant's.", "item.role")
                text = text_of(item.get("content"), "output_text")
                self._record.text_items += 1
                self.create(Reply(text))
                return
            case kind:
                raise Refusal("invalid_value", f"Invalid value: {kind!r}.", "item.type")
        if self._record.manner.echoes_items:
            self._add({"id": new_id("item"), "object": "realtime.item", "status": "completed", **item})

    def truncate(self, item_id: object, index: object, end_ms: object) -> None:
        """Forget what was not heard of a message.

        Raises:
            Refusal: there is no such message, or it is not that long.
        """
        message = self._messages.get(str(item_id))
        if message is None:
            raise Refusal("item_truncate_invalid_item_id", "Only an assistant's audio is truncated.", "item_id")
        if index != 0:
            raise Refusal("invalid_value", "content_index must be 0.", "content_index")
        if not isinstance(end_ms, int) or isinstance(end_ms, bool) or end_ms < 0:
            raise Refusal("invalid_type", "audio_end_ms must be a whole number.", "audio_end_ms")
        length = message.sent_ms if message.left_ms is None else message.left_ms
        if end_ms > length:
            words = f"Audio content of {length:.0f}ms is already shorter than {end_ms}ms"
            raise Refusal("invalid_value", words, "audio_end_ms")
        message.left_ms = end_ms
        self._record.truncations.append((message.item_id, end_ms))
        letters = round(len(message.said) * end_ms / message.sent_ms) if message.sent_ms else 0
        self._remember(message, message.said[:letters].rpartition(" ")[0] if letters < len(message.said) else None)
        self._post("conversation.item.truncated", item_id=message.item_id, content_index=0, audio_end_ms=end_ms)

    def _remember(self, message: Message, text: str | None) -> None:
        """Have the history hold this of a message, or all of it that was said."""
        history = self._record.history
        line = Line("agent", message.said if text is None else text)
        place = next((n for n, known in enumerate(history) if known is message.line), None)
        if place is not None:
            history[place] = line
        elif line.text:
            history.append(line)
        message.line = line

    # Responses

    def create(self, prompt: Line | Reply | None) -> None:
        """The client asks for a response: to an instruction, with a text of its own, or to what was said.

        Raises:
            Refusal: one is being made.
        """
        if self._current is not None:
            words = f"Conversation already has an active response in progress: {self._current.response_id}."
            raise Refusal("conversation_already_has_active_response", words)
        if prompt is None and self._calls:
            self._record.complain("", f"asks for a response while {len(self._calls)} calls are not answered")
        self._start(prompt)

    def cancel(self) -> None:
        """The client wants none any more.

        Raises:
            Refusal: there is none.
        """
        if self._current is None:
            raise Refusal("response_cancel_not_active", "Cancellation failed: no active response found")
        self._cancel("client_cancelled")

    def _start(self, prompt: Line | Reply | None) -> None:
        self._nursery.start_soon(self._make, self._begin(), prompt)

    def _on_reply_begun(self, response: _Response) -> None:
        """Said before anything is known of it."""
        self._responses += 1
        response.number = self._responses
        self._post("response.created", response=self._as_json(response, "in_progress"))
        limits = [{"name": "tokens", "limit": 40_000, "remaining": 39_000, "reset_seconds": 1.5}]
        self._post("rate_limits.updated", rate_limits=limits)

    async def _finish_reply(self, response: _Response, _last: Reply) -> None:
        """Said as soon as all of it was sent, whether or not it was heard."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if response.number in self._record.manner.fails_responses:
            error = {"type": "server_error", "code": None, "message": "made to fail"}
            self._finish(response, "failed", {"type": "failed", "error": error})
        else:
            self._finish(response, "completed", None)

    def _finish(self, response: _Response, status: str, details: dict[str, Any] | None) -> None:
        if self._current is response:
            self._current = None
            self._post("response.done", response=self._as_json(response, status, details))

    def _cancel(self, reason: str) -> None:
        response = self._current
        if response is None:
            return
        response.scope.cancel()
        message = response.message
        if message is not None:
            self._close_message(response, message, "incomplete")
        self._finish(response, "cancelled", {"type": "cancelled", "reason": reason})
        if message is None:
            return
        of_part = {"item_id": message.item_id, "output_index": 0, "content_index": 0}
        for _ in range(self._record.faults.late_chunks):
            late = _encoded(message.audio[: self._record.manner.chunk_ms * BYTES_PER_MS])
            self._post("response.output_audio.delta", response_id=response.response_id, **of_part, delta=late)

    def _as_json(self, response: _Response, status: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
        record = self._record
        usage = None
        if status != "in_progress":
            said = "".join(message.said for message in self._messages.values() if message.sent_ms)
            usage = tokens(record.config.instructions, record.history, self._heard_ms, response.spoken_ms, said)
        return {
            "object": "realtime.response",
            "id": response.response_id,
            "status": status,
            "status_details": details,
            "output": response.output,
            "conversation_id": "conv_1",
            "output_modalities": ["audio"],
            "usage": usage,
        }

    def _emit(self, response: _Response, kind: str, **fields: Any) -> None:
        if self._current is response:
            self._post(kind, response_id=response.response_id, **fields)

    def _asked(self) -> dialogue.Asked:
        config = self._record.config
        tools = [Tool(tool.name, tool.description, tool.parameters) for tool in config.tools]
        return dialogue.Asked(config.voice, config.instructions, tools)

    async def _think(self, prompts: Sequence[Line]) -> Reply:
        """The answer to an instruction, which nobody remembers; or to all that was said since the last answer."""
        record = self._record
        if not prompts:
            await self._understanding.wait()
        heard, self._unanswered = " ".join(self._unanswered), []
        history = tuple(record.history)
        if heard:
            record.history.append(Line("caller", heard))
        if prompts:
            return await self._generate("", (*history, *prompts))
        if not heard and (not history or history[-1].role != "tool"):
            return Reply()  # nothing was said that could be answered
        return await self._generate(heard, history)

    # Items of a response

    async def _speak(self, response: _Response, text: str) -> None:
        """A text as one message, or several."""
        if response.number in self._record.manner.fails_responses:
            return
        spoken = await self._say(text) or b""
        manner = self._record.manner
        words = re.findall(r"\s*\S+", text)
        parts = max(1, min(manner.items_per_reply, len(words)))
        for part in range(parts):
            bounds = [len(words) * end // parts for end in (part, part + 1)]
            share = [len(spoken) * end // parts for end in (part, part + 1)]
            audio = spoken[slice(*share)]
            if not part:
                audio = SILENCE * (manner.leading_silence_ms * BYTES_PER_MS) + audio
            await self._send_message(response, Message("".join(words[slice(*bounds)]).strip(), audio))

    async def _send_message(self, response: _Response, message: Message) -> None:
        """One message: its sound faster than it is heard, its words a little ahead of it."""
        self._open_item(response, message.as_item("in_progress", self._record.dialect))
        if self._current is not response:
            return
        response.message = message
        self._messages[message.item_id] = message
        of_part = {"item_id": message.item_id, "output_index": response.index, "content_index": 0}
        self._emit(response, "response.content_part.added", **of_part, part={"type": "audio", "transcript": ""})
        chunk = self._record.manner.chunk_ms * BYTES_PER_MS

        def send(at: int, piece: bytes) -> None:
            ahead = message.text[: round(len(message.text) * min(1.0, (at + 2 * chunk) / len(message.audio)))]
            delta, message.said = ahead[len(message.said) :], ahead
            if delta:
                self._emit(response, "response.output_audio_transcript.delta", **of_part, delta=delta)
            message.sent_ms += len(piece) / BYTES_PER_MS
            response.spoken_ms += len(piece) / BYTES_PER_MS
            self._emit(response, "response.output_audio.delta", **of_part, delta=_encoded(piece))

        await self._pace(message.audio, chunk, send, speed=self._record.manner.times_real_time)
        if self._current is response:
            self._close_message(response, message, "completed")

    def _close_message(self, response: _Response, message: Message, status: str) -> None:
        of_part = {"item_id": message.item_id, "output_index": response.index, "content_index": 0}
        self._remember(message, None)
        self._emit(response, "response.output_audio.done", **of_part)
        self._emit(response, "response.output_audio_transcript.done", **of_part, transcript=message.said)
        part = {"type": "audio", "transcript": message.said}
        self._emit(response, "response.content_part.done", **of_part, part=part)
        response.message = None
        self._close_item(response, message.as_item(status, self._record.dialect))

    async def _call_tools(self, response: _Response, wanted: Reply) -> Sequence[Line]:
        """Ask for tools, which ends the response: the client asks for the next one with their outputs."""
        if response.number not in self._record.manner.fails_responses:
            for tool in (*wanted.tools, *self._record.manner.parallel):
                await self._call(response, tool)
        return ()

    async def _call(self, response: _Response, tool: ToolUse) -> None:
        await trio.lowlevel.checkpoint()
        item_id, call_id, arguments = new_id("item"), new_id("call"), tool.as_json
        of_item = {"item_id": item_id, "output_index": response.index, "call_id": call_id}
        self._open_item(response, call_item(item_id, call_id, tool, "", "in_progress"))
        self._emit(response, "response.function_call_arguments.delta", **of_item, delta=arguments)
        done = {"name": tool.name, "arguments": arguments}
        self._emit(response, "response.function_call_arguments.done", **of_item, **done)
        if self._current is response:
            self._calls[call_id] = (response.response_id, tool)
        self._close_item(response, call_item(item_id, call_id, tool, arguments, "completed"))

    def _open_item(self, response: _Response, item: dict[str, Any]) -> None:
        self._emit(response, "response.output_item.added", output_index=response.index, item=item)
        if self._current is response:
            self._post("conversation.item.added", previous_item_id=self._last_item, item=item)

    def _close_item(self, response: _Response, item: dict[str, Any]) -> None:
        if self._current is not response:
            return
        self._emit(response, "response.output_item.done", output_index=response.index, item=item)
        self._post("conversation.item.done", previous_item_id=self._last_item, item=item)
        self._last_item = item["id"]
        response.output.append(item)


def _encoded(audio: bytes) -> str:
    return base64.b64encode(audio).decode("ascii")
