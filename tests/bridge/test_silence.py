"""Silence on the line: ours is filled and bounded, the caller's is asked about."""

from itertools import pairwise

import attrs
import pytest

from tests.playbook import GREETS_NOBODY, HUSH, MORE, SPEECH, START, TALKS_FIRST, Playbook, end_of
from trio_voice.audio.mulaw import base64_ms, encode, silence
from trio_voice.bridge.speaking import FINISH
from trio_voice.bridge.states import Reply
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import (
    EndCall,
    ModelReplaced,
    PlaceMark,
    PlayAudio,
    ReplaceModel,
    RunTool,
    ToolResult,
    ToolReturned,
)
from trio_voice.persona import Limits, Line, Lines, Persona
from trio_voice.record import EndReason
from trio_voice.speech_text.languages import phrases_of

WORDS = phrases_of("en-US")
LINES = Lines(
    takeover=Line("One moment, please.", SPEECH),
    failure=Line(WORDS.last_line, MORE),
    still_there=Line(WORDS.still_there, SPEECH),
    idle_goodbye=Line(WORDS.idle_goodbye, MORE),
    fillers=tuple(Line(text, SPEECH) for text in WORDS.fillers),
)
CHAIN = attrs.evolve(
    TALKS_FIRST, exact_speech=True, speaks_meanwhile=True, yields_on_request=True, words_while_speaking=True
)
HOSTED = TALKS_FIRST
PATIENT = Limits(playback_lead_seconds=10, media_gap_seconds=1000, idle_seconds=1000, time_limit_seconds=1000)


def asked(capabilities=HOSTED, *, limits=PATIENT, lines=LINES, **rest):
    """A live call in which the caller has just asked something."""
    book = Playbook(capabilities=capabilities, limits=limits, lines=lines, **rest).live()
    book.on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerTranscript("i1", "Are you open?", final=False))
    book.on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript("i1", "Are you open?", final=True))
    return book


def pass_time(book, seconds):
    """Let time pass, with a Twilio that plays: the words of this machine, and all else, each with its time."""
    began, heard, rest = book.now, [], []
    lines = 0
    for _ in range(round(seconds / 0.02)):
        book.after(0.02)
        commands = book.tick() if book.now >= book.bridge.wake_at else []
        rest += [(round(book.now - began, 2), each) for each in commands if not isinstance(each, PlayAudio)]
        own = [line.text for line in book.record.transcript if line.role == "agent"]
        heard += [(round(book.now - began, 2), text) for text in own[lines:]]
        lines = len(own)
        for command in commands:
            if type(command).__name__ == "PlaceMark":
                book.on(ms.MarkEchoed(command.name))
    return heard, rest


# Ours


def played(book, payload, times):
    """That much of r1, as it comes in real time, by the way that a call takes; how many fillers were said by then."""
    for _ in range(times):
        if book.bridge.forward_reply_audio("r1", payload, book.now) is None:
            book.on(c.ReplyAudio("r1", payload))
        pass_time(book, base64_ms(payload) / 1000)
    return book.record.counters.get("fillers", 0)


@pytest.mark.parametrize("capabilities", [HOSTED, CHAIN])
@pytest.mark.parametrize("payload", [HUSH, encode(bytes([0x7F]) * 800)])
def test_long_silence_in_the_middle_of_an_answer_is_ours(payload, capabilities):
    book = asked(capabilities)
    book.speak("r1", SPEECH)
    played(book, SPEECH, 10)
    assert played(book, payload, 38) == 0
    assert played(book, payload, 10) == 1
    played(book, SPEECH, 5)
    assert book.bridge._states.reply is Reply.AUDIBLE
    book.on(c.ReplyDone("r1", interrupted=False))
    assert book.bridge._states.reply is Reply.SPOKEN


def test_pauses_in_an_answer_are_pauses():
    book = asked()
    book.speak("r1", SPEECH)
    for _ in range(8):
        assert played(book, SPEECH, 3) == played(book, HUSH, 14) == 0


@pytest.mark.parametrize("begins", [True, False])
def test_a_model_that_greets_by_itself_and_cannot_be_heard_owes_its_greeting(begins):
    book = Playbook(capabilities=HOSTED, limits=PATIENT, lines=LINES).live()
    if begins:
        book.after(0.5).on(c.ReplyStarted("r1"))
        book.after(0.5).on(c.ReplyDone("r1", interrupted=False))
    heard, _ = pass_time(book, 20)
    assert [text for _, text in heard] == [*WORDS.fillers, WORDS.last_line]
    assert heard[0][0] == pytest.approx(2.5 - begins, abs=0.05)


