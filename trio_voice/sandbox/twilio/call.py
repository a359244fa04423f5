"""One call at the sandbox's Twilio: from the first ring through its TwiML to the last callback.

The call is a task that executes instructions. Everything that interrupts it, from a caller who hangs up to a REST
update, is a plain method that cancels what is being executed and says what comes instead. A stream that is interrupted
says `stop` and closes in the background, within seconds, while the call already goes on.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from trio_voice.sandbox.twilio.account import ENDED_STATUSES, Account, Callee, CallOrder, Instructions, Notice, new_sid
from trio_voice.sandbox.twilio.callbacks import Reports
from trio_voice.sandbox.twilio.media_stream import MediaStreamPeer
from trio_voice.sandbox.twilio.playback_queue import PhoneLine, stereo_wav
from trio_voice.sandbox.twilio.socket import run_stream
from trio_voice.sandbox.twilio.twiml import (
    Connect,
    Dial,
    Document,
    Hangup,
    Pause,
    Redirect,
    Reject,
    Say,
    Stream,
)
from trio_voice.sandbox.twilio.twiml_source import TwimlSource
from trio_voice.sandbox.twilio.webhooks import Form, WebhookRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio_voice.net.channel import Channel
    from trio_voice.sandbox.twilio.callers import Capture, FrameSource


class SandboxCall:
    """A call's record and, while it lasts, the call. Times with a date are UTC, others in trio's clock.

    ``ended`` is set as soon as the call is over, ``settled`` once its streams are closed and its callbacks delivered.
    A capture is replayed on its first stream, instead of the caller's audio.
    """

    def __init__(
        self, account: Account, order: CallOrder, direction: str, caller: FrameSource, capture: Capture | None = None
    ) -> None:
        self.sid = new_sid("CA")
        self.order = order
        self.from_ = order.from_
        self.to = order.to
        self.direction = direction
        self.status = "ringing" if direction == "inbound" else "queued"
        self.caller = caller
        """The speaker at the telephone; a ``Voice`` can be told what to say."""
        self.answered_by: str | None = None
        self.ended_by = ""
        """``caller``, ``callee``, ``rest``, ``instructions`` (nothing was left to do), ``verb`` (it said so),
        ``time limit``, ``stream error`` or ``application error`` (no usable TwiML)."""
        self.date_created = datetime.now(UTC)
        self.start_time: datetime | None = None
        self.end_time: datetime | None = None
        self.queue_ms = 0
        self.documents: list[Document] = []
        """The TwiML it executed."""
        self.connects: list[Stream] = []
        """The streams it was told to open."""
        self.streams: list[MediaStreamPeer] = []
        """The streams it did open."""
        self.said: list[str] = []
        self.dialed: list[str] = []
        self.dials: list[Dial] = []
        self.ended = trio.Event()
        self.settled = trio.Event()
        self._account = account
        self._capture = capture
        self._reports = Reports(account, order, self.sid, direction)
        self._source = TwimlSource(self._reports, order)
        self._line = PhoneLine(trio.current_time())
        self._spoken = PhoneLine(trio.current_time())
        self._answered_at = math.nan
        self._ended_at = math.nan
        self._time_limit = order.time_limit
        self._next: Instructions | None = None
        self._streaming = trio.Event()
        self._scope = trio.CancelScope()
        self._background: trio.Nursery

    # What can be seen of it

    @property
    def over(self) -> bool:
        """True if its status is a last one."""
        return self.status in ENDED_STATUSES

    @property
    def duration(self) -> int | None:
        """Seconds from the answer to the end, rounded up; None before the end."""
        if not self.over:
            return None
        return 0 if self.start_time is None else math.ceil(self._ended_at - self._answered_at)

    @property
    def requests(self) -> list[WebhookRequest]:
        """Everything that was asked of our server for this call, in the order of the answers."""
        return self._reports.requests

    @property
    def notices(self) -> list[Notice]:
        """Entries of Twilio's debugger about this call and its streams, in order."""
        of_streams = (Notice(each.code, each.why, each.at) for peer in self.streams for each in peer.warnings.values())
        return sorted([*self._reports.notices, *of_streams], key=lambda notice: notice.at)

    def heard(self) -> bytes:
        """Sound that the caller heard since the answer, as mu-law; only with the account's ``record``."""
        return self._line.heard(self._heard_until())

    def recording(self) -> bytes:
        """The call as a stereo WAV: on the left who speaks at the telephone, on the right what they heard."""
        return stereo_wav(self._spoken.heard(self._heard_until()), self.heard())

    def _heard_until(self) -> float:
        if self.start_time is None:
            return self._line.began
        return self._ended_at if self.over else trio.current_time()

    async def wait_for_stream(self) -> MediaStreamPeer:
        """The first stream, once its socket is open. Cancelling is safe.

        Raises:
            EOFError: the call ended without one.
        """
        await self._streaming.wait()
        if not self.streams:
            raise EOFError(f"the call was over before it had a stream: {self.ended_by}, {self.notices}")
        return self.streams[0]

    # What can be done to it

    def hang_up(self) -> None:
        """The person at the telephone hangs up."""
        self.end("completed" if self.start_time else "no-answer", "caller")

    def end(self, status: str, by: str) -> None:
        """End it from outside: its status is final at once, its stream is stopped and closed."""
        self._end(status, by)
        self._scope.cancel()

    def redirect(self, instructions: Instructions) -> None:
        """Stop what is being executed, a stream too, and go on with these instructions."""
        self._next = instructions
        self._scope.cancel()

    def limit_time(self, seconds: float) -> None:
        """End it this long after its answer."""
        self._time_limit = seconds
        self._scope.deadline = self._ends_by()

    def lose_stream(self, code: int = 31924) -> None:
        """Fail as in two published incidents: the call is over at Twilio, and our server's socket hears nothing of it.

        ``stream-error`` and the call's own callback come at once; the socket is half-open until the server closes it.

        Raises:
            IndexError: there is no stream.
        """
        peer = self.streams[-1]
        peer.vanish()
        self._reports.note(code, "a message that does not conform")
        self._reports.stream(self.connects[-1], peer.stream_sid, "stream-error", str(code))
        self.end("completed", "stream error")

    # Its life

    async def run(self, *, task_status: trio.TaskStatus[SandboxCall] = trio.TASK_STATUS_IGNORED) -> None:
        """The whole call. Started once it rings, or waits to be dialled. Cancelling drops it without a word."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._reports.deliver)
            async with trio.open_nursery() as self._background:
                task_status.started(self)
                await self._execute()
            self._reports.close()
        self.settled.set()

    async def _execute(self) -> None:
        step: Callable[[], Awaitable[None]] = self._begin
        while not self.over:
            with trio.CancelScope(deadline=self._ends_by()) as self._scope:
                await step()
                self._end("completed", "instructions")
            if self._next is not None:
                step, self._next = partial(self._follow, self._next), None
            elif not self.over:
                self._reports.note(32015, "the call reached its time limit")
                self._end("completed", "time limit")

    async def _begin(self) -> None:
        fields = self.order.fields
        if self.direction != "inbound":
            if not await self._ring():
                return
            if self.answered_by is not None:
                fields = (*fields, ("AnsweredBy", self.answered_by))
        await self._follow(attrs.evolve(self.order.instructions, fields=fields))

    async def _ring(self) -> bool:
        """Dial the number; whether somebody, or something, answered."""
        slot = self._account.take_slot(trio.current_time())
        self.queue_ms = round(1000 * (slot - trio.current_time()))
        await trio.sleep_until(slot)
        self._step_to("initiated")
        callee = self._account.callee(self.order.to)
        if callee.answers != "failed":
            self._step_to("ringing")
        outcome = await callee.ring(self.order.ring_seconds)
        if outcome != "answered":
            self._end(outcome, "callee")
            return False
        self._answer()
        if self.order.machine_detection and self.order.async_amd:
            self._background.start_soon(self._detect_machine_meanwhile, callee)
        elif self.order.machine_detection:
            await trio.sleep(callee.detection_seconds)
            self.answered_by = callee.verdict(self.order.machine_detection)
        return True

    async def _detect_machine_meanwhile(self, callee: Callee) -> None:
        with trio.move_on_after(callee.detection_seconds):
            await self.ended.wait()
            return
        self.answered_by = callee.verdict(self.order.machine_detection)
        self._reports.machine_detection(self.answered_by, callee.detection_seconds)

    def _step_to(self, status: str) -> None:
        self.status = status
        self._reports.progress(status, status)

    def _answer(self) -> None:
        if self.start_time is None:
            now = self._answered_at = trio.current_time()
            self.start_time = datetime.now(UTC)
            self._line = PhoneLine(now, record=self._account.record)
            self._spoken = PhoneLine(now, record=self._account.record)
            self.status = "in-progress"
            self._scope.deadline = self._ends_by()
            self._reports.progress("answered", self.status)

    def _ends_by(self) -> float:
        return math.inf if self.start_time is None else self._answered_at + self._time_limit

    def _end(self, status: str, by: str) -> None:
        if not self.over:
            self.status, self.ended_by = status, by
            self.end_time = datetime.now(UTC)
            self._ended_at = trio.current_time()
            self._line.clear(self._ended_at)
            self._reports.progress("completed", status, self.duration)
            self.ended.set()
            self._streaming.set()

    # Its instructions

    async def _follow(self, instructions: Instructions) -> None:
        """Execute these, and what they lead to, until nothing is left to do."""
        where: Instructions | None = instructions
        while where is not None:
            document = await self._source.obtain(where, self.status)
            self._answer_unless_rejected(document)
            if document is None:
                self._end("completed", "application error")
                return
            self.documents.append(document)
            where = await self._obey(document)

    def _answer_unless_rejected(self, document: Document | None) -> None:
        """Everything answers a call but ``<Reject>``, and ``<Redirect>``, after which one may come."""
        if document is None or not document.verbs or not isinstance(document.verbs[0], Reject | Redirect):
            self._answer()

    async def _obey(self, document: Document) -> Instructions | None:
        """Execute a document's verbs; where it sends us next, if anywhere."""
        for verb in document.verbs:
            match verb:
                case Say(text=text):
                    self.said.append(text)
                    await trio.sleep(len(text) / self._account.say_characters_per_second)
                case Pause(seconds=seconds):
                    await trio.sleep(seconds)
                case Reject(reason=reason) if self.start_time is None:
                    self._end("busy" if reason == "busy" else "no-answer", "verb")
                    return None
                case Hangup() | Reject():
                    self._end("completed", "verb")
                    return None
                case Redirect(url=url, method=method):
                    return Instructions(url, method)
                case Connect(stream=stream, action=action, method=method):
                    await self._connect(stream)
                    if action:
                        return Instructions(action, method, event="action")
                case Dial(action=action, method=method):
                    outcome = await self._dial(verb)
                    if action:
                        return Instructions(action, method, fields=outcome, event="action")
        return None

    async def _dial(self, verb: Dial) -> Form:
        """Bring the caller to somebody else; what ``action`` is told of it."""
        self.dialed.append(verb.to)
        self.dials.append(verb)
        callee, sid = self._account.callee(verb.to), new_sid("CA")
        outcome = "canceled"  # until it is known
        began = math.nan
        try:
            if verb.caller_id == "" and not self.from_.startswith("+"):
                self._reports.note(13214, f"callerId must be provided for {self.from_!r}")
                outcome = "failed"
            else:
                outcome = await callee.ring(verb.timeout)
            began = trio.current_time()
            if outcome == "answered":
                self._reports.child_answered(verb.answered_callback, sid, verb.to)
                await trio.sleep(callee.talk_seconds)
        finally:
            if self.over and verb.action:  # whoever hangs up meanwhile is asked about all the same
                form = _outcome(outcome, sid, began)
                self._background.start_soon(self._reports.ask, "action", verb.action, self.status, form, verb.method)
        return _outcome(outcome, sid, began)

    # Its streams

    async def _connect(self, verb: Stream) -> None:
        self.connects.append(verb)
        start = partial(run_stream, verb, self._account, self._reports, partial(self._build_peer, verb))
        peer: MediaStreamPeer | None = await self._background.start(start)
        if peer is not None:
            try:
                await peer.ended.wait()
            finally:
                peer.hang_up()

    def _build_peer(self, verb: Stream, channel: Channel, stream_sid: str) -> MediaStreamPeer:
        peer = MediaStreamPeer(
            channel,
            caller=self.caller,
            capture=None if self.streams else self._capture,
            line=self._line,
            spoken=self._spoken,
            stream_sid=stream_sid,
            call_sid=self.sid,
            account_sid=self._account.sid,
            parameters=verb.parameters,
            record=self._account.record,
        )
        self.streams.append(peer)
        self._streaming.set()
        return peer


def _outcome(outcome: str, sid: str, began: float) -> Form:
    """Fields that the ``action`` of a ``<Dial>`` is told."""
    answered = outcome == "answered"
    fields = {
        "DialCallStatus": "completed" if answered else outcome,
        "DialCallSid": sid,
        "DialBridged": str(answered).lower(),
    }
    if answered:
        fields["DialCallDuration"] = str(math.ceil(trio.current_time() - began))
    return tuple(fields.items())
