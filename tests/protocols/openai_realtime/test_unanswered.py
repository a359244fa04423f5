"""OpenAI's Realtime protocol: answers that are owed, because nothing was heard of them or not all."""

import base64

import pytest

from tests.protocols.openai_realtime.talk import Talk, make, ready, says, spoke
from trio_voice.events import model as c
from trio_voice.protocols.unanswered import ALOUD, NUDGE, OTHERWISE, REST


def in_writing(talk, response_id):
    fields = {"response_id": response_id, "item_id": f"i{response_id}", "text": "At nine."}
    assert talk.hear("response.output_text.done", **fields) == []
    told, _ = talk.done(response_id)
    assert told == c.ReplyTranscript(response_id, "At nine.", interrupted=False)


def digital_silence(talk, response_id):
    delta = base64.b64encode(b"\xff" * 800).decode()
    talk.hear("response.output_audio.delta", response_id=response_id, item_id=f"i{response_id}", delta=delta)
    done = {"response_id": response_id, "item_id": f"i{response_id}", "transcript": "At nine."}
    talk.hear("response.output_audio_transcript.done", **done)
    talk.done(response_id)


def empty(talk, response_id):
    talk.done(response_id)


def filtered(talk, response_id):
    talk.done(response_id, "incomplete", status_details={"reason": "content_filter"})


ALOUD_AT_NINE = ALOUD.format("At nine.")


@pytest.mark.parametrize(
    ("answer", "asked"),
    [(None, NUDGE), (empty, NUDGE), (filtered, NUDGE), (in_writing, ALOUD_AT_NINE), (digital_silence, ALOUD_AT_NINE)],
)
@pytest.mark.parametrize("dialect", ["ga", "xai", "beta"])
def test_an_answer_without_a_sound_is_asked_for_once_and_then_given_up(dialect, answer, asked):
    talk = ready(dialect)
    spoke(talk)
    if answer is not None:
        talk.now = 0.3
        talk.begin("r1")
        answer(talk, "r1")
    talk.take()
    talk.now = talk.session.wake_at
    if talk.now < 2.5:
        assert talk.tick() == []
        talk.now = talk.session.wake_at
    assert talk.now == 2.5
    (fault,) = talk.tick()
    assert (fault.code, fault.fatal) == ("silent", False)
    assert talk.take() == [says(asked)]
    if answer is not None:
        talk.begin("r2")
        answer(talk, "r2")
    talk.now = 5
    (given_up,) = [event for event in talk.tick() if isinstance(event, c.ModelFault)]
    assert (given_up.code, given_up.fatal, given_up.passing) == ("silent", True, True)


def test_a_turn_is_not_answered_by_what_was_asked_for_before_it(talk):
    talk.do(c.RequestReply("Greet."))
    talk.begin("r1")
    talk.audio(100)
    talk.done("r1")
    talk.take()
    spoke(talk)
    talk.now = 2.5
    talk.tick()
    assert talk.take() == [says(NUDGE)]


def test_an_answer_that_can_be_heard_is_one(talk):
    spoke(talk)
    talk.begin("r1")
    talk.audio(100)
    talk.done("r1")
    talk.now = 100
    assert talk.tick() == []


def test_a_response_that_hangs_is_broken_off_and_asked_for_again(talk):
    spoke(talk)
    talk.begin("r1")
    talk.take()
    talk.now = 7.9
    assert talk.tick() == []
    talk.now = 8
    talk.tick()
    assert talk.take() == [{"type": "response.cancel", "response_id": "r1"}, says(NUDGE)]


def test_a_greeting_in_writing_is_asked_for_aloud(talk):
    talk.do(c.RequestReply("Greet."))
    talk.take()
    talk.begin("r1")
    in_writing(talk, "r1")
    talk.now = 2.5
    talk.tick()
    assert talk.take() == [says(ALOUD_AT_NINE)]


def test_an_empty_greeting_is_asked_for_as_it_was(talk):
    talk.do(c.RequestReply("Greet."))
    talk.take()
    talk.begin("r1")
    talk.done("r1")
    talk.now = 2.5
    talk.tick()
    assert talk.take() == [says("Greet.")]