def test_words_into_the_late_greeting_of_a_model_that_cuts_itself_are_still_owed_an_answer():
    book = Playbook(capabilities=HOSTED, limits=PATIENT, lines=LINES).live()
    book.after(2).on(c.CallerSpeechStarted())
    book.after(0.5).speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.5).on(ms.MarkEchoed("0.1"))
    book.on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript("i1", "When do you open?", final=True))
    heard, _ = pass_time(book, 3)
    assert heard[0][0] == pytest.approx(2.5, abs=0.05)


def sound_of(commands):
    return "".join(command.payload for command in commands if isinstance(command, PlayAudio))


def test_a_model_that_has_begun_to_greet_before_it_is_ready_owes_no_other_greeting():
    """A chain whose voice is ready before its ears."""
    book = Playbook(capabilities=TALKS_FIRST, limits=PATIENT, lines=LINES)
    book.on(START)
    book.on(c.ReplyStarted("r1"))
    book.on(c.ReplyAudio("r1", SPEECH))
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(c.ModelReady("s"))
    assert [command for _, command in book.pass_time(8) if isinstance(command, PlayAudio)] == []
    assert book.record.counters.get("fillers", 0) == 0


@pytest.mark.parametrize("frames", [1, 30, 200])
def test_digital_silence_is_no_answer_however_long_it_is(frames):
    book = asked(limits=attrs.evolve(PATIENT, playback_lead_seconds=1))
    book.after(0.3).speak("r1", *[HUSH] * frames)
    book.on(c.ReplyDone("r1", interrupted=False))
    heard, _ = pass_time(book, 4)
    assert [text for _, text in heard] == [WORDS.fillers[0]]
    assert heard[0][0] == pytest.approx(2.2, abs=0.1)
    assert not book.bridge._playout.has_waiting  # the words stand behind no silence
    assert sound_of(book.on(c.ReplyAudio("r1", MORE))) == MORE  # and what can be heard after all is heard
    assert book.record.counters["dead_air_ms"] == pytest.approx(4_300, abs=100)  # before the filler, and behind it


def test_a_voice_that_says_no_filler_is_not_asked_for_the_next():
    book = asked(CHAIN)
    heard, rest = pass_time(book, 12)
    asked_for = [at for at, each in rest if isinstance(each, c.SayExactly)]
    assert len(asked_for) == 1
    assert [text for _, text in heard] == [WORDS.fillers[0], WORDS.fillers[1]]
    assert heard[1][0] - heard[0][0] <= 6


def test_a_reply_that_hangs_under_fillers_is_one_line():
    book = asked(CHAIN)
    book.speak("r1", SPEECH)
    book.on(c.ReplyTranscript("r1", "At nine.", interrupted=False))
    for number in (2, 3):
        book.on(c.ReplyStarted(f"r{number}", is_filler=True))
        book.on(c.ReplyTranscript(f"r{number}", f"Filler {number}.", interrupted=False))
        book.on(c.ReplyDone(f"r{number}", interrupted=False))
    book.on(c.ReplyTranscript("r1", "At nine.", interrupted=False))
    assert [line.text for line in book.record.transcript if line.role == "agent"] == [
        "At nine.",
        "Filler 2.",
        "Filler 3.",
    ]


