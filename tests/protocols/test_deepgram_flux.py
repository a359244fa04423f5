"""Deepgram's Flux: what we say, and what we make of what we hear."""

import inspect
import json
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.audio.mulaw import encode
from trio_voice.events import model as c
from trio_voice.events import stage as s
from trio_voice.persona import Persona, TurnDetection
from trio_voice.protocols.deepgram_flux import DeepgramFlux, DeepgramFluxSettings

FRAME = encode(b"\xff" * 160)


def settings(**more):
    return DeepgramFluxSettings(kind="deepgram-flux", **more)


def session(persona=None, **more):
    return DeepgramFlux(settings(**more), persona or Persona(name="p", model="m"))


def query(**more):
    return parse_qs(urlsplit(session(**more).url).query)


def hear(stage, **event):
    return list(stage.receive(json.dumps(event), 0.0))


def turn(stage, event, text="", *, index=0):
    return hear(stage, type="TurnInfo", event=event, turn_index=index, transcript=text)


def test_the_address_asks_for_the_telephones_sound_and_for_an_early_word():
    assert session().url == (
        "wss://api.deepgram.com/v2/listen?model=flux-general-en&encoding=mulaw&sample_rate=8000&eager_eot_threshold=0.5"
    )
    assert "eager_eot_threshold" not in query(eager_eot_threshold=0.0)
    assert query(eot_threshold=0.8)["eot_threshold"] == ["0.8"]


def test_the_personas_words_and_turns_go_into_the_address():
    turns = TurnDetection(max_silence=200)
    persona = Persona(name="p", model="m", keyterms=("Juniper & Co", "x" * 60), turn_detection=turns)
    asked = query(persona=persona, model="flux-general-multi", language_hints=("en", "de"))
    assert asked["keyterm"] == ["Juniper & Co", "x" * 50]
    assert asked["language_hint"] == ["en", "de"]
    assert asked["eot_timeout_ms"] == ["500"]  # the shortest that is taken


@pytest.mark.parametrize(
    "wrong",
    [
        {"eager_eot_threshold": 0.2},
        {"eager_eot_threshold": 1.0},
        {"eot_threshold": 0.4},
        {"eager_eot_threshold": 0.8, "eot_threshold": 0.7},
    ],
)
def test_thresholds_that_are_not_taken_are_refused(wrong):
    with pytest.raises(ValueError, match="eot_threshold"):
        settings(**wrong)


def test_the_key_is_a_token_and_nobody_elses():
    assert DeepgramFlux.headers("secret") == {"Authorization": "Token secret"}
    assert DeepgramFlux.headers("") == {}
    assert settings().key_name == "DEEPGRAM_API_KEY"
    assert settings(url="ws://127.0.0.1:9").key_name == ""


def test_twilios_frames_are_gathered_to_80_ms():
    stage = session()
    sent = [message for _ in range(9) for message in stage.encode(c.HearCaller(FRAME), 0.0)]
    assert [len(message) for message in sent] == [640, 640]
    assert stage.encode(c.HearCaller("€"), 0.0) == []


@given(st.lists(st.integers(0, 2_000), max_size=10))
def test_no_sound_is_lost(sizes):
    stage = session()
    sound = [bytes([number]) * size for number, size in enumerate(sizes)]
    sent = [message for piece in sound for message in stage.encode(c.HearCaller(encode(piece)), 0.0)]
    assert {len(message) for message in sent} <= {640}
    whole, through = b"".join(sound), b"".join(sent)
    assert whole.startswith(through)
    assert len(whole) - len(through) < 640


def test_connected_is_ready_once():
    stage = session()
    assert hear(stage, type="Connected", request_id="abc", sequence_id=0) == [c.ModelReady("abc")]
    assert hear(stage, type="Connected", request_id="abc", sequence_id=0) == []


def test_a_turn():
    stage = session()
    assert turn(stage, "Update") == []  # silence
    assert turn(stage, "StartOfTurn", "Are") == [s.SpeechBegan(), s.TurnGoesOn("caller_0", "Are")]
    assert turn(stage, "Update", "Are you") == [s.TurnGoesOn("caller_0", "Are you")]
    assert turn(stage, "Update", "Are you") == []
    assert turn(stage, "EagerEndOfTurn", "Are you open?") == [s.TurnMayBeOver("caller_0", "Are you open?")]
    assert turn(stage, "Update", "Are you open?") == []
    assert turn(stage, "EndOfTurn", "Are you open?") == [s.TurnOver("caller_0", "Are you open?")]
    assert turn(stage, "Update", "Are you open?") == []
    assert turn(stage, "StartOfTurn", "Yes", index=1)[0] == s.SpeechBegan()