def test_a_noise_is_owed_no_answer_but_takes_none_away(talk):
    spoke(talk, text="")
    talk.begin("r1")
    talk.done("r1")
    talk.now = 9
    assert talk.tick() == []
    spoke(talk, "u2", at=10)
    talk.now = 11
    spoke(talk, "u3", "", at=11)
    talk.take()
    talk.now = 13.5
    talk.tick()
    assert talk.take() == [says(NUDGE)]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            {"message": "The audio is corrupt."},
            "OpenAI could not write down what the caller said: The audio is corrupt.",
        ),
        (None, "OpenAI could not write down what the caller said"),
    ],
)
def test_words_that_the_server_could_not_write_down_are_told_and_the_turn_is_answered(talk, error, words):
    talk.hear("input_audio_buffer.speech_started", item_id="u1")
    talk.hear("input_audio_buffer.speech_stopped", item_id="u1")
    kind = "conversation.item.input_audio_transcription"
    talk.hear(f"{kind}.delta", item_id="u1", delta="Are you")
    assert talk.hear(f"{kind}.failed", item_id="u1", error=error) == [
        c.ModelFault("transcription_failed", words, fatal=False)
    ]
    assert talk.hear(f"{kind}.delta", item_id="u1", delta="Open?") == [c.CallerTranscript("u1", "Open?", final=False)]
    assert talk.begin() == [c.ReplyStarted("r1")]


def test_a_server_that_says_only_that_a_turn_is_committed(talk):
    talk.hear("input_audio_buffer.speech_started", item_id="u1")
    assert talk.hear("input_audio_buffer.committed", item_id="u1") == [c.CallerSpeechStopped()]
    assert talk.hear("input_audio_buffer.committed", item_id="u1") == []


@pytest.mark.parametrize(("heard_ms", "told"), [(200, True), (900, False)])
def test_a_greeting_that_was_cut_in_its_first_sentence_is_still_known(heard_ms, told):
    talk = Talk(make(greeting="This call is recorded. How are you?"))
    talk.hear("session.created", session={})
    talk.hear("session.updated", session={})
    talk.do(c.RequestReply("Greet."))
    talk.begin("r1")
    talk.audio(1_000)
    talk.done("r1")
    talk.take()
    talk.do(c.TruncateReply("r1", heard_ms))
    _, *notes = talk.take()
    assert [note["item"]["role"] for note in notes] == ["user"] * told
    assert all("This call is recorded. How are you?" in note["item"]["content"][0]["text"] for note in notes)


@pytest.mark.parametrize("status", ["incomplete", "cancelled"])
def test_the_rest_of_an_answer_that_breaks_off_is_asked_for_twice_in_a_row(talk, status):
    for reply, words in (("r1", REST), ("r2", REST), ("r3", OTHERWISE), ("r4", None)):
        talk.begin(reply)
        talk.audio(500, reply)
        events = talk.done(reply, status, status_details={"reason": "content_filter"})
        assert c.ReplyDone(reply, interrupted=False) in events
        assert (c.AnswerOwed() in events) is bool(words)
        assert talk.take() == ([says(words)] if words else [])
    assert events[-1].fatal


@pytest.mark.parametrize("between", ["a whole answer", "a tool"])
def test_an_answer_behind_a_whole_one_or_a_tool_has_a_rest_of_its_own(talk, between):
    for nth in range(4):
        talk.begin(f"r{nth}")
        talk.audio(500, f"r{nth}")
        assert c.AnswerOwed() in talk.done(f"r{nth}", "incomplete", status_details={"reason": "content_filter"})
        assert talk.take() == [says(REST)]
        talk.begin(f"s{nth}")
        if between == "a tool":
            talk.call("t1", response_id=f"s{nth}")
        else:
            talk.audio(500, f"s{nth}")
        talk.done(f"s{nth}")


