"""OpenAI's Realtime protocol: the settings that a session asks for, and that the server takes."""

import json

import pytest

from tests.protocols.openai_realtime.talk import (
    CREATED_FIELDS,
    READY,
    ROLL,
    UPDATED,
    UPDATED_FIELDS,
    make,
    persona,
    settings,
)
from trio_voice.errors import LocalProtocolError
from trio_voice.events import model as c
from trio_voice.persona import TurnDetection


def opening(dialect="ga", **more):
    (first, *others) = make(dialect, **more).opening()
    message = json.loads(first)
    assert message["type"] == "session.update"
    return message["session"], [json.loads(other) for other in others]


def test_the_first_message_asks_for_mu_law_both_ways_without_a_rate():
    assert opening(tools=(ROLL,)) == (
        {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": "Be brief.",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "turn_detection": {"type": "server_vad", "interrupt_response": False},
                    "transcription": {"model": "gpt-transcribe"},
                },
                "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
            },
            "tools": [{"type": "function", "name": "roll", "description": "Rolls.", "parameters": ROLL.parameters}],
        },
        [],
    )


def test_xai_keeps_voice_and_turn_detection_at_the_top():
    session, _ = opening("xai", voice="eve", keyterms=("Juniper",), turn_detection=TurnDetection(vad_threshold=0.95))
    assert session == {
        "voice": "eve",
        "instructions": "Be brief.",
        "turn_detection": {"type": "server_vad", "threshold": 0.9},
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"model": "grok-transcribe", "keyterms": ["Juniper"]},
            },
            "output": {"format": {"type": "audio/pcmu"}},
        },
        "reasoning": {"effort": "none"},
        "tools": [],
    }


def test_the_beta_dialect_is_flat():
    session, _ = opening("beta", voice=None, prompt="")
    assert session == {
        "modalities": ["text", "audio"],
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_ulaw",
        "turn_detection": {"type": "server_vad", "interrupt_response": False},
        "input_audio_transcription": {"model": "whisper-1"},
        "tools": [],
    }


def test_each_dialect_has_its_place_for_the_speed_and_against_noise():
    def update(dialect, **more):
        return settings(dialect=dialect, **more).update(persona(), (), "")

    assert update("xai", speed=1.2)["audio"]["output"]["speed"] == 1.2
    session = update("beta", speed=1.2, noise_reduction="far_field")
    assert (session["speed"], session["input_audio_noise_reduction"]) == (1.2, {"type": "far_field"})
    session = update("ga", speed=1.2, noise_reduction="far_field")
    assert session["audio"]["output"]["speed"] == 1.2
    assert session["audio"]["input"]["noise_reduction"] == {"type": "far_field"}


def test_only_the_turn_detection_that_was_set_is_sent():
    turns = TurnDetection(vad_threshold=0.4, min_silence=700, interrupt_response=False)
    session, _ = opening(turn_detection=turns, keyterms=("Juniper",))
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.4,
        "silence_duration_ms": 700,
        "interrupt_response": False,
    }
    assert session["audio"]["input"]["transcription"]["keywords"] == ["Juniper"]


def test_the_conversation_so_far_is_told_as_items_where_they_cost_nothing():
    history = (c.Said("agent", "Hello"), c.Said("caller", "Are you open?"))
    session, items = opening(history=history)
    assert session["instructions"] == "Be brief."
    assert [(item["item"]["role"], item["item"]["content"]) for item in items] == [
        ("assistant", [{"type": "output_text", "text": "Hello"}]),
        ("user", [{"type": "input_text", "text": "Are you open?"}]),
    ]
    for dialect in ("xai", "beta"):
        session, items = opening(dialect, history=history)
        assert "Caller: Are you open?" in session["instructions"]
        assert items == []


# Ready


def test_ready_is_told_once_when_the_settings_were_taken(fresh):
    assert fresh.hear(**CREATED_FIELDS) == []
    with pytest.raises(LocalProtocolError, match=r"session\.updated"):
        fresh.session.encode(c.HearCaller("////"), 0.0)
    assert fresh.hear(**UPDATED_FIELDS) == [READY]
    assert fresh.hear(**UPDATED_FIELDS) == []
    assert json.loads(*fresh.session.encode(c.HearCaller("AAAA"), 0.0)) == {
        "type": "input_audio_buffer.append",
        "audio": "AAAA",
    }


@pytest.mark.parametrize(
    "session",
    [
        {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}}}},
        {"audio": {"input": {"format": {"type": "audio/pcm"}}}},
        {"output_audio_format": "pcm16"},
    ],
)
def test_a_rate_that_was_not_asked_for_is_fatal(fresh, session):
    (fault,) = fresh.hear("session.updated", session=session)
    assert fault.fatal
    assert "mu-law" in fault.message


def test_what_the_server_says_that_it_has_set_is_for_people(fresh):
    session = UPDATED["session"] | {"model": "gpt-realtime-2.1", "tools": [], "voice": 7}
    session["audio"] = session["audio"] | {"output": {"voice": "m" * 200, "format": {"type": "audio/pcmu"}}}
    (ready,) = fresh.hear("session.updated", session=session)
    assert ready.accepted == {
        "model": "gpt-realtime-2.1",
        "audio.output.voice": "m" * 100,
        "voice": "7",
        "audio.input.format.type": "audio/pcmu",
        "audio.output.format.type": "audio/pcmu",
    }
