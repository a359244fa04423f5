"""Gemini's Live API: who has to be answered and is not."""

import pytest

from tests.protocols.gemini_live.live import LOUD, ask, hear, idle, said, sound, steps
from trio_voice.events import model as c
from trio_voice.protocols.gemini_live.watchdog import ANSWER_SECONDS, PATIENCE_SECONDS, PAUSE_SECONDS
from trio_voice.protocols.unanswered import NUDGE


def speak(session, seconds, now):
    """The caller speaks so long; returns when they stop."""
    for _ in range(round(seconds * 50)):
        session.encode(c.HearCaller(LOUD), now)
        now += 0.02
    return now - 0.02


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


def test_a_cough_is_not_asked_about(ready):
    """It is heard as a sound, and Gemini is told nothing."""
    speak(ready, 0.5, 1.0)
    assert [type(event) for _, event in idle(ready, 30.0)] == [c.CallerSpeechStarted, c.CallerSpeechStopped]


def test_whoever_is_not_heard_and_says_it_again_is(ready):
    speak(ready, 0.4, 1.0)
    idle(ready, 5.0)
    last = speak(ready, 0.4, 5.0)
    assert said(steps(idle(ready, last + PATIENCE_SECONDS))[1].message)["realtimeInput"]["text"] == NUDGE


def nudged(session):
    """Something was loud, Gemini was asked about it, and could answer."""
    last = speak(session, 1.0, 1.0)
    idle(session, last + PATIENCE_SECONDS)
    hear(session, 11.0, serverContent=sound())
    hear(session, 11.5, serverContent={"turnComplete": True})


def test_what_is_loud_again_and_was_no_speech_is_not_asked_about_again(ready):
    nudged(ready)
    speak(ready, 2.0, 20.0)
    assert steps(idle(ready, 50.0)) == []


@pytest.mark.parametrize(
    "sign",
    [{"serverContent": {"inputTranscription": {"text": "Hello?"}}}, {"serverContent": {"interrupted": True}}],
    ids=["words", "an interruption"],
)
def test_a_gemini_that_hears_speech_again_is_asked_again(ready, sign):
    nudged(ready)
    hear(ready, 14.0, **sign)
    hear(ready, 14.1, serverContent=sound())
    hear(ready, 14.5, serverContent={"turnComplete": True})
    speak(ready, 2.0, 20.0)
    assert steps(idle(ready, 32.0)) != []
