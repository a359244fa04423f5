"""Gemini's Live API: what we say, and what we make of what we hear."""

import base64
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.audio.mulaw import base64_ms
from trio_voice.errors import LocalProtocolError
from trio_voice.events import model as c
from trio_voice.persona import Persona, ToolSchema, TurnDetection
from trio_voice.protocols.gemini_live import GeminiLiveSettings
from trio_voice.protocols.gemini_live.content import MAX_LETTERS
from trio_voice.protocols.gemini_live.session import GeminiLiveSession
from trio_voice.protocols.gemini_live.tools import MAX_CALLS
from trio_voice.protocols.gemini_live.watchdog import ANSWER_SECONDS, PATIENCE_SECONDS, PAUSE_SECONDS
from trio_voice.protocols.json_messages import arguments_in
from trio_voice.protocols.unanswered import ALOUD, NUDGE, OTHERWISE, REST

types = pytest.importorskip("google.genai.types")

LOUD = base64.b64encode(b"\x2a" * 160).decode()
QUIET = base64.b64encode(b"\xff" * 160).decode()
ROLL = ToolSchema(name="roll", description="Rolls.", parameters={"type": "object", "properties": {}})
MODELS = (
    "gemini-3.8-live",
    "gemini-3.8-live-extended-thinking",
    "gemini-3.1-flash-live-preview",
    "gemini-2.5-flash-native-audio-preview-12-2025",
    "gemini-9-live",
)


def settings(**more):
    return GeminiLiveSettings(**{"name": "g", "kind": "gemini-live"} | more)


def persona(**more):
    return Persona(**{"name": "p", "model": "g", "voice": "Kore", "prompt": "Be brief.", "greeting": "Hello"} | more)


def said(text):
    """A message of ours, found to be one of Gemini's."""
    message = json.loads(text)
    asked = json.loads(text)
    turns = asked.get("setup", {}).pop("realtimeInputConfig", {})  # not in the SDK's type, though in what it sends
    types.RealtimeInputConfig.model_validate(turns)
    types.LiveClientMessage.model_validate(asked)
    return message


def opening(*, more=None, **of_persona):
    (text,) = GeminiLiveSession(settings(**more or {}), persona(**of_persona), (ROLL,)).opening()
    return said(text)["setup"]


@pytest.fixture
def session():
    return GeminiLiveSession(settings(), persona(), (ROLL,))


@pytest.fixture
def ready(session):
    hear(session, setupComplete={"sessionId": "s1"})
    return session


def hear(session, now=0.0, **fields):
    """As the server sends it: JSON, in a binary frame."""
    types.LiveServerMessage.model_validate(fields)
    return list(session.receive(json.dumps(fields).encode(), now))


