"""Chat completions: what we ask, and what we make of answers as they come from many servers."""

import itertools
import json

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice import conversation as c
from trio_voice import stages as s
from trio_voice.persona import Persona, ToolSchema
from trio_voice.protocols.chat_completions import ChatCompletions, ChatReader, ChatSettings
from trio_voice.protocols.streamed_answers import MAX_CALLS, MAX_LETTERS
from trio_voice.sandbox.chain import ChainManner, chat
from trio_voice.sandbox.mind import Reply, ToolUse

TOOL = ToolSchema(
    name="look_up",
    description="Look something up.",
    parameters={"type": "object", "properties": {"day": {"type": "string"}}},
)


def model(**more):
    return ChatCompletions(
        ChatSettings(kind="openai-chat", model="gpt-4o", **more), Persona(name="p", model="m", prompt="Be brief."), "k"
    )


def body_of(conversation=(), tools=(), **more):
    return json.loads(model(**more).request(conversation, tools).body)


def chunk(delta=None, *, finish=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return ("data: " + json.dumps(base | more, ensure_ascii=False) + "\n\n").encode()


def piece(index=None, call_id=None, name=None, arguments=None):
    function = {key: value for key, value in {"name": name, "arguments": arguments}.items() if value is not None}
    whole = {"index": index, "id": call_id, "function": function}
    return chunk({"tool_calls": [{key: value for key, value in whole.items() if value is not None}]})


DONE = b"data: [DONE]\n\n"


def read(*pieces, end=True):
    reader = ChatReader(3)
    return [event for piece in pieces for event in reader.receive(piece)] + (list(reader.end()) if end else [])


def calls(*pieces):
    (over,) = [event for event in read(*pieces, DONE) if isinstance(event, s.ThoughtOver)]
    return over.calls


def test_a_question():
    request = model().request([s.Entry("caller", "Are you open?")], [TOOL])
    assert request.url == "https://api.openai.com/v1/chat/completions"
    assert request.headers["Authorization"] == "Bearer k"
    assert json.loads(request.body) == {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Are you open?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {"name": "look_up", "description": TOOL.description, "parameters": TOOL.parameters},
            }
        ],
    }


def test_other_servers_get_what_they_know():
    asked = body_of(url="http://127.0.0.1:11434/v1/", max_tokens=200, ask_usage=False, temperature=0.5)
    assert (asked["max_tokens"], asked["temperature"]) == (200, 0.5)
    assert "stream_options" not in asked
    assert body_of(max_tokens=200)["max_completion_tokens"] == 200