def test_a_resumed_turn():
    stage = session()
    turn(stage, "StartOfTurn", "Are you open")
    turn(stage, "EagerEndOfTurn", "Are you open?")
    assert turn(stage, "TurnResumed", "Are you open?") == [s.TurnResumed("caller_0")]
    assert turn(stage, "Update", "Are you open on") == [s.TurnGoesOn("caller_0", "Are you open on")]
    assert turn(stage, "EndOfTurn", "Are you open on Monday?") == [s.TurnOver("caller_0", "Are you open on Monday?")]


def test_a_turn_of_which_the_beginning_was_lost_has_one():
    assert turn(session(), "EndOfTurn", "Yes.") == [s.SpeechBegan(), s.TurnOver("caller_0", "Yes.")]


def test_the_same_words_in_two_turns_are_two_turns():
    stage = session()
    turn(stage, "EndOfTurn", "Yes.")
    assert turn(stage, "StartOfTurn", "Yes.", index=1) == [s.SpeechBegan(), s.TurnGoesOn("caller_1", "Yes.")]


@pytest.mark.parametrize(
    ("code", "words"), [("INTERNAL_SERVER_ERROR", "next call"), ("NET-0001", "no sound"), ("NEW", "NEW: so it is")]
)
def test_an_error_is_fatal_and_says_what_to_do(code, words):
    (fault,) = hear(session(), type="Error", sequence_id=1, code=code, description="so it is")
    assert fault.fatal
    assert words in fault.message


def test_what_may_come_and_means_nothing():
    stage = session()
    assert hear(stage, type="ConfigureSuccess") == []
    (warning,) = hear(stage, type="Warning", code="SLOW", description="slow")
    assert not warning.fatal
    (unknown,) = hear(stage, type="Metadata")
    assert not unknown.garbage
    (garbage,) = stage.receive(b"\x00", 0.0)
    assert garbage.garbage


# Against the SDK's own types


def test_the_sdk_knows_what_we_say():
    client = pytest.importorskip("deepgram.listen.v2.client")
    types = pytest.importorskip("deepgram.listen.v2.types")
    known = inspect.signature(client.V2Client.connect).parameters
    persona = Persona(name="p", model="m", keyterms=("a",), turn_detection=TurnDetection(max_silence=900))
    asked = parse_qsl(urlsplit(session(persona, eot_threshold=0.8, language_hints=("en",)).url).query)
    assert {name for name, _ in asked} <= known.keys()
    assert types.ListenV2CloseStream.model_validate_json(session().goodbye()).type == "CloseStream"


def test_we_know_what_the_sdk_hears():
    event = pytest.importorskip("deepgram.listen.v2.types.listen_v2turn_info_event")
    literal = inspect.getsource(event).partition("Literal[")[2].partition("]")[0]
    for name in json.loads(f"[{literal}]"):
        assert turn(session(), name, "Yes") != []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(["Connected", "TurnInfo", "Error", "Warning", "x"])
KEYS = st.sampled_from(["turn_index", "transcript", "event", "code", "description", "request_id"])


@given(st.lists(st.one_of(st.text(), st.binary(), st.tuples(KINDS, st.dictionaries(KEYS, JSON))), max_size=10))
def test_nothing_that_comes_raises(messages):
    stage = session()
    for message in messages:
        made = json.dumps({"type": message[0]} | message[1]) if isinstance(message, tuple) else message
        stage.receive(made, 0.0)


def test_a_turn_that_hangs_is_ended_on_request():
    assert session().encode(s.EndTurn(), 0.0) == ['{"type":"ForceEndTurn"}']


def test_turns_may_be_told_out_of_order_or_without_a_number():
    stage = session()
    assert turn(stage, "EndOfTurn", "Are you open?", index=5)[-1] == s.TurnOver("caller_5", "Are you open?")
    assert turn(stage, "Update", "Hello", index=0) == []  # of one that is behind
    assert turn(stage, "EndOfTurn", "Hello.", index=0)[-1] == s.TurnOver("caller_0", "Hello.")
    assert turn(stage, "EndOfTurn", "Hello.", index=5) == []  # told before
    assert turn(stage, "EndOfTurn", "And on Sunday?", index=None)[-1] == s.TurnOver("caller_6", "And on Sunday?")
