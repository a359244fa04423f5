"""The legs of stages in this process: bounded, cancellable, and whatever the libraries raise, the call goes on."""

from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from trio_voice.audio.mulaw import encode
from trio_voice.call.call import wall_clock
from trio_voice.events import model as c
from trio_voice.events.call import LegClosed
from trio_voice.events.stage import EndTurn, Sound, Speak, SpeechBegan, SpeechFailed, SpeechOver, SpokenWords, TurnOver
from trio_voice.legs.chain.local import MAX_UTTERANCES, UNDERSTAND_SECONDS, LocalHearing, LocalSpeaking
from trio_voice.legs.session_ledger import Ledger
from trio_voice.record import CallRecord
from trio_voice.session_record import Closing

FRAME = encode(b"\xff" * 160)


@attrs.frozen
class Report:
    utterance: bytes | None


STARTED = Report(None)


@attrs.define
class Ears:
    """Report what they are told to."""

    reports: list[Report] = attrs.field(factory=list)
    open: Report | None = None
    over: bool = False

    def hear(self, mulaw):
        reports, self.reports = self.reports, []
        return reports

    def end_utterance(self):
        return self.open


class Speech:
    """Words are the utterance's bytes; each takes ``seconds``."""

    def __init__(self, seconds=0.0, failure=None):
        self.seconds, self.failure, self.ears = seconds, failure, Ears()

    @asynccontextmanager
    async def listen(self, *, silence_ms):
        try:
            yield self.ears
        finally:
            self.ears.over = True

    async def transcribe(self, utterance):
        await trio.sleep(self.seconds)
        if self.failure is not None:
            raise self.failure
        return utterance.decode()

    async def say(self, text, voice):
        await trio.sleep(self.seconds)
        if self.failure is not None:
            raise self.failure
        return b"\x2a" * 8 * 100 * len(text)


@asynccontextmanager
async def running(make, speech):
    """A leg, what it tells, and its record; it is cancelled and closed when the block is left."""
    record = CallRecord(call_id="c1", direction="inbound", persona="p", from_number="", to_number="")
    leg, told = make(speech, Ledger(record)), []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leg.run, told.append)
        await trio.testing.wait_all_tasks_blocked()
        yield leg, told, record
        nursery.cancel_scope.cancel()
    await leg.close()
    await leg.close()
    (session,) = record.model_sessions
    assert (session.provider, session.closing) == ("local", Closing.ACKNOWLEDGED)


def hearing(speech, ledger):
    return LocalHearing(speech, ledger, wall_clock)


def speaking(speech, ledger):
    return LocalSpeaking(speech, "alba", ledger, wall_clock)


def utter(leg, speech, words):
    speech.ears.reports = [STARTED, Report(words)]
    leg.forward_caller_audio(FRAME)


async def test_an_utterance_is_a_turn(autojump_clock):
    speech = Speech(0.1)
    async with running(hearing, speech) as (leg, told, _):
        utter(leg, speech, b"Are you open?")
        assert told == [c.ModelReady(""), SpeechBegan(words_come_last=True)]
        await trio.sleep(0.2)
        for _ in range(20):
            leg.forward_caller_audio(FRAME)
        assert told[-1] == TurnOver("caller_0", "Are you open?")
    assert speech.ears.over
    leg.forward_caller_audio(FRAME)  # nobody listens any more, and nobody minds


async def test_a_turn_is_ended_by_force(autojump_clock):
    speech = Speech(0.1)
    async with running(hearing, speech) as (leg, told, _):
        speech.ears.reports = [STARTED]
        leg.forward_caller_audio(FRAME)
        speech.ears.open = Report(b"four two")
        leg.execute(EndTurn())
        await trio.sleep(0.2)
        assert told[-1] == TurnOver("caller_0", "four two")


async def test_what_is_said_faster_than_it_is_recognised_has_no_words_and_is_counted(autojump_clock):
    speech = Speech(1.0)
    async with running(hearing, speech) as (leg, told, record):
        for number in range(MAX_UTTERANCES + 3):
            utter(leg, speech, f"{number}".encode())
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(60)
        leg.execute(EndTurn())
    assert record.counters["utterances_dropped"] == 2  # one was being recognised
    assert told[-1] == TurnOver("caller_0", " ".join(map(str, range(MAX_UTTERANCES + 1))))


@pytest.mark.parametrize("speech", [Speech(failure=OSError("no model")), Speech(UNDERSTAND_SECONDS + 1)])
async def test_an_utterance_whose_words_are_lost_ends_its_turn_all_the_same(autojump_clock, speech):
    async with running(hearing, speech) as (leg, told, record):
        utter(leg, speech, b"x")
        leg.execute(EndTurn())
        await trio.sleep(UNDERSTAND_SECONDS + 2)
        assert told[-1] == TurnOver("caller_0", "")
    assert record.counters["utterances_lost"] == 1


async def test_a_text_is_sound_and_words_with_their_times(autojump_clock):
    async with running(speaking, Speech(0.01)) as (leg, told, record):
        leg.execute(Speak("r1", "Yes, it is."))
        leg.execute(Speak("r1", " Ok.", last=True))
        await trio.sleep(1)
    words = [(fact.text, fact.start_ms) for fact in told if isinstance(fact, SpokenWords)]
    assert words == [("Yes, ", 0), ("it ", 500), ("is. ", 800), ("Ok. ", 1_100)]
    assert sum(isinstance(fact, Sound) for fact in told) == 8  # 1,100 and 400 ms, in pieces of 200
    assert told[-1] == SpeechOver("r1")
    (session,) = record.model_sessions
    assert session.meters["characters"] == len("Yes, it is. Ok.")


async def test_a_voice_that_fails_loses_a_text_and_not_the_call(autojump_clock):
    async with running(speaking, Speech(failure=ValueError("odd"))) as (leg, told, _):
        leg.execute(Speak("r1", "Yes.", last=True))
        await trio.sleep(1)
    assert isinstance(told[-1], SpeechFailed)
    assert "the voice on this machine failed" in told[-1].message


@pytest.mark.parametrize("make", [hearing, speaking])
async def test_a_process_that_has_loaded_no_speech_says_what_to_install(autojump_clock, make):
    async with running(make, None) as (_, told, _record):
        (closed,) = told
    assert isinstance(closed, LegClosed)
    assert "trio-voice[speech]" in closed.detail
