"""Every way in which a call begins and ends, as rows of a table: what is played, and what the daemon must count of it.

Each ending has a number of its own, and behind the number a persona and a model of its own, so that calls of all kinds
can be made at once and each meets what it should.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import attrs
import trio

from trio_voice.record import EndReason
from trio_voice.sandbox.demo_stage import OPERATOR_TOKEN
from trio_voice.sandbox.mind import ToolUse
from trio_voice.sandbox.twilio_account import Callee, CallOrder, Instructions, new_sid, voice_form
from trio_voice.sandbox.twilio_callers import Voice
from trio_voice.sandbox.twilio_socket import StreamRefused, open_stream_socket
from trio_voice.sandbox.twilio_twiml import Connect, parse_twiml
from trio_voice.sandbox.twilio_webhooks import WebhookRequest, Webhooks
from trio_voice.sandbox.voice_agent import (
    BINARY,
    Close,
    Cut,
    Fail,
    Faults,
    Moment,
    Say,
    Script,
    StopReading,
    Strike,
    Turn,
)
from trio_voice.sandbox.voice_agent.faults import NO_FAULTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import httpx2

    from trio_voice.sandbox.demo_stage import Daemon
    from trio_voice.sandbox.media_stream import MediaStreamPeer
    from trio_voice.sandbox.twilio import SandboxTwilio
    from trio_voice.sandbox.twilio_call import SandboxCall

HOST: Final = "soak.trio-voice.example"
OUR_NUMBER: Final = "+15551234567"
THEIR_NUMBER: Final = "+15557654321"
SPEECH: Final = b"\x2a" * 8 * 200
"""What the scripted agent's ears take for 200 ms of speech."""
GARBAGE_MESSAGES: Final = 110
"""More of them than the bridge puts up with."""
PATIENCE_SECONDS: Final = 3.0
"""For an answer."""
SOON_SECONDS: Final = 1
"""The limits of the personas that run into one."""
MID_GREETING: Final = Moment("reply.audio", 2)


@attrs.frozen
class Stage:
    """Who plays."""

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

    async def ask(
        self, number: str, path: str = "/twiml", *, status: str = "ringing", token: str = ""
    ) -> WebhookRequest:
        """One webhook of a call that has nothing else."""
        sid = new_sid("CA")
        return await self._ask(sid, number, path, status, token)

    async def _ask(self, sid: str, number: str, path: str, status: str, token: str) -> WebhookRequest:
        account = self.twilio.account
        order = CallOrder(to=number, from_=THEIR_NUMBER, instructions=Instructions())
        form = voice_form(account.sid, sid, order, status, "inbound")
        return await Webhooks(account.transport, token or account.auth_token).ask(
            "twiml", f"https://{HOST}{path}", form
        )

    async def be_promised(self, number: str) -> tuple[str, str]:
        """A call's SID and the stream URL that it is given."""
        sid = new_sid("CA")
        answer = await self._ask(sid, number, "/twiml", "ringing", "")
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
    answers = 0
    while not call.over:
        while (quiet_at := stream.line.runs_out_at + 0.15) > trio.current_time():  # noqa: ASYNC110 - what comes moves it
            await trio.sleep_until(quiet_at)
        voice.say(SPEECH)
        asked_at = trio.current_time()
        with trio.move_on_after(PATIENCE_SECONDS):  # noqa: ASYNC912 - until() waits
            try:
                await stream.until(lambda asked_at=asked_at: stream.line.runs_out_at > asked_at)
            except EOFError:
                break
            answers += 1
            if answers >= 2:
                await call.ended.wait()
    await call.settled.wait()


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


async def be_hung_up(stage: Stage, number: str) -> None:
    call, _ = await stage.talk(number)
    call_id = call.connects[0].url.rpartition("/")[2]
    answer = await stage.http.delete(
        f"{stage.daemon.url}/calls/{call_id}", headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    )
    answer.raise_for_status()
    await call.settled.wait()


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
    await stage._ask(sid, number, "/call-status", "completed", "")  # noqa: SLF001 - a method of the stage for plays


