"""AssemblyAI's streaming speech-to-text: what we say, and what we make of what we hear."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.audio.mulaw import encode
from trio_voice.events import model as c
from trio_voice.events import stage as s
from trio_voice.persona import Persona, TurnDetection
from trio_voice.protocols.assemblyai_streaming import AssemblyAiStreaming, AssemblyAiStreamingSettings

FRAME = encode(b"\xff" * 160)


def settings(**more):
    return AssemblyAiStreamingSettings(kind="assemblyai-streaming", **more)


def session(persona=None, **more):
    return AssemblyAiStreaming(settings(**more), persona or Persona(name="p", model="m"))


def query(**more):
    return {name: values[0] for name, values in parse_qs(urlsplit(session(**more).url).query).items()}


def hear(stage, **event):
    return list(stage.receive(json.dumps(event), 0.0))


def turn(order, text, *, over=False):
    return {
        "type": "Turn",
        "turn_order": order,
        "turn_is_formatted": True,
        "end_of_turn": over,
        "transcript": text,
        "utterance": text if over else "",
        "end_of_turn_confidence": 1.0 if over else 0.2,
        "words": [],
    }


def test_the_address_asks_for_the_telephones_sound_and_for_a_fence():
    assert session().url.startswith("wss://streaming.assemblyai.com/v3/ws?")
    assert query() == {
        "speech_model": "universal-3-6-pro",
        "encoding": "pcm_mulaw",
        "sample_rate": "8000",
        "inactivity_timeout": "30",
    }


def test_the_personas_words_and_turns_go_into_the_address():
    persona = Persona(
        name="p",
        model="m",
        keyterms=("Juniper", "x" * 60),
        turn_detection=TurnDetection(vad_threshold=0.4, min_silence=200, max_silence=900, interruption_delay=0),
    )
    asked = query(persona=persona, mode="min_latency", language_codes=("en", "de"))
    assert json.loads(asked["keyterms_prompt"]) == ["Juniper", "x" * 50]
    assert json.loads(asked["language_codes"]) == ["en", "de"]
    assert asked["mode"] == "min_latency"
    assert (asked["min_turn_silence"], asked["max_turn_silence"]) == ("200", "900")
    assert (asked["vad_threshold"], asked["interruption_delay"]) == ("0.4", "0")


def test_more_keyterms_than_are_taken_are_left_out():
    persona = Persona(name="p", model="m", keyterms=tuple(map(str, range(101))))
    assert len(json.loads(query(persona=persona)["keyterms_prompt"])) == 100


def test_the_key_goes_up_bare():
    assert AssemblyAiStreaming.headers("secret") == {"Authorization": "secret"}
    assert AssemblyAiStreaming.headers("") == {}


def test_twilios_frames_are_gathered_to_60_ms():
    stage = session()
    sent = [message for _ in range(7) for message in stage.encode(c.HearCaller(FRAME), 0.0)]
    assert [len(message) for message in sent] == [480, 480]


@given(st.lists(st.integers(0, 20_000), max_size=10))
def test_no_message_is_shorter_or_longer_than_is_taken_and_no_sound_is_lost(sizes):
    stage = session()
    sound = [bytes([number]) * size for number, size in enumerate(sizes)]
    sent = [message for piece in sound for message in stage.encode(c.HearCaller(encode(piece)), 0.0)]
    assert all(400 <= len(message) <= 8_000 for message in sent)
    whole, through = b"".join(sound), b"".join(sent)
    assert whole.startswith(through)
    assert len(whole) - len(through) < 480 + 8_000


def test_what_is_no_base64_is_left_out():
    assert session().encode(c.HearCaller("€"), 0.0) == []


def test_begin_is_ready_once():
    stage = session()
    told = {"model": "universal-3-6-pro", "mode": None, "api_version": "2025-05-12"}
    begin = {"id": "abc", "expires_at": 1, "configuration": told}
    assert hear(stage, type="Begin", **begin) == [c.ModelReady("abc", {"model": "universal-3-6-pro"})]
    assert hear(stage, type="Begin", id="abc") == []


def test_a_turn():
    stage = session()
    assert hear(stage, type="SpeechStarted", timestamp=100) == [s.SpeechBegan()]
    assert hear(stage, **turn(0, "Are you")) == [s.SpeechBegan(), s.TurnGoesOn("caller_0", "Are you")]
    assert hear(stage, **turn(0, "Are you open")) == [s.TurnGoesOn("caller_0", "Are you open")]
    assert hear(stage, **turn(0, "Are you open?", over=True)) == [s.TurnOver("caller_0", "Are you open?")]
    assert hear(stage, **turn(1, "Yes.", over=True)) == [s.SpeechBegan(), s.TurnOver("caller_1", "Yes.")]


def test_a_formatted_final_that_repeats_a_turn_is_no_second_turn():
    stage = session()
    hear(stage, **turn(0, "yes", over=True))
    assert hear(stage, **turn(0, "Yes.", over=True)) == []


def test_an_empty_final_is_the_end_of_a_turn_without_words():
    assert hear(session(), **turn(0, "", over=True)) == [s.TurnOver("caller_0", "")]


def test_termination_tells_the_bill():
    assert hear(session(), type="Termination", audio_duration_seconds=6, session_duration_seconds=7) == [
        c.ModelEnded(7.0)
    ]
    assert hear(session(), type="Termination", session_duration_seconds=None) == [c.ModelEnded(None)]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"type": "Error", "error_code": 1008, "error": "Invalid API key"}, "ASSEMBLYAI_API_KEY"),
        ({"error_code": 3009, "error": "Too many"}, "max_calls"),
        ({"error": "Whatever"}, "Whatever"),
        ({"type": "Error", "error_code": 3007, "error": "Input Duration Violation"}, "Input Duration"),
    ],
)
def test_an_error_is_fatal_and_says_what_to_do(event, words):
    (fault,) = hear(session(), **event)
    assert fault.fatal
    assert words in fault.message


def test_an_error_names_the_key_that_the_stage_was_given():
    (fault,) = hear(session(credential="SPARE_KEY"), error_code=1008, error="x")
    assert "SPARE_KEY" in fault.message


def test_what_may_come_and_means_nothing():
    stage = session()
    assert hear(stage, type="Heartbeat", total_audio_received_ms=1) == []
    assert [event.fatal for event in hear(stage, type="Warning", warning_code=1, warning="slow")] == [False]
    (unknown,) = hear(stage, type="LLMGatewayResponse")
    assert not unknown.garbage


def test_only_the_provider_itself_gets_its_key_unasked():
    assert settings().key_name == "ASSEMBLYAI_API_KEY"
    assert settings(url="wss://streaming.eu.assemblyai.com/v3/ws").key_name == "ASSEMBLYAI_API_KEY"
    assert settings(url="ws://127.0.0.1:9").key_name == ""
    assert settings(url="wss://assemblyai.com.evil.example").key_name == ""
    assert settings(url="ws://127.0.0.1:9", credential="X").key_name == "X"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(["Begin", "Turn", "SpeechStarted", "Termination", "Error", "Warning", "x"])
KEYS = st.sampled_from(["turn_order", "transcript", "end_of_turn", "error_code", "error", "id", "warning"])


@given(st.lists(st.one_of(st.text(), st.binary(), st.tuples(KINDS, st.dictionaries(KEYS, JSON))), max_size=10))
def test_nothing_that_comes_raises(messages):
    stage = session()
    for message in messages:
        made = json.dumps({"type": message[0]} | message[1]) if isinstance(message, tuple) else message
        stage.receive(made, 0.0)


# An answer that begins early


def partial(stage, text, confidence):
    return hear(stage, **turn(0, text) | {"end_of_turn_confidence": confidence})[-2:]


def test_a_confidence_that_climbs_in_a_pause_begins_an_answer_and_more_words_drop_it():
    stage = session(eager_eot_threshold=0.5)
    assert partial(stage, "are you open", 0.1) == [s.SpeechBegan(), s.TurnGoesOn("caller_0", "are you open")]
    assert partial(stage, "are you open", 0.4) == [s.TurnGoesOn("caller_0", "are you open")]
    assert partial(stage, "are you open", 0.6) == [s.TurnMayBeOver("caller_0", "are you open")]
    assert partial(stage, "are you open", 0.7) == [s.TurnGoesOn("caller_0", "are you open")]
    assert partial(stage, "are you open today", 0.2) == [
        s.TurnResumed("caller_0"),
        s.TurnGoesOn("caller_0", "are you open today"),
    ]
    assert partial(stage, "are you open today", 0.8) == [s.TurnMayBeOver("caller_0", "are you open today")]
    assert hear(stage, **turn(0, "Are you open today?", over=True)) == [s.TurnOver("caller_0", "Are you open today?")]


@pytest.mark.parametrize(
    ("confidences", "more"),
    [((0.8, 0.8), {}), ((0.3, 0.6), {}), ((0.1, 0.9), {"eager_eot_threshold": 0.0}), ((None, 0.9), {})],
)
def test_a_confidence_that_does_not_climb_or_is_not_asked_for_begins_nothing(confidences, more):
    stage = session(**more)
    events = [event for confidence in confidences for event in partial(stage, "are you open", confidence)]
    assert not any(isinstance(event, s.TurnMayBeOver) for event in events)


def test_a_turn_that_hangs_is_ended_on_request():
    assert session().encode(s.EndTurn(), 0.0) == ['{"type":"ForceEndpoint"}']


def test_turns_may_be_told_out_of_order_or_without_a_number():
    stage = session()
    assert hear(stage, **turn(1, "Are you open?", over=True))[-1] == s.TurnOver("caller_1", "Are you open?")
    assert hear(stage, **turn(0, "Hello")) == []  # a partial of one that is behind
    assert hear(stage, **turn(0, "Hello.", over=True))[-1] == s.TurnOver("caller_0", "Hello.")
    for number in (0, 1):
        assert hear(stage, **turn(number, "Hello?", over=True)) == []  # told before
    unnumbered = turn(None, "And on Sunday?", over=True)
    assert hear(stage, **unnumbered)[-1] == s.TurnOver("caller_2", "And on Sunday?")
    del unnumbered["turn_order"]
    assert hear(stage, **unnumbered)[-1] == s.TurnOver("caller_3", "And on Sunday?")
