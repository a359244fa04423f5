"""Goodbyes and the moment at which they were heard, for which an end of the call from inside, or its transfer, waits.

It has been heard when the model has nothing more to say, Twilio has played all of it (the last mark is back), and it
has been quiet for a moment. Models ask for the end before, while, or after they say goodbye, and some say none; so an
agent that has said nothing yet is given time to begin. The caller's own words are heard out first. No goodbye lasts for
ever, and a second one does not make the first any longer.

Pure: time is an argument, in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trio_voice.record import EndReason

if TYPE_CHECKING:
    from trio_voice.bridge.playback import Playback
    from trio_voice.events.call import Then

GOODBYE_BEGINS_SECONDS: Final = 4.0
"""Time that an agent which has asked for the end may take to begin its goodbye, if it has said none so far."""
GOODBYE_OVER_SECONDS: Final = 0.5
"""Quiet after a goodbye at which it counts as finished."""
GOODBYE_SECONDS: Final = 30.0
"""For the whole goodbye, whatever happens in it."""
MARK_PATIENCE_SECONDS: Final = 1.5
"""Time after all was played by the clock in which a mark may still be on its way back."""

AGENT_ENDED: Final = (
    "the agent ended the call, and its goodbye was heard",
    "the agent ended the call, and no goodbye of its own was heard",
)


class Goodbye:
    """One goodbye, from the moment that it was asked for.

    Args:
        then: what happens when it has been heard.
        now: that moment.
        spoken: whether the reply that asked for it could be heard already, in which case that may have been it.
        is_late: whether nothing had been heard for long when it was asked for.
        reason: why the call ends.
        details: what the record says of it, if any of it was heard, and if not.
        revocable: whether a caller who has more to say takes it back.
    """

    def __init__(
        self,
        then: Then,
        now: float,
        *,
        spoken: bool,
        is_late: bool = False,
        reason: EndReason = EndReason.AGENT,
        details: tuple[str, str] = AGENT_ENDED,
        revocable: bool = True,
    ) -> None:
        self.then = then
        self.answers_until = now
        """Time until which the turns have begun that it answers: their text may come late, and takes nothing back."""
        self.is_late = is_late
        self.reason = reason
        self.revocable = revocable
        self._details = details
        self._is_heard = spoken
        """True if anything of it was said."""
        self._waits_for_words = not spoken
        self._said_for_it = False
        self.is_said = spoken
        """Its words were said, by the model or in its stead; some models would say them for ever."""
        self._was_said = False
        """The same, before the caller began to make a sound."""
        self._latest = now + GOODBYE_SECONDS
        self._quiet_since: float | None = None

    @property
    def detail(self) -> str:
        """The record's words for it."""
        return self._details[0 if self._is_heard else 1]

    @property
    def is_heard(self) -> bool:
        """True if anything of it was said."""
        return self._is_heard

    def sounded(self) -> None:
        """The agent can be heard saying it."""
        self._is_heard, self._waits_for_words = True, False

    def unheard(self) -> None:
        """The words of it were cut off."""
        self._is_heard = False

    def caller_began(self) -> None:
        """The caller speaks into it, and may be answered."""
        self._quiet_since, self._waits_for_words = None, True
        self._was_said, self.is_said = self.is_said, False

    def caller_made_noise(self, *, spoken: bool) -> None:
        """They did not: it is as it was. If the agent had ``spoken`` before, and has been heard in it, that was it."""
        self.is_said = self._was_said or (spoken and self._is_heard)
        self.returned()

    def begin_again(self, now: float) -> None:
        """It is asked for once more."""
        self._quiet_since, self._waits_for_words = now, True

    @property
    def is_wordless(self) -> bool:
        """True if the agent has said nothing of it, and nothing was said in its stead."""
        return not self._is_heard and not self._said_for_it

    def was_said_for_it(self, *, in_words: bool = True) -> None:
        """A line of this machine says it in the agent's stead, or, not ``in_words``, there is none that could."""
        self._said_for_it, self._quiet_since, self._waits_for_words = True, None, False
        self.is_said = in_words

    def returned(self) -> None:
        """The caller has said goodbye as well: if ours was said, nothing more need be."""
        self._waits_for_words = self.is_wordless

    def due(self, now: float, playback: Playback, *, more_to_come: bool) -> float:
        """Time at which it counts as heard, if nothing changes; asked again whenever something has.

        ``more_to_come`` is true while the agent has something to say, or the caller is saying something.
        """
        mark_due = playback.ends_at + MARK_PATIENCE_SECONDS
        if more_to_come or playback.is_playing(now) or (playback.awaits_marks and now < mark_due):
            self._quiet_since = None
            return min(self._latest, max(now, playback.ends_at) + MARK_PATIENCE_SECONDS)
        if self._quiet_since is None:
            self._quiet_since = now
        patience = GOODBYE_BEGINS_SECONDS if self._waits_for_words else GOODBYE_OVER_SECONDS
        return min(self._latest, self._quiet_since + patience)
