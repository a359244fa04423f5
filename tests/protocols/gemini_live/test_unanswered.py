"""Gemini's Live API: answers without a sound, and the rest of those that break off."""

import pytest

from tests.protocols.gemini_live.live import LOUD, hear, idle, kinds, said, sound, steps
from trio_voice.events import model as c
from trio_voice.protocols.unanswered import ALOUD, NUDGE, OTHERWISE, REST

QUIET_SOUND = {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAA" * 640}}]}}
SILENT_TURNS = {
    "rejected": [{"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"}],
    "empty": [{"generationComplete": True}, {"turnComplete": True}],
    "digital silence": [QUIET_SOUND, {"generationComplete": True}, {"turnComplete": True}],
    "in writing": [{"modelTurn": {"parts": [{"text": "At nine."}]}}, {"turnComplete": True}],
    "words alone": [{"outputTranscription": {"text": "At nine."}}, {"turnComplete": True}],
}


@pytest.mark.parametrize("turn", SILENT_TURNS.values(), ids=SILENT_TURNS)
def test_a_turn_without_a_sound_is_asked_for_once_and_then_another_session(ready, turn):
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Hello?"}})
    told = [event for content in turn for event in hear(ready, 1.5, serverContent=content)]
    fault, nudge = steps(idle(ready, 4.0))
    assert (fault.code, fault.fatal) == ("silent", False)
    written = any(isinstance(event, c.ReplyTranscript | c.ReplyWords) for event in told)
    assert said(nudge.message)["realtimeInput"]["text"] == (ALOUD.format("At nine.") if written else NUDGE)
    for content in turn:
        hear(ready, 4.5, serverContent=content)
    assert idle(ready, 20.0) == [(7.0, c.SessionExpiring(0.0, None, is_silent=True))]  # taken up, it would be as silent


@pytest.mark.parametrize("more", [[QUIET_SOUND], [{"outputTranscription": {"text": "At nine."}}], []])
def test_silence_is_no_rest_of_a_reply_that_stood_still(ready, more):
    """Nor is what the filter kept of the sound before it."""
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "When do you open?"}})
    hear(ready, 2.0, serverContent=sound(110))
    idle(ready, 6.0)
    ready.encode(c.RequestReply("Go on.", instead=True), 10.0)
    events = [event for part in more for event in hear(ready, 11.0, serverContent=part)]
    for part in ({"generationComplete": True}, {"turnComplete": True}):
        events += hear(ready, 11.5, serverContent=part)
    assert kinds(events)[-3:] == ["ReplyDone", "CallerTranscript", "AnswerOwed"]
    (_, fault), (at, again), *_ = idle(ready, 13.5)
    assert (fault.code, at) == ("silent", 13.0)
    assert "At nine." in str(said(again.message)) or "Go on." in str(said(again.message))


def test_a_rest_that_is_heard_is_one(ready):
    hear(ready, 2.0, serverContent=sound(110))
    ready.encode(c.RequestReply("Go on.", instead=True), 10.0)
    hear(ready, 11.0, serverContent=sound(110))
    assert kinds(hear(ready, 11.5, serverContent={"turnComplete": True})) == ["ReplyAudio", "ReplyDone"]
    assert idle(ready, 30.0) == []


def faults_in(events):
    return [event.message for event in events if isinstance(event, c.ModelFault)]


@pytest.mark.parametrize("ends_before", [True, False])
def test_the_rest_of_an_answer_that_a_filter_cuts_is_asked_for_twice_in_a_row(ready, ends_before):
    cut = {"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"}
    for turn in (1.0, 20.0):
        hear(ready, turn, serverContent={"inputTranscription": {"text": "Hello?"}})
        for nth, words in enumerate((REST, REST, OTHERWISE, None)):
            at = turn + 0.5 + 3 * nth
            hear(ready, at, serverContent=sound())
            if ends_before:
                hear(ready, at, serverContent={"generationComplete": True})
            events = hear(ready, at + 0.1, serverContent=cut)
            assert (c.AnswerOwed() in events) is bool(words)
            assert faults_in(events) == ["Gemini broke an answer off: RESPONSE_REJECTED"]
            assert any(isinstance(event, c.ModelFault) and event.fatal for event in events) is not bool(words)
            asked = [said(event.message) for event in events if isinstance(event, c.Outgoing)]
            assert asked == ([{"realtimeInput": {"text": words}}] if words else [])


def test_the_rest_is_waited_for_though_the_turn_before_it_was_nothing(ready):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Uh-huh."}})
    hear(ready, 1.2, serverContent=sound())
    events = hear(ready, 1.5, serverContent={"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"})
    turn = next(event for event in events if isinstance(event, c.CallerTranscript))
    assert turn.final
    assert events.index(turn) < events.index(c.AnswerOwed())
    ready.encode(c.IgnoreTurn(turn.item_id), 1.5)
    hear(ready, 1.6, serverContent={"turnComplete": True})
    assert said(steps(idle(ready, 4.9))[1].message)["realtimeInput"]["text"] == REST


def test_what_was_heard_is_not_asked_for_again(ready):
    ready.encode(c.RequestReply("Greet them."), 1.0)
    hear(ready, 1.2, serverContent=sound())
    hear(ready, 1.4, serverContent={"turnComplete": True})
    for frame in range(40):
        ready.encode(c.HearCaller(LOUD), 3.0 + frame / 50)
    assert said(steps(idle(ready, 20.0))[1].message)["realtimeInput"]["text"] == NUDGE


def test_an_answer_behind_a_tool_has_a_rest_of_its_own(ready):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Hello?"}})
    for nth in range(4):
        hear(ready, 2.0 + nth, serverContent=sound())
        events = hear(ready, 2.1 + nth, serverContent={"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"})
        assert c.AnswerOwed() in events
        (call,) = [
            event
            for event in hear(ready, 2.2 + nth, toolCall={"functionCalls": [{"id": "t", "name": "look_up"}]})
            if isinstance(event, c.ToolCalled)
        ]
        ready.encode(c.SendToolResult(call.call_id, "{}"), 2.3 + nth)


def test_the_rest_that_does_not_come_is_asked_for_again(ready):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Hello?"}})
    hear(ready, 1.5, serverContent=sound())
    hear(ready, 1.6, serverContent={"turnComplete": True, "turnCompleteReason": "GENERATED_AUDIO_SAFETY"})
    assert said(steps(idle(ready, 4.9))[1].message)["realtimeInput"]["text"] == REST


@pytest.mark.parametrize("reason", ["TURN_COMPLETE_REASON_UNSPECIFIED", "NEED_MORE_INPUT"])
def test_a_whole_answer_has_no_rest(ready, reason):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Hello?"}})
    hear(ready, 1.5, serverContent=sound())
    assert faults_in(hear(ready, 2.0, serverContent={"turnComplete": True, "turnCompleteReason": reason})) == []


def test_a_greeting_that_brings_no_sound_is_asked_for_as_it_was(ready):
    ready.encode(c.RequestReply("Greet."), 1.0)
    hear(ready, 1.5, serverContent={"turnComplete": True})
    assert said(idle(ready, 4.0)[1][1].message)["realtimeInput"]["text"] == "Greet."
