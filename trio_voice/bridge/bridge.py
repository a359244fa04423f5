"""The bridge joins the two legs of a call: facts and the time in, commands out, no I/O.

Barge-in, what was heard, the greeting, pacing, silence and length are decided here and nowhere else. The bridge knows
no vendor and no socket; its driver (``call/call.py``) tells it what has happened and does what it says, in order.

Rules that a reader might ask about:

- **The greeting waits.** Audio of the model that comes before Twilio's ``start`` stays in the queue until then.
- **The caller is not replayed.** Audio of the caller from before the model is ready is dropped and counted: sent
  later it would arrive as a burst, faster than real time, and the model would hear the past.
- **Barge-in** is the model's decision (speech started, or a reply done as interrupted), never a guess of ours. It takes
  effect when something is playing or waiting (``playout.py``); then Twilio is cleared, and what is late is dropped.
- **An end that the agent asks for** waits until its goodbye has been heard: nothing open at the model, nothing waiting
  here, the last mark back from Twilio, and a moment of quiet after it. A transfer waits for its announcement likewise.
- **Tools.** A result is not told to a model whose reply was interrupted meanwhile: it has given up on it, unless it
  says for itself what it has given up on.
- **A model that fails** is replaced by the persona's next (``failover.py``), which is told the conversation so far; the
  caller hears a line made on this machine meanwhile. When there is no next one, the call ends, after a last line, or is
  transferred, as the persona says. A session that its provider is about to end is replaced in a quiet moment.
- **Keys** that the caller presses are told to the model as one entry (``digits.py``).
- **No media** is a muted caller until Twilio fails to answer a mark (``media_gap.py``).
- **A machine's verdict** after a conversation is only noted: whoever has been talked with is no machine.
- **The first end wins.** After ``EndCall`` nothing more is decided.
- **Garbage** is ignored until there is too much of it (``MAX_GARBAGE``). Floods are for the legs (``legs/pumps.py``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Final

from trio_voice.audio.mulaw import FRAME_MS, base64_ms, encode, is_audible, silence
from trio_voice.bridge.digits import DigitEntry
from trio_voice.bridge.failover import Takeover, history_of
from trio_voice.bridge.goodbye import Goodbye
from trio_voice.bridge.latency import Turns
from trio_voice.bridge.media_gap import MediaGap
from trio_voice.bridge.playout import LINE, Playout
from trio_voice.bridge.transcript import Transcript
from trio_voice.events import model as c
from trio_voice.events.call import (
    CALLER,
    CancelTool,
    ClearPlayback,
    Command,
    DismissModel,
    EndCall,
    EndRequested,
    Fact,
    LegClosed,
    LegStalled,
    MachineAnswered,
    ModelReplaced,
    PlaceMark,
    ReplaceModel,
    RunTool,
    ToolFinished,
    TransferCall,
    TransferFailed,
)
from trio_voice.persona import SILENT
from trio_voice.protocols import media_streams as ms
from trio_voice.record import EndReason
from trio_voice.tool_results import Then

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.persona import Limits, Line, Lines, Persona
    from trio_voice.record import CallRecord

MAX_GARBAGE: Final = 100
"""Messages of one peer that mean nothing, before its leg is given up."""
MAX_DETAIL: Final = 500
"""Letters of an end's detail, which may quote a peer: it is logged and kept."""
SILENT_FRAME: Final = encode(silence(FRAME_MS))
TURNS_WITH_A_HUMAN: Final = 2
"""Answered turns after which a verdict that a machine answered comes too late to be believed."""
QUIET_EVERY_SECONDS: Final = 0.5
"""How often it is looked for a quiet moment in which a session that is about to end may be replaced."""
TAKE_UP: Final = (
    "The connection was interrupted for a moment. Apologise in a few words, and go on where the conversation stopped: "
    "if the caller is waiting for an answer, give it."
)


