"""Words that are heard to their end: greetings, fillers, last lines."""

import base64

import attrs
import pytest

from tests.bridge.interrupted import CUTS_ITSELF, said, sound_of, speaking
from tests.playbook import HUSH, MORE, SPEECH, Playbook
from trio_voice.audio.mulaw import encode
from trio_voice.bridge.interruptions import MAX_GREETINGS
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import ClearPlayback, PlayAudio
from trio_voice.persona import Line, Lines, Persona


@pytest.mark.parametrize(
    ("direction", "interruptible"), [("outbound", True), ("inbound", False)], ids=["we call", "as the persona says"]
)
def test_a_greeting_that_is_owed_is_said_to_its_end(direction, interruptible):
    persona = Persona(name="p", model="m", greeting="Hello", greeting_interruptible=interruptible)
    book = speaking(persona=persona, direction=direction)
    assert book.on(c.CallerSpeechStarted()) == []
    assert book.on(said("Hello?", final=True)) == []
    book.after(2).on(ms.MarkEchoed("0.10"))
    book.speak("r2", *[MORE] * 20)
    assert book.after(0.1).on(c.CallerSpeechStarted()) == [ClearPlayback()]  # what comes after it may be interrupted


def test_a_greeting_that_a_model_breaks_off_by_itself_is_begun_again():
    book = speaking(CUTS_ITSELF, done=False, direction="outbound")
    assert book.on(c.CallerSpeechStarted()) == []
    assert book.on(c.ReplyDone("r1", interrupted=True)) == [ClearPlayback()]
    book.after(0.5).on(c.CallerSpeechStopped())
    (asked,) = [each for _, each in book.pass_time(2) if isinstance(each, c.RequestReply)]
    assert "Hello" in asked.instructions


def test_whoever_talks_over_the_greeting_again_and_again_is_let_off():
    book = Playbook(capabilities=CUTS_ITSELF, direction="outbound").live()
    greeted = 0
    for number in range(10):
        book.speak(f"r{number}", *[SPEECH] * 20)
        book.after(0.3).on(c.CallerSpeechStarted())
        book.on(c.ReplyDone(f"r{number}", interrupted=True))
        book.after(0.5).on(c.CallerSpeechStopped())
        book.on(c.CallerTranscript(f"i{number}", "Who is there?", final=True))
        greeted += 1
        if not [each for _, each in book.pass_time(2) if isinstance(each, c.RequestReply)]:
            break
    assert greeted == MAX_GREETINGS + 1


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
def test_a_model_that_greets_by_itself_is_kept_from_breaking_off_what_is_owed(direction):
    book = Playbook(
        capabilities=attrs.evolve(CUTS_ITSELF, speaks_first=True, protects_replies=True), direction=direction
    )
    assert book.on(c.ModelReady("s")) == ([c.ProtectReply(on=True)] if direction == "outbound" else [])


def test_an_inbound_greeting_may_be_talked_over():
    assert speaking().on(c.CallerSpeechStarted()) == [ClearPlayback()]


def test_a_filler_that_was_cut_is_nothing_to_go_on_with():
    """The model has not said it; the next comes by itself."""
    lines = Lines(fillers=(Line("One moment, please.", encode(b"\x00\x80" * 4_000)),))
    persona = Persona(name="p", model="m", fillers=("One moment, please.",))
    book = Playbook(capabilities=CUTS_ITSELF, lines=lines, persona=persona).live()
    book.on(c.CallerSpeechStarted())
    book.on(c.CallerTranscript("i0", "Where is my order?", final=True))
    book.after(1).on(c.CallerSpeechStopped())
    book.on(c.ReplyStarted("r1"))
    book.on(c.ToolCalled("t1", "look_up", {}))
    book.on(c.ReplyDone("r1", interrupted=False))
    while not any(isinstance(command, PlayAudio) for _, command in book.pass_time(0.02)):
        pass
    assert ClearPlayback() in book.on(c.CallerSpeechStarted())
    book.after(0.5).on(c.CallerSpeechStopped())
    assert book.on(said("Okay.", final=True)) == [c.IgnoreTurn("i1")]
    assert not any(isinstance(command, c.RequestReply) for _, command in book.pass_time(2))


@pytest.mark.parametrize("loud", [True, False])
def test_speech_whose_words_come_at_its_end_is_not_spoken_over(loud):
    """The agent has fallen silent by itself, and goes on only after a sound that was nothing."""
    book = speaking(CUTS_ITSELF, pieces=40)
    book.on(c.CallerSpeechStarted())
    book.on(c.ReplyDone("r1", interrupted=True))
    done = []
    for _ in range(400):
        book.after(0.02).on(ms.CallerAudio(SPEECH if loud else HUSH))
        done += book.tick() if book.now >= book.bridge.wake_at else []
    assert any(isinstance(command, c.RequestReply) for command in done) is not loud


@pytest.mark.parametrize("pieces", [6, 30], ids=["little was not heard", "much was not heard"])
def test_the_last_line_is_heard_though_the_model_is_lost_while_it_is_undecided_who_speaks(pieces):
    book = speaking(pieces=pieces, lines=Lines(failure=Line("Sorry.", MORE)))
    book.on(c.CallerSpeechStarted())
    lost = book.after(0.1).on(c.ModelFault("gone", "it is gone", fatal=True))
    assert sound_of(lost) == base64.b64decode(MORE)
