"""Sessions that expire: another one of the same model goes on."""

import pytest

from tests.bridge.successors import DEAD, FRAME, PLAIN, SPEECH, Book, kinds
from trio_voice.audio.mulaw import encode
from trio_voice.bridge.failover import SHORTEST_SESSION_SECONDS, TAKE_UP
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import LegClosed, ModelReplaced, ReplaceModel
from trio_voice.record import EndReason


def test_an_expiring_session_is_renewed_when_nobody_speaks():
    book = Book().live()
    book.on(c.CallerSpeechStarted())
    assert book.on(c.SessionExpiring(60, "handle")) == []
    assert book.after(5) == []
    book.on(c.CallerSpeechStopped())
    book.on(c.ReplyStarted("r2"))
    assert book.after(1) == []
    book.on(c.ReplyAudio("r2", SPEECH))
    book.on(c.ReplyDone("r2", interrupted=False))
    assert book.after(1) == []
    book.on(ms.MarkEchoed("0.2"))  # and has been heard
    (renewal,) = book.after(0.5)
    assert (renewal.renews, renewal.resume_with) == (True, "handle")
    book.on(ModelReplaced(PLAIN))
    assert book.on(c.ModelReady("t")) == []  # nobody is owed an answer
    assert book.record.counters["model_renewals"] == 1
    assert kinds(book.on(DEAD)) == [ReplaceModel]  # a renewal used up no model


def test_an_end_that_is_told_early_and_is_far_away_is_no_failure():
    book = Book().live(1)
    assert book.on(c.SessionExpiring(300, "handle")) == []
    assert book.after(5) == []
    (renewal,) = book.after(5)  # it has lasted ten seconds by now
    assert (renewal.renews, renewal.resume_with) == (True, "handle")


def test_it_is_renewed_in_the_end_whoever_speaks():
    book = Book().live()
    book.on(c.CallerSpeechStarted())
    assert book.on(c.SessionExpiring(10)) == []
    assert book.after(7.9) == []
    assert kinds(book.after(0.1)) == [ReplaceModel]
    book.on(ModelReplaced(PLAIN))
    assert book.on(c.ModelReady("t")) == [c.RequestReply(TAKE_UP)]


@pytest.mark.parametrize("politely", [True, False])
def test_a_session_that_ends_before_it_was_renewed_is_renewed_then(politely):
    book = Book().live()
    book.on(c.CallerSpeechStarted())
    book.on(c.SessionExpiring(60, "handle"))
    (renewal,) = book.on(LegClosed("model", politely=politely, detail="it went"))
    assert (renewal.renews, renewal.resume_with) == (True, "handle")


def test_a_caller_who_was_answered_without_a_word_that_they_had_stopped_is_not_waited_for():
    book = Book().live()
    book.on(c.CallerSpeechStarted(interrupts=False))
    assert book.on(c.SessionExpiring(60)) == []
    book.on(c.ReplyStarted("r2"))
    book.on(c.ReplyAudio("r2", SPEECH))
    book.on(c.ReplyDone("r2", interrupted=False))
    book.on(ms.MarkEchoed("0.2"))  # and they have heard it
    assert kinds(book.after(1)) == [ReplaceModel]
    assert book.record.counters["model_renewals"] == 1


def test_a_session_is_not_renewed_before_the_caller_is_answered():
    book = Book().live()
    book.on(c.CallerSpeechStarted(interrupts=False))
    assert book.on(c.SessionExpiring(60)) == []
    book.on(c.CallerSpeechStopped())
    assert book.after(1) == []  # an answer is on its way
    book.on(c.ReplyStarted("r2"))
    book.on(c.ReplyAudio("r2", SPEECH))
    book.on(c.ReplyDone("r2", interrupted=False))
    book.on(ms.MarkEchoed("0.2"))
    assert kinds(book.after(1)) == [ReplaceModel]


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever():
    book = Book().live()
    book.on(c.CallerSpeechStopped())
    assert book.on(c.SessionExpiring(60)) == []
    assert book.after(4.9) == []
    assert kinds(book.after(0.5)) == [ReplaceModel]


