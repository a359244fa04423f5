"""Callers who were put through to a human, or taken elsewhere: whether they may come back, and what the agent is told.

From the moment that a caller is put through nothing of the call is open here: no stream, no model. Twilio dials, and
says how that went. When nobody answered, the caller comes back to the same record by a path of its own. So does one
whom somebody else has redirected (Twilio's ``stop`` says no more than that the stream is over) and has us asked for
TwiML again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.call.expected import EXPECTED_SECONDS, CameBack, ExpectedCall
from trio_voice.record import CallState, EndReason

if TYPE_CHECKING:
    from trio_voice.limits import Limits
    from trio_voice.persona import Persona
    from trio_voice.record import CallRecord

RINGING_SECONDS: Final = 20
"""Ringing at the number where a caller is put through to: four rings. They have nothing to listen to but these."""
OUTCOME_SECONDS: Final = RINGING_SECONDS + 25.0
"""Time by which Twilio must have said that nobody answered, if nobody did; it may let ring 5 s longer. Later, somebody
has."""
MAX_RETURNS: Final = 3
"""Times that a caller may come back. An agent that puts them through each time to nobody would never end."""
MIN_SECONDS: Final = 60.0
"""Least of the call's time limit that a caller who comes back has: to leave a message."""
ANSWERED: Final = frozenset({"answered", "completed"})
"""Twilio's words for a dialing that somebody answered; all others bring the caller back."""
_WHY: Final = {
    "busy": "the line was busy",
    "no-answer": "nobody picked up",
    "canceled": "nobody picked up",
    "failed": "the call could not be connected",
}


ELSEWHERE: Final = (
    "The caller was taken to another line for a while and is on this one with you again. "
    "Say so in a word and go on where you left off."
)
"""Words by which the agent learns of a redirect."""


def why_of(outcome: str) -> str:
    """Words by which the agent learns that nobody answered."""
    return (
        f"The caller was to be put through to a human, but {_WHY.get(outcome, 'nobody could be reached')}. "
        "They are on the line with you again. Apologise, and offer to take a message."
    )


def note_outcome(record: CallRecord, outcome: str, *, over: bool) -> None:
    """Write down how it went to put the caller through last: the call may not have ended as it was going to.

    A caller who has left before anybody answered, so that the call is ``over``, has hung up.
    """
    record.transfers[-1].outcome = outcome
    if outcome in ANSWERED or record.end_reason not in (EndReason.AGENT, EndReason.OPERATOR):
        return
    if over:
        record.end_reason = EndReason.HANGUP
        record.end_detail = "the caller was put through, and hung up before anybody answered"
    else:
        record.end_detail = f"the caller was put through, but {_WHY.get(outcome, 'nobody could be reached')}"


@attrs.frozen
class PutThrough:
    """A call whose stream is over and whose caller may come back: it was put through, or Twilio has stopped it."""

    record: CallRecord
    persona: Persona
    limits: Limits
    """Limits that the call had from its beginning."""
    began: float
    until: float
    """Time from which it is certain that they do not, by trio's clock."""
    earlier_streams: frozenset[str] = frozenset()
    """Ids of the streams that the caller has had."""

    @property
    def may_be_answered_again(self) -> bool:
        """True if the agent is to have them back: not one whose models have all failed, nor without an end."""
        by_choice = self.record.end_reason in (EndReason.AGENT, EndReason.OPERATOR, EndReason.HANGUP)
        return by_choice and len(self.record.transfers) <= MAX_RETURNS

    def may_be_taken_up(self, now: float) -> bool:
        """True if the agent is to have them back from wherever somebody else has sent them, within the time limit."""
        return self.may_be_answered_again and now < self.began + self.limits.time_limit_seconds

    def come_back(self, why: str, now: float, path: str) -> ExpectedCall:
        """Have them come back by this path: the record of a call that had ended lives."""
        record = self.record
        record.earlier_seconds = round(now - self.began, 3)
        record.end_reason, record.end_detail, record.handed_over = None, "", False
        record.ended_at = record.seconds = record.closing_seconds = None
        record.state = CallState.LIVE
        left = max(self.limits.time_limit_seconds - (now - self.began), MIN_SECONDS)
        limits = attrs.evolve(self.limits, time_limit_seconds=left)
        came_back = CameBack(self.began, why, self.earlier_streams)
        return ExpectedCall(record, self.persona, limits, now + EXPECTED_SECONDS, came_back=came_back, path=path)
