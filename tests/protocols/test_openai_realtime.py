"""OpenAI's Realtime protocol: what we say, and what we make of what we hear."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.errors import LocalProtocolError
from trio_voice.events import model as c
from trio_voice.persona import Persona, ToolSchema, TurnDetection
from trio_voice.protocols.expiry import EXPIRING_SECONDS
from trio_voice.protocols.json_messages import MAX_ID
from trio_voice.protocols.openai_realtime import OpenAIRealtimeSession
from trio_voice.protocols.openai_realtime.caller_events import KEPT_TRANSCRIPTIONS
from trio_voice.protocols.openai_realtime.dialects import DIALECTS, OpenAIRealtimeSettings
from trio_voice.protocols.openai_realtime.floor import REPLY_SECONDS
from trio_voice.protocols.openai_realtime.responses import KEPT_RESPONSES, MAX_ARGUMENTS, MAX_CALLS, MAX_ITEMS
from trio_voice.protocols.openai_realtime.tools import MAX_RUNNING
from trio_voice.protocols.openai_realtime.turns import KEEP_SECONDS, MAX_KEPT
from trio_voice.protocols.unanswered import ALOUD, NUDGE, OTHERWISE, REST

CREATED = {"type": "session.created", "session": {"type": "realtime", "id": "sess_1", "expires_at": 1_790_003_600}}
STARTED_AT = 1_790_000_000.0
UPDATED = {
    "type": "session.updated",
    "session": {
        "type": "realtime",
        "id": "sess_1",
        "audio": {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcmu"}}},
    },
}
READY = c.ModelReady("sess_1", {"audio.input.format.type": "audio/pcmu", "audio.output.format.type": "audio/pcmu"})
ROLL = ToolSchema(name="roll", description="Rolls.", parameters={"type": "object", "properties": {}})
CREATE = {"type": "response.create"}


def persona(**more):
    return Persona(**{"name": "p", "model": "m", "voice": "marin", "prompt": "Be brief.", "greeting": "Hello"} | more)


def settings(**more):
    url = {"url": "wss://127.0.0.1/v1/realtime"} if more.get("dialect") == "beta" else {}
    return OpenAIRealtimeSettings(**{"name": "desk", "kind": "openai-realtime"} | url | more)


def make(dialect="ga", *, tools=(), history=(), **more):
    return OpenAIRealtimeSession(settings(dialect=dialect), persona(**more), tools, history, STARTED_AT)


class Talk:
    """A session and what it was told; what it wants sent is kept apart from its events."""

    def __init__(self, session):
        self.session = session
        self.now = 0.0
        self.sent = []

    def hear(self, kind, **fields):
        return self._sort(self.session.receive(json.dumps({"type": kind, **fields}), self.now))

    def tick(self):
        return self._sort(self.session.tick(self.now))

    def do(self, command):
        self.sent += [json.loads(message) for message in self.session.encode(command, self.now)]

    def _sort(self, meanings):
        self.sent += [json.loads(meaning.message) for meaning in meanings if isinstance(meaning, c.Outgoing)]
        return [meaning for meaning in meanings if not isinstance(meaning, c.Outgoing)]

    def take(self):
        """Messages that were sent since last asked, without the ids that only we give."""
        sent, self.sent = self.sent, []
        return [{key: value for key, value in message.items() if key != "event_id"} for message in sent]

    # What a server says

    def begin(self, response_id="r1"):
        return self.hear("response.created", response={"id": response_id, "status": "in_progress"})

    def audio(self, ms, response_id="r1", item_id="i1"):
        delta = base64.b64encode(b"\x2a" * round(ms * 8)).decode()
        fields = {"item_id": item_id, "output_index": 0, "content_index": 0, "delta": delta}
        return self.hear("response.output_audio.delta", response_id=response_id, **fields)

    def call(self, call_id="c1", arguments="{}", response_id="r1", status="completed", name="roll"):
        item = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, "status": status}
        return self.hear("response.output_item.done", response_id=response_id, item={"id": f"item_{call_id}", **item})

    def done(self, response_id="r1", status="completed", **more):
        return self.hear("response.done", response={"id": response_id, "status": status, **more})

    def refuse(self, code="conversation_already_has_active_response", event_id=None, message=""):
        error = {"type": "invalid_request_error", "code": code, "message": message, "event_id": event_id}
        return self.hear("error", error=error)


@pytest.fixture
def fresh():
    return Talk(make(tools=(ROLL,)))


@pytest.fixture
def talk(fresh):
    fresh.hear(**CREATED_FIELDS)
    assert fresh.hear(**UPDATED_FIELDS) == [READY]
    return fresh


CREATED_FIELDS = {"kind": CREATED["type"], "session": CREATED["session"]}
UPDATED_FIELDS = {"kind": UPDATED["type"], "session": UPDATED["session"]}


def ready(dialect, **more):
    talk = Talk(make(dialect, **more))
    talk.hear(**CREATED_FIELDS)
    talk.hear("session.updated", session={})
    return talk


def output(call_id, result):
    item = {"type": "function_call_output", "call_id": call_id, "output": result}
    return {"type": "conversation.item.create", "item": item}


# The opening


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


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"code": "invalid_api_key", "message": "Incorrect API key"}, "check OPENAI_API_KEY"),
        ({"type": "invalid_request_error", "code": "invalid_model"}, "models.desk.model"),
        ({"type": "beta_api_shape_disabled", "code": None}, "models.desk.dialect"),
        ({"code": "something_new", "message": "no"}, "check OPENAI_API_KEY and models.desk.model: no"),
        ({}, "check OPENAI_API_KEY and models.desk.model"),
    ],
)
def test_an_error_in_place_of_a_session_says_what_to_check(fresh, error, words):
    (fault,) = fresh.hear("error", error=error)
    assert fault.fatal
    assert words in fault.message


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ("session.audio.output.voice", "the voice 'marin' of persona 'p'"),
        ("session.audio.input.transcription.model", "models.desk.transcription_model"),
        ("session.audio.input.noise_reduction.type", "models.desk.noise_reduction"),
        ("session.audio.input.turn_detection.threshold", "turn_detection of persona 'p'"),
        ("session.tools[0].parameters", "the tools of persona 'p'"),
        ("session.type", "models.desk.dialect"),
        (None, "OpenAI complained"),
    ],
)
def test_a_setting_that_is_refused_names_our_key(fresh, param, words):
    fresh.hear(**CREATED_FIELDS)
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": "Supported are x.", "param": param}
    (fault,) = fresh.hear("error", error=error)
    assert fault.fatal
    assert words in fault.message
    assert fault.message.endswith("Supported are x.")


FATAL = (
    *("insufficient_quota", "credit_balance_exhausted", "account_deactivated", "billing_hard_limit_reached"),
    "invalid_api_key",
)


@pytest.mark.parametrize("code", FATAL)
def test_errors_that_end_a_session_at_any_time(talk, code):
    assert talk.refuse(code)[0].fatal
    (fault,) = talk.hear("error", error={"type": code, "message": "x"})
    assert fault.fatal


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("response_cancel_not_active", ""),
        ("conversation_already_has_active_response", ""),
        ("input_audio_buffer_commit_empty", ""),
        ("item_create_duplicate_item_id", ""),
        ("invalid_value", "Audio content of 2400ms is already shorter than 2500ms"),
        (None, "Cannot truncate an item that is gone"),
        (None, "There is no active response to cancel"),
    ],
)
def test_benign_errors_are_none(talk, code, message):
    assert talk.refuse(code, message=message) == []


def test_other_errors_leave_the_session_open(talk):
    (fault,) = talk.refuse("rate_limit_exceeded", message="Slow down")
    assert fault == c.ModelFault("rate_limit_exceeded", "OpenAI complained: Slow down", fatal=False)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (3000, "OpenAI refused the key: check OPENAI_API_KEY"),
        (4000, "OpenAI no longer speaks the beta dialect: set models.desk.dialect to 'ga'"),
        (1011, None),
        (None, None),
    ],
)
def test_a_socket_that_is_closed_in_place_of_a_session_says_what_to_check(fresh, code, words):
    faults = fresh.session.explain_close(code, "", 0.0)
    assert [(fault.message, fault.fatal) for fault in faults] == ([(words, True)] if words else [])


@pytest.mark.parametrize("code", [None, 1000, 1006, 1011, 1012])
def test_a_good_session_whose_socket_is_lost_is_followed_by_another(talk, code):
    assert talk.session.explain_close(code, "", 9.9) == []
    assert talk.session.explain_close(code, "", 10.0) == [c.SessionExpiring(0.0)]


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


# A turn


def test_a_whole_turn(talk):
    turn = [
        ({"kind": "input_audio_buffer.speech_started", "item_id": "u"}, [c.CallerSpeechStarted(item_id="u")]),
        ({"kind": "input_audio_buffer.speech_stopped", "item_id": "u"}, [c.CallerSpeechStopped()]),
        ({"kind": "response.created", "response": {"id": "r"}}, [c.ReplyStarted("r")]),
        (
            {"kind": "conversation.item.input_audio_transcription.delta", "item_id": "u", "delta": "Are "},
            [c.CallerTranscript("u", "Are ", final=False)],
        ),
        (
            {"kind": "conversation.item.input_audio_transcription.delta", "item_id": "u", "delta": "you"},
            [c.CallerTranscript("u", "Are you", final=False)],
        ),
        (
            {
                "kind": "conversation.item.input_audio_transcription.completed",
                "item_id": "u",
                "transcript": "Are you?",
                "usage": {"type": "duration", "seconds": 2},
            },
            [c.CallerTranscript("u", "Are you?", final=True), c.Usage({"audio_seconds": 2})],
        ),
        ({"kind": "response.output_audio_transcript.delta", "response_id": "r", "delta": "Y"}, [words("r", "Y")]),
        ({"kind": "response.output_audio.delta", "response_id": "r", "delta": "AAAA"}, [c.ReplyAudio("r", "AAAA")]),
        (
            {"kind": "response.output_audio_transcript.done", "response_id": "r", "item_id": "i", "transcript": "Yes"},
            [c.ReplyTranscript("r", "Yes", interrupted=False)],
        ),
        (
            {"kind": "response.done", "response": {"id": "r", "status": "completed"}},
            [c.ReplyDone("r", interrupted=False)],
        ),
    ]
    for event, meaning in turn:
        assert talk.hear(**event) == meaning
    assert talk.take() == []


def words(reply_id, text):
    return c.ReplyWords(reply_id, text, None)


def test_the_names_of_the_beta_are_understood():
    talk = ready("beta")
    talk.begin("r")
    assert talk.hear("response.audio.delta", response_id="r", item_id="i", delta="AAAA") == [c.ReplyAudio("r", "AAAA")]
    assert talk.hear("response.audio_transcript.delta", response_id="r", delta="Y") == [words("r", "Y")]
    assert talk.hear("response.audio_transcript.done", response_id="r", item_id="i", transcript="Yes") == [
        c.ReplyTranscript("r", "Yes", interrupted=False)
    ]


def test_xai_begins_a_conversation_and_transcribes_cumulatively():
    talk = Talk(make("xai"))
    assert talk.hear("conversation.created", conversation={"id": "conv_1"}) == []
    assert talk.hear("session.updated", session={"id": "s"}) == [c.ModelReady("s")]
    said = {"item_id": "u", "transcript": "Are you"}
    assert talk.hear("conversation.item.input_audio_transcription.updated", **said) == [
        c.CallerTranscript("u", "Are you", final=False)
    ]
    assert talk.hear("ping", timestamp=1) == []


def test_the_text_of_a_reply_is_that_of_all_its_items(talk):
    talk.begin()
    for item, text in (("i1", "One moment."), ("i2", "It is seven.")):
        done = talk.hear("response.output_audio_transcript.done", response_id="r1", item_id=item, transcript=text)
    assert done == [c.ReplyTranscript("r1", "One moment. It is seven.", interrupted=False)]


def test_sound_without_a_response_of_its_own_is_a_reply_all_the_same(talk):
    assert talk.hear("response.output_audio.delta", delta="AAAA") == [
        c.ReplyStarted("response 1"),
        c.ReplyAudio("response 1", "AAAA"),
    ]
    assert talk.hear("response.done", response={}) == [c.ReplyDone("response 1", interrupted=False)]


# Interruptions


def truncations(talk):
    return [(m["item_id"], m["audio_end_ms"]) for m in talk.take() if m["type"] == "conversation.item.truncate"]


def test_a_reply_is_truncated_at_what_was_heard_also_after_its_end(talk):
    talk.begin()
    talk.audio(1000)
    talk.do(c.TruncateReply("r1", 312.7))
    assert talk.take() == [
        {"type": "response.cancel", "response_id": "r1"},
        {"type": "conversation.item.truncate", "item_id": "i1", "content_index": 0, "audio_end_ms": 312},
    ]
    talk.done()
    talk.do(c.TruncateReply("r1", 0))
    assert truncations(talk) == [("i1", 0)]


def test_each_item_is_truncated_by_itself_and_never_beyond_what_was_received(talk):
    talk.begin()
    talk.audio(500, item_id="i1")
    talk.audio(300, item_id="i2")
    talk.audio(200, item_id="i3")
    for heard, cuts in (
        (499.5, [("i1", 499), ("i2", 0), ("i3", 0)]),
        (500, [("i2", 0), ("i3", 0)]),
        (600.2, [("i2", 100), ("i3", 0)]),
        (5_000, []),
        (-1, [("i1", 0), ("i2", 0), ("i3", 0)]),
    ):
        talk.do(c.TruncateReply("r1", heard))
        assert truncations(talk) == cuts
    talk.do(c.TruncateReply("unknown", 10))
    assert truncations(talk) == []


def test_nothing_is_cancelled_where_the_server_does_that_itself():
    talk = ready("xai")
    talk.begin()
    talk.audio(1000)
    talk.hear("input_audio_buffer.speech_started")
    talk.do(c.TruncateReply("r1", 100))
    cancelled = {"status": "cancelled", "status_details": {"type": "cancelled", "reason": "turn_detected"}}
    assert talk.done(**cancelled) == [c.ReplyDone("r1", interrupted=True)]
    assert [message["type"] for message in talk.take()] == ["conversation.item.truncate"]


# What is to be said, and when


def says(instructions):
    return {"type": "response.create", "response": {"instructions": f"Be brief.\n\n{instructions}"}}


def test_a_reply_is_asked_for_with_the_personas_own_manner(talk):
    talk.do(c.RequestReply("Greet."))
    assert talk.take() == [says("Greet.")]


def test_only_one_response_is_asked_for_at_a_time(talk):
    talk.do(c.RequestReply("One."))
    talk.do(c.RequestReply("Two."))
    assert talk.take() == [says("One.")]
    talk.begin("r1")
    talk.done("r1")
    assert talk.take() == [says("Two.")]


def test_what_is_asked_for_while_a_response_is_made_waits_for_its_end(talk):
    talk.begin()
    talk.do(c.RequestReply("Apologise."))
    assert talk.take() == []
    talk.done(status="cancelled")
    assert talk.take() == [says("Apologise.")]


def test_what_is_asked_for_while_the_caller_speaks_waits_for_the_answer_to_them(talk):
    talk.hear("input_audio_buffer.speech_started")
    talk.do(c.RequestReply("Apologise."))
    talk.hear("input_audio_buffer.speech_stopped")
    assert talk.take() == []
    talk.begin()
    talk.done()
    assert talk.take() == [says("Apologise.")]


@pytest.mark.parametrize(("event", "seconds"), [("speech_started", 15), ("speech_stopped", 2)])
def test_a_caller_does_not_keep_us_waiting_for_ever(talk, event, seconds):
    talk.hear(f"input_audio_buffer.{event}")
    talk.do(c.RequestReply("Apologise."))
    assert talk.session.wake_at == seconds
    talk.now = seconds - 0.01
    talk.tick()
    assert talk.take() == []
    talk.now = seconds
    talk.tick()
    assert talk.take() == [says("Apologise.")]


def test_a_refusal_because_of_another_response_is_no_loss(talk):
    """The server began its own just before ours came."""
    talk.do(c.RequestReply("Apologise."))
    event_id = talk.sent[0]["event_id"]
    talk.begin("theirs")
    talk.refuse(event_id=event_id)
    talk.take()
    talk.done("theirs")
    assert talk.take() == []  # not at once: the refusal may have been about another one still
    talk.now = talk.session.wake_at
    talk.tick()
    assert talk.take() == [says("Apologise.")]


def test_a_refusal_for_good_is_one(talk):
    talk.do(c.RequestReply("Apologise."))
    assert talk.refuse("invalid_value", event_id=talk.sent[0]["event_id"])[0].fatal is False
    talk.take()
    talk.now = 2.5
    talk.tick()
    assert talk.take() == [says(NUDGE)]  # another thing, since the caller hears nothing
    talk.now = 100
    (fault,) = talk.tick()
    assert (fault.code, fault.fatal) == ("silent", True)


@pytest.mark.parametrize("quotes", [True, False])
def test_a_truncation_that_is_refused_is_nothing_that_was_asked_for(talk, quotes):
    """Servers need not quote the message that they refuse; what was asked for is still awaited."""
    talk.begin("r1")
    talk.audio(1000)
    talk.done("r1")
    talk.do(c.RequestReply("Apologise."))
    talk.do(c.TruncateReply("r1", 100))
    truncate = talk.sent[-1]
    assert truncate["type"] == "conversation.item.truncate"
    words = "Audio content of 90ms is already shorter than 100ms"
    assert talk.refuse("invalid_value", event_id=truncate["event_id"] if quotes else None, message=words) == []
    talk.take()
    talk.do(c.RequestReply("And more."))
    assert talk.take() == []  # the first is not begun
    talk.begin("r2")
    talk.done("r2")
    assert talk.take() == [says("And more.")]


def test_a_response_that_never_ends_is_not_waited_for_for_ever(talk):
    talk.begin("r1")
    talk.now = 1
    talk.do(c.RequestReply("Apologise."))
    assert talk.session.wake_at == REPLY_SECONDS
    talk.now = REPLY_SECONDS - 0.1
    talk.tick()
    assert talk.take() == []
    talk.now = REPLY_SECONDS
    talk.tick()
    assert talk.take() == [says("Apologise.")]


def test_a_server_that_always_refuses_is_asked_five_times(talk):
    talk.do(c.RequestReply("Apologise."))
    for _ in range(20):
        talk.refuse()
        talk.now += 5
        talk.tick()
    assert len(talk.take()) == 5


def test_a_reply_that_is_never_begun_is_asked_for_once_more_and_given_up(talk):
    talk.do(c.RequestReply("One."))
    talk.take()
    talk.now = talk.session.wake_at
    assert talk.now == 2.5
    (fault,) = talk.tick()
    assert (fault.code, fault.fatal) == ("silent", False)
    assert talk.take() == [says("One.")]
    talk.now = talk.session.wake_at
    assert talk.now == 5
    (fault,) = talk.tick()
    assert (fault.code, fault.fatal, fault.passing) == ("silent", True, True)


def test_xai_says_to_the_letter_and_bills_it():
    talk = ready("xai")
    talk.do(c.SayExactly("Hello."))
    content = [{"type": "output_text", "text": "Hello."}]
    item = {"type": "force_message", "role": "assistant", "content": content}
    assert talk.take() == [{"type": "conversation.item.create", "item": item}]
    assert talk.begin() == [c.ReplyStarted("r1"), c.Usage({"text_items": 1})]
    assert talk.done() == [c.ReplyDone("r1", interrupted=False)]


def test_xai_bills_what_it_is_told_of_the_caller():
    talk = ready("xai", greeting="This call is recorded. How are you?")
    talk.do(c.RequestReply("They pressed 1.", kept=True))
    assert [message["type"] for message in talk.take()] == ["conversation.item.create", "response.create"]
    assert talk.begin() == [c.ReplyStarted("r1"), c.Usage({"text_items": 1})]
    talk.audio(1_000)
    talk.done()
    talk.do(c.TruncateReply("r1", 200))  # a note of the greeting's first sentence, which they did not hear whole
    assert "conversation.item.create" in [message["type"] for message in talk.take()]
    assert talk.begin("r2") == [c.ReplyStarted("r2"), c.Usage({"text_items": 1})]
    talk.do(c.RequestReply("Go on."))
    assert talk.done("r2") == [c.ReplyDone("r2", interrupted=False)]


@pytest.mark.parametrize("dialect", ["ga", "xai", "beta"])
def test_a_reply_that_is_to_be_heard_whole_takes_no_word_to_the_server(dialect):
    talk = ready(dialect)
    talk.begin()
    talk.audio(500)
    for on in (True, False):
        talk.do(c.ProtectReply(on))
    assert talk.take() == []


def test_a_response_that_failed_is_asked_for_once_more(talk):
    error = {"type": "server_error", "code": None, "message": "oops"}
    talk.begin("r1")
    done, fault = talk.done("r1", "failed", status_details={"type": "failed", "error": error})
    assert done == c.ReplyDone("r1", interrupted=False)
    assert (fault.fatal, fault.message) == (False, "OpenAI could not answer the caller: oops")
    assert talk.take() == []
    talk.now = talk.session.wake_at
    talk.tick()
    assert talk.take() == [CREATE]
    talk.begin("r2")
    _, fault = talk.done("r2", "failed", status_details={"type": "failed", "error": error})
    assert not fault.fatal  # a server's error may pass
    talk.begin("r3")
    _, fault = talk.done("r3", "failed", status_details={"type": "failed", "error": error})
    assert (fault.fatal, fault.passing) == (True, True)


def test_a_response_that_failed_for_another_cause_is_asked_for_once_more_only(talk):
    error = {"type": "invalid_request_error", "code": None, "message": "oops"}
    for number, fatal in enumerate((False, True)):
        talk.begin(f"r{number}")
        _, fault = talk.done(f"r{number}", "failed", status_details={"type": "failed", "error": error})
        assert fault.fatal is fatal


@pytest.mark.parametrize(
    ("message", "reset_seconds", "wait"),
    [
        ("Rate limit reached. Please try again in 2.4s.", None, 2.4),
        ("Rate limit reached. Please try again in 350ms.", 4, 0.35),
        ("Rate limit reached", 3.5, 3.5),
        ("Rate limit reached", None, 1.0),
    ],
)
def test_a_rate_limit_is_waited_for_as_the_server_tells(talk, message, reset_seconds, wait):
    talk.begin("r1")
    if reset_seconds is not None:
        limits = [{"name": "requests", "limit": 9, "remaining": 3, "reset_seconds": 60}]
        limits.append({"name": "tokens", "limit": 9, "remaining": 0, "reset_seconds": reset_seconds})
        assert talk.hear("rate_limits.updated", rate_limits=limits) == []
    error = {"type": "tokens", "code": "rate_limit_exceeded", "message": message}
    _, fault = talk.done("r1", "failed", status_details={"type": "failed", "error": error})
    assert not fault.fatal
    assert talk.session.wake_at == pytest.approx(wait)
    talk.now = talk.session.wake_at
    talk.tick()
    assert talk.take() == [CREATE]


def test_a_rate_limit_that_lasts_too_long_is_the_end(talk):
    talk.begin("r1")
    error = {"code": "rate_limit_exceeded", "message": "Please try again in 20s."}
    _, fault = talk.done("r1", "failed", status_details={"type": "failed", "error": error})
    assert (fault.fatal, fault.passing) == (True, True)


def test_a_greeting_that_failed_is_the_greeting_once_more(talk):
    talk.do(c.RequestReply("Greet."))
    talk.begin("r1")
    talk.done("r1", "failed")
    talk.take()
    talk.now = talk.session.wake_at
    talk.tick()
    assert talk.take() == [says("Greet.")]
    talk.begin("r2")
    talk.done("r2")
    talk.begin("r3")
    assert not talk.done("r3", "failed")[-1].fatal  # the one between was a success


def test_a_response_that_failed_is_not_asked_for_again_when_the_caller_goes_on(talk):
    talk.begin("r1")
    talk.done("r1", "failed")
    talk.begin("r2")
    talk.done("r2")
    talk.now = 50
    talk.tick()
    assert talk.take() == []


def test_a_response_that_failed_for_want_of_money_is_fatal_at_once(talk):
    talk.begin()
    fault = talk.done(status="failed", status_details={"error": {"type": "insufficient_quota"}})[-1]
    assert fault.fatal
    assert "OPENAI_API_KEY" in fault.message


def test_a_reply_that_was_broken_off_is_told(talk):
    talk.begin()
    details = {"type": "incomplete", "reason": "content_filter"}
    fault, done = talk.done(status="incomplete", status_details=details)
    assert (fault.fatal, fault.message) == (False, "OpenAI broke a reply off: content_filter")
    assert done == c.ReplyDone("r1", interrupted=False)


# Tools


def test_a_tool_is_run_when_its_response_is_whole_and_answered_with_one_response(talk):
    talk.begin()
    assert talk.call(arguments='{"max":6}') == []
    assert talk.done() == [c.ToolCalled("c1", "roll", {"max": 6}), c.ReplyDone("r1", interrupted=False)]
    talk.do(c.SendToolResult("c1", '{"n":4}'))
    assert talk.take() == [output("c1", '{"n":4}'), CREATE]


def test_all_calls_of_a_response_are_answered_before_it_is_followed_up(talk):
    talk.begin()
    talk.call("c1")
    talk.call("c2")
    assert len(talk.done()) == 3
    talk.do(c.SendToolResult("c2", "2"))
    assert talk.take() == [output("c2", "2")]
    talk.do(c.SendToolResult("c1", "1"))
    assert talk.take() == [output("c1", "1"), CREATE]


def test_a_result_that_comes_during_another_response_is_followed_up_after_it(talk):
    talk.begin("r1")
    talk.call()
    talk.done("r1")
    talk.begin("r2")  # the caller has gone on
    talk.do(c.SendToolResult("c1", "1"))
    assert talk.take() == [output("c1", "1")]
    talk.done("r2")
    assert talk.take() == [CREATE]


def echo(talk, call_id):
    kind = "conversation.item.added"
    talk.hear(kind, item={"type": "function_call_output", "call_id": call_id, "output": "1"})


@pytest.mark.parametrize("seen", [True, False])
def test_a_response_of_the_servers_own_that_has_seen_the_result_is_the_follow_up(talk, seen):
    talk.begin("r1")
    talk.call()
    talk.done("r1")
    talk.hear("input_audio_buffer.speech_started")
    talk.do(c.SendToolResult("c1", "1"))
    assert talk.take() == [output("c1", "1")]  # not into the caller's words
    talk.hear("input_audio_buffer.speech_stopped")
    if seen:
        echo(talk, "c1")
    talk.begin("r2")
    if not seen:
        echo(talk, "c1")
    talk.done("r2")
    assert talk.take() == ([] if seen else [CREATE])


@pytest.mark.parametrize("seen", [True, False])
def test_a_follow_up_that_was_refused_comes_later_unless_it_is_not_needed_any_more(talk, seen):
    talk.begin("r1")
    talk.call()
    talk.done("r1")
    talk.do(c.SendToolResult("c1", "1"))
    event_id = talk.sent[-1]["event_id"]
    if seen:
        echo(talk, "c1")
    talk.begin("r2")
    talk.audio(100, "r2")
    talk.refuse(event_id=event_id)
    talk.done("r2")
    talk.take()
    talk.now = 10
    talk.tick()
    assert talk.take() == ([] if seen else [CREATE])


def test_a_server_that_echoes_nothing_is_not_asked_for_ever(talk):
    talk.begin("r1")
    talk.call()
    talk.done("r1")
    talk.do(c.SendToolResult("c1", "1"))
    talk.begin("r2")
    talk.audio(100, "r2")
    talk.done("r2")
    talk.now = 100
    talk.tick()
    assert talk.take() == [output("c1", "1"), CREATE]


@pytest.mark.parametrize("status", ["incomplete", "in_progress"])
def test_a_call_that_was_cut_off_is_not_run(talk, status):
    talk.begin()
    talk.hear("input_audio_buffer.speech_started", item_id="i1")
    talk.call(arguments='{"max":', status=status)
    assert talk.done(status="cancelled") == [c.ReplyDone("r1", interrupted=True)]
    assert talk.take() == []


def test_a_whole_call_of_a_response_that_was_cut_off_is_not_run_and_the_model_knows(talk):
    talk.begin()
    talk.call()
    talk.hear("input_audio_buffer.speech_started", item_id="i1")
    assert talk.done(status="cancelled") == [c.ReplyDone("r1", interrupted=True)]
    (message,) = talk.take()
    assert "interrupted" in message["item"]["output"]


@pytest.mark.parametrize(
    "arguments", ["{", "7", 5, "[" * 100_000, ["{}"], "nothing at all", json.dumps({"x": "y" * MAX_ARGUMENTS})]
)
def test_broken_arguments_are_answered_and_not_run(talk, arguments):
    talk.begin()
    talk.call(arguments=arguments)
    assert talk.done() == [c.ReplyDone("r1", interrupted=False)]
    (answer, follow_up) = talk.take()
    assert "no JSON object" in answer["item"]["output"]
    assert follow_up == CREATE


@pytest.mark.parametrize("arguments", ["null", "", [], {}, None])
def test_arguments_that_mean_nothing_are_none(talk, arguments):
    talk.begin()
    talk.call(arguments=arguments)
    assert talk.done()[0] == c.ToolCalled("c1", "roll", {})


def test_arguments_that_are_an_object_and_no_text_of_one(talk):
    talk.begin()
    talk.call(arguments={"max": 6})
    assert talk.done()[0] == c.ToolCalled("c1", "roll", {"max": 6})


def test_broken_arguments_beside_good_ones(talk):
    talk.begin()
    talk.call("c1", arguments="{")
    talk.call("c2")
    assert talk.done()[0] == c.ToolCalled("c2", "roll", {})
    assert [message["item"]["call_id"] for message in talk.take()] == ["c1"]
    talk.do(c.SendToolResult("c2", "2"))
    assert talk.take() == [output("c2", "2"), CREATE]


def test_calls_that_stand_only_in_the_responses_output(talk):
    talk.begin()
    item = {"type": "function_call", "call_id": "c1", "name": "roll", "arguments": "{}"}
    assert talk.done(output=[item, "x", {"type": "message"}])[0] == c.ToolCalled("c1", "roll", {})


def test_an_id_that_comes_again_is_another_request(talk):
    for response_id, call_id in (("r1", "c1"), ("r2", "c1 1")):
        talk.begin(response_id)
        talk.call("c1", response_id=response_id)
        assert talk.done(response_id)[0] == c.ToolCalled(call_id, "roll", {})
    talk.do(c.SendToolResult("c1 1", "2"))
    assert talk.take() == [output("c1", "2"), CREATE]


def test_an_answer_that_nobody_asked_for_is_not_sent(talk):
    talk.do(c.SendToolResult("c9", "1"))
    assert talk.take() == []


# Usage

TOKENS = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 13,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 60, "audio_tokens": 4, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
METERS = {
    "text_in_tokens": 59,
    "cached_text_in_tokens": 60,
    "audio_in_tokens": 9,
    "cached_audio_in_tokens": 4,
    "text_out_tokens": 30,
    "audio_out_tokens": 91,
}


@pytest.mark.parametrize("status", ["completed", "cancelled", "failed"])
def test_tokens_are_told_by_what_they_cost(talk, status):
    talk.begin()
    assert c.Usage(METERS) in talk.done(status=status, usage=TOKENS)


@pytest.mark.parametrize(
    ("usage", "meters"),
    [
        ({"input_tokens": 100, "output_tokens": 20}, {"text_in_tokens": 100, "text_out_tokens": 20}),
        (
            {"input_token_details": {"text_tokens": 50, "audio_tokens": 40, "cached_tokens": 64}},
            {"cached_text_in_tokens": 50, "audio_in_tokens": 26, "cached_audio_in_tokens": 14},
        ),
        (
            {"input_token_details": {"audio_tokens": 4, "cached_tokens_details": {"audio_tokens": 9}}},
            {"cached_audio_in_tokens": 4},
        ),
        ({"input_tokens": -5, "output_tokens": True}, None),
        ({"input_token_details": []}, None),
        ("much", None),
        (None, None),
    ],
)
def test_what_is_told_of_tokens_may_be_less_or_nonsense(talk, usage, meters):
    talk.begin()
    told = [event for event in talk.done(usage=usage) if isinstance(event, c.Usage)]
    assert told == ([c.Usage(meters)] if meters else [])


def test_usage_may_stand_beside_the_response(talk):
    talk.begin()
    events = talk.hear("response.done", response={"id": "r1", "status": "completed"}, usage=TOKENS)
    assert c.Usage(METERS) in events


def test_tokens_are_not_told_where_something_else_is_billed():
    """They would be missed in the price table, and the cost would be unknown."""
    talk = ready("xai")
    talk.begin()
    assert talk.done(usage=TOKENS) == [c.ReplyDone("r1", interrupted=False)]
    usage = {"type": "duration", "seconds": 2}
    kind = "conversation.item.input_audio_transcription.completed"
    assert talk.hear(kind, item_id="u", transcript="Hi", usage=usage) == [c.CallerTranscript("u", "Hi", final=True)]


def test_a_transcription_by_tokens_is_told_in_seconds(talk):
    usage = {"type": "tokens", "input_tokens": 30, "output_tokens": 5, "input_token_details": {"audio_tokens": 25}}
    events = talk.hear(
        "conversation.item.input_audio_transcription.completed", item_id="u", transcript="Hi", usage=usage
    )
    assert events[1] == c.Usage({"audio_seconds": 2.5})


# The session's end


def test_a_session_that_is_about_to_expire_says_so_in_time(talk):
    assert talk.session.wake_at == 3_600 - EXPIRING_SECONDS
    talk.now = talk.session.wake_at
    assert talk.tick() == [c.SessionExpiring(EXPIRING_SECONDS)]
    assert talk.tick() == []
    assert talk.session.wake_at == float("inf")


@pytest.mark.parametrize(
    ("expires_at", "wake_at"),
    [
        (STARTED_AT + 20, 10),
        (STARTED_AT + 1_500, 1_440),
        (STARTED_AT - 1, 3_540),
        (STARTED_AT * 1_000, 3_540),
        (None, 3_540),
        ("soon", 3_540),
        (True, 3_540),
    ],
)
def test_the_end_of_a_session_is_the_servers_if_it_makes_sense(fresh, expires_at, wake_at):
    fresh.hear("session.created", session={"id": "s", "expires_at": expires_at})
    assert fresh.session.wake_at == wake_at


@pytest.mark.parametrize(("dialect", "minutes"), [("ga", 60), ("beta", 60), ("xai", 120)])
def test_each_dialect_has_its_cap(dialect, minutes):
    untold = Talk(make(dialect))
    untold.hear("session.updated", session={})
    assert untold.session.wake_at == minutes * 60 - EXPIRING_SECONDS
    assert untold.session.capabilities.session_seconds == minutes * 60


def test_a_session_that_expires_sooner_than_it_was_told_goes_on_in_another(talk):
    """At a gateway's own cap, say: first the error, then the close."""
    assert talk.refuse("session_expired", message="maximum duration of 25 minutes") == [c.SessionExpiring(0.0)]
    assert talk.session.explain_close(1001, "", 5.0) == [c.SessionExpiring(0.0)]
    for code in (1000, 1006, 1011, None):
        assert talk.session.explain_close(code, "", 5.0) == []


