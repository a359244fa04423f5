"""A reply that a server begins when the caller goes on speaking: it answers what they have said before, and waits."""

import pytest

from tests.playbook import SPEECH, Playbook
from trio_voice.events import model as c
from trio_voice.events.call import PlayAudio
from trio_voice.limits import Limits

YIELDS = c.Capabilities(speaks_first=True, truncates=True, yields_on_request=True)
CUTS = c.Capabilities(speaks_first=True, truncates=False)


def goes_on(kind):
    """A caller whose question is over as the server believes, and who goes on before its answer begins."""
    book = Playbook(capabilities=kind, limits=Limits(media_gap_seconds=1000, idle_seconds=1000)).live()
    book.on(c.CallerSpeechStarted(item_id="i1"))
    book.after(1).on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript("i1", "When do you open", final=True))
    book.after(0.1).on(c.CallerSpeechStarted(item_id="i2"))
    return book, book.after(0.05).speak("r1", SPEECH, SPEECH)


def played(commands):
    return [command for command in commands if isinstance(command, PlayAudio)]


def test_it_is_not_heard_over_their_words():
    book, commands = goes_on(YIELDS)
    book.after(0.6).on(c.CallerSpeechStopped())
    commands += book.after(0.3).on(c.CallerTranscript("i2", "on Sunday, I mean?", final=True))
    assert played(commands) == []
    assert c.TruncateReply("r1", 0.0) in commands
    assert len(played(book.speak("r2", SPEECH))) > 0


@pytest.mark.parametrize("told", [True, False])
def test_it_is_said_behind_a_noise(told):
    book, commands = goes_on(YIELDS)
    assert played(commands) == []
    commands = book.after(0.3).on(c.CallerSpeechStopped())
    commands += book.after(0.2).on(c.CallerTranscript("i2", "", final=True)) if told else []
    commands += [command for _, command in book.pass_time(2)]
    assert len(played(commands)) == 2


def test_a_model_that_falls_silent_by_itself_has_heard_them_out():
    _, commands = goes_on(CUTS)
    assert len(played(commands)) > 0
