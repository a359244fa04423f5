"""More than a real daemon has lines for: it says no in words, keeps its memory small, and live calls go on."""

import gc
import resource
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import structlog
import trio

from tests.daemons import HOST, OUR_NUMBER, THEIR_NUMBER, eventually, open_world
from tests.wires import frame
from trio_voice.daemon.daemon import allow_descriptors
from trio_voice.sandbox.twilio.account import CallOrder, Instructions, new_sid, voice_form
from trio_voice.sandbox.twilio.socket import StreamRefused, open_stream_socket
from trio_voice.sandbox.twilio.twiml import Connect, parse_twiml
from trio_voice.sandbox.twilio.webhooks import Webhooks, sign

FIFTY = 50
MORE_KB = 40_000
"""Memory that the daemon may need beyond what its calls need; hundreds of megabytes are sent to it."""


def most_kb(world):
    """The most memory that the daemon has ever had."""
    status = Path(f"/proc/{world.daemon.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


async def webhook(world):
    """Twilio asks what to do with one more call."""
    account = world.twilio.account
    order = CallOrder(to=OUR_NUMBER, from_=THEIR_NUMBER, instructions=Instructions())
    form = voice_form(account.sid, new_sid("CA"), order, "ringing", "inbound")
    return await Webhooks(account.transport, lambda: account.auth_token).ask("twiml", f"https://{HOST}/twiml", form)


def stream_url(answer):
    (connect,) = [verb for verb in parse_twiml(answer.body).verbs if isinstance(verb, Connect)]
    return connect.stream.url


@asynccontextmanager
async def unharmed(world, calls):
    """These calls, each a call and its session: every frame of theirs crosses while the block runs."""
    before = [len(session.payloads) for _, session in calls]
    began = trio.current_time()
    yield
    frames = (trio.current_time() - began) * 50
    for (call, session), heard in zip(calls, before, strict=True):
        assert call.streams[-1].end is None
        await eventually(lambda session=session, heard=heard: len(session.payloads) - heard >= frames - 5)
    assert (await world.daemon.ask("/healthz"))["status"] == "ok"


async def hang_up(world, calls):
    for call, _ in calls:
        call.hang_up()
    assert {(await world.ended(call))["end_reason"] for call, _ in calls} == {"hangup"}


async def test_webhooks_beyond_max_calls_are_told_so_in_words_and_the_next_free_line_is_given(tmp_path):
    async with open_world(tmp_path, max_calls=2, drain_seconds=1) as world:
        calls = [await world.talk() for _ in range(2)]
        answers = []

        async def ask():
            answers.append(await webhook(world))

        async with unharmed(world, calls), trio.open_nursery() as nursery:
            for _ in range(FIFTY):
                nursery.start_soon(ask)
        assert {answer.status for answer in answers} == {200}  # Twilio plays nothing from a 503
        assert all("cannot take your call right now" in answer.body.decode() for answer in answers)
        assert len(answers) == len(world.logged("call_refused")) == FIFTY
        assert world.logged("call_refused")[0]["reason"] == "all lines are busy: max_calls = 2"

        await hang_up(world, calls[:1])
        assert b"<Stream" in (await webhook(world)).body
        await hang_up(world, calls[1:])
        assert (await world.daemon.ask("/healthz"))["live_calls"] == 0


async def test_streams_without_a_start_hold_their_lines_for_their_time_only(tmp_path):
    async with open_world(tmp_path, max_calls=3, start_seconds=1, close_seconds=0.5, drain_seconds=1) as world:
        calls = [await world.talk()]
        async with unharmed(world, calls), trio.open_nursery() as nursery:

            async def say_nothing(url):
                async with open_stream_socket(url, world.daemon.port, world.twilio.auth_token) as stream:
                    with suppress(trio.EndOfChannel, trio.BrokenResourceError):
                        await stream.receive()

            for _ in range(2):
                url = stream_url(await webhook(world))
                nursery.start_soon(say_nothing, url)
            await eventually(lambda: len(world.logged("call_started")) == 3)
            assert b"<Stream" not in (await webhook(world)).body
            with pytest.raises(StreamRefused) as refused:  # a path is good for one stream
                async with open_stream_socket(url, world.daemon.port, world.twilio.auth_token):
                    pass
            assert refused.value.http_status == 404
        await eventually(lambda: len(world.logged("call_ended")) == 2)
        assert {line["end_reason"] for line in world.logged("call_ended")} == {"start_timeout"}
        assert b"<Stream" in (await webhook(world)).body
        await hang_up(world, calls)
        assert all(session.told_goodbye for session in world.agent.sessions)


@pytest.mark.slow
async def test_half_open_sockets_and_slow_headers_take_no_line_no_memory_and_no_time(tmp_path):
    async with open_world(tmp_path, max_calls=5) as world, AsyncExitStack() as strangers:
        calls = [await world.talk()]
        had_kb, had = most_kb(world), sum(world.descriptors().values())

        async def dribble(stream):
            """A header without end, a few bytes at a time."""
            with suppress(trio.BrokenResourceError):
                await stream.send_all(b"POST /twiml HTTP/1.1\r\nHost: x\r\nA: ")
                while True:
                    await stream.send_all(b"b" * 50)
                    await trio.sleep(0.05)

        async with unharmed(world, calls), trio.open_nursery() as nursery:
            for number in range(400):
                stream = await strangers.enter_async_context(await trio.open_tcp_stream("127.0.0.1", world.daemon.port))
                if number % 4:
                    nursery.start_soon(dribble, stream)
            for _ in range(10):
                with trio.fail_after(10):
                    assert (await webhook(world)).status in {200, 503}
                await trio.sleep(0.1)
            held = sum(world.descriptors().values()) - had
            nursery.cancel_scope.cancel()
        most = 5 + 100 + 60  # max_calls, HALF_OPEN_CONNECTIONS, MAX_LISTENERS
        assert 50 < held <= most + 10  # and what comes and goes
        assert most_kb(world) - had_kb < MORE_KB
        (first, *_) = world.logged("too_many_connections")
        assert first["max_connections"] == most
        await strangers.aclose()
        await hang_up(world, calls)
        for line in world.logged("call_expected")[1:]:  # nobody comes for those
            await world.daemon.ask(f"/calls/{line['call_id']}", method="DELETE")


UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "X-Twilio-Signature: {signature}\r\n\r\n"
)
CONNECTED = b'{"event":"connected","protocol":"Call","version":"1.0.0"}'
START = b'{"event":"start","start":{"streamSid":"MZ1","callSid":"%s"},"streamSid":"MZ1"}'


