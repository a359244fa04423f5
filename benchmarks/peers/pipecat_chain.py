"""A peer of ``make turns``: Pipecat between Twilio and three providers, put together as its examples do it.

Its own transport and Twilio serializer, AssemblyAI's recogniser which decides when a turn is over
(``vad_force_turn_endpoint=False``, as ours does), OpenAI's chat completions, ElevenLabs' socket. Addresses and the
greeting come in the environment.

    python pipecat_chain.py     on a free port, which it prints
"""

from __future__ import annotations

import os

from fastapi import FastAPI, Request, Response, WebSocket
from loguru import logger
from pipecat.frames.frames import TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.assemblyai.stt import AssemblyAISTTService
from pipecat.services.elevenlabs.tts import ElevenLabsTTSService
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner
from serving import serve

logger.remove()
logger.add(lambda line: print(line, end="", flush=True, file=__import__("sys").stderr), level="WARNING")

app = FastAPI()


@app.post("/twiml")
async def twiml(request: Request) -> Response:
    stream = f"wss://{request.headers['host']}/ws"
    document = f'<Response><Connect><Stream url="{stream}" /></Connect></Response>'
    return Response(document, media_type="application/xml")


@app.websocket("/ws")
async def media_stream(websocket: WebSocket) -> None:
    await websocket.accept()
    _, call = await parse_telephony_websocket(websocket)
    serializer = TwilioFrameSerializer(
        stream_sid=call["stream_id"],
        call_sid=call["call_id"],
        params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
    )
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer),
    )
    stt = AssemblyAISTTService(
        api_key="none", api_endpoint_base_url=f"{os.environ['STT_URL']}/v3/ws", vad_force_turn_endpoint=False
    )
    llm = OpenAILLMService(
        api_key="none", base_url=os.environ["LLM_URL"], settings=OpenAILLMService.Settings(model="m")
    )
    tts = ElevenLabsTTSService(
        api_key="none",
        url=os.environ["TTS_URL"].replace("http", "ws", 1),
        settings=ElevenLabsTTSService.Settings(voice="v"),
    )
    user, assistant = LLMContextAggregatorPair(LLMContext())
    worker = PipelineWorker(
        Pipeline([transport.input(), stt, user, llm, tts, transport.output(), assistant]),
        params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
    )

    @transport.event_handler("on_client_connected")
    async def on_client_connected(_transport: FastAPIWebsocketTransport, _client: WebSocket) -> None:
        await worker.queue_frames([TTSSpeakFrame(os.environ["GREETING"])])

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport: FastAPIWebsocketTransport, _client: WebSocket) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    serve(app)
