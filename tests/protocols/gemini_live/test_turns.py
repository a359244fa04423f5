"""Gemini's Live API: turns, interruptions, and what was said in them."""

import base64

import pytest

from tests.protocols.gemini_live.live import ask, hear, idle, kinds, of_kind, sound
from trio_voice.events import model as c
from trio_voice.protocols.gemini_live.content import MAX_LETTERS


def test_a_whole_turn(ready):
    turn = [
        ({"inputTranscription": {"text": "Are"}}, [c.CallerTranscript("caller-1", "Are", final=False)]),
        ({"inputTranscription": {"text": " you?"}}, [c.CallerTranscript("caller-1", "Are you?", final=False)]),
        ({"outputTranscription": {"text": "Yes"}}, [c.ReplyStarted("reply-2"), c.ReplyWords("reply-2", "Yes", None)]),
        ({"outputTranscription": {"text": "."}}, [c.ReplyWords("reply-2", ".", None)]),
        ({"generationComplete": True}, [c.ReplyDone("reply-2", interrupted=False)]),
        ({"outputTranscription": {"text": " Late."}}, [c.ReplyWords("reply-2", " Late.", None)]),
        ({"turnComplete": True}, [c.CallerTranscript("caller-1", "Are you?", final=True)]),
        ({"outputTranscription": {"text": "And"}}, [c.ReplyStarted("reply-3"), c.ReplyWords("reply-3", "And", None)]),
    ]
    for content, meaning in turn:
        assert hear(ready, serverContent=content) == meaning


def test_several_fields_in_one_message(ready):
    """In the order in which they make sense."""
    events = hear(
        ready,
        usageMetadata={"promptTokenCount": 3},
        sessionResumptionUpdate={"newHandle": "h1", "resumable": True},
        serverContent=sound(40) | {"outputTranscription": {"text": "Yes."}, "turnComplete": True},
    )
    assert kinds(events) == ["ReplyStarted", "ReplyAudio", "ReplyWords", "ReplyAudio", "ReplyDone", "Usage"]


def test_what_the_caller_says_is_bounded(ready):
    for _ in range(3):
        (event,) = hear(ready, serverContent={"inputTranscription": {"text": "x" * MAX_LETTERS}})
        assert len(event.text) == MAX_LETTERS


def test_a_finished_transcription_is_final(ready):
    (_, event) = hear(ready, serverContent={"inputTranscription": {"text": "Hi", "finished": True}}) * 2
    assert event == c.CallerTranscript("caller-1", "Hi", final=True)


def test_an_interruption_ends_the_reply_and_forgets_its_sound(ready):
    hear(ready, serverContent=sound(33))
    events = hear(ready, 1.0, serverContent={"interrupted": True})
    assert events == [c.CallerSpeechStarted(), c.ReplyDone("reply-1", interrupted=True)]
    assert hear(ready, 1.1, serverContent={"turnComplete": True}) == []
    fresh = hear(ready, 3.0, serverContent=sound(20, value=0))
    assert set(base64.b64decode(of_kind(c.ReplyAudio, fresh)[0].payload)) == {0xFF}  # nothing of what was loud


def test_a_noise_over_the_model_is_over_though_its_turn_is_over_before(ready):
    hear(ready, 0.5, serverContent=sound())
    hear(ready, 1.0, serverContent={"interrupted": True})
    hear(ready, 1.0, serverContent={"turnComplete": True})
    assert idle(ready, 10.0) == [(pytest.approx(1.2), c.CallerSpeechStopped())]


def test_late_sound_of_an_interrupted_reply_is_not_heard_and_begins_no_other(ready):
    hear(ready, 1.0, serverContent=sound())
    hear(ready, 1.0, serverContent={"interrupted": True})
    assert kinds(hear(ready, 1.2, serverContent=sound())) == ["Unrecognized"]
    assert hear(ready, 1.2, serverContent={"outputTranscription": {"text": "late"}}) == []
    hear(ready, 1.3, serverContent={"turnComplete": True})
    assert kinds(hear(ready, 1.3, serverContent=sound())) == ["ReplyStarted", "ReplyAudio"]


def test_an_interruption_after_which_the_turn_never_completes_does_not_mute_the_next_reply(ready):
    hear(ready, 1.0, serverContent=sound())
    hear(ready, 1.0, serverContent={"interrupted": True})
    assert kinds(hear(ready, 3.0, serverContent=sound())) == ["ReplyStarted", "ReplyAudio"]


def test_an_interruption_after_the_reply_is_done_is_of_that_reply(ready):
    hear(ready, serverContent=sound())
    hear(ready, serverContent={"generationComplete": True})
    events = hear(ready, 1.0, serverContent={"interrupted": True})
    assert events == [c.CallerSpeechStarted(), c.ReplyDone("reply-1", interrupted=True)]
    assert hear(ready, 1.1, serverContent={"turnComplete": True}) == []


def test_an_interruption_closes_what_the_caller_had_said_before(ready):
    hear(ready, serverContent={"inputTranscription": {"text": "One"}})
    hear(ready, serverContent=sound())
    events = hear(ready, 1.0, serverContent={"interrupted": True})
    assert events[0] == c.CallerTranscript("caller-1", "One", final=True)
    (event,) = hear(ready, 1.1, serverContent={"inputTranscription": {"text": "Two"}})
    assert event.item_id != "caller-1"


def test_a_tool_that_is_asked_for_behind_words_belongs_to_what_was_said(ready):
    hear(ready, 1.0, serverContent=sound())
    hear(ready, 1.0, serverContent={"generationComplete": True})
    (asked,) = ask(ready, {"id": "f1", "name": "roll", "args": {}})
    assert asked == c.ToolCalled("call-1", "roll", {})


def test_words_behind_what_the_model_has_done_are_another_turns(ready):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Where is"}})
    hear(ready, 1.4, serverContent={"inputTranscription": {"text": " my order?"}})
    ask(ready, {"id": "f1", "name": "roll", "args": {}})
    late = hear(ready, 1.9, serverContent={"inputTranscription": {"text": " Please."}})
    assert late == [c.CallerTranscript("caller-1", "Where is my order? Please.", final=False)]
    ask(ready, {"id": "f2", "name": "roll", "args": {}})
    assert hear(ready, 4.0, serverContent={"inputTranscription": {"text": "Okay."}}) == [
        c.CallerTranscript("caller-1", "Where is my order? Please.", final=True),
        c.CallerTranscript("caller-3", "Okay.", final=False),
    ]