async def wrong_path(stage: Stage, _number: str) -> None:
    assert await stage.refused(f"wss://{HOST}/media-stream/{new_sid('')}") == 404


async def forged_stream(stage: Stage, _number: str) -> None:
    assert await stage.refused(f"wss://{HOST}/media-stream/{new_sid('')}", "no token of ours") == 403


async def forged_webhook(stage: Stage, number: str) -> None:
    assert (await stage.ask(number, token="no token of ours")).status == 403  # noqa: S106 - it says so


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


async def _place(stage: Stage, number: str, callee: Callee) -> SandboxCall:
    stage.twilio.account.callees[number] = callee
    placed = await stage.daemon.ask("/call", method="POST", body={"to": number, "persona": _persona(number)})
    return stage.twilio.calls[placed["call_sid"]]


# The table


@attrs.frozen(kw_only=True)
class Ending:
    """A way to end, and what it must leave in the daemon's counters."""

    play: Callable[[Stage, str], Awaitable[None]]
    reason: EndReason | None = None
    """``None`` where no call ever begins."""
    direction: str = "inbound"
    refusal: tuple[str, str] | None = None
    """What was refused, and the code."""
    warning: str | None = None
    """What is written in the log at level ``warning``, once."""
    sessions: int = 1
    """How many sessions of a model it opens, or tries to."""
    turns: tuple[Turn, ...] = ()
    """What the model says to a caller who speaks."""
    faults: Faults = NO_FAULTS
    key: str | None = None
    """The model's key, where it is not the daemon's."""
    unreachable: bool = False
    """Nobody listens at the model's address."""
    leaves_model_open: bool = False
    """The model does not notice that it was left; we do not wait until it does."""
    persona: str = ""
    """More of the persona's table."""

    @property
    def script(self) -> Script:
        """How the model behaves when it does not fail."""
        return Script(greeting_ms=160, ms_per_letter=20, onset_ms=60, quiet_ms=100, turns=self.turns)


def _struck(*acts: Close | Cut | Fail | Say | StopReading) -> Faults:
    return Faults(strikes=tuple(Strike(MID_GREETING, act) for act in acts))


_IS_OVER: Final = '{"type":"session.ended","session_duration_seconds":1.5,"audio_duration_seconds":null}'
_FLOOD: Final = Say(('{"type":"future.event","padding":"' + "x" * 500_000 + '"}',), 200)
"""Long messages, which count as several: many short ones cost this process more than the daemon."""