def test_a_pause_in_an_answer_is_no_silence_of_ours():
    book = asked()
    book.after(0.3).speak("r1", HUSH, SPEECH, *[HUSH] * 10, SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    assert pass_time(book, 4)[0] == []


def test_an_answer_that_does_not_come_is_covered_and_never_by_the_same_words_twice_running():
    heard, _ = pass_time(asked(), 21)
    times, words = zip(*heard, strict=True)
    assert times[0] == pytest.approx(2.5, abs=0.05)
    assert all(later - earlier <= 6 for earlier, later in pairwise(times))
    assert words[:3] == WORDS.fillers


def test_after_three_fillers_the_last_line_is_said():
    book = asked()
    heard, rest = pass_time(book, 60)
    ended_at, end = rest[-1]
    assert isinstance(end, EndCall)
    assert end.reason is EndReason.MODEL_FAILED
    assert [text for _, text in heard] == [*WORDS.fillers, WORDS.last_line]
    assert ended_at < 30


def test_another_session_is_tried_before_the_last_filler():
    book = Playbook(capabilities=HOSTED, limits=PATIENT, lines=LINES).live().after(20)
    book.tick()
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i1", "Are you open?", final=False))
    book.on(c.CallerSpeechStopped())
    _, rest = pass_time(book, 16)
    ((_, replaced),) = [each for each in rest if isinstance(each[1], ReplaceModel)]
    assert replaced.renews
    (asked_to_answer, *_) = book.on(c.ModelReady("t"))
    assert isinstance(asked_to_answer, c.RequestReply)
    _, rest = pass_time(book, 60)
    assert isinstance(rest[-1][1], EndCall)
    assert not any(isinstance(command, ReplaceModel) for _, command in rest)


def test_a_chain_says_fillers_in_its_own_voice():
    book = asked(CHAIN)
    (filler,) = [command for _, command in book.pass_time(2.6)]
    assert filler == c.SayExactly(WORDS.fillers[0], is_filler=True)
    book.on(c.ReplyStarted("f1", is_filler=True))
    book.on(c.ReplyAudio("f1", SPEECH))
    book.on(c.ReplyDone("f1", interrupted=False))
    book.after(0.1).on(ms.MarkEchoed("0.1"))
    again = book.pass_time(6)
    assert [command for _, command in again if isinstance(command, c.SayExactly)] == [
        c.SayExactly(WORDS.fillers[1], is_filler=True)
    ]
    assert book.record.turns == []  # a filler is no answer
    book.on(c.ReplyStarted("r1"))
    book.on(c.ReplyAudio("r1", SPEECH))
    assert len(book.record.turns) == 1


def test_a_voice_that_makes_no_sound_of_a_filler_gives_way_to_the_line_of_this_machine():
    book = asked(CHAIN)
    book.pass_time(2.6)
    ((at, played), *_) = [(at, each) for at, each in book.pass_time(2) if isinstance(each, PlayAudio)]
    assert played == PlayAudio(SPEECH)
    assert at - (book.now - 2) <= 1.5


def test_an_answer_that_goes_on_instead_of_the_filler_lets_the_bridge_sleep():
    book = asked(CHAIN)
    book.after(0.3).speak("r1", SPEECH)
    book.after(0.1).on(ms.MarkEchoed("0.1"))
    assert [command for _, command in book.pass_time(3)] == [c.SayExactly(WORDS.fillers[0], is_filler=True)]
    for _ in range(30):
        assert book.bridge.forward_reply_audio("r1", SPEECH, book.now) is not None
    woken = [at for at, _ in book.pass_time(3)]
    assert len(woken) < 3
    assert book.record.counters["fillers"] == 1


@pytest.mark.parametrize("capabilities", [HOSTED, CHAIN])
def test_a_slow_tool_is_covered_and_never_given_up(capabilities):
    book = Playbook(capabilities=capabilities, limits=PATIENT, lines=LINES).live()
    book.speak("r1", SPEECH)
    assert RunTool("t1", "look_up", {}) in book.on(c.ToolCalled("t1", "look_up", {}))
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(ms.MarkEchoed("0.1"))
    _, rest = pass_time(book, 60)
    assert not any(isinstance(command, EndCall | ReplaceModel) for _, command in rest)
    assert book.record.counters["fillers"] >= 8
    assert c.SendToolResult("t1", "{}") in book.on(ToolReturned("t1", ToolResult("{}")))


def test_fillers_may_be_switched_off_and_the_end_is_bounded_all_the_same():
    persona = Persona(name="p", model="m", fillers=())
    heard, rest = pass_time(asked(persona=persona), 60)
    assert [text for _, text in heard] == [WORDS.last_line]
    assert isinstance(rest[-1][1], EndCall)


def test_a_noise_is_owed_no_answer():
    book = Playbook(persona=GREETS_NOBODY, limits=PATIENT, lines=LINES).live()
    book.on(c.CallerSpeechStarted())
    book.after(0.4).on(c.CallerSpeechStopped())
    assert pass_time(book, 30) == ([], [])


def test_a_noise_that_interrupts_nobody_is_owed_none_whatever_was_said_before():
    """Gemini says that words are final when they are answered; noises it does not tell of, they are heard here."""
    book = asked()
    book.speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(c.CallerTranscript("i1", "Are you open?", final=True))
    pass_time(book, 3)
    book.on(c.CallerSpeechStarted(interrupts=False))
    book.after(0.4).on(c.CallerSpeechStopped())
    assert pass_time(book, 30) == ([], [])


@pytest.mark.parametrize("began", [c.CallerSpeechStarted(item_id="i2"), c.CallerSpeechStarted(interrupts=False)])
@pytest.mark.parametrize("late", ["in the noise", "behind it"])
def test_the_text_of_an_answered_question_that_comes_late_asks_for_nothing(began, late):
    """Nor does it take the floor, though somebody coughs meanwhile."""
    book = Playbook(
        capabilities=attrs.evolve(HOSTED, truncates=True, yields_on_request=True), limits=PATIENT, lines=LINES
    ).live()
    book.on(c.CallerSpeechStarted(item_id="i1" if began.item_id else ""))
    if not began.item_id:
        book.on(c.CallerTranscript("i1", "Are you", final=False))
    book.after(1).on(c.CallerSpeechStopped())
    book.speak("r1", *[SPEECH] * 30)
    book.on(c.ReplyDone("r1", interrupted=False))
    pass_time(book, 1)
    book.on(began)
    text = c.CallerTranscript("i1", "Are you open?", final=True)
    if late == "in the noise":
        assert not [each for each in book.after(0.2).on(text) if isinstance(each, c.TruncateReply)]
    book.after(0.4).on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript("i2", "", final=True))
    if late == "behind it":
        book.after(0.2).on(text)
    assert pass_time(book, 20)[0] == []
    assert [line.interrupted for line in book.record.transcript if line.role == "agent"] in ([], [False])


