"""sd_notify, against a real datagram socket."""

import resource
import socket
from contextlib import suppress

import pytest
import structlog
import trio
import trio.testing

from trio_voice.edges.systemd import TELL_SECONDS, Notifier, watchdog_seconds


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.setblocking(False)
    name = str(tmp_path / "notify") if request.param == "path" else f"@trio-voice-{tmp_path.name}"
    listener.bind(name.replace("@", "\0", 1) if request.param == "abstract" else name)
    yield listener, name
    listener.close()


async def test_it_is_told(systemd):
    listener, name = systemd
    with Notifier({"NOTIFY_SOCKET": name}) as notifier:
        await notifier.notify("READY=1", "STATUS=x")
    assert listener.recv(100) == b"READY=1\nSTATUS=x"


async def test_outside_systemd_nobody_is_told():
    with Notifier({}) as notifier:
        await notifier.notify("READY=1")


async def test_a_systemd_that_does_not_listen_does_no_harm(tmp_path):
    with (
        Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}) as notifier,
        structlog.testing.capture_logs() as logged,
    ):
        await notifier.notify("READY=1")
    assert [line["event"] for line in logged] == ["systemd_not_told"]


def fill(name):
    """Leave no room in its queue; returns how many notices it took."""
    taken = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as others:
        others.connect(name.replace("@", "\0", 1) if name.startswith("@") else name)
        with suppress(BlockingIOError):
            while True:
                others.send(b"STATUS=somebody else's")
                taken += 1
    return taken


async def test_a_systemd_that_is_busy_is_told_when_it_has_time(systemd):
    """A start whose READY=1 is lost would be undone after a minute and a half."""
    listener, name = systemd
    notices = fill(name)
    with Notifier({"NOTIFY_SOCKET": name}) as notifier:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(notifier.notify, "READY=1")
            await trio.testing.wait_all_tasks_blocked(0.05)
            for _ in range(notices):
                listener.recv(100)
        assert listener.recv(100) == b"READY=1"


async def test_it_is_told_though_no_descriptor_is_left(systemd):
    """A process that does not feed the watchdog is killed, and one that cannot say that it stops ends undrained."""
    listener, name = systemd
    with Notifier({"NOTIFY_SOCKET": name}) as notifier:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                socket.socket()
            for notice in ("WATCHDOG=1", "STOPPING=1"):
                await notifier.notify(notice)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [listener.recv(100) for _ in range(2)] == [b"WATCHDOG=1", b"STOPPING=1"]


async def test_a_systemd_that_has_no_time_at_all_holds_nobody_up(systemd, autojump_clock):
    _, name = systemd
    fill(name)
    with Notifier({"NOTIFY_SOCKET": name}) as notifier, structlog.testing.capture_logs() as logged:
        await notifier.notify("STOPPING=1")
    assert trio.current_time() == TELL_SECONDS
    assert [(line["event"], line["notice"]) for line in logged] == [("systemd_not_told", ("STOPPING=1",))]


async def test_the_watchdog_is_fed_twice_in_its_period(tmp_path, autojump_clock, nursery):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.setblocking(False)
    listener.bind(str(tmp_path / "notify"))
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000000"})
    with notifier:
        nursery.start_soon(notifier.feed_watchdog)
        await trio.sleep(35)
        nursery.cancel_scope.cancel()
    fed = 0
    while True:
        try:
            assert listener.recv(100) == b"WATCHDOG=1"
        except BlockingIOError:
            break
        fed += 1
    listener.close()
    assert fed == 4


async def test_without_a_watchdog_nothing_is_fed():
    with trio.fail_after(20):
        with Notifier({}) as notifier:
            await notifier.feed_watchdog()


@pytest.mark.parametrize("told", ["", "0", "junk", "-1", "nan", "inf", "1e6", " 5", "\u0665", "9" * 5_000])
async def test_a_watchdog_that_asks_for_nonsense_is_none(told, autojump_clock):
    assert watchdog_seconds({"WATCHDOG_USEC": told}) == 0
    with trio.fail_after(1):
        await Notifier({"WATCHDOG_USEC": told}).feed_watchdog()


async def test_a_watchdog_in_a_hurry_gets_ten_signs_a_second(autojump_clock):
    told = []
    notifier = Notifier({"WATCHDOG_USEC": "1"})

    async def notify(*assignments):
        await trio.lowlevel.checkpoint()
        told.append(assignments)

    notifier.notify = notify
    with trio.move_on_after(1.05):
        await notifier.feed_watchdog()
    assert len(told) == 11