def test_a_session_that_expires_before_it_is_ready_is_no_session(fresh):
    (fault,) = fresh.hear("error", error={"code": "session_expired"})
    assert (fault.fatal, fault.message) == (True, "OpenAI's longest session time was reached")


def test_there_is_no_goodbye(talk):
    assert talk.session.goodbye() is None


# Bad input

GARBAGE = [
    b"\x00",
    "",
    "nonsense",
    "[]",
    "7",
    "{}",
    '{"type":[]}',
    '{"type":"response.output_audio.delta"}',
    '{"type":"response.output_audio.delta","delta":"a\\"b"}',
    "[" * 100_000,
    "\ud800",
]


@pytest.mark.parametrize("message", GARBAGE, ids=[f"{n} {text[:30]!a}" for n, text in enumerate(GARBAGE)])
def test_garbage_is_an_event_and_not_an_exception(talk, message):
    (event,) = talk.session.receive(message, 0.0)
    assert isinstance(event, c.Unrecognized)


LONG = "x" * (MAX_ID + 1)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("response.created", {"response": {"id": LONG}}),
        ("response.output_audio.delta", {"response_id": LONG, "delta": "AAAA"}),
        ("response.output_audio.delta", {"response_id": "r", "item_id": LONG, "delta": "AAAA"}),
        ("response.output_audio_transcript.done", {"response_id": "r", "item_id": LONG, "transcript": "x"}),
        ("conversation.item.input_audio_transcription.delta", {"item_id": LONG, "delta": "x"}),
        ("response.output_item.done", {"response_id": "r", "item": {"type": "function_call", "call_id": LONG}}),
        ("conversation.item.added", {"item": {"type": "function_call_output", "call_id": LONG}}),
    ],
)
def test_endless_ids_are_garbage_and_not_remembered(talk, kind, fields):
    (event,) = talk.hear(kind, **fields)
    assert event.garbage
    assert LONG not in talk.session._responses.kept.keys() | talk.session._caller_events._transcriptions.keys()
    assert not any(response.received_ms or response.calls for response in talk.session._responses.kept.values())