def sound(ms=40, *, value=8_000, mime="audio/pcm;rate=24000", cut=0):
    rate = int(mime.rpartition("=")[2]) if "=" in mime else 24_000
    pcm = np.full(rate * ms // 1000, value, "<i2").tobytes()
    data = base64.b64encode(pcm[: len(pcm) - cut]).decode()
    return {"modelTurn": {"parts": [{"inlineData": {"mimeType": mime, "data": data}}]}}


def kinds(events):
    return [type(event).__name__ for event in events]


def of_kind(kind, events):
    return [event for event in events if isinstance(event, kind)]


def sent(events):
    return [said(event.message) for event in of_kind(c.Outgoing, events)]


# The opening


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


# Sound


def test_no_audio_before_ready(session):
    with pytest.raises(LocalProtocolError, match="setupComplete"):
        session.encode(c.HearCaller(LOUD), 0.0)


def test_each_frame_of_the_callers_goes_out_as_it_comes_at_twice_the_rate(ready):
    for _ in range(3):
        (text,) = ready.encode(c.HearCaller(LOUD), 0.0)
        audio = said(text)["realtimeInput"]["audio"]
        assert audio["mimeType"] == "audio/pcm;rate=16000"
        assert len(base64.b64decode(audio["data"])) == 640
    assert np.frombuffer(base64.b64decode(audio["data"]), "<i2").min() < -5_000


def test_a_reply_comes_as_whole_frames_and_is_heard_to_its_end(ready):
    """However it is cut: 1919 bytes are 39.98 ms and half a sample."""
    events = hear(ready, serverContent=sound(40, cut=1))
    assert kinds(events) == ["ReplyStarted", "ReplyAudio"]
    for _ in range(4):
        events += hear(ready, serverContent=sound(40, cut=1))
    events += hear(ready, serverContent={"generationComplete": True})
    events += hear(ready, serverContent={"turnComplete": True})
    assert kinds(events)[-1] == "ReplyDone"
    assert len(of_kind(c.ReplyDone, events)) == 1
    lengths = [base64_ms(event.payload) for event in of_kind(c.ReplyAudio, events)]
    assert all(length % 20 == 0 for length in lengths)
    assert sum(lengths) == 220  # 199.9 ms, 2.5 of the filter, and silence to the end of a frame


def test_a_turn_without_generation_complete_is_done_when_the_turn_is(ready):
    hear(ready, serverContent=sound())
    events = hear(ready, serverContent={"turnComplete": True})
    assert events[-1] == c.ReplyDone("reply-1", interrupted=False)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
def test_another_rate_is_heard_at_its_pace(ready, rate):
    events = hear(ready, serverContent=sound(100, mime=f"audio/pcm;rate={rate}"))
    events += hear(ready, serverContent=sound(100))  # and back
    events += hear(ready, serverContent={"turnComplete": True})
    total = sum(base64_ms(event.payload) for event in of_kind(c.ReplyAudio, events))
    assert 200 <= total <= 220


@pytest.mark.parametrize("mime", ["audio/pcm;rate=44100", "audio/opus;rate=24000", "image/png;rate=24000"])
def test_sound_that_nobody_promised_is_garbage(ready, mime):
    (event,) = hear(ready, serverContent=sound(mime=mime))
    assert isinstance(event, c.Unrecognized)
    assert event.garbage


# Turns


def test_a_whole_turn(ready):
    turn = [
        ({"inputTranscription": {"text": "Are"}}, [c.CallerTranscript("caller-1", "Are", final=False)]),
        ({"inputTranscription": {"text": " you?"}}, [c.CallerTranscript("caller-1", "Are you?", final=False)]),
        ({"outputTranscription": {"text": "Yes"}}, [c.ReplyStarted("reply-2"), c.ReplyWords("reply-2", "Yes", None)]),
        ({"outputTranscription": {"text": "."}}, [c.ReplyWords("reply-2", ".", None)]),
        ({"generationComplete": True}, [c.ReplyDone("reply-2", interrupted=False)]),
        ({"outputTranscription": {"text": " Late."}}, [c.ReplyWords("reply-2", " Late.", None)]),
        ({"turnComplete": True}, [c.CallerTranscript("caller-1", "Are you?", final=True)]),
        ({"outputTranscription": {"text": "And"}}, [c.ReplyStarted("reply-3"), c.ReplyWords("reply-3", "And", None)]),
    ]
    for content, meaning in turn:
        assert hear(ready, serverContent=content) == meaning


def test_several_fields_in_one_message(ready):
    """In the order in which they make sense."""
    events = hear(
        ready,
        usageMetadata={"promptTokenCount": 3},
        sessionResumptionUpdate={"newHandle": "h1", "resumable": True},
        serverContent=sound(40) | {"outputTranscription": {"text": "Yes."}, "turnComplete": True},
    )
    assert kinds(events) == ["ReplyStarted", "ReplyAudio", "ReplyWords", "ReplyAudio", "ReplyDone", "Usage"]


def test_what_the_caller_says_is_bounded(ready):
    for _ in range(3):
        (event,) = hear(ready, serverContent={"inputTranscription": {"text": "x" * MAX_LETTERS}})
        assert len(event.text) == MAX_LETTERS


def test_a_finished_transcription_is_final(ready):
    (_, event) = hear(ready, serverContent={"inputTranscription": {"text": "Hi", "finished": True}}) * 2
    assert event == c.CallerTranscript("caller-1", "Hi", final=True)


def test_an_interruption_ends_the_reply_and_forgets_its_sound(ready):
    hear(ready, serverContent=sound(33))
    events = hear(ready, 1.0, serverContent={"interrupted": True})
    assert events == [c.CallerSpeechStarted(), c.ReplyDone("reply-1", interrupted=True)]
    assert hear(ready, 1.1, serverContent={"turnComplete": True}) == []
    fresh = hear(ready, 3.0, serverContent=sound(20, value=0))
    assert set(base64.b64decode(of_kind(c.ReplyAudio, fresh)[0].payload)) == {0xFF}  # nothing of what was loud


def test_a_noise_over_the_model_is_over_though_its_turn_is_over_before(ready):
    hear(ready, 0.5, serverContent=sound())
    hear(ready, 1.0, serverContent={"interrupted": True})
    hear(ready, 1.0, serverContent={"turnComplete": True})
    assert idle(ready, 10.0) == [(pytest.approx(1.2), c.CallerSpeechStopped())]


def test_late_sound_of_an_interrupted_reply_is_not_heard_and_begins_no_other(ready):
    hear(ready, 1.0, serverContent=sound())
    hear(ready, 1.0, serverContent={"interrupted": True})
    assert kinds(hear(ready, 1.2, serverContent=sound())) == ["Unrecognized"]
    assert hear(ready, 1.2, serverContent={"outputTranscription": {"text": "late"}}) == []
    hear(ready, 1.3, serverContent={"turnComplete": True})
    assert kinds(hear(ready, 1.3, serverContent=sound())) == ["ReplyStarted", "ReplyAudio"]


def test_an_interruption_after_which_the_turn_never_completes_does_not_mute_the_next_reply(ready):
    hear(ready, 1.0, serverContent=sound())
    hear(ready, 1.0, serverContent={"interrupted": True})
    assert kinds(hear(ready, 3.0, serverContent=sound())) == ["ReplyStarted", "ReplyAudio"]


def test_an_interruption_after_the_reply_is_done_is_of_that_reply(ready):
    hear(ready, serverContent=sound())
    hear(ready, serverContent={"generationComplete": True})
    events = hear(ready, 1.0, serverContent={"interrupted": True})
    assert events == [c.CallerSpeechStarted(), c.ReplyDone("reply-1", interrupted=True)]
    assert hear(ready, 1.1, serverContent={"turnComplete": True}) == []


def test_an_interruption_closes_what_the_caller_had_said_before(ready):
    hear(ready, serverContent={"inputTranscription": {"text": "One"}})
    hear(ready, serverContent=sound())
    events = hear(ready, 1.0, serverContent={"interrupted": True})
    assert events[0] == c.CallerTranscript("caller-1", "One", final=True)
    (event,) = hear(ready, 1.1, serverContent={"inputTranscription": {"text": "Two"}})
    assert event.item_id != "caller-1"


# Tools


def ask(session, *calls):
    return hear(session, toolCall={"functionCalls": list(calls)})


def test_a_tool_is_asked_for_within_a_reply(ready):
    assert ask(ready, {"id": "f1", "name": "roll", "args": {"max": 6}}) == [
        c.ReplyStarted("reply-1"),
        c.ReplyDone("reply-1", interrupted=False),  # nothing more is said until it has the result
        c.ToolCalled("call-1", "roll", {"max": 6}),
    ]
    (text,) = ready.encode(c.SendToolResult("call-1", '{"value": 4}'), 0.0)
    response = {"id": "f1", "name": "roll", "response": {"output": {"value": 4}}}
    assert said(text) == {"toolResponse": {"functionResponses": [response]}}


@pytest.mark.parametrize("missing", [{"id": None}, {"id": ""}, {}])
def test_calls_without_ids_get_ours_and_give_none_back(ready, missing):
    events = ask(ready, {"name": "roll", "args": {}} | missing, {"name": "roll", "args": {}} | missing)
    first, second = (event.call_id for event in of_kind(c.ToolCalled, events))
    assert first != second
    assert ready.encode(c.SendToolResult(second, "2"), 0.0) == ()
    (text,) = ready.encode(c.SendToolResult(first, "1"), 0.0)
    outputs = [response["response"]["output"] for response in said(text)["toolResponse"]["functionResponses"]]
    assert outputs == [1, 2]
    assert '"id"' not in text


def test_all_results_of_one_message_go_in_one(ready):
    ask(ready, *({"id": f"f{n}", "name": "roll", "args": {}} for n in (1, 2)))
    hear(ready, toolCall={"functionCalls": [{"id": "f3", "name": "roll", "args": {}}]})
    assert ready.encode(c.SendToolResult("call-2", "no JSON {", failed=True), 0.0) == ()
    (alone,) = ready.encode(c.SendToolResult("call-3", "3"), 0.0)
    assert [response["id"] for response in said(alone)["toolResponse"]["functionResponses"]] == ["f3"]
    (both,) = ready.encode(c.SendToolResult("call-1", "1"), 0.0)
    responses = said(both)["toolResponse"]["functionResponses"]
    assert [response["response"] for response in responses] == [{"output": 1}, {"error": "no JSON {"}]


def test_a_withdrawn_call_is_left_out(ready):
    ask(ready, *({"id": f"f{n}", "name": "roll", "args": {}} for n in (1, 2)))
    assert hear(ready, toolCallCancellation={"ids": ["f1"]}) == [c.ToolWithdrawn("call-1")]
    assert ready.encode(c.SendToolResult("call-1", "1"), 0.0) == ()
    (text,) = ready.encode(c.SendToolResult("call-2", "2"), 0.0)
    assert [response["id"] for response in said(text)["toolResponse"]["functionResponses"]] == ["f2"]


def test_a_withdrawal_may_be_all_that_the_others_were_waiting_for(ready):
    ask(ready, *({"id": f"f{n}", "name": "roll", "args": {}} for n in (1, 2)))
    assert ready.encode(c.SendToolResult("call-2", "2"), 0.0) == ()
    events = hear(ready, toolCallCancellation={"ids": ["f1", "f1", "f9"]})
    assert kinds(events) == ["ToolWithdrawn", "Outgoing"]
    ((message),) = sent(events)
    assert [response["id"] for response in message["toolResponse"]["functionResponses"]] == ["f2"]
    assert ready.encode(c.SendToolResult("call-2", "again"), 0.0) == ()


def test_when_all_are_withdrawn_nothing_is_answered(ready):
    ask(ready, *({"id": "f1", "name": "roll", "args": {}} for _ in range(2)))
    ready.encode(c.SendToolResult("call-1", "1"), 0.0)
    assert kinds(hear(ready, toolCallCancellation={"ids": ["f1"]})) == ["ToolWithdrawn", "ToolWithdrawn"]


def test_an_answer_to_a_call_of_the_session_before_is_nobodys(ready):
    assert ready.encode(c.SendToolResult("call-1", "1"), 0.0) == ()


@pytest.mark.parametrize("args", [None, "text", 7, [], "", "null", '{"max":6}'])
def test_arguments_that_are_no_object_are_for_the_tool_to_refuse(ready, args):
    fields = {"toolCall": {"functionCalls": [{"id": "f1", "name": "roll", "args": args}]}}
    events = ready.receive(json.dumps(fields), 0.0)
    assert events[-1] == c.ToolCalled("call-1", "roll", arguments_in(args))


def test_a_flood_of_calls_is_bounded(ready):
    events = ask(ready, *({"name": "roll", "args": {}} for _ in range(2 * MAX_CALLS)))
    assert len(of_kind(c.ToolCalled, events)) == MAX_CALLS
    assert of_kind(c.Unrecognized, events)[0].garbage


# The end of a connection


def test_going_away_is_told_with_the_newest_handle_that_can_be_used(ready):
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    hear(ready, sessionResumptionUpdate={"newHandle": "h2", "resumable": False})
    hear(ready, sessionResumptionUpdate={"newHandle": "", "resumable": True})
    assert hear(ready, 500.0, goAway={"timeLeft": "49.5s"}) == [c.SessionExpiring(49.5, "h1")]


@pytest.mark.parametrize("left", ["soon", "-3s", None, "1e9s", "12345678s"])
def test_going_away_at_a_time_that_cannot_be_read_is_now(ready, left):
    assert hear(ready, goAway={"timeLeft": left}) == [c.SessionExpiring(0.0, None)]


def test_a_server_that_does_not_say_that_it_goes_is_left_in_time(ready):
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    assert ready.wake_at == 550
    assert ready.tick(549.9) == []
    assert ready.tick(550.0) == [c.SessionExpiring(50.0, "h1")]
    assert ready.wake_at == math.inf


def test_from_then_on_each_newer_handle_is_told(ready):
    """Of before a tool was asked for, say: the session that takes over would know nothing of its answer."""
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    assert hear(ready, 500.0, goAway={"timeLeft": "50s"}) == [c.SessionExpiring(50.0, "h1")]
    hear(ready, 503.0, sessionResumptionUpdate={"newHandle": "", "resumable": False})
    newer = hear(ready, 506.0, sessionResumptionUpdate={"newHandle": "h2", "resumable": True})
    assert newer == [c.SessionExpiring(44.0, "h2")]


def test_a_resumed_session_that_gets_no_new_handle_still_has_its_own():
    session = GeminiLiveSession(settings(), persona(), resume_with="h0")
    hear(session, setupComplete={})
    assert hear(session, 1.0, goAway={"timeLeft": "9s"}) == [c.SessionExpiring(9.0, "h0")]


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (1007, "API key not valid. Please pass a valid API key.", "check GEMINI_API_KEY"),
        (1007, "API key expired. Please renew the API key.", "check GEMINI_API_KEY"),
        (1008, "models/gemini-0 is not found for API version v1beta", "check models.g.model"),
        (1008, "gemini-3.8-live is not supported for bidiGenerateContent", "check models.g.model"),
        (1007, "Requested voice 'Kore' is not available", "the voice 'Kore' of persona 'p'"),
        (1007, 'Invalid JSON payload received. Unknown name "foo"', "something that it does not know"),
        (1007, "Request contains an invalid argument.", "refused a message"),
        (1007, "", "close code 1007"),
        (1008, "Requested entity was not found.", "refused the session"),
        (1011, "You exceeded your current quota, please check your plan", "lower max_calls"),
        (1011, "RESOURCE_EXHAUSTED", "lower max_calls"),
    ],
)
def test_a_refusal_is_a_line_that_says_what_to_do(ready, code, reason, words):
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    (fault,) = ready.explain_close(code, reason, 5.0)
    assert fault.fatal
    assert words in fault.message
    assert f"close code {code}" in fault.message
    assert not reason or reason not in fault.message  # it may quote what was said, and this goes into log and journal


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1007, "API key expired. Please renew the API key."),
        (1008, "models/gemini-0 is not found for API version v1beta"),
        (1011, "You exceeded your current quota, please check your plan"),
        (1008, "Billing is disabled for this project"),
    ],
)
def test_a_refusal_that_names_its_cause_is_one_of_a_good_session_too(ready, code, reason):
    (fault,) = ready.explain_close(code, reason, 300.0)
    assert fault.fatal


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1011, "Deadline expired before operation could complete."),
        (1000, ""),
        (None, "cut"),
        (1006, ""),
        (1008, "The operation was aborted."),
        (1008, "Operation is not implemented, or supported, or enabled."),
        (1008, "Requested entity was not found."),
        (1011, "Internal error encountered."),
    ],
)
def test_a_connection_that_ends_for_another_reason_can_be_taken_up(ready, code, reason):
    assert ready.explain_close(code, reason, 300.0) == [c.SessionExpiring(0.0, None)]  # told the conversation
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    assert ready.explain_close(code, reason, 300.0) == [c.SessionExpiring(0.0, "h1")]
    assert of_kind(c.SessionExpiring, ready.explain_close(code, reason, 5.0)) == []


