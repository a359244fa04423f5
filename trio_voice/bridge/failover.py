"""Another model session that takes over in the middle of a call, and the things that it is told.

Two things bring it about. A session **fails** (never ready, dead, a fatal error): the persona's next model takes over,
if it has one. A session **expires** (the provider says when): another of the same model takes over before, at a moment
when nobody is speaking, or at the last moment if there is none. One that expires too soon after it began has failed.

What the caller says while the new session is being opened is kept, up to a bound, and given to it in one go. If they
are in the middle of a sentence when a session has to go, the sentence goes along: whoever heard its beginning is gone.
Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Final

from trio_voice.audio.mulaw import FRAME_MS, gathered
from trio_voice.bridge.context import MAX_DETAIL
from trio_voice.bridge.playout import LINE
from trio_voice.bridge.states import Caller, Model, Signal
from trio_voice.bridge.transcript import LATEST_LINES
from trio_voice.events import model as c
from trio_voice.events.call import ReplaceModel
from trio_voice.events.model import Said
from trio_voice.record import EndReason
from trio_voice.timeline import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trio_voice.bridge.context import Context
    from trio_voice.bridge.deadlines import Deadlines
    from trio_voice.bridge.ending import Endings
    from trio_voice.bridge.speaking import Speaking
    from trio_voice.bridge.tool_calls import ToolCalls
    from trio_voice.events.model import SessionExpiring
    from trio_voice.record import Utterance

KEPT_FRAMES: Final = 150
"""Three seconds of the caller. Beyond it the oldest are dropped: they are what the new session could least answer."""
KEPT_SECONDS: Final = KEPT_FRAMES * FRAME_MS / 1_000
PIECE_FRAMES: Final = 10
"""Frames in one message. One each would be more messages than a leg's outbox holds, which drops the oldest."""
HISTORY_LINES: Final = LATEST_LINES
HISTORY_LETTERS: Final = 20_000
"""The newest of the conversation is what a new session is told, no more than either."""
MARGIN_SECONDS: Final = 2.0
"""Time before its provider would end it at which a session is left, for the new one to open."""
SHORTEST_SESSION_SECONDS: Final = 10.0
"""A session that expires sooner has failed: else a provider could have us open one after the other."""


QUIET_EVERY_SECONDS: Final = 0.5
"""Interval of looking for a quiet moment in which a session that is about to end may be replaced."""
TAKE_UP: Final = (
    "The connection was interrupted for a moment. Apologise in a few words, and go on where the conversation stopped: "
    "if the caller is waiting for an answer, give it."
)


class Replacement(enum.Enum):
    """A session that is being opened in place of another, by what is wanted of it once it is ready."""

    NONE = "none is"
    BEGINS = "nobody has said a word: the talk begins with it"
    LISTENS = "it is told of the talk, and waits for the caller"
    ANSWERS = "it is told of the talk, and speaks by itself: the one before it was cut short"


