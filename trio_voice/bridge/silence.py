"""Silence on the line, and whose it is: the part of a bridge that fills ours, and asks about the caller's.

Ours, while an answer is owed: nothing is heard though the caller's turn is over, a reply was begun or asked for, or a
tool runs. The caller's, while nobody has the floor and nothing is being said, thought or looked up.
"""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Final

from trio_voice.bridge.dead_air import MAX_FILLERS, DeadAir
from trio_voice.bridge.goodbye import MARK_PATIENCE_SECONDS
from trio_voice.bridge.states import Caller, Ending, Model, Reply, Signal
from trio_voice.events import model as c

if TYPE_CHECKING:
    from trio_voice.bridge.context import Context
    from trio_voice.bridge.deadlines import Deadlines
    from trio_voice.bridge.ending import Endings
    from trio_voice.bridge.floor import Floor
    from trio_voice.bridge.speaking import Speaking
    from trio_voice.bridge.tool_calls import ToolCalls


LATE_WORDS_SECONDS: Final = 5.0
"""Time by which the words of a turn may follow its end; those that come later are of another."""


class Verdict(enum.Enum):
    """The step that an answer which is owed asks for."""

    WAIT = "wait"
    ASK_ANOTHER = "another session of the same model may do better"
    GIVE_UP = "it is given up"


