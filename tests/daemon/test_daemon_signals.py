"""The daemon as its operator runs it: drain, reload, systemd."""

import math
import signal
import socket
import time
from contextlib import suppress

import pytest
import trio

from tests.daemons import GREETING, PATIENCE_SECONDS, eventually, open_world


async def test_a_drain_refuses_new_calls_and_ends_the_live_one_when_its_time_is_up(tmp_path):
    async with open_world(tmp_path, drain_seconds=2) as world:
        world.twilio.account.say_characters_per_second = math.inf
        call, session = await world.talk()
        asked_at = trio.current_time()
        world.tell(signal.SIGTERM)
        await eventually(lambda: world.logged("draining"))
        health = await world.daemon.ask("/healthz")
        refused = await world.ring()
        await refused.settled.wait()
        assert session.is_open
        status = await world.exit_status()
        took = trio.current_time() - asked_at

        assert (health["status"], health["live_calls"]) == ("draining", 1)
        assert refused.requests[0].status == 200  # of any other Twilio plays nothing
        answer = refused.requests[0]
        assert answer.content_type.startswith("text/xml")
        assert b"<Say>We cannot take your call right now. Please try again later.</Say><Hangup" in answer.body
        assert [line["code"] for line in world.logged("call_refused")] == ["draining"]
        assert (status, [line["end_reason"] for line in world.logged("call_ended")]) == (0, ["drain"])
        assert 2 <= took < 2 + PATIENCE_SECONDS
        assert session.told_goodbye
        await call.settled.wait()


async def test_a_second_signal_ends_the_live_calls_at_once_and_a_reload_is_no_such_signal(tmp_path):
    async with open_world(tmp_path) as world:  # drain_seconds = 120
        call, session = await world.talk()
        world.tell(signal.SIGTERM)
        await eventually(lambda: world.logged("draining"))
        world.tell(signal.SIGHUP)
        heard = len(session.payloads)
        await eventually(lambda: len(session.payloads) > heard + 10)
        assert session.is_open
        world.tell(signal.SIGINT)
        assert await world.exit_status() == 0
        assert [line["end_reason"] for line in world.logged("call_ended")] == ["drain"]
        assert session.told_goodbye
        await call.settled.wait()


@pytest.fixture
async def systemd(tmp_path, monkeypatch, nursery):
    """Words that systemd is told, as a list that grows."""
    listener = trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    await listener.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    told = []

    async def read():
        # Always, as systemd does: ten waiting datagrams are as many as the kernel keeps.
        with suppress(trio.ClosedResourceError):
            while True:
                told.append((await listener.recv(1_000)).decode())

    nursery.start_soon(read)
    yield told
    listener.close()


async def test_a_reload_is_for_the_next_call_and_a_broken_file_for_none_and_systemd_is_told_of_it_all(
    tmp_path, systemd
):
    async with open_world(tmp_path) as world:
        await eventually(lambda: "READY=1" in systemd)
        first, first_session = await world.talk()
        good = world.config.read_text()
        changed = good.replace(GREETING, "Welcome aboard.").replace('voice = "alba"', 'voice = "eve"')
        world.config.write_text(changed)
        earliest = time.monotonic_ns() // 1_000
        world.tell(signal.SIGHUP)
        (reloaded,) = await eventually(lambda: world.logged("reloaded"))
        latest = time.monotonic_ns() // 1_000
        second, second_session = await world.talk()

        world.config.write_text(good.replace("[personas.receptionist]", "[personas.receptionist]\ngreetin = 1"))
        world.tell(signal.SIGHUP)
        (refused,) = await eventually(lambda: world.logged("reload_refused"))
        third, third_session = await world.talk()

        assert reloaded["personas_changed"] == ["receptionist"]
        assert world.logged("reload_left_out") == []
        assert "personas.receptionist.greetin: no such key; did you mean 'greeting'?" in refused["problems"][0]
        sessions = (first_session, second_session, third_session)
        configs = [session.settings.config for session in sessions]
        assert [config.greeting for config in configs] == [GREETING, "Welcome aboard.", "Welcome aboard."]
        assert [config.output.voice for config in configs] == ["alba", "eve", "eve"]
        heard = len(first_session.payloads)
        await eventually(lambda: len(first_session.payloads) > heard)
        for call in (first, second, third):
            call.hang_up()
            assert (await world.ended(call))["end_reason"] == "hangup"

        await eventually(lambda: systemd.count("WATCHDOG=1") >= 5)
        stop_at = trio.current_time()
        world.tell(signal.SIGTERM)
        assert await world.exit_status() == 0
        await eventually(lambda: any(each.startswith("STOPPING=1\n") for each in systemd))
        assert trio.current_time() - stop_at < 5  # nobody is on the line, so nothing is waited for
        states = [each for each in systemd if each != "WATCHDOG=1"]
        assert [each.partition("\n")[0] for each in states] == [
            "READY=1",
            *["RELOADING=1", "READY=1"] * 2,
            "STOPPING=1",
        ]
        assert "greetin" in states[4]  # systemctl status says why the second was refused
        assert "EXTEND_TIMEOUT_USEC=" in states[5]
        moment = int(states[1].partition("\nMONOTONIC_USEC=")[2])
        assert earliest <= moment <= latest  # systemd ignores a reload from before it asked for one