async def flood(world, first, then, enough):
    """A started stream that sends one thing, and another again and again, and reads nothing; how much it got rid of."""
    url, sent = stream_url(await webhook(world)), 0
    async with await trio.open_tcp_stream("127.0.0.1", world.daemon.port) as stream:
        head = UPGRADE.format(path=urlsplit(url).path, signature=sign(world.twilio.auth_token, url))
        await stream.send_all(head.encode())
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
        call_sid = world.logged("call_expected")[-1]["call_sid"].encode()
        await stream.send_all(frame(1, CONNECTED) + frame(1, START % call_sid) + first)
        with suppress(trio.BrokenResourceError):
            while sent < enough:
                await stream.send_all(then)
                sent += len(then)
    return sent


LONG = '{"event":"media","media":{"payload":"%s"},"streamSid":"MZ1"}'
FLOODS = {
    "100,000 bytes": (b"", frame(1, (LONG % ("/" * 100_000)).encode())),
    "fragments without end": (frame(1, b'{"a":"', fin=False), frame(0, b"x" * 30_000, fin=False)),
    "pings": (b"", frame(9, b"x" * 125) * 500),
}


@pytest.mark.slow
async def test_long_messages_at_full_speed_end_their_own_calls_and_fill_no_memory(tmp_path):
    enough = 200_000_000  # which none of them gets to say, though a busy machine reads them hardly faster than it may
    async with open_world(tmp_path, max_calls=20, close_seconds=1) as world:
        calls = [await world.talk() for _ in range(3)]
        had_kb, sent = most_kb(world), Counter()

        async def play(name):
            for again in range(4):
                sent[name, again] = await flood(world, *FLOODS[name], enough)

        async with unharmed(world, calls), trio.open_nursery() as nursery:
            for name in FLOODS:
                nursery.start_soon(play, name)
        assert max(sent.values()) < enough
        await eventually(lambda: len(world.logged("call_ended")) == 4 * len(FLOODS))
        assert {line["end_reason"] for line in world.logged("call_ended")} == {"caller_lost"}
        assert most_kb(world) - had_kb < MORE_KB
        await hang_up(world, calls)


async def test_the_daemon_takes_the_descriptors_that_its_calls_need(tmp_path):
    """A shell's 1,024 are too few for 500 calls, and where they end models cannot be reached."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    gc.collect()  # every app of other tests in this process holds a descriptor until then
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        async with open_world(tmp_path, max_calls=150) as world:
            assert resource.prlimit(world.daemon.process.pid, resource.RLIMIT_NOFILE) == (950, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("limits", "becomes", "warned"),
    [
        ((1_024, 4_096), (2_700, 4_096), False),
        ((1_024, resource.RLIM_INFINITY), (2_700, resource.RLIM_INFINITY), False),
        ((4_096, 4_096), None, False),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None, False),
        ((1_024, 2_048), (2_048, 2_048), True),
    ],
)
def test_no_more_descriptors_than_the_system_allows_and_a_warning_if_those_are_too_few(
    limits, becomes, warned, monkeypatch
):
    now = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: now.append(limits))
    with structlog.testing.capture_logs() as log:
        allow_descriptors(500)
    assert now == [becomes] * (becomes is not None)
    assert [line["event"] for line in log] == ["too_few_descriptors"] * warned
