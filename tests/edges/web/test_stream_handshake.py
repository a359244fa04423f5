"""A media stream's handshake at the socket: who gets in, and what comes right behind it."""

import json

import pytest
import trio
import trio_websocket

from tests.edges.web.servers import HANDSHAKE, TOKEN, open_server
from trio_voice.edges.twilio.signatures import sign


async def test_a_stream_takes_the_lane():
    async with open_server() as server:
        call_id = server.reception.expect()
        stream = await server.stream(call_id)
        for number in range(20):
            await stream.send(f"frame {number}")
            assert await stream.receive() == f"frame {number}"
        await stream.aclose()
        with trio.fail_after(20):
            while server.reception.answered != [call_id, "EndOfChannel"]:
                await trio.sleep(0.001)


async def test_a_trailing_slash_may_be_signed():
    async with open_server() as server:
        stream = await server.stream(server.reception.expect(), slash="/")
        await stream.send("x")
        assert await stream.receive() == "x"


async def test_nobody_gets_in_without_a_signature_and_an_expected_call():
    async with open_server() as server:
        call_id = server.reception.expect()
        for path, signed, status, code in [
            (call_id, f"https://voice.example.com/media-stream/{call_id}", 403, "bad_signature"),
            (call_id, "wss://voice.example.com/media-stream/other", 403, "bad_signature"),
            ("unknown", None, 404, "unknown_call"),
            ("", None, 404, "unknown_call"),
            ("a/b", None, 404, "unknown_call"),
        ]:
            with pytest.raises(trio_websocket.ConnectionRejected) as refused:
                await server.stream(path, signed=signed)
            assert refused.value.status_code == status
            assert json.loads(refused.value.body)["error"]["code"] == code
        assert server.reception.answered == []

        assert await server.stream(call_id)  # the path was not used up by those who may not use it
        with pytest.raises(trio_websocket.ConnectionRejected):
            await server.stream(call_id)


async def test_frames_that_come_right_behind_the_handshake_are_not_lost():
    async with open_server() as server:
        call_id = server.reception.expect()
        signature = sign(f"wss://voice.example.com/media-stream/{call_id}", {}, TOKEN)
        header = f"X-Twilio-Signature: {signature}\r\n".encode()
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await stream.send_all(HANDSHAKE % (call_id.encode(), header) + b"\x81\x82\0\0\0\0hi")
        answer = b""
        with trio.fail_after(20):
            while not answer.endswith(b"\x81\x02hi"):
                answer += await stream.receive_some()
        await stream.aclose()
        assert answer.startswith(b"HTTP/1.1 101")


async def upgrade_with(server, behind):
    """A signed handshake for an expected call, and these bytes right behind it; what comes back."""
    call_id = server.reception.expect()
    signature = sign(f"wss://voice.example.com/media-stream/{call_id}", {}, TOKEN)
    answer = await server.exchange(
        HANDSHAKE % (call_id.encode(), f"X-Twilio-Signature: {signature}\r\n".encode()) + behind
    )
    return call_id, answer


@pytest.mark.parametrize("behind", [b"XX", b"\x81\x82\0\0\0\0\xff\xff", b"\x89\x80\0\0\0\0" * 200])
async def test_a_promise_is_lived_to_its_end_though_garbage_came_right_behind_the_handshake(behind):
    """It is used up: the call must be written down and its phone hung up, which only those do who answer it."""
    async with open_server() as server:
        call_id, _ = await upgrade_with(server, behind)
        assert server.reception.answered == [call_id, "BrokenResourceError"]


async def test_a_promise_is_lived_to_its_end_though_the_peer_is_gone_before_the_handshake_is_answered(monkeypatch):
    async def gone(_stream, _data):
        raise trio.BrokenResourceError

    async with open_server() as server:
        monkeypatch.setattr(trio.SocketStream, "send_all", gone)
        call_id = server.reception.expect()
        signature = sign(f"wss://voice.example.com/media-stream/{call_id}", {}, TOKEN)
        request = HANDSHAKE % (call_id.encode(), f"X-Twilio-Signature: {signature}\r\n".encode())
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await stream.socket.send(request)
        with trio.fail_after(20):
            while server.reception.answered != [call_id, "BrokenResourceError"]:
                await trio.sleep(0.001)
        await stream.aclose()
