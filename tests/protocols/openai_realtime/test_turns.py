"""OpenAI's Realtime protocol: turns that are ignored, kept waiting, or answered in their order."""

import base64

import pytest

from tests.protocols.openai_realtime.talk import CREATE, Talk, persona, says, settings, spoke, turn, written
from trio_voice.events import model as c
from trio_voice.protocols.openai_realtime import OpenAIRealtimeSession
from trio_voice.protocols.openai_realtime.turns import KEEP_SECONDS, MAX_KEPT


@pytest.fixture
def speaking(talk):
    """Two seconds of a reply have come at once, and the caller makes a sound over them."""
    talk.begin("r1")
    talk.audio(2_000)
    talk.done("r1")
    talk.now = 1
    assert talk.hear("input_audio_buffer.speech_started", item_id="u1") == [c.CallerSpeechStarted(item_id="u1")]
    talk.now = 1.5
    talk.hear("input_audio_buffer.speech_stopped", item_id="u1")
    talk.now = 1.6
    assert talk.begin("r2") == []
    assert talk.audio(100, "r2", "i2") == []
    return talk


ANSWER = [c.ReplyStarted("r2"), c.ReplyAudio("r2", base64.b64encode(b"\x2a" * 800).decode())]


def test_what_the_server_makes_of_an_agreeing_word_is_not_heard(speaking):
    assert written(speaking, text="Uh-huh.") == [c.CallerTranscript("u1", "Uh-huh.", final=True)]
    speaking.do(c.IgnoreTurn("u1"))
    assert speaking.take() == [
        {"type": "response.cancel", "response_id": "r2"},
        {"type": "conversation.item.truncate", "item_id": "i2", "content_index": 0, "audio_end_ms": 0},
    ]
    assert speaking.tick() == []
    assert speaking.audio(100, "r2", "i2") == []
    assert speaking.done("r2", "cancelled") == []
    speaking.now = 60
    assert speaking.tick() == []
    assert speaking.take() == []


def test_another_turn_that_is_ignored_takes_nothing_away_from_this_one(speaking):
    for other in ("u0", ""):
        speaking.do(c.IgnoreTurn(other))
    assert speaking.take() == []
    written(speaking, text="What about Sunday?")
    assert speaking.tick() == ANSWER


def test_more_than_is_kept_is_heard_before_they_are_understood(speaking):
    for _ in range(MAX_KEPT - 2):
        speaking.audio(20, "r2", "i2")
    assert speaking.tick() == []
    assert speaking.audio(20, "r2", "i2") == []
    assert speaking.session.wake_at <= speaking.now
    assert len(speaking.tick()) == MAX_KEPT + 1


def test_what_the_server_makes_of_a_cough_is_not_heard(speaking):
    assert written(speaking, text="") == [c.CallerTranscript("u1", "", final=True)]
    assert [message["type"] for message in speaking.take()] == ["response.cancel", "conversation.item.truncate"]
    assert speaking.done("r2", "cancelled") == []
    speaking.now = 60
    assert speaking.tick() == []


def test_it_is_heard_as_soon_as_it_is_known_that_they_said_something(speaking):
    written(speaking, text="What about Sunday?")
    assert speaking.session.wake_at <= speaking.now
    assert speaking.tick() == ANSWER
    assert speaking.audio(100, "r2", "i2") == ANSWER[1:]


def test_it_is_heard_as_soon_as_words_have_the_floor(speaking):
    speaking.do(c.TruncateReply("r1", 1_000))
    assert speaking.tick() == ANSWER


def test_it_is_not_kept_for_long(speaking):
    speaking.now = 1.6 + KEEP_SECONDS - 0.01
    assert speaking.tick() == []
    speaking.now = speaking.session.wake_at
    assert speaking.now == pytest.approx(1.6 + KEEP_SECONDS)
    assert speaking.tick() == ANSWER
    written(speaking, text="Uh-huh.")
    speaking.do(c.IgnoreTurn("u1"))  # too late
    assert speaking.take() == []


