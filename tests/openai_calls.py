"""Calls with OpenAI's Realtime and its dialects."""

import json
from functools import partial

import attrs
import pytest
import trio

from tests.calls import OPENAI_REALTIME, live_call
from tests.openai_types import mistakes
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.openai_realtime import RealtimeServer

openai_call = partial(live_call, model=OPENAI_REALTIME)
DIALECTS = pytest.mark.parametrize("dialect", ["ga", "xai", "beta"])


def of_dialect(dialect):
    return partial(live_call, model=attrs.evolve(OPENAI_REALTIME, serve=partial(RealtimeServer, dialect=dialect)))


def heard_ms(rig, since=0.0):
    return rig.twilio.line.heard(trio.current_time()).count(b"\x2a") / 8


def assert_nobody_made_a_mistake(rig):
    for session in rig.agent.sessions:
        assert session.client_errors == []
        if session.dialect == "ga":
            for message in session.messages:
                assert mistakes(json.loads(message), "Client") == []
            for _, event in session.sent:
                assert mistakes(event, "Server") == []
    assert rig.twilio.warnings == {}
    assert not rig.record.counters.keys() & {"model_garbage", "unknown_model_messages", "model_faults"}


async def look_up(order: int = 7) -> str:
    """Look something up."""
    await trio.sleep(1)
    return f"order {order}"


def script(tool, *, reply="", after="It is done.", arguments=None):
    turn = Turn(reply=reply, tool=ToolUse(tool, arguments or {}), after_tool=after)
    return Script(greeting_ms=500, turns=(turn, Turn(heard="Hurry up!", reply="Soon.")))


def said_by_us(rig):
    """Messages that were sent but for sound, in short."""
    messages = [json.loads(message) for message in rig.session.messages]
    return [
        message["item"].get("output", message["item"]["type"]) if "item" in message else message["type"]
        for message in messages
        if message["type"] not in {"input_audio_buffer.append", "session.update"}
    ]


async def ask(rig):
    await trio.sleep(2)
    rig.speak(0.5)
    await trio.sleep(1.2)
