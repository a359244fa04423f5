"""Chat completions: what a server is asked, and what is learned of what it does not take."""

import itertools
import json

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.chat.completions import TOOL, body_of, model, read
from trio_voice.events import stage as s
from trio_voice.persona import Persona
from trio_voice.protocols.chat_completions import ChatCompletions
from trio_voice.sandbox.agent.replies import Reply, ToolUse
from trio_voice.sandbox.providers.chain import ChainManner, chat_completions


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
