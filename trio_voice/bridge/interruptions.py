"""Fate of the agent's words when the caller makes a sound: the part of a bridge that gives the floor away.

``floor.py`` decides by sound and words whether it is given; here is when it is asked, and here it is done. A model that
waits for our word (``yields_on_request``) is silent meanwhile, and its words are kept. One that falls silent by itself
is interrupted at once, and asked to go on if that was for nothing.

The greeting of a call that we place is owed to the callee, who says "hello?" into it; so is any that the persona marks
as not interruptible. A model that gives way all the same says it again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from trio_voice.bridge.floor import Floor, Verdict
from trio_voice.bridge.states import Caller, Ending, Model, Reply, Signal
from trio_voice.events import model as c
from trio_voice.speech_text.backchannels import takes_floor

if TYPE_CHECKING:
    from trio_voice.bridge.context import Context
    from trio_voice.bridge.speaking import Speaking

MAX_GREETINGS: Final = 3
"""Times that a greeting is begun before whoever talks over it is let off."""
GREET_AGAIN_SECONDS: Final = 1.0
"""Time after the caller's turn at which a greeting that was cut is said again, unless the model speaks meanwhile."""
OWN_ANSWER_SECONDS: Final = 0.6
"""Time that a model which has fallen silent for words that ask for nothing has to go on by itself."""
IGNORED_SECONDS: Final = 3.0
"""A reply that a model begins by itself so soon after words that ask for nothing is an answer to them."""
TAIL_MS: Final = 500.0
QUESTION_TAIL_MS: Final = 1_500.0
"""Most that may be left unheard of a finished reply for words to be an answer to it, be they only "okay"; people answer
a question before it is over."""
OWED: Final = "trio-voice-greeting-owed"
ASKED: Final = "trio-voice-greeting-asked"
"""In place of the id of the reply that greets: it was cut, and is to be said; it was asked for."""


