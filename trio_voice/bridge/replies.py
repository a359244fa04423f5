"""The model's replies as they come: begun, heard and done. Pure: time is an argument, in seconds.

The usual sound of a reply passes by here (``Bridge.forward_reply_audio``); its first comes this way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trio_voice.audio.mulaw import base64_ms, is_audible
from trio_voice.bridge.states import Caller, Reply, Signal
from trio_voice.events import model as c

if TYPE_CHECKING:
    from trio_voice.bridge.caller_turn import CallerTurn
    from trio_voice.bridge.context import Context
    from trio_voice.bridge.ending import Endings
    from trio_voice.bridge.interruptions import Interruptions
    from trio_voice.bridge.silence import Silence
    from trio_voice.bridge.speaking import Speaking
    from trio_voice.bridge.tool_calls import ToolCalls

SILENCE_AHEAD_MS: Final = 400.0
"""Silence at the beginning of a reply is not played where so much waits already: some replies are nothing else, and
words that are said meanwhile would stand behind it."""
PAUSE_MS: Final = 1_500.0
"""Silence in the middle of a reply that may be a pause in it. What is longer is as silence at its beginning."""


class Replies:
    """Those of one call.

    Args:
        context: of the call.
        speaking: the agent's voice.
        tools: what is being looked up.
        interruptions: who took the floor from them.
        silence: what they put an end to.
        endings: whether they are last words.
        caller_turn: what they answer.
    """

    __slots__ = (
        "_caller_turn",
        "_context",
        "_endings",
        "_interruptions",
        "_playout",
        "_silence",
        "_speaking",
        "_tools",
        "_was_asked",
        "pause_ms",
    )

    def __init__(
        self,
        context: Context,
        speaking: Speaking,
        tools: ToolCalls,
        interruptions: Interruptions,
        silence: Silence,
        endings: Endings,
        caller_turn: CallerTurn,
    ) -> None:
        self._context = context
        self._playout = context.playout
        self._speaking = speaking
        self._tools = tools
        self._interruptions = interruptions
        self._silence = silence
        self._endings = endings
        self._caller_turn = caller_turn
        self.pause_ms = 0.0
        """Length of the silence that came last, in a reply that could be heard."""
        self._was_asked = False
        """The latest reply was asked for."""

    def began(self, fact: c.ReplyStarted, now: float) -> None:
        """The model begins one."""
        context = self._context
        self._playout.reply_began(fact.reply_id, now, is_filler=fact.is_filler)
        if fact.is_filler:
            return  # the reply that it is said in place of may go on
        context.transcript.reply_began(fact.reply_id)
        comes_twice, self._speaking.was_said_instead = self._speaking.was_said_instead, False
        answers_echo = not self._speaking.is_asked and self._caller_turn.ends_echo(now)
        if comes_twice or answers_echo or self._interruptions.answers_nothing(now) or self._endings.is_said:
            self._speaking.is_asked = self._speaking.is_asked and not comes_twice
            self._playout.forget(fact.reply_id)
            context.transcript.reply_cut(fact.reply_id, 0.0)
            context.record.count("answers_in_vain")
            return
        context.reply_id = fact.reply_id
        speaks = context.states.caller is Caller.SPEAKING
        is_late = speaks and self._silence.asked_before
        # a server that tells of each turn's end before it answers has begun this for the turn before
        tells_ends = context.capabilities.yields_on_request and not context.capabilities.words_while_speaking
        is_late = is_late or (speaks and tells_ends and self._silence.owed_before)
        self._was_asked, self._speaking.is_asked = self._speaking.is_asked or is_late, False
        context.states.signal(Signal.REPLY_BEGAN)
        self.pause_ms = 0.0
        if is_late:  # it was asked for before they spoke, and answers nothing of what they are saying
            self._silence.begun_late()
            self._interruptions.begun_late(fact.reply_id, now)
            return
        if speaks:
            context.states.signal(Signal.ANSWER_OWED)  # whoever answers them has heard them out
        self._caller_turn.answered(now, was_asked=self._was_asked, speaks=speaks)
        self._interruptions.answered(fact.reply_id, was_asked=self._was_asked)

    def sounded(self, fact: c.ReplyAudio, now: float) -> None:
        """Sound of one, or silence at its beginning."""
        states = self._context.states
        # what is said beside the latest reply, be it an older one that goes on, is no answer either
        is_filler = self._playout.is_no_answer(fact.reply_id) or fact.reply_id != self._context.reply_id
        is_silent = not is_audible(fact.payload)
        is_known = states.reply_was_heard and not is_filler and not self._has_hushed(fact.payload, is_silent=is_silent)
        is_silent = is_silent and not is_known
        if is_silent and self._playout.unheard_ms(now) >= SILENCE_AHEAD_MS:
            length = self._playout.pass_over(fact.reply_id, fact.payload)
        else:
            length = self._playout.add(fact.reply_id, fact.payload)
        if not length:
            if self._playout.is_muted(fact.reply_id):
                self._context.transcript.reply_lost(fact.reply_id, base64_ms(fact.payload))
            return
        if is_silent:
            if not is_filler:
                self._silence.came_silent(now, length)
        elif not is_known:
            self._silence.sounded(now, is_filler=is_filler)
            if not is_filler:
                if states.reply is not Reply.HUSHED:
                    self._context.turns.reached("first_audio", now)
                states.signal(Signal.REPLY_SOUNDED)
                self._caller_turn.has_heard_agent = self._context.was_heard = True
                self._speaking.sounded()
                self._endings.agent_sounded()
        self._context.transcript.reply_sent(fact.reply_id, length)

    def _has_hushed(self, payload: str, *, is_silent: bool) -> bool:
        """True if the reply had been silent for longer than a pause takes before this sound of it, or is with it."""
        self.pause_ms = self.pause_ms + base64_ms(payload) if is_silent else 0.0
        if self.pause_ms > PAUSE_MS:
            self._context.states.signal(Signal.REPLY_HUSHED)
        return self._context.states.reply is Reply.HUSHED

    def written(self, fact: c.ReplyTranscript, now: float) -> None:
        """The text of one."""
        if self._playout.is_no_answer(fact.reply_id):
            self._silence.filler_was(fact.text)
        at = now - self._context.began
        self._context.transcript.reply_said(fact.reply_id, fact.text, at, interrupted=fact.interrupted)

    def done(self, fact: c.ReplyDone, now: float) -> None:
        """Nothing more of one comes."""
        context, states = self._context, self._context.states
        is_unfinished = states.stands_open and fact.reply_id == context.reply_id
        context.transcript.reply_over(fact.reply_id)
        if self._playout.is_silenced and context.capabilities.truncates and not fact.interrupted:
            context.commands.append(c.TruncateReply(fact.reply_id, 0.0))  # it is to know that nobody heard it
        if fact.reply_id == context.reply_id:
            states.signal(Signal.REPLY_ENDED)
            if states.reply is Reply.OVER and (other := self._playout.said_beside(fact.reply_id)):
                context.reply_id = other  # which goes on
                states.signal(Signal.REPLY_BEGAN)
            elif states.reply is Reply.OVER:
                self._came_to_nothing()
            context.transcript.reply_done(fact.reply_id, audible=states.reply_was_heard)
            if states.reply_was_heard and not fact.interrupted:
                self._speaking.finished(fact.reply_id)
                self._silence.answered()
                self._endings.reply_was_heard()
        if not fact.interrupted:
            self._playout.add_mark(fact.reply_id)
            return
        if not context.capabilities.withdraws_tools:
            self._tools.interrupt(fact.reply_id)
        is_cut = fact.reply_id in self._playout.unheard_replies(now)
        self._interruptions.cut_by_model(fact.reply_id, now, is_unfinished=is_unfinished)
        self._playout.mute(fact.reply_id)
        if is_cut:
            self._endings.message_cut(now)

    def _came_to_nothing(self) -> None:
        """A reply is over without a sound: whoever has said something is still owed an answer."""
        states = self._context.states
        self._caller_turn.was_answered = False
        if self._was_asked and not self._tools and states.caller is not Caller.SPEAKING:
            self._speaking.is_asked = True
        if self._interruptions.has_words and states.caller is Caller.QUIET and not self._playout.is_silenced:
            states.signal(Signal.ANSWER_OWED)
