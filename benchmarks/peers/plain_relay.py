"""The peer: a relay as one would write it with the same packages, without anything around it.

Quart-Trio on hypercorn towards Twilio, trio-websocket towards the model, ``json`` between them; no signature, no
limits, no playback, no barge-in, no end but the closing of a socket.

    python benchmarks/peers/plain_relay.py MODEL_URL [PORT]
"""

import json
import os
import sys
import uuid

import hypercorn.config
import hypercorn.trio
import quart_trio
import trio
import trio_websocket
from quart import request, websocket

SESSION = {"greeting": "Ahoy.", "input": {"format": {"encoding": "audio/pcmu"}}}

app = quart_trio.QuartTrio(__name__)
model_url = sys.argv[1]
port = sys.argv[2] if len(sys.argv) > 2 else "0"


@app.post("/twiml")
async def twiml() -> tuple[str, dict[str, str]]:
    """Connect the call to a stream."""
    base = os.environ.get("PUBLIC_URL", f"https://{request.host}").replace("http", "ws", 1)
    stream = f"{base}/media-stream/{uuid.uuid4()}"
    xml = f'<?xml version="1.0"?><Response><Connect><Stream url="{stream}" /></Connect></Response>'
    return xml, {"Content-Type": "text/xml"}


@app.websocket("/media-stream/<call_id>")
async def media_stream(call_id: str) -> None:
    """Relay one stream."""
    del call_id
    twilio = websocket._get_current_object()  # noqa: SLF001 - werkzeug's own name
    stream_sid = ""

    async def to_model(model: trio_websocket.WebSocketConnection) -> None:
        nonlocal stream_sid
        while True:
            message = json.loads(await twilio.receive())
            if message["event"] == "media":
                await model.send_message(json.dumps({"type": "input.audio", "audio": message["media"]["payload"]}))
            elif message["event"] == "start":
                stream_sid = message["start"]["streamSid"]
            elif message["event"] == "stop":
                await model.aclose()

    async with (
        trio_websocket.open_websocket_url(model_url, message_queue_size=50) as model,
        trio.open_nursery() as nursery,
    ):
        await model.send_message(json.dumps({"type": "session.update", "session": SESSION}))
        nursery.start_soon(to_model, model)
        while True:
            event = json.loads(await model.get_message())
            if event["type"] == "reply.audio":
                answer = {"event": "media", "streamSid": stream_sid, "media": {"payload": event["data"]}}
                await twilio.send(json.dumps(answer))


async def main() -> None:
    """Serve, on a free port if none was given, and say on which."""
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.errorlog = None
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(hypercorn.trio.serve, app, config)
        print(f"listening on {url}", flush=True)


trio.run(main)