@pytest.mark.parametrize("reason", ["The token count exceeds the maximum", "Request contains an invalid argument.", ""])
def test_a_session_whose_memory_is_full_is_followed_by_one_that_is_told_the_newest(ready, reason):
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    assert ready.explain_close(1007, reason, 300.0) == [c.SessionExpiring(0.0, None)]


@pytest.mark.parametrize(
    ("code", "reason"), [(1011, "Internal error occurred."), (1008, "Session not found."), (1007, ""), (None, "cut")]
)
def test_a_handle_that_is_refused_is_not_offered_again(code, reason):
    """A fresh session takes over instead, which is told the conversation."""
    session = GeminiLiveSession(settings(), persona(), resume_with="h0")
    assert session.explain_close(code, reason, 1.0) == [c.SessionExpiring(0.0, None)]


def test_a_refusal_that_is_not_about_the_handle_is_a_refusal():
    session = GeminiLiveSession(settings(), persona(), resume_with="h0")
    (fault,) = session.explain_close(1011, "You exceeded your current quota", 1.0)
    assert fault.fatal
    assert "raise the quota" in fault.message


def test_what_is_asked_for_before_the_session_is_ready_waits_for_it(session):
    """Anything but the setup as the first message is refused with 1007."""
    for number in range(9):
        assert session.encode(c.RequestReply(f"{number}"), 0.0) == ()
    events = hear(session, setupComplete={})
    assert kinds(events) == ["ModelReady"] + ["Outgoing"] * 8
    assert [message["realtimeInput"]["text"] for message in sent(events)] == list("12345678")
    assert kinds(hear(session, setupComplete={})) == []


