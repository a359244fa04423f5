"""The dialogue of one session: the caller's turns, replies that come faster than they are heard, barge-in and tools.

Two tasks. The listener turns utterances into turns; the responder makes one of the model's turns at a time, in a cancel
scope that a barge-in cancels. A turn lasts until the server believes that it has been heard, so it can be interrupted
though all of it has been sent. It knows no socket.
"""

import base64
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs
import trio

from trio_voice.sandbox.agent.cast import Cast
from trio_voice.sandbox.agent.replies import Line, Reply, Tool, ToolUse
from trio_voice.sandbox.providers.gemini_live.record import GeminiSession
from trio_voice.sandbox.providers.gemini_live.setup import Setup
from trio_voice.sandbox.providers.gemini_live.sound import SPEAKS, as_pcm
from trio_voice.speech import SpeechStarted

BYTES_PER_SECOND: Final = 2 * SPEAKS
TOKENS_PER_SECOND: Final = 25
WAITING_PROMPTS: Final = 20
WAITING_UTTERANCES: Final = 10
SPEECH_SECONDS: Final = 15.0
"""For a text to be spoken, an utterance to be understood, or the mind to make up its mind."""
SILENCE: Final = b"\0"


@attrs.define(eq=False)
class _Turn:
    """The model's turn that is going on."""

    scope: trio.CancelScope
    text: str = ""
    began_at: float = 0.0
    seconds: float = 0.0
    """How long what was sent of it takes to be heard, from ``began_at``."""


@attrs.define(eq=False)
class _Batch:
    """The calls of one message."""

    size: int
    wanted: dict[str | None, ToolUse]
    answered: trio.Event = attrs.field(factory=trio.Event)
    results: list[Line] = attrs.field(factory=list)


