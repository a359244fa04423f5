"""The model of a call: one session after another, where one fails or expires.

To the call it is a model leg like any other. The bridge says when the session is to be replaced; the one before is
told goodbye at once, within ``close_seconds``, and nothing that it still says is heard.

One that could not be opened for a passing reason is tried again (``attempts.py``), and the bridge is told of a fault
that is not fatal. Each try is a leg of its own, and so written down before it is opened and after it is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.events.call import DismissModel, Fact, LegClosed, ModelReplaced, ReplaceModel
from trio_voice.events.model import ModelFault, ModelReady
from trio_voice.legs.attempts import Attempts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from trio_voice.events.call import ModelOrder
    from trio_voice.events.model import Capabilities, ModelCommand, Said
    from trio_voice.legs.model import ModelLeg

    Maker = Callable[[tuple[Said, ...], str | None], ModelLeg]

log: Final = structlog.stdlib.get_logger("trio_voice.legs.succession")


class Succession:
    """Sessions of a persona's models, one at a time.

    Args:
        makers: one for each model, in the order in which they are tried; each makes a leg that is not yet connected,
            which is told the conversation so far, or resumes by a handle.
        close_seconds: how long a session that is replaced has for its goodbye.
        ready_seconds: how long the call waits for a session that is being opened.
        history: the conversation so far, where this is not the beginning of the call.
    """

    __slots__ = (
        "_attempts",
        "_close_seconds",
        "_history",
        "_leg",
        "_living",
        "_makers",
        "_order",
        "_ready_seconds",
        "_resume_with",
        "_retry_in",
        "_was_ready",
        "forward_caller_audio",
    )

    def __init__(
        self, makers: Iterable[Maker], close_seconds: float, ready_seconds: float, history: tuple[Said, ...] = ()
    ) -> None:
        self._makers = list(makers)
        self._close_seconds = close_seconds
        self._ready_seconds = ready_seconds
        self._attempts: Attempts | None = None
        """At the session that is being opened; ``None`` once it is ready."""
        self._retry_in: float | None = None
        """Seconds; the leg that was tried is dead."""
        self._was_ready = False
        """True once a session of this call was."""
        self._history = history
        self._resume_with: str | None = None
        self._leg = self._makers[0](history, None)
        self.forward_caller_audio: Callable[[str], None] = self._leg.forward_caller_audio
        """The method of the session that listens; between sessions, one that drops what it is given."""
        self._order: ModelOrder | None = None
        self._living = trio.CancelScope()

    @property
    def capabilities(self) -> Capabilities:
        """Abilities of the model that is speaking."""
        return self._leg.capabilities

    @property
    def successors(self) -> int:
        """Number of models that may still take over."""
        return len(self._makers) - 1

    async def run(self, tell: Callable[[Fact], None], forward: Callable[[str, str], None]) -> None:
        """Live one session after the other, until cancelled.

        Cancelling is safe; ``close`` must follow. It does not return by itself: a session's end is told, and whoever is
        told ends the call or orders another session.

        Args:
            tell: told every fact of the session that is speaking.
            forward: given what it says; see ``ModelLeg.run``.
        """
        async with trio.open_nursery() as goodbyes:
            while True:
                others, first = self.successors > 0, not self._was_ready
                self._attempts = Attempts(trio.current_time(), self._ready_seconds, others=others, first=first)
                while self._order is None:
                    leg = self._leg
                    with self._living:
                        await leg.run(*self._heard_of(leg, tell, forward))
                        await trio.sleep_forever()
                    if self._retry_in is not None and self._order is None:
                        goodbyes.start_soon(self._part_with, leg)
                        await self._pause(self._retry_in)
                        self._retry_in = None
                        if self._order is None:
                            self._begin()
                order = self._order
                if isinstance(order, DismissModel):
                    log.warning("model_dismissed", why=order.why)
                    await self._part_with(leg)
                    break
                log.warning("model_replaced", why=order.why, renews=order.renews)
                if order.resume_with is None:
                    goodbyes.start_soon(self._part_with, leg)
                else:  # providers refuse to resume what is still open
                    await self._part_with(leg)
                if not order.renews:
                    del self._makers[0]
                self._history, self._resume_with = order.history, order.resume_with
                self._order = self._retry_in = None
                self._begin()
                tell(ModelReplaced(self._leg.capabilities))
            await trio.sleep_forever()

    def _begin(self) -> None:
        """Make the leg that is lived next."""
        self._leg = self._makers[0](self._history, self._resume_with)
        self.forward_caller_audio = self._leg.forward_caller_audio
        self._living = trio.CancelScope()

    async def _pause(self, seconds: float) -> None:
        """Wait before another try; an order of the bridge's cuts it short."""
        self.forward_caller_audio = _discard
        with trio.CancelScope() as self._living:
            await trio.sleep(seconds)

    def _heard_of(
        self, leg: ModelLeg, tell: Callable[[Fact], None], forward: Callable[[str, str], None]
    ) -> tuple[Callable[[Fact], None], Callable[[str, str], None]]:
        """Both, as long as the leg is the one that speaks."""

        def tell_of_it(fact: Fact) -> None:
            if self._leg is not leg or self._order is not None or self._retry_in is not None:
                return
            if isinstance(fact, ModelReady):
                self._attempts, self._was_ready = None, True
            elif (
                self._attempts is not None
                and isinstance(fact, LegClosed | ModelFault)
                and (pause := self._attempts.pause_after(fact, trio.current_time()))
            ):
                why = fact.detail if isinstance(fact, LegClosed) else fact.message
                log.warning("model_tried_again", why=why, after_seconds=pause)
                tell(ModelFault("tried_again", why, fatal=False))
                self._retry_in = pause
                self._living.cancel(reason="tried again")
                return
            tell(fact)

        def forward_of_it(reply_id: str, payload: str) -> None:
            if self._leg is leg and self._order is None and self._retry_in is None:
                forward(reply_id, payload)

        return tell_of_it, forward_of_it

    async def _part_with(self, leg: ModelLeg) -> None:
        """Say goodbye to a session that was replaced."""
        try:
            with trio.CancelScope(deadline=trio.current_time() + self._close_seconds, shield=True):
                await leg.close()
        except Exception:  # logged, and the call goes on with the next session
            log.exception("close_bug")

    def execute(self, command: ModelCommand | ModelOrder) -> None:
        """Put a command on its way. Never waits."""
        if isinstance(command, ReplaceModel | DismissModel):
            self._order = command
            self.forward_caller_audio = _discard
            self._living.cancel(reason="replaced")
        elif self._order is None:
            self._leg.execute(command)

    def set_close_deadline(self, deadline: float) -> None:
        """The call is ending: whatever is being sent must be finished by then."""
        self._leg.set_close_deadline(deadline)

    async def close(self) -> None:
        """End the session that is open; those before it have ended when ``run`` has. Idempotent."""
        await self._leg.close()


def _discard(_payload: str) -> None:
    """Between two sessions."""
