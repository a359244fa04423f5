"""Stubs behind the app: who is called, who dials, what is written down; and Twilio's signed requests."""

from xml.etree import ElementTree as ET

import trio
import trio.testing

from trio_voice.edges.twilio.signatures import sign
from trio_voice.journal import JournalUnavailable
from trio_voice.persona import Persona
from trio_voice.record import EndReason

TOKEN = "12345"
BASE = "https://voice.example.com"
PERSONAS = {name: Persona(name=name, model="m") for name in ("desk", "shop")}
FORM = {"CallSid": "CA1", "From": "+15550001111", "To": "+15551234567", "FromCity": "", "CallStatus": "ringing"}
OPERATOR = {"Authorization": "Bearer op"}


class EchoReception:
    def __init__(self, registry):
        self.registry = registry

    async def answer(self, _expected, channel, *, cancelled_because):
        assert cancelled_because is EndReason.CALLER_LOST
        try:
            while True:
                await channel.send(await channel.receive())
        except trio.BrokenResourceError:
            await channel.aclose()


class StubDialer:
    """Places calls in the registry only."""

    def __init__(self, registry):
        self.registry = registry
        self.refuses = None

    async def place(self, to_number, persona):
        if self.refuses:
            raise self.refuses
        expected = self.registry.expect(
            persona, direction="outbound", from_number="+1", to_number=to_number, call_sid=None
        )
        expected.record.call_sid, expected.record.twilio_status = "CA7", "queued"
        return expected.record


class StubJournal:
    def __init__(self):
        self.trouble = ""
        self.unread = {}
        self.list_trouble = ""
        self.began = []
        self.ended = []
        self.wanted = []
        self.over = []
        """Calls of before a restart, the newest first."""

    def call_began(self, record):
        self.began.append((record.call_id, record.call_sid))

    def call_ended(self, record):
        self.ended.append(record)

    async def call(self, call_id):
        if self.trouble:
            raise JournalUnavailable(self.trouble)
        return next((each for each in self.over if each.record.call_id == call_id), None)

    async def listed(self, wanted):
        if self.trouble:
            raise JournalUnavailable(self.trouble)
        self.wanted.append(wanted)
        ids = [each.record.call_id for each in self.over]
        after = 0 if wanted.after is None else ids.index(wanted.after) + 1
        return self.over[after : after + wanted.limit + 1]


def signed(path, form, base=BASE):
    return {"X-Twilio-Signature": sign(base + path, {name: [value] for name, value in form.items()}, TOKEN)}


async def post(client, path, **fields):
    form = FORM | fields
    return await client.post(path, form=form, headers=signed(path, form))


def stream_url(xml):
    return ET.fromstring(xml).find("Connect/Stream").attrib["url"]


async def place(client, body):
    return await client.post("/call", json=body, headers=OPERATOR)


def verbs(xml):
    return [verb.tag for verb in ET.fromstring(xml)]