def test_words_that_come_before_their_beginning_is_told_are_owed_an_answer():
    """Whoever speaks too low to be heard here is heard by Gemini."""
    book = Playbook(persona=GREETS_NOBODY, limits=PATIENT, lines=LINES).live()
    book.on(c.CallerTranscript("i1", "Are you", final=False))
    book.on(c.CallerSpeechStarted(interrupts=False))
    book.after(0.8).on(c.CallerSpeechStopped())
    heard, _ = pass_time(book, 3)
    assert heard


def test_a_question_that_a_noise_came_behind_is_still_owed_its_answer():
    book = asked()
    book.after(1).on(c.CallerSpeechStarted())
    book.after(0.3).on(c.CallerSpeechStopped())
    heard, _ = pass_time(book, 4)
    assert [text for _, text in heard] in ([WORDS.fillers[0]], [])
    assert book.bridge.handle(c.CallerTranscript("i2", "", final=True), book.now) == []
    heard, _ = pass_time(book, 6)
    assert heard


@pytest.mark.parametrize("yields", [True, False])
def test_a_noise_over_a_filler_whose_end_is_never_told_leaves_nobody_in_silence(yields):
    book = asked(attrs.evolve(HOSTED, truncates=yields, yields_on_request=yields))
    heard, _ = pass_time(book, 3.0)
    assert heard
    book.on(c.CallerSpeechStarted())
    for _ in range(4):
        book.after(0.1).on(ms.CallerAudio(SPEECH))
    heard, _ = pass_time(book, 5.8)
    assert [text for _, text in heard] == [*WORDS.fillers[:2]]


def test_how_long_nothing_was_heard_is_counted():
    book = asked()
    pass_time(book, 3)  # a filler after 2.5 s, whose mark is back at once
    book.speak("r1", SPEECH)
    assert book.record.counters["dead_air_ms"] == pytest.approx(2500 + 500, abs=60)


def test_an_answer_that_is_heard_needs_no_filler():
    book = asked()
    book.after(1)
    book.speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(ms.MarkEchoed("0.1"))
    assert pass_time(book, 30) == ([], [])


def test_a_model_that_opens_slowly_is_covered_by_this_machine():
    book = Playbook(limits=attrs.evolve(PATIENT, model_ready_seconds=10), lines=LINES)
    book.on(START)
    heard, rest = pass_time(book, 20)
    assert heard[0] == (pytest.approx(2.5, abs=0.05), WORDS.fillers[0])
    assert heard[-1][1] == WORDS.last_line
    assert end_of([command for _, command in rest]) is EndReason.MODEL_FAILED


