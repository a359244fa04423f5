"""Twilio's side of one bidirectional Media Stream, over any channel: in memory or a real socket.

Written from Twilio's "Media Streams - WebSocket Messages" page, its error pages and one captured stream, and without
the daemon's own protocol code, which it is there to check. Where Twilio's behaviour is not documented, the choice is
marked "assumed".

One task reads, one writes. The writer owns the clock: frames and marks go out at absolute times, so nothing drifts, and
on trio's virtual clock every time is exact.
"""

from __future__ import annotations

import base64
import json
import math
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import trio

from trio_voice.sandbox.twilio.callers import FRAME_SECONDS, Capture, CapturedMessage, FrameSource, Voice
from trio_voice.sandbox.twilio.messages import Misfit, check_message
from trio_voice.sandbox.twilio.playback_queue import PhoneLine
from trio_voice.sandbox.twilio.stream_end import EndedBy, Received, StreamEnd, StreamWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trio_voice.net.channel import Channel

FIRST_FRAME_MS: Final = 99
"""Time at which the captured stream's first frame was sent, and its ``timestamp``; others were seen at 102 and 171."""
STOP_SECONDS: Final = 2.0
"""Time for which a hang-up tries to get ``stop`` onto a congested socket. Assumed."""
CLOSE_SECONDS: Final = 2.0
"""Time that the server may take to answer our close. Assumed."""
CONGESTED_SECONDS: Final = 0.5
"""A message that takes longer to send than this costs the frames that came due meanwhile (31930). Assumed."""
WAITING_MESSAGES: Final = 1_000

_DIGITS: Final = frozenset("0123456789*#ABCD")


@runtime_checkable
class CanMuteClose(Protocol):
    """A channel that can be told not to answer a close."""

    def mute_close(self) -> None:
        """From now on a close of the peer's gets no answer."""


