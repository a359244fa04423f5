"""The scenes of the demo, and the daemon that they are played with."""

from __future__ import annotations

import base64
import json
import os
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

from trio_voice.sandbox.demo.view import LOOK_SECONDS, View
from trio_voice.sandbox.twilio.account import Callee
from trio_voice.sandbox.twilio.callers import Capture, Voice
from trio_voice.sandbox.twilio.captured import captured_stream
from trio_voice.sandbox.twilio.playback_queue import SILENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx2

    from trio_voice.sandbox.peers import Peer, PeerSession
    from trio_voice.sandbox.twilio.call import SandboxCall
    from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer
    from trio_voice.sandbox.twilio.server import SandboxTwilio
    from trio_voice.speech import Speech

FRAME_BYTES: Final = 160
MULAW_BYTES_PER_SECOND: Final = 8_000
GATHERED_FRAMES: Final = 2
"""Number of the last frames that a model may not have been given, because it is given several at a time."""
PUBLIC_HOST: Final = "demo.trio-voice.example"
OPERATOR_TOKEN: Final = "demo-operator-token"
RECORDING: Final = "call.wav"
CALLEE: Final = "+15557654321"
COLLEAGUE: Final = "+15557650001"
"""To whom callers are put through."""
CALLER_VOICE: Final = "george"
ANSWER_SECONDS: Final = 12.0
"""Time that the caller waits for an answer before going on."""
BREATH_SECONDS: Final = 0.6
"""Quiet after which the caller thinks that the agent has finished."""


