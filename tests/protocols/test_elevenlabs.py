"""ElevenLabs' multi-context socket: what we say, and what we make of what we hear."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.audio.mulaw import encode
from trio_voice.events import model as c
from trio_voice.events import stage as s
from trio_voice.persona import Persona
from trio_voice.protocols.elevenlabs import ElevenLabs, ElevenLabsSettings
from trio_voice.protocols.elevenlabs_http import ElevenLabsHttpSettings

SOUND = encode(b"\x2a" * 800)


def session(voice=None, **more):
    settings = ElevenLabsSettings(kind="elevenlabs", **({"voice": "EXAVITQu4vr4xnSDxMaL"} | more))
    return ElevenLabs(settings, Persona(name="p", model="m", voice=voice))


def say(stage, context, text, *, last=False):
    return [json.loads(message) for message in stage.encode(s.Speak(context, text, last), 0.0)]


def hear(stage, **event):
    return list(stage.receive(json.dumps(event), 0.0))


def test_an_error_of_one_context_is_that_one_s_alone_but_for_what_is_everybody_s():
    stage = session()
    stage.opening()
    say(stage, "r1", "...")
    (failed,) = hear(stage, contextId="s1", error="invalid_text", message="no words")
    assert (type(failed), failed.context_id) == (s.SpeechFailed, "r1")
    say(stage, "r2", "Yes.")
    (fault,) = hear(stage, contextId="s2", error="quota_exceeded", message="none left")
    assert fault.fatal


def test_a_late_error_of_a_context_that_is_closed_fails_nobody():
    stage = session()
    stage.opening()
    say(stage, "r1", "Yes.", last=True)
    hear(stage, contextId="s1", isFinal=True)
    say(stage, "r2", "No.")
    (fault,) = hear(stage, contextId="s1", error="context_closed", message="it is")
    assert not fault.fatal
    (fault,) = hear(stage, contextId="s1", error="quota_exceeded", message="none left")
    assert fault.fatal


def test_the_address():
    assert session().url == (
        "wss://api.elevenlabs.io/v1/text-to-speech/EXAVITQu4vr4xnSDxMaL/multi-stream-input"
        "?model_id=eleven_flash_v2_5&output_format=ulaw_8000&inactivity_timeout=180&auto_mode=true&sync_alignment=true"
    )
    assert "/text-to-speech/al%2Fba/" in session(voice="al/ba").url
    assert session(url="http://127.0.0.1:9/").url.startswith("ws://127.0.0.1:9/v1/")
    assert ElevenLabs.headers("k") == {"xi-api-key": "k"}


def test_a_context_stands_ready_and_the_next_is_opened_when_it_is_used():
    stage = session(speed=1.1)
    assert [json.loads(message) for message in stage.opening()] == [
        {"text": " ", "context_id": "s1", "voice_settings": {"speed": 1.1}}
    ]
    assert say(stage, "r1", "Hello, ") == [
        {"text": " ", "context_id": "s2", "voice_settings": {"speed": 1.1}},
        {"text": "Hello, ", "context_id": "s1", "flush": True},
    ]
    assert say(stage, "r1", "how are you?", last=True) == [
        {"text": "how are you? ", "context_id": "s1", "flush": True},
        {"context_id": "s1", "close_context": True},
    ]


def test_the_open_socket_is_what_ready_means_and_then_it_is_kept_alive():
    stage = session()
    stage.opening()
    assert stage.wake_at == -math.inf
    assert stage.tick(5.0) == [c.ModelReady("")]
    assert stage.tick(6.0) == ()
    (alive,) = stage.tick(stage.wake_at)
    assert json.loads(alive.message) == {"text": "", "context_id": "s1"}


def test_the_letters_that_were_sent_are_counted():
    stage = session()
    stage.opening()
    stage.tick(0.0)
    say(stage, "r1", "Hello, ")
    say(stage, "r1", "you.")
    assert stage.wake_at == -math.inf
    assert stage.tick(1.0) == [c.Usage({"characters": 7}), c.Usage({"characters": 4})]


def test_sound_and_words():
    stage = session()
    stage.opening()
    say(stage, "r1", "Hi you.", last=True)
    letters = list("Hi you. ")
    alignment = {"chars": letters, "charStartTimesMs": [at * 10 for at in range(8)], "charDurationsMs": [10] * 8}
    assert hear(stage, audio=SOUND, contextId="s1", alignment=alignment) == [
        s.SpokenWords("r1", "Hi ", 0.0),
        s.SpokenWords("r1", "you. ", 30.0),
        s.Sound("r1", SOUND),
    ]
    assert hear(stage, audio=SOUND, context_id="s1", alignment=alignment)[1] == s.SpokenWords("r1", "you. ", 130.0)
    assert hear(stage, isFinal=True, contextId="s1") == [s.SpeechOver("r1")]
    assert hear(stage, audio=SOUND, contextId="s1") == []


def test_after_a_cancel_nothing_of_it_is_heard():
    stage = session()
    stage.opening()
    say(stage, "r1", "Hello.")
    (cancel,) = stage.encode(s.BeSilent("r1"), 0.0)
    assert json.loads(cancel) == {"context_id": "s1", "close_context": True}
    assert stage.encode(s.BeSilent("r1"), 0.0) == ()
    assert hear(stage, audio=SOUND, contextId="s1") == []
    assert hear(stage, isFinal=True, contextId="s1") == []


@pytest.mark.parametrize(
    "alignment",
    [None, 7, {}, {"chars": ["a"], "charStartTimesMs": []}, {"chars": ["a"], "charStartTimesMs": ["x"]}, {"chars": 7}],
)
def test_sound_without_usable_times_is_still_sound(alignment):
    stage = session()
    stage.opening()
    say(stage, "r1", "a")
    assert hear(stage, audio=SOUND, contextId="s1", alignment=alignment) == [s.Sound("r1", SOUND)]


def test_sound_that_is_no_base64_is_garbage():
    stage = session()
    stage.opening()
    say(stage, "r1", "a")
    (garbage,) = hear(stage, audio="€", contextId="s1")
    assert garbage.garbage


def test_refusals_say_what_to_do():
    (fault,) = hear(session(), error="voice_id_does_not_exist", message="no such voice", code=1008)
    assert fault.fatal
    assert "EXAVITQu4vr4xnSDxMaL" in fault.message
    (fault,) = hear(session(credential="MY_KEY"), error="invalid_api_key", message="", code=1008)
    assert "MY_KEY" in fault.message
    (fault,) = hear(session(), error="strange", message="so it is", code=1)
    assert "strange: so it is" in fault.message


def test_a_model_of_another_socket_is_refused():
    with pytest.raises(ValueError, match="eleven_v4"):
        session(model="eleven_v4")


def test_the_goodbye_closes_the_socket():
    assert json.loads(session().goodbye()) == {"close_socket": True}


def test_the_sdk_knows_what_we_say():
    types = pytest.importorskip("elevenlabs.types")
    known = set(types.WebsocketTtsClientMessageMulti.model_fields)
    stage = session(speed=1.1, stability=0.5, similarity_boost=0.5)
    said = [json.loads(message) for message in stage.opening()]
    said += [*say(stage, "r1", "Hello.", last=True), json.loads(stage.goodbye())]
    for message in said:
        assert message.keys() <= known
        types.WebsocketTtsClientMessageMulti(**message)
    assert said[0]["voice_settings"].keys() <= set(types.RealtimeVoiceSettings.model_fields)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["s1", SOUND]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["audio", "contextId", "context_id", "isFinal", "alignment", "error", "chars"])


@given(st.lists(st.one_of(st.text(), st.binary(), st.dictionaries(KEYS, ANY), ANY), max_size=10))
def test_nothing_that_comes_raises(messages):
    stage = session()
    stage.opening()
    say(stage, "r1", "a")
    for message in messages:
        stage.receive(message if isinstance(message, str | bytes) else json.dumps(message), 0.0)


@pytest.mark.parametrize(
    ("model", "reads"),
    [("eleven_flash_v2_5", False), ("eleven_turbo_v2_5", False), ("eleven_multilingual_v2", True)],
)
def test_which_voices_read_figures_by_themselves(model, reads):
    assert ElevenLabsSettings(kind="elevenlabs", model=model).reads_figures is reads
    assert ElevenLabsHttpSettings(kind="elevenlabs-http", model=model).reads_figures is reads