class Bridge:
    """One call's decisions.

    Args:
        persona: who is speaking for us.
        limits: what bounds the call.
        capabilities: what the model can do.
        record: where the transcript, the turns and the counters are written.
        now: the moment the caller's socket was accepted, in seconds of the clock that every later ``now`` is of.
        expected_call_sid: the call that the stream was promised to, where it is known.
        successors: how many models may take over when one fails.
        lines: what is said on this machine when no model speaks.
        opening: what the model is asked for first, in place of the greeting, where the caller has been here before.
    """

    __slots__ = (
        "_began",
        "_caller_speaks",
        "_capabilities",
        "_commands",
        "_digits",
        "_ended",
        "_expected_call_sid",
        "_failed",
        "_gap",
        "_goodbye",
        "_last_voice",
        "_leaves_message",
        "_limits",
        "_lines",
        "_messages_owed",
        "_opening",
        "_persona",
        "_playback",
        "_playout",
        "_ready",
        "_ready_by",
        "_record",
        "_reply_audible",
        "_reply_id",
        "_reply_open",
        "_started",
        "_takeover",
        "_tools",
        "_transcript",
        "_transferring",
        "_turns",
        "_waits_for_ready",
        "wake_at",
    )

    def __init__(
        self,
        persona: Persona,
        limits: Limits,
        capabilities: c.Capabilities,
        record: CallRecord,
        now: float,
        expected_call_sid: str | None = None,
        *,
        successors: int = 0,
        lines: Lines = SILENT,
        opening: str = "",
    ) -> None:
        self._persona = persona
        self._limits = limits
        self._capabilities = capabilities
        self._record = record
        self._began = now
        self._expected_call_sid = expected_call_sid
        self._transcript = Transcript(record)
        self._turns = Turns(record, now)
        self._playout = Playout(limits, record, self._turns)
        self._playback = self._playout.playback
        self._takeover = Takeover(successors, now)
        self._lines = lines
        self._opening = opening

        self._started = False
        self._ready = False
        self._ready_by = now + limits.model_ready_seconds
        self._failed: tuple[EndReason, str] | None = None
        """Why there is no model any more, while the last line is said."""
        self._ended = False
        self._gap = MediaGap(limits.media_gap_seconds, now)
        self._last_voice = now
        self._digits = DigitEntry()

        self._reply_id = ""
        self._reply_open = False
        self._reply_audible = False
        self._tools: dict[str, str] = {}
        """The reply in which each tool was asked for whose result the model still waits for, by the tool's call id."""
        self._goodbye: Goodbye | None = None
        self._transferring = False
        self._waits_for_ready: MachineAnswered | None = None
        self._messages_owed = 0
        """How often a machine's message may be asked for again, if nothing of it is heard; 0 if none is to be left."""
        self._leaves_message = False
        self._caller_speaks = False
        self._commands: list[Command] = []
        self.wake_at = min(deadline for deadline, *_ in self._deadlines())
        """When ``tick`` is next needed, at the latest. Facts may move it forward in time, only ``tick`` back."""

    def handle(self, fact: Fact, now: float) -> list[Command]:
        """What is to be done about a fact. Any fact may come in any state."""
        if self._ended:
            return []
        rule = self._rules.get(type(fact))
        if rule is None:
            return []
        rule(self, fact, now)
        return self._take() if self._commands else []

    def pass_caller_on(self, payload: str, now: float) -> bool:
        """Do what ``handle`` does for ``CallerAudio``; whether the model is to hear it, which is all that follows."""
        if self._ended:
            return False
        self._gap.last_media = now
        self._turns.caller_audio(payload, now)
        takeover = self._takeover
        if self._ready:
            if takeover.is_expiring:
                takeover.keep(payload)
        elif not takeover.under_way or takeover.keep(payload):
            self._record.count("caller_frames_before_ready")
        return self._ready

    def tick(self, now: float) -> list[Command]:
        """What is to be done because time has passed. Harmless to call too early."""
        if self._ended:
            return []
        self.wake_at = math.inf
        for deadline, reason, limit, words in self._deadlines():
            if now < deadline:
                self._wake_by(deadline)
                continue
            detail = f"{words}: {limit} = {getattr(self._limits, limit):g}"
            if reason is EndReason.MODEL_FAILED:
                self._model_lost(reason, detail, now)
            else:
                self._end(reason, detail)
                break
        self._renew_model(now)
        self._pass_digits_on(now)
        self._bear_media_gap(now)
        self._feed_playback(now)
        self._see_goodbye_through(now)
        return self._take()

    # Time

    def _deadlines(self) -> list[tuple[float, EndReason, str, str]]:
        """When the call ends by itself if nothing changes, why, by which limit, and in words."""
        limits = self._limits
        talk, idle = self._began + limits.time_limit_seconds, self._last_voice + limits.idle_seconds
        deadlines = [
            (talk, EndReason.TIME_LIMIT, "time_limit_seconds", "the call has lasted as long as it may"),
            (idle, EndReason.IDLE, "idle_seconds", "nobody has spoken"),
        ]
        if self._started:
            gap, stalled = limits.media_gap_seconds, EndReason.CALLER_STALLED
            unheard = "Twilio does not say that it has played what it was sent"
            deadlines += [
                (self._gap.dead_at, stalled, "media_gap_seconds", "no media came from Twilio, nor an answer to a mark"),
                (self._playback.echo_due + gap, stalled, "media_gap_seconds", unheard),
            ]
        else:
            start, words = self._began + limits.start_seconds, "Twilio opened the stream and did not start it"
            deadlines.append((start, EndReason.START_TIMEOUT, "start_seconds", words))
        if not self._ready and self._failed is None:
            words = "the model was not ready in time"
            deadlines.append((self._ready_by, EndReason.MODEL_FAILED, "model_ready_seconds", words))
        return deadlines

    def _wake_by(self, deadline: float) -> None:
        self.wake_at = min(self.wake_at, deadline)

    # The caller

    def _caller_started(self, fact: ms.CallerStarted, now: float) -> None:
        expected = self._expected_call_sid
        if expected is not None and fact.call_sid != expected:
            self._end(EndReason.CALLER_LOST, "the stream belongs to another call than its path was made for")
            return
        self._started = True
        self._gap.begin(now)
        self._wake_by(self._gap.wake_at(in_turn=False))
        self._record.call_sid, self._record.stream_sid = fact.call_sid, fact.stream_sid
        self._feed_playback(now)

    def _caller_audio(self, fact: ms.CallerAudio, now: float) -> None:
        if self.pass_caller_on(fact.payload, now):
            self._commands.append(c.HearCaller(fact.payload))

    def _caller_stopped(self, _fact: ms.CallerStopped, _now: float) -> None:
        if self._transferring:
            if self._failed is None:
                self._end(EndReason.AGENT, "the agent put the caller through", transferred=True)
            else:
                reason, detail = self._failed
                self._end(reason, f"no model was left, and the caller was put through: {detail}", transferred=True)
        else:
            self._end(EndReason.HANGUP, "Twilio sent stop")

    def _mark_echoed(self, fact: ms.MarkEchoed, now: float) -> None:
        self._gap.echo(fact.name, now)
        if self._playback.echo(fact.name, now):
            self._turns.mark_heard(now, self._playback.heard_ms(now))
        self._feed_playback(now)
        self._see_goodbye_through(now)

    def _digit(self, fact: ms.DigitPressed, now: float) -> None:
        self._last_voice = now
        self._digits.press(fact.digit, now)
        self._pass_digits_on(now)

    def _pass_digits_on(self, now: float) -> None:
        """Tell the model of the keys that were pressed, once it is ready and the entry is over."""
        if now < self._digits.due_at or not self._ready or self._ended:
            self._wake_by(self._digits.due_at if self._ready else math.inf)
            return
        keys = self._digits.take()
        self._transcript.caller_said(f"keys-{now}", f"[pressed {keys}]", now - self._began, final=True)
        if self._goodbye is not None:
            self._goodbye.begin_again()
        self._commands.append(c.RequestReply(f"The caller pressed these keys of the telephone: {keys}", kept=True))

    def _bear_media_gap(self, now: float) -> None:
        """Ask Twilio whether the caller is there, and let a model that hears their turn hear silence."""
        if not self._started or self._ended:
            return
        mark = self._gap.ask(now, self._playback.ends_at)
        if mark is not None:
            self._commands.append(PlaceMark(mark))
        in_turn = self._ready and self._caller_speaks
        if in_turn:
            self._commands += [c.HearCaller(SILENT_FRAME)] * self._gap.silent_frames(now)
        self._wake_by(self._gap.wake_at(in_turn=in_turn))

    # The model

    def _model_ready(self, _fact: c.ModelReady, now: float) -> None:
        self._ready = True
        self._last_voice = max(self._last_voice, now)
        if self._record.setup_seconds is None:
            self._record.setup_seconds = round(now - self._began, 3)
        self._wake_by(self._digits.due_at)
        if self._waits_for_ready is not None:
            self._machine_answered(self._waits_for_ready, now)
            return
        if self._takeover.resumes_talk:
            self._take_up_talk()
            return
        self._takeover.finish()  # of before a word was said: not replayed
        if self._opening:
            opening, self._opening = self._opening, ""
            self._commands.append(c.RequestReply(opening, kept=True))
            return
        greeting = self._persona.greeting
        if greeting and not self._capabilities.speaks_first:
            self._say(greeting)

    def _take_up_talk(self) -> None:
        """A session that took over is ready: it hears what it has missed, and speaks if an answer is owed."""
        self._takeover.resumes_talk = False
        if self._takeover.owes_answer:
            self._commands.append(c.RequestReply(TAKE_UP))
        self._commands.extend(c.HearCaller(payload) for payload in self._takeover.finish())

    def _say(self, text: str, *, because: str = "") -> None:
        """Have the model say this and nothing else, as well as it can."""
        if self._capabilities.exact_speech:
            self._commands.append(c.SayExactly(text))
        else:
            self._commands.append(c.RequestReply(f"{because}Say exactly this and nothing else: {text}"))

    def _speech_started(self, fact: c.CallerSpeechStarted, now: float) -> None:
        self._last_voice = now
        self._caller_speaks = True
        self._wake_by(self._gap.wake_at(in_turn=True))
        self._transcript.caller_began(fact.item_id, now - self._began)
        self._turns.caller_began()
        if not fact.interrupts or self._leaves_message:  # a machine takes no floor, whatever its noises
            return
        if self._goodbye is not None:
            self._goodbye.begin_again()  # they want one more answer
        if self._persona.interruptible and self._playout.is_busy(now):
            self._interrupt(now)

    def _speech_stopped(self, _fact: c.CallerSpeechStopped, now: float) -> None:
        self._last_voice = now
        self._caller_speaks = False
        self._turns.caller_finished(now)

    def _caller_text(self, fact: c.CallerTranscript, now: float) -> None:
        self._last_voice = now
        if fact.final:
            self._turns.transcript_is_final(now)
        self._transcript.caller_said(fact.item_id, fact.text, now - self._began, final=fact.final)

    def _stage_reached(self, fact: c.StageReached, now: float) -> None:
        self._turns.reached(fact.stage, now)

    def _reply_started(self, fact: c.ReplyStarted, now: float) -> None:
        self._reply_id = fact.reply_id
        self._caller_speaks = False  # whoever answers them has heard them out
        self._reply_open, self._reply_audible = True, False
        self._playout.reply_began(fact.reply_id, now)
        self._transcript.reply_began(fact.reply_id)

    def _reply_audio(self, fact: c.ReplyAudio, now: float) -> None:
        length = self._playout.add(fact.reply_id, fact.payload)
        if not length:
            return
        if not self._reply_audible and is_audible(fact.payload):
            self._reply_audible = True
            self._turns.reached("first_audio", now)
            if self._goodbye is not None:
                self._goodbye.spoken = True
        self._transcript.reply_sent(fact.reply_id, length)
        self._feed_playback(now)

    def pass_reply_on(self, reply_id: str, payload: str, now: float) -> str | None:
        """Do what ``handle`` does for ``ReplyAudio`` where Twilio is to play it and nothing else follows but a mark.

        Returns:
            The name of that mark, empty for none. ``None`` if it is not so simple: nothing was done, and ``handle`` is
            to be told of it.
        """
        if not self._started or self._ended or not self._reply_audible:
            return None
        length = base64_ms(payload)
        mark = self._playout.pass_on(reply_id, payload, length, now)
        if mark is None:
            return None
        self._transcript.reply_sent(reply_id, length)
        self._last_voice = max(self._last_voice, self._playback.ends_at)
        if mark:
            self._wake_by(self._playout.wake_at)
        return mark

    def _reply_words(self, fact: c.ReplyWords, now: float) -> None:
        self._transcript.reply_words(fact.reply_id, fact.text, fact.start_ms, now - self._began)

    def _reply_text(self, fact: c.ReplyTranscript, now: float) -> None:
        self._transcript.reply_said(fact.reply_id, fact.text, now - self._began, interrupted=fact.interrupted)

    def _reply_done(self, fact: c.ReplyDone, now: float) -> None:
        self._reply_open = False
        if fact.reply_id == self._reply_id:
            self._transcript.reply_done(fact.reply_id, audible=self._reply_audible)
        if not fact.interrupted:
            self._playout.add_mark(fact.reply_id)
            self._feed_playback(now)
            self._see_goodbye_through(now)
            return
        if not self._capabilities.withdraws_tools:
            self._tools = {call: reply for call, reply in self._tools.items() if reply != fact.reply_id}
        if fact.reply_id in self._playout.unheard_replies(now):
            self._interrupt(now)
        self._playout.mute(fact.reply_id)

    def _tool_requested(self, fact: c.ToolRequested, _now: float) -> None:
        self._tools[fact.call_id] = self._reply_id
        self._commands.append(RunTool(fact.call_id, fact.name, fact.arguments))

    def _tool_finished(self, fact: ToolFinished, now: float) -> None:
        if self._tools.pop(fact.call_id, None) is None:
            self._record.count("tool_results_not_wanted")
            return
        self._commands.append(c.AnswerTool(fact.call_id, fact.result.text, fact.result.failed))
        if fact.result.then is not Then.GO_ON:
            self._say_goodbye(fact.result.then, now, spoken=self._reply_audible)

    def _tool_withdrawn(self, fact: c.ToolWithdrawn, _now: float) -> None:
        if self._tools.pop(fact.call_id, None) is not None:
            self._commands.append(CancelTool(fact.call_id))

    def _machine_answered(self, fact: MachineAnswered, now: float) -> None:
        if len(self._record.turns) >= TURNS_WITH_A_HUMAN:
            self._record.count("machine_verdicts_too_late")
            return
        message = None if fact.is_fax else self._persona.voicemail
        if message is not None and not self._ready:
            self._waits_for_ready = fact
            return
        if message is None:
            self._end(EndReason.TWILIO_ENDED, f"Twilio says that a {'fax' if fact.is_fax else 'machine'} answered")
            return
        if self._playout.is_busy(now):
            self._interrupt(now)
        self._leaves_message, self._messages_owed = True, 1
        self._leave_message(message, now)

    def _leave_message(self, message: str, now: float) -> None:
        self._say(message, because="A machine has answered. ")
        self._say_goodbye(Then.END_CALL, now, spoken=False)

    def _transfer_failed(self, _fact: TransferFailed, _now: float) -> None:
        self._transferring = False
        if self._failed is not None:
            self._end(*self._failed)
            return
        self._commands.append(
            c.RequestReply("The caller could not be put through. Apologise, and offer to take a message.")
        )

    def _model_fault(self, fact: c.ModelFault, now: float) -> None:
        if fact.fatal:
            self._model_lost(EndReason.MODEL_FAILED, fact.message, now)
        else:
            self._record.count("model_faults")

    def _model_ended(self, _fact: c.ModelEnded, _now: float) -> None:
        self._end(EndReason.MODEL_ENDED, "the model ended the session")

    # Both, and the world

    def _session_expiring(self, fact: c.SessionExpiring, now: float) -> None:
        self._takeover.expire(fact, now)
        self._wake_by(self._takeover.latest_at)
        self._renew_model(now)

    def _renew_model(self, now: float) -> None:
        """Replace a session that is about to end, as soon as nobody would notice."""
        takeover = self._takeover
        if not takeover.is_expiring or self._ended or self._failed is not None:
            return
        caller_waits = self._caller_speaks or self._turns.answer_is_near(now)
        quiet = not (caller_waits or self._reply_open or self._playout.has_waiting or self._tools)
        if now < takeover.latest_at and (not quiet or self._playback.is_playing(now)):
            self._wake_by(min(takeover.latest_at, now + QUIET_EVERY_SECONDS))
            return
        if takeover.was_too_short(now):
            self._model_lost(EndReason.MODEL_FAILED, "the model's session expired as soon as it had begun", now)
        else:
            self._replace_model("the provider is about to end the session", now, renews=True)

    def _model_lost(self, reason: EndReason, detail: str, now: float) -> None:
        """The model will say nothing more: the next one takes over, or the call comes to its end."""
        if self._failed is not None:
            return
        if self._takeover.is_expiring and not self._takeover.was_too_short(now):
            self._replace_model(detail, now, renews=True)  # it came earlier than it was announced
            return
        if self._takeover.successors > 0:
            self._replace_model(detail, now, renews=False)
            self._speak_line(self._lines.takeover, now)
            return
        self._failed = (reason, detail[:MAX_DETAIL])
        self._ready = self._reply_open = False
        leaving = self._goodbye is not None or self._transferring
        transfer = self._persona.on_failure == "transfer" and self._persona.transfer_to is not None
        if not leaving and not transfer and not (self._lines.failure and self._started):
            self._end(reason, detail)
            return
        self._commands.append(DismissModel(detail[:MAX_DETAIL]))
        if leaving:
            return  # what was said before it failed is heard, and then the call ends as it was going to
        self._speak_line(self._lines.failure, now)
        self._say_goodbye(Then.TRANSFER if transfer else Then.END_CALL, now, spoken=True)

    def _replace_model(self, why: str, now: float, *, renews: bool) -> None:
        owed_already = self._takeover.under_way and self._takeover.owes_answer
        speaks, lost = self._caller_speaks, self._caller_speaks and not self._takeover.has_kept
        handle = self._takeover.begin(now, renews=renews, mid_speech=speaks)
        history = history_of(self._transcript.latest)
        self._record.count("model_renewals" if renews else "model_takeovers")
        self._takeover.resumes_talk = bool(history) or handle is not None
        self._takeover.owes_answer = owed_already or not renews or self._reply_open or lost or self._turns.awaits_answer
        self._ready = self._reply_open = self._caller_speaks = False
        self._tools.clear()  # whoever asked for them is gone
        self._ready_by = now + self._limits.model_ready_seconds
        self._wake_by(self._ready_by)
        self._commands.append(ReplaceModel(why[:MAX_DETAIL], history, renews, handle))

    def _model_replaced(self, fact: ModelReplaced, _now: float) -> None:
        self._capabilities = fact.capabilities

    def _speak_line(self, line: Line | None, now: float) -> None:
        """Say something that was made on this machine, after what the model had still said."""
        if line is None:
            return
        line_id = f"{LINE}{self._record.count('own_lines')}"
        self._transcript.reply_said(line_id, line.text, now - self._began, interrupted=False)
        self._transcript.reply_sent(line_id, self._playout.add(line_id, line.payload))
        self._playout.add_mark(line_id)
        self._feed_playback(now)

    def _unrecognized(self, fact: c.Unrecognized, now: float) -> None:
        leg = fact.leg
        if not fact.garbage:
            self._record.count(f"unknown_{leg}_messages")
        elif self._record.count(f"{leg}_garbage") > MAX_GARBAGE:
            detail = f"the {leg}'s peer sent over {MAX_GARBAGE} messages of garbage; the last: {fact.what}"
            if leg == CALLER:
                self._end(EndReason.CALLER_LOST, detail)
            else:
                self._record.counters[f"{leg}_garbage"] = 0  # the next model's is another
                self._model_lost(EndReason.MODEL_FAILED, detail, now)

    def _leg_closed(self, fact: LegClosed, now: float) -> None:
        if fact.leg == CALLER:
            self._end(EndReason.CALLER_LOST, fact.detail)
        elif fact.politely and not self._takeover.is_expiring:
            self._end(EndReason.MODEL_ENDED, fact.detail)
        else:
            self._model_lost(EndReason.MODEL_FAILED, fact.detail, now)

    def _leg_stalled(self, fact: LegStalled, now: float) -> None:
        detail = f"the {fact.leg}'s peer stopped reading"
        if fact.leg == CALLER:
            self._end(EndReason.CALLER_STALLED, detail)
        else:
            self._model_lost(EndReason.MODEL_FAILED, detail, now)

    def _end_requested(self, fact: EndRequested, _now: float) -> None:
        self._end(fact.reason, fact.detail)

    def _end(self, reason: EndReason, detail: str, *, transferred: bool = False) -> None:
        self._ended = True
        self._playout.drop_waiting()
        deaf = reason is EndReason.CALLER_STALLED and self._gap.is_asked
        self._commands.append(EndCall(reason, detail[:MAX_DETAIL], transferred, deaf))

    # The goodbye

    def _say_goodbye(self, then: Then, now: float, *, spoken: bool) -> None:
        """From here on the call ends, or is transferred, as soon as the caller has heard the last words."""
        self._goodbye = Goodbye(then, now, spoken=spoken)
        self._see_goodbye_through(now)

    def _see_goodbye_through(self, now: float) -> None:
        goodbye = self._goodbye
        if goodbye is None or self._ended:
            return
        more_to_come = self._reply_open or self._playout.has_waiting
        due = goodbye.due(now, self._playback, more_to_come=more_to_come)
        if now < due:
            self._wake_by(due)
            return
        self._goodbye = None
        message = self._persona.voicemail or ""
        if self._leaves_message and not goodbye.spoken and self._messages_owed > 0:
            self._messages_owed -= 1
            self._leave_message(message, now)
        elif goodbye.then is Then.TRANSFER:
            self._transferring = True
            self._commands.append(TransferCall())
        elif self._failed is not None:
            self._end(*self._failed)
        else:
            self._end(EndReason.AGENT, self._last_words(goodbye))

    def _last_words(self, goodbye: Goodbye) -> str:
        """What has become of them."""
        if self._leaves_message:
            return f"a machine answered, and {'the message was left' if goodbye.spoken else 'no message was left'}"
        heard = "its goodbye was heard" if goodbye.spoken else "no goodbye of its own was heard"
        return f"the agent ended the call, and {heard}"

    # Playback

    def _feed_playback(self, now: float) -> None:
        """Hand over what waits, as far as the lead allows."""
        if not self._started or self._ended:
            return
        sent_before = self._playback.sent_ms
        self._commands += self._playout.feed(now)
        if self._playback.sent_ms > sent_before:
            self._last_voice = max(self._last_voice, now + self._playback.ahead_ms(now) / 1000)
        self._wake_by(self._playout.wake_at)

    def _interrupt(self, now: float) -> None:
        """The caller has taken the floor: nothing that was not heard will be."""
        for reply_id, heard_ms in self._playout.interrupt(now):
            self._transcript.reply_cut(reply_id, heard_ms)
            if self._capabilities.truncates and not reply_id.startswith(LINE):
                self._commands.append(c.TruncateReply(reply_id, heard_ms))
        self._playout.mute(self._reply_id)
        self._turns.playback_cleared()
        self._record.count("barge_ins")
        if self._started:
            self._commands.append(ClearPlayback())

    def _take(self) -> list[Command]:
        commands, self._commands = self._commands, []
        return commands

    _rules: ClassVar[dict[type, Callable[[Bridge, Any, float], None]]] = {
        ms.CallerAudio: _caller_audio,
        ms.CallerStarted: _caller_started,
        ms.CallerStopped: _caller_stopped,
        ms.MarkEchoed: _mark_echoed,
        ms.DigitPressed: _digit,
        c.ModelReady: _model_ready,
        c.CallerSpeechStarted: _speech_started,
        c.CallerSpeechStopped: _speech_stopped,
        c.CallerTranscript: _caller_text,
        c.ReplyStarted: _reply_started,
        c.ReplyAudio: _reply_audio,
        c.ReplyWords: _reply_words,
        c.ReplyTranscript: _reply_text,
        c.ReplyDone: _reply_done,
        c.ToolRequested: _tool_requested,
        c.ToolWithdrawn: _tool_withdrawn,
        c.StageReached: _stage_reached,
        c.SessionExpiring: _session_expiring,
        ModelReplaced: _model_replaced,
        c.ModelFault: _model_fault,
        c.ModelEnded: _model_ended,
        c.Unrecognized: _unrecognized,
        ToolFinished: _tool_finished,
        MachineAnswered: _machine_answered,
        TransferFailed: _transfer_failed,
        LegClosed: _leg_closed,
        LegStalled: _leg_stalled,
        EndRequested: _end_requested,
    }