class Daemon:
    """The daemon as a process, and its operator."""

    def __init__(self, process: trio.Process, said: str, http: httpx2.AsyncClient) -> None:
        self.process = process
        words = said.split()
        self.url = words[2]
        """Address at which Twilio reaches it."""
        self.operator_url = words[5] if words[3:5] == ["operator", "on"] else self.url
        """Address at which its operator does."""
        self._http = http

    @property
    def port(self) -> int:
        """Port on which it listens."""
        return int(self.url.rpartition(":")[2])

    async def ask(self, path: str, *, method: str = "GET", body: Any = None) -> Any:
        """Answer of a route to its operator."""
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        answer = await self._http.request(method, self.operator_url + path, headers=headers, json=body)
        return answer.raise_for_status().json()

    def open_descriptors(self) -> int:
        """Number of files and sockets that it holds."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208 - the names are all that counts


@attrs.define
class Stage:
    """One run of the demo."""

    _view: View
    _speech: Speech
    _agent: Peer
    _twilio: SandboxTwilio
    _daemon: Daemon
    _out: Path
    _descriptors: int = 0

    async def call_out(self) -> bool:
        """The daemon calls somebody, a tool is used, and the agent ends the call."""
        view = self._view
        await self._count_descriptors()
        view.title("The daemon calls somebody")
        voice = Voice()
        self._twilio.account.anybody = Callee(ring_seconds=1.0, voice=lambda: voice)
        placed = await self._daemon.ask("/call", method="POST", body={"to": CALLEE, "persona": "reminder"})
        call = self._twilio.calls[placed["call_sid"]]
        view.line("twilio", f"it rings at {CALLEE}")
        async with self._greeted(call) as (stream, session):
            await self._speak(voice, "Please give me a random number.")
            await self._answer(stream)
            await self._speak(voice, "Thank you, goodbye.")
            with trio.move_on_after(20):  # noqa: ASYNC912 - all three waits are checkpoints
                await call.ended.wait()
                await call.settled.wait()
                await session.wait_closed()
        record = await self._daemon.ask(f"/calls/{placed['call_id']}")
        self._write(record)
        view.end(record)
        used = [tool["name"] for tool in record["tools"]]
        return all(
            [
                view.check(f"tools were used: {', '.join(used)}", "generate_random_number" in used),
                view.check("the agent ended the call, after its goodbye", record["end_reason"] == "agent"),
                self._check_end(call, session, record),
            ]
        )

    async def converse(self) -> bool:
        """The caller asks, listens, interrupts, says goodbye and hangs up."""
        view = self._view
        await self._count_descriptors()
        view.title("A call comes in")
        voice = Voice()
        call = await self._twilio.call_in(f"https://{PUBLIC_HOST}/twiml", caller=voice)
        async with self._greeted(call) as (stream, session):
            await self._speak(voice, "What are your opening hours?")
            await self._answer(stream)
            await self._speak(voice, "Please tell me about the menu.")
            await self._begin_answer(stream)
            await trio.sleep(3)
            await self._speak(voice, "Hold on, please.")
            await self._answer(stream)
            await self._speak(voice, "Thank you, goodbye.")
            await self._answer(stream)
            view.line("caller", "hangs up")
            call.hang_up()
            with trio.move_on_after(10):
                await call.settled.wait()
                await session.wait_closed()
        record = await self._record_of(call)
        self._write(record)
        cleared = [message for message in stream.received if message.event == "clear"]
        view.end(record)
        return all(
            [
                view.check("the caller was heard and answered", _was_heard(record)),
                view.check("the interruption was obeyed", bool(cleared) and _has_interruption(record)),
                view.check("Twilio found nothing wrong with what it was sent", not stream.warnings),
                view.check("the agent found nothing wrong either", not session.client_errors),
                self._check_end(call, session, record),
            ]
        )

    async def put_through(self) -> bool:
        """The caller asks for a person, and has one: the model's meter stops, the telephone goes on."""
        view = self._view
        await self._count_descriptors()
        view.title("A caller asks for a person")
        voice = Voice()
        self._twilio.account.callees[COLLEAGUE] = Callee(ring_seconds=1.0)
        call = await self._twilio.call_in(f"https://{PUBLIC_HOST}/twiml", caller=voice)
        async with self._greeted(call) as (_, session):
            await self._speak(voice, "Please put me through to a real person.")
            with trio.move_on_after(30):  # noqa: ASYNC912 - both waits are checkpoints
                await session.wait_closed()
                while not call.dialed:  # noqa: ASYNC110 - nobody tells
                    await trio.sleep(LOOK_SECONDS)
        await trio.sleep(2)  # it rings, and somebody answers
        view.line("twilio", f"the caller speaks to {', '.join(call.dialed) or 'nobody'}")
        went_on = not call.over
        view.line("caller", "hangs up")
        call.hang_up()
        with trio.move_on_after(10):
            await call.settled.wait()
        record = await self._record_of(call)
        self._write(record)
        view.end(record)
        return all(
            [
                view.check("the agent put the caller through", call.dialed == [COLLEAGUE]),
                view.check("the telephone went on without the agent, until the caller hung up", went_on),
                self._check_end(call, session, record),
            ]
        )

    async def replay(self) -> bool:
        """A real stream, as it was captured, and what of it reached the agent."""
        view = self._view
        view.title("A real captured stream is replayed")
        capture = Capture(captured_stream(), verbatim=False)
        call = await self._twilio.call_in(f"https://{PUBLIC_HOST}/twiml", capture=capture)
        async with self._followed(call, number=2) as (stream, session):
            with trio.move_on_after(20):  # noqa: ASYNC912 - all three waits are checkpoints
                await stream.ended.wait()
                call.hang_up()
                await call.settled.wait()
                await session.wait_closed()
        record = await self._record_of(call)
        view.end(record)
        return all([self._check_hearing(capture, session, record), self._check_end(call, session, record)])

    @asynccontextmanager
    async def _followed(self, call: SandboxCall, *, number: int) -> AsyncIterator[tuple[MediaStreamPeer, PeerSession]]:
        """The stream of a call and its session, the ``number``-th; what is said is shown until the block is left."""
        stream = await call.wait_for_stream()
        session = await self._agent.wait_session(number)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._view.follow, stream, partial(self._transcript_of, call))
            yield stream, session
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def _greeted(self, call: SandboxCall) -> AsyncIterator[tuple[MediaStreamPeer, PeerSession]]:
        """The same of the first call, once its caller has heard the greeting."""
        async with self._followed(call, number=1) as (stream, session):
            await self._answer(stream, "the greeting is heard", "the stream was opened")
            yield stream, session

    async def _count_descriptors(self) -> None:
        """Of a daemon without a call."""
        await self._daemon.ask("/healthz")  # by now it has opened all that it keeps open
        await trio.sleep(0.2)  # and has closed that connection
        self._descriptors = self._daemon.open_descriptors()

    def _check_hearing(self, capture: Capture, session: PeerSession, record: dict[str, Any]) -> bool:
        """True if all that was captured is what the agent heard, byte for byte where it takes mu-law."""
        sent = b"".join(
            base64.b64decode(json.loads(message.text)["media"]["payload"])
            for message in capture.messages
            if '"event":"media"' in message.text
        )
        early = record["counters"].get("caller_frames_before_ready", 0)
        expected, per_second = len(sent) // FRAME_BYTES - early, session.audio_bytes_per_second
        heard = round(len(session.audio) * 50 / per_second)
        same = expected - GATHERED_FRAMES <= heard <= expected
        how = "transcoded"
        if per_second == MULAW_BYTES_PER_SECOND:
            same = same and bytes(session.audio) == sent[early * FRAME_BYTES :][: len(session.audio)]
            how = "as Twilio sent them"
        words = f"{heard} of {expected} frames reached the agent, {how} ({early} more came before it was ready)"
        return self._view.check(words, same and heard > 0)

    async def look_around(self) -> bool:
        """Look for leftovers of both calls."""
        view = self._view
        view.title("What is left")
        descriptors = self._daemon.open_descriptors()
        with trio.move_on_after(2):  # noqa: ASYNC912 - it sleeps
            while descriptors > self._descriptors:
                await trio.sleep(0.05)
                descriptors = self._daemon.open_descriptors()
        health = await self._daemon.ask("/healthz")
        return all(
            [
                view.check("no session is open at the agent", not self._agent.open_sessions),
                view.check("no call is up at Twilio", all(call.over for call in self._twilio.calls.values())),
                view.check("no call is live in the daemon", health["live_calls"] == 0),
                view.check(
                    f"the daemon holds {descriptors} descriptors, as before ({self._descriptors})",
                    descriptors <= self._descriptors,
                ),
            ]
        )

    def _check_end(self, call: SandboxCall, session: PeerSession, record: dict[str, Any]) -> bool:
        billed = record["model_sessions"]  # of a chain, each of its parts
        took = round(record["closing_seconds"] * 1000)
        told = session.told_goodbye and all(each["closing"] == "acknowledged" for each in billed)
        meter = ", ".join(f"{each['billed_seconds']} s" for each in billed if each["billed_seconds"] is not None)
        words = f"all sockets closed {took} ms after the end, and the agent was told (its meter: {meter or 'none'})"
        return all(
            [
                self._view.check(words, told and not session.is_open and record["closing_seconds"] < 1),
                self._view.check(f"the phone is down: Twilio says {call.status}", call.over),
            ]
        )

    async def _record_of(self, call: SandboxCall) -> dict[str, Any]:
        for listed in (await self._daemon.ask("/calls"))["calls"]:
            if listed["call_sid"] == call.sid:
                record: dict[str, Any] = await self._daemon.ask(f"/calls/{listed['call_id']}")
                return record
        raise RuntimeError("the daemon does not know the call; see daemon.log")

    async def _transcript_of(self, call: SandboxCall) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = (await self._record_of(call))["transcript"]
        return lines

    async def _speak(self, voice: Voice, text: str) -> None:
        """The caller says something, to its last word."""
        self._view.line("caller", text)
        voice.say(await self._speech.say(text, CALLER_VOICE))
        await trio.sleep(voice.pending_seconds)

    async def _begin_answer(
        self, stream: MediaStreamPeer, what: str = "the answer is heard", since: str = "the caller's last word"
    ) -> None:
        """Return once the agent has begun to answer what was just said."""
        asked_at = trio.current_time()
        heard = len(stream.line.heard(asked_at))
        with trio.move_on_after(ANSWER_SECONDS):
            while True:
                await trio.sleep(LOOK_SECONDS)
                if stream.line.heard(trio.current_time())[heard:].strip(SILENCE):
                    break
            late = trio.current_time() - asked_at
            self._view.line("agent", f"{what}, {late * 1000:.0f} ms after {since}")

    async def _answer(self, stream: MediaStreamPeer, *words: str) -> None:
        """Return once the agent has answered and fallen silent."""
        await self._begin_answer(stream, *words)
        while (quiet_at := stream.line.runs_out_at + BREATH_SECONDS) > trio.current_time():  # noqa: ASYNC110 - audio that comes meanwhile moves it
            await trio.sleep_until(quiet_at)

    def keep_recording(self) -> None:
        """Write down what there is by now of the first call, if it was answered."""
        call = next(iter(self._twilio.calls.values()), None)
        if call is not None and call.start_time is not None:
            (self._out / RECORDING).write_bytes(call.recording())

    def _write(self, record: dict[str, Any]) -> None:
        self.keep_recording()
        (self._out / "call.json").write_text(json.dumps(record, indent=2) + "\n")
        lines = [
            f"{line['at'][11:19]}  {line['role']:<7} {line['text']}{'  [interrupted]' if line['interrupted'] else ''}\n"
            for line in record["transcript"]
        ]
        (self._out / "transcript.txt").write_text("".join(lines))


def _was_heard(record: dict[str, Any]) -> bool:
    """The question after the opening hours was understood to the letter, or was at least answered."""
    asked = " ".join(line["text"].lower() for line in record["transcript"] if line["role"] == "caller")
    answers = [line["text"].lower() for line in record["transcript"] if line["role"] == "agent"]
    return len(answers) > 2 and ("hours" in asked or "tuesday to sunday" in " ".join(answers))


def _has_interruption(record: dict[str, Any]) -> bool:
    return any(line["interrupted"] for line in record["transcript"])
