"""Calls in which nothing is heard: the lines that fill them, and the time that passes."""

import attrs

from tests.playbook import MORE, SPEECH, TALKS_FIRST, Playbook
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import PlayAudio
from trio_voice.limits import Limits
from trio_voice.persona import Line, Lines
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
