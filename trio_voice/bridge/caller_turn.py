"""The caller's turn, from its first sound to its end: the part of a bridge that hears what the model hears of it.

Its beginning may take the floor (``interruptions.py``), its words say whether it does, and its end means that an answer
is owed, unless it was nothing. Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.bridge.digits import DigitEntry
from trio_voice.bridge.echo import Echo
from trio_voice.bridge.ending import AT_ONCE_SECONDS
from trio_voice.bridge.open_turn import OpenTurn
from trio_voice.bridge.states import Caller, Model, Signal
from trio_voice.events import model as c

if TYPE_CHECKING:
    from trio_voice.bridge.context import Context
    from trio_voice.bridge.deadlines import Deadlines
    from trio_voice.bridge.ending import Endings
    from trio_voice.bridge.interruptions import Interruptions
    from trio_voice.bridge.silence import Silence
    from trio_voice.bridge.speaking import Speaking
    from trio_voice.bridge.tool_calls import ToolCalls

NUDGE: Final = (
    "The caller has said something and is waiting. Answer now; if you did not understand, ask them to say it again."
)
GOES_ON_SECONDS: Final = 0.5
"""A caller who is still loud so long after a reply was begun has not said all before it."""


class CallerTurn:
    """The latest turn of one call's caller.

    Args:
        context: of the call.
        speaking: the agent's voice.
        deadlines: where it is kept how long nobody has spoken.
        tools: what is being looked up.
        interruptions: whether the turn takes the floor.
        silence: what an answer that is owed waits in.
        endings: what a caller with more to say may take back.
    """

    __slots__ = (
        "_context",
        "_deadlines",
        "_digits",
        "_echo",
        "_endings",
        "_had_heard_agent",
        "_interruptions",
        "_item_id",
        "_old_items",
        "_old_items_may_go_on",
        "_open_turn",
        "_said_item_id",
        "_silence",
        "_speaking",
        "_speaks_into_answer",
        "_tools",
        "has_heard_agent",
        "unmet_since",
        "unmet_words",
        "was_answered",
    )

    def __init__(
        self,
        context: Context,
        speaking: Speaking,
        deadlines: Deadlines,
        tools: ToolCalls,
        interruptions: Interruptions,
        silence: Silence,
        endings: Endings,
    ) -> None:
        self._context = context
        self._speaking = speaking
        self._deadlines = deadlines
        self._tools = tools
        self._interruptions = interruptions
        self._silence = silence
        self._endings = endings
        self._open_turn = OpenTurn()
        self._echo = Echo(context)
        self._item_id = self._said_item_id = ""
        self._old_items: frozenset[str] = frozenset()
        """Turns that were answered before the caller began to speak: their text may come late."""
        self._old_items_may_go_on = False
        """Whoever tells of the new turn does not say which it is: words of an old one may be of it, until the last."""
        self._digits = DigitEntry()
        self.was_answered = False
        """The model has begun a reply since the caller last began to speak."""
        self.unmet_since = math.inf
        """Time in seconds since the call began at which a turn began into a reply that was being made, or at which a
        reply was begun in a turn that was not over; infinite once another was begun."""
        self.unmet_words = ""
        """Its words so far, until then."""
        self._speaks_into_answer = False
        """It was begun before they had finished."""
        self.has_heard_agent = False
        """The agent has been heard since the caller last began to speak, or it was told a tool's result."""
        self._had_heard_agent = False
        """The same, before they did: it may have been nothing."""

    def began(self, fact: c.CallerSpeechStarted, now: float) -> None:
        """The model hears the caller speak."""
        context = self._context
        waits = context.states.caller is Caller.WAITING or self._endings.is_leaving
        self._open_turn.begin(now, is_owed=waits)
        self._silence.caller_began(interrupts=fact.interrupts)
        if context.states.caller is not Caller.SPEAKING:
            self._sound_began(now)
        if fact.item_id or context.states.caller is not Caller.SPEAKING:  # some say so again with the first word
            context.transcript.caller_began(fact.item_id, now - context.began)
        context.states.signal(Signal.SPEECH_BEGAN)
        context.turns.caller_began()
        if self.was_answered and (fact.item_id or not fact.interrupts):
            self._old_items = frozenset((self._item_id, self._said_item_id)) - {fact.item_id, ""}
            self._old_items_may_go_on = not fact.item_id
        self._item_id = fact.item_id
        was_answered = self.was_answered
        self._had_heard_agent = self.has_heard_agent
        self.was_answered = self.has_heard_agent = self._speaks_into_answer = False
        if fact.interrupts and (context.states.reply_is_open or self._tools):
            self.unmet_since, self.unmet_words = now - context.began, ""
        self._tools.caller_began()
        self.ignore_at_the_end()
        if fact.interrupts and not self._endings.is_final:  # a machine takes no floor, whatever its noises
            self._speaking.is_asked = self._speaking.was_said_instead = False
            self._endings.caller_began()
            self._interruptions.began(now)
        elif not fact.interrupts and was_answered:
            self._interruptions.turn_began()

    def _sound_began(self, now: float) -> None:
        self._echo.began(now)
        self._interruptions.sound_began(is_owed=self._silence.owed_before or self._silence.asked_before)

    def ignore_at_the_end(self) -> None:
        """Have a turn that has begun left unanswered, whichever its words will be, where nothing changes the end."""
        yields, is_open = self._context.capabilities.yields_on_request, self._context.states.caller is Caller.SPEAKING
        if yields and is_open and self._endings.is_final:
            self._context.commands.append(c.IgnoreTurn(self._item_id))

    def stopped(self, now: float) -> None:
        """The turn is over."""
        self._open_turn.end()
        self._echo.ended()
        self._context.states.signal(Signal.TURN_ENDED)
        self._context.turns.caller_finished(now)
        if self._endings.is_final:
            return
        if self._interruptions.ended(now):
            self._was_nothing()
        elif not self._interruptions.has_words:
            self._silence.was_noise()  # as far as is known: its words may still come
        elif not self.was_answered:
            self._context.states.signal(Signal.ANSWER_OWED)
        self._silence.caller_finished(now)

    def said(self, fact: c.CallerTranscript, now: float) -> None:
        """Words of it, which may come after its end."""
        context = self._context
        if self._echo.is_over:  # some models tell of words alone
            self._sound_began(now)
        if fact.item_id not in self._old_items and self._echo.brought(fact, now):
            if fact.final and fact.item_id != self._echo.taken_id:
                self._came_back(fact, now)
            return
        if fact.text:
            self._deadlines.caller_heard(now)
        self._open_turn.said(fact.text, now)
        if fact.final:
            context.turns.transcript_is_final(now)
        at = now - context.began
        began_at = context.transcript.caller_said(fact.item_id, fact.text, at, final=fact.final)
        if fact.item_id in self._old_items and (fact.final or not self._old_items_may_go_on):
            return  # answered already
        self._said_item_id = fact.item_id
        if self._speaks_into_answer:
            began_at = max(began_at, context.turns.last_sound_at - context.began - GOES_ON_SECONDS)
        if began_at > self.unmet_since - AT_ONCE_SECONDS:
            self.unmet_words = fact.text
        if self._endings.is_final:  # they interrupt nothing, and want no answer
            if fact.final:
                context.commands.append(c.IgnoreTurn(fact.item_id))
            return
        takes_no_floor = self._interruptions.said(fact, now)
        if takes_no_floor:
            self._was_nothing()
            return
        self._endings.caller_said(fact, began_at)
        if self._endings.is_leaving:
            return
        if fact.text and not self.was_answered and context.states.caller in (Caller.QUIET, Caller.WAITING):
            context.states.signal(Signal.ANSWER_OWED)
            self._silence.words_came(now)

    def ends_echo(self, now: float) -> bool:
        """The model begins a reply by itself: True if it answers an echo, of which no more words are waited for."""
        echo = self._echo.take_open()
        if echo is None or self._context.capabilities.yields_on_request or self._silence.owed_before:
            return False
        self._came_back(attrs.evolve(echo, final=True), now)
        self._interruptions.go_on_at_once(now)
        return True

    def _came_back(self, fact: c.CallerTranscript, now: float) -> None:
        """They were the agent's own: nobody has said anything, and no line of the record says so."""
        self._context.record.count("echoes")
        self._said_item_id = fact.item_id
        if self._endings.is_final:
            self._context.commands.append(c.IgnoreTurn(fact.item_id))
        elif self._interruptions.said(fact, now, is_echo=True):
            self._was_nothing()

    def answered(self, now: float, *, was_asked: bool, speaks: bool) -> None:
        """The model begins a reply; one that nobody asked for tells that it has heard words.

        If the caller ``speaks`` still, it may be to half of what they say.
        """
        if not (was_asked or self.was_answered):
            self._deadlines.caller_heard(now)
        self.was_answered, self.unmet_words = True, ""
        self._speaks_into_answer = speaks
        self.unmet_since = now - self._context.began if speaks else math.inf

    def pressed(self, digit: str, now: float) -> None:
        """A key of the telephone."""
        self._deadlines.caller_heard(now)
        self._digits.press(digit, now)

    def pass_digits_on(self, now: float) -> None:
        """Tell the model of the keys that were pressed, once it is ready and the entry is over."""
        context = self._context
        if now < self._digits.due_at or context.states.model is not Model.READY or context.states.ended:
            return
        keys = self._digits.take()
        context.transcript.caller_said(f"keys-{now}", f"[pressed {keys}]", now - context.began, final=True)
        self._endings.caller_began()
        self._speaking.request(f"The caller pressed these keys of the telephone: {keys}", kept=True)

    @property
    def wake_at(self) -> float:
        """Time at which something is due that ``tick`` or ``pass_digits_on`` sees to."""
        is_ready = self._context.states.model is Model.READY
        return min(self._over_at, self._digits.due_at) if is_ready else math.inf

    @property
    def _over_at(self) -> float:
        """Time at which the turn counts as over though nobody says so; a chain sees to its own."""
        states = self._context.states
        watches = states.model is Model.READY and not self._context.capabilities.words_while_speaking
        watches = watches and states.caller is Caller.SPEAKING
        return self._open_turn.due(self._context.turns.last_sound_at) if watches else math.inf

    def tick(self, now: float) -> None:
        """Decide what was left open: that it was nothing, or is over though nobody says so."""
        if self._interruptions.tick(now):
            self._was_nothing()
            self._silence.fill_late(now)
        if now >= self._over_at:
            self._end_unheard(now)

    def _was_nothing(self) -> None:
        """A sound of the caller's has taken no floor: what it put an end to is wanted still."""
        self._silence.was_noise()
        rest_is_owed = self._interruptions.rest_is_owed
        self._endings.caller_made_noise(rest_is_owed=rest_is_owed, spoken=self._had_heard_agent)
        self.has_heard_agent = self.has_heard_agent or self._had_heard_agent
        self._tools.resume()

    def _end_unheard(self, now: float) -> None:
        """The caller's turn is over, and the model does not know it: it is asked to answer."""
        self._context.record.count("turns_without_an_end")
        asks = not self.was_answered and self._open_turn.was_loud(self._context.turns.last_sound_at)
        self.stopped(now)
        if not self._interruptions.has_words:
            self._was_nothing()
        if asks:
            self._context.states.signal(Signal.ANSWER_OWED)
        self.want_answer()
        self._silence.fill_late(now)  # they have heard nothing for as long as it took to find that out

    def want_answer(self) -> None:
        """Ask for the answer that the caller waits for, and that nobody makes."""
        if self._context.states.caller is Caller.WAITING and not self._endings.is_leaving:
            self._context.commands.append(c.RequestReply(NUDGE, instead=True))
            self._speaking.is_asked = True

    def agent_is_unmuted(self) -> None:
        """The agent is heard again: an answer that it gave meanwhile is lost."""
        states = self._context.states
        if states.model is Model.READY and not states.reply_is_open and not self._tools:
            self.want_answer()
