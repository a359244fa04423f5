"""Steering of a call whose telephone is a page, over sockets and with a real daemon."""

import base64
import json
from contextlib import suppress

import httpx2
import pytest
import trio

from tests.daemons import eventually, open_world
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN
from trio_voice.sandbox.transport.sockets import connect_socket

pytestmark = pytest.mark.slow

SILENCE = base64.b64encode(b"\xff" * 160).decode()


async def speak_silence(socket):
    """Be a page: open the stream, and send a frame every 20 ms until the daemon has had enough."""
    start = {"streamSid": "MZ1", "callSid": "CA1", "accountSid": "AC1", "tracks": ["inbound"], "customParameters": {}}
    start["mediaFormat"] = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    await socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
    await socket.send(json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": start}))
    for chunk in range(1, 100_000):
        media = {"track": "inbound", "chunk": str(chunk), "timestamp": str(20 * chunk), "payload": SILENCE}
        message = {"event": "media", "sequenceNumber": str(chunk + 1), "streamSid": "MZ1", "media": media}
        try:
            await socket.send(json.dumps(message))
        except trio.BrokenResourceError:
            return
        await trio.sleep(0.02)


async def drain(socket):
    """Take what the agent says."""
    with suppress(trio.BrokenResourceError, trio.EndOfChannel):
        while True:
            await socket.receive()


async def test_it_is_spoken_in_muted_and_hung_up_and_cannot_be_put_through(tmp_path, nursery):
    async with open_world(tmp_path, operator="127.0.0.1:0") as world:
        url = world.daemon.operator_url
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False) as http:
            promised = (await http.post("/browser-calls", json={"persona": "receptionist"})).json()
            path = f"/calls/{promised['call_id']}"

            async def steer(verb, **fields):
                answer = await http.post(f"{path}/{verb}", json=fields)
                return answer.status_code, answer.json().get("error", {}).get("code")

            assert await steer("say", text="Hello.") == (409, "not_live")
            assert await steer("transfer", to="+15557654321") == (409, "not_live")
            host, _, port = url.removeprefix("http://").partition(":")
            stream = f"/media-stream/{promised['call_id']}"
            socket = await connect_socket(nursery, host, int(port), stream, [("Origin", url)])
            nursery.start_soon(speak_silence, socket)
            nursery.start_soon(drain, socket)
            [session] = await eventually(lambda: world.agent.open_sessions)
            await eventually(lambda: len(session.payloads) > 10)

            refused = await http.post(f"{path}/transfer", json={"to": "+15557654321"})
            assert refused.status_code == 422
            assert refused.json()["error"] == {
                "code": "not_supported",
                "message": "this call cannot be put through: it has no telephone at Twilio",
            }
            page = await http.post(f"/console{path}/transfer", data={"to": "+15557654321"})
            assert (page.status_code, "it has no telephone at Twilio" in page.text) == (409, True)
            assert await steer("say", text="The line is being looked at.") == (202, None)
            assert await steer("mute", muted=True) == (202, None)
            assert await steer("say", text="Nobody would hear it.") == (409, "muted")
            assert await steer("mute", muted=False) == (202, None)
            assert session.is_open  # nothing of it has ended the call
            assert (await http.delete(path)).status_code in (200, 202, 204)

            async def ended():
                return (await http.get(path)).json()["end_reason"]

            with trio.fail_after(30):
                while await ended() is None:
                    await trio.sleep(0.05)
            assert await ended() == "operator"
            assert await steer("transfer", to="+15557654321") == (409, "not_live")
            assert await steer("mute", muted=True) == (409, "not_live")
        await socket.abort()
