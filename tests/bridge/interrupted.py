"""An agent in the middle of a reply, and a caller who is heard over it."""

import base64

import attrs

from tests.playbook import SPEECH, TALKS_FIRST, Playbook
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import PlayAudio

YIELDS = attrs.evolve(TALKS_FIRST, truncates=True, yields_on_request=True, words_while_speaking=True)
WRITES_LATE = attrs.evolve(YIELDS, words_while_speaking=False)
CUTS_ITSELF = attrs.evolve(TALKS_FIRST, truncates=False)


def speaking(capabilities=YIELDS, *, pieces=20, done=True, persona=None, **rest):
    """A live call whose agent has said 300 ms of a reply."""
    book = Playbook(capabilities=capabilities, persona=persona, **rest).live()
    book.speak("r1", *[SPEECH] * pieces)
    if done:
        book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    return book.after(0.1)


def sound_of(commands):
    """All the sound that is handed to Twilio."""
    return b"".join(base64.b64decode(command.payload) for command in commands if isinstance(command, PlayAudio))


def said(text, *, final=False):
    return c.CallerTranscript("i1", text, final=final)
