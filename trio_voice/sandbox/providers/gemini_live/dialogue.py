"""Dialogue of Gemini Live, and its decisions: replies that come faster than they are heard.

A turn of the model's lasts until the server believes that it has been heard, so it can be interrupted though all of it
has been sent; tools are called and answered within it.
"""

import base64
import secrets
from collections.abc import Callable
from typing import Any, Final

import attrs
import trio

from trio_voice.sandbox.agent import dialogue
from trio_voice.sandbox.agent.backend import AgentBackend
from trio_voice.sandbox.agent.replies import Line, Reply, Tool, ToolUse
from trio_voice.sandbox.providers.gemini_live.record import GeminiSession
from trio_voice.sandbox.providers.gemini_live.setup import Setup
from trio_voice.sandbox.providers.gemini_live.sound import SPEAKS, as_pcm
from trio_voice.speech import SpeechStarted

BYTES_PER_SECOND: Final = 2 * SPEAKS
TOKENS_PER_SECOND: Final = 25
SILENCE: Final = b"\0"


@attrs.define(eq=False)
class _Turn(dialogue.CurrentReply):
    """The model's turn that is going on."""

    seconds: float = 0.0
    """Seconds that the sent part of it takes to be heard, from ``began_at``."""


@attrs.define(eq=False)
class _Batch:
    """The calls of one message."""

    size: int
    wanted: dict[str | None, ToolUse]
    answered: trio.Event = attrs.field(factory=trio.Event)
    results: list[Line] = attrs.field(factory=list)


class Dialogue(dialogue.Dialogue[_Turn]):
    """The dialogue of one session.

    Args:
        record: whose history is written and whose manner is obeyed.
        setup: what the client asked for.
        backend: who hears, speaks and thinks.
        post: what is said goes there. Never waits.
    """

    def __init__(
        self, record: GeminiSession, setup: Setup, backend: AgentBackend, post: Callable[[dict[str, Any]], None]
    ) -> None:
        super().__init__(record, backend, _Turn)
        self._record = record
        self._setup = setup
        self._post = post
        self._batch: _Batch | None = None
        self._cancelled: set[str | None] = set()
        self._wedged = False

    # The caller

    def _on_speech_started(self, _report: SpeechStarted) -> None:
        """A barge-in, unless the client wants none."""
        if self._setup.realtime_input_config.activity_handling != "NO_INTERRUPTION":
            self._interrupt()

    def tell(self, text: str) -> None:
        """Hear something in words, which is to be answered at once. Never waits."""
        if self._record.faults.wakes_on_text:
            self._wedged = False
        self.ask(Line("instruction", text))

    def _on_words(self, words: str, _about: Any) -> None:
        """Each utterance is a turn, told in increments, of which nothing says which turn they are of."""
        if not words or self._wedged:
            return
        if self._setup.input_audio_transcription is not None:
            first, space, rest = words.partition(" ")
            for piece in filter(None, (first, space + rest)):
                self._tell(inputTranscription={"text": piece})
        self.ask(Line("caller", words))

    # The model

    def _asked(self) -> dialogue.Asked:
        setup = self._setup
        tools = [Tool(tool.name, tool.description, tool.parameters_json_schema) for tool in setup.functions]
        return dialogue.Asked(setup.voice, setup.prompt, tools)

    def _tell(self, **content: Any) -> None:
        self._post({"serverContent": content})

    async def _respond(self) -> None:
        async for prompt in self._prompts:
            await self._floor_is_free.wait()
            if not self._wedged:
                await self._make(self._begin(), prompt)

    def _on_reply_begun(self, _reply: _Turn) -> None:
        """No handle is good while the model speaks."""
        self._offer_handle(resumable=False)

    async def _finish_reply(self, reply: _Turn, _last: Reply) -> None:
        """A turn is over when it was heard."""
        self._tell(generationComplete=True)
        await trio.sleep_until(reply.began_at + reply.seconds)
        self._current = None
        if reply.text:
            self._record.history.append(Line("agent", reply.text))
        self._complete(reply)

    def _complete(self, turn: _Turn) -> None:
        self._post({"serverContent": {"turnComplete": True}, "usageMetadata": self._usage(turn)})
        self._offer_handle(resumable=True)

    def _usage(self, turn: _Turn) -> dict[str, Any]:
        heard, spoken = (round(s * TOKENS_PER_SECOND) for s in (self._heard_ms / 1_000, turn.seconds))
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

    async def _speak(self, turn: _Turn, text: str) -> None:
        """Sound, and its words beside it."""
        pcm = as_pcm(await self._say(text) or b"")
        began, manner = trio.current_time(), self._record.manner
        turn.began_at = turn.began_at or began
        turn.text = f"{turn.text} {text}".strip()
        said = 0

        def send(at: int, piece: bytes) -> None:
            nonlocal said
            turn.seconds = max(turn.seconds, began - turn.began_at) + len(piece) / BYTES_PER_SECOND
            content = _sound(piece)
            letters = len(text) * min(at + len(piece), len(pcm)) // len(pcm)
            if self._setup.output_audio_transcription is not None and letters > said:
                content["outputTranscription"] = {"text": text[said:letters]}
                said = letters
            self._tell(**content)

        await self._pace(pcm, manner.chunk_bytes, send, bytes_per_second=BYTES_PER_SECOND, speed=manner.speed)

    def _interrupt(self) -> None:
        """The caller has begun to speak: what the server believes is still being heard is over."""
        turn, record = self._current, self._record
        if turn is None:
            return
        self.stop()
        heard = min((trio.current_time() - turn.began_at) / turn.seconds, 1.0) if turn.seconds else 0.0
        if turn.text:
            record.history.append(Line("agent", turn.text[: int(len(turn.text) * heard)]))
        if self._batch is not None:
            ids = list(self._batch.wanted)
            self._cancelled.update(ids)
            self._batch = None
            self._post({"toolCallCancellation": {"ids": ids}})
        self._tell(interrupted=True)
        if record.faults.wedges:
            self._wedged = True
            return
        for _ in range(record.faults.late_chunks):
            self._tell(**_sound(SILENCE * record.manner.chunk_bytes))
        self._complete(turn)

    # Tools

    async def _call_tools(self, _turn: _Turn, wanted: Reply) -> list[Line]:
        """Call tools, wait for the answers, and return them."""
        manner, tools = self._record.manner, wanted.tools
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
        """Take the results of one ``toolResponse``. Never waits."""
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
