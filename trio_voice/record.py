"""The record of a call, while it lives and afterwards."""

from __future__ import annotations

import enum
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from trio_voice.timeline import MAX_EVENTS, MAX_LETTERS, EventKind, Marks, TimelineEvent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from trio_voice.session_record import ModelSessionRecord


class EndReason(enum.StrEnum):
    """Reason for which a call ended; users' scripts rely on these words."""

    HANGUP = "hangup"
    """Twilio sent ``stop``; or the caller hung up before anybody answered whom they were put through to."""
    CALLER_LOST = "caller_lost"
    """The caller's socket is gone, or can no longer be understood."""
    CALLER_STALLED = "caller_stalled"
    """No sound came from Twilio and no answer to a mark, or Twilio stopped reading."""
    MODEL_ENDED = "model_ended"
    """The model's session was over, and was not to be renewed."""
    MODEL_FAILED = "model_failed"
    """No model could go on; ``end_detail`` says why in words."""
    TIME_LIMIT = "time_limit"
    """``time_limit_seconds`` were over."""
    IDLE = "idle"
    """Nobody was heard to speak for ``idle_seconds``; the caller was asked, and told goodbye."""
    AGENT = "agent"
    """The agent's own ``end_call``."""
    OPERATOR = "operator"
    """``trio-voice hangup``, or ``DELETE /calls/<call id>``."""
    DRAIN = "drain"
    """The daemon was stopped, and ``drain_seconds`` were over."""
    TWILIO_ENDED = "twilio_ended"
    """A callback or the REST API said so."""
    START_TIMEOUT = "start_timeout"
    """Twilio opened the stream and sent no ``start`` within ``start_seconds``."""
    BUG = "bug"
    """An error of trio_voice; the log has the traceback. Please report it."""


class CallState(enum.StrEnum):
    """Stage of a call's life."""

    DIALING = "dialing"
    """Twilio was asked to place it."""
    RINGING = "ringing"
    """Its stream is expected: an inbound call has its TwiML, or a call that was placed rings."""
    LIVE = "live"
    """The stream is open."""
    ENDING = "ending"
    """The first sign of the end was seen; sockets are being closed."""
    ENDED = "ended"
    """Both sockets are closed, or it never was answered."""


TERMINAL_STATUSES: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Twilio's call statuses after which nothing more happens to a call (Twilio, "Call resource")."""


BROWSER: Final = "browser"
"""The caller's number where a page of the console is the telephone."""


MAX_DETAIL_LETTERS: Final = 4_000
"""Of what a tool was given, and of what came of it."""


@attrs.define
class Utterance:
    """One line of the transcript."""

    role: str
    """``caller`` or ``agent``."""
    text: str
    at: float
    """Seconds since the call began."""
    interrupted: bool = False
    heard_ms: float | None = None
    """Milliseconds of an agent's line that reached the caller's ear."""
    final: bool = True


@attrs.define
class Turn:
    """From the model's decision that the caller has finished to the first sound of the answer."""

    at: float
    """Seconds since the call began, at that decision."""
    latency_ms: float
    stages: dict[str, float] = attrs.field(factory=dict)
    """Milliseconds from that decision to each stage of the answer (``bridge/latency.py``)."""
    heard_after_ms: float | None = None
    """Pause that the caller felt: from their last sound to the first that they heard. Unknown if they made none."""


@attrs.define
class ToolUse:
    """One tool that the model asked for."""

    name: str
    failed: bool
    milliseconds: int
    known: bool = True
    """False where the persona has no such tool: the name is the model's invention."""
    at: float | None = None
    """Time of its beginning, in seconds since the call began."""
    arguments: Any = None
    """Arguments that the model gave it; nothing where the persona's ``keep_tool_details`` is off, or the tool is
    unknown."""
    result: Any = None
    """Result that the model was told; nothing where ``keep_tool_details`` is off."""

    def keep(self, arguments: Any, result: str) -> None:
        """Remember what it was given and what came of it, as JSON; what is longer than a page is cut, as text."""
        given = _as_text(arguments)
        self.arguments = arguments if len(given) <= MAX_DETAIL_LETTERS else given[:MAX_DETAIL_LETTERS]
        cut = result[:MAX_DETAIL_LETTERS]
        self.result = json.loads(result) if cut == result else cut

    def as_json(self, call: CallRecord) -> dict[str, Any]:
        """The shape that ``GET /calls/<call id>`` answers."""
        return attrs.asdict(self) | {"at": None if self.at is None else call.time_of(self.at)}


