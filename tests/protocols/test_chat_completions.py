"""Chat completions: what we ask, and what we make of answers as they come from many servers."""

import itertools
import json

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.events import model as c
from trio_voice.events import stage as s
from trio_voice.persona import Persona, ToolSchema
from trio_voice.protocols.chat.call_pieces import MAX_CALLS
from trio_voice.protocols.chat_answers import ChatReader
from trio_voice.protocols.chat_completions import ChatCompletions, ChatSettings
from trio_voice.protocols.streamed_answers import MAX_LETTERS
from trio_voice.sandbox.agent.replies import Reply, ToolUse
from trio_voice.sandbox.providers.chain import ChainManner, chat_completions

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
    reader = ChatReader(3, {"look_up"})
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
        s.Entry("results", results=(s.ToolCallResult("call_1", '"open"'),)),
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
        {"role": "assistant", "content": "…"},
        {"role": "user", "content": "(Apologise.)"},
    ]


STRICT = [
    s.Entry("agent", "Hello."),
    s.Entry("caller", "And Monday?"),
    s.Entry("caller", "I mean Tuesday."),
    s.Entry("agent", "", (s.ToolCall("call_1", "look_up", {}),)),
    s.Entry("results", results=(s.ToolCallResult("call_1", '"open"'),)),
    s.Entry("caller", "Okay."),
    s.Entry("instruction", "The transfer failed. Apologise."),
    s.Entry("agent", "Sorry."),
    s.Entry("agent", "We are open."),
]


def _roles(body):
    return [message["role"] for message in body["messages"]]


def test_no_template_has_a_reason_to_refuse_the_conversation():
    """The user first and last, turns by turns, one system line, nothing empty, an assistant between tool and user."""
    body = body_of(STRICT)
    told = "system user assistant user assistant tool assistant user assistant user"
    assert _roles(body) == told.split()
    messages = body["messages"]
    assert messages[3]["content"] == "And Monday?\nI mean Tuesday."
    assert "content" not in messages[4]
    assert messages[7]["content"] == "Okay.\n(The transfer failed. Apologise.)"
    assert messages[-1]["content"] == "(Go on.)"


@given(
    st.lists(
        st.builds(s.Entry, st.sampled_from(["caller", "agent", "instruction"]), st.sampled_from(["", " ", "Hi."]))
        | st.just(None),
        max_size=8,
    )
)
def test_no_conversation_is_refused_by_the_strictest_template(entries):
    conversation = []
    for number, entry in enumerate(entries):
        call = s.ToolCall(f"call_{number}", "look_up", {})
        calls = (s.Entry("agent", "", (call,)), s.Entry("results", results=(s.ToolCallResult(call.call_id, "1"),)))
        conversation += calls if entry is None else (entry,)
    messages = body_of(conversation)["messages"][1:]
    roles = [each["role"] for each in messages if each["role"] != "tool" and "tool_calls" not in each]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)
    for before, after in itertools.pairwise(_roles(body_of(conversation))):
        assert (before, after) != ("tool", "user")


def learned(server, status, body):
    """The next question after a refusal."""
    refused = server.refusal(3, status, json.dumps(body).encode())
    assert (refused.remedy, refused.retryable) == ("adapted", True)
    return json.loads(server.request(STRICT, [TOOL]).body)


