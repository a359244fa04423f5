"""An agent that has asked for the end of its call, and a caller who has more to say."""

from tests.playbook import SPEECH
from trio_voice.events import model as c
from trio_voice.events.call import Then, ToolResult, ToolReturned
from trio_voice.persona import Line


def asks(book, then=Then.END_CALL):
    book.on(c.ToolCalled("t1", "end_call", {}))
    return book.on(ToolReturned("t1", ToolResult("{}", then=then)))


def says(book, text, seconds=0.5):
    done = book.on(c.CallerSpeechStarted())
    done += book.after(seconds).on(c.CallerTranscript(text, text, final=False))
    return done + book.on(c.CallerSpeechStopped()) + book.on(c.CallerTranscript(text, text, final=True))


GOODBYE = Line("Goodbye.", SPEECH)
