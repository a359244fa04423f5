"""The dialogue of one session: the caller's turns, the agent's replies, barge-in and tools. It knows no socket.

Two tasks. The listener turns utterances into turns; the responder makes one reply at a time, each in a cancel scope
that a barge-in cancels. A cancelled reply may still run until its next checkpoint, so whatever it has to say goes
through ``_emit``, which asks whether it is still the current one.
"""

import base64
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

import attrs
import trio

from trio_voice.sandbox.agent.cast import BYTES_PER_MS, Cast
from trio_voice.sandbox.agent.replies import APOLOGY, Line, Reply, Tool, ToolUse
from trio_voice.sandbox.providers.assemblyai_agent.faults import BargeIn
from trio_voice.sandbox.providers.assemblyai_agent.record import AgentSession
from trio_voice.speech import SpeechStarted, SpeechStopped

CHUNK_BYTES: Final = 300
"""37.5 ms, as seen live; not a multiple of Twilio's 160."""
SILENCE: Final = b"\xff"

WAITING_PROMPTS: Final = 20
"""Replies asked for while one is made; more are not made."""
WAITING_UTTERANCES: Final = 10
"""Further ones are not understood."""
MIND_SECONDS: Final = 15.0
SPEECH_SECONDS: Final = 15.0
"""For a text to be spoken, or an utterance to be understood."""
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
class _Speaking:
    """The reply that is being made or sent."""

    scope: trio.CancelScope
    reply_id: str = attrs.field(factory=lambda: f"resp_{secrets.token_hex(12)}")
    item_id: str = attrs.field(factory=lambda: f"msg_{secrets.token_hex(12)}")
    text: str = ""
    words: list[_Word] = attrs.field(factory=list)
    began_at: float = 0.0
    """When its speech began to be sent, leading silence included."""
    audio: bytes = b""
    sent_bytes: int = 0
    call_ids: list[str] = attrs.field(factory=list)


@attrs.define(eq=False)
class _ToolCall:
    tool: ToolUse
    preamble: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    timer: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def settle(self) -> None:
        self.preamble.cancel()
        self.timer.cancel()