@pytest.mark.parametrize(
    ("status", "body", "check"),
    [
        (400, {"object": "error", "message": "System role not supported"}, lambda body: _roles(body)[0] == "user"),
        (
            500,
            {"error": {"code": 500, "message": "Conversation roles must alternate user/assistant/..."}},
            lambda body: body["messages"][0]["content"].startswith("Be brief."),
        ),
        (400, {"error": {"message": "registry/gemma does not support tools"}}, lambda body: "tools" not in body),
        (
            400,
            {"detail": [{"type": "extra_forbidden", "msg": "Extra inputs are not permitted: stream_options"}]},
            lambda body: "stream_options" not in body,
        ),
        (
            422,
            {
                "detail": [
                    {
                        "type": "extra_forbidden",
                        "loc": ["body", "stream_options"],
                        "msg": "Extra inputs are not permitted",
                    }
                ]
            },
            lambda body: "stream_options" not in body,
        ),
        (404, {"error": {"message": "No endpoints found that support tool use."}}, lambda body: "tools" not in body),
        (
            400,
            {"message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'},
            lambda body: "tools" not in body,
        ),
        (500, {"error": {"message": "tools param requires --jinja flag"}}, lambda body: "tools" not in body),
        (
            400,
            {"error": {"message": "Function calling is not enabled for models/gemma-3"}},
            lambda body: "tools" not in body,
        ),
        (
            400,
            {"error": {"message": "Only user, assistant and tool roles are supported, got system."}},
            lambda body: _roles(body)[0] == "user",
        ),
        (
            400,
            {
                "error": {
                    "message": "thinking is enabled but reasoning_content is missing in assistant tool call message"
                }
            },
            lambda body: all(
                "reasoning_content" in message for message in body["messages"] if message["role"] == "assistant"
            ),
        ),
        (
            400,
            {"error": {"message": "Unsupported value: 'temperature' does not support 0.5 with this model."}},
            lambda body: "temperature" not in body,
        ),
        (
            400,
            {"error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}},
            lambda body: body["max_completion_tokens"] == 200 and "max_tokens" not in body,
        ),
        (
            400,
            {"error": {"message": "Function call is missing a thought_signature in functionCall parts."}},
            lambda body: "thought_signature" in body["messages"][4]["tool_calls"][0]["extra_content"]["google"],
        ),
        (
            500,
            {"error": {"message": "Tool call IDs should be alphanumeric strings with length 9!"}},
            lambda body: len(body["messages"][5]["tool_call_id"]) == 9,
        ),
    ],
)
def test_what_a_server_does_not_take_is_left_out_of_the_next_question_and_of_the_next_calls(status, body, check):
    server = model(url="http://10.0.0.7:8000/v1", temperature=0.5, max_tokens=200)
    assert check(learned(server, status, body))
    assert server.refusal(3, status, json.dumps(body).encode()).remedy == ""  # once is enough
    another_call = ChatCompletions(server._settings, Persona(name="p", model="m", prompt="Be brief."))
    assert check(json.loads(another_call.request(STRICT, [TOOL]).body))


def test_a_server_in_ones_own_network_may_take_its_time_and_ollama_is_asked_to_load():
    ollama = model(url="http://127.0.0.1:11434/v1")
    assert ollama.first_byte_seconds(others=False) > model().first_byte_seconds(others=False)
    assert ollama.first_byte_seconds(others=True) == 5
    assert ollama.loading().url == "http://127.0.0.1:11434/api/generate"
    assert json.loads(ollama.loading().body) == {"model": "gpt-4o", "stream": False}
    assert model().loading() is None
    assert model(url="http://127.0.0.1:8080/v1").loading() is None
    assert model(url="http://127.0.0.1:8080/v1", preload=True).loading().url.endswith("/chat/completions")
    assert model(url="http://ollama:11434/v1", preload=False).loading() is None
    assert model(first_byte_seconds=8.0).first_byte_seconds(others=True) == 8


def test_azure_has_its_version_in_the_address_and_a_header_of_its_own():
    url = "https://desk.openai.azure.com/openai/deployments/gpt?api-version=2024-10-21"
    request = model(url=url, credential="AZURE_KEY").request([], ())
    assert request.url == (
        "https://desk.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21"
    )
    assert request.headers["api-key"] == "k"
    assert "api-key" not in model().request([], ()).headers


def test_the_last_question_of_a_turn_offers_no_tools():
    assert "tools" not in json.loads(model().request([], [TOOL], with_tools=False).body)


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


def test_a_new_id_at_a_used_index_begins_a_call():
    assert calls(piece(0, "a", "look_up", '{"n":3}'), piece(0, "b", "look_up", '{"n":4}')) == (
        s.ToolCall("a", "look_up", {"n": 3}),
        s.ToolCall("b", "look_up", {"n": 4}),
    )
    assert calls(piece(0, "a", "x", '{"n":'), piece(0, "a", None, "3}"), piece(0, "b", "y", "{}"), piece(0, "b")) == (
        s.ToolCall("a", "x", {"n": 3}),
        s.ToolCall("b", "y", {}),
    )
    assert len(calls(piece(0, None, "x", '{"n":3}'), piece(0, None, "x", '{"n":4}'))) == 2  # nor any ids


@pytest.mark.parametrize("call_id", ["a", None, "another each time"])
def test_whatever_is_repeated_in_each_piece_of_a_call_it_is_one(call_id):
    ids = ["a", "b", "c"] if call_id == "another each time" else [call_id] * 3
    names = [None] * 3 if call_id == "another each time" else ["look_up"] * 3
    pieces = [piece(0, i, n, text) for i, n, text in zip(ids, names, ['{"day"', ':"Mon', 'day"}'], strict=True)]
    (call,) = calls(piece(0, "a", "look_up", ""), *pieces)
    assert call.arguments == {"day": "Monday"}


@pytest.mark.parametrize(
    ("pieces", "made"),
    [
        ([piece(0, "a", "look_"), piece(0, "a", "up"), piece(0, "a", None, '{"n":3}')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "functions.look_up", '{"n":3}')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up<|channel|>json", '{"n":3}')], [("look_up", {"n": 3})]),
        ([piece(0, "a", " look_up ", '{"n":3}')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up", '{"n":3}')] * 2, [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up", "{}"), piece(0, "a", None, '{"n":3}')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up", '{"n":'), piece(0, "a", None, '{"n":3}')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up", '```json\n{"n":3}\n```')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up", '{"n":3}<|call|>')], [("look_up", {"n": 3})]),
        ([piece(0, "a", "look_up", "{'n': True,}")], [("look_up", {"n": True})]),
        ([piece(0, "a", "look_up", '{"n":3}{"n":4}')], [("look_up", {"n": 3}), ("look_up", {"n": 4})]),
        (
            [piece(0, "a", "look_up", '{"n":3}'), piece(0, "a", "end_call", "{}")],
            [("look_up", {"n": 3}), ("end_call", {})],
        ),
    ],
)
def test_a_call_is_what_a_server_means_by_it(pieces, made):
    stream = [*pieces, chunk({}, finish="tool_calls"), DONE]
    reader = ChatReader(1, {"look_up", "end_call"})
    (over,) = list(reader.receive(b"".join(stream)))
    assert [(call.name, call.arguments) for call in over.calls] == made
    assert len({call.call_id for call in over.calls}) == len(made)
    assert not any(call.broken for call in over.calls)


def test_a_text_that_is_told_whole_at_the_end_is_said_once():
    assert read(
        chunk({"content": "We close "}), chunk({"content": "at five."}), chunk({"content": "We close at five."})
    )[:2] == [s.Thought(3, "We close "), s.Thought(3, "at five.")]


def test_of_several_answers_the_first_is_heard():
    second = chunk(choices=[{"index": 1, "delta": {"content": "No."}}])
    assert read(second, chunk({"content": "Yes."}))[0] == s.Thought(3, "Yes.")


def test_what_a_provider_wants_to_see_again_of_a_call_is_sent_again():
    extra = {"google": {"thought_signature": "x"}}
    delta = {"tool_calls": [{"index": 0, "id": "a", "extra_content": extra, "function": {"name": "look_up"}}]}
    (call,) = calls(chunk(delta))
    assert body_of([s.Entry("agent", "", (call,))])["messages"][2]["tool_calls"][0]["extra_content"] == extra


@pytest.mark.parametrize("written", ["null", "", "[]", '"null"', '"{}"', "None", " {} ", '""', "undefined"])
def test_arguments_that_mean_nothing_are_none(written):
    assert calls(piece(0, "a", "look_up", written)) == (s.ToolCall("a", "look_up", {}),)


def test_arguments_may_be_json_in_json():
    (call,) = calls(piece(0, "a", "look_up", json.dumps('{"day":"Monday"}')))
    assert call.arguments == {"day": "Monday"}


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


def test_a_call_may_come_whole_too():
    call = {"id": "a", "type": "function", "function": {"name": "look_up", "arguments": '{"day":"Monday"}'}}
    whole = {"choices": [{"message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    assert read(json.dumps(whole).encode()) == [s.ThoughtOver(3, (s.ToolCall("a", "look_up", {"day": "Monday"}),))]


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


def test_a_call_that_is_written_as_text_is_run():
    events = read(chunk({"content": '<tool_call>{"name": "look_up", "argu'}), chunk({"content": 'ments": {}}'}), DONE)
    assert events == [s.ThoughtOver(3, (s.ToolCall("call00300", "look_up", {}),))]


def test_half_a_call_is_not_run_where_nothing_says_that_it_is_all():
    (over,) = read(piece(0, "a", "look_up", '{"day":"Monday"}'), piece(1, "b", "look_up", ""))
    assert [bool(call.broken) for call in over.calls] == [False, True]
    (failed,) = read(piece(0, "a", "look_up", '{"day"'))
    assert failed.retryable


def test_an_event_of_half_a_megabyte_costs_no_more_than_what_is_said_of_it():
    events = read(chunk({"content": "." * 500_000}), end=False)
    assert sum(len(event.text) for event in events if isinstance(event, s.Thought)) <= MAX_LETTERS + 1
    assert events[-1] == s.ThoughtOver(3, (), "too_long")


def test_ids_are_made_where_there_are_none_or_the_same():
    assert [call.call_id for call in calls(piece(0, "", "x"), piece(1, "a", "y"), piece(2, "a", "z"))] == [
        "call00300",
        "a",
        "call00302",
    ]


def test_calls_count_whatever_the_finish_reason_says():
    (over,) = read(piece(0, "a", "look_up", "{}"), chunk({}, finish="stop"), DONE)
    assert (len(over.calls), over.cut_short) == (1, "")


@pytest.mark.parametrize("arguments", ['{"day":', '["day"]', "7", '{"day":"' + "x" * 40_000 + '"}'])
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


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [
        ({"index": 0, "id": "a", "function": {"name": "look_up", "arguments": '{"day":"Monday"}'}}, {"day": "Monday"}),
        ([{"index": 0, "id": "a", "name": "look_up", "arguments": '{"day":"Monday"}'}], {"day": "Monday"}),
        (
            [{"index": 0, "id": "a", "function": {"name": "look_up", "arguments": '[{"day":"Monday"}]'}}],
            {"day": "Monday"},
        ),
        (
            [{"index": 0, "id": "a", "function": {"name": "look_up", "arguments": '{"day":"Mon\nday"}'}}],
            {"day": "Mon\nday"},
        ),
    ],
    ids=["no list", "flat", "arguments in a list", "a line break inside"],
)
def test_a_call_may_be_written_loosely(pieces, arguments):
    assert [(call.name, call.arguments) for call in calls(chunk({"tool_calls": pieces}))] == [("look_up", arguments)]


def test_a_name_may_come_behind_its_arguments():
    first = {"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": '{"day":"Monday"}'}}]}
    second = {"tool_calls": [{"index": 0, "function": {"name": "look_up"}}]}
    (made,) = calls(chunk(first), chunk(second))
    assert (made.name, made.arguments) == ("look_up", {"day": "Monday"})


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
        (524, b"", "HTTP 524", True),
        (498, b'{"error":{"message":"Flex tier capacity exceeded"}}', "HTTP 498", True),
        (501, b"", "HTTP 501", False),
        (400, b'{"error":{"message":"The model is overloaded. Please try again later."}}', "overloaded", True),
        (400, b'{"error":{"message":"Parsing failed.","code":"output_parse_failed"}}', "Parsing failed", True),
        (401, b'{"error":{"message":"temporarily"}}', "OPENAI_API_KEY", False),
        (400, b'{"error":"what?"}', "what?", False),
    ],
)
def test_refusals_say_what_to_do(status, body, words, retryable):
    refused = model().refusal(3, status, body)
    assert words in refused.message
    assert refused.retryable is retryable


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "n_ctx"}}, "shorten"),
        (400, {"error": {"code": "context_length_exceeded", "message": "This model's maximum ..."}}, "shorten"),
        (400, {"message": "This model's maximum context length is 4096 tokens."}, "shorten"),
        (413, {"error": {"message": "Request too large for model on tokens per minute", "code": "x"}}, "shorten"),
        (400, {"error": {"code": "content_filter", "message": "The response was filtered"}}, "rephrase"),
        (
            400,
            {"error": {"code": None, "innererror": {"code": "ResponsibleAIPolicyViolation"}, "message": "?"}},
            "rephrase",
        ),
        (400, {"error": {"message": "Provider returned error", "metadata": {"raw": "prompt is too long"}}}, "shorten"),
        (400, [{"error": {"code": 400, "message": "Bad", "status": "INVALID_ARGUMENT"}}], ""),
        (422, {"error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000"}, "shorten"),
        (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"}, "shorten"),
        (
            400,
            {"error": {"message": "The decoder prompt (length 5) is longer than the maximum model length"}},
            "shorten",
        ),
        (400, {"error": "This model's maximum prompt length is 131072 but the request contains 140000"}, "shorten"),
        (400, {"error": {"message": "Range of input length should be [1, 30720]"}}, "shorten"),
        (429, {"error": {"message": "Request too large: the input tokens must be reduced.", "code": "x"}}, "shorten"),
        (400, {"error": {"message": "Content Exists Risk", "code": "invalid_request_error"}}, "rephrase"),
        (400, {"error": {"message": "flagged as potentially violating our usage policy"}}, "rephrase"),
        (403, {"error": "Content violates usage guidelines."}, "rephrase"),
        (400, {"error": {"code": "1301", "message": "?"}}, "rephrase"),
    ],
)
def test_what_another_question_may_mend_is_told_apart(status, body, remedy):
    refused = model().refusal(3, status, json.dumps(body).encode())
    assert (refused.remedy, refused.retryable) == (remedy, False)
    if remedy:
        (failed,) = read(b"data: " + json.dumps({"error": body["error"]} if "error" in body else body).encode()) or [
            refused
        ]
        assert "error" not in body or failed.remedy == remedy


