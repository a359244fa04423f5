"""The leg of a model of one socket: what its provider says that it bills is added up."""

import trio

from tests import calls
from tests.calls import live_call
from trio_voice.events.model import ModelEnded, ModelFault, ReplyDone, Usage
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession
from trio_voice.record import EndReason


async def test_usage_is_added_up_also_what_comes_with_the_last_words(autojump_clock, monkeypatch):
    receive = VoiceAgentSession.receive

    def metered(self, message, now):
        events = receive(self, message, now)
        if any(isinstance(event, ReplyDone) for event in events):
            return [Usage({"audio_out_tokens": 20, "text_in_tokens": 5}), *events]
        if any(isinstance(event, ModelEnded) for event in events):
            return [*events, Usage({"seconds": 3.5, "text_in_tokens": 1})]
        return events

    monkeypatch.setattr(VoiceAgentSession, "receive", metered)
    async with live_call() as rig:
        await trio.sleep(3)  # the greeting is one reply
        rig.speak(1)
        await trio.sleep(6)  # and the answer is another
        rig.twilio.hang_up()
    (session,) = rig.record.model_sessions
    assert session.meters == {"audio_out_tokens": 40, "text_in_tokens": 11, "seconds": 3.5}
    # The bridge has nothing to say about it.
    assert rig.record.counters.keys() <= {"caller_frames_before_ready", "dead_air_ms"}


async def test_a_provider_that_says_what_is_wrong_by_its_close_is_understood(autojump_clock, monkeypatch):
    told = []

    class Explaining(VoiceAgentSession):  # a class of its own: what isinstance finds out about one is remembered
        def explain_close(self, code, reason, _now):
            told.append((code, reason))
            return [ModelFault("refused", f"check the key: {reason}", fatal=True)]

    monkeypatch.setattr(calls, "VoiceAgentSession", Explaining)
    async with live_call() as rig:
        await trio.sleep(1)
        await rig.model_wire[1].aclose(1007, "API key not valid")
    assert told == [(1007, "API key not valid")]
    assert (rig.record.end_reason, rig.record.end_detail) == (
        EndReason.MODEL_FAILED,
        "check the key: API key not valid",
    )


async def test_and_asked_what_it_means_when_its_socket_is_gone(autojump_clock, monkeypatch):
    told = []

    class Explaining(VoiceAgentSession):
        def explain_close(self, *close):
            told.append(close)
            return []

    monkeypatch.setattr(calls, "VoiceAgentSession", Explaining)
    async with live_call() as rig:
        await trio.sleep(1)
        rig.model_wire[1].cut()
    assert [code for code, *_ in told] == [None]
    assert rig.record.end_reason is EndReason.MODEL_FAILED
