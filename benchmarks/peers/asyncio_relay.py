"""A relay on asyncio as one would write it: FastAPI on uvicorn with uvloop, ``websockets`` to the model, ``json``.

python asyncio_relay.py MODEL_URL [PORT]
"""

import asyncio
import json
import os
import sys
import uuid

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from serving import serve
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

app = FastAPI()
model_url = sys.argv[1]
port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
SESSION = {"system_prompt": "Be kind.", "greeting": "Ahoy.", "input": {"format": {"encoding": "audio/pcmu"}}}


@app.post("/twiml")
async def twiml(request: Request) -> Response:
    """Connect the call to a stream."""
    await request.body()
    base = os.environ.get("PUBLIC_URL", f"https://{request.headers['host']}").replace("http", "ws", 1)
    stream = f"{base}/media-stream/{uuid.uuid4()}"
    xml = f'<?xml version="1.0"?><Response><Connect><Stream url="{stream}" /></Connect></Response>'
    return Response(xml, media_type="text/xml")


@app.websocket("/media-stream/{call_id}")
async def media_stream(twilio: WebSocket, call_id: str) -> None:
    """Relay one stream."""
    del call_id
    await twilio.accept()
    stream_sid = ""
    ready = False

    async def to_twilio(model: ClientConnection) -> None:
        nonlocal ready
        async for text in model:
            event = json.loads(text)
            if event["type"] == "reply.audio":
                media = {"payload": event["data"]}
                await twilio.send_text(json.dumps({"event": "media", "streamSid": stream_sid, "media": media}))
            elif event["type"] == "session.ready":
                ready = True
            elif event["type"] == "input.speech.started":
                await twilio.send_text(json.dumps({"event": "clear", "streamSid": stream_sid}))

    async with connect(model_url) as model:
        await model.send(json.dumps({"type": "session.update", "session": SESSION}))
        downward = asyncio.create_task(to_twilio(model))
        try:
            while True:
                message = json.loads(await twilio.receive_text())
                if message["event"] == "media" and ready:
                    await model.send(json.dumps({"type": "input.audio", "audio": message["media"]["payload"]}))
                elif message["event"] == "start":
                    stream_sid = message["start"]["streamSid"]
                elif message["event"] == "stop":
                    return
        except (WebSocketDisconnect, ConnectionClosed):
            pass
        finally:
            downward.cancel()


serve(app, port)
