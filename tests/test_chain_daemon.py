"""A chain's providers that fail, over real sockets: AssemblyAI's streaming, Anthropic and Cartesia, with a real daemon.

All situations are calls of one daemon, side by side; each has a path of its own at a server of sockets and one of
requests.
"""

import base64
import json
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
import trio

from tests.daemons import HOST, eventually
from trio_voice.sandbox.demo.demo import open_daemon
from trio_voice.sandbox.providers.chain.http import serve_http
from trio_voice.sandbox.transport.sockets import serve_sockets
from trio_voice.sandbox.twilio.server import open_sandbox_twilio

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

CONFIG = """\
[server]
bind = "127.0.0.1:0"
public_url = "https://{host}"

[twilio]
account_sid = "{account_sid}"
from_number = "+15551234567"
api_url = "{api_url}"

[numbers]
default = "c0"
{numbers}
{models}
"""
MODEL = """\
[models.{name}]
kind = "chain"
stt = {{ kind = "assemblyai-streaming", url = "ws://127.0.0.1:{sockets}/{name}/v3/ws" }}
llm = {{ kind = "anthropic", url = "http://127.0.0.1:{http}/{name}", model = "m" }}
tts = {{ kind = "cartesia", url = "ws://127.0.0.1:{sockets}/{name}/tts/websocket", voice = "v" }}

[personas.{name}]
model = "{name}"
greeting = "Hello there."
tools = ["generate_random_number"]
"""
QUESTION, WORDS = "Are you open?", "Yes, we are open until six."
MS_A_LETTER = 60
GONE = (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError)


def event(kind, **more):
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | more)}\n\n".encode()


def answer(*texts, stop="end_turn", tool=False, tail=b""):
    """An answer of Anthropic's, and what comes in the place of its end."""
    body = event("message_start", message={"usage": {"input_tokens": 1, "output_tokens": 1}}) + event("ping")
    for at, text in enumerate(texts):
        body += event("content_block_start", index=at, content_block={"type": "text", "text": ""})
        body += event("content_block_delta", index=at, delta={"type": "text_delta", "text": text})
    if tool:
        block = {"type": "tool_use", "id": "toolu_1", "name": "generate_random_number", "input": {}}
        body += event("content_block_start", index=9, content_block=block)
        for piece in ('{"low": 7,', ' "high": 7}'):
            body += event("content_block_delta", index=9, delta={"type": "input_json_delta", "partial_json": piece})
    end = event("message_delta", delta={"stop_reason": stop}, usage={"output_tokens": 2}) + event("message_stop")
    return 200, body + (tail or end)


YES = answer(WORDS)
OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Overloaded"})


def refusal(status, kind, message="no"):
    return status, json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()


@attrs.define
class Situation:
    """A call whose providers do what is written here."""

    name: str
    answers: Any = (YES,)
    """Of the language model, in turn; the last one again and again."""
    said: Any = (WORDS,)
    """Lines of the agent after its greeting."""
    ears: Any = attrs.field(factory=dict)
    """Ends of the recogniser's sessions, by number, in the middle of the question; then the rest of it is heard."""
    voice: str = ""
    """A fault of the voice at the first answer."""
    refused: Any = attrs.field(factory=list)
    """Statuses of handshakes, by the end of their path."""
    hearings: int = 0
    voices: int = 0
    asked: int = 0
    hurt: bool = False


SITUATIONS = [
    Situation("nothing fails"),
    Situation("the recogniser is reset in the middle of a turn", ears={0: "reset"}),
    Situation("the recogniser fails by its own word", ears={0: "error"}),
    Situation("the recogniser does not let us in at first", refused=[("ws", 503)]),
    Situation("the voice is reset in the middle of a word", voice="reset"),
    Situation("the voice refuses a text", voice="error"),
    Situation("the voice does not tell the end", voice="no end"),
    Situation("the voice does not let us in at first", refused=[("websocket", 429)]),
    Situation("the language model is overloaded", answers=(refusal(529, "overloaded_error"), YES)),
    Situation("an error comes in the stream", answers=(answer(tail=OVERLOADED), YES)),
    Situation(
        "an error comes behind a sentence",
        answers=(answer("We are open. And", tail=OVERLOADED), answer("Until six.")),
        said=("We are open.", "Until six."),
    ),
    Situation("the talk is too long", answers=(refusal(400, "invalid_request_error", "prompt is too long"), YES)),
    Situation("a refusal without a word", answers=(answer(stop="refusal"), YES)),
    Situation("a tool in pieces", answers=(answer(stop="tool_use", tool=True), YES)),
]


