"""A bridge that is driven by hand: facts in, commands out, and a clock that is moved."""

import pytest

from trio_voice.audio.mulaw import encode, silence
from trio_voice.bridge.bridge import Bridge
from trio_voice.bridge.watcher import NOBODY
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import EndCall, TransferCall
from trio_voice.limits import Limits
from trio_voice.persona import SILENT, Persona
from trio_voice.record import CallRecord

SPEECH = encode(b"\x00\x80" * 400)  # 100 ms that can be heard
MORE = encode(b"\x10\x90" * 400)
HUSH = encode(silence(100))
START = ms.CallerStarted("MZ1", "CA1", {})
TALKS_FIRST = c.Capabilities(speaks_first=True, truncates=False)


GREETS_NOBODY = Persona(name="p", model="m")


class Playbook:
    """Drives a bridge and states what it must answer."""

    def __init__(
        self,
        *,
        persona=None,
        limits=None,
        capabilities=TALKS_FIRST,
        call_sid=None,
        direction="inbound",
        lines=SILENT,
        successors=0,
        watcher=NOBODY,
        opening="",
    ):
        self.record = CallRecord(call_id="c1", direction=direction, persona="p", from_number="", to_number="")
        self.now = 100.0
        self.limits = limits or Limits(playback_lead_seconds=10)
        persona = persona or Persona(name="p", model="m", greeting="Hello")
        self.bridge = Bridge(
            persona,
            self.limits,
            capabilities,
            self.record,
            self.now,
            call_sid,
            successors=successors,
            lines=lines,
            opening=opening,
            watcher=watcher,
        )

    def after(self, seconds):
        self.now += seconds
        return self

    def on(self, fact):
        return self.bridge.handle(fact, self.now)

    def tick(self):
        return self.bridge.tick(self.now)

    def live(self):
        """Started and ready."""
        assert self.on(START) == []
        assert self.on(c.ModelReady("s")) == []
        return self

    def speak(self, reply, *payloads):
        commands = self.on(c.ReplyStarted(reply))
        for payload in payloads:
            commands += self.on(c.ReplyAudio(reply, payload))
        return commands

    def pass_time(self, seconds):
        """Let time pass as the driver does: the bridge is woken when it asked for it. What was done, and when."""
        until, done = self.now + seconds, []
        while self.bridge.wake_at <= until:
            self.now = max(self.now, self.bridge.wake_at)
            done += [(self.now, command) for command in self.tick()]
            assert self.bridge.wake_at > self.now, "it asks to be woken for nothing"
        self.now = until
        return done

    def lines(self):
        return [(line.role, line.text, line.interrupted) for line in self.record.transcript]


def end_of(commands):
    assert isinstance(commands[-1], EndCall)
    return commands[-1].reason


def run_until_end(book, limit=60.0):
    """Let time pass as the driver does; returns the last commands."""
    stop = book.now + limit
    while book.now < stop:
        book.now = max(book.bridge.wake_at, book.now)
        commands = book.tick()
        if commands and isinstance(commands[-1], EndCall | TransferCall):
            return commands
    pytest.fail("it never came")