@pytest.mark.parametrize("complete", [7, [], None])
def test_a_setup_that_is_complete_in_another_shape_leaves_room_for_the_right_one(session, complete):
    (event,) = session.receive(json.dumps({"setupComplete": complete}), 0.0)
    assert event.garbage
    assert kinds(hear(session, setupComplete={})) == ["ModelReady"]


@pytest.mark.parametrize("long", [{"id": "x" * 201, "name": "roll"}, {"id": "f", "name": "x" * 201}])
def test_a_call_with_endless_names_is_none(ready, long):
    events = ask(ready, long, {"id": "f1", "name": "roll", "args": {}})
    assert kinds(events) == ["ReplyStarted", "ReplyDone", "Unrecognized", "ToolCalled"]


def test_there_is_no_goodbye(ready):
    assert ready.goodbye() is None


# The watchdog


def speak(session, seconds, now):
    """The caller speaks so long; returns when they stop."""
    for _ in range(round(seconds * 50)):
        session.encode(c.HearCaller(LOUD), now)
        now += 0.02
    return now - 0.02


def idle(session, until):
    """Let time pass, frames of silence included; returns what came of it, and when."""
    events = []
    while session.wake_at <= until:
        now = session.wake_at
        session.encode(c.HearCaller(QUIET), now)
        events += [(round(now, 3), event) for event in session.tick(now)]
        assert len(events) < 100
    return events


