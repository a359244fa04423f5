"""sd_notify, against a real datagram socket."""

import socket

import pytest
import trio

from trio_voice.edges.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.setblocking(False)
    name = str(tmp_path / "notify") if request.param == "path" else f"@trio-voice-{tmp_path.name}"
    listener.bind(name.replace("@", "\0", 1) if request.param == "abstract" else name)
    yield listener, name
    listener.close()


def test_it_is_told(systemd):
    listener, name = systemd
    Notifier({"NOTIFY_SOCKET": name}).notify("READY=1", "STATUS=x")
    assert listener.recv(100) == b"READY=1\nSTATUS=x"


def test_outside_systemd_nobody_is_told():
    Notifier({}).notify("READY=1")


def test_a_systemd_that_does_not_listen_does_no_harm(tmp_path):
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).notify("READY=1")


async def test_the_watchdog_is_fed_twice_in_its_period(tmp_path, autojump_clock, nursery):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.setblocking(False)
    listener.bind(str(tmp_path / "notify"))
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000000"})
    nursery.start_soon(notifier.feed_watchdog)
    await trio.sleep(35)
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
    with trio.fail_after(1):
        await Notifier({}).feed_watchdog()