def test_unknown_events_are_events(talk):
    assert talk.hear("future.event", x=1) == [c.Unrecognized("an event of type 'future.event'")]


def test_floods_of_ids_are_forgotten(talk):
    for n in range(200):
        talk.begin(f"r{n}")
        talk.audio(20, f"r{n}", f"i{n}")
        talk.hear("conversation.item.input_audio_transcription.delta", item_id=f"u{n}", delta="x" * 1_000)
        talk.audio(20, "r199", f"i{n}")
        talk.call(f"c{n}", response_id="r199")
        talk.do(c.RequestReply(f"{n}"))
    session = talk.session
    assert len(session._responses.kept) == KEPT_RESPONSES
    assert len(session._caller_events._transcriptions) == KEPT_TRANSCRIPTIONS
    assert len(session._responses.kept["r199"].received_ms) <= MAX_ITEMS
    assert len(session._responses.kept["r199"].calls) <= MAX_CALLS
    for n in range(20):
        talk.call(f"d{n}", response_id=f"x{n}")
        talk.done(f"x{n}", output=[{"type": "function_call", "call_id": f"{n}.{m}", "name": "r"} for m in range(99)])
    assert len(session._calls) <= MAX_RUNNING
    assert len(session._floor._waiting) <= 8
    assert len(session._floor._results) <= 64


