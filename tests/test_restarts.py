"""A fleet under way: a node that is stopped and wakes, one restarted after the other, a token taken away."""

import os
import signal
import subprocess
from contextlib import AsyncExitStack

import httpx2
import pytest
import trio

from tests.balancers import EXAMPLES, free_port, program
from tests.daemons import CONFIG, GREETING, HOST, OUR_NUMBER, SCRIPT, THEIR_NUMBER, eventually, open_town
from trio_voice.sandbox.demo.demo import open_daemon

pytestmark = pytest.mark.slow


async def test_a_node_that_stands_still_is_declared_dead_and_goes_on_when_it_wakes(tmp_path):
    """Its telephones are ended once, by whoever lives; nobody else's are."""
    with trio.fail_after(180):
        async with AsyncExitStack() as stack:
            town = await stack.enter_async_context(open_town(tmp_path, make_backend=SCRIPT.backend))
            one, two = [
                await stack.enter_async_context(
                    town.daemon(digits, host=f"n{digits}.example.com", server=f'node = "{digits}"', dead_after=12)
                )
                for digits in ("01", "02")
            ]
            theirs = [await one.talk() for _ in range(3)]
            mine, _ = await two.talk()
            await trio.sleep(3)
            one.tell(signal.SIGSTOP)
            await eventually(lambda: all(call.over for call, _ in theirs), seconds=40)
            one.tell(signal.SIGCONT)
            await eventually(lambda: not any(session.is_open for _, session in theirs), seconds=15)
            await eventually(lambda: one.logged("declared_dead"))
            await trio.sleep(3)
            assert [two.rest_updates(call) for call, _ in theirs] == [[200]] * 3
            assert not mine.over
            again, _ = await one.talk()
            for call in (again, mine):
                call.hang_up()
            await one.ended(again)


async def test_two_daemons_that_are_restarted_in_turn_refuse_nobody(tmp_path):
    """On one machine, behind HAProxy with the example's configuration, under a call a second."""
    ports, front = [free_port(), free_port()], free_port()
    text = (EXAMPLES / "nodes" / "haproxy.cfg").read_text()
    text = text.replace("bind :80\n", f"bind 127.0.0.1:{front}\n").replace("maxconn 8000", "maxconn 500")
    for number, port in enumerate(ports, 1):
        text = text.replace(f"10.0.0.1{number}:8080", f"127.0.0.1:{port}")
    lines = [line for line in text.splitlines() if "10.0.0.13" not in line and line != "backend node_03"]
    config = tmp_path / "haproxy.cfg"
    config.write_text("\n".join(lines) + "\n")
    balancer = subprocess.Popen(  # noqa: ASYNC220 - it begins, and is not waited for
        [program("haproxy"), "-f", str(config)], stderr=subprocess.DEVNULL
    )
    answered = []
    try:
        with trio.fail_after(300):
            async with open_town(tmp_path, make_backend=SCRIPT.backend) as town, trio.open_nursery() as nursery:

                async def run(number, stop, task_status):
                    folder = tmp_path / f"0{number}"
                    folder.mkdir(exist_ok=True)
                    (folder / "config.toml").write_text(
                        CONFIG.format(
                            host=HOST,
                            dead_after=30,
                            workers=1,
                            bind=f"127.0.0.1:{ports[number - 1]}",
                            server=f'node = "0{number}"',
                            twilio="",
                            operator="",
                            our_number=OUR_NUMBER,
                            journal=f"sqlite:///{tmp_path}/journal.db",
                            account_sid=town.twilio.account_sid,
                            api_url=town.twilio.api_url,
                            agent_url=town.agent.url,
                            greeting=GREETING,
                            closed_port=1,
                            personas="",
                            limits="",
                        )
                    )
                    async with open_daemon(folder / "config.toml", folder / "log", town.twilio.auth_token) as daemon:
                        task_status.started()
                        await stop.wait()
                        daemon.process.send_signal(signal.SIGTERM)
                        assert await daemon.process.wait() == 0

                async def start(number):
                    stop = trio.Event()
                    await nursery.start(lambda number, task_status: run(number, stop, task_status), number)
                    return stop

                async def call_once():
                    call = await town.twilio.call_in(
                        f"https://{HOST}/twiml",
                        from_=THEIR_NUMBER,
                        to=OUR_NUMBER,
                        status_callback=f"https://{HOST}/call-status",
                    )
                    await call.wait_for_stream()
                    await trio.sleep(1.5)
                    call.hang_up()
                    answered.append(call)

                stops = [await start(1), await start(2)]
                town.twilio.connect_to(HOST, front)
                await trio.sleep(4)  # the balancer has looked
                begun = 0
                with trio.CancelScope() as calling:

                    async def calls():
                        nonlocal begun
                        while True:
                            begun += 1
                            nursery.start_soon(call_once)
                            await trio.sleep(1)

                    async with trio.open_nursery() as callers:
                        callers.start_soon(calls)
                        for number in (1, 2):
                            await trio.sleep(3)
                            stops[number - 1].set()
                            await trio.sleep(6)
                            stops[number - 1] = await start(number)
                        await trio.sleep(3)
                        calling.cancel()
                await eventually(lambda: len(answered) == begun, seconds=30)
                for stop in stops:
                    stop.set()
        assert begun > 15
    finally:
        balancer.kill()
        balancer.wait()


async def test_tokens_of_a_file_are_valid_line_by_line_and_read_again(tmp_path, monkeypatch):
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setitem(os.environ, "CREDENTIALS_DIRECTORY", str(folder))

    async def status(world, token):
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(trust_env=False) as http:
            return (await http.get(f"{world.daemon.url}/calls", headers=headers)).status_code

    with trio.fail_after(90):
        async with open_town(tmp_path, make_backend=SCRIPT.backend) as town:
            (folder / "trio_voice_api_token").write_text("alpha\nbeta\n")
            (folder / "twilio_auth_token").write_text(f"{town.twilio.auth_token}\nsecond\n")
            async with town.daemon() as world:
                assert [await status(world, token) for token in ("alpha", "beta", "gamma")] == [200, 200, 401]
                live, session = await world.talk()
                (folder / "trio_voice_api_token").write_text("beta\ngamma\n")
                (folder / "twilio_auth_token").write_text(f"third\n{town.twilio.auth_token}\n")
                world.tell(signal.SIGHUP)
                await eventually(lambda: world.logged("reloaded"), seconds=30)
                assert [await status(world, token) for token in ("alpha", "beta", "gamma")] == [401, 200, 200]
                assert session.is_open
                other, _ = await world.talk()  # signed with what is the second line now
                for call in (live, other):
                    call.hang_up()
                await eventually(lambda: len(world.logged("call_ended")) == 2)