# The caller's


def idle(persona=GREETS_NOBODY, **rest):
    limits = Limits(idle_seconds=30, media_gap_seconds=1000, time_limit_seconds=1000, playback_lead_seconds=10)
    return Playbook(persona=persona, limits=limits, **rest).live()


def test_a_silent_caller_is_asked_and_then_told_goodbye():
    book = idle(lines=LINES)
    (at, asked_for), *_ = [(at, command) for at, command in pass_time(book, 21)[1]]
    assert at == pytest.approx(20, abs=0.05)
    assert WORDS.still_there in asked_for.instructions
    book.speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(ms.MarkEchoed("0.1"))
    _, rest = pass_time(book, 20)
    assert rest[0][0] == pytest.approx(9, abs=0.1)  # the question has made the caller no less silent
    assert WORDS.idle_goodbye in rest[0][1].instructions
    assert end_of([command for _, command in rest]) is EndReason.IDLE
    assert rest[-1][1].detail == "nobody has spoken: idle_seconds = 30"


def test_a_model_that_does_not_ask_is_spoken_for_by_this_machine():
    book = idle(lines=LINES)
    heard, rest = pass_time(book, 40)
    assert [text for _, text in heard] == [WORDS.still_there, WORDS.idle_goodbye]
    assert end_of([command for _, command in rest]) is EndReason.IDLE


def test_what_was_said_on_this_machine_is_not_said_by_a_slow_model_as_well():
    book = idle(lines=LINES)
    heard, _ = pass_time(book, 24)
    assert [text for _, text in heard] == [WORDS.still_there]
    assert book.speak("r1", SPEECH) == []
    book.on(c.ReplyDone("r1", interrupted=False))
    assert book.speak("r2", SPEECH) != []  # whatever that is, it is something else


def test_an_answer_to_whoever_answers_such_a_line_is_heard():
    book = idle(lines=LINES)
    pass_time(book, 24)
    book.on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerSpeechStopped())
    assert book.speak("r1", SPEECH) != []


def test_the_persona_words_what_a_silent_caller_is_asked():
    persona = Persona(name="p", model="m", still_there="Noch da?", idle_goodbye="Tschüss.")
    _, rest = pass_time(idle(persona=persona), 40)
    told = [command.instructions for _, command in rest if isinstance(command, c.RequestReply)]
    assert ["Noch da?" in told[0], "Tschüss." in told[1]] == [True, True]


@pytest.mark.parametrize(
    "facts",
    [
        [c.CallerSpeechStarted()],
        [c.ReplyStarted("r1"), c.ToolCalled("t1", "look_up", {})],
        [c.CallerSpeechStarted(), c.CallerSpeechStopped(), c.AnswerOwed()],
    ],
    ids=["they think aloud", "something is looked up", "an answer is owed"],
)
def test_a_call_is_not_idle_while_somebody_has_the_floor(facts):
    limits = Limits(idle_seconds=5, media_gap_seconds=1000, time_limit_seconds=1000)
    book = Playbook(limits=limits).live()
    for fact in facts:
        book.on(fact)
    _, rest = pass_time(book, 12)
    assert not any(isinstance(command, EndCall) for _, command in rest)
    assert not any(WORDS.still_there in str(command) for _, command in rest)


def test_a_caller_who_answers_the_question_is_there():
    book = idle()
    pass_time(book, 21)
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i", "Yes, I am looking for my card.", final=False))
    book.after(2).on(c.CallerSpeechStopped())
    book.speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(ms.MarkEchoed("0.1"))
    assert pass_time(book, 19)[1] == []


def test_a_reply_that_came_to_nothing_has_answered_nobody():
    """Its text may come behind such a reply, or before it."""
    book = Playbook(limits=PATIENT, lines=LINES).live()
    book.on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerSpeechStopped())
    book.on(c.ReplyStarted("r1"))
    book.on(c.CallerTranscript("i1", "Are you open?", final=True))
    book.on(c.ReplyDone("r1", interrupted=False))
    heard, _ = pass_time(book, 3)
    assert heard == [(pytest.approx(2.5, abs=0.05), WORDS.fillers[0])]


