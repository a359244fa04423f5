"""Ends of a call from inside: a goodbye, a transfer, or no model left. The part of a bridge that takes leave.

Ends that come from outside, or because a limit is reached, need no words and are not decided here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from trio_voice.bridge.context import MAX_DETAIL
from trio_voice.bridge.goodbye import Goodbye
from trio_voice.bridge.states import Caller, Ending, Model, Signal
from trio_voice.bridge.voicemail import Voicemail
from trio_voice.events.call import ClearPlayback, DismissModel, Then, TransferCall
from trio_voice.events.model import IgnoreTurn
from trio_voice.record import EndReason
from trio_voice.speech_text.backchannels import takes_floor
from trio_voice.timeline import EventKind

if TYPE_CHECKING:
    from trio_voice.bridge.context import Context
    from trio_voice.bridge.speaking import Speaking
    from trio_voice.bridge.tool_calls import ToolCalls
    from trio_voice.events.model import CallerTranscript

MAX_UNHEARD_MS: Final = 1_000.0
"""Most of a dead model's words that may still be heard before the last line; more would keep the caller for too
long."""

AT_ONCE_SECONDS: Final = 0.001
"""Two times that are no further apart are one."""

STALE_SECONDS: Final = 6.0
"""Quiet after which what the agent said last was no goodbye."""


class Endings:
    """Those of one call.

    Args:
        context: of the call.
        speaking: its voice.
        tools: what is being looked up, or done.
    """

    __slots__ = (
        "_by_operator",
        "_context",
        "_failed",
        "_goodbye",
        "_speaking",
        "_tools",
        "_voicemail",
        "wake_at",
    )

    def __init__(self, context: Context, speaking: Speaking, tools: ToolCalls) -> None:
        self._context = context
        self._speaking = speaking
        self._tools = tools
        self._by_operator = False
        """It was the operator who has the caller put through."""
        self._goodbye: Goodbye | None = None
        self._failed: tuple[EndReason, str] | None = None
        """Reason for which there is no model any more, while the last line is said."""
        self._voicemail: Voicemail | None = None
        """A machine listens, and is left a message."""
        self.wake_at = math.inf
        """Time at which ``tick`` is next needed."""

    @property
    def is_leaving(self) -> bool:
        """True if the call ends, or is transferred, as soon as something was heard or done."""
        return self._context.states.ending in (Ending.GOODBYE, Ending.TRANSFERRING)

    @property
    def is_transferring(self) -> bool:
        """True while Twilio is asked to put the caller through."""
        return self._context.states.ending is Ending.TRANSFERRING

    # A goodbye

    def say_goodbye(self, then: Then, now: float, *, spoken: bool, unmet_since: float = math.inf) -> None:
        """From here on the call ends, or is transferred, as soon as the caller has heard the last words.

        The first wish counts: another is the same again, and makes the goodbye no longer, but whoever is to be put
        through is not hung up on, whichever was told first. A caller who is being put through needs no goodbye. Words
        of a turn to which the model had not begun a reply, ``unmet_since`` a time in seconds since the call began, are
        none that it answers.
        """
        if self.is_transferring:
            return
        if self._goodbye is None:
            goodbye = Goodbye(then, now, spoken=spoken, is_late=self.last_words_are_old(now))
            goodbye.answers_until = min(now, self._context.began + unmet_since - AT_ONCE_SECONDS)
            self._begin(goodbye, now)
            return
        if then is Then.TRANSFER and self._goodbye.revocable and self._goodbye.reason is EndReason.AGENT:
            self._goodbye.then = then
        if self._goodbye.is_heard:
            self._goodbye.is_said = True

    def last_words_are_old(self, now: float) -> bool:
        """True if what was heard last was heard too long ago to be a goodbye."""
        playout = self._context.playout
        return not playout.is_busy(now) and now - playout.playback.ends_at > STALE_SECONDS

    @property
    def is_said(self) -> bool:
        """True if all is said, and nothing that the model begins now is wanted.

        Some begin another reply with every result of a tool, be it that of ``end_call`` behind a goodbye.
        """
        if self._voicemail is not None:
            said = self._context.transcript.text_of(self._context.reply_id)
            if self._voicemail.is_begun_by(said):
                return not self._speaking.is_asked
        return self._goodbye is not None and self._goodbye.is_said

    def say_idle_goodbye(self, detail: str, now: float) -> None:
        """Nobody speaks: say goodbye, and end the call."""
        words = self._context.persona.said_by_itself.idle_goodbye
        if not words or not self._context.states.started:
            self._context.end(EndReason.IDLE, detail)
            return
        self._speaking.say(words, now, instead=self._context.lines.idle_goodbye)
        self._begin(Goodbye(Then.END_CALL, now, spoken=False, reason=EndReason.IDLE, details=(detail, detail)), now)

    def say_last_words(self, reason: EndReason, detail: str, now: float) -> None:
        """The call will be ended in a moment: tell the caller goodbye, whoever is speaking, and end it then."""
        context, line = self._context, self._context.lines.goodbye
        if line is None or context.states.ending is not Ending.NONE or not context.states.started:
            return
        if context.playout.is_silenced:
            return
        if context.playout.is_busy(now) or context.states.reply_is_open:
            self._speaking.interrupt(now, by_caller=False)
        self._speaking.say_line(line, now)
        goodbye = Goodbye(Then.END_CALL, now, spoken=True, reason=reason, details=(detail, detail), revocable=False)
        self._begin(goodbye, now)

    def leave_message(self, message: str, now: float) -> None:
        """A machine has answered: leave it the message, and end the call."""
        if self._context.playout.is_busy(now) or self._context.states.reply_is_open:
            self._speaking.interrupt(now)
        self._speaking.say(message, now, because="A machine has answered. ")
        self._voicemail = Voicemail(message)
        words = ("a machine answered, and the message was left", "a machine answered, and no message was left")
        self._begin(Goodbye(Then.END_CALL, now, spoken=False, details=words, revocable=False), now)

    def _begin(self, goodbye: Goodbye, now: float) -> None:
        self._goodbye = goodbye
        self._context.states.signal(Signal.GOODBYE)
        self.tick(now)

    def agent_sounded(self) -> None:
        """The agent can be heard."""
        if self._goodbye is not None:
            self._goodbye.sounded()

    def message_cut(self, now: float) -> None:
        """The model has broken the message off, for a machine's noises: it is said once more, or was not left."""
        if self._goodbye is None or self._voicemail is None:
            return
        self._goodbye.unheard()
        if self._voicemail.may_be_said_again:
            self._speaking.say(self._voicemail.say_again(), now, because="It was cut off. ")
            self._goodbye.begin_again(now)

    def said_for_it(self) -> None:
        """A line of this machine was said in place of what the model was asked for."""
        if self._goodbye is not None and self._goodbye.is_wordless:
            self._goodbye.was_said_for_it()

    def caller_began(self) -> None:
        """The caller speaks into it."""
        if self._goodbye is not None:
            self._goodbye.caller_began()

    def caller_made_noise(self, *, rest_is_owed: bool, spoken: bool) -> None:
        """They did not: it is as it was, but for what may have been cut of it.

        If it was asked for meanwhile, and the agent had ``spoken`` before, that was it.
        """
        goodbye = self._goodbye
        if goodbye is None or rest_is_owed:
            return
        if spoken and not goodbye.is_heard and self._voicemail is None:
            goodbye.sounded()
        goodbye.caller_made_noise(spoken=spoken)

    def reply_was_heard(self) -> None:
        """A reply has come to its end, and could be heard: if there is a goodbye, it was that."""
        goodbye = self._goodbye
        if goodbye is not None and goodbye.is_heard and self._voicemail is None:
            goodbye.is_said = not self._speaking.is_asked and self._context.states.caller is not Caller.SPEAKING

    def caller_said(self, fact: CallerTranscript, began_at: float) -> None:
        """The caller's words: those that take the floor take the goodbye back, but not their own goodbye.

        Those of a turn that ``began_at`` a time before it, in seconds since the call began, are what it answers: their
        text may come late.
        """
        goodbye, text, final = self._goodbye, fact.text, fact.final
        if goodbye is None or not goodbye.revocable or began_at <= goodbye.answers_until - self._context.began:
            return
        if self._wants_more(text):
            if not final and len(text.split()) <= 2:
                return  # "have a" may still become a nice day
            self._goodbye = None
            self._context.states.signal(Signal.TAKEN_BACK)
            self._context.record.count("goodbyes_taken_back")
        elif final or self._context.states.caller is not Caller.SPEAKING:
            goodbye.returned()
            if not goodbye.is_wordless:
                self._context.states.signal(Signal.NOTHING_OWED)
                self._context.commands.append(IgnoreTurn(fact.item_id))

    def are_put_off_by(self, words: str) -> bool:
        """True if these words of the caller's, known before the agent asks for the end, are to be answered first."""
        return self._goodbye is None and not self.is_final and self._wants_more(words)

    def _wants_more(self, text: str) -> bool:
        """True if these words take the floor, and are not the caller's own goodbye."""
        persona = self._context.persona
        return takes_floor(text, persona.language, (*persona.backchannels, *persona.said_by_itself.farewells))

    def tick(self, now: float) -> None:
        """See whether the last words were heard. Harmless to call too early."""
        goodbye, voicemail, context = self._goodbye, self._voicemail, self._context
        self.wake_at = math.inf
        if goodbye is None or context.states.ended:
            return
        caller_speaks = goodbye.revocable and context.states.caller is Caller.SPEAKING
        makes_more = context.states.reply_is_open and not context.playout.is_muted(context.reply_id)
        acts = goodbye.revocable and self._tools.are_running
        more_to_come = caller_speaks or makes_more or acts or context.playout.has_waiting
        due = goodbye.due(now, context.playout.playback, more_to_come=more_to_come)
        if now < due:
            self.wake_at = due
        elif voicemail is not None and self._may_say_again(voicemail, goodbye):
            self._speaking.say(voicemail.say_again(), now, because="You have not said it yet. ")
            goodbye.begin_again(now)
            self.tick(now)
        elif self._has_left_unanswered(goodbye):
            self._speaking.say_line(context.lines.goodbye, now)
            goodbye.was_said_for_it(in_words=context.lines.goodbye is not None)
            self.tick(now)
        else:
            self._goodbye = None
            self._go(goodbye)

    def _may_say_again(self, voicemail: Voicemail, goodbye: Goodbye) -> bool:
        """True if the message was not said, and may be yet."""
        is_ready = self._context.states.model is Model.READY
        return voicemail.may_be_said_again and is_ready and not goodbye.is_heard

    def _has_left_unanswered(self, goodbye: Goodbye) -> bool:
        """True if the agent ends the call without a word to a caller who spoke last, or who has heard none for long.

        The persona's goodbye is said then.
        """
        said = self._context.record.transcript
        is_late = goodbye.is_late and self._context.lines.goodbye is not None
        is_owed = is_late or (bool(said) and said[-1].role == "caller")
        is_the_agents = goodbye.reason is EndReason.AGENT and goodbye.then is Then.END_CALL and goodbye.revocable
        return is_the_agents and goodbye.is_wordless and is_owed

    def _go(self, goodbye: Goodbye) -> None:
        context = self._context
        if goodbye.then is Then.TRANSFER:
            context.states.signal(Signal.TRANSFER)
            context.commands.append(TransferCall())
        elif self._failed is not None and goodbye.is_wordless is (self._voicemail is None):
            context.end(*self._failed)
        else:
            context.end(goodbye.reason, goodbye.detail)

    @property
    def is_final(self) -> bool:
        """True if nothing that is said to us changes the end: a machine listens, or it is not ours to put off."""
        return self._voicemail is not None or (self._goodbye is not None and not self._goodbye.revocable)

    # No model

    def fail(self, reason: EndReason, detail: str, now: float) -> None:
        """No model is left: say the last line, then end the call or put the caller through, as the persona says."""
        context, persona = self._context, self._context.persona
        if self._failed is not None or context.states.ended:
            return
        self._failed = (reason, detail[:MAX_DETAIL])
        context.states.signal(Signal.MODEL_LOST)
        transfer = persona.on_failure == "transfer" and persona.transfer_to is not None
        line = context.lines.failure  # it waits for Twilio's start, if that is still to come
        if not self.is_leaving and not transfer and line is None:
            context.end(reason, detail)
            return
        context.commands.append(DismissModel(detail[:MAX_DETAIL]))
        if self.is_leaving:
            return  # what was said before it failed is heard, and then the call ends as it was going to
        if context.playout.is_paused:
            context.playout.drop_waiting()
        elif context.playout.unheard_ms(now) > MAX_UNHEARD_MS:
            for reply_id, heard_ms in context.playout.interrupt(now):
                context.transcript.reply_cut(reply_id, heard_ms)
            if context.states.started:
                context.commands.append(ClearPlayback())
        self._speaking.say_line(line, now)
        then = Then.TRANSFER if transfer else Then.END_CALL
        details = (self._failed[1], self._failed[1])
        self._begin(Goodbye(then, now, spoken=True, reason=reason, details=details, revocable=False), now)

    # A transfer

    def put_through(self, number: str, now: float) -> None:
        """The operator has the caller put through to this number, at once."""
        context = self._context
        if context.states.ending is not Ending.NONE:
            return
        if context.playout.is_busy(now) or context.states.reply_is_open:
            self._speaking.interrupt(now, by_caller=False)
        self._by_operator = True
        context.note(EventKind.OPERATOR, now, "the caller is put through")
        context.states.signal(Signal.GOODBYE)
        context.states.signal(Signal.TRANSFER)
        context.commands.append(TransferCall(number))

    def caller_stopped(self) -> None:
        """Twilio has ended the stream."""
        context = self._context
        if not self.is_transferring:
            context.end(EndReason.HANGUP, "Twilio sent stop")
        elif self._by_operator:
            context.end(EndReason.OPERATOR, "the operator put the caller through", transferred=True)
        elif self._failed is None:
            context.end(EndReason.AGENT, "the agent put the caller through", transferred=True)
        else:
            reason, detail = self._failed
            context.end(reason, f"no model was left, and the caller was put through: {detail}", transferred=True)

    def transfer_failed(self) -> None:
        """Twilio would not put the caller through."""
        self._context.states.signal(Signal.TRANSFER_FAILED)
        self._by_operator = False
        if self._failed is not None:
            self._context.end(*self._failed)
        elif self._context.states.model is Model.READY:  # else it greets them, or is replaced
            self._speaking.request("The caller could not be put through. Apologise, and offer to take a message.")