class Silence:
    """One call's.

    Args:
        context: of the call.
        speaking: its voice.
        deadlines: where it is kept how long nobody has spoken.
        tools: what is being looked up.
        floor: whether somebody may be interrupting.
        endings: what becomes of a caller who stays silent.
    """

    __slots__ = (
        "_asked_before",
        "_context",
        "_dead_air",
        "_deadlines",
        "_endings",
        "_floor",
        "_owed_before",
        "_silent_from",
        "_speaking",
        "_tools",
        "_turn_over_at",
        "_voice_is_mute",
        "asked_another",
    )

    def __init__(
        self,
        context: Context,
        speaking: Speaking,
        deadlines: Deadlines,
        tools: ToolCalls,
        floor: Floor,
        endings: Endings,
    ) -> None:
        self._context = context
        self._speaking = speaking
        self._deadlines = deadlines
        self._tools = tools
        self._floor = floor
        self._endings = endings
        self._dead_air = DeadAir(context.limits.dead_air_seconds, context.persona.said_by_itself.fillers)
        self._owed_before = self._asked_before = False
        """An answer was owed, or a reply asked for and not begun, when the caller began to make a sound."""
        self._turn_over_at = math.inf
        """Time at which the caller's turn was over that is not answered; infinite if they have not ended one."""
        self.asked_another = False
        """Another session was tried for the answer that is owed."""
        self._voice_is_mute = False
        """Nothing of a filler that the model's voice was asked for was heard, and nothing since."""
        self._silent_from = math.inf
        """Time at which all that can be heard of what came is played: behind it there is only digital silence."""

    # What is owed

    @property
    def is_owed(self) -> bool:
        """True if the caller waits for us."""
        states = self._context.states
        if not states.started or states.ending is not Ending.NONE or states.model is Model.LOST:
            return False
        if self._context.playout.is_silenced:
            return False  # nothing of ours would be heard
        if self._floor.is_undecided or states.caller is Caller.SPEAKING:
            return False
        if states.model is Model.OPENING or states.caller is Caller.WAITING or self._tools:
            return True
        return not self._deadlines.was_asked and (states.reply_is_open or self._speaking.is_asked)

    def caller_began(self, *, interrupts: bool) -> None:
        """The caller makes a sound: what was owed to them still is if it was a noise.

        One that does not interrupt puts an end to nothing that was asked for.
        """
        states = self._context.states
        self._owed_before = states.caller is Caller.WAITING or states.reply is Reply.SILENT
        self._asked_before = interrupts and self._speaking.is_asked
        self._turn_over_at = math.inf

    @property
    def asked_before(self) -> bool:
        """A reply was asked for, and not begun, when the caller began to speak."""
        return self._asked_before

    @property
    def owed_before(self) -> bool:
        """An answer was owed when the caller began to speak, and they have had no word since."""
        return self._owed_before

    def begun_late(self) -> None:
        """That reply has begun while they speak: if they say nothing, it is what they wait for."""
        self._owed_before, self._asked_before = True, False

    def caller_finished(self, now: float) -> None:
        """Their turn is over. What it was may be known later."""
        self._turn_over_at = now

    def words_came(self, now: float) -> None:
        """They have said something that wants an answer: it has been owed since their turn was over.

        As long as nobody says that it is, they may be going on.
        """
        self.asked_another = self._owed_before = self._asked_before = False
        if 0 <= now - self._turn_over_at <= LATE_WORDS_SECONDS:
            self._dead_air.owe(self._turn_over_at)
        else:
            self._dead_air.begin_again(now)

    def was_noise(self) -> None:
        """It was: nothing is owed for it, and what was owed before is owed again. It may be told more than once."""
        self._context.states.signal(Signal.NOTHING_OWED)
        if self._owed_before:
            self._context.states.signal(Signal.ANSWER_OWED)
        elif self._asked_before and not self._context.states.reply_is_open:
            self._speaking.is_asked = True
        self._turn_over_at = math.inf

    def session_replaced(self) -> None:
        """Another session of the same model takes over: for what is owed that is its second chance, and the last."""
        self._dead_air.gone_unsaid()
        self.asked_another = self.asked_another or self._dead_air.is_owed

    def model_replaced(self, now: float) -> None:
        """Another model takes over, which has all the time for what is owed."""
        if self._dead_air.is_owed:
            self._dead_air.begin_again(now)
        self.asked_another = False
        if self._context.lines.takeover is not None:
            self._dead_air.said(self._context.lines.takeover.text)

    def sounded(self, now: float, *, is_filler: bool) -> None:
        """Something of the model's can be heard."""
        self._voice_is_mute = False
        self._count_silence(now)
        self._silent_from = math.inf
        self._dead_air.heard()
        if not is_filler:
            self._dead_air.settle()
            self._turn_over_at = math.inf
            self._owed_before = self._asked_before = False

    def answered(self) -> None:
        """A reply that could be heard has come to its end; one that only began may break off again and again."""
        self.asked_another = False

    def came_silent(self, now: float, ms: float) -> None:
        """Sound has come of a reply of which nothing could be heard so far, and nothing can be heard of it either."""
        self._silent_from = min(self._silent_from, self._context.playout.ended_before(ms, now))

    def filler_was(self, text: str) -> None:
        """The model has said these words until its answer comes."""
        self._dead_air.said(text)

    # Time

    @property
    def wake_at(self) -> float:
        """Time at which ``tick`` is next needed."""
        due = self._dead_air.due(self._heard_until)
        if self._is_callers:
            ask_at = self._deadlines.ask_at
            due = min(due, self._deadlines.idle_at if ask_at is None else ask_at)
        return due

    def note(self, now: float) -> None:
        """Take down whose silence it is from now on; to be called when anything has changed."""
        if self.is_owed:
            self._dead_air.owe(now)
        else:
            self._dead_air.settle()
        states = self._context.states
        self._deadlines.caller_sounds(now, sounds=states.caller is Caller.SPEAKING)
        if not self._is_callers:
            self._deadlines.agent_heard(now)
        self._deadlines.agent_heard(self._context.playout.playback.ends_at)

    def tick(self, now: float) -> Verdict:
        """Fill our silence, ask about the caller's. Harmless to call too early."""
        self.note(now)
        if now >= self._dead_air.due(self._heard_until):
            verdict = self._verdict()
            if verdict is not Verdict.WAIT:
                return verdict
            if self._stands_still:
                self._speaking.ask_to_finish(now)
            self.fill(now)
        if self._is_callers and not self._context.states.ended:
            self._ask(now)
        return Verdict.WAIT

    def _ask(self, now: float) -> None:
        """Ask a silent caller, or tell them goodbye, if it is time."""
        ask_at = self._deadlines.ask_at
        if now >= self._deadlines.idle_at:
            limit = self._context.limits.idle_seconds
            self._endings.say_idle_goodbye(f"nobody has spoken: idle_seconds = {limit:g}", now)
        elif ask_at is not None and now >= ask_at:
            self._deadlines.asked(now)
            words = self._context.persona.said_by_itself.still_there
            if words:
                self._speaking.say(words, now, instead=self._context.lines.still_there)

    def _count_silence(self, now: float) -> None:
        """Take down how long a caller who is owed an answer has heard nothing, now that they will hear something."""
        heard_until = min(self._context.playout.playback.ends_at, self._silent_from)
        silent_for = now - max(self._dead_air.owed_since, heard_until)
        if silent_for > 0:
            self._context.record.count("dead_air_ms", round(silent_for * 1000))

    @property
    def _heard_until(self) -> float:
        """Until when something is to be heard, as far as is known; infinite while something waits to be said."""
        if self._silent_from < math.inf:
            return self._silent_from
        playback = self._context.playout.playback
        if self._context.playout.has_waiting:
            return math.inf
        return playback.ends_at + (MARK_PATIENCE_SECONDS if playback.awaits_marks else 0.0)

    @property
    def _is_callers(self) -> bool:
        """True if it is the caller's: they have the floor and say nothing. An answer to a silent one is not owed.

        A sound of theirs is none of ours; how long it may be without a word, ``Deadlines`` knows.
        """
        states = self._context.states
        if states.ending is not Ending.NONE or states.model is not Model.READY or not states.started:
            return False
        has_floor = states.caller in (Caller.QUIET, Caller.SPEAKING)
        if self._deadlines.was_asked:
            return has_floor and not self._tools
        is_ours = self.is_owed or (states.caller is Caller.SPEAKING and (self._tools or states.reply_is_open))
        return has_floor and not (is_ours or self._context.playout.has_waiting)

    def _verdict(self) -> Verdict:
        """The step that an overdue answer asks for. What is opened or looked up has a bound of its own."""
        dead_air = self._dead_air
        is_opening = self._context.states.model is Model.OPENING
        if self._tools or (is_opening and not self.asked_another):
            return Verdict.WAIT
        if dead_air.left == 0:
            return Verdict.GIVE_UP
        if dead_air.left == 1 and not self.asked_another:
            self.asked_another = True
            return Verdict.ASK_ANOTHER
        return Verdict.WAIT

    @property
    def _stands_still(self) -> bool:
        """True if an answer that could be heard has stopped in the middle, one filler ago, and nobody says why."""
        states = self._context.states
        is_second = self._dead_air.left == MAX_FILLERS - 1
        return is_second and states.model is Model.READY and states.stands_open and not self._tools

    def fill_late(self, now: float) -> None:
        """Say something at once, if an answer is owed: the line was silent before anybody knew that it is."""
        self.note(now)
        if self.is_owed and now >= self._heard_until + self._context.limits.dead_air_seconds:
            self.fill(now)

    def fill(self, now: float) -> None:
        """Say something in place of the answer, unless something is being said."""
        if now < self._heard_until:
            self._dead_air.heard()  # what was asked for a filler goes on with its answer instead
            return
        context, dead_air = self._context, self._dead_air
        was_silent = dead_air.voice_is_silent
        text = dead_air.next(now)
        if not text:
            return
        if not was_silent:
            context.record.count("fillers")
        self._voice_is_mute = self._voice_is_mute or was_silent
        has_voice = context.states.model is Model.READY and context.capabilities.speaks_meanwhile
        if has_voice and not self._voice_is_mute:
            context.commands.append(c.SayExactly(text, is_filler=True))
            dead_air.asked(now)
            return
        dead_air.gone_unsaid()
        self._count_silence(now)
        if self._silent_from < math.inf:
            context.playout.skip(context.reply_id)
            self._silent_from = math.inf
        self._speaking.say_line(context.lines.filler(text), now)