def test_words_that_come_late_have_been_owed_an_answer_since_the_turn_was_over():
    book = Playbook(limits=PATIENT, lines=LINES).live()
    book.on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerSpeechStopped())
    book.after(0.8).on(c.CallerTranscript("i1", "Are you open?", final=True))
    heard, _ = pass_time(book, 3)
    assert heard == [(pytest.approx(1.7, abs=0.05), WORDS.fillers[0])]


def test_words_long_behind_a_noise_are_no_words_of_it():
    """From a model that tells the words of a turn before its beginning."""
    book = Playbook(persona=GREETS_NOBODY, limits=PATIENT, lines=LINES).live()
    book.on(c.CallerSpeechStarted())
    book.after(0.3).on(c.CallerSpeechStopped())
    pass_time(book, 20)
    book.on(c.CallerTranscript("i2", "Are you", final=False))
    heard, _ = pass_time(book, 3)
    assert heard == [(pytest.approx(2.5, abs=0.05), WORDS.fillers[0])]


def test_words_that_nobody_calls_final_are_owed_an_answer_once_no_more_come():
    book = Playbook(limits=PATIENT, lines=LINES).live()
    for text in ("Are", "Are you", "Are you open?"):
        book.after(2).on(c.CallerTranscript("i1", text, final=False))
    heard, _ = pass_time(book, 3)
    assert heard == [(pytest.approx(2.5, abs=0.05), WORDS.fillers[0])]


@pytest.mark.parametrize("pace", [1.0, 1.05, 6.0])
def test_silence_without_end_puts_no_words_off(pace):
    """It comes as fast as it is heard, or faster, in one reply behind the other."""
    book = asked(limits=attrs.evolve(PATIENT, playback_lead_seconds=1))
    began, heard, ends_at, marks = book.now, [], book.now, []
    for step in range(round(30 / 0.02)):
        book.after(0.02)
        reply, at = divmod(step, 500)
        commands = [] if at else book.on(c.ReplyStarted(f"r{reply}"))
        if at < 500 / pace:
            commands += book.on(c.ReplyAudio(f"r{reply}", encode(silence(round(20 * pace)))))
        while marks and marks[0][0] <= book.now:
            commands += book.on(ms.MarkEchoed(marks.pop(0)[1]))
        commands += book.tick() if book.now >= book.bridge.wake_at else []
        for command in commands:
            if isinstance(command, PlayAudio):
                if command.payload in (SPEECH, MORE):
                    heard.append(max(ends_at, book.now) - began)
                ends_at = max(ends_at, book.now) + base64_ms(command.payload) / 1000
            elif isinstance(command, PlaceMark):
                marks.append((ends_at, command.name))
    assert len(heard) >= 4
    assert all(later - earlier <= 6 for earlier, later in pairwise([0, *heard]))


@pytest.mark.parametrize("resumes", [False, True])
def test_another_session_of_the_same_model_puts_no_words_off(resumes):
    capabilities = attrs.evolve(HOSTED, resumes=resumes)
    book = Playbook(persona=GREETS_NOBODY, capabilities=capabilities, limits=PATIENT, lines=LINES).live().after(20)
    book.tick()
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i1", "Are you open?", final=False))
    book.on(c.CallerSpeechStopped())
    heard, _ = pass_time(book, 4)
    book.on(c.ModelFault("silent", "it does not answer", fatal=True, passing=True))
    book.on(c.ModelReady("t"))
    more, more_rest = pass_time(book, 40)
    times = [heard[0][0]] + [4 + at for at, _ in more[1:]]  # all lines are told again
    assert all(later - earlier <= 6 for earlier, later in pairwise(times))
    assert [text for _, text in more] == [*WORDS.fillers, WORDS.last_line]
    assert not any(isinstance(command, ReplaceModel) for _, command in more_rest)  # that was its second chance


def test_another_session_is_tried_for_a_model_that_can_be_taken_up_as_well():
    capabilities = attrs.evolve(HOSTED, resumes=True)
    book = Playbook(capabilities=capabilities, limits=PATIENT, lines=LINES).live().after(20)
    book.tick()
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i1", "Are you open?", final=False))
    book.on(c.CallerSpeechStopped())
    _, rest = pass_time(book, 16)
    assert [command.renews for _, command in rest if isinstance(command, ReplaceModel)] == [True]


