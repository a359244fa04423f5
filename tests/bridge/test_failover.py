"""One model after another in one call: who is told what, and what is said when none is left."""

import base64

import attrs
import pytest

from tests.bridge.successors import DEAD, FRAME, LINES, PLAIN, SORRY, SPEECH, WAIT, Book, kinds
from trio_voice.audio.mulaw import encode
from trio_voice.bridge.failover import HISTORY_LINES, KEPT_FRAMES, PIECE_FRAMES, SHORTEST_SESSION_SECONDS, TAKE_UP
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import (
    ClearPlayback,
    DismissModel,
    EndCall,
    LegStalled,
    ModelReplaced,
    PlaceMark,
    PlayAudio,
    ReplaceModel,
    ToolResult,
    ToolReturned,
    TransferCall,
    TransferFailed,
)
from trio_voice.legs.model import OUTBOX_MESSAGES
from trio_voice.persona import Line
from trio_voice.record import EndReason

OTHER = c.Capabilities(speaks_first=False, truncates=True, exact_speech=True)
YOUNG = SHORTEST_SESSION_SECONDS / 2
"""A session of this age that fails is not opened again."""


def said(commands):
    """Sound that is played, up to its mark, which must be the last."""
    *audio, mark = commands
    assert isinstance(mark, PlaceMark)
    return "".join(piece.payload for piece in audio)


@pytest.mark.parametrize(
    "failure",
    [DEAD, LegStalled("model"), c.ModelFault("oops", "it broke", fatal=True)],
    ids=["cut", "stalled", "a fatal fault"],
)
def test_the_next_model_is_told_the_conversation_and_goes_on(failure):
    book = Book(lines=LINES).live(YOUNG)
    commands = book.on(failure)
    assert commands[0] == ReplaceModel(commands[0].why, (c.Said("caller", "Are you open?"), c.Said("agent", "Yes.")))
    assert said(commands[1:]) == WAIT.payload
    assert book.on(ModelReplaced(OTHER)) == []
    assert book.on(ms.CallerAudio(FRAME)) == []
    assert book.on(c.ModelReady("t")) == [c.RequestReply(TAKE_UP), c.HearCaller(FRAME)]
    assert book.on(ms.CallerAudio(FRAME)) == [c.HearCaller(FRAME)]
    book.on(c.ReplyStarted("r2"))
    book.on(c.ReplyAudio("r2", SPEECH))
    assert c.TruncateReply("r2", 0) in book.on(c.CallerSpeechStarted())  # as the new one's capabilities are
    assert [line.text for line in book.record.transcript] == ["Are you open?", "Yes.", ""]
    assert book.record.counters["model_takeovers"] == 1


def test_a_model_that_never_greeted_leaves_the_greeting_to_the_next():
    book = Book(successors=1)
    (replaced,) = book.after(10)  # model_ready_seconds
    assert isinstance(replaced, ReplaceModel)
    assert replaced.history == ()
    book.on(ModelReplaced(OTHER))
    book.on(ms.CallerAudio(FRAME))
    assert book.on(c.ModelReady("t")) == [c.SayExactly("Hello")]  # and nothing of the past is replayed


def test_the_lines_of_this_machine_are_no_talk_that_another_model_takes_up():
    fillers = tuple(Line(text, WAIT.payload) for text in ("F1.", "F2.", "F3."))
    book = Book(successors=1, lines=attrs.evolve(LINES, fillers=fillers), fillers=("F1.", "F2.", "F3."))
    said_by_itself = [command for _ in range(510) for command in book.after(0.02)]
    assert any(isinstance(command, PlayAudio) for command in said_by_itself)
    (replaced,) = (command for command in said_by_itself if isinstance(command, ReplaceModel))
    assert replaced.history == ()
    book.on(ModelReplaced(OTHER))
    assert book.on(c.ModelReady("t")) == [c.SayExactly("Hello")]


@pytest.mark.parametrize("interruptible", [True, False])
def test_a_greeting_that_is_owed_is_said_by_the_next_model_whatever_the_caller_has_said(interruptible):
    book = Book(successors=1, greeting_interruptible=interruptible)
    book.on(c.ModelReady("s"))
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i1", "Hello?", final=True))
    book.on(DEAD)
    book.on(ModelReplaced(OTHER))
    assert book.on(c.ModelReady("t")) == [c.RequestReply(TAKE_UP) if interruptible else c.SayExactly("Hello")]