def test_a_turn_that_is_ignored_before_its_response_begins_gets_none(talk):
    talk.begin("r1")
    talk.audio(2_000)
    talk.done("r1")
    spoke(talk, text="Uh-huh.", at=1)
    talk.do(c.IgnoreTurn("u1"))
    talk.take()
    assert talk.begin("r2") == []
    assert talk.take() == [{"type": "response.cancel", "response_id": "r2"}]
    assert talk.done("r2", "cancelled") == []
    spoke(talk, "u2", at=9)
    assert talk.begin("r3") == [c.ReplyStarted("r3")]


def test_nothing_is_kept_where_nobody_speaks_over_the_agent(talk):
    talk.begin("r1")
    talk.audio(500)
    talk.done("r1")
    talk.now = 1
    talk.hear("input_audio_buffer.speech_started", item_id="u1")
    talk.hear("input_audio_buffer.speech_stopped", item_id="u1")
    assert talk.begin("r2") == [c.ReplyStarted("r2")]


def test_nothing_is_kept_where_nobody_writes_down_what_the_caller_says():
    talk = Talk(OpenAIRealtimeSession(settings(transcription_model=""), persona()))
    talk.hear("session.created", session={})
    talk.hear("session.updated", session={})
    talk.begin("r1")
    talk.audio(2_000)
    talk.done("r1")
    talk.hear("input_audio_buffer.speech_started", item_id="u1")
    talk.hear("input_audio_buffer.speech_stopped", item_id="u1")
    assert talk.begin("r2") == [c.ReplyStarted("r2")]


def test_a_turn_that_is_over_while_a_response_is_made_is_answered_after_it(talk):
    """The server begins none beside the one that it makes, if it may not break that one off."""
    talk.begin("r1")
    talk.audio(2_000)
    spoke(talk, at=0.5)
    talk.do(c.TruncateReply("r1", 500))
    talk.take()
    talk.now = 0.6
    talk.done("r1", "cancelled")
    assert talk.take() == []  # it may still do so by itself
    talk.now = 0.9
    talk.tick()
    assert talk.take() == [CREATE]


def test_the_servers_own_answer_comes_before_ours(talk):
    talk.begin("r1")
    talk.audio(2_000)
    spoke(talk, at=0.5)
    talk.do(c.TruncateReply("r1", 500))
    talk.done("r1", "cancelled")
    talk.begin("r2")
    talk.audio(100, "r2", "i2")
    talk.done("r2")
    talk.take()
    talk.now = 10
    talk.tick()
    assert talk.take() == []


def test_an_agreeing_word_over_a_response_that_is_made_is_not_answered_after_it(talk):
    talk.begin("r1")
    talk.audio(2_000)
    spoke(talk, text="Uh-huh.", at=0.5)
    talk.do(c.IgnoreTurn("u1"))
    talk.done("r1")
    talk.now = 10
    talk.tick()
    assert talk.take() == []


@pytest.mark.parametrize("words", ["When do you open?", ""])
def test_a_turn_is_answered_behind_what_was_asked_for_before_it(talk, words):
    talk.do(c.RequestReply("Greet them."))
    talk.take()
    turn(talk, words)
    talk.begin("r1")
    talk.audio(500, "r1")
    talk.done("r1")
    talk.now += 0.5
    talk.tick()
    asked = [message for message in talk.take() if message["type"] == "response.create"]
    assert asked == ([{"type": "response.create"}] if words else [])


def test_a_turn_that_the_server_answers_by_itself_before_it_takes_our_ask_is_answered_once(talk):
    talk.do(c.RequestReply("Greet them."))
    talk.take()
    turn(talk)
    talk.begin("r1")  # its own
    talk.refuse(event_id="ask_1")
    talk.audio(500, "r1")
    talk.done("r1")
    talk.now += 2
    talk.tick()
    assert talk.take() == [says("Greet them.")]