@pytest.mark.parametrize("yields", [True, False])
def test_an_answer_that_stands_still_is_asked_to_be_finished(yields):
    """Behind the second filler, of the same session."""
    book = asked(attrs.evolve(TALKS_FIRST, truncates=True, yields_on_request=yields))
    book.after(0.3).speak("r1", SPEECH)
    _, rest = pass_time(book, 9)
    asked_for = [(at, each) for at, each in rest if isinstance(each, c.TruncateReply | c.RequestReply)]
    cut = [(pytest.approx(7.6, abs=0.2), c.TruncateReply("r1", 100.0))] if yields else []
    assert asked_for == [*cut, (pytest.approx(7.6, abs=0.2), c.RequestReply(FINISH, instead=True))]
    heard = [line for line in book.record.transcript if line.role == "agent" and line.interrupted]
    assert heard == []  # what came of it was heard
    book.on(c.ReplyDone("r1", interrupted=yields))
    if yields:
        book.on(c.ReplyStarted("r2"))
    book.on(c.ReplyAudio("r2" if yields else "r1", MORE))
    book.on(c.ReplyDone("r2" if yields else "r1", interrupted=False))
    fillers = book.record.counters["fillers"]
    _, rest = pass_time(book, 20)
    assert book.record.counters["fillers"] == fillers
    assert not [each for _, each in rest if isinstance(each, c.RequestReply)]


@pytest.mark.parametrize("expires", [False, True], ids=["nothing", "another session"])
@pytest.mark.parametrize("capabilities", [HOSTED, CHAIN], ids=["hosted", "chain"])
def test_the_rest_of_an_answer_is_owed_until_it_comes(capabilities, expires):
    """The server breaks the answer off for it, and begins no other."""
    book = asked(capabilities)
    book.after(0.3).speak("r1", SPEECH)
    before, _ = pass_time(book, 10)
    book.on(c.ReplyDone("r1", interrupted=True))
    if expires:
        book.on(c.SessionExpiring(1.0))
        book.on(c.ModelReady("t"))
    said, rest = pass_time(book, 10)
    asked_for = [each for _, each in rest if isinstance(each, ReplaceModel | c.RequestReply | c.SayExactly)]
    assert asked_for or len(said) > len(before)  # the lines of before are told again


def test_an_answer_that_is_given_up_before_it_sounds_is_still_owed():
    """A session that hangs is asked once more: that is no new wait."""
    book = Playbook(capabilities=HOSTED, limits=PATIENT, lines=LINES).live()
    book.on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerSpeechStopped())
    book.after(0.3).on(c.ReplyStarted("r1"))
    book.on(c.CallerTranscript("i1", "Are you open?", final=True))
    pass_time(book, 5.3)
    book.on(c.ReplyDone("r1", interrupted=True))
    pass_time(book, 1)
    book.on(c.ReplyStarted("r2"))
    assert book.record.counters["fillers"] == 1
    pass_time(book, 1.8)
    assert book.record.counters["fillers"] == 2


def test_the_rest_of_an_answer_is_owed_and_by_the_session_that_takes_over_too():
    book = asked()
    book.after(0.3).speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(c.AnswerOwed())
    pass_time(book, 5)
    assert book.record.counters["fillers"] == 1
    (replaced,) = [each for each in book.after(20).on(c.SessionExpiring(0.0)) if isinstance(each, ReplaceModel)]
    assert replaced.renews
    book.on(ModelReplaced(HOSTED))
    assert [type(each) for each in book.on(c.ModelReady("t"))] == [c.RequestReply]


def test_what_was_asked_for_is_still_owed_after_a_noise():
    """A cough while the greeting is thought of; the model may have dropped it."""
    book = Playbook(capabilities=attrs.evolve(HOSTED, speaks_first=False), limits=PATIENT, lines=LINES)
    book.on(START)
    book.on(c.ModelReady("s"))
    book.on(c.CallerSpeechStarted())
    book.after(0.5).on(c.CallerSpeechStopped())
    pass_time(book, 4)
    assert book.record.counters["fillers"] == 1


def test_a_noise_that_is_found_to_be_one_twice_leaves_the_answer_owed():
    """By its end, and by its empty text."""
    book = asked()
    pass_time(book, 3)
    book.on(c.CallerSpeechStarted())
    book.after(0.5).on(c.CallerSpeechStopped())
    book.after(0.2).on(c.CallerTranscript("i2", "", final=True))
    pass_time(book, 3)
    assert book.record.counters["fillers"] == 2


