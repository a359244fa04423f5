"""The peer: a relay as one would write it with the same packages, without anything around it.

Quart-Trio on hypercorn towards Twilio, trio-websocket towards the model, ``json`` between them; no signature, no
limits, no playback, no barge-in, no end but the closing of a socket.

    python benchmarks/peers/plain_relay.py MODEL_URL
"""

import json
import sys

import hypercorn.config
import hypercorn.trio
import quart_trio
import trio
import trio_websocket
from quart import request, websocket

app = quart_trio.QuartTrio(__name__)
model_url = sys.argv[1]


@app.post("/twiml")
async def twiml() -> tuple[str, dict[str, str]]:
    """Connect the call to a stream."""
    stream = f"wss://{request.host}/media-stream/{id(request)}"
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
        await model.send_message(json.dumps({"type": "session.update", "session": {}}))
        nursery.start_soon(to_model, model)
        while True:
            event = json.loads(await model.get_message())
            if event["type"] == "reply.audio":
                answer = {"event": "media", "streamSid": stream_sid, "media": {"payload": event["data"]}}
                await twilio.send(json.dumps(answer))


async def main() -> None:
    """Serve on a free port and say which."""
    config = hypercorn.config.Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(hypercorn.trio.serve, app, config)
        print(f"listening on {url}", flush=True)


trio.run(main)
