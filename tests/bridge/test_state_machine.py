"""Calls made up by Hypothesis: whatever happens in a live call, in whatever order, the bridge answers within its rules.

What is drawn fits what is open: a tool that has finished was asked for, a mark that comes back was sent, a session that
is told of is the one that lives. What no longer fits (a mark of before a ``clear``, sound of a reply that was cut, the
result of a tool that nobody waits for) comes as well, since peers are late. ``make properties`` makes up many more.

Every fact that the bridge knows is told in such a call, and every command given: whatever is added to ``events`` and
has no rule here fails.

Numbers are drawn by ``sampled_from``: ``integers`` would also draw constants of whatever modules are loaded,
and the examples would differ from process to process.
"""

import math

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.reached import Reached, run_until_reached
from trio_voice.audio.mulaw import base64_ms, encode
from trio_voice.bridge.bridge import Bridge
from trio_voice.bridge.media_gap import MARK as THERE
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import (
    ClearPlayback,
    Command,
    DismissModel,
    EndCall,
    EndRequested,
    Fact,
    LastWordsDue,
    LegClosed,
    LegStalled,
    MachineAnswered,
    ModelReplaced,
    MuteRequested,
    PlaceMark,
    PlayAudio,
    ReplaceModel,
    RunTool,
    SayRequested,
    Then,
    ToolResult,
    ToolReturned,
    TransferCall,
    TransferFailed,
    TransferRequested,
)
from trio_voice.legs import caller, model
from trio_voice.limits import Limits
from trio_voice.persona import Line, Lines, Persona, TurnDetection
from trio_voice.record import CallRecord, EndReason

FRAME = encode(b"\x00\x80" * 80)  # 20 ms
HUSH = encode(b"\xff" * 160)
FILLER = encode(b"\x66\xe6" * 400)
LINES = Lines(
    Line("One moment, please.", encode(b"\x70\xf0" * 80)),
    Line("I am sorry.", encode(b"\x71\xf1" * 80)),
    goodbye=Line("Goodbye.", encode(b"\x72\xf2" * 80)),
)
PLAIN = c.Capabilities(speaks_first=True, truncates=False)
WORDS = "No, wait a moment, I meant Monday."
"""Of a caller who takes the floor: nobody takes them for noise."""
TEXTS = st.sampled_from([WORDS, "uh-huh", ""])
SPEECH_MS = st.sampled_from([20, 100, 1_000, 30_000])
PAUSES = st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.7])
TURN_SECONDS = st.sampled_from([0.0, 0.1, 0.6, 1.5])
BOOLEANS = st.booleans()
MOSTLY = st.sampled_from([True] * 7 + [False])

STARTS_MS = st.sampled_from([None, 0.0, 250.0])
EXPIRES_IN = st.sampled_from([0.0, 5.0, 60.0])
HANDLES = st.sampled_from([None, "handle"])
MODEL_ENDS = [c.ModelEnded(12.0), LegClosed("model", politely=True, detail="1000")]
FAILURES = st.sampled_from(
    [
        *MODEL_ENDS,
        LegClosed("model", politely=False, detail="cut"),
        LegClosed("model", politely=False, detail="HTTP 503", passing=True),
        LegStalled("model"),
        c.ModelFault("x", "it is ill", fatal=True),
        c.ModelFault("x", "it is overloaded", fatal=True, passing=True),
        c.ModelFault(c.SILENT, "it does not answer", fatal=True),
    ]
)
ENDS = st.sampled_from(
    [
        None,  # left alone
        *MODEL_ENDS,
        MachineAnswered(),
        MachineAnswered(is_fax=True),
        ms.CallerStopped(),
        LegClosed("caller", politely=True, detail="1000"),
        LegClosed("caller", politely=False, detail="cut"),
        LegStalled("caller"),
        EndRequested(EndReason.OPERATOR, ""),
        EndRequested(EndReason.DRAIN, ""),
        EndRequested(EndReason.TWILIO_ENDED, ""),
        LastWordsDue(EndReason.DRAIN, ""),
    ]
)

