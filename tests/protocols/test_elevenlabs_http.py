"""ElevenLabs' speech over HTTP: what we ask, and what a refusal means."""

import inspect
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.persona import Persona
from trio_voice.protocols.elevenlabs_http import MAX_BEFORE, ElevenLabsHttp, ElevenLabsHttpSettings


def voice(persona_voice=None, key="secret", **more):
    settings = ElevenLabsHttpSettings(kind="elevenlabs-http", **({"voice": "a-voice"} | more))
    return ElevenLabsHttp(settings, Persona(name="p", model="m", voice=persona_voice), key)


def test_a_request():
    request = voice().request("Hello, ", "")
    assert request.url == "https://api.elevenlabs.io/v1/text-to-speech/a-voice/stream?output_format=ulaw_8000"
    assert request.headers == {"Content-Type": "application/json", "xi-api-key": "secret"}
    assert json.loads(request.body) == {"text": "Hello, ", "model_id": "eleven_flash_v2_5"}
    assert "xi-api-key" not in voice(key="").request("a", "").headers


def test_it_follows_what_was_said_before():
    body = json.loads(voice().request("you.", "x" * 1_000).body)
    assert body["previous_text"] == "x" * MAX_BEFORE


def test_the_keys_of_its_table():
    request = voice("al/ba", speed=1.1, stability=0.5, similarity_boost=0.75, language="en").request("a", "")
    assert "/text-to-speech/al%2Fba/stream" in request.url
    body = json.loads(request.body)
    assert body["voice_settings"] == {"speed": 1.1, "stability": 0.5, "similarity_boost": 0.75}
    assert body["language_code"] == "en"


@pytest.mark.parametrize(
    ("status", "detail", "words"),
    [
        (401, {"status": "invalid_api_key", "message": "no"}, "check ELEVENLABS_API_KEY: no"),
        (401, {"status": "quota_exceeded", "message": "no"}, "no characters left"),
        (404, {"status": "voice_not_found", "message": "no"}, "'a-voice'"),
        (429, {"status": "too_many_concurrent_requests", "message": ""}, "lower max_calls"),
        (500, "oh", "ElevenLabs said http_500"),
    ],
)
def test_refusals_say_what_to_do(status, detail, words):
    fault = voice().refusal(status, json.dumps({"detail": detail}).encode())
    assert fault.fatal
    assert words in fault.message


@given(st.integers(), st.binary() | st.text().map(str.encode))
def test_no_refusal_raises(status, body):
    assert voice().refusal(status, body).fatal is (status not in {400, 413, 422})


def test_a_text_that_is_refused_is_that_text_s_fault():
    fault = voice().refusal(422, b'{"detail":[{"loc":["body"]}]}')
    assert not fault.fatal
    assert "ElevenLabs said http_422" in fault.message
    assert voice().refusal(400, b'{"detail":{"status":"voice_not_found"}}').fatal


def test_the_sdk_knows_what_we_ask():
    client = pytest.importorskip("elevenlabs.text_to_speech.client")
    known = inspect.signature(client.TextToSpeechClient.stream).parameters
    request = voice(speed=1.1, language="en").request("a", "b")
    assert json.loads(request.body).keys() <= known.keys()
    assert parse_qs(urlsplit(request.url).query).keys() <= known.keys()
    settings = pytest.importorskip("elevenlabs.types").VoiceSettings
    assert json.loads(request.body)["voice_settings"].keys() <= settings.model_fields.keys()
