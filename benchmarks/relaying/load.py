"""The load: callers as Twilio sends them, and a model that echoes or converses, in one loop on a core of its own."""

from __future__ import annotations

import gc
import heapq
import json
import random
import select
import socket
import ssl
import time
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from relaying.audio import FRAME_SECONDS, Bursts, Numbered, call_number
from relaying.wire import CLOSE, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from relaying.audio import Audio
    from relaying.models import Model

NORMAL_CLOSURE = b"\x03\xe8"
CHUNK_MS, DELTA_MS = 40, 500
"""Lengths of speech in a model's messages: small pieces, or half seconds, and either way faster than it is spoken."""


@dataclass
class Window:
    """Counts of the time in which it was open."""

    frames: float = 0
    """Frames that went through the relay, either way."""
    delays: array[float] = field(default_factory=lambda: array("d"))
    """Seconds from the sending of a frame, or of a burst, to its arrival, either way."""
    upward: array[float] = field(default_factory=lambda: array("d"))
    """The same, from caller to model only."""
    clears: array[float] = field(default_factory=lambda: array("d"))
    """Seconds from the model's word that the caller speaks to Twilio being told to be silent."""
    lateness: array[float] = field(default_factory=lambda: array("d"))
    """Lateness of the load itself."""
    seconds: float = 0.0
    load_cpu: float = 0.0
    """Seconds of processor that the load took."""


class Call:
    """One call: Twilio's socket, and the model's once the relay has opened it."""

    def __init__(self, number: int, wire: Wire, audio: Audio) -> None:
        self.number = number
        self.audio = audio
        self.caller = wire
        self.model: Wire | None = None
        self.sequence = 0
        self.shift = 0.0
        """Delay of the frame after next, beyond the usual, once."""
        self.sid = f"MZ{number:032x}".encode()
        self.plays_until = 0.0
        self.marks: list[bytes] = []
        self.spoke_at = 0.0
        self.stopped_at = 0.0
        self.closed_after: float | None = None
        self.over = False