class Takeover:
    """The model of a persona that speaks, and the needs of the next one.

    Args:
        successors: how many models may still take over.
        now: when the first session was begun.
    """

    __slots__ = (
        "_by_handle",
        "_caller",
        "_expires_at",
        "_expiring",
        "_session_began",
        "replacement",
        "successors",
    )

    def __init__(self, successors: int, now: float) -> None:
        self.successors = successors
        self.replacement = Replacement.NONE
        self._session_began = now
        self._expiring: SessionExpiring | None = None
        self._expires_at = math.inf
        self._by_handle = False
        """True if the session was opened with the handle of the one before it, to take it up at the provider's."""
        self._caller: list[str] = []

    def expire(self, fact: SessionExpiring, now: float) -> None:
        """The provider is about to end the session."""
        self._expiring = fact
        self._expires_at = now + max(fact.seconds_left - MARGIN_SECONDS, 0.0)

    @property
    def is_expiring(self) -> bool:
        """True if another session of the same model is to take over."""
        return self._expiring is not None

    @property
    def has_kept(self) -> bool:
        """True if the new session will hear what the caller has said last."""
        return bool(self._caller)

    @property
    def latest_at(self) -> float:
        """Time at which it has to, whoever is speaking."""
        return self._expires_at

    def begin(self, now: float, *, renews: bool, mid_speech: bool) -> str | None:
        """A session is replaced now, by one of the same model if it ``renews``; returns the handle to resume with.

        With ``mid_speech`` the caller is speaking, and what was kept of them is for the new session.
        """
        if not mid_speech and self.replacement is Replacement.NONE:
            self._caller.clear()
        handle = self._expiring.resume_with if renews and self._expiring is not None else None
        if not renews:
            self.successors -= 1
        self._expiring, self._expires_at = None, math.inf
        self._session_began, self._by_handle = now, handle is not None
        return handle

    def was_too_short(self, now: float) -> bool:
        """True if the session has not lasted long enough to be renewed.

        One that was to be taken up by a handle and says that it has none is: its provider did not take the handle.
        """
        if self._by_handle and self._expiring is not None and self._expiring.resume_with is None:
            return False
        return now - self._session_began < SHORTEST_SESSION_SECONDS

    def has_lasted(self, now: float) -> bool:
        """True if the session has been of use: one that is cut then is opened again."""
        return now - self._session_began >= SHORTEST_SESSION_SECONDS

    def caller_began(self) -> None:
        """The caller begins to speak: what was kept of their last words is not wanted any more."""
        if not self.is_expiring and self.replacement is Replacement.NONE:
            self._caller.clear()

    def keep(self, payload: str) -> bool:
        """Keep a piece of the caller's sound for the new session; returns whether an older one was dropped for it.

        Also while the old one still listens: it may be replaced in mid-sentence.
        """
        self._caller.append(payload)
        drops = len(self._caller) > KEPT_FRAMES
        if drops:
            del self._caller[0]
        return drops

    def finish(self) -> list[str]:
        """The new session is ready; returns what the caller has said meanwhile."""
        self.replacement = Replacement.NONE
        kept, self._caller = self._caller, []
        return gathered(kept, PIECE_FRAMES)


def history_of(latest: Iterable[Utterance]) -> tuple[Said, ...]:
    """The newest of the conversation in order, as it was heard, for a session that takes over."""
    history: list[Said] = []
    letters = 0
    for line in reversed([line for line in latest if line.text and line.heard_ms != 0]):
        letters += len(line.text)
        if len(history) >= HISTORY_LINES or letters > HISTORY_LETTERS:
            break
        caller = line.role == "caller"
        history.append(Said("caller" if caller else "agent", line.text, interrupted=line.interrupted and not caller))
    return tuple(reversed(history))


