"""Turns that are owed an answer: words and noises, in whatever order they are told."""

from itertools import pairwise

import attrs
import pytest

from tests.bridge.silences import HOSTED, LINES, PATIENT, WORDS, asked, pass_time
from tests.playbook import GREETS_NOBODY, MORE, SPEECH, Playbook
from trio_voice.audio.mulaw import base64_ms, encode, silence
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import PlaceMark, PlayAudio, ReplaceModel


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