class Load:
    """Callers and models of one relay.

    Args:
        speaking: what the model speaks.
        conversing: the model speaks in turns and bursts and is interrupted, instead of echoing every frame.
        tls: what the model serves with.
    """

    def __init__(self, speaking: Model, *, conversing: bool = False, tls: ssl.SSLContext | None = None) -> None:
        gc.disable()  # its pauses would be measured as the relay's delay; close makes up for it
        self._model = speaking
        self._frame_every = FRAME_SECONDS
        self.one_at_a_time = speaking.transcoded
        """True if the next call may be added only once the model has heard the last: its frames tell nothing."""
        self._conversing = conversing
        self._tls = tls
        self._epoll = select.epoll()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1_024)
        self._listener.setblocking(False)
        self._epoll.register(self._listener, select.EPOLLIN)
        self._handlers: dict[int, Callable[[], None]] = {self._listener.fileno(): self._accept}
        self.model_url = f"{'wss' if tls else 'ws'}://localhost:{self._listener.getsockname()[1]}/"
        self.calls: dict[int, Call] = {}
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._ties = 0
        self.window = Window()
        self._random = random.Random(7)

    # The clock

    def _at(self, when: float, do: Callable[[float], None]) -> None:
        self._ties += 1
        heapq.heappush(self._due, (when, self._ties, do))

    def run(self, seconds: float, *, until: Callable[[], bool] | None = None) -> Window:
        """Send and answer for so long, or until something has happened, and say what went through meanwhile."""
        window = self.window = Window()
        now = began = time.perf_counter()
        cpu = time.process_time()
        while now - began < seconds and not (until is not None and until()):
            while self._due and self._due[0][0] <= now:
                when, _, do = heapq.heappop(self._due)
                do(when)
            now = time.perf_counter()
            wait = min(self._due[0][0] if self._due else now + 0.05, began + seconds) - now
            if wait > 0:  # not poll's own timeout, which is in whole milliseconds
                select.select([self._epoll], [], [], wait)
            for descriptor, _ in self._epoll.poll(0, 512):
                handle = self._handlers.get(descriptor)
                if handle is not None:
                    handle()
            now = time.perf_counter()
        window.seconds = now - began
        window.load_cpu = time.process_time() - cpu
        return window

    def _watch(self, wire: Wire, handle: Callable[[], None]) -> None:
        self._handlers[wire.socket.fileno()] = handle
        self._epoll.register(wire.socket, select.EPOLLIN)

    def _drop(self, wire: Wire) -> None:
        if wire.socket.fileno() >= 0:
            del self._handlers[wire.socket.fileno()]
            self._epoll.unregister(wire.socket)
            wire.socket.close()

    def close(self) -> None:
        """Drop everything."""
        for call in self.calls.values():
            self._drop(call.caller)
            if call.model is not None:
                self._drop(call.model)
        self._listener.close()
        self._epoll.close()
        gc.enable()
        gc.collect()

    # Twilio

    def add(self, url: str) -> Call:
        """One more call."""
        parts = urlsplit(url)
        wire = Wire(socket.create_connection((parts.hostname, parts.port)), client=True)
        number = len(self.calls)
        audio = Bursts() if self._model.transcoded else Numbered(number)
        call = self.calls[number] = Call(number, wire, audio)
        self._watch(wire, lambda: self._hear_relay(call))
        wire.ask(parts.netloc, parts.path)
        self._at(time.perf_counter() + self._random.random() * self._frame_every, lambda when: self._begin(call, when))
        return call

    def pace(self, frame_every: float) -> None:
        """From now on a call sends a frame every so many seconds, and the calls in no order."""
        self._frame_every = frame_every
        for call in self.calls.values():
            call.shift = self._random.random() * frame_every

    def _begin(self, call: Call, when: float) -> None:
        if not call.caller.open:
            self._at(when + 0.005, lambda later: self._begin(call, later))
            return
        call.caller.send(b'{"event":"connected","protocol":"Call","version":"1.0.0"}')
        sid = call.sid.decode()
        start = {
            "accountSid": "AC" + "0" * 32,
            "streamSid": sid,
            "callSid": f"CA{call.number:032x}",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {},
        }
        call.caller.send(
            json.dumps({"event": "start", "sequenceNumber": "1", "start": start, "streamSid": sid}).encode()
        )
        self._at(when, lambda later: self._speak(call, later))

    def _speak(self, call: Call, when: float) -> None:
        if call.over or call.stopped_at:
            return
        sequence = call.sequence = call.sequence + 1
        self._at(when + self._frame_every + call.shift, lambda later: self._speak(call, later))
        call.shift = 0.0
        now = time.perf_counter()
        payload = call.audio.frame(sequence, now)
        self.window.lateness.append(now - when)
        call.caller.send(
            b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"%b"}'
            b',"streamSid":"%b"}' % (sequence + 1, sequence, sequence * 20, payload, call.sid)
        )

    def _hear_relay(self, call: Call) -> None:
        window = self.window
        for message in call.caller.receive():
            at = message.find(b'"payload":') + 11
            if at > 10:
                now = time.perf_counter()
                at = message.index(b'"', at - 1) + 1  # some write a space before it
                end = message.index(b'"', at)
                if self._conversing:
                    call.plays_until = max(call.plays_until, now) + (end - at) * 3 // 4 / 8_000
                else:
                    frames, delay = call.audio.at_caller(message[at:end], now)
                    window.frames += frames
                    if delay is not None:
                        window.delays.append(delay)
            elif b'"mark"' in message:
                call.marks.append(message)
                played = max(call.plays_until, time.perf_counter())
                self._at(played, lambda _, call=call, mark=message: self._echo_mark(call, mark))
            elif b'"clear"' in message:
                if call.spoke_at:
                    window.clears.append(time.perf_counter() - call.spoke_at)
                    call.spoke_at = 0.0
                call.plays_until = 0.0
                for mark in call.marks[:]:
                    self._echo_mark(call, mark)
        if call.caller.closed:
            call.over = True
            self._drop(call.caller)

    def _echo_mark(self, call: Call, mark: bytes) -> None:
        if mark in call.marks and not call.over and not call.stopped_at:
            call.marks.remove(mark)
            call.caller.send(mark)

    def stop(self, call: Call) -> None:
        """The caller hangs up: Twilio says so, and closes."""
        call.stopped_at = time.perf_counter()
        call.caller.send(b'{"event":"stop","sequenceNumber":"9","streamSid":"%b","stop":{}}' % call.sid)
        call.caller.send(NORMAL_CLOSURE, CLOSE)

    # The model

    def _accept(self) -> None:
        accepted, _ = self._listener.accept()
        wire = Wire(accepted, client=False, tls=self._tls)
        wire_call: list[Call] = []
        self._watch(wire, lambda: self._hear_session(wire, wire_call))

    def _hear_session(self, wire: Wire, wire_call: list[Call]) -> None:
        window, model, was_open = self.window, self._model, wire.open
        messages = wire.receive()
        if wire.open and not was_open:
            _send(wire, model.welcome())
        for message in messages:
            at = message.find(b'"audio":') + 9
            if at > 8 and b"session.update" not in message:
                now = time.perf_counter()
                at = message.index(b'"', at - 1) + 1
                payload = message[at : message.index(b'"', at)]
                if not wire_call and not self._joined(wire, wire_call, payload, now):
                    continue
                call = wire_call[0]
                frames, delay = call.audio.at_model(payload, now)
                window.frames += frames
                if delay is not None:
                    window.delays.append(delay)
                    window.upward.append(delay)
                if not self._conversing:
                    wire.send(model.audio("r", payload))
            else:
                _send(wire, model.answers(message))
                if b"session.update" in message and not self._conversing:
                    _send(wire, model.reply_begins("r"))
                elif b'"response.create"' in message and self._conversing:  # to greet, which it does in silence
                    _send(wire, model.reply_begins("greeting") + model.reply_ends("greeting", interrupted=False))
                elif model.is_goodbye(message):
                    wire.send(NORMAL_CLOSURE, CLOSE)
        if wire.closed:
            if wire_call and wire_call[0].stopped_at and wire_call[0].closed_after is None:
                wire_call[0].closed_after = time.perf_counter() - wire_call[0].stopped_at
            self._drop(wire)

    def _joined(self, wire: Wire, wire_call: list[Call], payload: bytes, now: float) -> bool:
        """A model's socket turns out to be of this call; false if it is silence, which says nothing of whose it is."""
        number = len(self.calls) - 1 if self._model.transcoded else call_number(payload)
        call = self.calls.get(number)
        if call is None:
            return False
        wire_call.append(call)
        call.model = wire
        if self._conversing:
            self._turn(call, now + self._random.random() * 8, 0)
        return True

    def _turn(self, call: Call, begins: float, turn: int) -> None:
        """One turn of eight seconds: the caller speaks for two, the agent for four, interrupted every third time."""
        model, reply = self._model, f"r{turn}"
        style = DELTA_MS if (turn + call.number) % 2 else CHUNK_MS
        interrupted = turn % 3 == 1

        def say(messages: Iterable[bytes]) -> Callable[[float], None]:
            def at(_: float) -> None:
                if call.model is not None and not call.model.closed and not call.over:
                    _send(call.model, messages)

            return at

        def barge_in(when: float) -> None:
            call.spoke_at = time.perf_counter()
            say(model.caller_speaks() + model.reply_ends(reply, interrupted=True))(when)

        self._at(begins, say(model.caller_speaks()))
        self._at(begins + 2, say(model.caller_spoke(turn)))
        self._at(begins + 2.3, say(model.reply_begins(reply)))
        pieces, piece_said = 4_000 // style, [model.audio(reply, model.speech(style))]
        for piece in range(pieces):  # four times as fast as it is spoken
            if not interrupted or piece < pieces * 3 // 4:
                self._at(begins + 2.3 + piece / pieces, say(piece_said))
        if interrupted:
            self._at(begins + 3.1, barge_in)
        else:
            self._at(begins + 3.4, say(model.reply_ends(reply, interrupted=False)))
        self._at(begins + 8, lambda when: None if call.over else self._turn(call, when, turn + 1))


def _send(wire: Wire, messages: Iterable[bytes]) -> None:
    for message in messages:
        wire.send(message)
