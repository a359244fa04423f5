"""Quart's WebSocket as a channel, served by hypercorn over real sockets, on whichever generation is installed.

What a channel does is asked inside the route's handler, because an older Quart tells only that task of a disconnect.
"""

from contextlib import asynccontextmanager, suppress
from functools import partial
from unittest.mock import Mock

import attrs
import hypercorn.trio
import pytest
import trio
from hypercorn.config import Config
from quart import websocket
from quart_trio import QuartTrio
from structlog.testing import capture_logs

from trio_voice.call.call import Call, wall_clock
from trio_voice.call.registry import Registry
from trio_voice.edges.twilio.public_url import PublicUrl
from trio_voice.edges.twilio.signatures import sign
from trio_voice.edges.web.app import create_app
from trio_voice.edges.web.media_stream import StreamAuthenticator
from trio_voice.edges.web.quart_channel import QuartChannel
from trio_voice.legs.caller import CallerLeg
from trio_voice.legs.model import SocketModelLeg
from trio_voice.legs.session_ledger import Ledger
from trio_voice.legs.succession import Succession
from trio_voice.limits import Limits
from trio_voice.net.websocket import open_websocket
from trio_voice.persona import Persona
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession
from trio_voice.record import CallRecord, CallState, EndReason
from trio_voice.sandbox.providers.assemblyai_agent import Script, VoiceAgentServer, open_voice_agent
from trio_voice.sandbox.transport.sockets import SandboxSocket, connect_socket
from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer
from trio_voice.session_record import Closing

TOKEN = "12345"
PERSONA = Persona(name="p", model="m", greeting="Hello.")


@asynccontextmanager
async def served(app):
    """The port of an app under hypercorn."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.graceful_timeout = 0.1
    config.errorlog = None
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(partial(hypercorn.trio.serve, app, config))
        yield int(url.rpartition(":")[2])
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def route(handle):
    """A peer at the other end of a route that does this with its channel; leaving the block waits for its end."""
    app = QuartTrio("test")
    over = trio.Event()
    failures = []

    @app.websocket("/ws")
    async def ws():
        socket = websocket._get_current_object()
        await socket.accept()
        try:
            await handle(QuartChannel(socket))
        except Exception as failure:  # noqa: BLE001 - Quart would log it and go on
            failures.append(failure)
        finally:
            over.set()

    async with served(app) as port, trio.open_nursery() as nursery:
        yield await connect_socket(nursery, "127.0.0.1", port, "/ws", [])
        with trio.fail_after(20):
            await over.wait()
        nursery.cancel_scope.cancel()
    if failures:
        raise failures[0]


async def test_messages_arrive_whole_and_in_order_and_binary_is_told_from_text():
    async def handle(channel):
        for number in range(50):
            await channel.send(f"message {number} ✓")
        assert [await channel.receive() for _ in range(3)] == ["back", b"\x00\xff", ""]

    async with route(handle) as peer:
        assert [await peer.receive() for _ in range(50)] == [f"message {number} ✓" for number in range(50)]
        for message in ("back", b"\x00\xff", ""):
            await peer.send(message)


async def read_on(peer):
    with suppress(trio.EndOfChannel, trio.BrokenResourceError):
        while True:
            await peer.receive()


@pytest.mark.parametrize("leave", ["aclose", "cut_with_fin", "cut_with_reset"])
@pytest.mark.parametrize("busy", ["receiving", "sending"])
async def test_a_peer_that_leaves_ends_whatever_the_channel_does(leave, busy):
    """An older Quart cancels the handler; its sends then neither raise nor wait, and without a checkpoint never end."""
    seen = []

    async def handle(channel):
        try:
            while True:
                seen.append(await (channel.receive() if busy == "receiving" else channel.send("x")))
        except trio.BrokenResourceError:
            seen.append("broken")
        except trio.Cancelled:
            seen.append("cancelled")
            raise

    async with route(handle) as peer, trio.open_nursery() as nursery:
        nursery.start_soon(read_on, peer)
        await peer.send("hello")
        await trio.sleep(0.05)
        await getattr(peer, leave)()
    assert len(seen) > 1
    assert seen[-1] in {"broken", "cancelled"}


async def test_a_close_reaches_the_peer_and_nothing_can_be_done_after_it():
    async def handle(channel):
        with trio.fail_after(1, shield=True):  # the peer's answer is a disconnect, which may cancel the handler
            await channel.aclose(4_000, "enough")
            await channel.aclose()
            with pytest.raises(trio.ClosedResourceError):
                await channel.send("too late")
            with pytest.raises(trio.ClosedResourceError):
                await channel.receive()

    async with route(handle) as peer:
        with pytest.raises(trio.EndOfChannel):
            await peer.receive()
        assert (peer.close_code, peer.close_reason) == (4_000, "enough")


async def test_after_an_abort_nothing_can_be_done_and_the_connection_ends_with_the_handler():
    async def handle(channel):
        await channel.abort()
        await channel.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await channel.receive()

    async with route(handle) as peer:
        with pytest.raises((trio.EndOfChannel, trio.BrokenResourceError)), trio.fail_after(20):
            await peer.receive()


async def test_a_close_that_is_cancelled_has_closed():
    async def handle(channel):
        with trio.CancelScope() as scope:
            scope.cancel()
            await channel.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await channel.send("x")

    async with route(handle) as peer:
        await read_on(peer)


# A whole call


class OneCall:
    """A reception that lives the call it is given."""

    def __init__(self, agent):
        self.registry = Registry(Limits())
        self.record = self.registry.expect(
            PERSONA, direction="inbound", from_number="", to_number="", call_sid="CA1"
        ).record
        self.over = trio.Event()
        self._agent = agent

    async def answer(self, expected, channel, *, cancelled_because):
        record, limits = expected.record, expected.limits
        connect = partial(open_websocket, self._agent.url, {"Authorization": "Bearer k"}, max_message_bytes=1_048_576)
        model = SocketModelLeg(VoiceAgentSession(PERSONA), connect, 5.0, Ledger(record), wall_clock)
        call = Call(
            record,
            PERSONA,
            limits,
            CallerLeg(channel, limits.close_seconds),
            Succession([lambda *_: model], limits.close_seconds, 10.0),
        )
        try:
            with self.registry.living(call):
                await call.run(cancelled_because)
        finally:
            self.over.set()


@attrs.define
class AnsweredCall:
    """A call that came by the app's own stream route, and both its peers."""

    registry: Registry
    record: CallRecord
    agent: VoiceAgentServer
    twilio: MediaStreamPeer
    socket: SandboxSocket