KINDS = sorted(OpenAIRealtimeSession._readers)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda kids: st.lists(kids, max_size=2) | st.dictionaries(st.text(), kids, max_size=2),
    max_leaves=3,
)
NAMES = st.sampled_from(
    ["session", "response", "error", "item", "usage", "id", "status", "code", "message", "param", "response_id",
     "delta", "transcript", "item_id", "call_id", "name", "arguments", "output", "status_details", "type", "expires_at",
     "audio", "input_token_details", "event_id"]
)  # fmt: skip
IDS = st.sampled_from(["r1", "r2", "i1", "c1", "function_call", "completed", "cancelled", "failed", "ask_1", "AAAA"])
FIELDS = st.dictionaries(NAMES, st.one_of(IDS, JSON, st.dictionaries(NAMES, IDS | JSON, max_size=3)), max_size=4)
COMMANDS = st.sampled_from(
    [c.RequestReply("x"), c.SayExactly("y"), c.TruncateReply("r1", 5.0), c.SendToolResult("c1", "{}")]
)

STEPS = st.tuples(st.sampled_from([*KINDS, "x"]), FIELDS) | COMMANDS


@given(st.sampled_from(sorted(DIALECTS)), st.lists(STEPS, max_size=8))
def test_any_fields_of_any_type_in_any_order_are_events(dialect, steps):
    session = make(dialect)
    for number, step in enumerate(steps):
        if not isinstance(step, tuple):
            session.encode(step, number)
            continue
        kind, fields = step
        meanings = [*session.receive(json.dumps(fields | {"type": kind}), number), *session.tick(number)]
        assert session.wake_at > number
        for event in meanings:
            assert isinstance(event, c.ModelEvent | c.Outgoing)
            texts = [getattr(event, name, "") for name in ("reply_id", "text", "item_id", "payload", "message", "code")]
            assert all(isinstance(text, str) for text in texts)


