"""Base64 as encoders and frameworks write it, of every provider that sends sound in it."""

import base64
import json
import struct

import pytest

from trio_voice.audio import mulaw as audio
from trio_voice.events import stage as s
from trio_voice.persona import Persona
from trio_voice.protocols.cartesia import Cartesia, CartesiaSettings
from trio_voice.protocols.elevenlabs import ElevenLabs, ElevenLabsSettings

SOUND = bytes([0xFB, 0xEF, 0xBE, 0x3F, 0xFF, 0x2A, 0x10] * 20)  # with both letters that the alphabets differ in
PLAIN = base64.b64encode(SOUND).decode()
SPELLINGS = {
    "line breaks": base64.encodebytes(SOUND).decode(),
    "carriage returns": base64.encodebytes(SOUND).decode().replace("\n", "\r\n"),
    "url-safe": base64.urlsafe_b64encode(SOUND).decode(),
    "no padding": PLAIN.rstrip("="),
    "url-safe, no padding": base64.urlsafe_b64encode(SOUND).decode().rstrip("="),
    "data URL": f"data:audio/basic;base64,{PLAIN}",
    "data URL with a rate": f"data:audio/x-mulaw;rate=8000;base64,{PLAIN.rstrip('=')}",
    "blanks around it": f" {PLAIN}\n",
}


def elevenlabs():
    stage = ElevenLabs(ElevenLabsSettings(kind="elevenlabs", voice="v"), Persona(name="p", model="m"))
    stage.opening()
    stage.encode(s.Speak("r1", "Yes. ", last=False), 0.0)
    return stage, lambda payload: {"contextId": "s1", "audio": payload}


def cartesia():
    stage = Cartesia(CartesiaSettings(kind="cartesia", voice="v"), Persona(name="p", model="m"))
    stage.encode(s.Speak("r1", "Yes. ", last=False), 0.0)
    return stage, lambda payload: {"type": "chunk", "context_id": "r1", "data": payload, "done": False}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_it_is_what_twilio_takes(spelling):
    assert audio.plain_base64(SPELLINGS[spelling]) == PLAIN


@pytest.mark.parametrize("payload", ["###", "A", "data:audio/basic,abc", "AB=CD===", "é"])
def test_what_is_none_stays_none(payload):
    plain = audio.plain_base64(payload)
    assert not audio.is_base64(plain) or plain == ""


@pytest.mark.parametrize("voice", [elevenlabs, cartesia])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_chain_s_voice_is_heard_in_each(voice, spelling):
    stage, message = voice()
    (sound,) = [e for e in stage.receive(json.dumps(message(SPELLINGS[spelling])), 0.0) if isinstance(e, s.Sound)]
    assert sound.payload == PLAIN


@pytest.mark.parametrize("voice", [elevenlabs, cartesia])
def test_an_empty_piece_is_nothing(voice):
    stage, message = voice()
    for empty in ("", None):
        assert [e for e in stage.receive(json.dumps(message(empty)), 0.0) if isinstance(e, s.Sound)] == []


@pytest.mark.parametrize(("rate", "named"), [(8_000, ""), (0, ""), (16_000, "a WAV file of 16000 Hz")])
def test_a_file_of_another_rate_is_named(rate, named):
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 7, 1, rate, rate, 1, 8)
    header = struct.pack("<4sI4s", b"RIFF", 36 + 800, b"WAVE") + form + struct.pack("<4sI", b"data", 800)
    assert audio.format_named(base64.b64encode(header + SOUND).decode()) == named