def test_the_end_of_the_callers_speech_is_told_so_that_the_answer_can_be_timed(ready):
    last = speak(ready, 1.0, 1.0)
    events = idle(ready, last + 1)
    assert events == [
        (1.28, c.CallerSpeechStarted(interrupts=False)),  # 300 ms are enough
        (round(last + PAUSE_SECONDS, 3), c.CallerSpeechStopped()),
    ]


def test_a_click_is_nobody_speaking(ready):
    speak(ready, 0.1, 1.0)
    assert idle(ready, 20.0) == []


def test_a_noise_over_what_is_still_heard_is_geminis_to_tell(ready):
    hear(ready, 1.0, serverContent=sound(2_000))
    hear(ready, 1.0, serverContent={"generationComplete": True})
    last = speak(ready, 0.5, 1.5)
    assert last < 3.0
    assert idle(ready, 20.0) == []
    speak(ready, 0.5, 20.0)
    assert [event for _, event in idle(ready, 22.0)]


def test_the_end_of_what_the_caller_interrupts_with_is_told_however_short(ready):
    hear(ready, 1.0, serverContent=sound())
    hear(ready, 2.0, serverContent={"interrupted": True})
    speak(ready, 0.1, 2.0)
    assert idle(ready, 5.0) == [(2.28, c.CallerSpeechStopped())]


def test_a_caller_who_is_not_answered_is_not_left_alone(ready):
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    last = speak(ready, 1.0, 1.0)
    events = idle(ready, 20.0)[2:]
    steps = [event for _, event in events]
    assert [round(at - last - PATIENCE_SECONDS, 3) for at, _ in events] == [0, 0, ANSWER_SECONDS]
    assert not steps[0].fatal
    assert said(steps[1].message)["realtimeInput"]["text"].startswith("The caller has said something")
    assert steps[2] == c.SessionExpiring(0.0, "h1", is_silent=True)


@pytest.mark.parametrize(
    "answer",
    [
        {"serverContent": sound()},
        {"serverContent": {"turnComplete": True}},  # to what was only loud
        {"toolCall": {"functionCalls": [{"name": "roll", "args": {}}]}},
    ],
)
def test_any_sign_of_an_answer_is_one(ready, answer):
    last = speak(ready, 1.0, 1.0)
    idle(ready, last + 1)
    hear(ready, last + 2, **answer)
    assert idle(ready, last + 100) == []


def test_words_that_gemini_has_heard_have_to_be_answered_however_soft_they_were(ready):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Hello?"}})
    assert [at for at, _ in idle(ready, 10.0)] == [1, pytest.approx(1.8), 4, 4, 7]  # begun and over, asked, left


@pytest.mark.parametrize("part", [{"text": "Hm", "thought": True}, {"text": "At nine."}])
def test_a_thought_and_what_is_written_are_waited_for_and_are_no_answer(ready, part):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Hello?"}})
    hear(ready, 2.0, serverContent={"modelTurn": {"parts": [part]}})
    assert [at for at, _ in idle(ready, 20.0)][-3:] == [10, 10, 13]


QUIET_SOUND = {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAA" * 640}}]}}
SILENT_TURNS = {
    "rejected": [{"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"}],
    "empty": [{"generationComplete": True}, {"turnComplete": True}],
    "digital silence": [QUIET_SOUND, {"generationComplete": True}, {"turnComplete": True}],
    "in writing": [{"modelTurn": {"parts": [{"text": "At nine."}]}}, {"turnComplete": True}],
    "words alone": [{"outputTranscription": {"text": "At nine."}}, {"turnComplete": True}],
}


def steps(told):
    """Events besides that the caller speaks, or does no more."""
    return [event for _, event in told if not isinstance(event, c.CallerSpeechStarted | c.CallerSpeechStopped)]


@pytest.mark.parametrize("turn", SILENT_TURNS.values(), ids=SILENT_TURNS)
def test_a_turn_without_a_sound_is_asked_for_once_and_then_another_session(ready, turn):
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Hello?"}})
    told = [event for content in turn for event in hear(ready, 1.5, serverContent=content)]
    fault, nudge = steps(idle(ready, 4.0))
    assert (fault.code, fault.fatal) == ("silent", False)
    written = any(isinstance(event, c.ReplyTranscript | c.ReplyWords) for event in told)
    assert said(nudge.message)["realtimeInput"]["text"] == (ALOUD.format("At nine.") if written else NUDGE)
    for content in turn:
        hear(ready, 4.5, serverContent=content)
    assert idle(ready, 20.0) == [(7.0, c.SessionExpiring(0.0, None, is_silent=True))]  # taken up, it would be as silent


@pytest.mark.parametrize("more", [[QUIET_SOUND], [{"outputTranscription": {"text": "At nine."}}], []])
def test_silence_is_no_rest_of_a_reply_that_stood_still(ready, more):
    """Nor is what the filter kept of the sound before it."""
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "When do you open?"}})
    hear(ready, 2.0, serverContent=sound(110))
    idle(ready, 6.0)
    ready.encode(c.RequestReply("Go on.", instead=True), 10.0)
    events = [event for part in more for event in hear(ready, 11.0, serverContent=part)]
    for part in ({"generationComplete": True}, {"turnComplete": True}):
        events += hear(ready, 11.5, serverContent=part)
    assert kinds(events)[-3:] == ["ReplyDone", "CallerTranscript", "AnswerOwed"]
    (_, fault), (at, again), *_ = idle(ready, 13.5)
    assert (fault.code, at) == ("silent", 13.0)
    assert "At nine." in str(said(again.message)) or "Go on." in str(said(again.message))