@given(st.one_of(st.text(), st.binary()))
def test_anything_at_all_is_events(message):
    make().receive(message, 0.0)


SOUND = {
    "type": st.sampled_from(["response.output_audio.delta", "response.audio.delta", "response.done"]) | JSON,
    "response_id": st.sampled_from(["r1", "r2", ""]) | JSON,
    "item_id": st.sampled_from(["i1", "i2", "i" * MAX_ID, "i" * (MAX_ID + 1)]) | JSON,
    "delta": st.sampled_from(["", "////", "///=", "//", "a\nb="]) | JSON,
}


@given(st.lists(st.fixed_dictionaries({}, optional=SOUND), max_size=4))
def test_sound_that_is_told_apart_is_what_would_have_been_received(events):
    told, telling = Talk(make()), Talk(make())
    for each in told, telling:
        each.hear(**CREATED_FIELDS)
        each.hear(**UPDATED_FIELDS)
        each.begin("r1")
    for event in events:
        message = json.dumps(event)
        meant = told.session.receive(message, 0.0)
        found = telling.session.reply_audio(message)
        if found is None:
            assert telling.session.receive(message, 0.0) == meant
        else:
            assert meant == [c.ReplyAudio(*found)]
    heard = [
        {name: each.received_ms for name, each in talk.session._responses.kept.items()} for talk in (told, telling)
    ]
    assert heard[0] == heard[1]