class Failover:
    """Steps of a call whose model's session fails or is about to end. The part of a bridge that finds the next.

    Args:
        context: of the call.
        successors: how many models may take over when one fails.
        now: when the first session was begun.
        speaking: the call's voice.
        endings: what becomes of a call without a model.
        deadlines: told when a session begins to be opened.
        tools: told when whoever asked for them is gone.
    """

    __slots__ = ("_context", "_deadlines", "_endings", "_look_at", "_speaking", "_tools", "takeover")

    def __init__(
        self,
        context: Context,
        successors: int,
        now: float,
        speaking: Speaking,
        endings: Endings,
        deadlines: Deadlines,
        tools: ToolCalls,
    ) -> None:
        self._context = context
        self.takeover = Takeover(successors, now)
        self._speaking = speaking
        self._endings = endings
        self._deadlines = deadlines
        self._tools = tools
        self._look_at = math.inf

    def lost(self, reason: EndReason, detail: str, now: float, *, passing: bool) -> None:
        """The session will say nothing more: another one takes over, or the call comes to its end.

        ``passing`` is true where what is wrong may be right with another session of the same model: such a one is
        opened if this one has been of use.
        """
        context, takeover = self._context, self.takeover
        if context.states.model is Model.LOST or context.states.ended:
            return
        renews = takeover.is_expiring and not takeover.was_too_short(now)  # it came earlier than it was announced
        if not self._endings.is_leaving:
            is_good = context.states.model is Model.READY and takeover.has_lasted(now)
            renews = renews or (passing and is_good)
        if renews:
            self._replace(detail, now, renews=True)
        elif takeover.successors > 0:
            self._replace(detail, now, renews=False)
            if not any(reply_id.startswith(LINE) for reply_id in context.playout.unheard_replies(now)):
                self._speaking.say_line(context.lines.takeover, now)  # else they hear such a line already
        else:
            self._endings.fail(reason, detail, now)

    def expires(self, fact: SessionExpiring, now: float) -> None:
        """The provider is about to end the session."""
        self.takeover.expire(fact, now)
        self.tick(now)

    @property
    def wake_at(self) -> float:
        """Time at which ``tick`` is next needed."""
        if self._context.states.model is Model.LOST:
            return math.inf
        return min(self._look_at, self.takeover.latest_at)

    def tick(self, now: float) -> None:
        """Replace a session that is about to end, as soon as nobody would notice. Harmless to call too early."""
        context, takeover, states = self._context, self.takeover, self._context.states
        self._look_at = math.inf
        if not takeover.is_expiring or states.ended or states.model is Model.LOST:
            return
        caller_waits = states.caller in (Caller.SPEAKING, Caller.WAITING) or context.turns.answer_is_near(now)
        quiet = not (caller_waits or states.reply_is_open or context.playout.has_waiting or self._tools)
        quiet = quiet and not context.playout.playback.is_playing(now)
        if now < takeover.latest_at and (not quiet or takeover.was_too_short(now)):
            self._look_at = now + QUIET_EVERY_SECONDS
        elif takeover.was_too_short(now):
            expired = "the model's session expired as soon as it had begun"
            self.lost(EndReason.MODEL_FAILED, expired, now, passing=False)
        else:
            self._replace("the provider is about to end the session", now, renews=True)

    def _replace(self, why: str, now: float, *, renews: bool) -> None:
        context, takeover, states = self._context, self.takeover, self._context.states
        owed_already = takeover.replacement in (Replacement.BEGINS, Replacement.ANSWERS)
        owed_already = owed_already or states.caller is Caller.WAITING or self._speaking.is_asked
        speaks = states.caller is Caller.SPEAKING
        is_loud = now - context.turns.last_sound_at < KEPT_SECONDS
        lost = speaks and not (takeover.has_kept and (is_loud or takeover.is_expiring))
        owed = owed_already or not renews or states.reply_is_open or lost or context.turns.awaits_answer or self._tools
        handle = takeover.begin(now, renews=renews, mid_speech=speaks)
        latest = context.transcript.latest
        is_begun = context.was_heard or any(line.role == "caller" for line in latest)
        history = history_of(latest) if is_begun else ()  # the lines of this machine are no talk
        context.record.count("model_renewals" if renews else "model_takeovers")
        context.note(EventKind.RENEWAL if renews else EventKind.TAKEOVER, now, why)
        if history or handle is not None:
            takeover.replacement = Replacement.ANSWERS if owed else Replacement.LISTENS
        else:
            takeover.replacement = Replacement.BEGINS
        context.states.signal(Signal.MODEL_REPLACED)
        context.playout.model_replaced()
        if context.playout.is_paused:
            self._speaking.go_on(now)  # who was to decide is gone
        self._tools.abandon()
        self._deadlines.model_opens(now)
        context.commands.append(ReplaceModel(why[:MAX_DETAIL], history, renews, handle))

    @property
    def _greeting_is_owed(self) -> bool:
        """True if the caller is to hear a greeting whatever they have said, and no model has said a word."""
        context, persona = self._context, self._context.persona
        is_owed = context.record.direction == "outbound" or not persona.greeting_interruptible
        return bool(persona.greeting) and is_owed and not context.was_heard

    def ready(self, now: float) -> bool:
        """The session that takes over is ready: it hears what it has missed, and speaks if an answer is owed.

        Returns:
            False if nobody has said a word yet, so that the talk begins with it.
        """
        takeover, context = self.takeover, self._context
        replacement, kept = takeover.replacement, takeover.finish()
        if replacement in (Replacement.NONE, Replacement.BEGINS):
            return False  # what was kept is of before a word was said: not replayed
        if self._greeting_is_owed:
            if context.capabilities.protects_replies:
                context.commands.append(c.ProtectReply(on=True))
            self._speaking.say(context.persona.greeting or "", now)
        elif replacement is Replacement.ANSWERS:
            self._speaking.request(TAKE_UP)
        context.commands.extend(c.HearCaller(payload) for payload in kept)
        return True