class Interruptions:
    """One call's.

    Args:
        context: of the call.
        speaking: its voice.
    """

    __slots__ = (
        "_answer_id",
        "_blind",
        "_context",
        "_cut_by_model",
        "_go_on_at",
        "_greet_again_at",
        "_greeting_id",
        "_greetings",
        "_ignored_until",
        "_is_owed",
        "_is_written",
        "_item_id",
        "_reply_since",
        "_speaking",
        "floor",
        "has_words",
        "rest_is_owed",
    )

    def __init__(self, context: Context, speaking: Speaking) -> None:
        self._context = context
        self._speaking = speaking
        capabilities = context.capabilities
        self.floor = Floor(
            context.persona,
            yields=capabilities.yields_on_request,
            writes_while_spoken=capabilities.words_while_speaking,
        )
        self.has_words = False
        """The caller has been heard saying something, other than a word that only agrees, since they began to speak."""
        self.rest_is_owed = False
        """It has cut the agent's words for nothing, and they are not all made: the model is asked for what is left."""
        self._is_written = False
        """And all of it is known."""
        self._item_id = ""
        """Their turn, once it is over and its words are known."""
        self._answer_id = ""
        """A reply that was begun while it is undecided what it answers."""
        self._cut_by_model = False
        """The agent's words were given up, by the model or for the length of the sound, and it may be for nothing."""
        self._blind: Verdict | None = None
        """The verdict on a turn whose words are not known yet: they may come later, and say otherwise."""
        self._go_on_at = math.inf
        """Time to ask it to go on, unless it does so by itself: it may answer words that ask for nothing."""
        self._ignored_until = -math.inf
        """Until then what it begins by itself, while it is still heard, answers such words."""
        self._is_owed = False
        """An answer was owed when they began: what the model begins is that."""
        self._reply_since = ""
        """A reply that it has begun since by itself; empty for none."""
        self._greeting_id: str | None = None
        self._greetings = 0
        self._greet_again_at = math.inf

    # The caller

    def sound_began(self, *, is_owed: bool) -> None:
        """They make a sound, while an answer ``is_owed`` to them or not."""
        self._is_owed, self._reply_since = is_owed, ""

    def turn_began(self) -> None:
        """They seem to speak, and interrupt nobody: what they have said before was answered."""
        self.has_words = self._is_written = False

    def began(self, now: float) -> None:
        """They begin to speak."""
        self.has_words, self._is_written, self._item_id, self._blind = False, False, "", None
        self._go_on_at, self._ignored_until, self.rest_is_owed = math.inf, -math.inf, False
        if self._may_be_interrupted(now):
            self._begin(now)

    def said(self, fact: c.CallerTranscript, now: float, *, is_echo: bool = False) -> bool:
        """Their words so far; returns whether they were none that take the floor. Those of an echo never do."""
        text = "" if is_echo else fact.text
        self.has_words = bool(text.strip()) or (self.has_words and not fact.final)  # or they are taken back
        self._is_written = self._is_written or fact.final
        if fact.final and fact.text:
            self._item_id = fact.item_id
        if self.floor.is_undecided:
            return self._do(
                self.floor.said(text, now, final=fact.final, last_sound_at=self._context.turns.last_sound_at), now
            )
        if self._blind is not None and fact.final:
            return self._said_late(fact, text, now)
        if is_echo:
            self._leave_unanswered(fact.item_id, now)
            return True
        if self._context.states.caller is Caller.SPEAKING and self._context.capabilities.yields_on_request:
            self._said_on(fact, now)
        return False

    def _said_late(self, fact: c.CallerTranscript, text: str, now: float) -> bool:
        """The words of a turn on which it was decided without them; returns whether they were none that take the floor.

        The agent goes on already, or the model answers a sound of which it is only known now that it was nothing.
        """
        verdict, self._blind = self._blind, None
        context, playout = self._context, self._context.playout
        if self.floor.takes_late(text):
            if verdict is Verdict.GO_ON and context.capabilities.yields_on_request and playout.is_busy(now):
                self._speaking.interrupt(now, keep=self._answer_id)
            return False
        self.has_words = False
        if fact.text:
            context.commands.append(c.IgnoreTurn(fact.item_id))
        if verdict is Verdict.GO_ON:
            if not playout.heard_of(self._answer_id, now):
                self._leave_unsaid(self._answer_id)
        elif self._answer_id:
            self._speaking.interrupt(now, by_caller=False)
            self._speaking.ask_to_go_on(now)
            self.rest_is_owed = True
        return True

    def _leave_unanswered(self, item_id: str, now: float) -> None:
        """A turn that came while the agent was silent asks for nothing, and is answered by nothing."""
        context, answer_id = self._context, self._reply_since
        context.commands.append(c.IgnoreTurn(item_id))
        if not answer_id:
            self._ignore_answer(now)
            return
        if context.playout.heard_of(answer_id, now):
            self._speaking.interrupt(now, by_caller=False)
        else:
            self._leave_unsaid(answer_id)
        if answer_id == context.reply_id:
            context.states.signal(Signal.REPLY_ENDED)

    def _said_on(self, fact: c.CallerTranscript, now: float) -> None:
        """More words of a sound that was taken for none, or that began before the agent did."""
        if not self._may_be_interrupted(now):
            return
        persona = self._context.persona
        least = persona.min_interruption_words or None
        if takes_floor(fact.text, persona.language, persona.backchannels, least, partial=not fact.final):
            self._speaking.interrupt(now)

    def ended(self, now: float) -> bool:
        """They have fallen silent; returns whether it is decided by that that they took no floor."""
        if self._greeting_is_owed:
            self._greet_again_at = now + GREET_AGAIN_SECONDS
        return self._do(self.floor.ended(now, self._context.turns.last_sound_at), now)

    # The model

    def begun_late(self, reply_id: str, now: float) -> None:
        """A reply begins that was asked for before the caller began to speak: it speaks into their turn."""
        self._greets(reply_id)
        if self._may_be_interrupted(now):
            self._begin(now)

    def _greets(self, reply_id: str) -> None:
        """The model has begun a reply, which may be the greeting."""
        if self._context.persona.greeting and (self._greetings == 0 or self._greeting_id == ASKED):
            self._greetings += 1
            self._greeting_id = reply_id

    def answered(self, reply_id: str, *, was_asked: bool) -> None:
        """The model has begun a reply, by itself unless it ``was_asked``."""
        self._greets(reply_id)
        if not (was_asked or self._is_owed):
            self._reply_since = reply_id
        if self.floor.is_undecided or self._blind is Verdict.GO_ON:
            self._answer_id = reply_id
        self.floor.answered()
        if self._go_on_at < math.inf:
            self._context.record.count("false_interruptions_resumed")
        self._cut_by_model, self._go_on_at = False, math.inf

    def answers_nothing(self, now: float) -> bool:
        """True if a reply that the model begins now, unasked, answers words that asked for nothing."""
        is_first = not self._context.was_heard  # which may be a greeting that was long in the making
        answers_nothing = now < self._ignored_until and not self._speaking.is_asked and not is_first
        self._ignored_until = -math.inf
        return answers_nothing

    def cut_by_model(self, reply_id: str, now: float, *, is_unfinished: bool = False) -> None:
        """The model has broken a reply off by itself; ``is_unfinished`` if more of it was to come.

        One that stood still was heard as far as it was made, and its rest is lost all the same.
        """
        playout = self._context.playout
        is_unfinished = is_unfinished and not playout.is_muted(reply_id)
        if reply_id not in playout.unheard_replies(now) and not is_unfinished:
            return
        if self._is_protected(now):
            self._speaking.interrupt(now)
            self._greeting_id = OWED
            if self._context.states.caller is not Caller.SPEAKING:
                self._greet_again_at = now + GREET_AGAIN_SECONDS
        elif self.floor.is_undecided:
            self._cut_by_model = True  # the persona lets the agent speak on: what was made of it is said
        else:
            self._begin(now, at_once=True, is_unfinished=is_unfinished)

    def release(self) -> None:
        """Whoever heard the caller is gone: there is nothing to decide any more."""
        self.floor.release()
        self._answer_id, self._cut_by_model, self._blind = "", False, None
        self._greet_again_at = self._go_on_at = math.inf

    def model_replaced(self) -> None:
        """Another model speaks from here on."""
        capabilities = self._context.capabilities
        self.floor.model_replaced(
            yields=capabilities.yields_on_request, writes_while_spoken=capabilities.words_while_speaking
        )
        self.release()

    # Time

    @property
    def wake_at(self) -> float:
        """Time at which ``tick`` is next needed."""
        return min(self.floor.wake_at, self._greet_again_at, self._go_on_at)

    def tick(self, now: float) -> bool:
        """Decide what time decides; returns whether a sound of the caller's took no floor."""
        if now >= self._greet_again_at:
            self._greet_again(now)
        self._ask_to_go_on(now)
        return self._do(self.floor.tick(now, self._context.turns.last_sound_at), now)

    def _greet_again(self, now: float) -> None:
        context = self._context
        if context.states.ending is not Ending.NONE or context.states.model is not Model.READY:
            self._greet_again_at = math.inf
        elif context.states.caller is Caller.SPEAKING:
            self._greet_again_at = math.inf  # until they have finished
        elif context.states.reply_is_open or context.playout.is_busy(now):
            self._greet_again_at = now + GREET_AGAIN_SECONDS
        else:
            self._greet_again_at, self._greeting_id = math.inf, ASKED
            self._speaking.say(context.persona.greeting or "", now)

    # What is done

    def _begin(self, now: float, *, at_once: bool = False, is_unfinished: bool = False) -> None:
        context = self._context
        is_unfinished = is_unfinished or context.states.reply_is_open
        stands_open = context.states.stands_open
        asks = context.transcript.text_of(context.reply_id).rstrip().endswith("?")
        tail_ms = QUESTION_TAIL_MS if asks else TAIL_MS
        answers = not is_unfinished and context.playout.unheard_ms(now) <= tail_ms
        self._answer_id = ""
        verdict = self.floor.began(now, answers=answers)
        if verdict is Verdict.HUSH and context.capabilities.yields_on_request:
            self._speaking.pause(now)
        elif verdict is Verdict.HUSH or at_once:
            was_answer = self._speaking.interrupt(now)
            self._cut_by_model = was_answer or at_once or stands_open

    def _do(self, verdict: Verdict, now: float) -> bool:
        """Carry out what was decided; returns whether the caller took no floor."""
        was_cut, self._cut_by_model = self._cut_by_model, self._cut_by_model and verdict is Verdict.NOTHING
        yields = self._context.capabilities.yields_on_request
        if not self._is_written and (verdict is Verdict.GO_ON or (verdict is Verdict.TAKEN and not self.has_words)):
            self._blind = verdict
        if verdict is Verdict.GO_ON:
            self.has_words, self.rest_is_owed = False, was_cut
        context = self._context
        if verdict is Verdict.TAKEN and context.states.reply is Reply.SILENT and context.reply_id != self._answer_id:
            context.playout.mute(context.reply_id)  # begun before these words, it is no answer to them
        if verdict is Verdict.CUT:
            self._cut_by_model = self._speaking.interrupt(now, keep=self._answer_id)
        elif verdict is Verdict.TAKEN and ((yields and not was_cut) or self._context.playout.is_busy(now)):
            self._speaking.interrupt(now, keep=self._answer_id)
        elif verdict is Verdict.GO_ON and yields:
            if self._item_id:
                self._context.commands.append(c.IgnoreTurn(self._item_id))
                self._leave_unsaid(self._answer_id)
            is_paused = self._context.playout.is_paused
            if is_paused:
                self._speaking.go_on(now)
            if was_cut and is_paused:  # it broke off by itself though it was told not to: first what it made is said
                self._speaking.ask_for_rest()
            elif was_cut:
                self._speaking.ask_to_go_on(now)
        elif verdict is Verdict.GO_ON and was_cut:
            self._go_on_at = now + (OWN_ANSWER_SECONDS if self._item_id else 0.0)
            self._ask_to_go_on(now)
        elif verdict is Verdict.GO_ON and self._item_id:
            self._context.commands.append(c.IgnoreTurn(self._item_id))
            self._ignore_answer(now)
        return verdict is Verdict.GO_ON

    def _ignore_answer(self, now: float) -> None:
        """Words that ask for nothing are answered by whatever the model begins next, unless another answer is owed."""
        if not self._is_owed:
            self._ignored_until = now + IGNORED_SECONDS

    def _leave_unsaid(self, reply_id: str) -> None:
        """A reply that nobody has heard is no answer to anything: it is not said, and the model knows."""
        if not reply_id:
            return
        self._context.playout.forget(reply_id)
        self._context.transcript.reply_cut(reply_id, 0.0)
        self._context.commands.append(c.TruncateReply(reply_id, 0.0))

    def go_on_at_once(self, now: float) -> None:
        """Wait no longer for a model that was cut for nothing to go on by itself: it has begun something else."""
        if self._go_on_at < math.inf:
            self._go_on_at = now
            self._ask_to_go_on(now)

    def _ask_to_go_on(self, now: float) -> None:
        """Have a model go on that was cut for nothing, if it is time."""
        if now >= self._go_on_at:
            self._go_on_at = math.inf
            self._speaking.ask_to_go_on(now)

    def _may_be_interrupted(self, now: float) -> bool:
        """True if a sound of the caller may take the floor at all: only then is ``floor`` asked."""
        return self._context.persona.interruptible and not self._is_protected(now) and self._is_heard_over(now)

    def _is_heard_over(self, now: float) -> bool:
        """True if the agent is saying something, or about to."""
        context = self._context
        thinks = context.capabilities.yields_on_request and context.states.reply_is_open
        return context.playout.is_busy(now) or thinks

    def _is_protected(self, now: float) -> bool:
        """True if a greeting is being heard that is owed."""
        context = self._context
        is_owed = context.record.direction == "outbound" or not context.persona.greeting_interruptible
        if not is_owed or self._greetings > MAX_GREETINGS:
            return False
        is_open = context.states.reply_is_open and context.reply_id == self._greeting_id
        return is_open or self._greeting_id in context.playout.unheard_replies(now)

    @property
    def _greeting_is_owed(self) -> bool:
        return self._greeting_id == OWED
