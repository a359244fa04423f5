"""Calls with Gemini Live, and what was said in them."""

import json
from functools import partial

import trio

from tests.calls import GEMINI_LIVE, live_call
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn

gemini_call = partial(live_call, model=GEMINI_LIVE)


def lines(rig):
    return [(line.role, line.text, line.interrupted) for line in rig.record.transcript]


def texts_sent(session):
    """Texts that were said to it."""
    messages = [json.loads(message) for message in session.messages]
    return [message["realtimeInput"]["text"] for message in messages if "text" in message.get("realtimeInput", {})]


ROLLS = Script(turns=(Turn(heard="Roll.", reply="One moment.", tool=ToolUse("roll", {"max": 6}), after_tool="Four."),))


def tool(seconds):
    async def roll(max: int) -> str:  # noqa: A002 - the model's name for it
        """Roll."""
        await trio.sleep(seconds)
        return f"four of {max}"

    return roll
