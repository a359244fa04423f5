"""Replies that AssemblyAI's agent is asked for, one at a time.

A ``reply.create`` that comes while a reply is being made is merged with it into one, of which the caller may hear
neither whole (seen live, 3 of 3). So it waits for the reply's end, but not for ever: a reply may stand still. What
waits together is asked for together. Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import math
from typing import Final

from trio_voice.protocols.json_messages import as_json

WAIT_SECONDS: Final = 5.0
"""Most that a request waits for the end of the reply that is being made."""
MAX_WAITING: Final = 8
"""Requests that wait; beyond them the oldest is dropped."""


class Requests:
    """Those of one session."""

    __slots__ = ("_before", "_is_made", "_waiting", "unheard", "wake_at")

    def __init__(self) -> None:
        self.unheard = ""
        """Words that the agent was asked to say, and of which nothing was heard yet."""
        self._before = ""
        """The same, if the caller has made a sound before: it may have been nothing."""
        self._is_made = False
        """A reply is being made."""
        self._waiting: list[str] = []
        self.wake_at = math.inf
        """Time at which what waits is sent, whatever becomes of the reply."""

    def ask(self, instructions: str, now: float, *, instead: bool) -> str | None:
        """The message, unless it has to wait; one for a reply ``instead`` of the one that is made does not."""
        self.unheard, self._before = instructions, ""
        if instead or not self._is_made:
            return asking(instructions)
        self._waiting = [*self._waiting[1 - MAX_WAITING :], instructions]
        self.wake_at = min(self.wake_at, now + WAIT_SECONDS)
        return None

    def reply_began(self) -> None:
        """The server makes one."""
        self._is_made = True

    def reply_over(self) -> str | None:
        """It is made; returns the message that waited for it."""
        self._is_made = False
        return self._send()

    def caller_began(self) -> None:
        """The caller makes a sound, and may have words."""
        self._before, self.unheard = self.unheard or self._before, ""

    def caller_finished(self) -> None:
        """They have, or had none."""
        self.unheard = self.unheard or self._before

    def settle(self) -> None:
        """It is heard, or nobody waits for it any more."""
        self.unheard = self._before = ""

    def tick(self, now: float) -> str | None:
        """The message that has waited for too long. Harmless to call too early."""
        return self._send() if now >= self.wake_at else None

    def _send(self) -> str | None:
        instructions, self._waiting, self.wake_at = "\n".join(self._waiting), [], math.inf
        return asking(instructions) if instructions else None


def asking(instructions: str) -> str:
    """The message that asks for a reply now."""
    return as_json({"type": "reply.create", "instructions": instructions})
