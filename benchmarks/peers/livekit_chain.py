"""A peer of ``make turns``: LiveKit's AgentSession between Twilio and three providers, without a LiveKit server.

Its own plugins for AssemblyAI, chat completions and ElevenLabs; sound goes in and out by its own interfaces for it
(``AudioInput``, ``AudioOutput``), which here are Twilio's Media Streams. The recogniser decides when a turn is over, as
with ours: no silence of the session's own is added to that, and none is asked for of the recogniser. ``AS_IT_COMES`` in
the environment leaves all of that as LiveKit has it. Addresses and the greeting come in the environment.

    python livekit_chain.py     on a free port, which it prints
"""

from __future__ import annotations

import asyncio
import audioop
import base64
import json
import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from livekit import rtc
from livekit.agents import Agent, AgentSession, NotGivenOr
from livekit.agents.types import NOT_GIVEN
from livekit.agents.voice import io
from livekit.plugins import assemblyai, elevenlabs, openai
from serving import serve

if TYPE_CHECKING:
    from livekit.agents.voice.turn import TurnHandlingOptions

RATE = 8000
AS_IT_COMES = bool(os.environ.get("AS_IT_COMES"))

logging.basicConfig(level=logging.WARNING)
app = FastAPI()


class CallerInput(io.AudioInput):
    """Sound of the caller."""

    def __init__(self) -> None:
        super().__init__(label="Twilio")
        self._frames: asyncio.Queue[rtc.AudioFrame | None] = asyncio.Queue()

    def push(self, payload: str) -> None:
        sound = audioop.ulaw2lin(base64.b64decode(payload), 2)
        self._frames.put_nowait(rtc.AudioFrame(sound, RATE, 1, len(sound) // 2))

    def end(self) -> None:
        self._frames.put_nowait(None)

    async def __anext__(self) -> rtc.AudioFrame:
        frame = await self._frames.get()
        if frame is None:
            raise StopAsyncIteration
        return frame


class CallerOutput(io.AudioOutput):
    """Sound for the caller: sent at once, for Twilio has a buffer; it is told by the length how far it has played."""

    def __init__(self, websocket: WebSocket, stream_sid: str) -> None:
        super().__init__(label="Twilio", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=RATE)
        self._websocket = websocket
        self._stream_sid = stream_sid
        self._ends_at = 0.0
        self._seconds = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        payload = base64.b64encode(audioop.lin2ulaw(bytes(frame.data), 2)).decode()
        await self._send({"event": "media", "streamSid": self._stream_sid, "media": {"payload": payload}})
        now = time.monotonic()
        if not self._seconds:
            self.on_playback_started(created_at=time.time())
        self._ends_at = max(self._ends_at, now) + frame.duration
        self._seconds += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._seconds:
            wait = max(self._ends_at - time.monotonic(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(wait, self._finish)

    def clear_buffer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._seconds:
            self._cleared = asyncio.ensure_future(self._send({"event": "clear", "streamSid": self._stream_sid}))
            self._finish(interrupted=True)

    def _finish(self, *, interrupted: bool = False) -> None:
        unheard = max(self._ends_at - time.monotonic(), 0.0) if interrupted else 0.0
        position, self._seconds, self._ends_at = self._seconds - unheard, 0.0, 0.0
        self.on_playback_finished(playback_position=position, interrupted=interrupted)

    async def _send(self, message: dict[str, Any]) -> None:
        with suppress(RuntimeError, WebSocketDisconnect):
            await self._websocket.send_text(json.dumps(message))


@app.post("/twiml")
async def twiml(request: Request) -> Response:
    stream = f"wss://{request.headers['host']}/ws"
    document = f'<Response><Connect><Stream url="{stream}" /></Connect></Response>'
    return Response(document, media_type="application/xml")


def turn_handling() -> NotGivenOr[TurnHandlingOptions]:
    if AS_IT_COMES:
        return {"turn_detection": "stt"}
    return {"turn_detection": "stt", "endpointing": {"min_delay": 0.0, "max_delay": 0.0}}


@app.websocket("/ws")
async def media_stream(websocket: WebSocket) -> None:
    await websocket.accept()
    while (message := json.loads(await websocket.receive_text()))["event"] != "start":
        pass
    caller, heard = CallerInput(), CallerOutput(websocket, message["start"]["streamSid"])
    async with aiohttp.ClientSession() as http:
        session: AgentSession[None] = AgentSession(
            stt=assemblyai.STT(
                api_key="none",
                base_url=os.environ["STT_URL"],
                sample_rate=RATE,
                mode=NOT_GIVEN if AS_IT_COMES else "balanced",
                http_session=http,
            ),
            llm=openai.LLM(model="m", api_key="none", base_url=os.environ["LLM_URL"]),
            tts=elevenlabs.TTS(
                api_key="none",
                base_url=f"{os.environ['TTS_URL']}/v1",
                voice_id="v",
                encoding="pcm_8000",
                http_session=http,
            ),
            vad=None,
            turn_handling=turn_handling(),
            aec_warmup_duration=None,
        )
        session.input.audio = caller
        session.output.audio = heard
        await session.start(Agent(instructions="You answer the telephone of a lighthouse."))
        session.say(os.environ["GREETING"], add_to_chat_ctx=False)
        try:
            while (message := json.loads(await websocket.receive_text()))["event"] != "stop":
                if message["event"] == "media":
                    caller.push(message["media"]["payload"])
        except WebSocketDisconnect:
            pass
        finally:
            caller.end()
            await session.aclose()


if __name__ == "__main__":
    serve(app)
