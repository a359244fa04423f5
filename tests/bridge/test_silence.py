"""The agent's silence is filled, and bounded."""

from itertools import pairwise

import attrs
import pytest

from tests.bridge.silences import CHAIN, HOSTED, LINES, PATIENT, WORDS, asked, pass_time
from tests.playbook import HUSH, MORE, SPEECH, START, TALKS_FIRST, Playbook, end_of
from trio_voice.audio.mulaw import base64_ms, encode
from trio_voice.bridge.states import Reply
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import EndCall, PlayAudio, ReplaceModel, RunTool, ToolResult, ToolReturned
from trio_voice.persona import Persona
from trio_voice.record import EndReason


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
