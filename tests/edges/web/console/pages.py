"""A journal, numbers and personas with hostile names in them, and the pages that are made of them."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from trio_voice.edges.metrics.samples import Samples
from trio_voice.edges.twilio.numbers import TwilioNumber
from trio_voice.edges.web.context import NumberRouting
from trio_voice.journal import JournaledCall, JournalUnavailable, Run
from trio_voice.journal.do_not_call import ListedNumber
from trio_voice.persona import Persona
from trio_voice.record import CallRecord, CallState, EndReason, ToolUse, Transfer, Turn, Utterance
from trio_voice.session_record import Closing, ModelSessionRecord
from trio_voice.timeline import Marks

EVIL = "<img src=x onerror=alert(1)>'\"&"
OPERATOR = {"Authorization": "Bearer op", "Accept": "text/html"}
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TOLD = {
    "caller_stopped": -240.0,
    "final_transcript": -40.0,
    "first_token": 410.0,
    "first_audio": 600.0,
    "first_frame": 640.0,
    "first_mark": 700.0,
}
RUN = Run("r", "n", 1, NOON, NOON)


class Page(HTMLParser):
    """A page, as a browser would read it."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.text = ""
        self._skips = 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def ended(number=0, **fields):
    """A call that is over, with hostile names wherever somebody else writes them."""
    record = CallRecord(
        call_id=f"{number:032x}",
        direction="inbound",
        persona="desk",
        from_number=f"+1555000{number:04}",
        to_number="+15551234567",
        call_sid="CA1",
        state=CallState.ENDED,
        started_at=NOON - timedelta(minutes=number),
        ended_at=NOON,
        seconds=63.4,
        end_reason=EndReason.HANGUP,
        end_detail=EVIL,
        telephone_cost=0.0125,
        currency="USD",
    )
    session = ModelSessionRecord("aai", NOON, model="m", opened_after_seconds=0.1, seconds=63.5, cost=0.08)
    session.closed_at, session.closing = NOON, Closing.ACKNOWLEDGED
    record.model_sessions.append(session)
    record.transcript += [
        Utterance("agent", "Good day, this", 0.5, interrupted=True, heard_ms=900.0),
        Utterance("caller", EVIL, 2.0),
    ]
    record.unheard["0.5"] = f"is the bakery {EVIL}"
    record.tools.append(ToolUse("look_up", False, 12, at=2.5, arguments={"day": EVIL}, result={"open": EVIL}))
    record.turns.append(Turn(2.2, 640.0, TOLD, 900.0))
    record.transfers.append(Transfer("+15550100", 30.0, "busy"))
    record.note("callback", -2.04, "call-status: ringing")
    record.note("barge_in", 1.4, "0.9 s of it were heard")
    record.note("takeover", 40.0, EVIL)
    record.note("a newer version's", 41.0)
    record.marks.append(Marks(0.7, 1.42, placed=5, played=4, discarded=1, late_ms=31.6))
    for name, value in fields.items():
        setattr(record, name, value)
    return JournaledCall(record, NOON, RUN, None)


class Numbers:
    def __init__(self):
        self.pointed = []
        self.known = [
            TwilioNumber(sid="PN1", number="+15550001111", name=EVIL, voice_url="https://other.example/x"),
            TwilioNumber(sid="PN2", number="+15550002222", voice_url="https://voice.example.com/twiml"),
        ]

    async def listed(self):
        return self.known

    def points_here(self, number):
        return number.sid == "PN2"

    async def point(self, number):
        self.pointed.append(number.sid)


class List:
    """The do-not-call list of a stub journal."""

    def __init__(self, journal):
        self.kept = {"+15550100": EVIL}
        journal.set_do_not_call = self.set
        journal.set_all_do_not_call = self.set_all
        journal.remove_do_not_call = self.remove
        journal.do_not_call_numbers = self.page
        journal.keeps_words = False
        self._journal = journal

    async def set(self, number, reason):
        if self._journal.trouble:
            raise JournalUnavailable(self._journal.trouble)
        self.kept[number] = reason

    async def set_all(self, numbers):
        for number, reason in numbers:
            await self.set(number, reason)

    async def remove(self, number):
        return self.kept.pop(number, None) is not None

    async def page(self, digits, after, limit):
        if self._journal.trouble:
            raise JournalUnavailable(self._journal.trouble)
        found = sorted(number for number in self.kept if number > after and number.endswith(digits))
        return [ListedNumber(number, self.kept[number], None, "2026-01-31T09:00:00") for number in found[:limit]]


@pytest.fixture(autouse=True)
def numbers(context):
    context.journal.over = [ended(number) for number in range(120)]
    context.numbers = Numbers()
    context.samples = Samples(context.metrics, lambda: NOON)
    context.warnings = lambda: ["personas.desk.greeting: says nothing", f"server.bind: {EVIL}"]
    context.routing = NumberRouting(
        {
            **context.routing.personas,
            "evil": Persona(name="evil", model="m", greeting=EVIL, prompt=EVIL, tools=(EVIL,)),
        },
        {"default": "desk"},
    )
    return List(context.journal)


async def get(client, path, **headers):
    answer = await client.get(path, headers=OPERATOR | headers)
    return answer, Page(await answer.get_data(as_text=True))