def test_sound_of_a_known_response_is_told_apart(talk):
    talk.begin()
    message = {"type": "response.output_audio.delta", "response_id": "r1", "item_id": "i1", "delta": "////"}
    assert talk.session.reply_audio(json.dumps(message)) is None  # until something of it can be heard
    talk.audio(20)
    assert talk.session.reply_audio(json.dumps(message)) == ("r1", "////")
    assert talk.session.reply_audio(json.dumps(message | {"response_id": "r2"})) is None
    assert talk.session.reply_audio(json.dumps(message).encode()) is None


# Answers that nobody hears


def spoke(talk, item_id="u1", text="Are you open?", at=0.0):
    """The caller has asked something."""
    talk.now = at
    talk.hear("input_audio_buffer.speech_started", item_id=item_id)
    talk.hear("input_audio_buffer.speech_stopped", item_id=item_id)
    talk.hear("input_audio_buffer.committed", item_id=item_id)
    return written(talk, item_id, text)


def written(talk, item_id="u1", text="Are you open?"):
    kind = "conversation.item.input_audio_transcription.completed"
    return talk.hear(kind, item_id=item_id, transcript=text) if text is not None else []


def in_writing(talk, response_id):
    fields = {"response_id": response_id, "item_id": f"i{response_id}", "text": "At nine."}
    assert talk.hear("response.output_text.done", **fields) == []
    told, _ = talk.done(response_id)
    assert told == c.ReplyTranscript(response_id, "At nine.", interrupted=False)


def digital_silence(talk, response_id):
    delta = base64.b64encode(b"\xff" * 800).decode()
    talk.hear("response.output_audio.delta", response_id=response_id, item_id=f"i{response_id}", delta=delta)
    done = {"response_id": response_id, "item_id": f"i{response_id}", "transcript": "At nine."}
    talk.hear("response.output_audio_transcript.done", **done)
    talk.done(response_id)


def empty(talk, response_id):
    talk.done(response_id)


def filtered(talk, response_id):
    talk.done(response_id, "incomplete", status_details={"reason": "content_filter"})


ALOUD_AT_NINE = ALOUD.format("At nine.")


@pytest.mark.parametrize(
    ("answer", "asked"),
    [(None, NUDGE), (empty, NUDGE), (filtered, NUDGE), (in_writing, ALOUD_AT_NINE), (digital_silence, ALOUD_AT_NINE)],
)
@pytest.mark.parametrize("dialect", ["ga", "xai", "beta"])
def test_an_answer_without_a_sound_is_asked_for_once_and_then_given_up(dialect, answer, asked):
    talk = ready(dialect)
    spoke(talk)
    if answer is not None:
        talk.now = 0.3
        talk.begin("r1")
        answer(talk, "r1")
    talk.take()
    talk.now = talk.session.wake_at
    if talk.now < 2.5:
        assert talk.tick() == []
        talk.now = talk.session.wake_at
    assert talk.now == 2.5
    (fault,) = talk.tick()
    assert (fault.code, fault.fatal) == ("silent", False)
    assert talk.take() == [says(asked)]
    if answer is not None:
        talk.begin("r2")
        answer(talk, "r2")
    talk.now = 5
    (given_up,) = [event for event in talk.tick() if isinstance(event, c.ModelFault)]
    assert (given_up.code, given_up.fatal, given_up.passing) == ("silent", True, True)


def test_a_turn_is_not_answered_by_what_was_asked_for_before_it(talk):
    talk.do(c.RequestReply("Greet."))
    talk.begin("r1")
    talk.audio(100)
    talk.done("r1")
    talk.take()
    spoke(talk)
    talk.now = 2.5
    talk.tick()
    assert talk.take() == [says(NUDGE)]


def test_an_answer_that_can_be_heard_is_one(talk):
    spoke(talk)
    talk.begin("r1")
    talk.audio(100)
    talk.done("r1")
    talk.now = 100
    assert talk.tick() == []


def test_a_response_that_hangs_is_broken_off_and_asked_for_again(talk):
    spoke(talk)
    talk.begin("r1")
    talk.take()
    talk.now = 7.9
    assert talk.tick() == []
    talk.now = 8
    talk.tick()
    assert talk.take() == [{"type": "response.cancel", "response_id": "r1"}, says(NUDGE)]


def test_a_greeting_in_writing_is_asked_for_aloud(talk):
    talk.do(c.RequestReply("Greet."))
    talk.take()
    talk.begin("r1")
    in_writing(talk, "r1")
    talk.now = 2.5
    talk.tick()
    assert talk.take() == [says(ALOUD_AT_NINE)]


