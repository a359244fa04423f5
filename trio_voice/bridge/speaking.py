"""Everything that is said to the caller, and what becomes of it when they speak: the part of a bridge that has a voice.

A text is said by the model, to the letter if it can. Where that fails, or no model speaks, a line that was made on this
machine is said in its stead, if there is one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from trio_voice.bridge.playout import LINE
from trio_voice.bridge.states import Model, Reply
from trio_voice.events import model as c
from trio_voice.events.call import ClearPlayback
from trio_voice.timeline import EventKind

if TYPE_CHECKING:
    from trio_voice.bridge.context import Context
    from trio_voice.persona import Line

GO_ON: Final = (
    "You were interrupted by a sound. If the caller has said something that wants an answer, give it. Otherwise go on "
    "exactly where you stopped, without a word about the interruption."
)
FINISH: Final = (
    "Your last answer stopped in the middle, and the caller is waiting. Go on exactly where it stopped, without a word "
    "about the interruption."
)
NO_FLOOR: Final = "a noise, or a word that takes no floor: the agent goes on"


class Speaking:
    """One call's voice.

    Args:
        context: of the call.
    """

    __slots__ = ("_context", "_finishing", "_instead", "_say_instead_at", "is_asked", "was_said_instead")

    def __init__(self, context: Context) -> None:
        self._context = context
        self.is_asked = False
        """The model was asked for a reply that it has not begun."""
        self.was_said_instead = False
        """A line has said what it was asked for, and the caller nothing since: if it says that yet, it comes twice."""
        self._finishing = ""
        """The reply whose rest was asked for last: some models go on in it, others begin another."""
        self._instead: Line | None = None
        self._say_instead_at = math.inf

    # What is said

    def say(self, text: str, now: float, *, because: str = "", instead: Line | None = None) -> None:
        """Have this said and nothing else: by the model, or if nothing of it is heard soon by the line ``instead``."""
        context = self._context
        self.was_said_instead = False
        if context.states.model is not Model.READY:
            self.say_line(instead, now)
            return
        if context.capabilities.exact_speech:
            context.commands.append(c.SayExactly(text))
            self.is_asked = True
        else:
            self.request(f"{because}Say exactly this and nothing else: {text}")
        if instead is not None:
            due = now + context.limits.dead_air_seconds
            self._instead, self._say_instead_at = instead, min(self._say_instead_at, due)

    def request(self, instructions: str, *, kept: bool = False) -> None:
        """Have the model say something by these instructions, which it may be told to keep in mind."""
        self._context.commands.append(c.RequestReply(instructions, kept=kept))
        self.is_asked = True

    def say_line(self, line: Line | None, now: float) -> None:
        """Say something that was made on this machine, after what the model had still said."""
        context = self._context
        if line is None or context.playout.is_silenced:
            return
        line_id = f"{LINE}{context.record.count('own_lines')}"
        context.transcript.reply_said(line_id, line.text, now - context.began, interrupted=False)
        context.transcript.reply_sent(line_id, context.playout.add(line_id, line.payload))
        context.transcript.reply_over(line_id)
        context.playout.add_mark(line_id)
        self.feed(now)

    def sounded(self) -> None:
        """The model can be heard: no line is said in its stead."""
        self._instead, self._say_instead_at = None, math.inf

    @property
    def wake_at(self) -> float:
        """Time at which ``tick`` is next needed."""
        return min(self._say_instead_at, self._context.playout.wake_at)

    def tick(self, now: float) -> bool:
        """Say what is due; returns whether a line was said in the model's stead. Harmless to call too early."""
        line = self._instead if now >= self._say_instead_at else None
        if line is not None:
            self._instead, self._say_instead_at = None, math.inf
            self.say_line(line, now)
            self.was_said_instead = self.is_asked
        self.feed(now)
        return line is not None

    def feed(self, now: float) -> None:
        """Hand over what waits, as far as the lead allows."""
        if self._context.states.started and not self._context.states.ended:
            self._context.commands += self._context.playout.feed(now)

    # What becomes of it

    def interrupt(self, now: float, *, keep: str = "", by_caller: bool = True) -> bool:
        """The floor is taken: nothing that was not heard will be, but for the reply to ``keep``.

        Returns:
            True if any of it was an answer of the model's.
        """
        context, playout = self._context, self._context.playout
        if keep:
            if all(reply_id == keep for reply_id in playout.unheard_replies(now)):
                return False
            self.pause(now)  # so that of the reply to keep nothing is lost that Twilio has
        was_paused, heard_of_open = playout.is_paused, playout.heard_of(context.reply_id, now)
        cut = dict(playout.interrupt(now, keep))
        is_kept = bool(keep) and keep == context.reply_id
        if context.states.reply_is_open and not is_kept:  # more of it would come that nobody waits for any more
            if context.capabilities.yields_on_request:
                cut.setdefault(context.reply_id, heard_of_open)
            elif context.reply_id not in cut:
                context.transcript.reply_cut(context.reply_id, heard_of_open)
        for reply_id, heard_ms in cut.items():
            context.transcript.reply_cut(reply_id, heard_ms)
            can_be_told = context.capabilities.truncates or context.capabilities.yields_on_request
            if can_be_told and not reply_id.startswith(LINE):
                context.commands.append(c.TruncateReply(reply_id, heard_ms))
        may_go_on = context.states.reply is Reply.SILENT and not context.capabilities.yields_on_request
        if not is_kept and not may_go_on:  # one that thinks says itself if it has given up
            playout.mute(context.reply_id)
        context.turns.playback_cleared()
        if by_caller:
            context.record.count("barge_ins")
            if cut:
                context.note(EventKind.BARGE_IN, now, f"{sum(cut.values()) / 1000:.1f} s of it were heard")
        if context.states.started and not was_paused:
            context.commands.append(ClearPlayback())
        return any(not playout.is_no_answer(reply_id) for reply_id in cut)

    def set_muted(self, *, muted: bool, now: float) -> None:
        """The operator mutes the agent, at once, or lets it be heard again: from its next sound on."""
        playout = self._context.playout
        if muted and not playout.is_silenced:
            if playout.is_busy(now) or self._context.states.reply_is_open:
                self.interrupt(now, by_caller=False)
            self._instead, self._say_instead_at = None, math.inf
        if muted != playout.is_silenced:
            self._context.note(EventKind.OPERATOR, now, "the agent is muted" if muted else "the agent is heard again")
        playout.is_silenced = muted

    def pause(self, now: float) -> None:
        """Fall silent, and keep what was not heard."""
        context = self._context
        if context.playout.playback.is_playing(now) and context.states.started:
            context.commands.append(ClearPlayback())
            context.turns.playback_cleared()
        context.playout.pause(now)

    def go_on(self, now: float) -> None:
        """Say what was not heard."""
        self._context.playout.go_on()
        self._context.record.count("false_interruptions_resumed")
        self._context.note(EventKind.FALSE_INTERRUPTION, now, NO_FLOOR)
        self.feed(now)

    def ask_to_go_on(self, now: float) -> None:
        """Have a model go on that has fallen silent by itself."""
        self._context.record.count("false_interruptions_resumed")
        self._context.note(EventKind.FALSE_INTERRUPTION, now, NO_FLOOR)
        self.ask_for_rest()

    def ask_for_rest(self) -> None:
        """Have a model say what it has not made of the reply that it broke off."""
        self._context.commands.append(c.RequestReply(GO_ON, instead=True))
        self.is_asked = True

    def ask_to_finish(self, now: float) -> None:
        """Have a model say the rest of a reply whose sound has stopped, and that it does not end."""
        if self._context.capabilities.yields_on_request:  # it makes one reply at a time; others may go on in the same
            self.interrupt(now, by_caller=False)
        self._finishing, self.is_asked = self._context.reply_id, True
        self._context.commands.append(c.RequestReply(FINISH, instead=True))

    def finished(self, reply_id: str) -> None:
        """A reply has come to its own end: if its rest was asked for, that was it."""
        if reply_id == self._finishing:
            self._finishing, self.is_asked = "", False
