"""Chat completions on this machine: what is refused, and how an answer may be cut up."""

import json

import pytest
import trio

from tests.sandbox.providers.chain.client import KEY, SCRIPT, Sink
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.chain import ChainFaults, ChainManner, ChainServer, scripted

TOOL = {"type": "function", "function": {"name": "look_up", "description": "", "parameters": {"type": "object"}}}
USER = {"role": "user", "content": "Are you open?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
ASKED = {"role": "assistant", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "open"}


async def ask(messages=(USER,), *, server=None, script=SCRIPT, key=KEY, path="/v1/chat/completions", more=(), **double):
    server = server or ChainServer(scripted(script), api_key=KEY, **double)
    sink = Sink()
    body = {"model": "m", "messages": list(messages), "stream": True} | dict(more)
    headers = {"authorization": f"Bearer {key}"}
    await server.thinking.answer(path, headers, json.dumps(body).encode(), sink)
    return sink, server.thinking.exchanges[-1]


async def test_an_answer_comes_in_chunks_that_are_cut_anywhere(autojump_clock):
    more = {"stream_options": {"include_usage": True}}
    sink, exchange = await ask(more=more, manner=ChainManner(piece_bytes=7))
    assert {len(piece) for piece in sink.pieces[:-1]} == {7}
    assert "".join(delta.get("content") or "" for delta in sink.deltas) == "Yes, until six."
    assert sink.chunks[-1]["usage"]["prompt_tokens"] > 0
    assert sink.body.endswith(b"data: [DONE]\n\n")
    assert exchange.complete
    assert exchange.client_errors == []


async def test_without_being_asked_it_tells_no_usage_and_may_leave_out_its_end(autojump_clock):
    sink, _ = await ask(manner=ChainManner(says_done=False))
    assert {chunk["usage"] for chunk in sink.chunks} == {None}
    assert b"[DONE]" not in sink.body


@pytest.mark.parametrize("indexes", [True, False])
async def test_parallel_calls_come_in_turns_where_they_are_numbered(autojump_clock, indexes):
    script = Script(turns=(Turn(heard="Are you open?", tool=ToolUse("look_up", {"day": "Monday"}), reply=""),))
    sink, _ = await ask(script=script, manner=ChainManner(parallel_calls=2, indexes_calls=indexes))
    pieces = [delta["tool_calls"][0] for delta in sink.deltas if "tool_calls" in delta]
    assert [piece.get("index") for piece in pieces[:4]] == ([0, 1, 0, 1] if indexes else [None] * 4)
    assert len({piece["id"] for piece in pieces if "id" in piece}) == 2
    assert [chunk["choices"][0]["finish_reason"] for chunk in sink.chunks][-1] == "tool_calls"


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([USER, ASKED], "without an answer"),
        ([USER, ASKED, USER], "must be followed"),
        ([USER, RESULT], "must answer"),
        ([USER, ASKED, RESULT, RESULT], "must answer"),
        ([{"role": "dog", "content": "wuff"}], "dog"),
        ([{"role": "user"}], "content"),
        ([USER, {**ASKED, "content": None}, RESULT], "content"),
        ([USER, USER], "must alternate"),
        ([{"role": "assistant", "content": "Hello."}, USER], "must alternate"),
        ([USER, {"role": "system", "content": "Be brief."}], "at the beginning"),
        ([USER, ASKED, RESULT, USER], "after role 'tool'"),
        ([7], "TypeError"),
    ],
)
async def test_a_conversation_that_makes_no_sense_is_refused(autojump_clock, messages, words):
    sink, exchange = await ask(messages)
    assert sink.status == exchange.status == 400
    assert words in json.loads(sink.body)["error"]["message"]
    assert exchange.client_errors


async def test_a_call_that_was_answered_is_gone_on_with(autojump_clock):
    turn = Turn(heard="Are you open?", tool=ToolUse("look_up"), after_tool="We are.")
    sink, _ = await ask([USER, ASKED, RESULT], script=Script(turns=(turn,)), more={"tools": [TOOL]})
    assert "".join(delta.get("content") or "" for delta in sink.deltas) == "We are."


@pytest.mark.parametrize(
    ("wrong", "status"), [({"key": "another"}, 401), ({"path": "/v1/models"}, 404), ({"more": {"stream": False}}, 400)]
)
async def test_what_is_refused(autojump_clock, wrong, status):
    sink, exchange = await ask(**wrong)
    assert sink.status == status
    assert exchange.client_errors


async def test_its_whims_come_in_their_order(autojump_clock):
    faults = ChainFaults(thinking=("refuse", "overload", "cut", "error", "garbage", None))
    server = ChainServer(scripted(SCRIPT), api_key=KEY, faults=faults)
    sinks = [(await ask(server=server))[0] for _ in range(7)]
    assert [sink.status for sink in sinks] == [401, 503, 200, 200, 200, 200, 200]
    assert sinks[2].was_cut
    assert b"server_error" in sinks[3].body
    assert b"{not JSON" in sinks[4].body
    assert sinks[5].body.count(b"Yes,") == sinks[6].body.count(b"Yes,") == 1
    assert [mistake for each in server.thinking.exchanges for mistake in each.client_errors] == []


async def test_one_that_hangs_sends_nothing_and_can_be_left(autojump_clock):
    server = ChainServer(scripted(SCRIPT), api_key=KEY, faults=ChainFaults(thinking=("hang",)))
    with trio.move_on_after(100) as waiting:
        await ask(server=server)
    assert waiting.cancelled_caught
    assert not server.thinking.exchanges[0].complete
    assert server.thinking.exchanges[0].closed_at == trio.current_time()


async def test_the_sdk_knows_what_it_says(autojump_clock):
    chat = pytest.importorskip("openai.types.chat")
    script = Script(turns=(Turn(heard="Are you open?", reply="Let me see.", tool=ToolUse("look_up", {"day": "x"})),))
    sink, _ = await ask(script=script, more={"stream_options": {"include_usage": True}})
    assert len(sink.chunks) > 5
    for chunk in sink.chunks:
        read = chat.ChatCompletionChunk.model_validate(chunk)
        assert read.model_extra == {}
        for choice in read.choices:
            assert choice.model_extra == choice.delta.model_extra == {}
            assert all(call.model_extra == {} for call in choice.delta.tool_calls or ())