class MediaStreamPeer:
    """Twilio, at the other end of one stream. ``run`` is the stream's whole life; the rest is done to it meanwhile.

    ``caller`` is asked for 20 ms of audio every 20 ms; a ``capture`` is replayed instead of it. ``line`` is the
    caller's ear, ``spoken`` a tape of what was sent. With ``record=False`` neither messages nor audio are kept, for
    long runs of many streams.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        caller: FrameSource | None = None,
        capture: Capture | None = None,
        line: PhoneLine | None = None,
        spoken: PhoneLine | None = None,
        stream_sid: str | None = None,
        call_sid: str | None = None,
        account_sid: str | None = None,
        parameters: Mapping[str, str] | None = None,
        record: bool = True,
    ) -> None:
        sids = capture.sids if capture is not None and capture.verbatim else {}
        self.stream_sid = sids.get("streamSid", stream_sid or f"MZ{uuid.uuid4().hex}")
        self.call_sid = sids.get("callSid", call_sid or f"CA{uuid.uuid4().hex}")
        self.account_sid = sids.get("accountSid", account_sid or f"AC{uuid.uuid4().hex}")
        self.parameters = dict(parameters or {})
        self.line = line or PhoneLine(trio.current_time(), record=record)
        self.spoken = spoken or PhoneLine(trio.current_time(), record=record)
        """The caller's own audio as it was sent, on the same kind of tape as what they heard."""
        self.received: list[Received] = []
        self.rejected: list[tuple[float, str | bytes, str]] = []
        """Messages that broke the protocol: when, what, why."""
        self.warnings: dict[int, StreamWarning] = {}
        self.end: StreamEnd | None = None
        """Its end, once there is one; ``run`` may be closing the socket still."""
        self.ended = trio.Event()
        self._channel = channel
        self._caller = caller or Voice()
        self._replay = None if capture is None else deque(capture.messages)
        self._verbatim = capture is None or capture.verbatim
        self._record = record
        self._began = trio.current_time()
        self._sequence = 0
        self._chunk = 0
        self._outbox: deque[str | bytes | dict[str, Any]] = deque()
        self._woken = trio.Event()
        self._heard = trio.Event()
        self._resumed: trio.Event | None = None
        self._receiving = trio.CancelScope()
        self._scope = trio.CancelScope()
        self._mid_message = False
        self._hanging_up = False
        self._muted = False
        self.vanished = False

    async def run(self) -> StreamEnd:
        """Live through the stream, from ``connected`` until either side has closed it.

        Bounded once the end has begun: by ``STOP_SECONDS`` and ``CLOSE_SECONDS``. After ``vanish`` it returns when
        the server has closed, and leaves its own end open, as half-open connections are. Cancelling aborts the socket,
        except after ``vanish``.
        """
        self._began = trio.current_time()
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read)
                    nursery.start_soon(self._write)
            end = self._finish("twilio" if self._hanging_up else "network")
            if end.by != "network" and not self._mid_message and not self.vanished:
                with trio.move_on_after(CLOSE_SECONDS):
                    await self._channel.aclose(1000)
        finally:
            self._finish("network")
            if not self.vanished:
                await self._channel.abort()  # noqa: ASYNC102 - never waits
        return end

    def _finish(self, by: EndedBy) -> StreamEnd:
        """Note the first end; later ones change nothing."""
        if self.end is None:
            now = trio.current_time()
            self.line.clear(now)
            self.line.due_marks(now)
            code, reason = self._channel.close_code, self._channel.close_reason
            self.end = StreamEnd(by, code, reason, now, tuple(self.warnings.values()))
            self.ended.set()
            self._heard.set()
            self._scope.cancel()
        return self.end

    # What is done to it

    def hang_up(self) -> None:
        """Twilio's end: ``stop``, then close. For a caller's hang-up and everything that ends or replaces the verb."""
        if not self._hanging_up and not self.vanished:
            self._hanging_up = True
            self._scope.deadline = min(self._scope.deadline, trio.current_time() + STOP_SECONDS)
            self._woken.set()

    def press(self, digit: str) -> None:
        """The caller presses a key.

        Raises:
            ValueError: telephones have no such key.
            BufferError: a thousand messages wait for the socket.
        """
        if digit not in _DIGITS:
            raise ValueError(f"telephones have no key {digit!r}")
        self._put({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": digit}})

    def mute(self) -> None:
        """The caller's line sends nothing more, as those do that suppress silence; marks still come back."""
        self._muted = True

    def unmute(self) -> None:
        """It sends again, from now on."""
        self._muted = False
        while self._frame_due() < trio.current_time():
            self._chunk += 1
        self._woken.set()

    def send_raw(self, message: str | bytes) -> None:
        """Send something that Twilio would not: garbage, an event of the future, binary. It has no sequence number.

        Raises:
            BufferError: a thousand messages wait for the socket.
        """
        self._put(message)

    def vanish(self) -> None:
        """Become half-open: nothing is sent any more, neither ``stop`` nor close, and nothing is answered.

        Seen after error 31924, for 43 s to 2.5 min. What the server sends is taken off the wire and ignored.
        """
        self.vanished = True
        self.line.clear(trio.current_time())
        if isinstance(self._channel, CanMuteClose):
            self._channel.mute_close()
        self._woken.set()

    def stall_reading(self) -> None:
        """Take nothing off the wire any more, until ``resume_reading``; frames go on."""
        self._resumed = trio.Event()
        self._receiving.cancel()

    def resume_reading(self) -> None:
        """Read on after ``stall_reading``."""
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until this is true, looking after every message from the server. Cancelling is safe.

        Raises:
            EOFError: the stream ended first.
        """
        while not ready():
            if self.end is not None:
                raise EOFError("the stream ended before that")
            await self._heard.wait()

    def _put(self, message: str | bytes | dict[str, Any]) -> None:
        if len(self._outbox) >= WAITING_MESSAGES:
            raise BufferError("the socket takes no messages, and too many wait for it")
        self._outbox.append(message)
        self._woken.set()

    # What the server sends

    async def _read(self) -> None:
        try:
            while True:
                if self._resumed is not None:
                    await self._resumed.wait()
                with trio.CancelScope() as self._receiving:
                    message = await self._channel.receive()
                    if not self.vanished:
                        self._hear(message, trio.current_time())
        except trio.EndOfChannel:
            self._finish("server")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._finish("network")

    def _hear(self, message: str | bytes, now: float) -> None:
        try:
            parsed = check_message(message, self.stream_sid)
        except Misfit as misfit:
            self._warn(misfit.code, misfit.why, now)
            if self._record:
                self.rejected.append((now, message, misfit.why))
        else:
            self._obey(parsed, now)
            if self._record:
                self.received.append(Received(now, parsed))
        self._heard.set()
        self._heard = trio.Event()

    def _obey(self, message: dict[str, Any], now: float) -> None:
        match message["event"]:
            case "media":
                if not self.line.play(base64.b64decode(message["media"]["payload"]), now):
                    self._warn(31931, "more than ten minutes of audio were queued", now)
            case "mark":
                self.line.mark(message["mark"]["name"], now)
            case _:
                self.line.clear(now)
        self._woken.set()

    def _warn(self, code: int, why: str, now: float) -> None:
        self.warnings.setdefault(code, StreamWarning(code, why, now))

    # What Twilio sends

    async def _write(self) -> None:
        try:
            if self._replay is None:
                await self._post({"event": "connected", "protocol": "Call", "version": "1.0.0"})
                await self._post(self._start())
            while not self._hanging_up:
                self._woken = trio.Event()
                await self._write_what_is_due()
                with trio.move_on_at(min(self._frame_due(), self.line.next_due(trio.current_time()))):
                    await self._woken.wait()
            sids = {"accountSid": self.account_sid, "callSid": self.call_sid}
            await self._post({"event": "stop", "stop": sids})
            self._finish("twilio")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The reader says how it ended, after what was sent before the end; unless it does not read.
            self._scope.deadline = trio.current_time() + (CLOSE_SECONDS if self._resumed is None else 0)

    async def _write_what_is_due(self) -> None:
        for name in self.line.due_marks(trio.current_time()):
            await self._post({"event": "mark", "mark": {"name": name}})
        while self._outbox:
            message = self._outbox.popleft()
            await (self._post(message) if isinstance(message, dict) else self._send(message))
        if self._frame_due() > trio.current_time():
            return
        if self._replay is None:
            await self._send_frame()
        else:
            await self._replay_message(self._replay.popleft())

    def _frame_due(self) -> float:
        if self._muted:
            return math.inf
        if self._replay is None:
            return self._began + (FIRST_FRAME_MS / 1000 + self._chunk * FRAME_SECONDS)
        return self._began + self._replay[0].at if self._replay else math.inf

    def _start(self) -> dict[str, Any]:
        form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        return {
            "event": "start",
            "start": {
                "accountSid": self.account_sid,
                "streamSid": self.stream_sid,
                "callSid": self.call_sid,
                "tracks": ["inbound"],
                "mediaFormat": form,
                "customParameters": self.parameters,
            },
        }

    async def _send_frame(self) -> None:
        due = self._frame_due()
        frame = self._caller.next_frame(due)
        self.spoken.play(frame, due)
        timestamp = FIRST_FRAME_MS + round(1000 * FRAME_SECONDS) * self._chunk
        self._chunk += 1
        media = {"track": "inbound", "chunk": str(self._chunk), "timestamp": str(timestamp)}
        began = trio.current_time()
        await self._post({"event": "media", "media": media | {"payload": base64.b64encode(frame).decode()}})
        now = trio.current_time()
        if now - began > CONGESTED_SECONDS:
            self._warn(31930, "the server reads too slowly; audio of the caller was discarded", now)
            while self._frame_due() < now:
                self._caller.next_frame(self._frame_due())
                self._chunk += 1

    async def _replay_message(self, captured: CapturedMessage) -> None:
        message = json.loads(captured.text)
        if message["event"] == "media":
            self.spoken.play(base64.b64decode(message["media"]["payload"]), trio.current_time())
        if self._verbatim:
            self._sequence = int(message.get("sequenceNumber", 0))
            await self._send(captured.text)
        else:
            if message["event"] == "start":
                message["start"]["streamSid"] = self.stream_sid
                message["start"]["customParameters"] |= self.parameters
            for body in (message.get("start"), message.get("stop")):
                if body is not None:
                    body |= {"accountSid": self.account_sid, "callSid": self.call_sid}
            await self._post(message)
        if message["event"] == "stop":
            self._finish("twilio")

    async def _post(self, message: dict[str, Any]) -> None:
        if message["event"] != "connected":
            self._sequence += 1
            message |= {"sequenceNumber": str(self._sequence), "streamSid": self.stream_sid}
        await self._send(json.dumps(message, separators=(",", ":")))

    async def _send(self, message: str | bytes) -> None:
        if self.vanished:
            await trio.sleep_forever()  # until the server closes
        self._mid_message = True
        await self._channel.send(message)
        self._mid_message = False