@attrs.define
class Transfer:
    """One attempt to put the caller through."""

    number: str
    at: float
    """Seconds since the call began."""
    outcome: str | None = None
    """Its end: Twilio's word (``completed``, ``busy``, ``no-answer``, ``failed``, ``canceled``), ``answered``
    while they talk, ``refused`` where Twilio did not even try, ``unknown`` where it did not say whether it does;
    ``None`` while it rings, and if nobody has said."""


@attrs.define
class Recording:
    """A call's recording on this machine."""

    url: str | None
    """Path by which operators listen to it; ``None`` once it was deleted."""
    seconds: float
    at: float = 0.0
    """Seconds since the call began, at its first sample."""
    listened: list[str] = attrs.field(factory=list)
    """Times at which somebody has listened: ISO 8601, UTC."""
    deleted_at: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The shape in a call's record."""
        listened = [{"at": at} for at in self.listened]
        return {"url": self.url, "seconds": self.seconds, "at": self.at, "listened": listened} | (
            {} if self.deleted_at is None else {"deleted_at": self.deleted_at}
        )


@attrs.frozen
class Counted:
    """Parts of a call's record that the metrics have counted already: it ended, and its caller came back."""

    sessions: int
    turns: int
    tools: int
    counters: dict[str, int]
    telephone_cost: float


