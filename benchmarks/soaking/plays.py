"""Plays at the daemon, each one call or one attempt at one: who calls, and how it comes to an end."""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs
import trio

from trio_voice.sandbox.twilio.account import Callee, CallOrder, Instructions, new_sid, voice_form
from trio_voice.sandbox.twilio.callers import Voice
from trio_voice.sandbox.twilio.socket import StreamRefused, open_stream_socket
from trio_voice.sandbox.twilio.twiml import Connect, parse_twiml
from trio_voice.sandbox.twilio.webhooks import WebhookRequest, Webhooks

if TYPE_CHECKING:
    import httpx2

    from trio_voice.sandbox.demo.scenes import Daemon
    from trio_voice.sandbox.twilio.call import SandboxCall
    from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer
    from trio_voice.sandbox.twilio.server import SandboxTwilio

HOST: Final = "soak.trio-voice.example"
OUR_NUMBER: Final = "+15551234567"
THEIR_NUMBER: Final = "+15557654321"
SPEECH: Final = b"\x2a" * 8 * 200
"""Sound that the scripted agent's ears take for 200 ms of speech."""
GARBAGE_MESSAGES: Final = 110
"""More of them than the bridge puts up with."""
PATIENCE_SECONDS: Final = 3.0
"""For an answer."""
FRAUD: Final = "no token of ours"


def persona_of(number: str) -> str:
    """Persona that answers a number of ours."""
    return f"p{number[-4:]}"


@attrs.frozen
class Stage:
    """The players."""

    twilio: SandboxTwilio
    daemon: Daemon
    http: httpx2.AsyncClient

    async def ring(self, number: str, voice: Voice | None = None) -> SandboxCall:
        """Somebody calls this number of ours."""
        url = f"https://{HOST}"
        return await self.twilio.call_in(
            f"{url}/twiml", from_=THEIR_NUMBER, to=number, caller=voice, status_callback=f"{url}/call-status"
        )

    async def talk(self, number: str, voice: Voice | None = None) -> tuple[SandboxCall, MediaStreamPeer]:
        """The same, and the greeting has begun."""
        call = await self.ring(number, voice)
        stream = await call.wait_for_stream()
        began = stream.line.began
        await stream.until(lambda: stream.line.runs_out_at > began)
        return call, stream

    async def post(
        self, sid: str, number: str, path: str = "/twiml", *, status: str = "ringing", token: str = ""
    ) -> WebhookRequest:
        """One webhook of a call that has nothing else; signed with another ``token`` it is a forgery."""
        account = self.twilio.account
        order = CallOrder(to=number, from_=THEIR_NUMBER, instructions=Instructions())
        form = voice_form(account.sid, sid, order, status, "inbound")
        webhooks = Webhooks(account.transport, lambda: token or account.auth_token)
        return await webhooks.ask("twiml", f"https://{HOST}{path}", form)

    async def be_promised(self, number: str) -> tuple[str, str]:
        """A call's SID and the stream URL that it is given."""
        sid = new_sid("CA")
        answer = await self.post(sid, number)
        (connect,) = [verb for verb in parse_twiml(answer.body).verbs if isinstance(verb, Connect)]
        return sid, connect.stream.url

    async def refused(self, stream_url: str, token: str = "") -> int | None:
        """The status that a stream is refused with; ``None`` if it is not."""
        auth_token = token or self.twilio.auth_token
        try:
            async with open_stream_socket(stream_url, self.daemon.port, auth_token):
                return None
        except StreamRefused as refused:
            return refused.http_status


# What is played


async def hang_up(stage: Stage, number: str) -> None:
    call, _ = await stage.talk(number)
    call.hang_up()
    await call.settled.wait()


async def listen(stage: Stage, number: str) -> None:
    """Somebody else ends it."""
    call = await stage.ring(number)
    await call.settled.wait()


async def converse(stage: Stage, number: str) -> None:
    """The caller asks twice, again where it was not understood: a tool is used, and then the agent says goodbye."""
    voice = Voice()
    call, stream = await stage.talk(number, voice)
    await _talk_to_the_end(voice, stream, answers=2)
    await call.settled.wait()


async def be_put_through(stage: Stage, number: str) -> None:
    """The caller asks for somebody else, is put through, talks a while and hangs up."""
    voice = Voice()
    call, stream = await stage.talk(number, voice)
    await _talk_to_the_end(voice, stream, answers=1)
    while not call.dialed:
        assert not call.over, "hung up instead of put through"
        await trio.sleep(0.02)
    call.hang_up()
    await call.settled.wait()


async def _talk_to_the_end(voice: Voice, stream: MediaStreamPeer, *, answers: int) -> None:
    """Say something, and again where no answer comes; with so many answers the stream should end, in a while."""
    while stream.end is None:
        while (quiet_at := stream.line.runs_out_at + 0.15) > trio.current_time():
            await trio.sleep_until(quiet_at)
        voice.say(SPEECH)
        asked_at = trio.current_time()
        with trio.move_on_after(PATIENCE_SECONDS), suppress(EOFError):  # noqa: ASYNC912 - until() waits
            await stream.until(partial(_plays_after, stream, asked_at))
            answers -= 1
        if answers <= 0:
            with trio.move_on_after(PATIENCE_SECONDS):
                await stream.ended.wait()


