"""A media stream to a server that writes down what comes."""

import base64
import json

import pytest
import trio
import trio.testing

from trio_voice.sandbox.transport.memory import memory_channels
from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer

SID = "MZ0123456789abcdef0123456789abcdef"
SPEECH = bytes(range(160)) * 50


def about(seconds):
    return pytest.approx(seconds, abs=1e-9)


def media(mulaw):
    payload = base64.b64encode(mulaw).decode()
    return json.dumps({"event": "media", "streamSid": SID, "media": {"payload": payload}})


def mark(name):
    return json.dumps({"event": "mark", "streamSid": SID, "mark": {"name": name}})


CLEAR = json.dumps({"event": "clear", "streamSid": SID})


class Server:
    """Our end of the channel: reads everything, with the time."""

    def __init__(self, channel):
        self.channel = channel
        self.messages = []
        self.over = None

    async def read(self):
        try:
            while True:
                message = await self.channel.receive()
                self.messages.append((trio.current_time(), json.loads(message)))
        except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError) as over:
            self.over = (trio.current_time(), type(over))
            await self.channel.aclose()

    def of(self, event):
        return [(at, message) for at, message in self.messages if message["event"] == event]


def end_of(peer):
    assert peer.end is not None
    return peer.end


@pytest.fixture
async def line(nursery):
    """A stream that has just begun at time 0, and the server that reads it."""
    twilio_end, our_end = memory_channels()
    peer = MediaStreamPeer(twilio_end, stream_sid=SID, call_sid="CA1", account_sid="AC1", parameters={"k": "v"})
    server = Server(our_end)
    nursery.start_soon(server.read)
    nursery.start_soon(peer.run)
    return peer, server