class Dialogue:
    """Listens, thinks and speaks.

    Args:
        record: whose history is written and whose settings and manner are obeyed.
        cast: who hears, speaks and thinks.
        post: what is said goes there.
        end: called when the agent wants the session to be over.
    """

    def __init__(self, record: AgentSession, cast: Cast, post: Post, end: Callable[[], None]) -> None:
        self._record = record
        self._cast = cast
        self._post = post
        self._end = end
        self._prompts_in, self._prompts = trio.open_memory_channel[Line | Reply](WAITING_PROMPTS)
        self._utterances_in, self._utterances = trio.open_memory_channel[bytes](WAITING_UTTERANCES)
        self._nursery: trio.Nursery
        self._floor_is_free = trio.Event()
        """The caller is not speaking."""
        self._floor_is_free.set()
        self._turn_open = False
        """The caller's turn has begun and is not committed."""
        self._speaking: _Speaking | None = None
        self._calls: dict[str, _ToolCall] = {}
        self._forgotten_calls: set[str] = set()

    async def run(self) -> None:
        """Take part until cancelled. Cancelling is safe."""
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._listen)
            self._nursery.start_soon(self._respond)

    def ask(self, prompt: Line | Reply) -> None:
        """Have a line answered, or a reply made as it is, once those before it are over. Never waits."""
        try:
            self._prompts_in.send_nowait(prompt)
        except trio.WouldBlock:
            self._record.complain("", f"asks for more than {WAITING_PROMPTS} replies at once")

    def stop(self) -> None:
        """Fall silent at once, without a word about it."""
        if self._speaking is not None:
            self._speaking.scope.cancel()
            self._speaking = None

    # The caller's turn

    def hear(self, mulaw: bytes) -> None:
        """Hear the next of the caller's audio. Never waits."""
        for report in self._cast.ears.hear(mulaw):
            if isinstance(report, SpeechStarted):
                self._caller_begins()
            else:
                self._caller_pauses(report)

    def _caller_begins(self) -> None:
        self._floor_is_free = trio.Event()
        if self._speaking is not None and self._record.settings.config.input.turn_detection.interrupt_response:
            self._interrupt(self._speaking)
        elif not self._turn_open:  # otherwise the caller goes on with a turn that was not committed yet
            self._post("input.speech.started")
        self._turn_open = True

    def _caller_pauses(self, report: SpeechStopped) -> None:
        self._floor_is_free.set()
        try:
            self._utterances_in.send_nowait(report.utterance)
        except trio.WouldBlock:
            self._record.complain("", "speaks faster than it can be understood")

    async def _listen(self) -> None:
        """Make turns of utterances; ``input.speech.stopped`` is the commitment to answer, not the end of the sound."""
        item_id, parts = "", list[str]()
        async for utterance in self._utterances:
            item_id = item_id or f"msg_{secrets.token_hex(12)}"
            with trio.move_on_after(SPEECH_SECONDS):
                parts += filter(None, [await self._cast.transcribe(utterance)])
            words = " ".join(parts).split()
            for so_far in dict.fromkeys((" ".join(words[: len(words) // 2]), " ".join(words))):
                if so_far:
                    self._post("transcript.user.delta", item_id=item_id, text=so_far)
            if not self._floor_is_free.is_set() or self._utterances.statistics().current_buffer_used:
                continue  # the caller has gone on: it is still the same turn
            self._turn_open = False
            self._post("input.speech.stopped")
            if words:
                self._post("transcript.user", item_id=item_id, text=" ".join(words))
                self.ask(Line("caller", " ".join(words)))
            item_id, parts = "", []

    # The agent's reply

    async def _respond(self) -> None:
        async for prompt in self._prompts:
            await self._floor_is_free.wait()
            with trio.CancelScope() as scope:
                await self._answer(_Speaking(scope), prompt)

    async def _answer(self, speaking: _Speaking, prompt: Line | Reply) -> None:
        self._speaking = speaking
        self._emit(speaking, "reply.started", item_id=speaking.item_id)
        reply = prompt if isinstance(prompt, Reply) else await self._think(prompt)
        if reply.text:
            await self._speak(speaking, reply.text)
        if reply.tools:
            await self._call_tools(speaking, reply.tools)
        if self._speaking is not speaking:
            return
        if speaking.text:
            self._record.history.append(Line("agent", speaking.text))
            said = {"item_id": speaking.item_id, "text": speaking.text, "interrupted": False}
            self._emit(speaking, "transcript.agent", **said)
        self._emit(speaking, "reply.done", status="completed")
        self._speaking = None
        if reply.ends:
            self._end()

    def _emit(self, speaking: _Speaking, kind: str, **fields: Any) -> None:
        if self._speaking is speaking:
            self._post(kind, reply_id=speaking.reply_id, **fields)

    async def _think(self, prompt: Line) -> Reply:
        record = self._record
        before = tuple(record.history)
        record.history.append(prompt)
        heard, history = (prompt.text, before) if prompt.role == "caller" else ("", (*before, prompt))
        config = record.settings.config
        tools = [Tool(tool.name, tool.description, tool.parameters) for tool in config.tools]
        with trio.move_on_after(MIND_SECONDS):
            return await self._cast.mind.reply(heard, history, config.system_prompt, tools)
        return Reply(APOLOGY)

    async def _speak(self, speaking: _Speaking, text: str) -> None:
        spoken: bytes | None = None
        with trio.move_on_after(SPEECH_SECONDS):
            spoken = await self._cast.say(text, self._record.settings.config.output.voice)
        if spoken is None:
            self._emit(speaking, "reply.error", code="tts_provider_error", message="No voice came", retryable=True)
            return
        silence_ms = self._record.manner.leading_silence_ms
        speaking.text = text
        speaking.words = list(_timed(text, silence_ms, len(spoken) / BYTES_PER_MS))
        for word in speaking.words:  # in a burst and ahead of the sound, as seen live
            times = {"start_ms": round(word.start_ms), "end_ms": round(word.end_ms)}
            self._emit(speaking, "transcript.agent.delta", item_id=speaking.item_id, delta=word.text, **times)
        speaking.began_at = trio.current_time()
        await self._pace(speaking, SILENCE * (silence_ms * BYTES_PER_MS) + spoken)

    async def _pace(self, speaking: _Speaking, audio: bytes) -> None:
        """Send audio at the pace at which it is heard, and stay until it has been."""
        began = trio.current_time()
        ahead = self._record.manner.ahead_ms / 1_000
        speaking.audio = audio
        for at in range(0, len(audio), CHUNK_BYTES):
            await trio.sleep_until(began + at / (1_000 * BYTES_PER_MS) - ahead)
            speaking.sent_bytes = at + CHUNK_BYTES
            self._emit(speaking, "reply.audio", data=_encoded(audio[at : at + CHUNK_BYTES]))
        await trio.sleep_until(began + len(audio) / (1_000 * BYTES_PER_MS))

    def _interrupt(self, speaking: _Speaking) -> None:
        """The caller has talked over a reply."""
        record = self._record
        self.stop()
        for call_id in speaking.call_ids:
            self._forget_call(call_id)
        sent_ms = (trio.current_time() - speaking.began_at) * 1_000
        text = "".join(word.text for word in speaking.words if word.end_ms <= sent_ms)
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

    async def _call_tools(self, speaking: _Speaking, tools: Sequence[ToolUse]) -> None:
        """Call tools, and hold the reply open in silence as long as the last result may still come within it."""
        if self._speaking is not speaking:
            return
        for tool in tools:
            call, call_id = _ToolCall(tool), f"call_{secrets.token_hex(12)}"
            self._calls[call_id] = call
            speaking.call_ids.append(call_id)
            arguments = {"args" if self._record.manner.legacy_args else "arguments": tool.as_object}
            self._post("tool.call", call_id=call_id, name=tool.name, **arguments)
            self._nursery.start_soon(self._time_out, call_id, call)
        with call.preamble:
            await self._pace(speaking, SILENCE * (self._record.manner.preamble_ms * BYTES_PER_MS))

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
