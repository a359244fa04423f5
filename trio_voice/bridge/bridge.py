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
  here, the last mark back from Twilio, and a moment of quiet after it. A transfer waits for its announcement likewise.
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
from typing import TYPE_CHECKING, Final

from trio_voice.audio.mulaw import FRAME_MS, base64_ms, encode, is_audible, silence
from trio_voice.bridge.context import Context
from trio_voice.bridge.deadlines import Deadlines
from trio_voice.bridge.digits import DigitEntry
from trio_voice.bridge.ending import Endings
from trio_voice.bridge.failover import Failover
from trio_voice.bridge.interruptions import Interruptions
from trio_voice.bridge.media_gap import MediaGap
from trio_voice.bridge.open_turn import OpenTurn
from trio_voice.bridge.silence import Silence, Verdict
from trio_voice.bridge.speaking import Speaking
from trio_voice.bridge.states import Caller, Ending, Model, Reply, Signal
from trio_voice.bridge.tool_calls import ToolCalls
from trio_voice.bridge.watcher import NOBODY
from trio_voice.events import call as f
from trio_voice.events import model as c
from trio_voice.events.call import CALLER, PlaceMark, RunTool, Then, ToolResult
from trio_voice.events.caller import CallerAudio, CallerStarted, CallerStopped, DigitPressed, MarkEchoed
from trio_voice.persona import SILENT
from trio_voice.record import EndReason
from trio_voice.timeline import EventKind

if TYPE_CHECKING:
    from trio_voice.bridge.watcher import Watcher
    from trio_voice.persona import Limits, Lines, Persona
    from trio_voice.record import CallRecord