capabilities = st.builds(
    c.Capabilities,
    speaks_first=BOOLEANS,
    truncates=BOOLEANS,
    exact_speech=BOOLEANS,
    withdraws_tools=BOOLEANS,
    yields_on_request=BOOLEANS,
    protects_replies=BOOLEANS,
    words_while_speaking=BOOLEANS,
    speaks_meanwhile=BOOLEANS,
)
personas = st.builds(
    Persona,
    name=st.just("p"),
    model=st.just(("a", "b")),
    greeting=st.sampled_from([None, "Hello."]),
    voicemail=st.sampled_from([None, "Please call us back."]),
    on_failure=st.sampled_from(["hang_up", "transfer"]),
    transfer_to=st.just("+15550001111"),
    greeting_interruptible=MOSTLY,
    turn_detection=st.sampled_from(
        [None] * 5
        + [
            TurnDetection(interrupt_response=False),
            TurnDetection(min_interruption_ms=400),
            TurnDetection(min_interruption_words=2),
        ]
    ),
)

reached = Reached()


def sound_of(number, milliseconds):
    """Speech in which no other reply's sound is found."""
    return encode(bytes([number % 100, 128 + number % 100]) * 4 * milliseconds)


def number_in(payload):
    """The reply that a piece of ``sound_of`` belongs to."""
    return payload[:8]


