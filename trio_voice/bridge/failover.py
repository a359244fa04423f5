"""When another model session takes over in the middle of a call, and what it is told.

Two things bring it about. A session **fails** (never ready, dead, a fatal error): the persona's next model takes over,
if it has one. A session **expires** (the provider says when): another of the same model takes over before, at a moment
when nobody is speaking, or at the last moment if there is none. One that expires too soon after it began has failed.

What the caller says while the new session is being opened is kept, up to a bound, and given to it in one go. If they
are in the middle of a sentence when a session has to go, the sentence goes along: whoever heard its beginning is gone.
Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from trio_voice.audio.mulaw import joined
from trio_voice.bridge.transcript import LATEST_LINES
from trio_voice.events.model import Said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trio_voice.events.model import SessionExpiring
    from trio_voice.record import Utterance

KEPT_FRAMES: Final = 150
"""Three seconds of the caller. Beyond it the oldest are dropped: they are what the new session could least answer."""
PIECE_FRAMES: Final = 10
"""How many of them go in one message. One for each would be more than a leg's outbox holds, which drops the oldest."""
HISTORY_LINES: Final = LATEST_LINES
HISTORY_LETTERS: Final = 20_000
"""The newest of the conversation is what a new session is told, no more than either."""
MARGIN_SECONDS: Final = 2.0
"""How long before its provider would end it a session is left, for the new one to open."""
SHORTEST_SESSION_SECONDS: Final = 10.0
"""A session that expires sooner has failed: else a provider could have us open one after the other."""


class Takeover:
    """Which of a persona's models speaks, and what the next one will need.

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
        "owes_answer",
        "resumes_talk",
        "successors",
        "under_way",
    )

    def __init__(self, successors: int, now: float) -> None:
        self.successors = successors
        self.under_way = False
        """Whether a session that takes over is being opened."""
        self._session_began = now
        self._expiring: SessionExpiring | None = None
        self._expires_at = math.inf
        self._by_handle = False
        """Whether the session takes up the one before it at the provider's."""
        self._caller: list[str] = []
        self.resumes_talk = False
        """Whether the session that is being opened was told of a conversation."""
        self.owes_answer = False
        """Whether it is to speak by itself, because the one before it was cut short."""

    def expire(self, fact: SessionExpiring, now: float) -> None:
        """The provider is about to end the session."""
        self._expiring = fact
        self._expires_at = now + max(fact.seconds_left - MARGIN_SECONDS, 0.0)

    @property
    def is_expiring(self) -> bool:
        """Whether another session of the same model is to take over."""
        return self._expiring is not None

    @property
    def has_kept(self) -> bool:
        """Whether the new session will hear what the caller has said last."""
        return bool(self._caller)

    @property
    def latest_at(self) -> float:
        """When it has to, whoever is speaking."""
        return self._expires_at

    def begin(self, now: float, *, renews: bool, mid_speech: bool) -> str | None:
        """A session is replaced now, by one of the same model if it ``renews``; returns the handle to resume with.

        With ``mid_speech`` the caller is speaking, and what was kept of them is for the new session.
        """
        if not mid_speech and not self.under_way:
            self._caller.clear()
        handle = self._expiring.resume_with if renews and self._expiring is not None else None
        if not renews:
            self.successors -= 1
        self._expiring, self._expires_at = None, math.inf
        self._session_began, self.under_way, self._by_handle = now, True, handle is not None
        return handle

    def was_too_short(self, now: float) -> bool:
        """Whether the session has not lasted long enough to be renewed.

        One that was to be taken up by a handle and says that it has none is: its provider did not take the handle.
        """
        if self._by_handle and self._expiring is not None and self._expiring.resume_with is None:
            return False
        return now - self._session_began < SHORTEST_SESSION_SECONDS

    def keep(self, payload: str) -> bool:
        """Keep a piece of the caller's sound for the new session; returns whether an older one was dropped for it.

        Also while the old one still listens but is about to end: it may have to be replaced in mid-sentence.
        """
        self._caller.append(payload)
        drops = len(self._caller) > KEPT_FRAMES
        if drops:
            del self._caller[0]
        return drops

    def finish(self) -> list[str]:
        """The new session is ready; returns what the caller has said meanwhile."""
        self.under_way = False
        kept, self._caller = self._caller, []
        return [joined(kept[at : at + PIECE_FRAMES]) for at in range(0, len(kept), PIECE_FRAMES)]


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