def test_an_empty_greeting_is_asked_for_as_it_was(talk):
    talk.do(c.RequestReply("Greet."))
    talk.take()
    talk.begin("r1")
    talk.done("r1")
    talk.now = 2.5
    talk.tick()
    assert talk.take() == [says("Greet.")]


def test_a_noise_is_owed_no_answer_but_takes_none_away(talk):
    spoke(talk, text="")
    talk.begin("r1")
    talk.done("r1")
    talk.now = 9
    assert talk.tick() == []
    spoke(talk, "u2", at=10)
    talk.now = 11
    spoke(talk, "u3", "", at=11)
    talk.take()
    talk.now = 13.5
    talk.tick()
    assert talk.take() == [says(NUDGE)]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            {"message": "The audio is corrupt."},
            "OpenAI could not write down what the caller said: The audio is corrupt.",
        ),
        (None, "OpenAI could not write down what the caller said"),
    ],
)
def test_words_that_the_server_could_not_write_down_are_told_and_the_turn_is_answered(talk, error, words):
    talk.hear("input_audio_buffer.speech_started", item_id="u1")
    talk.hear("input_audio_buffer.speech_stopped", item_id="u1")
    kind = "conversation.item.input_audio_transcription"
    talk.hear(f"{kind}.delta", item_id="u1", delta="Are you")
    assert talk.hear(f"{kind}.failed", item_id="u1", error=error) == [
        c.ModelFault("transcription_failed", words, fatal=False)
    ]
    assert talk.hear(f"{kind}.delta", item_id="u1", delta="Open?") == [c.CallerTranscript("u1", "Open?", final=False)]
    assert talk.begin() == [c.ReplyStarted("r1")]


def test_a_server_that_says_only_that_a_turn_is_committed(talk):
    talk.hear("input_audio_buffer.speech_started", item_id="u1")
    assert talk.hear("input_audio_buffer.committed", item_id="u1") == [c.CallerSpeechStopped()]
    assert talk.hear("input_audio_buffer.committed", item_id="u1") == []


# Turns over the agent's words


@pytest.fixture
def speaking(talk):
    """Two seconds of a reply have come at once, and the caller makes a sound over them."""
    talk.begin("r1")
    talk.audio(2_000)
    talk.done("r1")
    talk.now = 1
    assert talk.hear("input_audio_buffer.speech_started", item_id="u1") == [c.CallerSpeechStarted(item_id="u1")]
    talk.now = 1.5
    talk.hear("input_audio_buffer.speech_stopped", item_id="u1")
    talk.now = 1.6
    assert talk.begin("r2") == []
    assert talk.audio(100, "r2", "i2") == []
    return talk


ANSWER = [c.ReplyStarted("r2"), c.ReplyAudio("r2", base64.b64encode(b"\x2a" * 800).decode())]


def test_what_the_server_makes_of_an_agreeing_word_is_not_heard(speaking):
    assert written(speaking, text="Uh-huh.") == [c.CallerTranscript("u1", "Uh-huh.", final=True)]
    speaking.do(c.IgnoreTurn("u1"))
    assert speaking.take() == [
        {"type": "response.cancel", "response_id": "r2"},
        {"type": "conversation.item.truncate", "item_id": "i2", "content_index": 0, "audio_end_ms": 0},
    ]
    assert speaking.tick() == []
    assert speaking.audio(100, "r2", "i2") == []
    assert speaking.done("r2", "cancelled") == []
    speaking.now = 60
    assert speaking.tick() == []
    assert speaking.take() == []


def test_another_turn_that_is_ignored_takes_nothing_away_from_this_one(speaking):
    for other in ("u0", ""):
        speaking.do(c.IgnoreTurn(other))
    assert speaking.take() == []
    written(speaking, text="What about Sunday?")
    assert speaking.tick() == ANSWER


def test_more_than_is_kept_is_heard_before_they_are_understood(speaking):
    for _ in range(MAX_KEPT - 2):
        speaking.audio(20, "r2", "i2")
    assert speaking.tick() == []
    assert speaking.audio(20, "r2", "i2") == []
    assert speaking.session.wake_at <= speaking.now
    assert len(speaking.tick()) == MAX_KEPT + 1


def test_what_the_server_makes_of_a_cough_is_not_heard(speaking):
    assert written(speaking, text="") == [c.CallerTranscript("u1", "", final=True)]
    assert [message["type"] for message in speaking.take()] == ["response.cancel", "conversation.item.truncate"]
    assert speaking.done("r2", "cancelled") == []
    speaking.now = 60
    assert speaking.tick() == []


def test_it_is_heard_as_soon_as_it_is_known_that_they_said_something(speaking):
    written(speaking, text="What about Sunday?")
    assert speaking.session.wake_at <= speaking.now
    assert speaking.tick() == ANSWER
    assert speaking.audio(100, "r2", "i2") == ANSWER[1:]


def test_it_is_heard_as_soon_as_words_have_the_floor(speaking):
    speaking.do(c.TruncateReply("r1", 1_000))
    assert speaking.tick() == ANSWER


def test_it_is_not_kept_for_long(speaking):
    speaking.now = 1.6 + KEEP_SECONDS - 0.01
    assert speaking.tick() == []
    speaking.now = speaking.session.wake_at
    assert speaking.now == pytest.approx(1.6 + KEEP_SECONDS)
    assert speaking.tick() == ANSWER
    written(speaking, text="Uh-huh.")
    speaking.do(c.IgnoreTurn("u1"))  # too late
    assert speaking.take() == []


def test_a_turn_that_is_ignored_before_its_response_begins_gets_none(talk):
    talk.begin("r1")
    talk.audio(2_000)
    talk.done("r1")
    spoke(talk, text="Uh-huh.", at=1)
    talk.do(c.IgnoreTurn("u1"))
    talk.take()
    assert talk.begin("r2") == []
    assert talk.take() == [{"type": "response.cancel", "response_id": "r2"}]
    assert talk.done("r2", "cancelled") == []
    spoke(talk, "u2", at=9)
    assert talk.begin("r3") == [c.ReplyStarted("r3")]


def test_nothing_is_kept_where_nobody_speaks_over_the_agent(talk):
    talk.begin("r1")
    talk.audio(500)
    talk.done("r1")
    talk.now = 1
    talk.hear("input_audio_buffer.speech_started", item_id="u1")
    talk.hear("input_audio_buffer.speech_stopped", item_id="u1")
    assert talk.begin("r2") == [c.ReplyStarted("r2")]


def test_nothing_is_kept_where_nobody_writes_down_what_the_caller_says():
    talk = Talk(OpenAIRealtimeSession(settings(transcription_model=""), persona()))
    talk.hear("session.created", session={})
    talk.hear("session.updated", session={})
    talk.begin("r1")
    talk.audio(2_000)
    talk.done("r1")
    talk.hear("input_audio_buffer.speech_started", item_id="u1")
    talk.hear("input_audio_buffer.speech_stopped", item_id="u1")
    assert talk.begin("r2") == [c.ReplyStarted("r2")]


def test_a_turn_that_is_over_while_a_response_is_made_is_answered_after_it(talk):
    """The server begins none beside the one that it makes, if it may not break that one off."""
    talk.begin("r1")
    talk.audio(2_000)
    spoke(talk, at=0.5)
    talk.do(c.TruncateReply("r1", 500))
    talk.take()
    talk.now = 0.6
    talk.done("r1", "cancelled")
    assert talk.take() == []  # it may still do so by itself
    talk.now = 0.9
    talk.tick()
    assert talk.take() == [CREATE]


def test_the_servers_own_answer_comes_before_ours(talk):
    talk.begin("r1")
    talk.audio(2_000)
    spoke(talk, at=0.5)
    talk.do(c.TruncateReply("r1", 500))
    talk.done("r1", "cancelled")
    talk.begin("r2")
    talk.audio(100, "r2", "i2")
    talk.done("r2")
    talk.take()
    talk.now = 10
    talk.tick()
    assert talk.take() == []