@attrs.define(kw_only=True)
class CallRecord:
    """Everything there is to tell about one call. Written by its own call only; read by anybody."""

    call_id: str
    direction: str
    persona: str
    from_number: str
    to_number: str
    call_sid: str | None = None
    stream_sid: str | None = None
    state: CallState = CallState.RINGING
    started_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: float | None = None
    setup_seconds: float | None = None
    """From the accepted stream to a model that is ready to talk."""
    end_reason: EndReason | None = None
    end_detail: str = ""
    twilio_status: str | None = None
    """The last call status that Twilio told us."""
    closing_seconds: float | None = None
    """From the first sign of the end until both sockets were closed."""
    model_sessions: list[ModelSessionRecord] = attrs.field(factory=list)
    transcript: list[Utterance] = attrs.field(factory=list)
    turns: list[Turn] = attrs.field(factory=list)
    tools: list[ToolUse] = attrs.field(factory=list)
    transfers: list[Transfer] = attrs.field(factory=list)
    answered_by: str | None = None
    """Twilio's verdict on who answered a call that we placed, where it was asked for one."""
    recording_url: str | None = None
    """Twilio's recording of it."""
    recording: Recording | None = None
    """Ours."""
    telephone_cost: float | None = None
    """Estimate of what Twilio bills for it, known once it is over and if there are prices (``billing/cost.py``)."""
    currency: str | None = None
    """Of its costs."""
    earlier_seconds: float = 0.0
    """Seconds that the call had lasted when its caller came back from a transfer: the stream's times count from
    there."""
    unheard: dict[str, str] = attrs.field(factory=dict)
    """Words that were made of the agent's lines and not heard, by the time of the line."""
    timeline: list[TimelineEvent] = attrs.field(factory=list)
    """Whatever else happened, in order."""
    known_since: float | None = None
    """Time of the first webhook about it, if that came before its stream did: seconds since 1970."""
    marks: list[Marks] = attrs.field(factory=list)
    """Marks of each stretch of the agent's speech, in order."""
    handed_over: bool = False
    """The telephone call goes on without us: it was transferred, and must not be hung up."""
    counters: dict[str, int] = attrs.field(factory=dict)
    """Things that were dropped, ignored or of note, by name."""
    counted: Counted | None = None
    """The latest that was counted of it."""

    def uncounted(self) -> CallRecord:
        """A record of what was not counted before, which counts as counted then."""
        telephone_cost, before = self.telephone_cost, self.counted
        self.counted = Counted(
            len(self.model_sessions), len(self.turns), len(self.tools), dict(self.counters), telephone_cost or 0.0
        )
        if before is None:
            return self
        return attrs.evolve(
            self,
            setup_seconds=None,
            model_sessions=self.model_sessions[before.sessions :],
            turns=self.turns[before.turns :],
            tools=self.tools[before.tools :],
            counters={kind: count - before.counters.get(kind, 0) for kind, count in self.counters.items()},
            telephone_cost=None if telephone_cost is None else max(0.0, telephone_cost - before.telephone_cost),
        )

    @property
    def answered_by_machine(self) -> bool:
        """True if Twilio has found that no human answered."""
        return self.answered_by is not None and self.answered_by.startswith(("machine", "fax"))

    @property
    def is_browser_call(self) -> bool:
        """True if a page is the telephone: there is no call at Twilio, which is asked for nothing and bills nothing."""
        return self.from_number == BROWSER and self.call_sid is None and self.direction == "inbound"

    @property
    def other_number(self) -> str:
        """The number of the person at the other end, as Twilio tells it: perhaps withheld, or that of no telephone."""
        return self.from_number if self.direction == "inbound" else self.to_number

    @property
    def model_seconds(self) -> float:
        """Seconds of its sessions, together; those that are open count for nothing yet."""
        return round(sum(session.seconds or 0.0 for session in self.model_sessions), 3)

    @property
    def model_cost(self) -> float | None:
        """Estimate of its sessions' cost, together; None if any is unknown."""
        return sum_known(session.cost for session in self.model_sessions) if self.currency else None

    @property
    def cost(self) -> float | None:
        """Estimate of both meters; None if either is unknown."""
        return sum_known((self.telephone_cost, self.model_cost))

    def count(self, what: str, by: int = 1) -> int:
        """Add to a counter; returns what it now holds."""
        total = self.counters[what] = self.counters.get(what, 0) + by
        return total

    def begin(self, now: datetime) -> None:
        """Its stream has come. It begins once, whatever comes back."""
        if self.started_at is not None:
            return
        self.started_at = now
        if self.known_since is not None:
            for event in self.timeline:
                event.at += self.known_since - now.timestamp()

    def told(self, what: str, now: datetime) -> None:
        """Twilio has told us something by a webhook."""
        at = now.timestamp()
        if self.started_at is None and self.known_since is None:
            self.known_since = at
        since = self.known_since if self.started_at is None else self.started_at.timestamp()
        self.note(EventKind.CALLBACK, at - (since or at), what)

    def note(self, kind: str, at: float, detail: str = "") -> None:
        """Put something on the timeline, so many seconds after the call began. Beyond the bound it is counted."""
        if len(self.timeline) < MAX_EVENTS:
            self.timeline.append(TimelineEvent(kind, at, detail[:MAX_LETTERS]))
        else:
            self.count("timeline_events_over_the_bound")

    def summary(self) -> dict[str, Any]:
        """The row that ``GET /calls`` lists."""
        return {
            "call_id": self.call_id,
            "call_sid": self.call_sid,
            "direction": self.direction,
            "persona": self.persona,
            "from": self.from_number,
            "to": self.to_number,
            "state": self.state,
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "end_reason": self.end_reason,
            "end_detail": self.end_detail,
            "seconds": self.seconds,
            "cost": {
                "currency": self.currency,
                "telephone": self.telephone_cost,
                "model": self.model_cost,
                "total": self.cost,
            },
        }

    def as_json(self) -> dict[str, Any]:
        """All of it: the shape that ``GET /calls/<call id>`` answers."""
        return self.summary() | {
            "stream_sid": self.stream_sid,
            "closing_seconds": self.closing_seconds,
            "model_sessions": [session.as_json() for session in self.model_sessions],
            "transcript": [
                attrs.asdict(line) | {"at": self.time_of(line.at), "unheard": self.unheard_of(line)}
                for line in self.transcript
            ],
            "turns": [
                {
                    "at": self.time_of(turn.at),
                    "latency_ms": round(turn.latency_ms),
                    "heard_after_ms": None if turn.heard_after_ms is None else round(turn.heard_after_ms),
                    "stages": {stage: round(ms) for stage, ms in turn.stages.items()},
                }
                for turn in self.turns
            ],
            "tools": [tool.as_json(self) for tool in self.tools],
            "transfers": [
                {"to": each.number, "at": self.time_of(each.at), "outcome": each.outcome} for each in self.transfers
            ],
            "timeline": [attrs.asdict(event) | {"at": self.time_of(event.at)} for event in self.timeline],
            "marks": [
                attrs.asdict(each)
                | {"at": self.time_of(each.at), "until": self.time_of(each.until), "late_ms": round(each.late_ms)}
                for each in self.marks
            ],
            "answered_by": self.answered_by,
            "recording_url": self.recording_url,
            "recording": None if self.recording is None else self.recording.as_json(),
            "counters": dict(self.counters),
        }

    def note_unheard(self, line: Utterance, words: str) -> None:
        """Remember what of an agent's line the caller did not hear."""
        self.unheard[str(line.at)] = words

    def unheard_of(self, line: Utterance) -> str:
        """Text of a line that was made and not heard; empty if all of it was heard, or it is not known."""
        return self.unheard.get(str(line.at), "") if line.role == "agent" else ""

    def time_of(self, at: float) -> str | None:
        """The time of day of a moment of the call."""
        return (self.started_at + timedelta(seconds=at)).isoformat() if self.started_at else None


def _as_text(value: Any) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return repr(value)


def sum_known(amounts: Iterable[float | None]) -> float | None:
    """The sum of costs, or None if any is unknown: a partial sum would look complete."""
    found = list(amounts)
    known = [amount for amount in found if amount is not None]
    return round(sum(known), 6) if len(known) == len(found) else None
