"""OpenAI's Realtime protocol: replies, their sound and words, and where they are truncated."""

import json

from tests.protocols.openai_realtime.talk import Talk, make, ready, words
from trio_voice.events import model as c


def test_a_whole_turn(talk):
    turn = [
        ({"kind": "input_audio_buffer.speech_started", "item_id": "u"}, [c.CallerSpeechStarted(item_id="u")]),
        ({"kind": "input_audio_buffer.speech_stopped", "item_id": "u"}, [c.CallerSpeechStopped()]),
        ({"kind": "response.created", "response": {"id": "r"}}, [c.ReplyStarted("r")]),
        (
            {"kind": "conversation.item.input_audio_transcription.delta", "item_id": "u", "delta": "Are "},
            [c.CallerTranscript("u", "Are ", final=False)],
        ),
        (
            {"kind": "conversation.item.input_audio_transcription.delta", "item_id": "u", "delta": "you"},
            [c.CallerTranscript("u", "Are you", final=False)],
        ),
        (
            {
                "kind": "conversation.item.input_audio_transcription.completed",
                "item_id": "u",
                "transcript": "Are you?",
                "usage": {"type": "duration", "seconds": 2},
            },
            [c.CallerTranscript("u", "Are you?", final=True), c.Usage({"audio_seconds": 2})],
        ),
        ({"kind": "response.output_audio_transcript.delta", "response_id": "r", "delta": "Y"}, [words("r", "Y")]),
        ({"kind": "response.output_audio.delta", "response_id": "r", "delta": "AAAA"}, [c.ReplyAudio("r", "AAAA")]),
        (
            {"kind": "response.output_audio_transcript.done", "response_id": "r", "item_id": "i", "transcript": "Yes"},
            [c.ReplyTranscript("r", "Yes", interrupted=False)],
        ),
        (
            {"kind": "response.done", "response": {"id": "r", "status": "completed"}},
            [c.ReplyDone("r", interrupted=False)],
        ),
    ]
    for event, meaning in turn:
        assert talk.hear(**event) == meaning
    assert talk.take() == []


def test_the_names_of_the_beta_are_understood():
    talk = ready("beta")
    talk.begin("r")
    assert talk.hear("response.audio.delta", response_id="r", item_id="i", delta="AAAA") == [c.ReplyAudio("r", "AAAA")]
    assert talk.hear("response.audio_transcript.delta", response_id="r", delta="Y") == [words("r", "Y")]
    assert talk.hear("response.audio_transcript.done", response_id="r", item_id="i", transcript="Yes") == [
        c.ReplyTranscript("r", "Yes", interrupted=False)
    ]


def test_xai_begins_a_conversation_and_transcribes_cumulatively():
    talk = Talk(make("xai"))
    assert talk.hear("conversation.created", conversation={"id": "conv_1"}) == []
    assert talk.hear("session.updated", session={"id": "s"}) == [c.ModelReady("s")]
    said = {"item_id": "u", "transcript": "Are you"}
    assert talk.hear("conversation.item.input_audio_transcription.updated", **said) == [
        c.CallerTranscript("u", "Are you", final=False)
    ]
    assert talk.hear("ping", timestamp=1) == []


def test_the_text_of_a_reply_is_that_of_all_its_items(talk):
    talk.begin()
    for item, text in (("i1", "One moment."), ("i2", "It is seven.")):
        done = talk.hear("response.output_audio_transcript.done", response_id="r1", item_id=item, transcript=text)
    assert done == [c.ReplyTranscript("r1", "One moment. It is seven.", interrupted=False)]


def test_sound_without_a_response_of_its_own_is_a_reply_all_the_same(talk):
    assert talk.hear("response.output_audio.delta", delta="AAAA") == [
        c.ReplyStarted("response 1"),
        c.ReplyAudio("response 1", "AAAA"),
    ]
    assert talk.hear("response.done", response={}) == [c.ReplyDone("response 1", interrupted=False)]


# Interruptions


def truncations(talk):
    return [(m["item_id"], m["audio_end_ms"]) for m in talk.take() if m["type"] == "conversation.item.truncate"]


def test_a_reply_is_truncated_at_what_was_heard_also_after_its_end(talk):
    talk.begin()
    talk.audio(1000)
    talk.do(c.TruncateReply("r1", 312.7))
    assert talk.take() == [
        {"type": "response.cancel", "response_id": "r1"},
        {"type": "conversation.item.truncate", "item_id": "i1", "content_index": 0, "audio_end_ms": 312},
    ]
    talk.done()
    talk.do(c.TruncateReply("r1", 0))
    assert truncations(talk) == [("i1", 0)]


def test_each_item_is_truncated_by_itself_and_never_beyond_what_was_received(talk):
    talk.begin()
    talk.audio(500, item_id="i1")
    talk.audio(300, item_id="i2")
    talk.audio(200, item_id="i3")
    for heard, cuts in (
        (499.5, [("i1", 499), ("i2", 0), ("i3", 0)]),
        (500, [("i2", 0), ("i3", 0)]),
        (600.2, [("i2", 100), ("i3", 0)]),
        (5_000, []),
        (-1, [("i1", 0), ("i2", 0), ("i3", 0)]),
    ):
        talk.do(c.TruncateReply("r1", heard))
        assert truncations(talk) == cuts
    talk.do(c.TruncateReply("unknown", 10))
    assert truncations(talk) == []


def test_nothing_is_cancelled_where_the_server_does_that_itself():
    talk = ready("xai")
    talk.begin()
    talk.audio(1000)
    talk.hear("input_audio_buffer.speech_started")
    talk.do(c.TruncateReply("r1", 100))
    cancelled = {"status": "cancelled", "status_details": {"type": "cancelled", "reason": "turn_detected"}}
    assert talk.done(**cancelled) == [c.ReplyDone("r1", interrupted=True)]
    assert [message["type"] for message in talk.take()] == ["conversation.item.truncate"]


def test_sound_of_a_known_response_is_told_apart(talk):
    talk.begin()
    message = {"type": "response.output_audio.delta", "response_id": "r1", "item_id": "i1", "delta": "////"}
    assert talk.session.reply_audio(json.dumps(message)) is None  # until something of it can be heard
    talk.audio(20)
    assert talk.session.reply_audio(json.dumps(message)) == ("r1", "////")
    assert talk.session.reply_audio(json.dumps(message | {"response_id": "r2"})) is None
    assert talk.session.reply_audio(json.dumps(message).encode()) is None
