"""Gemini's Live API: what a session is opened with."""

import pytest

from tests.protocols.gemini_live.live import ROLL, hear, persona, said, settings
from trio_voice.events import model as c
from trio_voice.persona import TurnDetection
from trio_voice.protocols.gemini_live.session import GeminiLiveSession

MODELS = (
    "gemini-3.8-live",
    "gemini-3.8-live-extended-thinking",
    "gemini-3.1-flash-live-preview",
    "gemini-2.5-flash-native-audio-preview-12-2025",
    "gemini-9-live",
)


def opening(*, more=None, **of_persona):
    (text,) = GeminiLiveSession(settings(**more or {}), persona(**of_persona), (ROLL,)).opening()
    return said(text)["setup"]


def test_the_first_message_asks_for_speech_words_handles_and_a_memory_without_end():
    assert opening() == {
        "model": "models/gemini-3.8-live",
        "generationConfig": {
            "responseModalities": ["AUDIO"],
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
        },
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "roll",
                        "description": "Rolls.",
                        "parametersJsonSchema": ROLL.parameters,
                        "behavior": "BLOCKING",
                    }
                ]
            }
        ],
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
        "sessionResumption": {},
        "contextWindowCompression": {"slidingWindow": {}},
    }


def test_what_a_persona_leaves_out_is_left_to_gemini():
    setup = opening(voice=None, prompt="")
    assert "speechConfig" not in setup["generationConfig"]
    assert not {"systemInstruction", "realtimeInputConfig"} & setup.keys()


def test_language_and_thinking():
    generation = opening(more={"language": "de-DE", "thinking": "low"}, voice=None)["generationConfig"]
    assert generation["speechConfig"] == {"languageCode": "de-DE"}
    assert generation["thinkingConfig"] == {"thinkingLevel": "LOW"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"thinking": "hard"}, "must be one of minimal, low, medium, high, not 'hard'"),
        ({"thinking": "low", "model": MODELS[3]}, "has no levels of it"),
        ({"model": MODELS[1]}, "needs one of"),
    ],
)
def test_thinking_that_the_model_does_not_do_is_said_before_any_call(asked, words):
    with pytest.raises(ValueError, match=words):
        settings(**asked)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_asked_only_for_what_it_knows(model):
    more = {"model": model} | ({"thinking": "low"} if "extended" in model else {})
    setup = opening(more=more)
    assert ("inputAudioTranscription" in setup) is ("3.1" not in model and "9" not in model)
    assert ("contextWindowCompression" in setup) is ("3.1" not in model and "9" not in model)
    declared = setup["tools"][0]["functionDeclarations"][0]
    assert declared.get("behavior") == ("BLOCKING" if model == MODELS[0] else None)
    session = GeminiLiveSession(settings(**more), persona())
    hear(session, setupComplete={})
    (asked,) = session.encode(c.RequestReply("Greet."), 0.0)
    if "2.5" in model:
        turn = {"role": "user", "parts": [{"text": "Greet."}]}
        assert said(asked) == {"clientContent": {"turns": [turn], "turnComplete": True}}
    else:
        assert said(asked) == {"realtimeInput": {"text": "Greet."}}


def test_a_model_by_its_path_in_a_project_is_left_as_it_is():
    path = "projects/p/locations/l/publishers/google/models/gemini-3.8-live"
    assert opening(more={"model": path})["model"] == path
    assert settings(model=path).features == settings().features


def test_what_the_bridge_decides_about_turns_is_not_sent():
    assert "realtimeInputConfig" not in opening(turn_detection=TurnDetection(min_interruption_words=2))


def test_turn_detection_as_far_as_gemini_has_it():
    wanted = TurnDetection(
        vad_threshold=0.7, min_silence=300, max_silence=900, interruption_delay=40, interrupt_response=False
    )
    assert opening(turn_detection=wanted)["realtimeInputConfig"] == {
        "automaticActivityDetection": {
            "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
            "silenceDurationMs": 300,
            "prefixPaddingMs": 40,
        },
        "activityHandling": "NO_INTERRUPTION",
    }
    config = opening(turn_detection=TurnDetection(vad_threshold=0.5))["realtimeInputConfig"]
    assert config == {"automaticActivityDetection": {"startOfSpeechSensitivity": "START_SENSITIVITY_HIGH"}}


def test_a_session_that_takes_over_is_told_or_resumed():
    history = (c.Said("caller", "Are you open?"), c.Said("agent", "Yes."))
    (told,) = GeminiLiveSession(settings(), persona(), (), history).opening()
    assert "Caller: Are you open?" in said(told)["setup"]["systemInstruction"]["parts"][0]["text"]
    (resumed,) = GeminiLiveSession(settings(), persona(), (), history, "h7").opening()
    assert said(resumed)["setup"]["sessionResumption"] == {"handle": "h7"}
    assert "Are you open?" not in resumed


@pytest.mark.parametrize("binary", [True, False])
def test_ready_is_told_once_be_it_in_text_or_bytes(session, binary):
    text = '{"setupComplete":{"sessionId":"s1"}}'
    (ready,) = session.receive(text.encode() if binary else text, 0.0)
    assert ready.session_id == "s1"
    assert ready.accepted == {
        "model": "gemini-3.8-live",
        "voice": "Kore",
        "hears": "audio/pcm;rate=16000",
        "speaks": "24000 Hz",
    }
    assert session.receive(text, 0.0) == []
