"""Sound whose base64 has line breaks in it: it is heard like any other, by every kind of model that hosts one."""

import base64
import json

import pytest

from trio_voice.audio.mulaw import base64_ms
from trio_voice.events import model as c
from trio_voice.persona import Persona
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession
from trio_voice.protocols.gemini_live import GeminiLiveSettings
from trio_voice.protocols.gemini_live.session import GeminiLiveSession
from trio_voice.protocols.openai_realtime import OpenAIRealtimeSession, OpenAIRealtimeSettings

PERSONA = Persona(name="p", model="m")


def openai(data):
    settings = OpenAIRealtimeSettings(name="m", kind="openai-realtime")
    event = {"type": "response.output_audio.delta", "response_id": "r", "item_id": "i", "delta": data}
    return OpenAIRealtimeSession(settings, PERSONA), event


def assemblyai(data):
    return VoiceAgentSession(PERSONA), {"type": "reply.audio", "reply_id": "r", "data": data}


def gemini(data):
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}
    session = GeminiLiveSession(GeminiLiveSettings(name="m", kind="gemini-live"), PERSONA)
    return session, {"serverContent": {"modelTurn": {"parts": [part]}}}


@pytest.mark.parametrize(
    ("kind", "sound"), [(openai, b"\x10" * 800), (assemblyai, b"\x10" * 800), (gemini, b"\x10" * 4800)]
)
def test_it_is_heard(kind, sound):
    session, event = kind(base64.encodebytes(sound).decode())
    assert session.reply_audio(json.dumps(event)) is None
    heard = [each.payload for each in session.receive(json.dumps(event), 0.0) if isinstance(each, c.ReplyAudio)]
    assert sum(map(base64_ms, heard)) >= 80
    assert not any("\n" in payload for payload in heard)


@pytest.mark.parametrize("data", [None, 5, [], "ab\ncde", "\n"])
@pytest.mark.parametrize("kind", [openai, assemblyai, gemini])
def test_what_is_none_is_none(kind, data):
    session, event = kind(data)
    events = session.receive(json.dumps(event), 0.0)
    assert not any(isinstance(each, c.ReplyAudio) and each.payload for each in events)