class Providers:
    """All the providers of all the situations."""

    def __init__(self):
        self.of = {f"c{at}": situation for at, situation in enumerate(SITUATIONS)}

    def refuse(self, request):
        path = urlsplit(request.path).path
        refused = self.of[path.split("/")[1]].refused
        if refused and path.endswith("/" + refused[0][0]):
            return refused.pop(0)[1], "not now"
        return None

    async def serve(self, socket, request):
        path = urlsplit(request.path).path
        try:
            await (self.hear if path.endswith("/v3/ws") else self.speak)(socket, self.of[path.split("/")[1]])
        except* GONE:
            pass

    async def hear(self, socket, situation):
        number, situation.hearings = situation.hearings, situation.hearings + 1
        fault = situation.ears.get(number)
        before = situation.ears.get(number - 1)

        async def send(**message):
            await socket.send(json.dumps(message))

        async def turn(text, *, over=False):
            told = {"turn_order": 0, "turn_is_formatted": True, "end_of_turn": over, "transcript": text, "words": []}
            await send(type="Turn", end_of_turn_confidence=1.0 if over else 0.1, **told)

        async def question():
            await trio.sleep(0.0 if before else 3)
            if not before:
                await send(type="SpeechStarted", timestamp=0)
                await turn("Are")
                await turn("Are you")
            if fault == "reset":
                await socket.cut_with_reset()
            elif fault == "error":
                await send(type="Error", error_code=3005, error="Server error")
                await socket.aclose(3005)
            else:
                await turn("open?" if before else QUESTION, over=True)

        await send(type="Begin", id="b", expires_at=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_quietly, question)
            while not isinstance(message := await socket.receive(), str) or "Terminate" not in message:
                pass
            await send(type="Termination", audio_duration_seconds=1, session_duration_seconds=1)
            await socket.aclose(1000)

    async def speak(self, socket, situation):
        situation.voices += 1
        at = {}
        while True:
            asked = json.loads(await socket.receive())
            context, text = asked["context_id"], asked.get("transcript", "").strip()
            if text:
                fault = ""
                if situation.voice and WORDS in text and not situation.hurt:
                    situation.hurt, fault = True, situation.voice
                if fault == "error":
                    await socket.send(json.dumps(
                        {"type": "error", "context_id": context, "status_code": 500, "done": True, "title": "?"}
                    ))  # fmt: skip
                    continue
                await self._sound(socket, context, text, at, half=fault == "reset")
                if fault == "reset":
                    await socket.cut_with_reset()
                    return
            if asked.get("continue") is False and not (situation.voice == "no end" and situation.hurt):
                done = {"type": "done", "context_id": context, "done": True, "status_code": 200}
                await socket.send(json.dumps(done))

    @staticmethod
    async def _sound(socket, context, text, at, *, half):
        words, begins = text.split(), at.get(context, 0.0)
        starts = [begins + 0.2 * number for number in range(len(words))]
        timed = {"words": words, "start": starts, "end": [start + 0.2 for start in starts]}
        await socket.send(json.dumps({"type": "timestamps", "context_id": context, "word_timestamps": timed}))
        ms = max(len(text) * MS_A_LETTER, 200 * len(words)) // (2 if half else 1)
        at[context] = begins + ms / 1_000
        sound = base64.b64encode(b"\x2a" * (ms * 8)).decode()
        await socket.send(json.dumps({"type": "chunk", "context_id": context, "data": sound, "done": False}))

    async def answer(self, target, _headers, _body, sink):
        situation = self.of[target.split("/")[1]]
        status, body = situation.answers[min(situation.asked, len(situation.answers) - 1)]
        situation.asked += 1
        await sink.start(status)
        await sink.send(body)


async def _quietly(work):
    with suppress(*GONE):
        await work()


async def test_whoever_fails_the_caller_is_answered(tmp_path):
    providers = Providers()
    config, log = tmp_path / "config.toml", tmp_path / "daemon.log"
    with trio.fail_after(120):
        async with trio.open_nursery() as nursery, open_sandbox_twilio() as twilio:
            sockets = await nursery.start(partial(serve_sockets, providers.serve, refuse=providers.refuse))
            http = await nursery.start(partial(serve_http, providers))
            numbers = {name: f"+1555000{at:04}" for at, name in enumerate(providers.of)}
            config.write_text(
                CONFIG.format(
                    host=HOST,
                    account_sid=twilio.account_sid,
                    api_url=twilio.api_url,
                    numbers="\n".join(f'"{number}" = "{name}"' for name, number in numbers.items()),
                    models="\n".join(MODEL.format(name=name, sockets=sockets, http=http) for name in providers.of),
                )
            )
            async with open_daemon(config, log, twilio.auth_token) as daemon:
                twilio.connect_to(HOST, daemon.port)
                records = {}

                async def call(name, situation):
                    call = await twilio.call_in(f"https://{HOST}/twiml", from_="+15557654321", to=numbers[name])
                    await call.wait_for_stream()
                    listed = (await daemon.ask("/calls"))["calls"]
                    (call_id,) = [each["call_id"] for each in listed if each["call_sid"] == call.sid]

                    async def finished():
                        record = await daemon.ask(f"/calls/{call_id}")
                        return _said(record)[2:] == list(situation.said) or record["end_reason"]

                    with trio.move_on_after(30):  # then it is told below what was said instead
                        while not await finished():
                            await trio.sleep(0.5)
                    line = call.streams[-1].line
                    await eventually(lambda: line.queued_seconds(trio.current_time()) == 0)  # all was heard
                    call.hang_up()
                    await call.settled.wait()
                    await eventually(lambda: f'"{call_id}"' in log.read_text().partition('"call_ended"')[2])
                    records[name] = await daemon.ask(f"/calls/{call_id}")

                async with trio.open_nursery() as calls:
                    for name, situation in providers.of.items():
                        calls.start_soon(call, name, situation)
                nursery.cancel_scope.cancel()
    heard = {
        situation.name: [records[name]["end_reason"], *_said(records[name])] for name, situation in providers.of.items()
    }
    assert heard == {situation.name: ["hangup", "Hello there.", QUESTION, *situation.said] for situation in SITUATIONS}
    (tool,) = next(record["tools"] for record in records.values() if record["tools"])
    assert tool["result"] is not None
    for record in records.values():
        assert all(session["closed_at"] for session in record["model_sessions"])


def _said(record):
    """Lines of a record, without the fillers."""
    return [" ".join(line["text"].split()) for line in record["transcript"] if not _is_filler(line)]


def _is_filler(line):
    return line["text"].startswith(("One moment", "I am still", "Thank you for waiting"))