ENDINGS: Final[dict[str, Ending]] = {
    "the caller hangs up": Ending(play=hang_up, reason=EndReason.HANGUP),
    "the caller interrupts and hangs up": Ending(play=interrupt, reason=EndReason.HANGUP),
    "a conversation, and the agent ends it": Ending(
        play=converse,
        reason=EndReason.AGENT,
        turns=(
            Turn(reply="", tool=ToolUse("generate_random_number"), after_tool="It is seven."),
            Turn(reply="", tool=ToolUse("end_call"), after_tool="Goodbye."),
        ),
        persona='tools = ["generate_random_number", "end_call"]',
    ),
    "the caller's socket is cut (FIN)": Ending(play=cut_with_fin, reason=EndReason.CALLER_LOST),
    "the caller's socket is cut (RST)": Ending(play=cut_with_reset, reason=EndReason.CALLER_LOST),
    "the caller's side sends garbage": Ending(play=send_garbage, reason=EndReason.CALLER_LOST),
    "Twilio's stream fails, half-open": Ending(play=vanish, reason=EndReason.TWILIO_ENDED),
    "the stream never starts": Ending(play=never_start, reason=EndReason.START_TIMEOUT),
    "the stream never comes": Ending(play=never_stream, reason=EndReason.START_TIMEOUT, sessions=0),
    "the caller gives up while it rings": Ending(play=give_up_ringing, reason=EndReason.TWILIO_ENDED, sessions=0),
    "the operator hangs up": Ending(play=be_hung_up, reason=EndReason.OPERATOR),
    "nobody speaks": Ending(play=listen, reason=EndReason.IDLE, persona=f"idle_seconds = {SOON_SECONDS}"),
    "it has lasted long enough": Ending(
        play=listen, reason=EndReason.TIME_LIMIT, persona=f"time_limit_seconds = {SOON_SECONDS}"
    ),
    "the model says that it is over": Ending(
        play=listen, reason=EndReason.MODEL_ENDED, faults=_struck(Say((_IS_OVER,)), Close(1000))
    ),
    "the model closes": Ending(play=listen, reason=EndReason.MODEL_ENDED, faults=_struck(Close(1000))),
    "the model's socket is cut (FIN)": Ending(play=listen, reason=EndReason.MODEL_FAILED, faults=_struck(Cut())),
    "the model's socket is cut (RST)": Ending(
        play=listen, reason=EndReason.MODEL_FAILED, faults=_struck(Cut(reset=True))
    ),
    "the model fails": Ending(play=listen, reason=EndReason.MODEL_FAILED, faults=_struck(Fail("internal_error"))),
    "the model sends garbage": Ending(
        play=listen,
        reason=EndReason.MODEL_FAILED,
        faults=_struck(Say(("{", "7", *BINARY.messages), GARBAGE_MESSAGES // 3)),
    ),
    "the model floods": Ending(play=listen, reason=EndReason.MODEL_FAILED, faults=_struck(_FLOOD)),
    "the model is never ready": Ending(play=listen, reason=EndReason.MODEL_FAILED, faults=Faults(never_ready=True)),
    "the model refuses the key": Ending(play=listen, reason=EndReason.MODEL_FAILED, key="another key"),
    "the model cannot be reached": Ending(play=listen, reason=EndReason.MODEL_FAILED, unreachable=True),
    "the model stops reading": Ending(
        play=hang_up, reason=EndReason.HANGUP, faults=_struck(StopReading()), leaves_model_open=True
    ),
    "the model does not hear the goodbye": Ending(
        play=hang_up, reason=EndReason.HANGUP, faults=Faults(never_acknowledges_end=True)
    ),
    "the model does not close": Ending(
        play=hang_up, reason=EndReason.HANGUP, faults=Faults(ignores_close=True), leaves_model_open=True
    ),
    "we call, and they hang up": Ending(play=call_out, reason=EndReason.HANGUP, direction="outbound"),
    "we call, and it is busy": Ending(
        play=call_out_in_vain, reason=EndReason.TWILIO_ENDED, direction="outbound", sessions=0
    ),
    "a stream on a wrong path": Ending(
        play=wrong_path, refusal=("stream", "unknown_call"), warning="stream_refused", sessions=0
    ),
    "a stream that is not signed": Ending(
        play=forged_stream, refusal=("stream", "bad_signature"), warning="stream_refused", sessions=0
    ),
    "a webhook that is not signed": Ending(
        play=forged_webhook, refusal=("webhook", "bad_signature"), warning="webhook_refused", sessions=0
    ),
    "half a request": Ending(play=half_a_request, sessions=0),
}


def number_of(name: str) -> str:
    """The telephone number that an ending is played on."""
    return f"+1555200{[*ENDINGS].index(name):04}"


def _persona(number: str) -> str:
    return f"p{number[-4:]}"


def tables_of(name: str, agent_url: str) -> str:
    """The model and the persona of an ending, as config.toml has them."""
    number = number_of(name)
    return f"""
[models.m{number[-4:]}]
kind = "assemblyai-agent"
url = "{agent_url}"

[personas.{_persona(number)}]
model = "m{number[-4:]}"
voice = "alba"
greeting = "Hello, this is an automated call."
{ENDINGS[name].persona}
"""


def numbers_table(names: Iterable[str]) -> str:
    """Who answers which number."""
    return "\n[numbers]\n" + "".join(f'"{number_of(name)}" = "{_persona(number_of(name))}"\n' for name in names)
