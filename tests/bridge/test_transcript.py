"""The record of a call is bounded, whatever the model says."""

import pytest

from tests.playbook import SPEECH, Playbook
from trio_voice.bridge.failover import HISTORY_LETTERS, history_of
from trio_voice.bridge.transcript import (
    KEPT_REPLIES,
    KEPT_TURNS,
    LATEST_LINES,
    MAX_LETTERS,
    MAX_LETTERS_OF_A_CALL,
    MAX_LINES,
    Transcript,
)
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import SayRequested
from trio_voice.events.model import retold
from trio_voice.record import CallRecord


def written(write):
    record = CallRecord(call_id="c", direction="inbound", persona="p", from_number="", to_number="")
    transcript = Transcript(record)
    write(transcript)
    return record, transcript


def test_no_line_grows_without_end():
    def write(transcript):
        transcript.caller_said("i", "x" * 100_000, 0, final=True)
        transcript.reply_said("r1", "x" * 100_000, 0, interrupted=False)
        for _ in range(10_000):
            transcript.reply_words("r2", "word ", None, 0)
            transcript.reply_words("r2", "", None, 0)

    record, transcript = written(write)
    assert max(len(line.text) for line in record.transcript) <= MAX_LETTERS
    assert len(transcript._reply("r2").words) <= MAX_LETTERS


def test_there_are_not_more_lines_than_a_call_can_have():
    def write(transcript):
        for number in range(MAX_LINES):
            transcript.caller_said(f"i{number}", "x", 0, final=False)
            transcript.reply_said(f"r{number}", "x", 0, interrupted=False)

    record, transcript = written(write)
    assert len(record.transcript) == MAX_LINES
    assert record.counters == {"transcript_lines_over_the_bound": MAX_LINES}
    assert len(transcript._replies) == KEPT_REPLIES


def test_a_line_over_the_bound_is_counted_once_and_told_to_a_successor():
    def write(transcript):
        for number in range(MAX_LINES + 5):
            transcript.caller_said(f"i{number}", "x", number, final=False)
            transcript.caller_said(f"i{number}", f"line {number}", number, final=True)

    record, transcript = written(write)
    assert record.counters == {"transcript_lines_over_the_bound": 5}
    assert len(transcript.latest) == LATEST_LINES
    assert transcript.latest[-1].text == f"line {MAX_LINES + 4}"


def test_turns_without_a_text_are_forgotten():
    def write(transcript):
        for number in range(100):
            transcript.caller_began(f"i{number}", number)
            transcript.caller_said(f"j{number}", "x", number, final=False)

    _, transcript = written(write)
    assert len(transcript._began) == len(transcript._callers) == KEPT_TURNS


def lines(record):
    return [(line.at, line.role, line.text) for line in record.transcript]


def test_the_callers_line_stands_where_they_began_though_its_text_comes_behind_the_answer():
    def write(transcript):
        transcript.reply_said("r1", "Hello.", 1, interrupted=False)
        transcript.caller_began("i1", 3)
        transcript.reply_words("r2", "At nine.", None, 5)
        transcript.caller_began("i2", 7)
        transcript.reply_words("r3", "Yes.", None, 8)
        transcript.caller_said("i2", "On Sunday?", 9, final=True)
        transcript.caller_said("i1", "When do you", 10, final=False)
        transcript.caller_said("i1", "When do you open?", 11, final=True)

    record, transcript = written(write)
    in_order = [
        (1, "agent", "Hello."),
        (3, "caller", "When do you open?"),
        (5, "agent", "At nine."),
        (7, "caller", "On Sunday?"),
        (8, "agent", "Yes."),
    ]
    assert lines(record) == in_order
    assert [line.text for line in transcript.latest] == [text for _, _, text in in_order]


def test_a_turn_that_the_model_names_only_with_its_text_stands_where_it_began_too():
    def write(transcript):
        transcript.caller_began("", 2)
        transcript.caller_said("noise", "", 3, final=True)
        transcript.caller_began("", 4)
        transcript.reply_words("r1", "Pardon?", None, 5)
        transcript.caller_said("i1", "Hello?", 6, final=True)
        transcript.caller_said("i2", "Are you there?", 7, final=True)  # nobody said that it began

    record, _ = written(write)
    assert lines(record) == [(4, "caller", "Hello?"), (5, "agent", "Pardon?"), (7, "caller", "Are you there?")]


