"""Cartesia's speech: what we say, and what we make of what we hear."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.audio.mulaw import encode
from trio_voice.events import model as c
from trio_voice.events import stage as s
from trio_voice.persona import Persona
from trio_voice.protocols.cartesia import MAX_CONTEXTS, Cartesia, CartesiaSettings

SOUND = encode(b"\x2a" * 800)


def settings(**more):
    return CartesiaSettings(kind="cartesia", **({"voice": "a-voice"} | more))


def session(voice=None, **more):
    return Cartesia(settings(**more), Persona(name="p", model="m", voice=voice))


def say(stage, context, text, *, last=False):
    (message,) = stage.encode(s.Speak(context, text, last), 0.0)
    return json.loads(message)


def hear(stage, **event):
    return list(stage.receive(json.dumps({"context_id": "r1", "status_code": 206, "done": False} | event), 0.0))


def test_the_address_and_who_we_are():
    assert session().url == "wss://api.cartesia.ai/tts/websocket"
    assert Cartesia.headers("k") == {"Authorization": "Bearer k", "Cartesia-Version": "2026-08-14"}
    assert Cartesia.headers("") == {"Cartesia-Version": "2026-08-14"}
    assert settings().key_name == "CARTESIA_API_KEY"
    assert settings(url="ws://127.0.0.1:9").key_name == ""


def test_a_context_grows_with_the_same_settings_and_ends():
    stage = session(voice="another", speed=1.1)
    first, then, last = say(stage, "r1", "Hello, "), say(stage, "r1", "you. "), say(stage, "r1", "", last=True)
    changing = {"transcript", "continue"}
    assert [(each["transcript"], each["continue"]) for each in (first, then, last)] == [
        ("Hello, ", True),
        ("you. ", True),
        ("", False),
    ]
    same = [{name: value for name, value in each.items() if name not in changing} for each in (first, then, last)]
    assert same[0] == same[1] == same[2]
    assert same[0]["output_format"] == {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}
    assert same[0]["voice"] == {"mode": "id", "id": "another"}
    assert same[0]["generation_config"] == {"speed": 1.1}


def test_the_open_socket_is_what_ready_means_and_letters_are_counted():
    stage = session()
    assert stage.opening() == []
    assert stage.wake_at == -math.inf
    assert stage.tick(5.0) == [c.ModelReady("")]
    assert stage.wake_at == math.inf
    say(stage, "r1", "Hello, ")
    say(stage, "r1", "you.", last=True)
    assert stage.tick(6.0) == [c.Usage({"characters": 7}), c.Usage({"characters": 4})]
    assert stage.tick(7.0) == ()


def test_sound_and_words():
    stage = session()
    say(stage, "r1", "Hello you.", last=True)
    timed = {"words": ["Hello", "you."], "start": [0.0, 0.5], "end": [0.4, 0.9]}
    assert hear(stage, type="timestamps", word_timestamps=timed) == [
        s.SpokenWords("r1", "Hello ", 0.0),
        s.SpokenWords("r1", "you. ", 500.0),
    ]
    assert hear(stage, type="chunk", data=SOUND, step_time=1.0) == [s.Sound("r1", SOUND)]
    assert hear(stage, type="flush_done", flush_id=1, flush_done=True) == []
    assert hear(stage, type="done", done=True) == [s.SpeechOver("r1")]
    assert hear(stage, type="chunk", data=SOUND) == []
    assert hear(stage, type="done", done=True) == []


def test_a_last_chunk_that_says_so_ends_a_context_too():
    stage = session()
    say(stage, "r1", "Hello.", last=True)
    assert hear(stage, type="chunk", data=SOUND, done=True) == [s.Sound("r1", SOUND), s.SpeechOver("r1")]
    assert hear(stage, type="done", done=True) == []


def test_after_a_cancel_nothing_of_it_is_heard():
    stage = session()
    say(stage, "r1", "Hello.")
    (cancel,) = stage.encode(s.BeSilent("r1"), 0.0)
    assert json.loads(cancel) == {"context_id": "r1", "cancel": True}
    assert stage.encode(s.BeSilent("r1"), 0.0) == ()
    assert hear(stage, type="chunk", data=SOUND) == []
    assert hear(stage, type="error", title="cancelled", done=True) == []


@pytest.mark.parametrize("timed", [None, 7, {}, {"words": ["a"], "start": []}, {"words": ["a"], "start": ["x"]}])
def test_unusable_times_are_left_out(timed):
    stage = session()
    say(stage, "r1", "a")
    assert [
        event for event in hear(stage, type="timestamps", word_timestamps=timed) if not hasattr(event, "what")
    ] == []


def test_sound_that_is_no_base64_is_garbage():
    stage = session()
    say(stage, "r1", "a")
    (garbage,) = hear(stage, type="chunk", data="€")
    assert garbage.garbage


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "check MY_KEY"),
        (402, "no credits"),
        (404, "'a-voice'"),
        (429, "lower max_calls"),
    ],
)
def test_refusals_say_what_to_do(status, words):
    stage = session(credential="MY_KEY")
    say(stage, "r1", "a")
    (fault,) = hear(stage, type="error", status_code=status, title="Oh", message="dear", done=True)
    assert fault.fatal
    assert words in fault.message


@pytest.mark.parametrize(("status", "words"), [(400, "check its keys"), (500, "Cartesia failed: Oh: dear"), ("x", "")])
def test_an_error_of_one_context_is_that_one_s_alone(status, words):
    stage = session()
    say(stage, "r1", "...")
    say(stage, "r2", "Yes.")
    (failed,) = hear(stage, type="error", context_id="r1", status_code=status, title="Oh", message="dear", done=True)
    assert (type(failed), failed.context_id) == (s.SpeechFailed, "r1")
    assert words in failed.message
    assert hear(stage, type="done", context_id="r1", done=True) == []
    assert hear(stage, type="done", context_id="r2", done=True) == [s.SpeechOver("r2")]


def test_contexts_that_never_end_are_forgotten():
    stage = session()
    for number in range(100):
        say(stage, f"r{number}", "a")
    assert len(stage._contexts) == MAX_CONTEXTS


def test_there_is_no_goodbye():
    assert session().goodbye() is None


def test_the_sdk_knows_what_we_say():
    types = pytest.importorskip("cartesia.types")
    stage = session(speed=1.1)
    known = types.GenerationRequest.model_fields
    names = {field.alias or name for name, field in known.items()}
    for text, last in (("Hello, ", False), ("you.", True), ("", True)):
        message = say(stage, "r1", text, last=last)
        assert message.keys() <= names
        types.GenerationRequest.model_validate(message)
    (cancel,) = stage.encode(s.BeSilent("r1"), 0.0)
    types.websocket_client_event.CancelContextRequest.model_validate_json(cancel)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["r1", SOUND]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(["chunk", "timestamps", "done", "error", "flush_done", "x"])
KEYS = st.sampled_from(["data", "context_id", "done", "word_timestamps", "status_code", "title", "words", "start"])


@given(st.lists(st.one_of(st.text(), st.binary(), st.tuples(KINDS, st.dictionaries(KEYS, ANY)), ANY), max_size=10))
def test_nothing_that_comes_raises(messages):
    stage = session()
    say(stage, "r1", "a")
    for message in messages:
        if isinstance(message, tuple):
            made = json.dumps({"context_id": "r1"} | message[1] | {"type": message[0]})
        else:
            made = message if isinstance(message, str | bytes) else json.dumps(message)
        stage.receive(made, 0.0)


def test_the_language_is_the_personas_unless_the_stage_has_its_own():
    german = Persona(name="p", model="m", voice="v", language="de-AT")
    (said,) = Cartesia(settings(), german).encode(s.Speak("1", "Ja."), 0.0)
    assert json.loads(said)["language"] == "de"
    (said,) = Cartesia(settings(language="fr"), german).encode(s.Speak("1", "Oui."), 0.0)
    assert json.loads(said)["language"] == "fr"
