"""OpenAI's Realtime protocol: one response at a time, and what is asked for meanwhile."""

import pytest

from tests.protocols.openai_realtime.talk import ready, says
from trio_voice.events import model as c
from trio_voice.protocols.openai_realtime.requests import REPLY_SECONDS
from trio_voice.protocols.unanswered import NUDGE


def test_a_reply_is_asked_for_with_the_personas_own_manner(talk):
    talk.do(c.RequestReply("Greet."))
    assert talk.take() == [says("Greet.")]


def test_only_one_response_is_asked_for_at_a_time(talk):
    talk.do(c.RequestReply("One."))
    talk.do(c.RequestReply("Two."))
    assert talk.take() == [says("One.")]
    talk.begin("r1")
    talk.done("r1")
    assert talk.take() == [says("Two.")]


def test_what_is_asked_for_while_a_response_is_made_waits_for_its_end(talk):
    talk.begin()
    talk.do(c.RequestReply("Apologise."))
    assert talk.take() == []
    talk.done(status="cancelled")
    assert talk.take() == [says("Apologise.")]


def test_what_is_asked_for_while_the_caller_speaks_waits_for_the_answer_to_them(talk):
    talk.hear("input_audio_buffer.speech_started")
    talk.do(c.RequestReply("Apologise."))
    talk.hear("input_audio_buffer.speech_stopped")
    assert talk.take() == []
    talk.begin()
    talk.done()
    assert talk.take() == [says("Apologise.")]


@pytest.mark.parametrize(("event", "seconds"), [("speech_started", 15), ("speech_stopped", 2)])
def test_a_caller_does_not_keep_us_waiting_for_ever(talk, event, seconds):
    talk.hear(f"input_audio_buffer.{event}")
    talk.do(c.RequestReply("Apologise."))
    assert talk.session.wake_at == seconds
    talk.now = seconds - 0.01
    talk.tick()
    assert talk.take() == []
    talk.now = seconds
    talk.tick()
    assert talk.take() == [says("Apologise.")]


def test_a_refusal_because_of_another_response_is_no_loss(talk):
    """The server began its own just before ours came."""
    talk.do(c.RequestReply("Apologise."))
    event_id = talk.sent[0]["event_id"]
    talk.begin("theirs")
    talk.refuse(event_id=event_id)
    talk.take()
    talk.done("theirs")
    assert talk.take() == []  # not at once: the refusal may have been about another one still
    talk.now = talk.session.wake_at
    talk.tick()
    assert talk.take() == [says("Apologise.")]


def test_a_refusal_for_good_is_one(talk):
    talk.do(c.RequestReply("Apologise."))
    assert talk.refuse("invalid_value", event_id=talk.sent[0]["event_id"])[0].fatal is False
    talk.take()
    talk.now = 2.5
    talk.tick()
    assert talk.take() == [says(NUDGE)]  # another thing, since the caller hears nothing
    talk.now = 100
    (fault,) = talk.tick()
    assert (fault.code, fault.fatal) == ("silent", True)


@pytest.mark.parametrize("quotes", [True, False])
def test_a_truncation_that_is_refused_is_nothing_that_was_asked_for(talk, quotes):
    """Servers need not quote the message that they refuse; what was asked for is still awaited."""
    talk.begin("r1")
    talk.audio(1000)
    talk.done("r1")
    talk.do(c.RequestReply("Apologise."))
    talk.do(c.TruncateReply("r1", 100))
    truncate = talk.sent[-1]
    assert truncate["type"] == "conversation.item.truncate"
    words = "Audio content of 90ms is already shorter than 100ms"
    assert talk.refuse("invalid_value", event_id=truncate["event_id"] if quotes else None, message=words) == []
    talk.take()
    talk.do(c.RequestReply("And more."))
    assert talk.take() == []  # the first is not begun
    talk.begin("r2")
    talk.done("r2")
    assert talk.take() == [says("And more.")]


def test_a_response_that_never_ends_is_not_waited_for_for_ever(talk):
    talk.begin("r1")
    talk.now = 1
    talk.do(c.RequestReply("Apologise."))
    assert talk.session.wake_at == REPLY_SECONDS
    talk.now = REPLY_SECONDS - 0.1
    talk.tick()
    assert talk.take() == []
    talk.now = REPLY_SECONDS
    talk.tick()
    assert talk.take() == [says("Apologise.")]


def test_a_server_that_always_refuses_is_asked_five_times(talk):
    talk.do(c.RequestReply("Apologise."))
    for _ in range(20):
        talk.refuse()
        talk.now += 5
        talk.tick()
    assert len(talk.take()) == 5


def test_a_reply_that_is_never_begun_is_asked_for_once_more_and_given_up(talk):
    talk.do(c.RequestReply("One."))
    talk.take()
    talk.now = talk.session.wake_at
    assert talk.now == 2.5
    (fault,) = talk.tick()
    assert (fault.code, fault.fatal) == ("silent", False)
    assert talk.take() == [says("One.")]
    talk.now = talk.session.wake_at
    assert talk.now == 5
    (fault,) = talk.tick()
    assert (fault.code, fault.fatal, fault.passing) == ("silent", True, True)


def test_xai_says_to_the_letter_and_bills_it():
    talk = ready("xai")
    talk.do(c.SayExactly("Hello."))
    content = [{"type": "output_text", "text": "Hello."}]
    item = {"type": "force_message", "role": "assistant", "content": content}
    assert talk.take() == [{"type": "conversation.item.create", "item": item}]
    assert talk.begin() == [c.ReplyStarted("r1"), c.Usage({"text_items": 1})]
    assert talk.done() == [c.ReplyDone("r1", interrupted=False)]


def test_xai_bills_what_it_is_told_of_the_caller():
    talk = ready("xai", greeting="This call is recorded. How are you?")
    talk.do(c.RequestReply("They pressed 1.", kept=True))
    assert [message["type"] for message in talk.take()] == ["conversation.item.create", "response.create"]
    assert talk.begin() == [c.ReplyStarted("r1"), c.Usage({"text_items": 1})]
    talk.audio(1_000)
    talk.done()
    talk.do(c.TruncateReply("r1", 200))  # a note of the greeting's first sentence, which they did not hear whole
    assert "conversation.item.create" in [message["type"] for message in talk.take()]
    assert talk.begin("r2") == [c.ReplyStarted("r2"), c.Usage({"text_items": 1})]
    talk.do(c.RequestReply("Go on."))
    assert talk.done("r2") == [c.ReplyDone("r2", interrupted=False)]


@pytest.mark.parametrize("dialect", ["ga", "xai", "beta"])
def test_a_reply_that_is_to_be_heard_whole_takes_no_word_to_the_server(dialect):
    talk = ready(dialect)
    talk.begin()
    talk.audio(500)
    for on in (True, False):
        talk.do(c.ProtectReply(on))
    assert talk.take() == []


@pytest.mark.parametrize("dialect", ["ga", "xai", "beta"])
def test_what_stands_in_place_of_an_answer_waits_for_none(dialect):
    """A sound that was nothing has cut the agent; it is asked to go on, and no answer of its own is waited for."""
    talk = ready(dialect)
    talk.hear("input_audio_buffer.speech_started", item_id="i1")
    talk.hear("input_audio_buffer.speech_stopped", item_id="i1")
    talk.do(c.RequestReply("Go on.", instead=True))
    assert [message["type"] for message in talk.take()] == ["response.create"]