def test_words_that_were_never_sound_are_kept_and_marked_as_unheard():
    def write(transcript):
        transcript.reply_began("r1")
        transcript.reply_said("r1", "At nine.", 1, interrupted=False)
        transcript.reply_done("r1", audible=False)
        transcript.reply_began("r2")
        transcript.reply_said("r2", "At ten.", 2, interrupted=False)
        transcript.reply_done("r2", audible=True)

    record, transcript = written(write)
    assert [(line.text, line.interrupted, line.heard_ms) for line in record.transcript] == [
        ("At nine.", True, 0.0),
        ("At ten.", False, None),
    ]
    assert [said.text for said in history_of(transcript.latest)] == ["At ten."]


def test_a_successor_is_told_no_more_letters_than_it_can_take_and_what_was_broken_off():
    def write(transcript):
        for number in range(20):
            transcript.caller_said(f"i{number}", f"{number:02}" + "x" * 1_998, number, final=True)
        transcript.reply_said("r1", "One moment", 20, interrupted=True)

    _, transcript = written(write)
    history = history_of(transcript.latest)
    assert sum(len(said.text) for said in history) <= HISTORY_LETTERS
    assert [said.text[:2] for said in history] == [f"{number:02}" for number in range(11, 20)] + ["On"]
    assert retold(history).endswith("\nYou: One moment (interrupted)")


def test_a_model_that_never_stops_does_not_fill_the_record():
    def write(transcript):
        for number in range(1_000):
            transcript.caller_said(f"i{number}", "ü", float(number), final=False)
            transcript.caller_said(f"i{number}", "ü" * 6_000, float(number), final=True)
            transcript.reply_began(f"r{number}")
            transcript.reply_words(f"r{number}", "x" * 6_000, None, float(number))

    record, transcript = written(write)
    assert sum(len(line.text) for line in record.transcript) < MAX_LETTERS_OF_A_CALL + 10 * MAX_LETTERS
    assert record.counters["transcript_lines_over_the_bound"] > 1_500
    assert transcript.latest[-1].text == "x" * MAX_LETTERS


def test_the_text_of_a_reply_that_was_heard_whole_may_come_behind_its_cut():
    def write(transcript):
        transcript.reply_sent("r1", 1_000)
        transcript.reply_words("r1", "At nine", None, 1)
        transcript.reply_cut("r1", 1_000)
        transcript.reply_said("r1", "At nine.", 2, interrupted=False)

    record, _ = written(write)
    assert [(line.text, line.interrupted) for line in record.transcript] == [("At nine.", False)]


def test_a_reply_is_cut_though_others_were_begun_behind_it():
    """A model asks for tools in replies of their own, and goes on faster than is heard."""
    record, transcript = written(lambda transcript: transcript.reply_began("r1"))
    transcript.reply_sent("r1", 1_000)
    transcript.reply_said("r1", "one two three four", 1, interrupted=False)
    transcript.reply_over("r1")
    transcript.reply_began("tool")
    transcript.reply_began("r2")
    transcript.reply_cut("r1", 500)
    (line,) = record.transcript
    assert (line.text, line.interrupted, line.heard_ms) == ("one two", True, 500)


def test_words_of_a_reply_that_was_given_up_before_it_had_any_are_not_heard():
    record, transcript = written(lambda transcript: transcript.reply_began("r1"))
    transcript.reply_cut("r1", 0.0)
    transcript.reply_words("r1", "Goodbye", None, 1)
    transcript.reply_words("r1", " again!", None, 1)
    (line,) = record.transcript
    assert (line.text, line.interrupted, line.heard_ms) == ("", True, 0)


def book_of_a_reply(over):
    book = Playbook().live()
    book.speak("r1", *[SPEECH] * 4)
    book.on(c.ReplyWords("r1", "Good day, ", 0.0))
    book.on(c.ReplyWords("r1", "dear caller.", 200.0))
    if over:
        book.on(c.ReplyDone("r1", interrupted=False))
    return book


@pytest.mark.parametrize("over", [True, False], ids=["made", "being made"])
def test_what_an_end_cuts_is_not_recorded_as_heard(over):
    book = book_of_a_reply(over)
    book.after(0.15).on(ms.CallerStopped())
    book.bridge.close(book.now)
    assert book.lines() == [("agent", "Good day,", True)]


def test_a_reply_that_is_still_being_made_was_not_heard_to_its_end():
    book = book_of_a_reply(over=False)
    for mark in ("0.1", "0.2"):
        book.after(0.25).on(ms.MarkEchoed(mark))
    book.on(ms.CallerStopped())
    book.bridge.close(book.now)
    assert book.lines() == [("agent", "Good day, dear caller.", True)]


