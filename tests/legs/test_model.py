"""The leg of a model of one socket: what its provider says that it bills is added up."""

import trio

from tests.calls import live_call
from trio_voice.conversation import ModelEnded, ReplyDone, Usage
from trio_voice.protocols.voice_agent import VoiceAgentSession


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
    assert rig.record.counters.keys() <= {"caller_frames_before_ready"}  # the bridge has nothing to say about it