def test_a_rest_that_is_heard_is_one(ready):
    hear(ready, 2.0, serverContent=sound(110))
    ready.encode(c.RequestReply("Go on.", instead=True), 10.0)
    hear(ready, 11.0, serverContent=sound(110))
    assert kinds(hear(ready, 11.5, serverContent={"turnComplete": True})) == ["ReplyAudio", "ReplyDone"]
    assert idle(ready, 30.0) == []


def faults_in(events):
    return [event.message for event in events if isinstance(event, c.ModelFault)]


@pytest.mark.parametrize("ends_before", [True, False])
def test_the_rest_of_an_answer_that_a_filter_cuts_is_asked_for_twice_in_a_row(ready, ends_before):
    cut = {"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"}
    for turn in (1.0, 20.0):
        hear(ready, turn, serverContent={"inputTranscription": {"text": "Hello?"}})
        for nth, words in enumerate((REST, REST, OTHERWISE, None)):
            at = turn + 0.5 + 3 * nth
            hear(ready, at, serverContent=sound())
            if ends_before:
                hear(ready, at, serverContent={"generationComplete": True})
            events = hear(ready, at + 0.1, serverContent=cut)
            assert (c.AnswerOwed() in events) is bool(words)
            assert faults_in(events) == ["Gemini broke an answer off: RESPONSE_REJECTED"]
            assert any(isinstance(event, c.ModelFault) and event.fatal for event in events) is not bool(words)
            asked = [said(event.message) for event in events if isinstance(event, c.Outgoing)]
            assert asked == ([{"realtimeInput": {"text": words}}] if words else [])


def test_a_model_that_withdraws_its_only_tool_owes_an_answer(ready):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Hello?"}})
    hear(ready, 1.2, toolCall={"functionCalls": [{"id": "t", "name": "look_up"}]})
    hear(ready, 2.0, toolCallCancellation={"ids": ["another"]})
    assert idle(ready, 6.0) == []
    hear(ready, 6.5, toolCallCancellation={"ids": ["t"]})
    assert said(steps(idle(ready, 9.9))[1].message)["realtimeInput"]["text"] == NUDGE


@pytest.mark.parametrize("text", ["<noise>", "...", " [cough] "])
def test_a_noise_that_is_written_down_is_no_word(ready, text):
    ready.encode(c.RequestReply("Greet them."), 1.0)
    events = hear(ready, 1.5, serverContent={"inputTranscription": {"text": text}})
    events += hear(ready, 1.6, serverContent={"inputTranscription": {"text": "", "finished": True}})
    assert [event.text for event in events if isinstance(event, c.CallerTranscript)] == [""]
    assert said(steps(idle(ready, 4.9))[1].message)["realtimeInput"]["text"] == "Greet them."


def test_punctuation_behind_words_belongs_to_them(ready):
    events = []
    for text in ("Are you", " open", "?"):
        events += hear(ready, 1.0, serverContent={"inputTranscription": {"text": text}})
    assert [event.text for event in events if isinstance(event, c.CallerTranscript)][-1] == "Are you open?"


def test_a_caller_falls_silent_though_a_tool_is_asked_for_meanwhile(ready):
    for frame in range(20):
        ready.encode(c.HearCaller(LOUD), 1.0 + frame / 50)
    assert ready.tick(1.4) == [c.CallerSpeechStarted(interrupts=False)]
    hear(ready, 1.41, toolCall={"functionCalls": [{"id": "t", "name": "look_up"}]})
    assert idle(ready, 3.0) == [(1.58, c.CallerSpeechStopped())]


def test_the_rest_is_waited_for_though_the_turn_before_it_was_nothing(ready):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Uh-huh."}})
    hear(ready, 1.2, serverContent=sound())
    events = hear(ready, 1.5, serverContent={"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"})
    turn = next(event for event in events if isinstance(event, c.CallerTranscript))
    assert turn.final
    assert events.index(turn) < events.index(c.AnswerOwed())
    ready.encode(c.IgnoreTurn(turn.item_id), 1.5)
    hear(ready, 1.6, serverContent={"turnComplete": True})
    assert said(steps(idle(ready, 4.9))[1].message)["realtimeInput"]["text"] == REST


def test_what_was_heard_is_not_asked_for_again(ready):
    ready.encode(c.RequestReply("Greet them."), 1.0)
    hear(ready, 1.2, serverContent=sound())
    hear(ready, 1.4, serverContent={"turnComplete": True})
    for frame in range(40):
        ready.encode(c.HearCaller(LOUD), 3.0 + frame / 50)
    assert said(steps(idle(ready, 20.0))[1].message)["realtimeInput"]["text"] == NUDGE


def test_an_answer_behind_a_tool_has_a_rest_of_its_own(ready):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Hello?"}})
    for nth in range(4):
        hear(ready, 2.0 + nth, serverContent=sound())
        events = hear(ready, 2.1 + nth, serverContent={"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"})
        assert c.AnswerOwed() in events
        (call,) = [
            event
            for event in hear(ready, 2.2 + nth, toolCall={"functionCalls": [{"id": "t", "name": "look_up"}]})
            if isinstance(event, c.ToolCalled)
        ]
        ready.encode(c.SendToolResult(call.call_id, "{}"), 2.3 + nth)


def test_the_rest_that_does_not_come_is_asked_for_again(ready):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Hello?"}})
    hear(ready, 1.5, serverContent=sound())
    hear(ready, 1.6, serverContent={"turnComplete": True, "turnCompleteReason": "GENERATED_AUDIO_SAFETY"})
    assert said(steps(idle(ready, 4.9))[1].message)["realtimeInput"]["text"] == REST


@pytest.mark.parametrize("reason", ["TURN_COMPLETE_REASON_UNSPECIFIED", "NEED_MORE_INPUT"])
def test_a_whole_answer_has_no_rest(ready, reason):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Hello?"}})
    hear(ready, 1.5, serverContent=sound())
    assert faults_in(hear(ready, 2.0, serverContent={"turnComplete": True, "turnCompleteReason": reason})) == []


