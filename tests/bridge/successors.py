"""A bridge that has models to spare."""

from trio_voice.audio.mulaw import encode
from trio_voice.bridge.bridge import Bridge
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import LegClosed
from trio_voice.limits import Limits
from trio_voice.persona import SILENT, Line, Lines, Persona
from trio_voice.record import CallRecord

SPEECH = encode(b"\x00\x80" * 400)  # 100 ms that can be heard
FRAME = encode(b"\x00\x80" * 80)
WAIT = Line("One moment, please.", encode(b"\x01\x81" * 800))
SORRY = Line("I am sorry.", encode(b"\x02\x82" * 800))
LINES = Lines(WAIT, SORRY)
PLAIN = c.Capabilities(speaks_first=True, truncates=False)
DEAD = LegClosed("model", politely=False, detail="cut")


class Book:
    """A bridge with models to spare, half a minute into its call."""

    def __init__(self, *, successors=1, lines=SILENT, **persona):
        self.record = CallRecord(call_id="c1", direction="inbound", persona="p", from_number="", to_number="")
        self.now = 100.0
        persona = Persona(name="p", model=("a", "b"), greeting="Hello", **persona)
        limits = Limits(playback_lead_seconds=10, media_gap_seconds=1000, idle_seconds=1000)
        self.bridge = Bridge(persona, limits, PLAIN, self.record, self.now, successors=successors, lines=lines)
        self.on(ms.CallerStarted("MZ1", "CA1", {}))

    def on(self, fact):
        return self.bridge.handle(fact, self.now)

    def after(self, seconds):
        self.now += seconds
        return self.bridge.tick(self.now)

    def live(self, seconds=30):
        self.on(c.ModelReady("s"))
        self.on(c.CallerTranscript("i1", "Are you open?", final=True))
        self.on(c.ReplyStarted("r1"))
        self.on(c.ReplyAudio("r1", SPEECH))
        self.on(c.ReplyTranscript("r1", "Yes.", interrupted=False))
        self.on(c.ReplyDone("r1", interrupted=False))
        self.after(seconds)
        return self


def kinds(commands):
    return [type(command) for command in commands]
