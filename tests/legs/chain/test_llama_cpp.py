"""A real llama.cpp, with a model of our own making and a template as strict as any (``tests/tiny_llama.py``)."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from tests import tiny_llama
from tests.chain.stages import Stage
from trio_voice.events import model as c
from trio_voice.events import stage as s
from trio_voice.legs.chain.language_model import Thinker
from trio_voice.legs.session_ledger import Ledger
from trio_voice.net.http import open_http
from trio_voice.persona import Persona, ToolSchema
from trio_voice.protocols.chat_completions import ChatCompletions, ChatSettings
from trio_voice.record import CallRecord

pytest.importorskip("xllamacpp")

TOOL = ToolSchema(name="look_up", description="Looks up.", parameters={"type": "object", "properties": {}})


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    script, path = Path(tiny_llama.__file__), tmp_path_factory.mktemp("llama") / "tiny.gguf"
    server = subprocess.Popen(
        [sys.executable, script, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


async def answer(address, conversation, tools=(), *, with_tools=True, number=1):
    """Reading of the server's answer to a conversation."""
    told = []
    record = CallRecord(call_id="c1", direction="inbound", persona="p", from_number="", to_number="")
    settings = ChatSettings(kind="openai-chat", model="m", url=f"{address}/v1")
    model = ChatCompletions(settings, Persona(name="p", model="m", prompt="Be brief."))
    thinker = Thinker([model], tools, Ledger(record), lambda: datetime.now(UTC))
    with trio.fail_after(30):
        async with open_http() as http:
            await thinker.think(s.Think(number, tuple(conversation), with_tools=with_tools), http, told.append)
    return told


def text(events):
    return "".join(event.text for event in events if isinstance(event, s.Thought)).strip()


async def test_its_answer_is_understood_and_counted(address):
    events = await answer(address, [s.Entry("caller", "When do you close?")])
    assert text(events) == "We close at five."
    assert events[-1] == s.ThoughtOver(1)
    (usage,) = [event for event in events if isinstance(event, c.Usage)]
    assert usage.meters["text_out_tokens"] == 6


async def test_no_conversation_of_ours_is_refused_by_its_template(address):
    call = s.ToolCall("call_1", "look_up", {})
    conversation = [
        s.Entry("agent", "Hi."),
        s.Entry("caller", "Open?"),
        s.Entry("caller", "Hm?"),
        s.Entry("agent", "", (call,)),
        s.Entry("results", results=(s.ToolCallResult("call_1", "1"),)),
        s.Entry("caller", "Ok."),
        s.Entry("instruction", "Go."),
    ]
    assert text(await answer(address, conversation)) == "We close at five."


async def test_a_talk_that_has_become_too_long_is_shortened_and_answered(address):
    stage = Stage(said=[c.Said("caller" if at % 2 else "agent", f"{at} " * 10) for at in range(24)])
    think, asked = stage.asked(), 1
    while isinstance((events := await answer(address, think.conversation))[-1], s.ThoughtFailed):
        assert events[-1].remedy == "shorten", events
        stage.do(s.ThoughtFailed(think.number, events[-1].code, "", retryable=False, remedy="shorten"))
        think, asked = stage.question, asked + 1
    assert 1 < asked <= 4
    assert text(events) == "We close at five."


async def test_words_that_it_loses_where_tools_are_offered_are_asked_for_without_them(address):
    """Its parser of tool calls swallows the stream of a model whose template knows none."""
    stage = Stage()
    think, offered = stage.asked(), []
    while not stage.of(s.Speak, c.ModelFault) or stage.of(s.Think):
        think = stage.question
        offered.append(think.with_tools)
        events = await answer(address, think.conversation, [TOOL], with_tools=think.with_tools, number=think.number)
        stage.do(*(event for event in events if not isinstance(event, c.Usage)))
    assert "".join(speak.text for speak in stage.of(s.Speak)).strip() == "We close at five."
    assert offered == [True, True, False]