@pytest.mark.parametrize("words", ["", "[noise]", "...", "Hello?"])
def test_what_was_asked_for_and_not_heard_is_asked_for_again_unless_the_caller_has_said_something(talk, words):
    talk.do(c.RequestReply("Say that we close."))
    talk.take()
    talk.now = 1.0
    talk.hear("input_audio_buffer.speech_started", item_id="i1")
    talk.now = 1.5
    talk.hear("input_audio_buffer.speech_stopped", item_id="i1")
    talk.hear("conversation.item.input_audio_transcription.completed", item_id="i1", transcript=words)
    talk.now = 4.0
    talk.tick()
    assert talk.take() == [says(NUDGE if words == "Hello?" else "Say that we close.")]


@pytest.mark.parametrize("speaks", [True, False])
def test_an_answer_that_fails_in_the_middle_is_still_owed(talk, speaks):
    talk.begin("r1")
    talk.audio(500, "r1")
    if speaks:
        talk.hear("input_audio_buffer.speech_started", item_id="i1")
    error = {"type": "server_error", "code": None, "message": "oops"}
    events = talk.done("r1", "failed", status_details={"type": "failed", "error": error})
    assert (c.AnswerOwed() in events) is not speaks


@pytest.mark.parametrize("code", ["response_cancel_not_active", None])
def test_a_response_that_is_cancelled_in_vain_is_over(talk, code):
    talk.begin("r1")
    talk.audio(500, "r1")
    talk.do(c.TruncateReply("r1", 100.0))
    talk.do(c.RequestReply("Go on.", instead=True))
    talk.take()
    events = talk.refuse(code=code, message="Cancellation failed: no active response found")
    assert events == [c.ReplyDone("r1", interrupted=True)]
    assert talk.take() == [says("Go on.")]
    assert talk.refuse(code=code, message="Cancellation failed: no active response found") == []


@pytest.mark.parametrize("in_vain", [True, False])
def test_a_response_of_xais_that_stands_still_gives_way_to_its_rest(in_vain):
    talk = ready("xai")
    talk.begin("r1")
    talk.audio(500, "r1")
    talk.do(c.RequestReply("Go on.", instead=True))
    assert [message["type"] for message in talk.take()] == ["response.cancel"]
    done = talk.refuse("response_cancel_not_active") if in_vain else talk.done("r1", "cancelled")
    assert done == [c.ReplyDone("r1", interrupted=False)]  # nobody has: its rest is on its way
    assert [message["type"] for message in talk.take()] == ["response.create"]


def test_an_answer_that_nobody_has_cancelled_and_that_cannot_be_heard_is_asked_for_again(talk):
    spoke(talk)
    talk.begin("r1")
    talk.done("r1", "cancelled", status_details={"reason": "client_cancelled"})
    talk.now = 2.5
    assert [fault.code for fault in talk.tick()] == ["silent"]
    assert talk.take() == [says(NUDGE)]


@pytest.mark.parametrize("who", ["we", "the caller", "the server"])
def test_an_answer_that_somebody_has_cancelled_is_over(talk, who):
    talk.begin("r1")
    talk.audio(500, "r1")
    reason = "turn_detected" if who == "the server" else "client_cancelled"
    if who == "we":
        talk.do(c.TruncateReply("r1", 200.0))
        talk.take()
    elif who == "the caller":
        talk.hear("input_audio_buffer.speech_started", item_id="i1")
    assert talk.done("r1", "cancelled", status_details={"reason": reason}) == [c.ReplyDone("r1", interrupted=True)]
    assert talk.take() == []


@pytest.mark.parametrize(
    "sign", ["response.function_call_arguments.delta", "response.output_text.delta", "response.thoughts.of_tomorrow"]
)
@pytest.mark.parametrize("dialect", ["ga", "xai", "beta"])
def test_a_response_of_which_something_comes_does_not_hang(dialect, sign):
    talk = ready(dialect)
    spoke(talk)
    talk.begin("r1")
    for _ in range(10):
        talk.now += 3.0
        assert talk.session.wake_at > talk.now
        talk.hear(sign, response_id="r1", delta="hm")
    talk.now = talk.session.wake_at
    assert talk.now == 38.0
    assert [event.code for event in talk.tick() if isinstance(event, c.ModelFault)] == ["silent"]