class Dialogue:
    """Listens, thinks and speaks.

    Args:
        record: whose history is written and whose manner is obeyed.
        setup: what the client asked for.
        cast: who hears, speaks and thinks.
        post: what is said goes there. Never waits.
    """

    def __init__(self, record: GeminiSession, setup: Setup, cast: Cast, post: Callable[[dict[str, Any]], None]) -> None:
        self._record = record
        self._setup = setup
        self._cast = cast
        self._post = post
        self._prompts_in, self._prompts = trio.open_memory_channel[Line](WAITING_PROMPTS)
        self._utterances_in, self._utterances = trio.open_memory_channel[bytes](WAITING_UTTERANCES)
        self._floor_is_free = trio.Event()
        self._floor_is_free.set()
        self._turn: _Turn | None = None
        self._batch: _Batch | None = None
        self._cancelled: set[str | None] = set()
        self._wedged = False
        self._heard_seconds = 0.0

    async def run(self) -> None:
        """Take part until cancelled. Cancelling is safe."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen)
            nursery.start_soon(self._respond)

    # The caller

    def hear(self, mulaw: bytes) -> None:
        """Hear the next of the caller's audio. Never waits."""
        self._heard_seconds += len(mulaw) / 8_000
        for report in self._cast.ears.hear(mulaw):
            if isinstance(report, SpeechStarted):
                self._floor_is_free = trio.Event()
                if self._setup.realtime_input_config.activity_handling != "NO_INTERRUPTION":
                    self._interrupt()
            else:
                self._floor_is_free.set()
                try:
                    self._utterances_in.send_nowait(report.utterance)
                except trio.WouldBlock:
                    self._record.complain("", "speaks faster than it can be understood")

    def tell(self, text: str) -> None:
        """Hear something in words, which is to be answered at once. Never waits."""
        if self._record.faults.wakes_on_text:
            self._wedged = False
        self._ask(Line("instruction", text))

    def _ask(self, line: Line) -> None:
        try:
            self._prompts_in.send_nowait(line)
        except trio.WouldBlock:
            self._record.complain("", f"asks for more than {WAITING_PROMPTS} replies at once")

    async def _listen(self) -> None:
        async for utterance in self._utterances:
            words = ""
            with trio.move_on_after(SPEECH_SECONDS):
                words = await self._cast.transcribe(utterance)
            if not words or self._wedged:
                continue
            if self._setup.input_audio_transcription is not None:
                first, space, rest = words.partition(" ")
                for piece in filter(None, (first, space + rest)):  # increments, and nothing says which turn they are of
                    self._say(inputTranscription={"text": piece})
            self._ask(Line("caller", words))

    # The model

    def _say(self, **content: Any) -> None:
        self._post({"serverContent": content})

    async def _respond(self) -> None:
        async for prompt in self._prompts:
            await self._floor_is_free.wait()
            if self._wedged:
                continue
            with trio.CancelScope() as scope:
                self._turn = turn = _Turn(scope)
                self._offer_handle(resumable=False)
                await self._answer(turn, prompt)
            if self._turn is turn:
                self._complete(turn)

    async def _answer(self, turn: _Turn, prompt: Line) -> None:
        """A whole turn: what is said, tools that are called, what is said then."""
        prompts = [prompt]
        while prompts:
            reply = await self._think(prompts)
            if reply.text:
                await self._speak(turn, reply.text)
            prompts = await self._call(reply.tools) if reply.tools else []
        self._say(generationComplete=True)
        await trio.sleep_until(turn.began_at + turn.seconds)

    def _complete(self, turn: _Turn) -> None:
        self._turn = None
        if turn.text:
            self._record.history.append(Line("agent", turn.text))
        self._post({"serverContent": {"turnComplete": True}, "usageMetadata": self._usage(turn)})
        self._offer_handle(resumable=True)

    def _usage(self, turn: _Turn) -> dict[str, Any]:
        heard, spoken = (round(seconds * TOKENS_PER_SECOND) for seconds in (self._heard_seconds, turn.seconds))
        words = len(self._setup.prompt.split()) + 25  # live, the details leave some tokens out
        return {
            "promptTokenCount": heard + words,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": heard}],
            "responseTokenCount": spoken,
            "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": spoken}],
            "totalTokenCount": heard + words + spoken,
        }

    def _offer_handle(self, *, resumable: bool) -> None:
        if resumable:
            self._record.handles.append(secrets.token_hex(16))
        handle = self._record.handles[-1] if resumable else ""
        self._post({"sessionResumptionUpdate": {"newHandle": handle, "resumable": resumable}})

    async def _think(self, prompts: list[Line]) -> Reply:
        record = self._record
        before = tuple(record.history)
        record.history.extend(prompts)
        heard = prompts[-1].text if prompts[-1].role == "caller" else ""
        history = before if heard else tuple(record.history)
        tools = [Tool(tool.name, tool.description, tool.parameters_json_schema) for tool in self._setup.functions]
        with trio.move_on_after(SPEECH_SECONDS):
            return await self._cast.mind.reply(heard, history, self._setup.prompt, tools)
        return Reply("I am sorry, I cannot think just now.")

    async def _speak(self, turn: _Turn, text: str) -> None:
        mulaw = b""
        with trio.move_on_after(SPEECH_SECONDS):
            mulaw = await self._cast.say(text, self._setup.voice)
        pcm = as_pcm(mulaw)
        began, manner = trio.current_time(), self._record.manner
        turn.began_at = turn.began_at or began
        turn.text = f"{turn.text} {text}".strip()
        said = 0
        for at in range(0, len(pcm), manner.chunk_bytes):
            await trio.sleep_until(began + at / BYTES_PER_SECOND / manner.speed)
            chunk = pcm[at : at + manner.chunk_bytes]
            turn.seconds = max(turn.seconds, began - turn.began_at) + len(chunk) / BYTES_PER_SECOND
            content = _sound(chunk)
            letters = len(text) * min(at + len(chunk), len(pcm)) // len(pcm)
            if self._setup.output_audio_transcription is not None and letters > said:
                content["outputTranscription"] = {"text": text[said:letters]}
                said = letters
            self._say(**content)

    def _interrupt(self) -> None:
        """The caller has begun to speak: what the server believes is still being heard is over."""
        turn, record = self._turn, self._record
        if turn is None:
            return
        turn.scope.cancel()
        self._turn = None
        heard = min((trio.current_time() - turn.began_at) / turn.seconds, 1.0) if turn.seconds else 0.0
        if turn.text:
            record.history.append(Line("agent", turn.text[: int(len(turn.text) * heard)]))
        if self._batch is not None:
            ids = list(self._batch.wanted)
            self._cancelled.update(ids)
            self._batch = None
            self._post({"toolCallCancellation": {"ids": ids}})
        self._say(interrupted=True)
        if record.faults.wedges:
            self._wedged = True
            return
        for _ in range(record.faults.late_chunks):
            self._say(**_sound(SILENCE * record.manner.chunk_bytes))
        self._post({"serverContent": {"turnComplete": True}, "usageMetadata": self._usage(turn)})
        self._offer_handle(resumable=True)

    # Tools

    async def _call(self, tools: Sequence[ToolUse]) -> list[Line]:
        """Call tools, wait for the answers, and return them."""
        manner = self._record.manner
        calls: list[dict[str, Any]] = [
            {"name": tool.name, "args": tool.as_object}
            | ({} if manner.null_ids else {"id": f"function-call-{secrets.randbits(60)}"})
            for tool in tools
            for _ in range(manner.parallel_calls)
        ]
        used = [tool for tool in tools for _ in range(manner.parallel_calls)]
        self._batch = batch = _Batch(len(calls), {call.get("id"): tool for call, tool in zip(calls, used, strict=True)})
        self._post({"toolCall": {"functionCalls": calls}})
        await batch.answered.wait()
        return batch.results

    def take_results(self, responses: list[dict[str, Any]]) -> None:
        """What came in one ``toolResponse``. Never waits."""
        record, batch = self._record, self._batch
        ids = [response.get("id") for response in responses]
        if ids and set(ids) <= self._cancelled:
            record.late_results += len(ids)
            return
        wanted = batch.size if batch is not None else 0
        if batch is None or not set(ids) <= batch.wanted.keys() or len(ids) > wanted:
            record.complain("unknown_call", f"answers calls {ids} that were not made")
        elif len(ids) < wanted:
            record.complain("partial_batch", f"answers {len(ids)} of {wanted} calls: the model would call again")
        else:
            for response in responses:
                tool, outcome = batch.wanted[response.get("id")], response["response"]
                failed = "error" in outcome
                if response["name"] != tool.name or not outcome.keys() & {"output", "error"}:
                    record.complain("bad_result", f"answers {response['name']} with {sorted(outcome)}")
                text = str(outcome.get("error" if failed else "output"))
                batch.results.append(Line("tool", text, tool, failed=failed))
            self._batch = None
            batch.answered.set()


def _sound(pcm: bytes) -> dict[str, Any]:
    data = base64.b64encode(pcm).decode()
    return {"modelTurn": {"parts": [{"inlineData": {"mimeType": f"audio/pcm;rate={SPEAKS}", "data": data}}]}}
