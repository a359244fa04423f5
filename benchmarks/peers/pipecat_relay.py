"""A peer of the rig: Pipecat between Twilio and OpenAI's Realtime API, put together as its documentation does it.

The pipeline is that of its examples (``realtime-openai``, ``twilio-chatbot``): the call is over when the transport says
that the client has disconnected, and the worker is cancelled. Beyond the examples, the worker is told to give up when
its model has become useless (``ProcessorUnusablePolicy.CANCEL``), which is the documented way not to go on without it.

    uvicorn pipecat_relay:app --port $PORT
    python pipecat_relay.py     the same on a free port, which it prints: for the benchmark
"""

from __future__ import annotations

import asyncio
import os

from fastapi import FastAPI, Request, Response, WebSocket
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import EndWorkerFrame, LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker, ProcessorUnusablePolicy
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime.events import AudioConfiguration, AudioInput, SessionProperties, TurnDetection
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner
from serving import serve

app = FastAPI()


async def never_returns(params: FunctionCallParams) -> None:
    del params
    await asyncio.Event().wait()


async def end_call(params: FunctionCallParams) -> None:
    await params.llm.push_frame(EndWorkerFrame())


TOOLS = [
    FunctionSchema("never_returns", "Look something up that is never found.", properties={}, required=[]),
    FunctionSchema("end_call", "End the telephone call.", properties={}, required=[]),
]


@app.post("/twiml")
async def twiml(request: Request) -> Response:
    base = os.environ.get("PUBLIC_URL", f"https://{request.headers['host']}").replace("http", "ws", 1)
    stream = f"{base}/ws"
    document = f'<Response><Connect><Stream url="{stream}" /></Connect></Response>'
    return Response(document, media_type="application/xml")


@app.websocket("/ws")
async def media_stream(websocket: WebSocket) -> None:
    await websocket.accept()
    _, call = await parse_telephony_websocket(websocket)
    serializer = TwilioFrameSerializer(
        stream_sid=call["stream_id"],
        call_sid=call["call_id"],
        account_sid=os.environ["TWILIO_ACCOUNT_SID"],
        auth_token=os.environ["TWILIO_AUTH_TOKEN"],
        base_url=os.environ["TWILIO_API_URL"],
    )
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer),
    )
    llm = OpenAIRealtimeLLMService(
        api_key=os.environ["OPENAI_API_KEY"],
        base_url=os.environ["MODEL_URL"],
        settings=OpenAIRealtimeLLMService.Settings(
            system_instruction="You answer the telephone of a lighthouse.",
            session_properties=SessionProperties(
                audio=AudioConfiguration(input=AudioInput(turn_detection=TurnDetection()))
            ),
        ),
    )
    llm.register_function("never_returns", never_returns)
    llm.register_function("end_call", end_call)
    context = LLMContext([{"role": "developer", "content": "Say hello!"}], ToolsSchema(standard_tools=TOOLS))
    user, assistant = LLMContextAggregatorPair(context)
    worker = PipelineWorker(
        Pipeline([transport.input(), user, llm, transport.output(), assistant]),
        params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
        processor_unusable_policy=ProcessorUnusablePolicy.CANCEL,
    )

    @transport.event_handler("on_client_connected")
    async def on_client_connected(_transport: FastAPIWebsocketTransport, _client: WebSocket) -> None:
        await worker.queue_frames([LLMRunFrame()])

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport: FastAPIWebsocketTransport, _client: WebSocket) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    serve(app)