def test_an_agreeing_word_over_a_response_that_is_made_is_not_answered_after_it(talk):
    talk.begin("r1")
    talk.audio(2_000)
    spoke(talk, text="Uh-huh.", at=0.5)
    talk.do(c.IgnoreTurn("u1"))
    talk.done("r1")
    talk.now = 10
    talk.tick()
    assert talk.take() == []


@pytest.mark.parametrize(("heard_ms", "told"), [(200, True), (900, False)])
def test_a_greeting_that_was_cut_in_its_first_sentence_is_still_known(heard_ms, told):
    talk = Talk(make(greeting="This call is recorded. How are you?"))
    talk.hear("session.created", session={})
    talk.hear("session.updated", session={})
    talk.do(c.RequestReply("Greet."))
    talk.begin("r1")
    talk.audio(1_000)
    talk.done("r1")
    talk.take()
    talk.do(c.TruncateReply("r1", heard_ms))
    _, *notes = talk.take()
    assert [note["item"]["role"] for note in notes] == ["user"] * told
    assert all("This call is recorded. How are you?" in note["item"]["content"][0]["text"] for note in notes)


@pytest.mark.parametrize("dialect", ["ga", "xai", "beta"])
def test_what_stands_in_place_of_an_answer_waits_for_none(dialect):
    """A sound that was nothing has cut the agent; it is asked to go on, and no answer of its own is waited for."""
    talk = ready(dialect)
    talk.hear("input_audio_buffer.speech_started", item_id="i1")
    talk.hear("input_audio_buffer.speech_stopped", item_id="i1")
    talk.do(c.RequestReply("Go on.", instead=True))
    assert [message["type"] for message in talk.take()] == ["response.create"]


@pytest.mark.parametrize("status", ["incomplete", "cancelled"])
def test_the_rest_of_an_answer_that_breaks_off_is_asked_for_twice_in_a_row(talk, status):
    for reply, words in (("r1", REST), ("r2", REST), ("r3", OTHERWISE), ("r4", None)):
        talk.begin(reply)
        talk.audio(500, reply)
        events = talk.done(reply, status, status_details={"reason": "content_filter"})
        assert c.ReplyDone(reply, interrupted=False) in events
        assert (c.AnswerOwed() in events) is bool(words)
        assert talk.take() == ([says(words)] if words else [])
    assert events[-1].fatal


@pytest.mark.parametrize("between", ["a whole answer", "a tool"])
def test_an_answer_behind_a_whole_one_or_a_tool_has_a_rest_of_its_own(talk, between):
    for nth in range(4):
        talk.begin(f"r{nth}")
        talk.audio(500, f"r{nth}")
        assert c.AnswerOwed() in talk.done(f"r{nth}", "incomplete", status_details={"reason": "content_filter"})
        assert talk.take() == [says(REST)]
        talk.begin(f"s{nth}")
        if between == "a tool":
            talk.call("t1", response_id=f"s{nth}")
        else:
            talk.audio(500, f"s{nth}")
        talk.done(f"s{nth}")


@pytest.mark.parametrize("words", ["", "[noise]", "...", "Hello?"])
def test_what_was_asked_for_and_not_heard_is_asked_for_again_unless_the_caller_has_said_something(talk, words):
    talk.do(c.RequestReply("Say that we close."))
    talk.take()
    talk.now = 1.0
    talk.hear("input_audio_buffer.speech_started", item_id="i1")
    talk.now = 1.5
    talk.hear("input_audio_buffer.speech_stopped", item_id="i1")
    talk.hear("conversation.item.input_audio_transcription.completed", item_id="i1", transcript=words)
    talk.now = 4.0
    talk.tick()
    assert talk.take() == [says(NUDGE if words == "Hello?" else "Say that we close.")]


@pytest.mark.parametrize("speaks", [True, False])
def test_an_answer_that_fails_in_the_middle_is_still_owed(talk, speaks):
    talk.begin("r1")
    talk.audio(500, "r1")
    if speaks:
        talk.hear("input_audio_buffer.speech_started", item_id="i1")
    error = {"type": "server_error", "code": None, "message": "oops"}
    events = talk.done("r1", "failed", status_details={"type": "failed", "error": error})
    assert (c.AnswerOwed() in events) is not speaks


def turn(talk, words="When do you open?", seconds=1.0):
    """The caller's, whole."""
    talk.hear("input_audio_buffer.speech_started", item_id="i1")
    talk.now += seconds
    talk.hear("input_audio_buffer.speech_stopped", item_id="i1")
    talk.hear("conversation.item.input_audio_transcription.completed", item_id="i1", transcript=words)


@pytest.mark.parametrize("words", ["When do you open?", ""])
def test_a_turn_is_answered_behind_what_was_asked_for_before_it(talk, words):
    talk.do(c.RequestReply("Greet them."))
    talk.take()
    turn(talk, words)
    talk.begin("r1")
    talk.audio(500, "r1")
    talk.done("r1")
    talk.now += 0.5
    talk.tick()
    asked = [message for message in talk.take() if message["type"] == "response.create"]
    assert asked == ([{"type": "response.create"}] if words else [])


def test_a_turn_that_the_server_answers_by_itself_before_it_takes_our_ask_is_answered_once(talk):
    talk.do(c.RequestReply("Greet them."))
    talk.take()
    turn(talk)
    talk.begin("r1")  # its own
    talk.refuse(event_id="ask_1")
    talk.audio(500, "r1")
    talk.done("r1")
    talk.now += 2
    talk.tick()
    assert talk.take() == [says("Greet them.")]


@pytest.mark.parametrize("code", ["response_cancel_not_active", None])
def test_a_response_that_is_cancelled_in_vain_is_over(talk, code):
    talk.begin("r1")
    talk.audio(500, "r1")
    talk.do(c.TruncateReply("r1", 100.0))
    talk.do(c.RequestReply("Go on.", instead=True))
    talk.take()
    events = talk.refuse(code=code, message="Cancellation failed: no active response found")
    assert events == [c.ReplyDone("r1", interrupted=True)]
    assert talk.take() == [says("Go on.")]
    assert talk.refuse(code=code, message="Cancellation failed: no active response found") == []


@pytest.mark.parametrize("in_vain", [True, False])
def test_a_response_of_xais_that_stands_still_gives_way_to_its_rest(in_vain):
    talk = ready("xai")
    talk.begin("r1")
    talk.audio(500, "r1")
    talk.do(c.RequestReply("Go on.", instead=True))
    assert [message["type"] for message in talk.take()] == ["response.cancel"]
    done = talk.refuse("response_cancel_not_active") if in_vain else talk.done("r1", "cancelled")
    assert done == [c.ReplyDone("r1", interrupted=False)]  # nobody has: its rest is on its way
    assert [message["type"] for message in talk.take()] == ["response.create"]


def test_an_answer_that_nobody_has_cancelled_and_that_cannot_be_heard_is_asked_for_again(talk):
    spoke(talk)
    talk.begin("r1")
    talk.done("r1", "cancelled", status_details={"reason": "client_cancelled"})
    talk.now = 2.5
    assert [fault.code for fault in talk.tick()] == ["silent"]
    assert talk.take() == [says(NUDGE)]


@pytest.mark.parametrize("who", ["we", "the caller", "the server"])
def test_an_answer_that_somebody_has_cancelled_is_over(talk, who):
    talk.begin("r1")
    talk.audio(500, "r1")
    reason = "turn_detected" if who == "the server" else "client_cancelled"
    if who == "we":
        talk.do(c.TruncateReply("r1", 200.0))
        talk.take()
    elif who == "the caller":
        talk.hear("input_audio_buffer.speech_started", item_id="i1")
    assert talk.done("r1", "cancelled", status_details={"reason": reason}) == [c.ReplyDone("r1", interrupted=True)]
    assert talk.take() == []