def _plays_after(stream: MediaStreamPeer, moment: float) -> bool:
    return stream.line.runs_out_at > moment


async def interrupt(stage: Stage, number: str) -> None:
    """The caller speaks into the greeting, and hangs up."""
    voice = Voice()
    call, _ = await stage.talk(number, voice)
    voice.say(SPEECH)
    await trio.sleep(0.3)
    call.hang_up()
    await call.settled.wait()


async def cut_with_fin(stage: Stage, number: str) -> None:
    call, stream = await stage.talk(number)
    await stream._channel.cut_with_fin()  # type: ignore[attr-defined]  # noqa: SLF001 - no network does it by itself here
    await call.settled.wait()


async def cut_with_reset(stage: Stage, number: str) -> None:
    call, stream = await stage.talk(number)
    await stream._channel.cut_with_reset()  # type: ignore[attr-defined]  # noqa: SLF001 - the same
    await call.settled.wait()


async def send_garbage(stage: Stage, number: str) -> None:
    call, stream = await stage.talk(number)
    for _ in range(GARBAGE_MESSAGES):
        stream.send_raw("{")
    await call.settled.wait()


async def vanish(stage: Stage, number: str) -> None:
    """The stream fails at Twilio, which says so by callback, and the socket stays half-open."""
    call, _ = await stage.talk(number)
    call.lose_stream()
    await call.settled.wait()


async def fall_silent(stage: Stage, number: str) -> None:
    """The stream dies with neither a word nor a close, and no callback says so."""
    call, stream = await stage.talk(number)
    stream.vanish()
    await call.settled.wait()


async def stop_reading(stage: Stage, number: str) -> None:
    """Twilio takes nothing more off the wire, while frames go on."""
    call = await stage.ring(number)
    stream = await call.wait_for_stream()
    stream.stall_reading()
    deaf = stream._channel._deaf_stream  # type: ignore[attr-defined]  # noqa: SLF001 - trio-websocket reads ahead
    deaf.socket_stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # and the kernel
    deaf.receive_some = _never
    await call.settled.wait()


async def _never(_max_bytes: int) -> bytes:
    await trio.sleep_forever()
    raise AssertionError


async def be_hung_up(stage: Stage, number: str) -> None:
    call, _ = await stage.talk(number)
    await stage.daemon.ask(_route_of(call), method="DELETE")
    await call.settled.wait()


async def outlast_a_model(stage: Stage, number: str) -> None:
    """The first model fails; the caller hangs up on the second."""
    call, _ = await stage.talk(number)
    while len((await stage.daemon.ask(_route_of(call)))["model_sessions"]) < 2:
        await trio.sleep(0.1)
    call.hang_up()
    await call.settled.wait()


def _route_of(call: SandboxCall) -> str:
    return "/calls/" + call.connects[0].url.rpartition("/")[2]


async def never_start(stage: Stage, number: str) -> None:
    """The stream is opened, and then nothing is said in it."""
    _, url = await stage.be_promised(number)
    async with open_stream_socket(url, stage.daemon.port, stage.twilio.auth_token) as socket:
        await socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        with suppress(trio.EndOfChannel, trio.BrokenResourceError):
            while True:
                await socket.receive()


async def never_stream(stage: Stage, number: str) -> None:
    """The TwiML is asked for, and that is all that is ever heard of the call."""
    await stage.be_promised(number)


async def give_up_ringing(stage: Stage, number: str) -> None:
    """The caller hangs up before the stream is open."""
    sid, _ = await stage.be_promised(number)
    await stage.post(sid, number, "/call-status", status="completed")


async def wrong_path(stage: Stage, _number: str) -> None:
    assert await stage.refused(f"wss://{HOST}/media-stream/{new_sid('')}") == 404


async def forged_stream(stage: Stage, _number: str) -> None:
    assert await stage.refused(f"wss://{HOST}/media-stream/{new_sid('')}", FRAUD) == 403


async def forged_webhook(stage: Stage, number: str) -> None:
    assert (await stage.post(new_sid("CA"), number, token=FRAUD)).status == 403


async def half_a_request(stage: Stage, _number: str) -> None:
    async with await trio.open_tcp_stream("127.0.0.1", stage.daemon.port) as stream:
        await stream.send_all(b"POST /twiml HTTP/1.1\r\nHost: ")


async def call_out(stage: Stage, number: str) -> None:
    """We call, somebody answers, listens and hangs up."""
    call = await _place(stage, number, Callee())
    stream = await call.wait_for_stream()
    began = stream.line.began
    await stream.until(lambda: stream.line.runs_out_at > began)
    call.hang_up()
    await call.settled.wait()


async def call_out_in_vain(stage: Stage, number: str) -> None:
    call = await _place(stage, number, Callee("busy"))
    await call.settled.wait()


async def call_a_machine(stage: Stage, number: str) -> None:
    """We call, a machine answers, and we have nothing to say to one."""
    call = await _place(stage, number, Callee("machine", detection_seconds=0.3))
    await call.settled.wait()


async def _place(stage: Stage, number: str, callee: Callee) -> SandboxCall:
    stage.twilio.account.callees[number] = callee
    placed = await stage.daemon.ask("/call", method="POST", body={"to": number, "persona": persona_of(number)})
    return stage.twilio.calls[placed["call_sid"]]
