"""Two nodes of one journal, each a daemon: every call is its owner's, and everything is seen from either."""

import json
import os
import sys

import httpx2
import pytest
import trio

from tests.daemons import SCRIPT, eventually, open_town, operator
from trio_voice.sandbox.demo.demo import AGENT_KEY
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN
from trio_voice.sandbox.twilio.webhooks import sign

KEY = "ASSEMBLYAI_API_KEY"
HOSTS = {digits: f"n{digits}.voice.example.com" for digits in ("01", "02")}


def server(digits):
    return f'node = "{digits}"\nnode_url = "https://{HOSTS[digits]}"'


async def readiness(world):
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{world.daemon.url}/readyz")
    return answer.status_code, answer.json()


async def ask(world, method, path, body=None):
    async with operator() as http:
        answer = await http.request(method, world.daemon.url + path, json=body)
    return answer.status_code, answer.json()


async def call_at(world):
    """Somebody calls this node; the call, and its id."""
    call = await world.ring(to="+15551234567")
    await call.wait_for_stream()
    return call, call.connects[-1].url.rpartition("/")[2]


async def at_its_port(world, folder):
    """A configuration that says the port which this daemon has got."""
    path = folder / "port.toml"
    path.write_text(world.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{world.daemon.port}", 1))
    return str(path)


async def test_two_nodes_are_one_fleet(tmp_path):
    with trio.fail_after(120):
        async with (
            open_town(tmp_path, make_backend=SCRIPT.backend) as town,
            town.daemon("one", host=HOSTS["01"], server=server("01"), max_calls=1) as one,
            town.daemon("two", host=HOSTS["02"], server=server("02"), max_calls=2) as two,
        ):
            assert await readiness(one) == (200, {"status": "ready", "node": "01", "live_calls": 0, "max_calls": 1})
            first, first_id = await call_at(one)
            assert first_id.startswith("01")
            assert HOSTS["01"] in first.connects[-1].url
            assert (await readiness(one))[1]["status"] == "full"

            # A full node sends a caller on to one that is not.
            await eventually(lambda: two.daemon.process.returncode is None)
            await trio.sleep(4)  # both have looked
            second, second_id = await call_at(one)
            assert second_id.startswith("02")

            # Everything is seen from either.
            for world in (one, two):
                _, listed = await ask(world, "GET", "/calls")
                assert sorted(each["call_id"] for each in listed["calls"]) == sorted([first_id, second_id])
                for call_id in (first_id, second_id):
                    assert (await ask(world, "GET", f"/calls/{call_id}"))[1]["state"] == "live"
            assert (await ask(two, "GET", f"/calls/01{'0' * 30}"))[0] == 404

            top = await trio.run_process(
                [sys.executable, "-m", "trio_voice", "--config", await at_its_port(two, tmp_path), "top"],
                capture_stdout=True,
                env=os.environ | {"TRIO_VOICE_API_TOKEN": OPERATOR_TOKEN, "TWILIO_AUTH_TOKEN": "t", KEY: AGENT_KEY},
            )
            assert {line.split()[0] for line in top.stdout.decode().splitlines()} == {first_id[:8], second_id[:8]}

            # Who listens at one hears of all.
            head = (
                "GET /events HTTP/1.1",
                f"Host: 127.0.0.1:{one.daemon.port}",
                f"Authorization: Bearer {OPERATOR_TOKEN}",
            )
            asked = "".join(f"{line}\r\n" for line in (*head, ""))
            async with await trio.open_tcp_stream("127.0.0.1", one.daemon.port) as told:
                await told.send_all(asked.encode())
                third = await two.ring(to="+15551234567")
                await third.wait_for_stream()
                heard, third_id = b"", third.connects[-1].url.rpartition("/")[2]
                with trio.fail_after(20):
                    while third_id.encode() not in heard:
                        heard += await told.receive_some()
            third.hang_up()

            # What is another node's is said to be, whoever asks, and never done.
            form = {"CallSid": first.sid, "CallStatus": "completed", "AccountSid": town.twilio.account_sid}
            for host, path in ((HOSTS["02"], f"/call-status/{first_id}"), (HOSTS["01"], f"/stream-status/{first_id}")):
                url = f"https://{host}{path}"
                signature = sign(town.twilio.auth_token, url, sorted(form.items()))
                async with httpx2.AsyncClient(trust_env=False) as http:
                    answer = await http.post(
                        two.daemon.url + path, data=form, headers={"X-Twilio-Signature": signature}
                    )
                assert (answer.status_code, answer.json()["error"]["node"]) == (404, "01")
                assert answer.json()["error"]["code"] == "other_node"

            # The digits of a node that lives are nobody else's.
            config = (tmp_path / "two" / "config.toml").read_text().replace('node = "02"', 'node = "01"')
            (tmp_path / "again.toml").write_text(config)
            keys = {"TWILIO_AUTH_TOKEN": town.twilio.auth_token, "ASSEMBLYAI_API_KEY": AGENT_KEY}
            again = await trio.run_process(
                [sys.executable, "-m", "trio_voice", "--config", str(tmp_path / "again.toml"), "serve"],
                check=False,
                capture_stdout=True,
                capture_stderr=True,
                env=os.environ | keys,
            )
            assert again.returncode == 78, again.stderr
            assert b"server.node" in again.stderr
            assert one.daemon.url.encode() in again.stderr

            # A number's own status comes to whichever node; the owner ends the call.
            status = {"CallSid": second.sid, "CallStatus": "completed", "AccountSid": town.twilio.account_sid}
            url = f"https://{HOSTS['01']}/call-status"
            signature = sign(town.twilio.auth_token, url, sorted(status.items()))
            async with httpx2.AsyncClient(trust_env=False) as http:
                answer = await http.post(
                    f"{one.daemon.url}/call-status", data=status, headers={"X-Twilio-Signature": signature}
                )
            assert answer.status_code == 204
            await eventually(lambda: [line for line in two.logged("call_ended") if line["call_id"] == second_id])

            # Anybody may hang up.
            code, _ = await ask(two, "DELETE", f"/calls/{first_id}")
            assert code == 200
            await eventually(lambda: first.over)
            await eventually(lambda: [line for line in one.logged("call_ended") if line["call_id"] == first_id])


@pytest.mark.slow
async def test_a_call_is_steered_and_listened_to_from_any_node(tmp_path):
    recorded = '"+15550000909" = "kept"\n\n[personas.kept]\nmodel = "aai"\ngreeting = "Ahoy."\nrecord = "here"\n'
    with trio.fail_after(120):
        async with (
            open_town(tmp_path, make_backend=SCRIPT.backend) as town,
            town.daemon("one", host=HOSTS["01"], server=server("01"), personas=recorded) as one,
            town.daemon("two", host=HOSTS["02"], server=server("02"), personas=recorded) as two,
        ):
            call = await two.ring(to="+15550000909")
            await call.wait_for_stream()
            call_id = call.connects[-1].url.rpartition("/")[2]
            await eventually(lambda: one.daemon.process.returncode is None)
            await until_known(one, call_id)

            # Wishes, and the pages that ask for them.
            assert (await ask(one, "POST", f"/calls/{call_id}/say", {"text": "We close in ten minutes."}))[0] == 202
            assert (await ask(one, "POST", f"/calls/{call_id}/say", {"text": ""}))[0] == 400
            assert (await ask(one, "POST", f"/calls/{call_id}/mute", {"muted": True}))[0] == 202
            async with operator() as http:
                live = await http.get(f"{one.daemon.url}/console")
                assert f"/console/calls/{call_id}/say" in live.text
                assert "at node 02" in live.text
                page = await http.get(f"{one.daemon.url}/console/calls/{call_id}")
                assert "Unmute" in page.text
                form = {"text": "Goodbye."}
                done = await http.post(f"{one.daemon.url}/console/calls/{call_id}/unmute", data=form)
                assert done.headers["Location"] == f"/console/calls/{call_id}"
            assert (await ask(one, "GET", f"/calls/{call_id}/recording"))[0] == 409

            # A stream at the wrong node is told whose it is, before anything is opened.
            status, said = await open_stream(one, f"/media-stream/{call_id}", town.twilio.auth_token, HOSTS["02"])
            assert (status, said["error"]["code"], said["error"]["node"]) == (404, "other_node", "02")
            assert "02" in said["error"]["message"]

            config = await at_its_port(one, tmp_path)
            command = [sys.executable, "-m", "trio_voice", "--config", config]
            keys = {"TRIO_VOICE_API_TOKEN": OPERATOR_TOKEN, "TWILIO_AUTH_TOKEN": "t", KEY: AGENT_KEY}
            spoken = await trio.run_process(
                [*command, "calls", "say", call_id[:8], "Hello."], capture_stdout=True, env=os.environ | keys
            )
            assert spoken.stdout.decode().split()[0] == call_id
            await trio.sleep(1)
            assert (await ask(one, "DELETE", f"/calls/{call_id}"))[0] == 200
            await eventually(lambda: two.logged("call_ended"))

            # Its recording, whole and in part, from here and from there.
            there = await recording(two, call_id)
            here = await recording(one, call_id)
            assert here.content == there.content
            assert here.content[:4] == b"RIFF"
            part = await recording(one, call_id, Range="bytes=100-299")
            assert (part.status_code, part.content) == (206, here.content[100:300])
            assert part.headers["Content-Range"] == f"bytes 100-299/{len(here.content)}"
            beyond = await recording(one, call_id, Range="bytes=999999999-")
            assert beyond.status_code == 416
            file = tmp_path / "copy.wav"
            await trio.run_process(
                [*command, "calls", "recording", call_id[:8], str(file)], capture_stdout=True, env=os.environ | keys
            )
            assert file.read_bytes() == here.content
            assert len((await ask(two, "GET", f"/calls/{call_id}"))[1]["recording"]["listened"]) == 3
            await two.kill()
            assert (await recording(one, call_id)).status_code == 503  # its node is not there
            assert (await ask(one, "DELETE", f"/calls/{call_id}/recording"))[1]["error"]["code"] == "node_away"


async def until_known(world, call_id):
    """A node has heard of another whose call this is: it lists it."""
    with trio.fail_after(30):
        while call_id not in [each["call_id"] for each in (await ask(world, "GET", "/calls"))[1]["calls"]]:
            await trio.sleep(0.2)


async def recording(world, call_id, **headers):
    async with operator() as http:
        return await http.get(f"{world.daemon.url}/calls/{call_id}/recording", headers=headers)


async def open_stream(world, path, token, host):
    """A handshake that Twilio has signed for a host, sent to this node; what is answered."""
    signature = sign(token, f"wss://{host}{path}", [])
    head = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        f"X-Twilio-Signature: {signature}",
    )
    async with await trio.open_tcp_stream("127.0.0.1", world.daemon.port) as stream:
        await stream.send_all("".join(f"{line}\r\n" for line in (*head, "")).encode())
        answer = b""
        with trio.fail_after(10):
            while more := await stream.receive_some():
                answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)
