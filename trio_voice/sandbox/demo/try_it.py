"""A Twilio and an agent to try a daemon of your own against, by hand: ``trio-voice sandbox``.

It rings whatever number it is asked to; somebody answers, says a few sentences and hangs up. It also calls the daemon
when it is told to. Everything that a tutorial does with an account can be done with it, step by step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from trio_voice.sandbox.demo.demo import AGENT_KEY, KIND, configuration
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN, PUBLIC_HOST
from trio_voice.sandbox.demo.view import View
from trio_voice.sandbox.peers import open_peer
from trio_voice.sandbox.twilio.account import Callee
from trio_voice.sandbox.twilio.callers import Voice
from trio_voice.sandbox.twilio.playback_queue import SILENCE
from trio_voice.sandbox.twilio.server import open_sandbox_twilio
from trio_voice.speech import load_speech

if TYPE_CHECKING:
    from pathlib import Path

    from trio_voice.sandbox.twilio.call import SandboxCall
    from trio_voice.sandbox.twilio.server import SandboxTwilio

PORT: Final = 8080
"""Port on which the daemon under trial listens."""
AGENT_PORT, TWILIO_PORT = 8091, 8092
"""Always the same, as the account's SID is: a daemon that runs, and a file that was edited, go on with the next
sandbox."""
ACCOUNT_SID: Final = "AC" + "5" * 32
CLOSED_BY_US: Final = 31921
"""A notice of Twilio's that each call has which the agent ends."""
AUTH_TOKEN: Final = "sandbox-auth-token"
LINES: Final = ("What are your opening hours?", "Please give me a random number.", "Thank you, goodbye.")
LISTEN_SECONDS: Final = 15.0
"""Time that the person at the telephone waits for an answer before saying the next thing."""
PAUSE_SECONDS: Final = 0.8
LOOK_SECONDS: Final = 0.1


async def run_playground(out: Path, *, force: bool = False, ring_in: float | None = None) -> None:
    """Run until cancelled.

    Args:
        out: where the daemon's configuration is written.
        force: also over one that somebody has edited.
        ring_in: call the daemon after so many seconds; otherwise it is only called.

    Raises:
        SpeechUnavailable: the ``speech`` extra is not installed or does not work here.
        OSError: a port is taken, or the configuration cannot be written.
    """
    view = View(quiet=True)
    speech = await trio.to_thread.run_sync(load_speech)
    lines = [await speech.say(line, "george") for line in LINES]
    async with (
        open_peer(KIND, speech, None, AGENT_KEY, port=AGENT_PORT) as agent,
        open_sandbox_twilio(
            account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, connect_to={PUBLIC_HOST: PORT}, port=TWILIO_PORT
        ) as twilio,
    ):
        config = out / "sandbox.toml"
        ours = configuration(KIND, agent, twilio).replace("127.0.0.1:0", f"127.0.0.1:{PORT}")
        if not write_unless_changed(config, ours, force=force):
            view.say(f"{config} is there and is left as it is; trio-voice sandbox --force writes it anew")
        view.say(f"a Twilio and an agent are running; in another terminal, run a daemon on {config}:")
        view.say(f"  export TWILIO_AUTH_TOKEN={AUTH_TOKEN} ASSEMBLYAI_API_KEY={AGENT_KEY}")
        view.say(f"  export TRIO_VOICE_API_TOKEN={OPERATOR_TOKEN}")
        view.say(f"  trio-voice --config {config} serve")
        view.say("and in a third, with the same variables:")
        view.say(f"  trio-voice --config {config} call +15557654321 --persona reminder")
        view.say("what is said on this side stands here; `trio-voice calls show` has both sides")
        async with trio.open_nursery() as nursery:
            twilio.account.anybody = Callee(ring_seconds=1.0)
            if ring_in is not None:
                nursery.start_soon(_ring, twilio, ring_in)
            seen: set[str] = set()
            while True:
                for sid in twilio.calls.keys() - seen:
                    seen.add(sid)
                    nursery.start_soon(_talk, len(seen), twilio.calls[sid], lines)
                await trio.sleep(LOOK_SECONDS)


def write_unless_changed(config: Path, text: str, *, force: bool) -> bool:
    """Write a file, but not over one that says something else; false if there is such a one."""
    if config.exists() and not force:
        return config.read_text() == text
    config.write_text(text)
    return True


async def _ring(twilio: SandboxTwilio, seconds: float) -> None:
    await trio.sleep(seconds)
    await twilio.call_in(f"https://{PUBLIC_HOST}/twiml", status_callback=f"https://{PUBLIC_HOST}/call-status")


async def _talk(number: int, call: SandboxCall, lines: list[bytes]) -> None:
    """Be the person at the telephone, until the call is over. Calls have numbers, for there may be two at once."""
    view = View(quiet=True)  # with a clock of its own
    view.title(f"Call {number}, {call.direction}: {call.sid}")
    caller, twilio = f"caller {number}", f"twilio {number}"
    try:
        stream = await call.wait_for_stream()
    except EOFError:
        view.line(twilio, f"it is over without a stream: {call.status}, {call.ended_by}")
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_until_over, view, twilio, call, nursery.cancel_scope)
        for words, mulaw in zip(LINES, lines, strict=True):
            heard = len(stream.line.heard(trio.current_time()))
            with trio.move_on_after(LISTEN_SECONDS):  # noqa: ASYNC912 - it sleeps
                while not stream.line.heard(trio.current_time())[heard:].strip(SILENCE):  # noqa: ASYNC110 - a line raises no event
                    await trio.sleep(LOOK_SECONDS)
                while (quiet_at := stream.line.runs_out_at + PAUSE_SECONDS) > trio.current_time():  # noqa: ASYNC110 - audio that comes meanwhile moves it
                    await trio.sleep_until(quiet_at)
            view.line(caller, words)
            if isinstance(call.caller, Voice):
                call.caller.say(mulaw)
                await trio.sleep(call.caller.pending_seconds)
        await trio.sleep(LISTEN_SECONDS)
        view.line(caller, "hangs up")
        call.hang_up()


async def _until_over(view: View, twilio: str, call: SandboxCall, talking: trio.CancelScope) -> None:
    await call.settled.wait()
    view.line(twilio, f"says {call.status}, by {call.ended_by}")
    for notice in (each for each in call.notices if each.code != CLOSED_BY_US):
        view.line(twilio, f"{notice.code}: {notice.text}")
    talking.cancel(reason="the call is over")