def test_what_was_heard_before_the_end_is_whole():
    book = book_of_a_reply(over=True)
    for mark in ("0.1", "0.2"):
        book.after(0.25).on(ms.MarkEchoed(mark))
    book.on(ms.CallerStopped())
    book.bridge.close(book.now)
    assert book.lines() == [("agent", "Good day, dear caller.", False)]


def test_a_reply_of_which_all_was_heard_that_had_come_is_cut_by_what_comes_later():
    """A model that sends its sound as it is spoken, and its text at the end, knows nothing of the operator's wish."""
    book = Playbook().live()
    book.speak("r1", *[SPEECH] * 2)
    book.after(0.3).on(SayRequested("Listen to me."))
    for _ in range(2):
        book.on(c.ReplyAudio("r1", SPEECH))
    book.on(c.ReplyTranscript("r1", "Good day, dear caller.", interrupted=False))
    assert book.lines() == [("agent", "Good day,", True)]


def test_a_turn_whose_beginning_is_told_twice_stands_where_it_began():
    """Recognisers tell of a sound, and once more of its first word."""
    book = Playbook().live()
    book.on(c.CallerSpeechStarted())
    book.after(2).on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i1", "Are you open?", final=False))
    book.on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript("i1", "Are you open?", final=True))
    book.after(3).on(c.CallerSpeechStarted())
    book.after(1).on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript("i2", "And tomorrow?", final=True))
    assert [line.at for line in book.record.transcript] == [0, 5]


def test_what_was_said_is_written_down(book):
    book.live()
    book.on(c.CallerTranscript("i1", "Are you", final=False))
    book.on(c.CallerTranscript("i1", "Are you open?", final=True))
    book.speak("r1", SPEECH)
    book.on(c.ReplyTranscript("r1", "Yes, until six.", interrupted=False))
    assert book.lines() == [("caller", "Are you open?", False), ("agent", "Yes, until six.", False)]


def test_a_reply_is_cut_to_the_words_that_were_heard(book):
    book.live().speak("r1", *[SPEECH] * 10)
    for text, start in [("We ", 0.0), ("open ", 300.0), ("at ", 500.0), ("seven.", 700.0)]:
        book.on(c.ReplyWords("r1", text, start))
    book.on(c.ReplyTranscript("r1", "We open at seven.", interrupted=False))
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    book.after(0.2).on(ms.MarkEchoed("0.2"))
    book.after(0.15).on(c.CallerSpeechStarted())
    assert book.lines() == [("agent", "We open at", True)]
    assert book.record.transcript[0].heard_ms == pytest.approx(550)


def test_without_word_times_a_reply_is_cut_by_proportion_between_words(book):
    book.live().speak("r1", *[SPEECH] * 2)
    book.on(c.ReplyTranscript("r1", "one two three four", interrupted=False))
    book.after(0.1).on(c.CallerSpeechStarted())
    assert book.lines() == [("agent", "one two", True)]


def test_text_that_comes_after_the_interruption_is_cut_as_well(book):
    book.live().speak("r1", *[SPEECH] * 2)
    book.after(0.1).on(c.CallerSpeechStarted())
    book.on(c.ReplyTranscript("r1", "one two three four", interrupted=False))
    assert book.lines() == [("agent", "one two", True)]


def test_a_text_that_the_model_has_cut_itself_is_believed(book):
    book.live().speak("r1", *[SPEECH] * 2)
    book.after(0.1).on(c.CallerSpeechStarted())
    book.on(c.ReplyTranscript("r1", "one two", interrupted=True))
    assert book.lines() == [("agent", "one two", True)]


def test_a_reply_that_was_heard_to_its_end_is_whole(book):
    book.live().speak("r1", SPEECH)
    book.on(c.ReplyTranscript("r1", "Goodbye", interrupted=False))
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(5).on(c.CallerSpeechStarted())
    assert book.lines() == [("agent", "Goodbye", False)]


def test_what_is_cleared_is_never_heard(book):
    book.live().on(c.CallerSpeechStopped())
    book.speak("r1", SPEECH, SPEECH)
    book.after(0.1).on(c.CallerSpeechStarted())
    book.on(ms.MarkEchoed("0.1"))
    assert [turn.stages.keys() for turn in book.record.turns] == [{"first_audio", "first_frame"}]