class LiveCall(RuleBasedStateMachine):
    """One call and its driver: what becomes of commands is played, and held against the rules."""

    @initialize(
        persona=personas,
        capabilities=capabilities,
        successors=st.sampled_from(range(3)),
        lead=st.sampled_from([0.3, 1.0, 4.0]),
        lines=st.sampled_from([LINES, Lines(None, None)]),
        spared=st.sampled_from([0, 40, 50, 60]),
        direction=st.sampled_from(["inbound", "inbound", "outbound"]),
        starts=MOSTLY,
        ready=MOSTLY,
        ends=ENDS,
    )
    def begin(self, persona, capabilities, successors, lead, lines, spared, direction, starts, ready, ends):
        self.record = CallRecord(call_id="c1", direction=direction, persona="p", from_number="", to_number="")
        self.now = 100.0
        self.limits = Limits(playback_lead_seconds=lead, media_gap_seconds=15)
        self.persona, self.successors = persona, successors
        self.bridge = Bridge(
            persona, self.limits, capabilities, self.record, self.now, successors=successors, lines=lines
        )
        self.spared, self.steps, self.ends = spared, 0, ends
        self.end = None
        self.started = self.transferring = False
        self.session, self.sessions = "opening", 1
        self.replies, self.open_reply = [], None
        self.tools, self.ran = {}, set()
        self.marks, self.cleared_marks, self.placed = [], [], 0
        self.played_ms, self.plays_until = 0.0, self.now
        self.cut, self.taken_back = set(), set()
        self.text_is_due = False
        self.items = 0
        self.wanted = 0
        self.transferred_to, self.to_say, self.said = [], [], 0
        self.fillers = 0
        if starts:
            self.start()
        if ready:
            self.be_ready()

    # The driver

    def tell(self, fact):
        if self.end is None:
            reached.add(fact)
        if isinstance(fact, TransferFailed):
            self.transferring = False
        if isinstance(fact, c.CallerSpeechStarted):
            self.text_is_due = True
        self.execute(self.bridge.handle(fact, self.now), fact)

    def execute(self, commands, why=None):
        assert self.end is None or commands == [], "nothing is decided after the end"
        sent = sum(isinstance(command, PlayAudio | PlaceMark | ClearPlayback) for command in commands)
        assert sent < caller.OUTBOX_MESSAGES, "Twilio's outbox holds what is sent at once"
        heard = sum(isinstance(command, c.HearCaller) for command in commands)
        assert heard < model.OUTBOX_MESSAGES / 2, "so does the model's"
        for command in commands:
            assert self.end is None, "the end is the last command"
            reached.add(command)
            match command:
                case PlayAudio(payload=payload):
                    assert self.started
                    assert not self.bridge.is_silenced, "nothing is heard of an agent that the operator has muted"
                    assert number_in(payload) not in self.taken_back, "who took the floor does not hear it again"
                    self.cut.discard(number_in(payload))  # it goes on: it was a noise, as far as is known
                    self.played_ms += base64_ms(payload)
                    self.plays_until = max(self.plays_until, self.now) + base64_ms(payload) / 1000
                case PlaceMark(name=name):
                    assert self.started
                    assert name.startswith(THERE) or not self.bridge.is_silenced
                    assert name not in self.marks
                    self.marks.append(name)
                    self.placed += 1
                case ClearPlayback():
                    assert self.started
                    self.cleared_marks += self.marks
                    self.marks, self.plays_until = [], self.now
                    self.cut |= {number_in(sound_of(number, 1)) for number in self.replies[-1:]}
                case c.HearCaller():
                    assert self.session == "ready", "a session that is not ready hears nothing"
                case RunTool(call_id=call_id):
                    assert call_id not in self.ran, "a tool acts once"
                    assert why == c.ToolCalled(call_id, command.name, command.arguments)
                    self.ran.add(call_id)
                case c.SendToolResult() if self.session == "gone":
                    pass  # nobody reads it
                case c.SendToolResult(call_id=call_id):
                    assert self.tools.pop(call_id, None) is not None, "each request is answered at most once"
                case ReplaceModel(renews=renews):
                    assert self.session in {"opening", "ready"}
                    self.successors -= not renews
                    assert self.successors >= 0
                    self.leave_session("replaced")
                case DismissModel():
                    self.leave_session("gone")
                case TransferCall(number=number):
                    assert not self.transferring, "a caller is put through to one number at a time"
                    self.transferring = True
                    self.transferred_to.append(number)
                case EndCall():
                    self.end = command
                case c.RequestReply(instructions=text) | c.SayExactly(text=text):
                    assert self.session in {"opening", "ready", "replaced"}
                    self.to_say = [wanted for wanted in self.to_say if wanted not in text]
                case c.TruncateReply() | c.IgnoreTurn() | c.ProtectReply():
                    assert self.session in {"opening", "ready", "replaced"}

    def leave_session(self, state):
        self.session, self.open_reply = state, None
        self.tools.clear()
        self.cut.clear()  # who was to decide is gone, and what was kept is said

    def tick(self):
        self.execute(self.bridge.tick(self.now))
        assert self.end is not None or self.bridge.wake_at > self.now, "it would spin"

    # What happens. Hypothesis leaves rules out of an example, to see more of the others; so a rule is what a peer does,
    # and time, which no example goes without, passes after each.

    def one_of(self, data, *happenings):
        """Draw one of those that are possible now, and have it happen; each comes with whether it is."""
        possible = [happening for happening, is_possible in happenings if is_possible]
        if possible and self.end is None:
            data.draw(st.sampled_from(possible))(data)
            self.pass_time(data.draw(PAUSES))

    @rule(seconds=st.sampled_from([1.0, 3.0, 6.0]))
    def nothing_happens(self, seconds):
        self.pass_time(seconds)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]), hears=BOOLEANS, echoes=BOOLEANS)
    def line_is_bad(self, seconds, hears, echoes):
        """No frames come, or no marks come back."""
        self.pass_time(seconds, hears=hears, echoes=echoes)

    def pass_time(self, seconds, *, hears=True, echoes=True):
        """Frames come all the while; marks come back when they have been played."""
        if self.session == "replaced" and seconds >= 1:
            self.be_replaced(PLAIN)  # saying goodbye to the one before takes no longer
        until = self.now + seconds
        while self.now < until and self.end is None:
            due = max(self.now, self.bridge.wake_at)
            self.now = min(until, due, self.now + 0.5)
            if hears:
                self.hear_frame()
            while echoes and self.marks and self.plays_until <= self.now:
                self.tell(ms.MarkEchoed(self.marks.pop(0)))
            if self.bridge.wake_at <= self.now:
                self.tick()  # harmless behind an end
                if self.session == "replaced":
                    self.be_replaced(PLAIN)

    def hear_frame(self):
        """As the call does it."""
        self.execute([c.HearCaller(FRAME)] if self.bridge.forward_caller_audio(FRAME, self.now) else [])

    @rule(data=st.data())
    def twilio_tells(self, data):
        self.one_of(
            data,
            (lambda _: self.start(), not self.started),
            (lambda _: self.hear_frame(), True),
            (lambda _: self.tell(ms.CallerAudio(FRAME)), True),
            (lambda _: self.tell(ms.MarkEchoed(self.marks.pop(0))), self.marks),
            (lambda _: self.tell(ms.MarkEchoed(self.cleared_marks.pop(0))), self.cleared_marks),
            (lambda data: self.tell(ms.DigitPressed(data.draw(st.sampled_from("12#*x")))), True),
        )

    def start(self):
        self.started = True
        self.tell(ms.CallerStarted("MZ1", "CA1", {}))

    @precondition(lambda self: self.session == "ready")
    @rule(data=st.data())
    def caller_speaks(self, data):
        self.one_of(
            data,
            (lambda data: self.tell(c.CallerSpeechStarted(data.draw(BOOLEANS))), True),
            (lambda _: self.tell(c.CallerSpeechStopped()), True),
            (
                lambda data: self.understand(data.draw(TEXTS), data.draw(BOOLEANS)),
                True,
            ),
            (
                lambda data: self.take_turn(data.draw(TEXTS), data.draw(TURN_SECONDS), late=data.draw(TURN_SECONDS)),
                True,
            ),
        )

    def understand(self, text, final):
        self.items += final
        cut = set(self.cut)
        self.tell(c.CallerTranscript(f"i{self.items}", text, final))
        if final and text == WORDS and self.text_is_due:  # of a turn that was not told of it may be late
            self.taken_back |= cut
        self.text_is_due = self.text_is_due and not final
        self.cut -= self.taken_back

    def take_turn(self, text, seconds, late):
        """The whole of it, in the usual order; the text comes while they speak, or when they have spoken."""
        self.tell(c.CallerSpeechStarted())
        if not late:
            self.understand(text, final=False)
        self.pass_time(seconds)
        self.tell(c.CallerSpeechStopped())
        self.pass_time(late)
        if self.session == "ready":
            self.understand(text, final=True)

    @precondition(lambda self: self.session == "ready" and self.open_reply is None)
    @rule(text=TEXTS, seconds=TURN_SECONDS, late=TURN_SECONDS)
    def caller_talks_over_the_agent(self, text, seconds, late):
        self.model_answers(3)
        self.pass_time(1.0)
        if self.session == "ready":
            self.take_turn(text, seconds, late)

    @precondition(lambda self: self.session == "ready")
    @rule(data=st.data())
    def model_speaks(self, data):
        speaks = self.open_reply is not None
        self.one_of(
            data,
            (lambda _: self.begin_reply(), not speaks),
            (lambda data: self.sound(self.open_reply, data.draw(SPEECH_MS)), speaks),
            (lambda data: self.sound_in_frames(data.draw(st.sampled_from(range(1, 31)))), speaks),
            (lambda _: self.speak(f"r{self.open_reply}", HUSH), speaks),
            (lambda data: self.sound(data.draw(st.sampled_from(self.replies[-9:])), 100), self.replies),
            (lambda data: self.tell(c.ReplyWords(f"r{self.open_reply}", "Yes. ", data.draw(STARTS_MS))), speaks),
            (lambda data: self.tell(c.ReplyTranscript(f"r{self.open_reply}", "Yes.", data.draw(BOOLEANS))), speaks),
            (lambda data: self.be_done(interrupted=data.draw(BOOLEANS)), speaks),
            (lambda _: self.say_filler(), True),
        )

    @precondition(lambda self: self.session == "ready" and self.open_reply is None)
    @rule(seconds=st.sampled_from(range(1, 7)))
    def model_answers(self, seconds):
        """The whole of it, at once, as models do."""
        self.begin_reply()
        for _ in range(seconds * 10):
            if self.open_reply is not None:
                self.sound(self.open_reply, 100)
        if self.open_reply is not None:
            self.be_done(interrupted=False)

    def say_filler(self):
        """In a reply beside the one that is open, as a chain does that was asked to, or its own accord."""
        self.fillers += 1
        reply_id = f"f{self.fillers}"
        self.tell(c.ReplyStarted(reply_id, is_filler=True))
        self.speak(reply_id, FILLER)
        self.tell(c.ReplyTranscript(reply_id, "One moment.", interrupted=False))
        self.tell(c.ReplyDone(reply_id, interrupted=False))

    def begin_reply(self):
        self.open_reply = len(self.replies)
        self.replies.append(self.open_reply)
        self.tell(c.ReplyStarted(f"r{self.open_reply}"))

    def speak(self, reply_id, payload):
        """As the call does it: the short way first."""
        mark = self.bridge.forward_reply_audio(reply_id, payload, self.now)
        if mark is None:
            self.tell(c.ReplyAudio(reply_id, payload))
        else:
            self.execute([PlayAudio(payload), *([PlaceMark(mark)] if mark else [])])

    def sound(self, number, milliseconds):
        self.speak(f"r{number}", sound_of(number, milliseconds))

    def sound_in_frames(self, frames):
        for _ in range(frames):
            if self.open_reply is not None:
                self.sound(self.open_reply, 20)

    def be_done(self, *, interrupted):
        number, self.open_reply = self.open_reply, None
        self.tell(c.ReplyDone(f"r{number}", interrupted))

    @precondition(lambda self: self.session == "ready" or self.tools or self.ran)
    @rule(data=st.data())
    def tool_moves(self, data):
        late = self.ran - set(self.tools)
        self.one_of(
            data,
            (lambda _: self.want_tool(), self.session == "ready" and len(self.tools) < 5),
            (lambda data: self.finish(data.draw(st.sampled_from(sorted(self.tools))), data=data), self.tools),
            (lambda data: self.tell(c.ToolWithdrawn(data.draw(st.sampled_from(sorted(self.tools))))), self.tools),
            (lambda data: self.finish(data.draw(st.sampled_from(sorted(late))), data=data), late),
        )

    @precondition(lambda self: self.tools)
    @rule(data=st.data(), then=st.sampled_from([Then.END_CALL, Then.TRANSFER]))
    def tool_asks_for_the_end(self, data, then):
        self.finish(data.draw(st.sampled_from(sorted(self.tools))), then=then)

    def want_tool(self):
        self.wanted += 1
        call_id = f"t{self.wanted:04}"
        self.tools[call_id] = True
        self.tell(c.ToolCalled(call_id, "look_up", {"number": self.wanted}))

    def finish(self, call_id, *, data=None, then=Then.GO_ON):
        failed = data is not None and data.draw(BOOLEANS)
        self.tell(ToolReturned(call_id, ToolResult("{}", failed, then)))

    @rule(data=st.data())
    def operator_wishes(self, data):
        self.one_of(
            data,
            (lambda _: self.have_said(), True),
            (lambda data: self.ask(MuteRequested(data.draw(BOOLEANS))), True),
            (lambda _: self.ask(MuteRequested(muted=False)), self.bridge.is_silenced),
            (lambda _: self.ask(TransferRequested("+15550002222")), self.steps >= self.spared),
        )

    def have_said(self):
        self.said += 1
        text = f"This is line {self.said:04} of the operator."
        if self.ask(SayRequested(text), before=lambda: self.to_say.append(text)):
            assert self.session != "ready" or text not in self.to_say, "a model that is ready is asked at once"

    def ask(self, wish, before=None):
        """As the call does it: what is refused is not told."""
        refusal = self.bridge.refusal_of(wish)
        if refusal is not None:
            code, words = refusal
            assert code in {"not_live", "not_supported", "muted"}
            assert words
            return False
        if before is not None:
            before()
        self.tell(wish)
        if isinstance(wish, MuteRequested):
            assert self.bridge.is_silenced is wish.muted
        if isinstance(wish, TransferRequested):
            assert self.transferred_to[-1:] == [wish.number], "it is done at once"
        return True

    @precondition(lambda self: self.transferring and self.end is None)
    @rule(works=BOOLEANS)
    def twilio_answers_a_transfer(self, works):
        self.tell(ms.CallerStopped() if works else TransferFailed())
        if works:
            assert self.end.transferred, "whoever is put through is not hung up"

    @rule(data=st.data())
    def session_changes(self, data):
        lives = self.session in {"opening", "ready"}
        self.one_of(
            data,
            (lambda _: self.be_ready(), self.session == "opening"),
            (lambda data: self.be_replaced(data.draw(capabilities)), self.session == "replaced"),
            (
                lambda data: self.tell(
                    c.SessionExpiring(data.draw(EXPIRES_IN), data.draw(HANDLES), is_silent=data.draw(BOOLEANS))
                ),
                lives,
            ),
            (lambda data: self.tell(data.draw(FAILURES)), lives and self.successors > 0),
            (lambda data: self.tell(data.draw(FAILURES)), self.session == "gone"),  # too late to matter
            (lambda _: self.tell(c.ModelFault("x", "it is unwell", fatal=False)), lives),
            (lambda data: self.tell(c.Unrecognized("#", garbage=data.draw(BOOLEANS))), lives),
            (lambda data: self.tell(c.Unrecognized("#", garbage=data.draw(BOOLEANS), leg="caller")), True),
            (lambda _: self.tell(c.StageReached("first_token")), lives),
            (lambda _: self.tell(c.AnswerOwed()), lives),
            (lambda _: self.tell(c.FillerUnspoken()), lives),
            (lambda _: self.tell(c.Usage({"seconds": 1.0})), lives),
        )

    def be_ready(self):
        self.session = "ready"
        self.tell(c.ModelReady(f"s{self.sessions}"))
        assert self.end is not None or not self.to_say, "what the operator wants said waits for a model, no longer"

    def be_replaced(self, capabilities):
        self.session = "opening"
        self.sessions += 1
        self.tell(ModelReplaced(capabilities))

    @precondition(lambda self: self.steps >= self.spared)
    @rule(data=st.data())
    def it_comes_to_an_end(self, data):
        lives = self.session in {"opening", "ready"}
        self.one_of(
            data,
            (lambda data: self.come_to_an_end(data.draw(ENDS)), True),
            (lambda data: self.tell(data.draw(FAILURES)), lives),
            (lambda _: self.pass_time(30.0, hears=False, echoes=False), True),
        )

    def come_to_an_end(self, fact):
        if fact is not None and (self.session in {"opening", "ready"} or fact not in MODEL_ENDS):
            self.tell(fact)

    # What holds all the while

    @invariant()
    def nothing_is_out_of_bounds(self):
        if not hasattr(self, "bridge"):
            return
        self.steps += 1
        assert all(count >= 0 for count in self.record.counters.values())
        assert math.isinf(self.bridge.wake_at) or self.bridge.wake_at <= 100 + self.limits.time_limit_seconds
        pieces = self.played_ms / 20 + len(self.replies) + self.record.counters.get("own_lines", 0)
        assert self.placed <= pieces + (self.now - 100) / 2 + 2, "marks are few"
        assert self.end is None or self.bridge.handle(ms.CallerStopped(), self.now) == []

    def teardown(self):
        """A call that has not ended yet comes to its end; left alone every call does, if only by its limits."""
        if not hasattr(self, "bridge"):
            return
        if self.end is None:
            self.come_to_an_end(self.ends)
        for _ in range(100_000):
            if self.end is not None:
                break
            if self.session == "replaced":
                self.be_replaced(PLAIN)
            assert self.bridge.wake_at < math.inf
            self.now = max(self.now, self.bridge.wake_at)
            self.tick()
        assert self.end is not None
        assert self.now <= 100 + self.limits.time_limit_seconds + 1


def test_whatever_happens_in_a_call_the_rules_hold_and_everything_happens():
    reached.counts.clear()
    but = {"ProtectReply.on=False"}  # greetings alone are protected, and a protocol sees itself when one is over
    assert run_until_reached(LiveCall, lambda: reached.missing(Fact) + reached.missing(Command, but=but)) == []
