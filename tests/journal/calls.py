"""Calls to write down."""

from datetime import UTC, datetime, timedelta
from itertools import count

import attrs
import trio

from trio_voice.record import CallRecord, CallState, EndReason, Recording, ToolUse, Transfer, Turn, Utterance
from trio_voice.session_record import Closing, ModelSessionRecord
from trio_voice.timeline import Marks, TimelineEvent

NOON = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
numbers = count(1)


def live_call(**fields):
    """A call that has just entered its session and not yet opened it."""
    record = CallRecord(
        call_id=f"call-{next(numbers):06}",
        call_sid="CA1",
        direction="inbound",
        persona="p",
        from_number="+15550001",
        to_number="+15550002",
        state=CallState.LIVE,
        started_at=NOON,
    )
    for name, value in fields.items():
        setattr(record, name, value)
    record.model_sessions.append(ModelSessionRecord("aai", NOON))
    return record


def close_session(session, seconds=30.0):
    session.closed_at = session.opened_at + timedelta(seconds=seconds)
    session.closing, session.seconds = Closing.ACKNOWLEDGED, seconds
    session.session_id, session.billed_seconds = "s-1", seconds + 0.5
    session.add_usage({"audio_in_tokens": 300, "text_out_tokens": 12.5})


SAMPLES = {
    **dict.fromkeys(["str", "str | None"], "words"),
    **dict.fromkeys(["int", "int | None"], 7),
    **dict.fromkeys(["float", "float | None"], 1.25),
    "datetime | None": NOON,
    "Recording | None": Recording("words", 1.25, 0.5, ["words"], "words"),
    "Any": {"any": ["JSON", 1, None]},
    "Counted | None": None,  # for the record's own process alone
}
"""Value that a field may hold, by its type."""


def fill(record):
    """Give every field that holds its default something else, so that what is lost on the way is missed."""
    for field in attrs.fields(type(record)):
        value = getattr(record, field.name)
        if field.type == "bool":
            setattr(record, field.name, not field.default)
        elif value in (None, "", 0):
            setattr(record, field.name, SAMPLES[field.type])
        assert value not in ([], {}), f"give {field.name} something to keep in end_call()"
    return record


def end_call(record):
    """The call is over, and its record as full as it can be."""
    for session in record.model_sessions:
        close_session(session)
        fill(session).settled = False  # another daemon says that
    record.state, record.end_reason, record.end_detail = CallState.ENDED, EndReason.HANGUP, "Twilio sent stop"
    record.ended_at, record.seconds = NOON + timedelta(seconds=31), 31.25
    record.transcript += [Utterance("agent", "Good day.", 0.5), fill(Utterance("caller", "Hé… 👋", 2.25))]
    record.turns.append(fill(Turn(2.5, 640.5, {"thinking": 400.5})))
    record.unheard["0.5"] = "And welcome."
    record.tools.append(fill(ToolUse("end_call", True, 12)))
    record.transfers.append(fill(Transfer("+15550003", 20.5, "busy")))
    record.timeline.append(fill(TimelineEvent("callback", -2.5)))
    record.marks.append(fill(Marks(1.25, 2.5)))
    record.counters["barge_ins"] = 2
    return fill(record)


async def open_session(journal, record, **options):
    return await journal.session_opening(record, record.model_sessions[-1], **options)


async def until(condition):
    """Wait for what the thread does."""
    with trio.fail_after(10):
        while not condition():
            await trio.sleep(0.002)


def without_words(record):
    """The same where nobody keeps what was said."""
    tools = [attrs.evolve(tool, arguments=None, result=None) for tool in record.tools]
    return attrs.evolve(record, transcript=[], unheard={}, tools=tools)