@pytest.mark.parametrize("speaks", [True, False])
def test_a_sentence_that_a_session_does_not_hear_the_end_of_is_heard_whole_by_the_next(speaks):
    book = Book().live()
    book.on(c.ReplyStarted("r2"))  # which keeps the session from being replaced before it has to be
    assert book.on(c.SessionExpiring(4)) == []
    assert book.on(ms.CallerAudio(FRAME)) == [c.HearCaller(FRAME)]
    if speaks:
        book.on(c.CallerSpeechStarted(interrupts=False))
        book.on(c.ReplyDone("r2", interrupted=False))
    assert kinds(book.after(2)) == [ReplaceModel]
    book.on(ms.CallerAudio(FRAME))
    book.on(ModelReplaced(PLAIN))
    told = book.on(c.ModelReady("t"))
    if speaks:
        assert told == [c.HearCaller(encode(b"\x00\x80" * 160))]  # and no excuses: they are still speaking
    else:
        assert told == [c.RequestReply(TAKE_UP), c.HearCaller(FRAME)]


def test_a_handle_that_is_not_taken_is_replaced_by_the_conversation_once():
    book = Book().live()
    book.on(c.CallerSpeechStarted(interrupts=False))
    (resumed,) = book.on(c.SessionExpiring(0, "handle"))
    assert resumed.resume_with == "handle"
    book.on(ModelReplaced(PLAIN))
    book.on(ms.CallerAudio(FRAME))
    (told,) = book.on(c.SessionExpiring(0))
    assert (told.resume_with, told.history[0].text) == (None, "Are you open?")
    book.on(ModelReplaced(PLAIN))
    book.on(ms.CallerAudio(FRAME))
    (again,) = book.on(c.SessionExpiring(0))
    assert (again.renews, book.record.counters["model_takeovers"]) == (False, 1)  # that was no matter of handles
    book.on(ModelReplaced(PLAIN))
    assert book.on(c.ModelReady("t")) == [c.RequestReply(TAKE_UP), c.HearCaller(encode(b"\x00\x80" * 160))]


def test_somebody_who_may_be_speaking_interrupts_nothing():
    book = Book()
    book.on(c.ModelReady("s"))
    book.on(c.ReplyStarted("r1"))
    book.on(c.ReplyAudio("r1", SPEECH))
    assert book.on(c.CallerSpeechStarted(interrupts=False)) == []
    assert "barge_ins" not in book.record.counters
    assert book.on(c.CallerSpeechStarted()) != []


def test_sessions_that_expire_as_soon_as_they_begin_have_failed():
    book = Book(successors=0).live()
    assert kinds(book.on(c.SessionExpiring(0))) == [ReplaceModel]
    book.on(ModelReplaced(PLAIN))
    book.on(c.ModelReady("t"))
    book.after(SHORTEST_SESSION_SECONDS - 1)
    (end,) = book.on(c.SessionExpiring(0))
    assert end.reason is EndReason.MODEL_FAILED


LOUD = encode(b"\x00\x80" * 80)
HUM = encode(b"\xff" * 160)


def cut_in_mid_speech(*frames):
    """Commands for the next session, where the caller made these sounds while the last one heard them speak."""
    book = Book().live()
    book.on(ms.CallerAudio(LOUD))  # of a turn before
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerSpeechStopped())
    book.on(c.CallerSpeechStarted())
    for frame in frames:
        book.on(ms.CallerAudio(frame))
        book.after(0.02)
    assert kinds(book.on(DEAD)) == [ReplaceModel]
    book.on(ModelReplaced(PLAIN))
    return book.on(c.ModelReady("t"))


def test_a_sentence_in_which_a_session_is_cut_goes_to_the_next_one_and_nobody_speaks_into_it():
    assert cut_in_mid_speech(LOUD, LOUD) == [c.HearCaller(encode(b"\x00\x80" * 160))]


def test_a_caller_of_whom_nothing_was_heard_lately_is_spoken_to():
    assert cut_in_mid_speech(LOUD, *[HUM] * 150)[0] == c.RequestReply(TAKE_UP)


def test_of_what_was_said_before_nothing_is_heard_again():
    book = Book().live()
    book.on(c.CallerSpeechStarted())
    book.on(ms.CallerAudio(LOUD))
    book.on(c.CallerSpeechStopped())
    book.on(c.CallerSpeechStarted())
    book.on(ms.CallerAudio(HUM))
    book.on(ms.CallerAudio(LOUD))
    book.on(DEAD)
    book.on(ModelReplaced(PLAIN))
    assert book.on(c.ModelReady("t")) == [c.HearCaller(encode(b"\xff" * 160 + b"\x00\x80" * 80))]
