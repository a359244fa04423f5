"""Whole calls with language models' servers that differ: the requests and answers are as their users have reported."""

import json

import attrs
import pytest
import trio

from tests.legs.chain.chat_servers import WORDS, YES, Answer, a_call, error, said, sse
from trio_voice.record import EndReason

WHOLE = {"choices": [{"message": {"role": "assistant", "content": WORDS}, "finish_reason": "stop"}]}
PARTS = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": WORDS}]


@pytest.mark.parametrize(
    "body",
    [
        sse({"role": "assistant", "content": ""}, {"content": "We close "}, {"content": "at five."}),
        json.dumps(WHOLE).encode(),
        json.dumps(WHOLE, indent=2).encode(),
        sse({"content": WORDS}, finish=None),
        sse({"content": WORDS}, finish=None, done=False),
        sse({"content": PARTS}),
        sse({"content": "<think>They ask when.</think>\n\n"}, {"content": WORDS}),
        sse({"content": "<thi"}, {"content": "nk>They ask. When?</th"}, {"content": f"ink>{WORDS}"}),
        sse({"reasoning_content": "They ask."}, {"reasoning": "When?"}, {"content": WORDS}),
        sse({"content": WORDS, "tool_calls": None, "refusal": None}),
        b": OPENROUTER PROCESSING\n\n" + sse({"content": WORDS}),
        sse({"content": f'{{"response": "{WORDS}"}}'}),
        b'{"choices":[{"delta":{"content":"We close "}}]}\n{"choices":[{"delta":{"content":"at five."}}]}\n',
    ],
    ids=range(13),
)
async def test_an_answer_however_it_comes(autojump_clock, body):
    server, rig = await a_call(Answer(body=body))
    assert said(rig) == [WORDS]
    assert len(server.asked) == 1


async def test_each_template_is_content_with_the_conversation(autojump_clock):
    def refusal(asked):
        roles = [message["role"] for message in asked["messages"]]
        if roles[0] == "system":
            roles = roles[1:]
        if roles != ["user", "assistant"] * (len(roles) // 2) + ["user"]:
            return error(400, "Conversation roles must alternate user/assistant/user/assistant/...")
        return None

    server, rig = await a_call(YES, refusal=refusal)
    assert said(rig) == [WORDS]
    assert len(server.asked) == 1


def look_up_with(calls_to):
    async def look_up(n: int = 0) -> str:
        """Look something up."""
        calls_to.append(n)
        await trio.sleep(0.1)
        return "five"

    return look_up


def call(index, call_id, arguments, name="look_up"):
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}


@pytest.mark.parametrize(
    ("body", "ran"),
    [
        (sse(call(0, "a", '{"n":3}'), call(0, "b", '{"n":4}'), finish="tool_calls"), [3, 4]),
        (sse(call(0, "a", '{"n'), call(0, "a", '":3}'), finish="tool_calls"), [3]),
        (sse(call(0, "a", "null")), [0]),
        (sse({"content": '<tool_call>\n{"name": "look_up", "arguments": {"n": 3}}\n</tool_call>'}), [3]),
        (sse({"content": '{"name": "look_up", "parameters": {"n": 3}}'}), [3]),
        (sse({"content": "<function=look_up>"}, {"content": '{"n": 3}</function>'}), [3]),
        (sse({"content": '```json\n{"name": "look_up", "arguments": {"n": 3}}\n```'}), [3]),
        (sse({"content": '[TOOL_CALLS][{"name": "look_up", "arguments": {"n": 3}}]'}), [3]),
        (sse({"content": '<|python_tag|>{"name": "look_up", "parameters": {"n": 3}}'}), [3]),
    ],
    ids=range(9),
)
async def test_a_call_however_it_is_written_is_run_once_and_never_spoken(autojump_clock, body, ran):
    def refusal(asked):
        nulls = [message for message in asked["messages"] if message.get("content", "") is None]
        return error(400, "invalid message content type: <nil>") if nulls else None

    did = []
    server, rig = await a_call(Answer(body=body), YES, refusal=refusal, tools=[look_up_with(did)])
    assert sorted(did) == ran
    assert said(rig) == [WORDS]
    assert len(server.asked) == 2


async def test_a_call_of_no_tool_of_ours_is_silent_and_the_question_is_asked_again(autojump_clock):
    server, rig = await a_call(Answer(body=sse({"content": '<tool_call>{"name":"launch"}</tool_call>'})), YES)
    assert said(rig) == [WORDS]
    assert len(server.asked) == 2


async def test_a_context_that_is_full_costs_the_older_half_and_no_call(autojump_clock):
    def refusal(asked):
        letters = sum(len(message.get("content") or "") for message in asked["messages"])
        full = error(400, "the request exceeds the available context size", type="exceed_context_size_error")
        return full if letters > 70 else None

    server, rig = await a_call(YES, refusal=refusal)
    assert said(rig) == [WORDS]
    assert rig.record.end_reason is EndReason.HANGUP
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        error(400, "Failed to call a function.", code="tool_use_failed"),
        error(503, "overloaded"),
        Answer(body=b'data: {"error":{"message":"Provider disconnected","code":502},"choices":[]}\n\n'),
        Answer(body=sse({"content": ""})),
        Answer(body=b""),
        error(400, "The response was filtered", code="content_filter"),
        Answer(204, b""),
        error(421, "misdirected"),
        error(403, "Rate limit exceeded"),
    ],
    ids=["tool_use_failed", "503", "an error in a 200", "an empty answer", "nothing", "a filter", "204", "421", "403"],
)
async def test_what_passes_is_asked_once_more(autojump_clock, answer):
    server, rig = await a_call(answer, YES)
    assert said(rig) == [WORDS]
    assert len(server.asked) == 2
    assert rig.record.end_reason is EndReason.HANGUP


@pytest.mark.parametrize(
    ("limited", "seconds"),
    [
        (error(429, "slow down", {"Retry-After": "1"}), 1.0),
        (error(429, "Rate limit reached. Please try again in 2.4s."), 2.4),
    ],
    ids=["header", "words"],
)
async def test_the_pause_that_a_provider_asks_for_is_kept(autojump_clock, limited, seconds):
    server, rig = await a_call(limited, limited, YES)
    assert said(rig)[-1] == WORDS  # after what is said meanwhile
    first, second, third = server.times
    assert [second - first, third - second] == [pytest.approx(seconds, abs=0.01)] * 2


async def test_an_answer_of_another_good_status_is_one(autojump_clock):
    server, rig = await a_call(attrs.evolve(YES, status=201))
    assert said(rig) == [WORDS]
    assert len(server.asked) == 1


async def test_the_next_language_model_answers_within_the_turn_and_is_in_the_record(autojump_clock):
    models = ({"model": "a"}, {"model": "b"})
    server, rig = await a_call(
        YES, models=models, refusal=lambda asked: error(401, "bad key") if asked["model"] == "a" else None
    )
    assert said(rig) == [WORDS]
    assert [asked["model"] for asked in server.asked] == ["a", "b"]
    providers = [session.provider for session in rig.record.model_sessions]
    assert providers.count("openai-chat") == 2
    assert rig.record.counters["llm_retries_http_401"] == 1


async def test_tools_without_end_are_five_questions_and_then_words(autojump_clock):
    def answer(asked):
        return None if "tools" not in asked else Answer(body=sse(call(0, "a", "{}"), finish="tool_calls"))

    did = []
    server, rig = await a_call(YES, refusal=answer, tools=[look_up_with(did)])
    assert said(rig) == [WORDS]
    assert len(server.asked) == 5
    assert len(did) == 4
