"""The stages of this machine: what is particular to them."""

import json

import pytest

from trio_voice.events import stage as s
from trio_voice.persona import Persona
from trio_voice.protocols.local import LocalHearing, LocalHearingSettings, LocalSpeaking, LocalSpeakingSettings

PERSONA = Persona(name="p", model="m")


def test_they_speak_the_words_of_two_providers_and_send_no_key():
    hearing = LocalHearing(LocalHearingSettings(kind="local").at("ws://127.0.0.1:7/v3/ws"), PERSONA)
    speaking = LocalSpeaking(LocalSpeakingSettings(kind="local").at("http://127.0.0.1:7"), PERSONA)
    assert hearing.url.startswith("ws://127.0.0.1:7/v2/listen?model=flux-general-en&encoding=mulaw")
    assert speaking.url.startswith("ws://127.0.0.1:7/v1/text-to-speech/alba/multi-stream-input?")
    assert LocalHearingSettings(kind="local").key_name == LocalSpeakingSettings(kind="local").key_name == ""
    assert {hearing.provider, speaking.provider} == {"local"}


def test_the_personas_voice_goes_before_the_stages():
    persona = Persona(name="p", model="m", voice="eve")
    settings = LocalSpeakingSettings(kind="local", voice="anna")
    assert "/anna/" in LocalSpeaking(settings, PERSONA).url
    assert "/eve/" in LocalSpeaking(settings, persona).url


def test_their_errors_name_nobody_elses_service():
    hearing = LocalHearing(LocalHearingSettings(kind="local"), PERSONA)
    speaking = LocalSpeaking(LocalSpeakingSettings(kind="local"), PERSONA)
    speaking.encode(s.Speak("r1", "a"), 0.0)
    error = {"type": "Error", "code": "NET-0001", "description": "x", "error": "input_timeout_exceeded", "message": "x"}
    for stage in (hearing, speaking):
        (fault,) = stage.receive(json.dumps(error), 0.0)
        assert "on this machine" in fault.message
        assert "Deepgram" not in fault.message
        assert "ElevenLabs" not in fault.message


@pytest.mark.parametrize("of", [LocalHearingSettings, LocalSpeakingSettings])
def test_they_are_on_this_machine(of):
    for url in ("wss://api.example.com", None):
        with pytest.raises(ValueError, match="on this machine"):
            of(kind="local", url=url)
    assert of(kind="local", url="ws://127.0.0.1:9").url == "ws://127.0.0.1:9"