def test_what_was_asked_for_and_not_begun_is_owed_by_the_session_that_takes_over():
    book = Book().live()
    book.after(10)
    book.bridge.handle(c.SessionExpiring(0.0), book.now)
    book.on(ModelReplaced(PLAIN))
    assert book.on(c.ModelReady("t")) == []  # in a quiet moment nobody need know
    book.on(ms.DigitPressed("1"))
    book.after(3)
    book.after(20)
    assert kinds(book.on(c.SessionExpiring(0.0)))[-1] is ReplaceModel
    book.on(ModelReplaced(PLAIN))
    assert book.on(c.ModelReady("u")) == [c.RequestReply(TAKE_UP)]


def test_one_line_is_said_for_two_models_that_take_over_one_behind_the_other():
    book = Book(successors=2, lines=LINES).live(YOUNG)
    assert said(book.on(DEAD)[1:]) == WAIT.payload
    book.on(ModelReplaced(OTHER))
    assert kinds(book.on(DEAD)) == [ReplaceModel]


def test_each_model_has_its_own_time_to_become_ready():
    book = Book(successors=1)
    assert kinds(book.after(10)) == [ReplaceModel]
    assert book.after(9.9) == []
    (end,) = book.after(0.1)
    assert end.reason is EndReason.MODEL_FAILED


def test_a_tool_of_the_model_that_died_is_nobodys():
    book = Book().live()
    book.on(c.ToolCalled("t1", "look_up", {}))
    book.on(DEAD)
    book.on(ModelReplaced(PLAIN))
    book.on(c.ModelReady("t"))
    assert book.on(ToolReturned("t1", ToolResult("{}"))) == []


def test_what_the_caller_says_meanwhile_is_bounded():
    book = Book().live(YOUNG)
    book.on(DEAD)
    for number in range(KEPT_FRAMES + 5):
        book.on(ms.CallerAudio(encode(bytes([number % 100]) * 160)))
    kept = book.on(c.ModelReady("t"))[1:]
    assert len(kept) == KEPT_FRAMES / PIECE_FRAMES < OUTBOX_MESSAGES / 2  # more would push each other out
    sound = b"".join(base64.b64decode(command.payload) for command in kept)
    assert len(sound) == KEPT_FRAMES * 160
    assert sound[:161] == bytes([5]) * 160 + bytes([6])
    assert book.record.counters["caller_frames_before_ready"] == 5


def test_the_history_is_bounded():
    book = Book().live()
    for number in range(3 * HISTORY_LINES):
        book.on(c.CallerTranscript(f"i{number}", f"{number}", final=True))
    (replaced,) = book.on(DEAD)
    assert len(replaced.history) == HISTORY_LINES
    assert replaced.history[-1] == c.Said("caller", f"{3 * HISTORY_LINES - 1}")


# When none is left


def test_without_a_line_to_say_the_call_ends_at_once():
    assert Book(successors=0).live(YOUNG).on(DEAD) == [EndCall(EndReason.MODEL_FAILED, "cut")]


def test_the_last_line_is_heard_before_the_end_and_the_session_is_left_at_once():
    book = Book(successors=0, lines=LINES).live(YOUNG)
    dismissed, *line = book.on(DEAD)
    assert (dismissed, said(line)) == (DismissModel("cut"), SORRY.payload)
    assert book.on(LegStalled("model")) == []
    assert book.after(0.2) == []
    book.on(ms.MarkEchoed("0.2"))
    assert book.after(0.5) == [EndCall(EndReason.MODEL_FAILED, "cut")]


@pytest.mark.parametrize(("pieces", "cut"), [(3, False), (15, True)])
def test_what_a_dead_model_still_had_to_say_keeps_nobody_waiting_for_the_last_line(pieces, cut):
    book = Book(successors=0, lines=LINES).live(YOUNG)
    book.on(c.ReplyStarted("r2"))
    book.on(c.ReplyTranscript("r2", "One two three four five six.", interrupted=False))
    for _ in range(pieces):
        book.on(c.ReplyAudio("r2", SPEECH))
    commands = book.on(DEAD)
    assert (ClearPlayback() in commands) is cut
    assert book.record.transcript[-2].interrupted is cut


def test_the_caller_may_be_put_through_instead():
    book = Book(successors=0, lines=LINES, on_failure="transfer", transfer_to="+15550001111").live(YOUNG)
    book.on(DEAD)
    book.after(0.2)
    book.on(ms.MarkEchoed("0.2"))
    assert book.after(0.5) == [TransferCall()]
    (end,) = book.on(ms.CallerStopped())
    assert (end.reason, end.transferred) == (EndReason.MODEL_FAILED, True)
    assert end.detail == "no model was left, and the caller was put through: cut"


def test_a_transfer_that_fails_is_the_end():
    book = Book(successors=0, on_failure="transfer", transfer_to="+15550001111").live(YOUNG)
    book.on(DEAD)
    assert book.after(0.5) == [TransferCall()]
    assert book.on(TransferFailed()) == [EndCall(EndReason.MODEL_FAILED, "cut")]
