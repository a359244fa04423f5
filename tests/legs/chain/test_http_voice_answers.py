"""Answers of a voice by HTTP that are no sound, though their status says that all is well."""

from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from trio_voice.call.call import wall_clock
from trio_voice.events import stage as s
from trio_voice.events.model import ModelFault
from trio_voice.legs.chain.http_voice import HttpSpeaker
from trio_voice.legs.session_ledger import Ledger
from trio_voice.persona import Persona
from trio_voice.protocols.elevenlabs_http import ElevenLabsHttp, ElevenLabsHttpSettings
from trio_voice.record import CallRecord


@attrs.define
class StubHttp:
    """A server that answers every request so."""

    headers: dict[str, str]
    body: bytes
    status: int = 200
    left: list[bytes] = attrs.field(factory=list)

    @asynccontextmanager
    async def post(self, _request):
        self.left = [self.body]
        await trio.lowlevel.checkpoint()
        yield self

    async def receive(self):
        await trio.lowlevel.checkpoint()
        return self.left.pop() if self.left else b""

    def warm(self, _url):
        pass


async def spoken(http, nursery):
    """Facts that a voice tells when it is given a text."""

    @asynccontextmanager
    async def open_http():
        yield http

    settings = ElevenLabsHttpSettings(kind="elevenlabs-http", voice="v")
    record = CallRecord(call_id="c", direction="inbound", persona="p", from_number="", to_number="")
    voice = ElevenLabsHttp(settings, Persona(name="p", model="m"), "key")
    speaker, told = HttpSpeaker(voice, open_http, Ledger(record), wall_clock), []
    nursery.start_soon(speaker.run, told.append)
    await trio.testing.wait_all_tasks_blocked()
    speaker.execute(s.Speak("r1", "Yes.", last=True))
    await trio.sleep(20)
    nursery.cancel_scope.cancel()
    return told


@pytest.mark.parametrize(
    "kind", ["text/html; charset=utf-8", "application/json", "application/problem+json", "text/plain"]
)
async def test_words_are_not_played(autojump_clock, nursery, kind):
    told = await spoken(
        StubHttp({"content-type": kind}, b'{"detail":{"status":"quota_exceeded","message":"no"}}'), nursery
    )
    assert [fact for fact in told if isinstance(fact, s.Sound)] == []
    assert any(isinstance(fact, s.SpeechFailed | ModelFault) for fact in told)


@pytest.mark.parametrize("kind", ["", "audio/basic", "application/octet-stream", "text/html", "text/event-stream"])
async def test_sound_is(autojump_clock, nursery, kind):
    told = await spoken(StubHttp({"content-type": kind} if kind else {}, b"\x2a" * 800), nursery)
    assert [fact.context_id for fact in told if isinstance(fact, s.Sound)] == ["r1"]
