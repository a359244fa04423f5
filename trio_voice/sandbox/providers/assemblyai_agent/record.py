"""Record of a session of the sandbox's voice agent: tests assert on it and a demo shows it."""

import secrets
from itertools import groupby
from typing import Final

import attrs
import trio

from trio_voice.sandbox.agent.replies import Line
from trio_voice.sandbox.providers.assemblyai_agent.config import Settings
from trio_voice.sandbox.providers.assemblyai_agent.faults import NO_FAULTS, USUAL, Faults, Manner
from trio_voice.sandbox.transport.record import SocketRecord

GRACE_SECONDS: Final = 30.0
"""Time for which a session outlives a socket that was closed without ``session.end``. It can be resumed, and it is
billed."""


@attrs.define(kw_only=True, eq=False)
class AgentSession(SocketRecord):
    """One socket's session. Times are seconds of trio's clock."""

    provider: str = "assemblyai-agent"
    authorization: str
    manner: Manner = USUAL
    faults: Faults = NO_FAULTS
    session_id: str = ""
    resume_token: str = attrs.field(factory=lambda: f"resume_{secrets.token_hex(16)}", repr=False)
    accepted_at: float | None = None
    """The first update, or a resume, was accepted: from here on there is something to bill."""
    ended_at: float | None = None
    """The session was over: ``session.end`` came, or the server ended it."""
    resumed_at: float | None = None
    """Another socket has taken the session over."""
    told_goodbye: bool = False
    """``session.end`` came before the close."""

    payloads: list[str] = attrs.field(factory=list, repr=False)
    """The ``audio`` of every ``input.audio`` that was listened to, as it came."""
    history: list[Line] = attrs.field(factory=list, repr=False)
    """Lines that were said, as the agent remembers them: of an interrupted reply only what was sent."""
    early_payloads: int = 0
    """Pieces of audio from before ``session.ready``: thrown away."""
    max_ahead_seconds: float = 0.0
    """Most that the client's audio ran ahead of real time."""
    late_results: int = 0
    """Results of tools that were not wanted any more: the caller had interrupted, or it took too long."""

    settings: Settings = attrs.field(factory=Settings, repr=False)
    began_at: float = attrs.field(default=attrs.Factory(lambda self: self.opened_at, takes_self=True))
    """Time at which the session's first socket was opened; earlier than ``opened_at`` if this one resumed it."""

    @property
    def billed_seconds(self) -> float:
        """Seconds of this socket's share of the session: until its end or resumption, or 30 s past its closing.

        An open session is counted until now; that needs trio's clock.
        """
        if self.accepted_at is None:
            return 0.0
        if self.ended_at is not None:
            until = self.ended_at
        elif self.resumed_at is not None:
            until = self.resumed_at
        elif self.closed_at is not None:
            until = self.closed_at + GRACE_SECONDS
        else:
            until = trio.current_time()
        return until - self.opened_at

    @property
    def types_sent(self) -> list[str]:
        """The types of the events sent, in order, a row of equal ones counted as one."""
        return [kind for kind, _ in groupby(event["type"] for _, event in self.sent)]

    def can_be_resumed(self, now: float) -> bool:
        """True if its socket was lost no longer ago than the grace, and nobody ended it."""
        lost_at = self.closed_at
        in_time = lost_at is not None and now - lost_at <= GRACE_SECONDS
        return in_time and self.ready_at is not None and self.ended_at is None and self.resumed_at is None

    def resume(self, old: "AgentSession", now: float) -> None:
        """Go on where another socket was lost."""
        old.resumed_at = self.accepted_at = now
        self.session_id, self.began_at = old.session_id, old.began_at
        self.settings, self.history = old.settings, old.history
