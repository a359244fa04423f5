"""A session of Gemini's Live API, and what is said to it."""

import base64
import json

import numpy as np
from google.genai import types
from hypothesis import strategies as st

from trio_voice.events import model as c
from trio_voice.persona import Persona, ToolSchema
from trio_voice.protocols.gemini_live import GeminiLiveSettings

LOUD = base64.b64encode(b"\x2a" * 160).decode()
QUIET = base64.b64encode(b"\xff" * 160).decode()
ROLL = ToolSchema(name="roll", description="Rolls.", parameters={"type": "object", "properties": {}})


def settings(**more):
    return GeminiLiveSettings(**{"name": "g", "kind": "gemini-live"} | more)


def persona(**more):
    return Persona(**{"name": "p", "model": "g", "voice": "Kore", "prompt": "Be brief.", "greeting": "Hello"} | more)


def said(text):
    """A message of ours, found to be one of Gemini's."""
    message = json.loads(text)
    asked = json.loads(text)
    turns = asked.get("setup", {}).pop("realtimeInputConfig", {})  # not in the SDK's type, though in what it sends
    types.RealtimeInputConfig.model_validate(turns)
    types.LiveClientMessage.model_validate(asked)
    return message


def hear(session, now=0.0, **fields):
    """As the server sends it: JSON, in a binary frame."""
    types.LiveServerMessage.model_validate(fields)
    return list(session.receive(json.dumps(fields).encode(), now))


def sound(ms=40, *, value=8_000, mime="audio/pcm;rate=24000", cut=0):
    rate = int(mime.rpartition("=")[2]) if "=" in mime else 24_000
    pcm = np.full(rate * ms // 1000, value, "<i2").tobytes()
    data = base64.b64encode(pcm[: len(pcm) - cut]).decode()
    return {"modelTurn": {"parts": [{"inlineData": {"mimeType": mime, "data": data}}]}}


def kinds(events):
    return [type(event).__name__ for event in events]


def of_kind(kind, events):
    return [event for event in events if isinstance(event, kind)]


def sent(events):
    return [said(event.message) for event in of_kind(c.Outgoing, events)]


def ask(session, *calls):
    return hear(session, toolCall={"functionCalls": list(calls)})


def idle(session, until):
    """Let time pass, frames of silence included; returns what came of it, and when."""
    events = []
    while session.wake_at <= until:
        now = session.wake_at
        session.encode(c.HearCaller(QUIET), now)
        events += [(round(now, 3), event) for event in session.tick(now)]
        assert len(events) < 100
    return events


def steps(told):
    """Events besides that the caller speaks, or does no more."""
    return [event for _, event in told if not isinstance(event, c.CallerSpeechStarted | c.CallerSpeechStopped)]


COMMANDS = (
    st.sampled_from(
        [c.HearCaller(LOUD), c.HearCaller(QUIET), c.HearCaller("?"), c.RequestReply("x"), c.SayExactly("x")]
    )
    | st.builds(
        c.SendToolResult,
        st.sampled_from([f"call-{n}" for n in range(1, 6)]),
        st.sampled_from(["1", "{"]),
        st.booleans(),
    )
    | st.builds(c.TruncateReply, st.sampled_from(["reply-1", "?"]), st.floats(0, 100))
)
