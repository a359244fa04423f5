"""Two nodes of one journal, each a daemon: every call is its owner's, and everything is seen from either."""

import os
import sys

import httpx2
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


async def ask(world, method, path):
    async with operator() as http:
        answer = await http.request(method, world.daemon.url + path)
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


async def test_two_nodes_are_one_house(tmp_path):
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