def test_a_greeting_that_brings_no_sound_is_asked_for_as_it_was(ready):
    ready.encode(c.RequestReply("Greet."), 1.0)
    hear(ready, 1.5, serverContent={"turnComplete": True})
    assert said(idle(ready, 4.0)[1][1].message)["realtimeInput"]["text"] == "Greet."


def test_an_answer_that_can_be_heard_is_one(ready):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Hello?"}})
    hear(ready, 1.5, serverContent=sound())
    hear(ready, 2.0, serverContent={"turnComplete": True})
    assert idle(ready, 100.0) == []


@pytest.mark.parametrize("command", [c.RequestReply("Greet."), c.SendToolResult("call-1", "1")])
def test_what_was_asked_for_has_to_be_answered(ready, command):
    if isinstance(command, c.SendToolResult):
        ask(ready, {"id": "f1", "name": "roll", "args": {}})
        hear(ready, serverContent={"generationComplete": True})
    ready.encode(command, 2.0)
    assert [at for at, _ in idle(ready, 11.0)] == [5, 5, 8]


def test_a_click_and_a_long_story_are_not_taken_for_silence(ready):
    speak(ready, 0.1, 1.0)
    idle(ready, 50.0)
    last = speak(ready, 20.0, 60.0)
    assert [event for _, event in idle(ready, last + PATIENCE_SECONDS - 0.01)] == [
        c.CallerSpeechStarted(interrupts=False),
        c.CallerSpeechStopped(),
    ]


def test_sound_while_the_model_speaks_or_waits_for_a_tool_is_not_waited_on(ready):
    hear(ready, serverContent=sound())
    speak(ready, 2.0, 1.0)
    hear(ready, 3.0, serverContent={"turnComplete": True})
    ask(ready, {"id": "f1", "name": "roll", "args": {}})
    hear(ready, 3.0, serverContent={"generationComplete": True})
    speak(ready, 2.0, 4.0)
    assert idle(ready, 100.0) == []


def test_an_interruption_that_wedges_the_session_is_noticed(ready):
    """googleapis/python-genai #2333."""
    hear(ready, 1.0, serverContent=sound())
    hear(ready, 2.0, serverContent={"interrupted": True})
    speak(ready, 0.5, 2.0)
    assert any(isinstance(event, c.Outgoing) for _, event in idle(ready, 12.0))


# Usage


def test_tokens_become_meters_by_what_they_are(ready):
    usage = {
        "promptTokenCount": 225,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}, {"modality": "AUDIO", "tokenCount": 100}],
        "cachedContentTokenCount": 30,
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}],
        "responseTokenCount": 60,
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 55}, {"modality": "TEXT", "tokenCount": 2}],
        "thoughtsTokenCount": 8,
        "toolUsePromptTokenCount": 5,
        "totalTokenCount": 285,
    }
    (event,) = hear(ready, usageMetadata=usage)
    assert event == c.Usage(
        {
            "text_in_tokens": 100 + 25 + 5 - 10,
            "cached_text_in_tokens": 10,
            "audio_in_tokens": 80,
            "cached_audio_in_tokens": 20,
            "text_out_tokens": 10,
            "audio_out_tokens": 58,
        }
    )


def test_usage_is_of_one_turn_so_each_is_told(ready):
    events = [hear(ready, usageMetadata={"promptTokenCount": n}) for n in (143, 181, 224)]
    assert [event.meters for (event,) in events] == [{"text_in_tokens": n} for n in (143, 181, 224)]


@pytest.mark.parametrize("usage", [{}, {"promptTokenCount": -5}, {"promptTokenCount": True}, {"promptTokenCount": "9"}])
def test_usage_that_says_nothing(ready, usage):
    assert ready.receive(json.dumps({"usageMetadata": usage}), 0.0) == []


# Whatever comes

GARBAGE = [
    b"\x00\xff",
    "not JSON",
    "",
    "[]",
    "7",
    "null",
    '"text"',
    "[" * 100_000,
    '{"serverContent":7}',
    '{"serverContent":{"modelTurn":{"parts":[7]}}}',
    '{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm","data":"?"}}]}}}',
    '{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm"}}]}}}',
    '{"toolCall":{"functionCalls":[{"id":"f1"}]}}',
    '{"toolCall":{}}',
    '{"toolCallCancellation":{"ids":7}}',
    '{"usageMetadata":{"promptTokensDetails":[7]}}',
    '{"goAway":7}',
]


@pytest.mark.parametrize("message", GARBAGE)
def test_garbage_is_an_event(ready, message):
    assert any(isinstance(event, c.Unrecognized) and event.garbage for event in ready.receive(message, 0.0))


@pytest.mark.parametrize("message", ['{"future":{}}', "{}"])
def test_a_message_that_means_nothing_to_us_is_no_garbage(ready, message):
    (event,) = ready.receive(message, 0.0)
    assert event == c.Unrecognized(event.what)


def test_what_stood_before_the_garbage_is_heard(ready):
    content = sound()
    content["modelTurn"]["parts"].append(7)
    assert kinds(ready.receive(json.dumps({"serverContent": content}), 0.0)) == [
        *("ReplyStarted", "ReplyAudio", "Unrecognized")
    ]


