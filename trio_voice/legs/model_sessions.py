"""The model of a call: one session after another, where one fails or expires.

To the call it is a model leg like any other. The bridge says when the session is to be replaced; the one before is
told goodbye at once, within ``close_seconds``, and nothing that it still says is heard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.events.call import DismissModel, Fact, ModelReplaced, ReplaceModel

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
        history: the conversation so far, where this is not the beginning of the call.
    """

    __slots__ = ("_close_seconds", "_leg", "_living", "_makers", "_order", "hear_caller")

    def __init__(self, makers: Iterable[Maker], close_seconds: float, history: tuple[Said, ...] = ()) -> None:
        self._makers = list(makers)
        self._close_seconds = close_seconds
        self._leg = self._makers[0](history, None)
        self.hear_caller: Callable[[str], None] = self._leg.hear_caller
        """``obey`` for ``HearCaller``, by its payload: the method itself of the session that listens, if one does."""
        self._order: ModelOrder | None = None
        self._living = trio.CancelScope()

    @property
    def capabilities(self) -> Capabilities:
        """What the model that is speaking can do."""
        return self._leg.capabilities

    @property
    def successors(self) -> int:
        """How many models may still take over."""
        return len(self._makers) - 1

    async def run(self, tell: Callable[[Fact], None], play: Callable[[str, str], None]) -> None:
        """Live one session after the other, until cancelled.

        Cancelling is safe; ``close`` must follow. It does not return by itself: a session's end is told, and whoever is
        told ends the call or orders another session.

        Args:
            tell: told every fact of the session that is speaking.
            play: given what it says; see ``ModelLeg.run``.
        """
        async with trio.open_nursery() as goodbyes:
            while True:
                leg = self._leg
                with self._living:
                    await leg.run(*self._heard_of(leg, tell, play))
                    await trio.sleep_forever()
                order = self._order
                assert order is not None  # noqa: S101 - nothing else cancels the scope
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
                self._leg = self._makers[0](order.history, order.resume_with)
                self.hear_caller = self._leg.hear_caller
                self._living, self._order = trio.CancelScope(), None
                tell(ModelReplaced(self._leg.capabilities))
            await trio.sleep_forever()

    def _heard_of(
        self, leg: ModelLeg, tell: Callable[[Fact], None], play: Callable[[str, str], None]
    ) -> tuple[Callable[[Fact], None], Callable[[str, str], None]]:
        """Both, as long as the leg is the one that speaks."""

        def tell_of_it(fact: Fact) -> None:
            if self._leg is leg and self._order is None:
                tell(fact)

        def play_of_it(reply_id: str, payload: str) -> None:
            if self._leg is leg and self._order is None:
                play(reply_id, payload)

        return tell_of_it, play_of_it

    async def _part_with(self, leg: ModelLeg) -> None:
        """Say goodbye to a session that was replaced."""
        try:
            with trio.CancelScope(deadline=trio.current_time() + self._close_seconds, shield=True):
                await leg.close()
        except Exception:  # logged, and the call goes on with the next session
            log.exception("close_bug")

    def obey(self, command: ModelCommand | ModelOrder) -> None:
        """Put a command on its way. Never waits."""
        if isinstance(command, ReplaceModel | DismissModel):
            self._order = command
            self.hear_caller = _nobody_hears
            self._living.cancel(reason="replaced")
        elif self._order is None:
            self._leg.obey(command)

    def hurry(self, deadline: float) -> None:
        """The call is ending: whatever is being sent must be finished by then."""
        self._leg.hurry(deadline)

    async def close(self) -> None:
        """End the session that is open; those before it have ended when ``run`` has. Idempotent."""
        await self._leg.close()


def _nobody_hears(_payload: str) -> None:
    """Between two sessions."""