def test_a_tool_call_that_groq_could_not_read_is_asked_for_once_more():
    body = b'{"error":{"message":"Failed to call a function.","code":"tool_use_failed","failed_generation":"<f"}}'
    assert model().refusal(3, 400, body).retryable


@pytest.mark.parametrize(
    ("headers", "said", "seconds"),
    [
        ({"retry-after": "1"}, "", 1),
        ({"retry-after": "0.5"}, "", 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, "", 0.25),
        ({"retry-after": "Sun, 29 Nov 2026 10:00:03 GMT", "date": "Sun, 29 Nov 2026 10:00:00 GMT"}, "", 3),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "nan"}, "", None),
        ({}, "Rate limit reached. Please try again in 2.4s. Visit", 2.4),
        ({}, "Please try again in 120ms.", 0.12),
        ({}, "Please retry in 1m3.5s", 63.5),
        ({}, "Try again in 2 minutes", 120),
        ({}, "retry after 7 seconds", 7),
        ({}, "slow down", None),
    ],
)
def test_the_pause_that_a_server_asks_for_is_told(headers, said, seconds):
    body = json.dumps({"error": {"message": said, "code": "rate_limit_exceeded"}}).encode()
    refused = model().refusal(3, 429, body, headers)
    assert refused.wait_seconds == (None if seconds is None else pytest.approx(seconds))
    assert refused.retryable


def test_the_sdk_agrees_with_what_we_ask():
    types = pytest.importorskip("openai.types.chat")
    call = s.ToolCall("call_1", "look_up", {"day": "Monday"})
    conversation = [
        s.Entry("agent", "Hello."),
        s.Entry("caller", "And Monday?"),
        s.Entry("agent", "", (call,)),
        s.Entry("results", results=(s.ToolCallResult("call_1", '"open"'),)),
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
    sent = "".join(chat_completions.stream(reply, asked, ChainManner(indexes_calls=indexes_calls)))
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


def test_a_server_that_has_moved_to_another_host_is_named():
    refused = model().refusal(3, 308, b"", {"location": "https://elsewhere.example/v1"})
    assert (refused.retryable, "https://elsewhere.example/v1" in refused.message) == (False, True)
    assert "has moved" not in model().refusal(3, 308, b"").message
