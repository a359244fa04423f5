"""Peers that are gone without a word: no close, no reset, no acknowledgement, as when a machine loses its power.

The kernel's own clocks are what is tested here, so these tests wait in real time.
"""

import pytest
import trio

from tests.daemons import eventually, open_world
from tests.wires import go_dark
from trio_voice.net import poller
from trio_voice.net.poller import PEER_SECONDS, adopt, open_poller
from trio_voice.sandbox.providers.assemblyai_agent import Script

SECONDS = 2
NEVER = 30 * SECONDS
"""The kernel doubles its pauses, and a busy machine adds to them."""


async def connected():
    """Our socket, and the peer's."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stream = await trio.open_tcp_stream(*listener.socket.getsockname()[:2])
    async with listener:
        return adopt(stream), await listener.accept()


async def listen(ours):
    """Hear nothing."""
    await ours.listen(lambda data: pytest.fail(f"{data!r} came"))


async def talk(ours):
    """Frames as ever, while nothing comes back."""
    while True:
        with trio.move_on_after(0.02):
            await listen(ours)
        ours.send_now(bytes(200))


async def flood(ours):
    """More than the kernel takes."""
    while True:
        await ours.send_all(bytes(100_000))


@pytest.mark.parametrize("use", [listen, talk, flood])
async def test_a_peer_that_is_gone_without_a_word_is_noticed(use, monkeypatch):
    monkeypatch.setattr(poller, "PEER_SECONDS", SECONDS)
    async with open_poller():
        ours, theirs = await connected()
        go_dark(theirs)
        began = trio.current_time()
        with trio.fail_after(NEVER), pytest.raises(trio.BrokenResourceError, match="timed out"):
            await use(ours)
        assert trio.current_time() - began > SECONDS * 0.9
        ours.abort()
        await theirs.aclose()


async def test_a_peer_that_only_has_nothing_to_say_is_not_gone(monkeypatch):
    """Its kernel answers the probes."""
    monkeypatch.setattr(poller, "PEER_SECONDS", 1)
    async with open_poller():
        ours, theirs = await connected()
        with trio.move_on_after(3.5):
            await listen(ours)
            pytest.fail("it was taken for gone")
        ours.abort()
        await theirs.aclose()


@pytest.mark.slow
async def test_a_call_ends_whichever_of_its_peers_is_gone_without_a_word(tmp_path):
    """Twilio's machine goes on sending, so only what it does not acknowledge can betray it."""
    script = Script(greeting_ms=60_000)
    async with open_world(tmp_path, make_backend=script.backend, seconds=60) as world:
        sockets, serve = [], world.agent.serve_session

        async def keep_socket(channel, **how):
            sockets.append(channel)
            await serve(channel, **how)

        world.agent.serve_session = keep_socket
        caller_gone, session = await world.talk()
        stream = await caller_gone.wait_for_stream()
        model_gone, _ = await world.talk()
        go_dark(stream._channel._stream)
        go_dark(sockets[1]._stream)
        began = trio.current_time()
        for call in (caller_gone, model_gone):
            await eventually(lambda call=call: call.over, seconds=PEER_SECONDS + 8)
        assert trio.current_time() - began < PEER_SECONDS + 5
        # Speech may fill our socket before the kernel has lost its patience, or not.
        assert (await world.ended(caller_gone))["end_reason"] in {"caller_stalled", "caller_lost"}
        assert not session.is_open
        assert (await world.ended(model_gone))["end_reason"] == "model_failed"
        await sockets[1].abort()
