"""Times at which a model of the Realtime protocol may be asked to speak.

The server makes one response at a time and refuses to begin another (``conversation_already_has_active_response``). It
also begins one by itself whenever the caller has finished speaking. So whatever we want said waits here: for the
response that is being made, for the caller, and for the response to the caller.

Results of tools are said by a response like any other. One that the server began by itself after it had a result says
it as well, and none needs to be asked for; the server's echo of the result's item, before or after the response's
beginning, says which it was.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import attrs

MAX_WAITING: Final = 8
"""Replies asked for and not begun; beyond that the oldest is dropped: what is said next matters more."""
MAX_RESULTS: Final = 64
"""Results that no response has seen; the oldest beyond that counts as seen."""
CALLER_SECONDS: Final = 15.0
"""Time that a caller may keep us waiting: a noisy line is speech without an end to some detectors."""
TURN_SECONDS: Final = 2.0
"""Time after the caller's turn that the server's own response may take to begin."""
REFUSED_SECONDS: Final = 1.0
"""Time to wait after a refusal, unless a response begins and ends meanwhile."""
REPLY_SECONDS: Final = 60.0
"""Time that a response may be made before it is believed to be over though nothing has said so."""
MAX_TRIES: Final = 5
"""Refusals of one reply that are borne."""
RETRY_SECONDS: Final = 1.0
"""Time after a failed response before another is asked for: rate limits name waits of this order."""


@attrs.define(eq=False)
class Ask:
    """A response that is asked for: by instructions, to the letter, or else because tools were answered."""

    instructions: str | None = None
    exact: str | None = None
    event_id: str = ""
    tries: int = 0
    results: dict[str, bool] = attrs.field(factory=dict)
    """The results that it is to see, as in ``Requests``."""
    overtaken: bool = False
    """The caller has had a turn since it was sent: it answers nothing of that."""

    @property
    def follows_up(self) -> bool:
        """True if it has nothing to say of its own."""
        return self.instructions is None and self.exact is None


class Requests:
    """The turn at speaking, and the asks that wait for ours. Times are in seconds of one clock."""

    def __init__(self) -> None:
        self._open = False
        self._replying = False
        self._replying_until = math.inf
        self._hold_until = -math.inf
        self._waiting: deque[Ask] = deque(maxlen=MAX_WAITING)
        self._results: dict[str, bool] = {}
        """Results that were sent and that no response is known to have seen; true if the server has echoed it."""
        self._results_complete = False
        self._retry_at = math.inf
        self._asked: Ask | None = None
        """Asked for, and not begun."""
        self._begun: Ask | None = None
        """The ask behind the latest response; ``None`` for one of the server's own."""
        self._latest: Ask | None = None
        """The latest ask that has words of its own, until something is heard or said since."""
        self._number = 0

    def open(self) -> None:
        """The session is ready."""
        self._open = True

    def ask(self, ask: Ask) -> None:
        """Have something said as soon as it can be."""
        self._waiting.append(ask)

    # What the caller does

    def caller_began(self, now: float) -> None:
        """The caller speaks."""
        self._hold_until = now + CALLER_SECONDS

    def caller_finished(self, now: float) -> None:
        """The caller has spoken, and the server is about to answer: what it was asked for before is no answer."""
        self._begun = None
        self._hold_until = now + TURN_SECONDS
        if self._asked is not None:
            self._asked.overtaken = True

    def turn_was_nothing(self) -> None:
        """It was a noise: what was asked for before it is still an answer."""
        if self._asked is not None:
            self._asked.overtaken = False

    # What becomes of tools

    def result_sent(self, call_id: str, *, last: bool) -> None:
        """A tool was answered; with the ``last`` of a response's tools there is something to say."""
        if len(self._results) >= MAX_RESULTS:
            self._results.pop(next(iter(self._results)))
        self._results[call_id] = False
        self._results_complete |= last

    def result_echoed(self, call_id: str) -> None:
        """The server has taken a result: whatever it begins from here on has seen it."""
        if call_id in self._results:
            self._results[call_id] = True
        elif self._asked is not None and call_id in self._asked.results:
            self._asked.results[call_id] = True

    # What becomes of responses

    def response_began(self, now: float) -> None:
        """The server has begun a response, of its own or because it was asked."""
        self._replying, self._replying_until = True, now + REPLY_SECONDS
        self._hold_until = -math.inf
        self._retry_at = math.inf
        ask, self._asked = self._asked, None
        self._begun = ask
        if ask is None or ask.follows_up:
            self._results = _unseen(self._results)
            self._results_complete &= bool(self._results)
        if ask is not None:
            ask.results = _unseen(ask.results)

    def response_over(self) -> None:
        """The server has finished it, one way or the other."""
        self._replying = False

    def response_failed(self, now: float, wait: float = RETRY_SECONDS) -> None:
        """The server has finished it without success: ask for it once more after these seconds."""
        self._replying = False
        ask, self._begun = self._begun, None
        if ask is None or ask.follows_up:
            self._retry_at = now + wait
        else:
            self._waiting.appendleft(ask)
            self._hold_until = now + wait

    def answer_turn(self, at: float) -> None:
        """Ask for an answer to what the caller has said then, unless the server begins one by itself before."""
        self._hold_until = min(self._hold_until, at)
        self._retry_at = at

    def ask_again(self, ask: Ask) -> None:
        """Have this said at once: the ask before it, or the response that is being made, comes to nothing."""
        self._replying, self._asked, self._begun = False, None, None
        self._hold_until = -math.inf
        self._waiting.appendleft(ask)

    def forget_turn(self) -> None:
        """The caller's turn is not to be answered."""
        self._retry_at = math.inf
        self._hold_until = -math.inf

    @property
    def begun(self) -> Ask | None:
        """The ask behind the latest response; ``None`` for one of the server's own."""
        return self._begun

    @property
    def latest(self) -> Ask | None:
        """The latest ask with words of its own of which nothing was heard, and since which nothing was said."""
        return self._latest

    def settle(self) -> None:
        """It was heard, or the caller has said something since."""
        self._latest = None

    def refused(self, event_id: str, now: float, *, busy: bool) -> bool:
        """The server will not do what we asked; ``busy`` if only for now. Without an id it is the latest.

        Returns:
            True if the response that was taken for what we asked is one of the server's own.
        """
        candidates = [ask for ask in (self._asked, self._begun) if ask is not None]
        ask = next((ask for ask in candidates if event_id in ("", ask.event_id)), None)
        if ask is None:
            return False
        is_own = ask is self._begun
        if is_own:
            self._begun = None
        else:
            self._asked = None
        ask.tries += 1
        if not busy or ask.tries >= MAX_TRIES:
            self._latest = None if ask is self._latest else self._latest
            return is_own
        self._hold_until = max(self._hold_until, now + REFUSED_SECONDS)
        if not ask.follows_up:
            self._waiting.appendleft(ask)
        elif ask.results:
            self._results = ask.results | self._results
            self._results_complete = True
        return is_own

    # What is to be said

    def next(self, now: float) -> Ask | None:
        """The next ask, if anything may be asked for now."""
        if not self._open or self._asked is not None or now < self._hold_until:
            return None
        if self._replying and now < self._replying_until:
            return None
        if self._waiting:
            ask = self._waiting.popleft()
        elif self._results_complete:
            ask = Ask(results=self._results)
            self._results, self._results_complete = {}, False
        elif now >= self._retry_at:
            ask = Ask()
        else:
            return None
        self._retry_at = math.inf
        self._number += 1
        ask.event_id = f"ask_{self._number}"
        self._asked, ask.overtaken = ask, False
        if not ask.follows_up:
            self._latest = ask
        return ask

    @property
    def wake_at(self) -> float:
        """Time at which ``next`` will have something to say, if nothing happens before."""
        if self._asked is not None or not self._open:
            return math.inf
        earliest = max(self._hold_until, self._replying_until if self._replying else -math.inf)
        if self._waiting or self._results_complete:
            return earliest
        return max(self._retry_at, earliest)


def _unseen(results: dict[str, bool]) -> dict[str, bool]:
    """Those that a response which begins now has not seen."""
    return {call_id: echoed for call_id, echoed in results.items() if not echoed}