def test_a_reply_that_was_asked_for_and_comes_to_nothing_is_still_owed():
    """The session asks once more, and says so by no word."""
    book = Playbook(capabilities=attrs.evolve(HOSTED, speaks_first=False), limits=PATIENT, lines=LINES)
    book.on(START)
    book.on(c.ModelReady("s"))
    for number in range(5):
        book.after(0.2).on(c.ReplyStarted(f"r{number}"))
        book.after(0.2).on(c.ReplyDone(f"r{number}", interrupted=False))
    assert [text for _, text in pass_time(book, 1)[0]] == [WORDS.fillers[0]]


def sessions_of(book, play, most=6):
    """Number of sessions that a model is given which plays this in each, and then stands still, until the call ends."""
    for session in range(1, most):
        play(book, f"r{session}")
        commands = []
        while not any(isinstance(command, ReplaceModel | EndCall) for command in commands):
            commands = [command for _, command in pass_time(book, 0.1)[1]]
            assert book.now < 1_000, "it is waited for without end"
        if isinstance(commands[-1], EndCall):
            return session
        book.on(ModelReplaced(HOSTED))
        book.on(c.ModelReady(f"s{session}"))
    return most


def begin_only(book, reply):
    """Half a word; the session has been of use before it, else it has no second chance at all."""
    pass_time(book, 4)
    book.speak(reply, SPEECH)
    pass_time(book, 2)


def break_off(book, reply):
    begin_only(book, reply)
    book.on(c.ReplyDone(reply, interrupted=True))
    book.on(c.ReplyStarted(f"{reply}-more"))


def end_without_a_sound(book, reply):
    begin_only(book, f"{reply}-half")
    book.speak(reply, HUSH)
    book.on(c.ReplyDone(reply, interrupted=False))


def answer(book, reply):
    begin_only(book, reply)
    book.on(c.ReplyDone(reply, interrupted=False))
    book.on(c.ReplyStarted(f"{reply}-more"))


def ask_again(book, reply):
    book.on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript(f"i-{reply}", "And on Sundays?", final=True))


def begin_and_be_asked_again(book, reply):
    begin_only(book, reply)
    ask_again(book, reply)


@pytest.mark.parametrize("play", [begin_only, break_off, end_without_a_sound])
def test_an_answer_that_only_begins_earns_one_more_session_and_no_third(play):
    assert sessions_of(asked(), play) == 2


@pytest.mark.parametrize("play", [answer, begin_and_be_asked_again])
def test_an_answer_to_its_end_or_a_new_question_earns_another_session(play):
    assert sessions_of(asked(), play) == 6


def test_another_model_earns_a_second_session_too():
    """Two of the first, two of the one that takes over."""
    assert sessions_of(asked(successors=1), begin_only) == 4


def test_what_is_said_after_a_noise_to_another_session_is_owed_from_then_on():
    """The session that heard the beginning of it is gone; the noise was before."""
    book = Playbook(persona=GREETS_NOBODY, limits=PATIENT, lines=LINES).live()
    pass_time(book, 20)
    book.on(c.CallerSpeechStarted())
    book.after(0.3).on(c.CallerSpeechStopped())
    pass_time(book, 2)
    book.on(c.CallerSpeechStarted())
    book.after(0.5).on(c.ModelFault("gone", "it is gone", fatal=True, passing=True))
    book.on(ModelReplaced(HOSTED))
    book.on(c.ModelReady("t"))
    book.after(1).on(c.CallerTranscript("i2", "Are you open?", final=True))
    heard, _ = pass_time(book, 3)
    assert heard == [(pytest.approx(2.5, abs=0.05), WORDS.fillers[0])]


def test_a_caller_is_not_silent_while_the_model_is_opened():
    limits = attrs.evolve(PATIENT, idle_seconds=30, model_ready_seconds=20)
    book = Playbook(persona=GREETS_NOBODY, limits=limits)
    book.on(START)
    book.after(12).on(c.ModelReady("s"))
    _, rest = pass_time(book, 19.5)
    assert not any(isinstance(command, c.RequestReply) for _, command in rest)
    _, rest = pass_time(book, 1)
    assert any(isinstance(command, c.RequestReply) for _, command in rest)
