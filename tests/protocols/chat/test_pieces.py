"""Words of an answer, as many servers write them in its pieces."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.chat.completions import DONE, chunk, model, read
from trio_voice.events import model as c
from trio_voice.events import stage as s
from trio_voice.protocols.streamed_answers import MAX_LETTERS


def test_an_answer():
    usage = {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 60}}
    assert read(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Yes, "}),
        chunk({"content": "certainly."}),
        chunk({}, finish="stop"),
        chunk(usage=usage),
        DONE,
    ) == [
        s.Thought(3, "Yes, "),
        s.Thought(3, "certainly."),
        c.Usage({"text_in_tokens": 40, "cached_text_in_tokens": 60, "text_out_tokens": 7}),
        s.ThoughtOver(3),
    ]


@given(st.lists(st.integers(0, 400), max_size=10))
def test_the_answer_is_the_same_wherever_its_pieces_end(cuts):
    whole = chunk({"content": "Grüß Gott, "}) + chunk({"content": "世界."}) + chunk({}, finish="stop") + DONE
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[start:end] for start, end in itertools.pairwise(edges)]
    assert read(*pieces) == [s.Thought(3, "Grüß Gott, "), s.Thought(3, "世界."), s.ThoughtOver(3)]


def test_a_text_that_is_told_whole_at_the_end_is_said_once():
    assert read(
        chunk({"content": "We close "}), chunk({"content": "at five."}), chunk({"content": "We close at five."})
    )[:2] == [s.Thought(3, "We close "), s.Thought(3, "at five.")]


def test_of_several_answers_the_first_is_heard():
    second = chunk(choices=[{"index": 1, "delta": {"content": "No."}}])
    assert read(second, chunk({"content": "Yes."}))[0] == s.Thought(3, "Yes.")


WHOLE = {
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "We close at five."}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 4, "completion_tokens": 5},
}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_answer_may_come_whole_though_a_stream_was_asked_for(indent, size):
    body = b"\n" + json.dumps(WHOLE, indent=indent).encode()
    assert read(*(body[at : at + size] for at in range(0, len(body), size))) == [
        c.Usage({"text_in_tokens": 4, "text_out_tokens": 5}),
        s.Thought(3, "We close at five."),
        s.ThoughtOver(3),
    ]


def test_a_message_at_the_end_of_a_stream_is_not_said_again():
    last = {"index": 0, "message": {"content": "Yes."}, "finish_reason": "stop"}
    assert read(chunk({"content": "Yes."}), b"data: " + json.dumps({"choices": [last]}).encode() + b"\n\n", DONE) == [
        s.Thought(3, "Yes."),
        s.ThoughtOver(3),
    ]


def test_the_content_may_come_in_parts_and_thoughts_are_not_said():
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Yes."}]
    assert read(chunk({"content": parts}), chunk({"reasoning_content": "Hm.", "reasoning": "Hm."}), DONE) == [
        s.Thought(3, "Yes."),
        s.ThoughtOver(3),
    ]


def test_thoughts_in_tags_are_not_said_wherever_the_pieces_end():
    text = "<think>They ask when we close.</think>\n\nWe close at five."
    for size in (1, 2, 3, 8, 100):
        events = read(*(chunk({"content": text[at : at + size]}) for at in range(0, len(text), size)), DONE)
        assert "".join(event.text for event in events if isinstance(event, s.Thought)).strip() == "We close at five."


def test_thoughts_without_an_opening_tag_are_taken_back_once_and_known_the_next_time():
    server = model(url="http://127.0.0.1:8080/v1")

    def answered(*texts):
        reader = server.reader(3)
        return [event for text in texts for event in reader.receive(chunk({"content": text}))] + [*reader.end()]

    assert answered("Hm. They ask.", "</think>We close.") == [
        s.Thought(3, "Hm. They ask."),
        s.Unthought(3),
        s.Thought(3, "We close."),
        s.ThoughtOver(3),
    ]
    assert answered("Hm. They ask.", "</think>We close.") == [s.Thought(3, "We close."), s.ThoughtOver(3)]
    assert answered("We close.") == [s.Thought(3, "We close."), s.ThoughtOver(3)]  # it has stopped thinking aloud


def test_an_event_of_half_a_megabyte_costs_no_more_than_what_is_said_of_it():
    events = read(chunk({"content": "." * 500_000}), end=False)
    assert sum(len(event.text) for event in events if isinstance(event, s.Thought)) <= MAX_LETTERS + 1
    assert events[-1] == s.ThoughtOver(3, (), "too_long")


def test_an_endless_answer_is_cut_short():
    events = read(*(chunk({"content": "x" * 1_000}) for _ in range(100)))
    assert events[-1] == s.ThoughtOver(3, (), "too_long")
    assert sum(len(event.text) for event in events[:-1]) <= MAX_LETTERS + 1_000


def test_without_done_the_end_of_the_body_is_the_end():
    assert read(chunk({"content": "Yes."}), chunk({}, finish="stop"))[-1] == s.ThoughtOver(3)
    assert read(chunk({"content": "Yes."})) == [s.Thought(3, "Yes."), s.ThoughtOver(3)]
    (failed,) = read(chunk({"role": "assistant"}))
    assert isinstance(failed, s.ThoughtFailed)
    assert failed.retryable


def test_why_it_stopped_is_told():
    assert read(chunk({}, finish="content_filter"), DONE) == [s.ThoughtOver(3, (), "content_filter")]


@pytest.mark.parametrize(
    "body",
    [
        (
            b'data: {"choices":[{"delta":{"content":"We close"}}]}\n'
            b'data: {"choices":[{"delta":{"content":" at five."}}]}\ndata: [DONE]\n'
        ),
        b'\xef\xbb\xbf{"choices":[{"message":{"content":"We close at five."}}]}',
        b'data: {"choices":[{"delta":{"content":"We close at five."},"logprobs":NaN}]}\n\ndata: [DONE] \n\n',
        b'data:\ndata: {\ndata: "choices": [{"delta":{"content":"We close at five."}}]\ndata: }\n\n',
    ],
    ids=["no blank lines", "a mark before JSON", "NaN", "an event of several lines"],
)
def test_a_stream_may_be_written_loosely(body):
    assert "".join(event.text for event in read(body) if isinstance(event, s.Thought)) == "We close at five."


def test_an_event_that_is_called_an_error_is_one():
    (failed,) = read(b'event: error\ndata: {"message":"boom","code":500}\n\n')
    assert (failed.code, failed.retryable) == ("http_500", True)
