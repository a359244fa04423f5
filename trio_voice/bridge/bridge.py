"""The bridge joins the two legs of a call: facts and the time in, commands out, no I/O.

Barge-in, what was heard, the greeting, pacing, silence and length are decided here and nowhere else. The bridge knows
no vendor and no socket; its driver (``call/call.py``) tells it what has happened and does what it says, in order. Its
states and what moves them stand in one table (``bridge/states.py``).

Rules that a reader might ask about:

- **The greeting waits.** Audio of the model that comes before Twilio's ``start`` stays in the queue until then.
- **The caller is not replayed.** Audio of the caller from before the model is ready is dropped and counted: sent
  later it would arrive as a burst, faster than real time, and the model would hear the past.
- **Barge-in** begins with the model's word that the caller speaks. Playing stops at once; whether the floor is taken,
  their words decide (``floor.py``). If not, what was not heard is said, or the model is asked to go on.
- **The greeting of a call that we place** is said to its end, or begun again; others as the persona says.
- **An answer that is owed** and does not come is covered by fillers (``dead_air.py``), and in the end given up.
- **A silent caller** is asked, and told goodbye (``deadlines.py``). Silence is the caller's only while nothing is being
  said, thought or looked up.
- **An end that the agent asks for** waits until its goodbye has been heard: nothing open at the model, nothing waiting
  here, no tool running, the last mark back from Twilio, and a moment of quiet after it. A transfer waits for its
  announcement likewise.
  A caller who has more to say than goodbye takes it back.
- **Tools** act once (``tool_calls.py``).
- **A model that fails** is replaced (``failover.py``); the caller hears a line made on this machine meanwhile. When
  there is no next one, the call ends, after a last line, or is transferred, as the persona says.
- **Keys** that the caller presses are told to the model as one entry (``digits.py``).
- **No media** is a muted caller until Twilio fails to answer a mark (``media_gap.py``).
- **A machine's verdict** after a conversation is only noted: whoever has been talked with is no machine.
- **The operator** may have the agent say something, mute it, or put the caller through. What a muted agent says is
  lost, and it is told so where it can be; nothing is owed to the caller meanwhile.
- **The first end wins.** After ``EndCall`` nothing more is decided.
- **Garbage** is ignored until there is too much of it (``MAX_GARBAGE``). Floods are for the legs (``legs/pumps.py``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trio_voice.audio.mulaw import SILENCE_BEGINS, base64_ms
from trio_voice.bridge.caller_turn import CallerTurn
from trio_voice.bridge.context import Context
from trio_voice.bridge.deadlines import Deadlines
from trio_voice.bridge.ending import Endings
from trio_voice.bridge.failover import Failover, Replacement
from trio_voice.bridge.interruptions import Interruptions
from trio_voice.bridge.losses import Losses
from trio_voice.bridge.media_gap import MediaGap
from trio_voice.bridge.opening import Opening
from trio_voice.bridge.operator import Operator
from trio_voice.bridge.replies import Replies
from trio_voice.bridge.silence import Silence, Verdict
from trio_voice.bridge.speaking import Speaking
from trio_voice.bridge.states import Caller, Ending, Model, Reply, Signal
from trio_voice.bridge.tool_calls import ToolCalls
from trio_voice.bridge.tool_results import ToolResults
from trio_voice.bridge.watcher import NOBODY
from trio_voice.events import call as f
from trio_voice.events import model as c
from trio_voice.events.caller import CallerAudio, CallerStarted, CallerStopped, DigitPressed, MarkEchoed
from trio_voice.persona import SILENT
from trio_voice.record import EndReason

if TYPE_CHECKING:
    from trio_voice.bridge.watcher import Watcher
    from trio_voice.limits import Limits
    from trio_voice.persona import Lines, Persona
    from trio_voice.record import CallRecord


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
        watcher: told of words, turns and states as they change.
    """

    __slots__ = (
        "_caller_turn",
        "_context",
        "_deadlines",
        "_endings",
        "_expected_call_sid",
        "_failover",
        "_gap",
        "_interruptions",
        "_losses",
        "_opening",
        "_operator",
        "_playback",
        "_playout",
        "_replies",
        "_silence",
        "_speaking",
        "_states",
        "_takeover",
        "_tool_results",
        "_tools",
        "_turns",
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
        watcher: Watcher = NOBODY,
    ) -> None:
        self._expected_call_sid = expected_call_sid
        context = self._context = Context(persona, limits, capabilities, record, now, lines, watcher)
        self._states, self._playout, self._turns = context.states, context.playout, context.turns
        self._playback = context.playout.playback
        self._tools = ToolCalls()
        self._speaking = Speaking(context)
        self._endings = Endings(context, self._speaking, self._tools)
        self._deadlines = Deadlines(limits, now)
        self._gap = MediaGap(limits.media_gap_seconds, now)
        self._failover = Failover(context, successors, now, self._speaking, self._endings, self._deadlines, self._tools)
        self._takeover = self._failover.takeover
        self._interruptions = Interruptions(context, self._speaking)
        self._silence = Silence(
            context, self._speaking, self._deadlines, self._tools, self._interruptions.floor, self._endings
        )
        self._caller_turn = CallerTurn(
            context, self._speaking, self._deadlines, self._tools, self._interruptions, self._silence, self._endings
        )
        self._losses = Losses(context, self._failover, self._speaking, self._silence)
        self._replies = Replies(
            context, self._speaking, self._tools, self._interruptions, self._silence, self._endings, self._caller_turn
        )
        self._tool_results = ToolResults(
            context, self._tools, self._speaking, self._endings, self._losses, self._caller_turn
        )
        self._opening = Opening(context, self._speaking, self._deadlines, self._failover, self._endings, opening)
        self._operator = Operator(context, self._speaking, self._endings)
        self.wake_at: float
        """Time at which ``tick`` is next needed, at the latest."""
        self._set_wake_at(now)

    def handle(self, fact: f.Fact, now: float) -> list[f.Command]:
        """Commands that a fact asks for. Any fact may come in any state."""
        if self._states.ended:
            return []
        self._understand(fact, now)
        return self._finish(now)

    def forward_caller_audio(self, payload: str, now: float) -> bool:
        """Do what ``handle`` does for ``CallerAudio``; whether the model is to hear it, which is all that follows."""
        states = self._states
        if states.ending is Ending.ENDED:
            return False
        self._gap.last_media = now
        self._turns.caller_audio(payload, now)
        takeover = self._takeover
        is_ready = states.model is Model.READY
        if is_ready:
            if takeover.is_expiring or states.caller is Caller.SPEAKING:
                takeover.keep(payload)
        elif takeover.replacement is Replacement.NONE or takeover.keep(payload):
            self._context.record.count("caller_frames_before_ready")
        return is_ready

    def forward_reply_audio(self, reply_id: str, payload: str, now: float) -> str | None:
        """Do what ``handle`` does for ``ReplyAudio`` where Twilio is to play it and nothing else follows but a mark.

        Returns:
            The name of that mark, empty for none. ``None`` if it is not so simple: nothing was done, and ``handle`` is
            to be told of it.
        """
        states = self._states
        if states.reply is not Reply.AUDIBLE or states.caller is Caller.AWAITED or states.ending is Ending.ENDED:
            return None
        if payload[:4] in SILENCE_BEGINS or reply_id != self._context.reply_id:
            return None
        self._replies.pause_ms = 0.0
        length = base64_ms(payload)
        mark = self._playout.forward_reply_audio(reply_id, payload, length, now)
        if mark is None:
            return None
        self._context.transcript.reply_sent(reply_id, length)
        if mark:
            self.wake_at = min(self.wake_at, self._playout.wake_at)
        return mark

    def tick(self, now: float) -> list[f.Command]:
        """Commands that time asks for. Harmless to call too early."""
        if self._states.ended:
            return []
        for deadline in self._deadlines.of(self._states, self._playback.echo_due, self._gap.dead_at):
            if now < deadline.at:
                continue
            detail = self._deadlines.detail_of(deadline)
            if deadline.reason is EndReason.MODEL_FAILED:
                self._losses.model_lost(deadline.reason, detail, now, passing=False)
            else:
                deaf = deadline.reason is EndReason.CALLER_STALLED and self._gap.is_asked
                self._context.end(deadline.reason, detail, deaf=deaf)
                self._set_wake_at(now)
                return self._context.take()
        if now >= self._deadlines.last_words_at:
            self._deadlines.last_words_at = math.inf
            limit = self._deadlines.time_limit
            self._endings.say_last_words(limit.reason, self._deadlines.detail_of(limit), now)
        self._caller_turn.tick(now)
        verdict = self._silence.tick(now)
        if verdict is not Verdict.WAIT:
            words = "the caller waited for an answer, and none came"
            self._losses.model_lost(EndReason.MODEL_FAILED, words, now, passing=verdict is Verdict.ASK_ANOTHER)
            if self._states.model is Model.OPENING:
                self._silence.fill(now)
        self._failover.tick(now)
        if self._states.started and not self._states.ended:
            hears = self._states.model is Model.READY
            self._context.commands += self._gap.commands(now, self._playback.ends_at, hears=hears)
        return self._finish(now)

    def _finish(self, now: float) -> list[f.Command]:
        """Say what can be said by now, see what is due next, and hand over what is to be done."""
        if self._states.model is not Model.READY:
            self._interruptions.release()  # whoever heard the caller is gone: there is nothing to decide
        self._caller_turn.pass_digits_on(now)
        if self._speaking.tick(now):
            self._endings.said_for_it()
        self._endings.tick(now)
        self._silence.note(now)
        self._set_wake_at(now)
        return self._context.take()

    def _set_wake_at(self, now: float) -> None:
        if self._states.ended:
            self.wake_at = math.inf
            return
        parts = (self._speaking, self._endings, self._interruptions, self._caller_turn, self._silence, self._failover)
        deadlines = self._deadlines.of(self._states, self._playback.echo_due, self._gap.dead_at)
        self.wake_at = min(*(deadline.at for deadline in deadlines), *(part.wake_at for part in parts))
        self.wake_at = min(self.wake_at, self._deadlines.last_words_at)
        if self._states.started:
            self.wake_at = min(self.wake_at, self._gap.wake_at(now, hears=self._states.model is Model.READY))

    def _understand(self, fact: f.Fact, now: float) -> None:
        match fact:
            case c.ReplyAudio():
                self._replies.sounded(fact, now)
            case MarkEchoed():
                self._mark_echoed(fact, now)
            case CallerAudio(payload=payload):
                if self.forward_caller_audio(payload, now):
                    self._context.commands.append(c.HearCaller(payload))
            case CallerStarted():
                self._caller_started(fact, now)
            case CallerStopped():
                self._endings.caller_stopped()
            case DigitPressed(digit=digit):
                self._caller_turn.pressed(digit, now)
            case c.ModelReady():
                self._opening.model_ready(now)
                self._operator.model_ready(now)
                self._context.watcher.state()
            case c.CallerSpeechStarted():
                if self._states.caller is not Caller.SPEAKING:
                    self._takeover.caller_began()
                self._caller_turn.began(fact, now)
            case c.CallerSpeechStopped():
                self._caller_turn.stopped(now)
            case c.CallerTranscript():
                self._caller_turn.said(fact, now)
            case c.AnswerOwed():
                self._states.signal(Signal.ANSWER_OWED)
            case c.ReplyStarted():
                self._replies.began(fact, now)
            case c.FillerUnspoken():
                self._silence.fill(now)
            case c.ReplyWords(reply_id=reply_id, text=text, start_ms=start_ms):
                self._context.transcript.reply_words(reply_id, text, start_ms, now - self._context.began)
            case c.ReplyTranscript():
                self._replies.written(fact, now)
            case c.ReplyDone():
                self._replies.done(fact, now)
            case c.ToolCalled():
                self._tool_results.called(fact, now)
            case c.ToolWithdrawn(call_id=call_id):
                self._tools.withdraw(call_id)
            case f.ToolReturned(call_id=call_id, result=result):
                self._tool_results.returned(call_id, result, now)
            case c.StageReached(stage=stage):
                self._turns.reached(stage, now)
            case c.SessionExpiring():
                self._losses.expires(fact, now)
            case f.ModelReplaced(capabilities=capabilities):
                self._context.capabilities = capabilities
                self._interruptions.model_replaced()
            case c.ModelFault(fatal=True):
                self._losses.faulted(fact, now)
            case c.ModelFault():
                self._context.record.count("model_faults")
            case c.ModelEnded():
                self._losses.model_lost(EndReason.MODEL_ENDED, "the model ended the session", now)
            case c.Unrecognized():
                self._losses.unrecognized(fact, now)
            case f.MachineAnswered():
                self._opening.machine_answered(fact, now)
                self._caller_turn.ignore_at_the_end()
            case f.TransferFailed():
                self._endings.transfer_failed()
            case f.LegClosed():
                self._losses.closed(fact, now)
            case f.LegStalled():
                self._losses.stalled(fact, now)
            case f.SayRequested(text=text):
                self._operator.say(text, now)
            case f.MuteRequested(muted=muted):
                was_muted = self.is_silenced
                self._speaking.set_muted(muted=muted, now=now)
                if was_muted and not muted:
                    self._caller_turn.agent_is_unmuted()
            case f.TransferRequested(number=number):
                self._endings.put_through(number, now)
            case f.LastWordsDue(reason=reason, detail=detail):
                self._endings.say_last_words(reason, detail, now)
            case f.EndRequested(reason=reason, detail=detail):
                self._context.end(reason, detail)
            case _:
                pass  # for the record of the session, or not for the bridge

    # The caller

    def _caller_started(self, fact: CallerStarted, now: float) -> None:
        expected = self._expected_call_sid
        if expected is not None and fact.call_sid != expected:
            words = "the stream belongs to another call than its path was made for"
            self._context.end(EndReason.CALLER_LOST, words)
            return
        if not self._states.started:
            self._gap.begin(now)
        self._states.signal(Signal.STARTED)
        record = self._context.record
        if not record.is_browser_call:  # a page invents one
            record.call_sid = fact.call_sid
        record.stream_sid = fact.stream_sid

    def _mark_echoed(self, fact: MarkEchoed, now: float) -> None:
        self._gap.echo(fact.name, now)
        if self._playback.echo(fact.name, now):
            self._turns.mark_heard(now, self._playback.heard_ms(now))
            if self._context.transcript.awaits_hearing:
                self._context.transcript.heard(self._playout.unheard_replies(now))

    # What others ask

    def refusal_of(self, fact: f.OperatorFact) -> tuple[str, str] | None:
        """Reason for which the operator's wish cannot be done now, as a code and in words; ``None`` if it can."""
        return self._operator.refusal_of(fact)

    def close(self, ended_at: float) -> None:
        """The call is over, however it ended: what was being said at that time was heard so far and no further."""
        for reply_id, heard_ms in self._playout.interrupt(ended_at):
            self._context.transcript.reply_cut(reply_id, heard_ms)
        self._context.transcript.close()

    @property
    def is_silenced(self) -> bool:
        """True while the operator has muted the agent."""
        return self._playout.is_silenced

    def speaker(self, now: float) -> str:
        """Holder of the floor: ``caller``, ``agent`` or nobody."""
        if self._states.caller is Caller.SPEAKING:
            return "caller"
        return "agent" if self._playback.is_playing(now) else ""