MAX_GARBAGE: Final = 100
"""Messages of one peer that mean nothing, before its leg is given up."""
SILENT_FRAME: Final = encode(silence(FRAME_MS))
SILENCE_AHEAD_MS: Final = 400.0
"""Silence at the beginning of a reply is not played where so much waits already: some replies are nothing else, and
words that are said meanwhile would stand behind it."""
MOST_TO_SAY: Final = 5
"""Texts of the operator's that may wait for a model to be ready."""
NUDGE: Final = (
    "The caller has said something and is waiting. Answer now; if you did not understand, ask them to say it again."
)
BROUGHT: Final = "What you were looking up when you were interrupted has come; tell the caller: {}"
ENOUGH: Final = ToolResult('{"error": "enough was looked up: answer the caller now with what you have"}', failed=True)
TURNS_WITH_A_HUMAN: Final = 2
"""Answered turns after which a verdict that a machine answered comes too late to be believed."""


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
        "_context",
        "_deadlines",
        "_digits",
        "_endings",
        "_expected_call_sid",
        "_failover",
        "_gap",
        "_has_spoken",
        "_interruptions",
        "_open_turn",
        "_opening",
        "_playback",
        "_playout",
        "_silence",
        "_speaking",
        "_states",
        "_takeover",
        "_to_say",
        "_tools",
        "_turns",
        "_waits_for_ready",
        "_was_answered",
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
        self._opening = opening
        context = self._context = Context(persona, limits, capabilities, record, now, lines, watcher)
        self._states, self._playout, self._turns = context.states, context.playout, context.turns
        self._playback = context.playout.playback
        self._turns = context.turns
        self._tools = ToolCalls()
        self._speaking = Speaking(context)
        self._endings = Endings(context, self._speaking)
        self._deadlines = Deadlines(limits, now)
        self._gap = MediaGap(limits.media_gap_seconds, now)
        self._digits = DigitEntry()
        self._open_turn = OpenTurn()
        self._failover = Failover(context, successors, now, self._speaking, self._endings, self._deadlines, self._tools)
        self._takeover = self._failover.takeover
        self._interruptions = Interruptions(context, self._speaking)
        self._silence = Silence(
            context,
            self._speaking,
            self._deadlines,
            self._tools,
            self._interruptions.floor,
            self._endings,
        )
        self._to_say: list[str] = []
        """Texts that the operator wants said by a model that is not ready."""
        self._was_answered = False
        """The model has begun a reply since the caller last began to speak."""
        self._has_spoken = False
        """The agent has been heard since the caller last began to speak, or it was told a tool's result."""
        self._waits_for_ready: f.MachineAnswered | None = None
        """A machine has answered, and is to be left a message by a model that is not ready."""
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
            if takeover.is_expiring:
                takeover.keep(payload)
        elif not takeover.under_way or takeover.keep(payload):
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
            detail = f"{deadline.words}: {deadline.limit} = {getattr(self._context.limits, deadline.limit):g}"
            if deadline.reason is EndReason.MODEL_FAILED:
                self._model_lost(deadline.reason, detail, now, passing=False)
            else:
                deaf = deadline.reason is EndReason.CALLER_STALLED and self._gap.is_asked
                self._context.end(deadline.reason, detail, deaf=deaf)
                self._set_wake_at(now)
                return self._context.take()
        if self._interruptions.tick(now):
            self._was_nothing()
        if now >= self._open_turn_due:
            self._end_turn(now)
        verdict = self._silence.tick(now)
        if verdict is not Verdict.WAIT:
            words = "the caller waited for an answer, and none came"
            self._model_lost(EndReason.MODEL_FAILED, words, now, passing=verdict is Verdict.ASK_ANOTHER)
            if self._states.model is Model.OPENING:
                self._silence.fill(now)
        self._failover.tick(now)
        self._bear_media_gap(now)
        return self._finish(now)

    def _finish(self, now: float) -> list[f.Command]:
        """Say what can be said by now, see what is due next, and hand over what is to be done."""
        if self._states.model is not Model.READY:
            self._interruptions.release()  # whoever heard the caller is gone: there is nothing to decide
        self._pass_digits_on(now)
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
        parts = (self._speaking, self._endings, self._interruptions, self._silence, self._failover)
        deadlines = self._deadlines.of(self._states, self._playback.echo_due, self._gap.dead_at)
        self.wake_at = min(*(deadline.at for deadline in deadlines), *(part.wake_at for part in parts))
        if self._states.model is Model.READY:
            self.wake_at = min(self.wake_at, self._digits.due_at, self._open_turn_due)
        if self._states.started:
            self.wake_at = min(self.wake_at, self._gap.wake_at(now, hears=self._states.model is Model.READY))

    def _understand(self, fact: f.Fact, now: float) -> None:
        match fact:
            case c.ReplyAudio():
                self._reply_audio(fact, now)
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
                self._deadlines.caller_heard(now)
                self._digits.press(digit, now)
            case c.ModelReady():
                self._model_ready(now)
            case c.CallerSpeechStarted():
                self._speech_started(fact, now)
            case c.CallerSpeechStopped():
                self._speech_stopped(now)
            case c.CallerTranscript():
                self._caller_text(fact, now)
            case c.AnswerOwed():
                self._states.signal(Signal.ANSWER_OWED)
            case c.ReplyStarted():
                self._reply_started(fact, now)
            case c.ReplyWords(reply_id=reply_id, text=text, start_ms=start_ms):
                self._context.transcript.reply_words(reply_id, text, start_ms, now - self._context.began)
            case c.ReplyTranscript(reply_id=reply_id, text=text, interrupted=interrupted):
                if self._playout.is_no_answer(reply_id):
                    self._silence.filler_was(text)
                at = now - self._context.began
                self._context.transcript.reply_said(reply_id, text, at, interrupted=interrupted)
            case c.ReplyDone():
                self._reply_done(fact, now)
            case c.ToolCalled():
                self._tool_requested(fact, now)
            case c.ToolWithdrawn(call_id=call_id):
                self._tools.withdraw(call_id)
            case f.ToolReturned(call_id=call_id, result=result):
                self._tool_finished(call_id, result, now)
            case c.StageReached(stage=stage):
                self._turns.reached(stage, now)
            case c.SessionExpiring():
                self._failover.expires(fact, now)
                if self._states.model is Model.OPENING:
                    self._silence.session_replaced()
            case f.ModelReplaced(capabilities=capabilities):
                self._context.capabilities = capabilities
                self._interruptions.model_replaced()
            case c.ModelFault(message=message, fatal=True, passing=passing):
                self._model_lost(EndReason.MODEL_FAILED, message, now, passing=passing)
            case c.ModelFault():
                self._context.record.count("model_faults")
            case c.ModelEnded():
                self._model_lost(EndReason.MODEL_ENDED, "the model ended the session", now)
            case c.Unrecognized():
                self._unrecognized(fact, now)
            case f.MachineAnswered():
                self._machine_answered(fact, now)
            case f.TransferFailed():
                self._endings.transfer_failed()
            case f.LegClosed():
                self._leg_closed(fact, now)
            case f.LegStalled():
                self._leg_stalled(fact, now)
            case f.SayRequested(text=text):
                self._say(text, now)
            case f.MuteRequested(muted=muted):
                self._speaking.set_muted(muted=muted, now=now)
            case f.TransferRequested(number=number):
                self._endings.put_through(number, now)
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

    def _pass_digits_on(self, now: float) -> None:
        """Tell the model of the keys that were pressed, once it is ready and the entry is over."""
        if now < self._digits.due_at or self._states.model is not Model.READY or self._states.ended:
            return
        keys = self._digits.take()
        at = now - self._context.began
        self._context.transcript.caller_said(f"keys-{now}", f"[pressed {keys}]", at, final=True)
        self._endings.caller_began()
        self._speaking.request(f"The caller pressed these keys of the telephone: {keys}", kept=True)

    def _bear_media_gap(self, now: float) -> None:
        """Ask Twilio whether the caller is there, and let the model hear silence meanwhile."""
        if not self._states.started or self._states.ended:
            return
        mark = self._gap.ask(now, self._playback.ends_at)
        if mark is not None:
            self._context.commands.append(PlaceMark(mark))
        if self._states.model is Model.READY:
            self._context.commands += [c.HearCaller(SILENT_FRAME)] * self._gap.silent_frames(now)

    def _speech_started(self, fact: c.CallerSpeechStarted, now: float) -> None:
        self._deadlines.caller_heard(now)
        self._open_turn.begin(now, is_owed=self._states.caller is Caller.WAITING)
        self._silence.caller_began()
        self._states.signal(Signal.SPEECH_BEGAN)
        self._context.transcript.caller_began(fact.item_id, now - self._context.began)
        self._turns.caller_began()
        self._was_answered = self._has_spoken = False
        self._tools.caller_began()
        if fact.interrupts and not self._endings.leaves_message:  # a machine takes no floor, whatever its noises
            self._speaking.is_asked = False
            self._endings.caller_began()
            self._interruptions.began(now)

    def _speech_stopped(self, now: float) -> None:
        self._deadlines.caller_heard(now)
        self._open_turn.end()
        self._states.signal(Signal.TURN_ENDED)
        self._turns.caller_finished(now)
        if self._interruptions.ended(now):
            self._was_nothing()
        elif not self._interruptions.has_words:
            self._silence.was_noise()  # as far as is known: its words may still come
        elif not self._was_answered:
            self._states.signal(Signal.ANSWER_OWED)
        self._silence.caller_finished(now)

    def _caller_text(self, fact: c.CallerTranscript, now: float) -> None:
        self._deadlines.caller_heard(now)
        self._open_turn.said(fact.text, now)
        if fact.final:
            self._turns.transcript_is_final(now)
        at = now - self._context.began
        began_at = self._context.transcript.caller_said(fact.item_id, fact.text, at, final=fact.final)
        takes_no_floor = self._interruptions.said(fact, now)
        if takes_no_floor:
            self._was_nothing()
            return
        self._endings.caller_said(fact, began_at)
        if self._endings.is_leaving:
            return
        if fact.text and not self._was_answered and self._states.caller in (Caller.QUIET, Caller.WAITING):
            self._states.signal(Signal.ANSWER_OWED)
            self._silence.words_came(now)

    def _was_nothing(self) -> None:
        """A sound of the caller's has taken no floor: what it put an end to is wanted still."""
        self._silence.was_noise()
        self._tools.resume()

    @property
    def _open_turn_due(self) -> float:
        """Time at which the caller's turn counts as over though nobody says so; a chain sees to its own."""
        watches = self._states.model is Model.READY and not self._context.capabilities.words_while_speaking
        watches = watches and self._states.caller is Caller.SPEAKING
        return self._open_turn.due(self._turns.last_sound_at) if watches else math.inf

    def _end_turn(self, now: float) -> None:
        """The caller's turn is over, and the model does not know it: it is asked to answer."""
        self._context.record.count("turns_without_an_end")
        self._speech_stopped(now)
        if self._states.caller is Caller.WAITING and not self._endings.is_leaving:
            self._context.commands.append(c.RequestReply(NUDGE, instead=True))
            self._speaking.is_asked = True

    # The operator

    def refusal_of(self, fact: f.OperatorFact) -> tuple[str, str] | None:
        """Reason for which the operator's wish cannot be done now, as a code and in words; ``None`` if it can."""
        states, playout = self._states, self._playout
        if states.ended or self._endings.is_leaving:
            return "not_live", "the call is ending"
        if isinstance(fact, f.SayRequested):
            if states.model is Model.LOST:
                return "not_supported", "no model speaks in this call any more"
            if playout.is_silenced:
                return "muted", 'the agent is muted: send {"muted": false} first'
            if len(self._to_say) >= MOST_TO_SAY:
                return "not_live", "the agent is not ready to speak yet: try again in a moment"
        return None

    def close(self) -> None:
        """The call is over, however it ended."""
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

    def _say(self, text: str, now: float) -> None:
        """The operator has the agent say something, whatever it is saying now."""
        if self._playout.is_silenced or self._endings.is_leaving:
            return
        if self._states.model is not Model.READY:
            self._to_say.append(text)
            del self._to_say[:-MOST_TO_SAY]
            return
        if self._playout.is_busy(now) or self._states.reply_is_open:
            self._speaking.interrupt(now, by_caller=False)
        self._context.note(EventKind.OPERATOR, now, "the agent is told what to say")
        self._speaking.say(text, now)

    # The model

    def _model_ready(self, now: float) -> None:
        self._states.signal(Signal.MODEL_READY)
        self._greet(now)
        for text in self._to_say:
            self._speaking.say(text, now)
        self._to_say.clear()
        self._context.watcher.state()

    def _greet(self, now: float) -> None:
        self._deadlines.agent_heard(now)
        record, persona = self._context.record, self._context.persona
        if record.setup_seconds is None:
            record.setup_seconds = round(now - self._context.began, 3)
        if self._waits_for_ready is not None:
            self._machine_answered(self._waits_for_ready, now)
        elif self._failover.ready():
            pass  # in the middle of a talk
        elif self._opening:
            opening, self._opening = self._opening, ""
            self._speaking.request(opening, kept=True)
        elif persona.greeting and not self._context.capabilities.speaks_first:
            self._speaking.say(persona.greeting, now)
        elif persona.greeting and record.direction == "outbound" and self._context.capabilities.protects_replies:
            self._context.commands.append(c.ProtectReply(on=True))  # it says the greeting, which is owed, by itself

    def _reply_started(self, fact: c.ReplyStarted, now: float) -> None:
        self._playout.reply_began(fact.reply_id, now, is_filler=fact.is_filler)
        if fact.is_filler:
            return  # the reply that it is said in place of may go on
        self._context.transcript.reply_began(fact.reply_id)
        if self._interruptions.answers_nothing(now) or self._endings.is_said:
            self._playout.forget(fact.reply_id)
            self._context.transcript.reply_cut(fact.reply_id, 0.0)
            self._context.record.count("answers_in_vain")
            return
        self._context.reply_id = fact.reply_id
        self._speaking.is_asked = False
        self._was_answered = True
        self._states.signal(Signal.REPLY_BEGAN)
        self._interruptions.answered(fact.reply_id)

    def _reply_audio(self, fact: c.ReplyAudio, now: float) -> None:
        is_filler = self._playout.is_no_answer(fact.reply_id)
        is_known = self._states.reply_was_heard and not is_filler
        is_silent = not is_known and not is_audible(fact.payload)
        if is_silent and self._playout.unheard_ms(now) >= SILENCE_AHEAD_MS:
            length = self._playout.pass_over(fact.reply_id, fact.payload)
        else:
            length = self._playout.add(fact.reply_id, fact.payload)
        if not length:
            return
        if is_silent:
            if not is_filler:
                self._silence.came_silent(now, length)
        elif not is_known:
            self._silence.sounded(now, is_filler=is_filler)
            if not is_filler:
                self._turns.reached("first_audio", now)
                self._states.signal(Signal.REPLY_SOUNDED)
                self._has_spoken = True
                self._speaking.sounded()
                self._endings.agent_sounded()
        self._context.transcript.reply_sent(fact.reply_id, length)

    def _reply_done(self, fact: c.ReplyDone, now: float) -> None:
        self._context.transcript.reply_over(fact.reply_id)
        if self._playout.is_silenced and self._context.capabilities.truncates and not fact.interrupted:
            self._context.commands.append(c.TruncateReply(fact.reply_id, 0.0))  # it is to know that nobody heard it
        if not self._playout.is_no_answer(fact.reply_id):
            self._states.signal(Signal.REPLY_ENDED)
            if self._states.reply is Reply.OVER and not fact.interrupted:
                self._came_to_nothing()
        if fact.reply_id == self._context.reply_id:
            self._context.transcript.reply_done(fact.reply_id, audible=self._states.reply_was_heard)
            if self._states.reply_was_heard and not fact.interrupted:
                self._silence.answered()
        if not fact.interrupted:
            self._playout.add_mark(fact.reply_id)
            return
        if not self._context.capabilities.withdraws_tools:
            self._tools.interrupt(fact.reply_id)
        is_cut = fact.reply_id in self._playout.unheard_replies(now)
        self._interruptions.cut_by_model(fact.reply_id, now)
        self._playout.mute(fact.reply_id)
        if is_cut:
            self._endings.message_cut(now)

    def _came_to_nothing(self) -> None:
        """A reply is over without a sound: whoever has said something is still owed an answer."""
        self._was_answered = False
        if self._interruptions.has_words and self._states.caller is Caller.QUIET and not self._playout.is_silenced:
            self._states.signal(Signal.ANSWER_OWED)

    def _machine_answered(self, fact: f.MachineAnswered, now: float) -> None:
        if len(self._context.record.turns) >= TURNS_WITH_A_HUMAN:
            self._context.record.count("machine_verdicts_too_late")
            return
        message = None if fact.is_fax else self._context.persona.voicemail
        self._waits_for_ready = None
        if message is None:
            words = f"Twilio says that a {'fax' if fact.is_fax else 'machine'} answered"
            self._context.end(EndReason.TWILIO_ENDED, words)
        elif self._states.model is not Model.READY:
            self._waits_for_ready = fact
        else:
            self._endings.leave_message(message, now)

    # Tools

    def _tool_requested(self, fact: c.ToolCalled, now: float) -> None:
        if self._tools.is_too_much(fact.name, self._context.reply_id, now):
            self._context.record.count("tool_rounds_over_the_bound")
            if self._tools.has_no_end:
                self._tools.caller_began()
                words = "the model asks for tools and never answers"
                self._model_lost(EndReason.MODEL_FAILED, words, now, passing=not self._silence.asked_another)
            else:
                self._answer_tool(fact.call_id, ENOUGH)
            return
        wanted = self._tools.request(fact.call_id, fact.name, fact.arguments, self._context.reply_id, now)
        if isinstance(wanted, ToolResult):
            self._answer_tool(fact.call_id, wanted)
        elif wanted:
            self._context.commands.append(RunTool(fact.call_id, fact.name, fact.arguments))

    def _tool_finished(self, call_id: str, result: ToolResult, now: float) -> None:
        is_wanted = self._tools.is_wanted(call_id)
        asked_by = self._tools.finished(call_id, result, now)
        if is_wanted and not asked_by and result.then is Then.GO_ON:
            self._speaking.request(BROUGHT.format(result.text))
        elif not asked_by:
            self._context.record.count("tool_results_not_wanted")
            return
        for each in asked_by or ():
            self._answer_tool(each, result)
        if result.then is not Then.GO_ON:
            self._endings.say_goodbye(result.then, now, spoken=self._reply_speaks)

    @property
    def _reply_speaks(self) -> bool:
        """True if the agent has said something by now: it was heard, or its sound is being made.

        That is, since the caller spoke or it was told something: it may ask for the end in a reply of its own.
        """
        is_made = self._context.capabilities.speaks_meanwhile and self._states.reply is Reply.SILENT
        return self._has_spoken or is_made

    def _answer_tool(self, call_id: str, result: ToolResult) -> None:
        self._tools.told()
        go_on = result.then is Then.GO_ON or not self._reply_speaks
        self._context.commands.append(c.SendToolResult(call_id, result.text, result.failed, go_on))
        self._speaking.is_asked = self._speaking.is_asked or go_on
        self._has_spoken = self._has_spoken and not go_on

    # What fails

    def _model_lost(self, reason: EndReason, detail: str, now: float, *, passing: bool = True) -> None:
        successors = self._takeover.successors
        self._failover.lost(reason, detail, now, passing=passing)
        if self._states.model is Model.OPENING:
            self._speaking.is_asked = False
            if self._takeover.successors < successors:
                self._silence.model_replaced(now)
            else:
                self._silence.session_replaced()

    def _unrecognized(self, fact: c.Unrecognized, now: float) -> None:
        leg, record = fact.leg, self._context.record
        if not fact.garbage:
            record.count(f"unknown_{leg}_messages")
        elif record.count(f"{leg}_garbage") > MAX_GARBAGE:
            detail = f"the {leg}'s peer sent over {MAX_GARBAGE} messages of garbage; the last: {fact.what}"
            if leg == CALLER:
                self._context.end(EndReason.CALLER_LOST, detail)
            else:
                record.counters[f"{leg}_garbage"] = 0  # the next model's is another
                self._model_lost(EndReason.MODEL_FAILED, detail, now)

    def _leg_closed(self, fact: f.LegClosed, now: float) -> None:
        if fact.leg == CALLER:
            self._context.end(EndReason.CALLER_LOST, fact.detail)
        else:
            reason = EndReason.MODEL_ENDED if fact.politely else EndReason.MODEL_FAILED
            self._model_lost(reason, fact.detail, now)

    def _leg_stalled(self, fact: f.LegStalled, now: float) -> None:
        detail = f"the {fact.leg}'s peer stopped reading"
        if fact.leg == CALLER:
            self._context.end(EndReason.CALLER_STALLED, detail)
        else:
            self._model_lost(EndReason.MODEL_FAILED, detail, now)
