"""Two replies that a server makes at once: the bridge is told pieces of both, and asked what the caller gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.playbook import MORE, SPEECH, Playbook
from trio_voice.audio.mulaw import encode
from trio_voice.bridge.playout import MAX_QUEUED_MS, STANDS_STILL_SECONDS
from trio_voice.bridge.speech_queue import SpeechQueue
from trio_voice.events import call as f
from trio_voice.events import model as c
from trio_voice.limits import Limits
from trio_voice.persona import Line, Lines, Persona

YIELDS = c.Capabilities(speaks_first=True, truncates=True, yields_on_request=True)
CUTS = c.Capabilities(speaks_first=True, truncates=False)
FILLS = c.Capabilities(
    speaks_first=True, truncates=True, yields_on_request=True, words_while_speaking=True, speaks_meanwhile=True
)
OTHER = encode(b"\x20\xa0" * 400)
every_kind = pytest.mark.parametrize("kind", [YIELDS, CUTS, FILLS])


def call_of(kind, **more):
    quiet = Lines(fillers=(Line("One moment.", OTHER),))
    book = Playbook(
        persona=Persona(name="p", model="m", fillers=("One moment.",)), capabilities=kind, lines=quiet, **more
    )
    return book.live()


def both(book, turns=3):
    """Begin two, and tell a piece of this and a piece of that."""
    commands = book.on(c.ReplyStarted("a")) + book.on(c.ReplyAudio("a", SPEECH)) + book.on(c.ReplyStarted("b"))
    for _ in range(turns):
        commands += book.on(c.ReplyAudio("b", MORE)) + book.on(c.ReplyAudio("a", SPEECH))
    return commands


def over(book, reply):
    return book.on(c.ReplyDone(reply, interrupted=False))


def played(commands):
    """Letters for what is heard, a piece of 100 ms: of a, of b, or of something else."""
    letters = {SPEECH: "a", MORE: "b", OTHER: "o"}
    payloads = [command.payload for command in commands if isinstance(command, f.PlayAudio)]
    return "".join(letters.get(payload, "?") for payload in payloads)


@every_kind
def test_each_is_heard_in_one_piece(kind):
    book = call_of(kind)
    assert played(both(book)) == "aaaa"
    assert played(over(book, "a")) == "bbb"
    assert played(book.on(c.ReplyAudio("b", MORE)) + over(book, "b")) == "b"


@every_kind
def test_one_that_is_over_first_still_waits_for_the_other(kind):
    book = call_of(kind)
    both(book)
    assert played(over(book, "b")) == ""
    assert played(book.on(c.ReplyAudio("a", SPEECH))) == "a"
    assert played(over(book, "a")) == "bbb"


@every_kind
def test_one_that_stands_still_is_not_waited_for(kind):
    book = call_of(kind)
    both(book)
    done = book.pass_time(0.4 + STANDS_STILL_SECONDS + 0.01)
    assert played([command for _, command in done]) == "bbb"
    assert done[0][0] == pytest.approx(100.4 + STANDS_STILL_SECONDS)
    assert played(book.on(c.ReplyAudio("a", SPEECH))) == ""  # its rest stands behind the other
    assert played(over(book, "b")) == "a"


@every_kind
def test_words_of_the_caller_cut_both(kind):
    book = call_of(kind)
    both(book)
    for reply, text in (("a", "At nine in the morning."), ("b", "On Sundays we are closed.")):
        book.on(c.ReplyTranscript(reply, text, interrupted=False))
    book.after(0.2)
    book.on(c.CallerSpeechStarted(item_id="i"))
    cut = book.on(c.CallerTranscript("i", "No, wait a moment please", final=True)) + book.after(2).tick()
    late = book.on(c.ReplyAudio("a", SPEECH)) + book.on(c.ReplyAudio("b", MORE)) + over(book, "a") + over(book, "b")
    assert played(cut + late) == ""
    assert [line.heard_ms for line in book.record.transcript if line.role == "agent"] == [pytest.approx(200), 0.0]


@every_kind
def test_the_rest_of_an_older_one_of_which_all_was_heard_is_cut_as_well(kind):
    book = call_of(kind)
    book.speak("a", SPEECH)
    book.after(0.2).on(c.ReplyStarted("b"))
    book.on(c.ReplyAudio("b", MORE))
    book.on(c.CallerSpeechStarted(item_id="i"))
    book.on(c.CallerTranscript("i", "No, wait a moment please", final=True))
    book.after(2).tick()
    assert played(book.on(c.ReplyAudio("a", SPEECH))) == ""


def test_a_noise_changes_nothing_of_their_order():
    book = call_of(YIELDS)
    both(book)
    book.after(0.2).on(c.CallerSpeechStarted(item_id="i"))
    book.after(0.1).on(c.CallerSpeechStopped())
    assert played(book.on(c.ReplyAudio("b", MORE)) + book.on(c.ReplyAudio("a", SPEECH))) == ""
    heard = played(book.on(c.CallerTranscript("i", "", final=True)))
    heard += played(over(book, "a") + over(book, "b"))
    assert heard.replace("?", "a") == "aaaaabbbb"  # from a moment before the cut on


@every_kind
def test_an_empty_one_beside_an_answer_is_nothing(kind):
    book = call_of(kind)
    book.on(c.CallerSpeechStarted(item_id="i"))
    book.on(c.CallerTranscript("i", "When do you open?", final=True))
    book.on(c.CallerSpeechStopped())
    both(book, turns=0)
    over(book, "b")
    book.on(c.ReplyAudio("a", SPEECH))
    over(book, "a")
    assert played([command for _, command in book.pass_time(10)]) == ""


@every_kind
def test_the_end_of_an_older_one_is_not_the_end_of_the_latest(kind):
    book = call_of(kind)
    both(book, turns=0)
    over(book, "a")
    book.after(0.1)
    assert played([command for _, command in book.pass_time(4)])[:1] in ("o", "")  # b is owed still
    assert book.record.counters["fillers"] == 1


def test_another_session_does_not_wait_for_the_one_before():
    book = call_of(CUTS, successors=1)
    book.on(c.ReplyStarted("a"))
    book.on(c.ReplyAudio("a", SPEECH))
    book.on(c.ModelFault("gone", "gone", fatal=True))
    book.on(f.ModelReplaced(CUTS))
    book.on(c.ModelReady("s2"))
    assert played(book.speak("a2", MORE)) == "b"


def test_a_filler_waits_for_nobody_and_is_heard_in_one_piece():
    book = call_of(FILLS)
    book.speak("a", SPEECH)
    book.after(1).on(c.ReplyStarted("fill", is_filler=True))
    heard = played(book.on(c.ReplyAudio("fill", OTHER)))
    heard += played(book.on(c.ReplyAudio("a", SPEECH)) + book.on(c.ReplyAudio("fill", OTHER)))
    assert heard + played(over(book, "fill")) == "ooa"


def test_what_is_held_is_bounded():
    book = call_of(CUTS, limits=Limits(time_limit_seconds=10_000))
    both(book)
    for _ in range(round(MAX_QUEUED_MS / 100) + 10):
        book.on(c.ReplyAudio("b", MORE))
    assert book.record.counters["reply_frames_over_the_bound"] >= 10


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60))
def test_no_reply_is_broken_up_and_none_is_lost(steps):
    queue, told, taken, ended = SpeechQueue(), [], [], set()
    for reply, ends in steps:
        if reply in ended:
            continue
        if ends:
            queue.end(reply)
            ended.add(reply)
        else:
            queue.add(reply, [(reply, "x", 20.0)])
            told.append(reply)
        while queue.is_ready:
            taken.append(queue.take()[0:2])
    while queue.speaks:
        queue.go_on()
    taken += [queue.take()[:2] for _ in range(len(told) * 2) if queue.is_ready]
    heard = [reply for reply, payload in taken if payload]
    assert sorted(heard) == sorted(told)
    assert queue.ms == 0.0
    assert not queue
    firsts = list(dict.fromkeys(told))
    assert heard == sorted(heard, key=firsts.index)