def test_a_round_of_tools_in_the_history():
    call = s.ToolCall("call_1", "look_up", {"day": "Monday"})
    conversation = [
        s.Entry("caller", "And Monday?"),
        s.Entry("agent", "Let me see.", (call,)),
        s.Entry("results", results=(s.ToolAnswer("call_1", '"open"'),)),
        s.Entry("instruction", "Apologise."),
    ]
    assert body_of(conversation)["messages"][1:] == [
        {"role": "user", "content": "And Monday?"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"day":"Monday"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": '"open"'},
        {"role": "system", "content": "Apologise."},
    ]


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


def test_tool_calls_are_joined_by_their_index():
    assert calls(
        piece(0, "a", "look_up", ""),
        piece(1, "b", "look_up", ""),
        piece(0, arguments='{"day":'),
        piece(1, arguments='{"day":"Tuesday"}'),
        piece(0, arguments='"Monday"}'),
    ) == (s.ToolCall("a", "look_up", {"day": "Monday"}), s.ToolCall("b", "look_up", {"day": "Tuesday"}))


def test_tool_calls_without_an_index_go_by_their_id_or_go_on():
    assert calls(
        piece(None, "a", "look_up", '{"day":'),
        piece(None, None, None, '"Monday"}'),
        piece(None, "b", "look_up", "{}"),
        piece(None, "a", None, " "),
    ) == (s.ToolCall("a", "look_up", {"day": "Monday"}), s.ToolCall("b", "look_up", {}))


def test_ids_are_made_where_there_are_none_or_the_same():
    assert [call.call_id for call in calls(piece(0, "", "x"), piece(1, "a", "y"), piece(2, "a", "z"))] == [
        "call_3_0",
        "a",
        "call_3_2",
    ]


def test_calls_count_whatever_the_finish_reason_says():
    (over,) = read(piece(0, "a", "look_up", "{}"), chunk({}, finish="stop"), DONE)
    assert (len(over.calls), over.cut_short) == (1, "")


@pytest.mark.parametrize("arguments", ['{"day":', "[]", "7", '{"day":"' + "x" * 40_000 + '"}'])
def test_arguments_that_are_no_object_make_a_broken_call(arguments):
    (call,) = calls(piece(0, "a", "look_up", arguments))
    assert call.arguments == {}
    assert call.broken


def test_arguments_may_come_as_an_object():
    delta = {"tool_calls": [{"id": "a", "function": {"name": "look_up", "arguments": {"day": "Monday"}}}]}
    (call,) = calls(chunk(delta))
    assert call.arguments == {"day": "Monday"}


def test_a_flood_of_calls_is_bounded():
    assert len(calls(*(piece(number, str(number), "x", "{}") for number in range(1_000)))) == MAX_CALLS


def test_an_endless_answer_is_cut_short():
    events = read(*(chunk({"content": "x" * 1_000}) for _ in range(100)))
    assert events[-1] == s.ThoughtOver(3, (), "too_long")
    assert sum(len(event.text) for event in events[:-1]) <= MAX_LETTERS + 1_000


def test_without_done_the_end_of_the_body_is_the_end():
    assert read(chunk({"content": "Yes."}), chunk({}, finish="stop"))[-1] == s.ThoughtOver(3)
    (_, failed) = read(chunk({"content": "Yes"}))
    assert isinstance(failed, s.ThoughtFailed)
    assert failed.retryable


def test_why_it_stopped_is_told():
    assert read(chunk({}, finish="content_filter"), DONE) == [s.ThoughtOver(3, (), "content_filter")]


def test_an_error_in_the_stream_ends_it():
    error = b'data: {"error":{"message":"overloaded","type":"server_error","code":null}}\n\n'
    (failed,) = read(error, chunk({"content": "x"}), DONE)
    assert "overloaded" in failed.message


@pytest.mark.parametrize(
    ("status", "body", "words", "retryable"),
    [
        (401, b'{"error":{"message":"bad key","code":"invalid_api_key"}}', "OPENAI_API_KEY", False),
        (404, b"{}", "'gpt-4o'", False),
        (429, b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}', "slow down", True),
        (429, b'{"error":{"message":"no funds","code":"insufficient_quota"}}', "no funds", False),
        (500, b"<html>", "HTTP 500", True),
        (400, b'{"error":"what?"}', "what?", False),
    ],
)
def test_refusals_say_what_to_do(status, body, words, retryable):
    refused = model().refusal(3, status, body)
    assert words in refused.message
    assert refused.retryable is retryable


def test_the_sdk_agrees_with_what_we_ask():
    types = pytest.importorskip("openai.types.chat")
    call = s.ToolCall("call_1", "look_up", {"day": "Monday"})
    conversation = [
        s.Entry("agent", "Hello."),
        s.Entry("caller", "And Monday?"),
        s.Entry("agent", "", (call,)),
        s.Entry("results", results=(s.ToolAnswer("call_1", '"open"'),)),
        s.Entry("instruction", "Apologise."),
    ]
    asked = body_of(conversation, [TOOL], max_tokens=5, temperature=1.0, reasoning_effort="minimal")
    params = types.completion_create_params
    known = (params.CompletionCreateParamsStreaming, params.CompletionCreateParamsBase)
    assert asked.keys() <= {name for kind in known for name in kind.__annotations__}
    for message in asked["messages"]:
        assert pydantic.TypeAdapter(types.ChatCompletionMessageParam).validate_python(message).keys() == message.keys()
    for tool in asked["tools"]:
        assert pydantic.TypeAdapter(types.ChatCompletionFunctionToolParam).validate_python(tool) == tool
    with pytest.raises(pydantic.ValidationError):
        pydantic.TypeAdapter(types.ChatCompletionMessageParam).validate_python({"role": "tool"})


@pytest.mark.parametrize("indexes_calls", [True, False])
def test_the_sdk_agrees_with_what_the_sandbox_says(indexes_calls):
    types = pytest.importorskip("openai.types.chat")
    reply = Reply("Grüß Gott.", ToolUse("look_up", {"day": "Grüner Montag"}), (ToolUse("look_up"),))
    asked = {"model": "m", "messages": [], "stream_options": {"include_usage": True}}
    sent = "".join(chat.stream(reply, asked, ChainManner(indexes_calls=indexes_calls)))
    chunks = [part.removeprefix("data: ") for part in sent.split("\n\n") if part.startswith("data: {")]
    wrong = [each for each in chunks if not _is_valid(types.ChatCompletionChunk, each)]
    assert len(wrong) == (
        0 if indexes_calls else sum("tool_calls" in each for each in chunks) - 1
    )  # as some servers do
    over = read(sent.encode())[-1]
    assert [call.arguments for call in over.calls] == [{"day": "Grüner Montag"}, {}]


def _is_valid(kind, text):
    try:
        return bool(kind.model_validate_json(text))
    except pydantic.ValidationError:
        return False


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "content", "tool_calls", "function", "index", "id", "usage", "error"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.binary(max_size=40) | ANY, max_size=10))
def test_nothing_that_comes_raises(messages):
    read(*(m if isinstance(m, bytes) else b"data: " + json.dumps(m).encode() + b"\n\n" for m in messages))