JSON = st.sampled_from([None, 7, -1.5, True, "x", [], [7], ["x"], {}, {"x": None}, 10**30])
TEXTS = st.fixed_dictionaries({}, optional={"text": st.text(max_size=5) | JSON, "finished": st.booleans()})
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "inlineData": st.fixed_dictionaries(
            {
                "mimeType": st.sampled_from(["audio/pcm;rate=24000", "audio/pcm;rate=16000", "audio/pcm", "image/png"]),
                "data": st.sampled_from([b"", b"\1", b"\1\2" * 700]).map(lambda data: base64.b64encode(data).decode())
                | JSON,
            }
        ),
        "text": st.text(max_size=5),
        "thought": st.booleans(),
    },
)
FLAGS = dict.fromkeys(["interrupted", "generationComplete", "turnComplete"], st.booleans() | JSON)
CALLS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["a", "b"]) | JSON}, optional={"id": st.sampled_from(["x", "y", None]) | JSON}
    ),
    max_size=3,
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "setupComplete": st.just({}) | JSON,
        "serverContent": st.fixed_dictionaries(
            {},
            optional=FLAGS
            | {
                "modelTurn": st.fixed_dictionaries({}, optional={"parts": st.lists(PARTS, max_size=2) | JSON}),
                "inputTranscription": TEXTS,
                "outputTranscription": TEXTS,
            },
        )
        | JSON,
        "toolCall": st.fixed_dictionaries({"functionCalls": CALLS | JSON}) | JSON,
        "toolCallCancellation": st.fixed_dictionaries({"ids": st.lists(st.sampled_from(["x", "y", None]), max_size=2)}),
        "goAway": st.fixed_dictionaries({"timeLeft": st.sampled_from(["50s", "0s", "s"])}) | JSON,
        "sessionResumptionUpdate": st.fixed_dictionaries({"newHandle": st.text(max_size=3), "resumable": st.booleans()})
        | JSON,
        "usageMetadata": JSON | st.fixed_dictionaries({"promptTokenCount": st.integers()}),
    },
)
COMMANDS = (
    st.sampled_from(
        [c.HearCaller(LOUD), c.HearCaller(QUIET), c.HearCaller("?"), c.RequestReply("x"), c.SayExactly("x")]
    )
    | st.builds(
        c.SendToolResult,
        st.sampled_from([f"call-{n}" for n in range(1, 6)]),
        st.sampled_from(["1", "{"]),
        st.booleans(),
    )
    | st.builds(c.TruncateReply, st.sampled_from(["reply-1", "?"]), st.floats(0, 100))
)


@given(st.lists(st.tuples(MESSAGES | COMMANDS | st.none(), st.floats(0, 60)), max_size=12))
def test_no_sequence_raises_and_what_comes_of_it_makes_sense(sequence):
    session = GeminiLiveSession(settings(), persona(), (ROLL,))
    hear(session, setupComplete={})
    now, asked, open_reply = 0.0, set(), None
    for step, passed in sequence:
        now += passed
        if step is None:
            events = list(session.tick(now))
        elif isinstance(step, dict):
            events = list(session.receive(json.dumps(step).encode(), now))
        else:
            for text in session.encode(step, now):
                said(text)
            continue
        for event in events:
            match event:
                case c.ReplyStarted(reply_id=reply_id):
                    assert open_reply is None
                    open_reply = reply_id
                case c.ReplyAudio(reply_id=reply_id, payload=payload):
                    assert reply_id == open_reply
                    assert base64_ms(payload) % 20 == 0
                case c.ReplyDone(reply_id=reply_id, interrupted=interrupted):
                    assert reply_id == open_reply or interrupted
                    open_reply = None
                case c.ToolCalled(call_id=call_id):
                    assert call_id not in asked
                    asked.add(call_id)
                case c.ToolWithdrawn(call_id=call_id):
                    asked.remove(call_id)
                    asked.add(call_id)
                case c.Outgoing():
                    said(event.message)
        assert session.wake_at >= 0


def test_a_tool_that_is_asked_for_behind_words_belongs_to_what_was_said(ready):
    hear(ready, 1.0, serverContent=sound())
    hear(ready, 1.0, serverContent={"generationComplete": True})
    (asked,) = ask(ready, {"id": "f1", "name": "roll", "args": {}})
    assert asked == c.ToolCalled("call-1", "roll", {})


def test_words_behind_what_the_model_has_done_are_another_turns(ready):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Where is"}})
    hear(ready, 1.4, serverContent={"inputTranscription": {"text": " my order?"}})
    ask(ready, {"id": "f1", "name": "roll", "args": {}})
    late = hear(ready, 1.9, serverContent={"inputTranscription": {"text": " Please."}})
    assert late == [c.CallerTranscript("caller-1", "Where is my order? Please.", final=False)]
    ask(ready, {"id": "f2", "name": "roll", "args": {}})
    assert hear(ready, 4.0, serverContent={"inputTranscription": {"text": "Okay."}}) == [
        c.CallerTranscript("caller-1", "Where is my order? Please.", final=True),
        c.CallerTranscript("caller-3", "Okay.", final=False),
    ]


def test_a_turn_that_is_to_be_ignored_is_owed_no_answer(ready):
    hear(ready, 1.0, serverContent={"inputTranscription": {"text": "Bye bye."}})
    idle(ready, 2.5)
    assert ready.encode(c.IgnoreTurn("caller-1"), 2.5) == ()
    assert idle(ready, 100.0) == []


@pytest.mark.parametrize("sound", ["a noise", "uh-huh"])
def test_what_was_asked_for_before_a_sound_that_is_nothing_still_is(ready, sound):
    ready.encode(c.RequestReply("Greet."), 0.0)
    hear(ready, 0.5, serverContent={"interrupted": True})
    if sound == "uh-huh":
        hear(ready, 0.6, serverContent={"inputTranscription": {"text": "Uh-huh."}})
        ready.encode(c.IgnoreTurn("caller-1"), 0.7)
    asked = [(at, said(event.message)) for at, event in idle(ready, 5.0) if isinstance(event, c.Outgoing)]
    assert asked == [(pytest.approx(3.7, abs=0.1), {"realtimeInput": {"text": "Greet."}})]
