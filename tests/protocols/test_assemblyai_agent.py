"""AssemblyAI's Voice Agent protocol: what we say, and what we make of what we hear."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.errors import LocalProtocolError
from trio_voice.events import model as c
from trio_voice.persona import Persona, ToolSchema, TurnDetection
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession
from trio_voice.protocols.assemblyai_agent.requests import MAX_WAITING
from trio_voice.protocols.unanswered import ALOUD, ANSWER_SECONDS, NUDGE, OTHERWISE, REST

READY = {
    "type": "session.ready",
    "session_id": "sess_0123456789abcdef0123456789abcdef",
    "config": {
        "input": {"format": {"encoding": "audio/pcmu", "sample_rate": 8000}},
        "output": {"voice": "alba", "format": {"encoding": "audio/pcmu", "sample_rate": 8000}},
    },
    "timestamp": 1790000000.5,
}


def persona(**more):
    return Persona(**{"name": "p", "model": "m", "voice": "alba", "prompt": "Be brief.", "greeting": "Hello"} | more)


def at(session, now, kind, **event):
    return list(session.receive(json.dumps({"type": kind, **event}), now))


def sent(events):
    return [json.loads(event.message) for event in events if isinstance(event, c.Outgoing)]


@pytest.fixture
def session():
    return VoiceAgentSession(persona())


@pytest.fixture
def ready(session):
    session.receive(json.dumps(READY), 0.0)
    return session


def hear(session, **event):
    return session.receive(json.dumps(event | {"timestamp": 1790000001.0}), 0.0)


def first_update(**more):
    (opening,) = VoiceAgentSession(persona(**more)).opening()
    message = json.loads(opening)
    assert message["type"] == "session.update"
    return message["session"]


def test_the_first_message_asks_for_mu_law_both_ways_without_a_sample_rate():
    assert first_update() == {
        "system_prompt": "Be brief.",
        "greeting": "Hello",
        "input": {"type": "audio", "format": {"encoding": "audio/pcmu"}},
        "output": {"type": "audio", "format": {"encoding": "audio/pcmu"}, "voice": "alba"},
        "tools": [],
    }


def test_what_a_persona_leaves_out_is_left_to_the_provider():
    session = first_update(voice=None, greeting=None)
    assert "greeting" not in session  # a null one is refused
    assert "voice" not in session["output"]
    assert "turn_detection" not in session["input"]


def test_what_the_bridge_decides_about_turns_is_not_sent():
    turns = TurnDetection(min_interruption_ms=200, min_interruption_words=2)
    assert "turn_detection" not in first_update(turn_detection=turns)["input"]


def test_only_the_turn_detection_that_was_set_is_sent():
    turns = TurnDetection(vad_threshold=0.4, interrupt_response=False)
    assert first_update(turn_detection=turns)["input"]["turn_detection"] == {
        "vad_threshold": 0.4,
        "interrupt_response": False,
    }


def test_keyterms_are_sent():
    assert first_update(keyterms=("Juniper",))["input"]["keyterms"] == ["Juniper"]


def test_tools_are_flat():
    tool = ToolSchema(name="roll", description="Rolls.", parameters={"type": "object", "properties": {}})
    (opening,) = VoiceAgentSession(persona(), (tool,)).opening()
    assert json.loads(opening)["session"]["tools"] == [
        {"type": "function", "name": "roll", "description": "Rolls.", "parameters": tool.parameters}
    ]


def test_ready_is_told_once_though_updated_comes_before_it(session):
    assert hear(session, type="session.updated", config={}) == []
    sound = {
        "input.format.encoding": "audio/pcmu",
        "output.format.encoding": "audio/pcmu",
        "output.voice": "alba",
    }
    assert hear(session, **READY) == [c.ModelReady(READY["session_id"], sound)]
    assert hear(session, **READY) == []


def test_no_audio_before_ready(session):
    with pytest.raises(LocalProtocolError, match=r"session\.ready"):
        session.encode(c.HearCaller("////"), 0.0)


def test_audio_goes_through_as_it_is(ready):
    assert json.loads(*ready.encode(c.HearCaller("AAAA"), 0.0)) == {"type": "input.audio", "audio": "AAAA"}
    assert hear(ready, type="reply.audio", reply_id="resp_1", data="BBBB") == [c.ReplyAudio("resp_1", "BBBB")]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("input", "format", "encoding"), "audio/pcm"),
        (("output", "format", "encoding"), "audio/pcm"),
        (("output", "voice"), "anna"),
    ],
)
def test_a_session_that_is_not_what_was_asked_for_is_fatal(session, path, value):
    wrong = json.loads(json.dumps(READY))
    place = wrong["config"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (fault,) = hear(session, **wrong)
    assert fault.fatal
    assert value in fault.message
    assert ".".join(path) in fault.message


def test_a_whole_turn(ready):
    turn = [
        ({"type": "input.speech.started"}, [c.CallerSpeechStarted()]),
        (
            {"type": "transcript.user.delta", "item_id": "i", "text": "Are"},
            [c.CallerTranscript("i", "Are", final=False)],
        ),
        ({"type": "input.speech.stopped"}, [c.CallerSpeechStopped()]),
        (
            {"type": "transcript.user", "item_id": "i", "text": "Are you?"},
            [c.CallerTranscript("i", "Are you?", final=True)],
        ),
        ({"type": "reply.started", "reply_id": "r", "item_id": "m"}, [c.ReplyStarted("r")]),
        ({"type": "reply.audio", "reply_id": "r", "data": "AAAA"}, [c.ReplyAudio("r", "AAAA")]),
        (
            {"type": "transcript.agent.delta", "reply_id": "r", "delta": "Yes", "start_ms": 40, "end_ms": 300},
            [c.ReplyWords("r", "Yes", 40.0)],
        ),
        (
            {"type": "transcript.agent", "reply_id": "r", "text": "Yes", "interrupted": False},
            [c.ReplyTranscript("r", "Yes", interrupted=False)],
        ),
        ({"type": "reply.done", "reply_id": "r", "status": "completed"}, [c.ReplyDone("r", interrupted=False)]),
    ]
    for event, meaning in turn:
        assert hear(ready, **event) == meaning


@pytest.mark.parametrize(
    ("done", "interrupted"),
    [
        ({"status": "interrupted"}, True),
        ({"status": "completed"}, False),
        ({}, False),
        ({"status": "cancelled"}, False),
    ],
)
def test_the_status_of_a_done_reply_is_an_open_set(ready, done, interrupted):
    assert hear(ready, type="reply.done", reply_id="r", **done) == [c.ReplyDone("r", interrupted)]


def test_events_without_a_reply_id_belong_to_the_reply_that_was_started(ready):
    hear(ready, type="reply.started", reply_id="r7")
    assert hear(ready, type="reply.audio", data="AAAA") == [c.ReplyAudio("r7", "AAAA")]


@pytest.mark.parametrize("field", [{"arguments": {"max": 6}}, {"args": {"max": 6}}, {"arguments": '{"max":6}'}])
def test_a_tool_call_old_or_new(ready, field):
    assert hear(ready, type="tool.call", call_id="t1", name="roll", **field) == [c.ToolCalled("t1", "roll", {"max": 6})]


def test_a_tools_answer(ready):
    assert json.loads(*ready.encode(c.SendToolResult("t1", '{"n":4}'), 0.0)) == {
        "type": "tool.result",
        "call_id": "t1",
        "result": '{"n":4}',
    }
    assert json.loads(*ready.encode(c.SendToolResult("t1", "{}", failed=True), 0.0))["is_error"] is True


def test_the_model_can_be_asked_to_speak_and_cannot_be_told_to_forget(ready):
    assert json.loads(*ready.encode(c.RequestReply("Say hi."), 0.0)) == {
        "type": "reply.create",
        "instructions": "Say hi.",
    }
    assert ready.encode(c.TruncateReply("r", 100), 0.0) == ()


def test_a_request_waits_for_the_reply_that_is_being_made(listening):
    """The server makes one of both otherwise, of which the caller hears neither whole."""
    at(listening, 1, "reply.started", reply_id="r2")
    at(listening, 1.1, "reply.audio", data=LOUD)
    assert list(listening.encode(c.RequestReply("Say A."), 2.0)) == []
    assert list(listening.encode(c.RequestReply("Say B."), 2.5)) == []
    assert at(listening, 3, "reply.done") == [
        c.ReplyDone("r2", interrupted=False),
        c.Outgoing(json.dumps({"type": "reply.create", "instructions": "Say A.\nSay B."}, separators=(",", ":"))),
    ]
    assert listening.wake_at == pytest.approx(3 + ANSWER_SECONDS)  # its answer is owed from here
    at(listening, 3.2, "reply.started", reply_id="r3")
    at(listening, 3.3, "reply.audio", data=LOUD)
    assert sent(at(listening, 4, "reply.done")) == []


def test_a_request_does_not_wait_for_ever(listening):
    at(listening, 1, "reply.started", reply_id="r2")
    at(listening, 1.1, "reply.audio", data=LOUD)
    assert list(listening.encode(c.RequestReply("Say A."), 3.0)) == []
    assert (listening.wake_at, listening.tick(7.9)) == (8.0, [])
    assert sent(listening.tick(8.0)) == [{"type": "reply.create", "instructions": "Say A."}]


def test_a_request_for_a_reply_in_place_of_the_one_that_is_made_waits_for_nothing(listening):
    at(listening, 1, "reply.started", reply_id="r2")
    assert len(listening.encode(c.RequestReply("Finish.", instead=True), 2.0)) == 1


def test_requests_that_wait_are_bounded(listening):
    at(listening, 1, "reply.started", reply_id="r2")
    for number in range(MAX_WAITING + 2):
        listening.encode(c.RequestReply(f"Say {number}."), 2.0)
    (message,) = sent(at(listening, 3, "reply.done"))
    assert message["instructions"].splitlines() == [f"Say {number}." for number in range(2, MAX_WAITING + 2)]


def test_the_end(ready):
    assert json.loads(ready.goodbye()) == {"type": "session.end"}
    assert hear(ready, type="session.ended", session_duration_seconds=12.5, audio_duration_seconds=None) == [
        c.ModelEnded(12.5)
    ]


@pytest.mark.parametrize("code", ["unauthorized", "UNAUTHORIZED"])
def test_a_wrong_key_says_which_variable(session, code):
    (fault,) = hear(session, type="session.error", code=code, message="Invalid API key")
    assert fault.fatal
    assert "ASSEMBLYAI_API_KEY" in fault.message


def test_a_wrong_voice_names_the_persona_and_passes_on_the_valid_ones(session):
    (fault,) = hear(
        session,
        type="session.error",
        code="invalid_value",
        param="output.voice",
        message="voice must be one of: alba, anna, charles",
    )
    assert fault.fatal
    assert "'alba' of persona 'p'" in fault.message
    assert "alba, anna, charles" in fault.message


@pytest.mark.parametrize("code", ["at_capacity", "concurrency_exceeded", "internal_error", "session_expired"])
def test_codes_that_end_a_session_at_any_time(ready, code):
    (fault,) = hear(ready, type="session.error", code=code, message="")
    assert fault.fatal


@pytest.mark.parametrize("code", ["invalid_value", "invalid_format", "invalid_config", "invalid_webhook"])
def test_a_refused_update_is_fatal_before_ready_and_not_after(session, code):
    assert hear(session, type="session.error", code=code, message="no")[0].fatal
    hear(session, **READY)
    assert not hear(session, type="session.error", code=code, message="no")[0].fatal


@pytest.mark.parametrize(
    "code", ["immutable_field", "invalid_audio", "audio_rate_violation", "agent_id_not_first", "new"]
)
def test_codes_that_leave_a_session_open(ready, code):
    assert not hear(ready, type="session.error", code=code, message="")[0].fatal


def test_the_older_spellings_of_an_error(ready):
    (fault,) = hear(ready, type="error", error_code="internal_error")
    assert fault.fatal
    assert hear(ready, type="reply.error", code="llm_provider_error", message="m", retryable=True) == [
        c.ModelFault("llm_provider_error", "AssemblyAI could not answer the caller: m", fatal=False)
    ]


def test_unknown_events_are_events(ready):
    assert hear(ready, type="future.event", x=1) == [c.Unrecognized("an event of type 'future.event'")]


GARBAGE = [
    b"\x00",
    "",
    "nonsense",
    "[]",
    "7",
    "null",
    "{}",
    '{"type":[]}',
    '{"type":"reply.audio"}',
    '{"type":"reply.audio","data":"a\\"b"}',
    '{"type":"tool.call","name":"x"}',
    "[" * 100_000,
    '{"type":"transcript.agent.delta","delta":"x","start_ms":1' + "0" * 400 + "}",
    '{"type":"session.ended","session_duration_seconds":1' + "0" * 400 + "}",
    "\ud800",
]


@pytest.mark.parametrize("message", GARBAGE, ids=[f"{n} {text[:30]!a}" for n, text in enumerate(GARBAGE)])
def test_garbage_is_an_event_and_not_an_exception(ready, message):
    (event,) = ready.receive(message, 0.0)
    assert isinstance(event, c.Unrecognized)


KINDS = sorted(VoiceAgentSession._readers)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda kids: st.lists(kids, max_size=3) | st.dictionaries(st.text(), kids, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["session_id", "config", "code", "message", "param", "reply_id", "data", "text", "delta", "start_ms", "item_id",
         "status", "interrupted", "call_id", "name", "arguments", "session_duration_seconds"]
    ),
    JSON,
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from([*KINDS, "x"]), FIELDS), max_size=8))
def test_any_fields_of_any_type_in_any_order_are_events(events):
    session = VoiceAgentSession(persona())
    for kind, fields in events:
        for event in session.receive(json.dumps(fields | {"type": kind}), 0.0):
            assert isinstance(event, c.ModelEvent)
            texts = [getattr(event, name, "") for name in ("reply_id", "text", "item_id", "payload", "message", "code")]
            assert all(isinstance(text, str) for text in texts)


@given(st.one_of(st.text(), st.binary()))
def test_anything_at_all_is_events(message):
    session = VoiceAgentSession(persona())
    session.receive(message, 0.0)
    assert session.reply_audio(message) is None


AUDIO = {
    "type": st.just("reply.audio") | st.sampled_from(KINDS) | JSON,
    "data": st.sampled_from(["", "////", "///=", "//", "a\nb="]) | JSON,
    "reply_id": st.sampled_from(["", "r2"]) | JSON,
    "x": JSON,
}


@given(st.fixed_dictionaries({}, optional=AUDIO), st.booleans())
def test_the_audio_of_a_reply_is_told_apart_as_it_would_be_received(event, began):
    session = VoiceAgentSession(persona())
    if began:
        session.receive('{"type":"reply.started","reply_id":"r1"}', 0.0)
    session.receive('{"type":"reply.audio","data":"AAAA"}', 0.0)  # what can be heard is told apart from then on
    message = json.dumps(event)
    found = session.reply_audio(message)
    meant = session.receive(message, 0.0)
    if found is not None:
        assert meant == [c.ReplyAudio(*found)]
    elif meant and isinstance(meant[0], c.ReplyAudio):  # what is not told apart is received: where an id is no text
        assert not isinstance(event.get("reply_id", ""), str)


@pytest.mark.parametrize("nothing", [{}, {"arguments": None}, {"arguments": "null"}, {"arguments": []}, {"args": ""}])
def test_arguments_that_mean_nothing_are_none(ready, nothing):
    assert hear(ready, type="tool.call", call_id="t1", name="roll", **nothing) == [c.ToolCalled("t1", "roll", {})]


@pytest.mark.parametrize("broken", ["{", "[" * 100_000])
def test_broken_arguments_are_for_the_tool_to_refuse(ready, broken):
    assert hear(ready, type="tool.call", call_id="t1", name="roll", arguments=broken) == [
        c.ToolCalled("t1", "roll", broken)
    ]


# Answers that nobody hears

SILENCE = "/////w=="
LOUD = "AAAA"
DIGITAL_SILENCE = [("reply.started", {"reply_id": "r2"}), ("reply.audio", {"data": SILENCE}), ("reply.done", {})]


def asked(session, now=0.0):
    """The caller has asked something."""
    at(session, now, "input.speech.started")
    at(session, now, "input.speech.stopped")
    return at(session, now, "transcript.user", item_id="i1", text="Are you open?")


@pytest.fixture
def listening():
    session = VoiceAgentSession(persona(greeting=None))
    at(session, 0, READY["type"], **{key: value for key, value in READY.items() if key != "type"})
    return session


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [("reply.started", {"reply_id": "r2"}), ("reply.done", {"reply_id": "r2"})],
        [("reply.started", {"reply_id": "r2"}), ("reply.error", {"message": "llm"}), ("reply.done", {})],
        DIGITAL_SILENCE,
    ],
    ids=["none", "empty", "error", "silence"],
)
def test_an_answer_without_a_sound_is_asked_for_once_and_then_given_up(listening, answer):
    asked(listening)
    for kind, fields in answer:
        at(listening, 0.1, kind, **fields)
    assert listening.wake_at == 2.5
    fault, *messages = listening.tick(2.5)
    assert (fault.code, fault.fatal) == ("silent", False)
    assert sent(messages) == [{"type": "reply.create", "instructions": NUDGE}]
    for kind, fields in answer:
        at(listening, 2.6, kind, **fields)
    (given_up,) = listening.tick(5.0)
    assert (given_up.code, given_up.fatal, given_up.passing) == ("silent", True, True)


def test_an_answer_that_is_a_text_alone_is_asked_for_word_by_word(listening):
    asked(listening)
    at(listening, 0.1, "reply.started", reply_id="r2")
    at(listening, 0.1, "transcript.agent", text="Yes, until six.")
    at(listening, 0.1, "reply.done")
    _, *messages = listening.tick(2.5)
    assert sent(messages) == [{"type": "reply.create", "instructions": ALOUD.format("Yes, until six.")}]


def test_a_wait_that_is_too_long_is_for_another_session_or_model(listening):
    asked(listening)
    (fault,) = at(listening, 0.1, "reply.error", message="Rate limited. Please try again in 20s.")
    assert (fault.fatal, fault.passing) == (True, True)


def test_a_turn_that_is_to_be_ignored_is_owed_no_answer(listening):
    asked(listening)
    assert listening.encode(c.IgnoreTurn("i1"), 0.1) == ()
    assert listening.wake_at == math.inf


def test_what_was_asked_for_before_such_a_turn_still_is(listening):
    listening.encode(c.RequestReply("Greet."), 0.0)
    at(listening, 0.5, "input.speech.started")
    at(listening, 1.0, "input.speech.stopped")
    at(listening, 1.0, "transcript.user", item_id="i1", text="Uh-huh.")
    listening.encode(c.IgnoreTurn("i1"), 1.0)
    assert listening.wake_at == 3.5


def test_an_answer_that_can_be_heard_settles_it(listening):
    asked(listening)
    at(listening, 0.1, "reply.started", reply_id="r2")
    assert listening.reply_audio(json.dumps({"type": "reply.audio", "data": LOUD})) is None  # it is looked at first
    at(listening, 0.2, "reply.audio", data=LOUD)
    assert listening.reply_audio(json.dumps({"type": "reply.audio", "data": SILENCE})) == ("r2", SILENCE)
    at(listening, 0.3, "reply.done")
    assert listening.wake_at == math.inf


def test_a_reply_that_is_long_in_the_making_is_waited_for(listening):
    asked(listening)
    at(listening, 0.1, "reply.started", reply_id="r2")
    assert listening.tick(8.0) == []
    assert sent(listening.tick(8.1)) == [{"type": "reply.create", "instructions": NUDGE}]


def test_a_noise_is_owed_no_answer_but_takes_none_away(listening):
    at(listening, 0, "input.speech.started")
    at(listening, 1, "input.speech.stopped")
    assert listening.wake_at == math.inf
    asked(listening, 2)
    at(listening, 3, "input.speech.started")
    assert listening.wake_at == math.inf
    at(listening, 4, "input.speech.stopped")
    assert sent(listening.tick(6.5)) == [{"type": "reply.create", "instructions": NUDGE}]


def test_a_greeting_that_does_not_come_is_asked_for_to_the_letter(ready):
    assert sent(ready.tick(2.5)) == [
        {"type": "reply.create", "instructions": "Say exactly this and nothing else: Hello"},
    ]


def test_a_tool_is_an_answer_and_its_result_owes_another(listening):
    asked(listening)
    at(listening, 0.1, "tool.call", call_id="t1", name="roll", arguments={})
    assert listening.wake_at == math.inf
    listening.encode(c.SendToolResult("t1", "4"), 1.0)
    assert listening.wake_at == 1.0 + 2.0 + 2.5


def test_a_wait_that_is_asked_for_is_kept(listening):
    asked(listening)
    at(listening, 0.1, "reply.started", reply_id="r2")
    at(listening, 0.2, "reply.error", code="llm_provider_error", message="Please try again in 4.2s")
    at(listening, 0.2, "reply.done")
    assert listening.wake_at == pytest.approx(4.4)


# Sessions that are lost


def test_a_good_session_that_is_lost_is_taken_up_and_not_told_goodbye(ready):
    assert list(ready.explain_close(None, "", 10.0)) == [c.SessionExpiring(0.0, READY["session_id"])]
    assert ready.goodbye() is None
    (message,) = VoiceAgentSession(persona(), (), (c.Said("agent", "Hello"),), READY["session_id"]).opening()
    assert json.loads(message) == {"type": "session.resume", "session_id": READY["session_id"]}


def test_a_young_session_that_is_lost_has_failed(ready):
    assert list(ready.explain_close(None, "", 9.9)) == []
    assert ready.goodbye() is not None


def test_a_session_that_was_ended_in_words_is_not_taken_up(ready):
    at(ready, 20, "session.ended", session_duration_seconds=20.0)
    assert list(ready.explain_close(1000, "", 20.0)) == []


def test_what_a_session_that_is_taken_up_tells_once_more_is_known():
    history = (c.Said("caller", "I am Ann."), c.Said("agent", "Hello Ann."))
    session = VoiceAgentSession(persona(), history=history, resume_with="sess_0")
    at(session, 0, "session.ready", session_id="sess_0")
    assert at(session, 0.1, "transcript.user.delta", item_id="i1", text="I am") == []
    assert at(session, 0.1, "transcript.user", item_id="i1", text="I am Ann.") == []
    assert at(session, 0.1, "transcript.agent", reply_id="r1", text="Hello Ann.") == []
    assert session.wake_at == math.inf  # nothing is owed for it
    (new,) = at(session, 0.2, "transcript.user", item_id="i2", text="And you?")
    assert new.text == "And you?"
    at(session, 5, "input.speech.started")
    assert at(session, 6, "transcript.user", item_id="i3", text="I am Ann.") != []


@pytest.mark.parametrize("code", ["session_not_found", "session_expired", "session_forbidden"])
def test_a_session_that_cannot_be_taken_up_is_begun_anew(code):
    session = VoiceAgentSession(persona(), resume_with="sess_0")
    assert at(session, 0, "session.error", code=code) == [c.SessionExpiring(0.0)]
    assert list(session.explain_close(1008, code, 0.1)) == [c.SessionExpiring(0.0)]


@pytest.mark.parametrize("code", ["internal_error", "server_error", "at_capacity", "session_expired"])
def test_trouble_of_the_servers_own_is_no_end_of_a_good_session(ready, code):
    assert at(ready, 10.0, "session.error", code=code) == [c.SessionExpiring(0.0)]


@pytest.mark.parametrize("code", ["unauthorized", "forbidden", "agent_not_found"])
def test_a_refusal_that_names_its_cause_is_the_end(ready, code):
    (fault,) = at(ready, 100.0, "session.error", code=code)
    assert fault.fatal


def test_the_longest_session_is_left_in_time():
    session = VoiceAgentSession(persona(greeting=None), started_at=1_000.0)
    at(session, 0, READY["type"], session_id="s", config=READY["config"], expires_at=4_600.0)
    assert session.wake_at == 3_540.0
    assert session.tick(3_540.0) == [c.SessionExpiring(60.0)]


# Replies that may not be interrupted


def test_a_greeting_that_may_not_be_interrupted_is_said_to_its_end():
    session = VoiceAgentSession(persona(greeting_interruptible=False))
    (opening,) = session.opening()
    assert json.loads(opening)["session"]["input"]["turn_detection"] == {"interrupt_response": False}
    at(session, 0, READY["type"], session_id="s", config=READY["config"])
    at(session, 1, "reply.started", reply_id="r1")
    at(session, 1, "reply.audio", data=LOUD)
    (again,) = sent(at(session, 3, "reply.done"))
    assert again["session"] == {"input": {"turn_detection": {"interrupt_response": True}}}
    at(session, 4, "reply.started", reply_id="r2")
    at(session, 4, "reply.audio", data=LOUD)
    assert sent(at(session, 5, "reply.done")) == []


@pytest.mark.parametrize("on", [True, False])
def test_any_reply_may_be_protected(ready, on):
    (message,) = ready.encode(c.ProtectReply(on), 0.0)
    assert json.loads(message)["session"] == {"input": {"turn_detection": {"interrupt_response": not on}}}


def test_the_rest_of_an_answer_that_fails_half_way_is_asked_for_twice_in_a_row_and_then_something_else(listening):
    asked(listening)
    for words in (REST, REST, OTHERWISE, None):
        at(listening, 0.1, "reply.started", reply_id="r2")
        at(listening, 0.2, "reply.audio", data=LOUD)
        _, *events = at(listening, 0.3, "reply.done", status="failed")
        messages = [event for event in events if isinstance(event, c.Outgoing)]
        assert sent(messages) == ([{"type": "reply.create", "instructions": words}] if words else [])
    assert [event.fatal for event in events] == [True]


@pytest.mark.parametrize("between", ["a whole answer", "a tool"])
def test_an_answer_behind_a_whole_one_or_a_tool_has_a_rest_of_its_own(listening, between):
    asked(listening)
    for _ in range(4):
        at(listening, 0.1, "reply.started", reply_id="r2")
        at(listening, 0.2, "reply.audio", data=LOUD)
        assert len(sent(at(listening, 0.3, "reply.done", status="failed")[1:])) == 1
        if between == "a tool":
            at(listening, 0.4, "tool.call", call_id="t1", name="look_up", arguments={})
        else:
            at(listening, 0.4, "reply.started", reply_id="r3")
            at(listening, 0.5, "reply.audio", data=LOUD)
            at(listening, 0.6, "reply.done")


def test_a_turn_whose_text_comes_before_its_end_is_owed_an_answer(listening):
    at(listening, 1.0, "input.speech.started")
    at(listening, 1.5, "transcript.user", item_id="i1", text="Are you open?")
    at(listening, 2.0, "input.speech.stopped")
    assert listening.wake_at == 4.5
    assert sent(listening.tick(4.5)[1:]) == [{"type": "reply.create", "instructions": NUDGE}]


@pytest.mark.parametrize("words", ["", "[noise]", "...", "Hello?"])
def test_what_was_asked_for_and_not_heard_is_asked_for_again_unless_the_caller_has_said_something(listening, words):
    listening.encode(c.RequestReply("Say that we close."), 1.0)
    at(listening, 1.5, "input.speech.started")
    at(listening, 2.0, "input.speech.stopped")
    at(listening, 2.0, "transcript.user", item_id="i1", text=words)
    (again,) = sent(listening.tick(4.6)[1:])
    assert again["instructions"] == (NUDGE if words == "Hello?" else "Say that we close.")