@asynccontextmanager
async def answered_call():
    """A call in its greeting; leaving the block waits for its end."""
    public_url = PublicUrl("https://voice.example.com")
    async with open_voice_agent(Script(greeting_ms=5_000).backend) as agent, trio.open_nursery() as nursery:
        reception = OneCall(agent)
        context = Mock(authenticator=StreamAuthenticator(reception, public_url, TOKEN), colleagues=None)
        async with served(create_app(context)) as port:
            path = f"/media-stream/{reception.record.call_id}"
            headers = [("X-Twilio-Signature", sign(f"wss://voice.example.com{path}", {}, TOKEN))]
            socket = await connect_socket(nursery, "127.0.0.1", port, path, headers)
            twilio = MediaStreamPeer(socket, call_sid="CA1")
            nursery.start_soon(twilio.run)
            with trio.fail_after(20):
                await twilio.until(lambda: len(twilio.received) > 5)
                yield AnsweredCall(reception.registry, reception.record, agent, twilio, socket)
                await reception.over.wait()
                await agent.sessions[0].wait_closed()
                await twilio.ended.wait()
        nursery.cancel_scope.cancel()


async def drive_hangup(call):
    call.twilio.hang_up()


async def drive_cut(call):
    await call.socket.cut_with_reset()


async def drive_operator(call):
    call.registry.end(call.record.call_id, EndReason.OPERATOR, "")


@pytest.mark.parametrize(
    ("drive", "reason"),
    [
        (drive_hangup, EndReason.HANGUP),
        (drive_cut, EndReason.CALLER_LOST),
        (drive_operator, EndReason.OPERATOR),
    ],
    ids=["hangup", "cut", "operator"],
)
async def test_a_call_over_the_route_ends_at_once_and_leaves_nothing(drive, reason):
    with capture_logs() as logs:
        async with answered_call() as call:
            await drive(call)
    assert [entry["event"] for entry in logs] == ["call_started", "call_ended"]
    assert call.record.closing_seconds < 1
    assert call.record.end_reason is reason
    assert call.record.state is CallState.ENDED
    assert call.agent.sessions[0].told_goodbye
    assert call.record.model_sessions[0].closing is Closing.ACKNOWLEDGED
    assert call.registry.statistics().live_calls == 0
    if drive is drive_operator:
        assert (call.twilio.end.by, call.twilio.end.code) == ("server", 1000)
