"""OpenAI's Realtime protocol: what it costs."""

import pytest

from tests.protocols.openai_realtime.talk import ready
from trio_voice.events import model as c

TOKENS = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 13,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 60, "audio_tokens": 4, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
METERS = {
    "text_in_tokens": 59,
    "cached_text_in_tokens": 60,
    "audio_in_tokens": 9,
    "cached_audio_in_tokens": 4,
    "text_out_tokens": 30,
    "audio_out_tokens": 91,
}


@pytest.mark.parametrize("status", ["completed", "cancelled", "failed"])
def test_tokens_are_told_by_what_they_cost(talk, status):
    talk.begin()
    assert c.Usage(METERS) in talk.done(status=status, usage=TOKENS)


@pytest.mark.parametrize(
    ("usage", "meters"),
    [
        ({"input_tokens": 100, "output_tokens": 20}, {"text_in_tokens": 100, "text_out_tokens": 20}),
        (
            {"input_token_details": {"text_tokens": 50, "audio_tokens": 40, "cached_tokens": 64}},
            {"cached_text_in_tokens": 50, "audio_in_tokens": 26, "cached_audio_in_tokens": 14},
        ),
        (
            {"input_token_details": {"audio_tokens": 4, "cached_tokens_details": {"audio_tokens": 9}}},
            {"cached_audio_in_tokens": 4},
        ),
        ({"input_tokens": -5, "output_tokens": True}, None),
        ({"input_token_details": []}, None),
        ("much", None),
        (None, None),
    ],
)
def test_what_is_told_of_tokens_may_be_less_or_nonsense(talk, usage, meters):
    talk.begin()
    told = [event for event in talk.done(usage=usage) if isinstance(event, c.Usage)]
    assert told == ([c.Usage(meters)] if meters else [])


def test_usage_may_stand_beside_the_response(talk):
    talk.begin()
    events = talk.hear("response.done", response={"id": "r1", "status": "completed"}, usage=TOKENS)
    assert c.Usage(METERS) in events


def test_tokens_are_not_told_where_something_else_is_billed():
    """They would be missed in the price table, and the cost would be unknown."""
    talk = ready("xai")
    talk.begin()
    assert talk.done(usage=TOKENS) == [c.ReplyDone("r1", interrupted=False)]
    usage = {"type": "duration", "seconds": 2}
    kind = "conversation.item.input_audio_transcription.completed"
    assert talk.hear(kind, item_id="u", transcript="Hi", usage=usage) == [c.CallerTranscript("u", "Hi", final=True)]


def test_a_transcription_by_tokens_is_told_in_seconds(talk):
    usage = {"type": "tokens", "input_tokens": 30, "output_tokens": 5, "input_token_details": {"audio_tokens": 25}}
    events = talk.hear(
        "conversation.item.input_audio_transcription.completed", item_id="u", transcript="Hi", usage=usage
    )
    assert events[1] == c.Usage({"audio_seconds": 2.5})
