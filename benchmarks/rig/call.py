"""One call between the two fakes, brought to a phase and broken there."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import trio

from rig.twilio import NoStream, PhoneCall, Unsupported

if TYPE_CHECKING:
    from rig.model import Model
    from rig.process import ServerProcess
    from rig.rest import Account
    from rig.session import SocketSession
    from rig.wire import Wire

REACH_SECONDS: Final = 12.0
"""For a phase to be reached."""
AUDIBLE_MS: Final = 200
LONG_REPLY_MS: Final = 20_000
MOMENT_SECONDS: Final = 0.2
NEVER_RETURNS: Final = "never_returns"
BLOCKS: Final = "blocks"
END_CALL: Final = "end_call"
"""Names of tools that a server under test may offer its model."""


class Unreached(Exception):
    """The call did not come to the phase in time; the message says how far it came."""


class Phase(enum.Enum):
    """Phase of a call in which a fault strikes."""

    START = "before start"
    HANDSHAKE = "handshake"
    OPENING = "before ready"
    GREETING = "greeting"
    REPLY = "mid-reply"
    THINKING = "thinking"
    """A chain only: its language model has been asked, and has not answered."""
    TOOL = "in a tool"
    CLOSING = "closing"


class Call:
    """One call.

    Args:
        number: of the call, for its SIDs.
        account: Twilio's.
        model: what the server under test finds where its model is.
        server: the server under test.
        nursery: for what the fakes do in the background; cancelled when the case is over.
    """

    def __init__(
        self, number: int, account: Account, model: Model, server: ServerProcess, nursery: trio.Nursery
    ) -> None:
        webhook = f"https://rig.example.com{server.target.path}"
        self.phone = PhoneCall(account, server.port, webhook, number)
        self.model = model
        self.server = server
        self._nursery = nursery
        self.tool = NEVER_RETURNS
        """Tool that the model asks for in the phase ``TOOL``."""

        self.stage = ""
        """Stage of the model that the fault strikes, if it has several."""

    @property
    def struck(self) -> SocketSession:
        """The model's session that is to be broken, which must be there."""
        session = self.model.socket(self.stage)
        if session is None:
            raise Unreached("no model session was opened")
        return session

    async def reach(self, phase: Phase) -> None:
        """Bring the call to this phase.

        Raises:
            Unreached: it did not come so far.
            Unsupported: the server under test has no such phase.
            NoStream: the call was not given a stream.
        """
        waits_for = "the call to begin"
        with trio.move_on_after(REACH_SECONDS) as patience:
            await self.phone.ring()
            await self.phone.connect()
            self._nursery.start_soon(lambda: self.phone.live(starts=phase is not Phase.START))
            if phase is Phase.START:
                await trio.sleep(MOMENT_SECONDS)
                if self.model.sessions:  # a server that opens its model before `start` is let finish that
                    waits_for = "the session to be configured"
                    await self.model.wait_configured()
                    await trio.sleep(MOMENT_SECONDS)
                return
            waits_for = "a model session"
            await self.model.wait_begun(self.stage if phase is Phase.HANDSHAKE else "")
            if phase is Phase.HANDSHAKE:
                await trio.sleep(MOMENT_SECONDS)
                return
            waits_for = "the session to be configured"
            await self.model.wait_configured()
            if phase is Phase.OPENING:
                await trio.sleep(MOMENT_SECONDS)
                return
            waits_for = "the greeting to be heard"
            await self._hear(AUDIBLE_MS)
            if phase is Phase.GREETING:
                return
            await self.model.wait_greeted()
            waits_for = phase.value
            match phase:
                case Phase.TOOL:
                    if self.model.lacks(self.tool):
                        raise Unsupported(f"its model is offered no tool {self.tool!r}")
                    await self.model.ask_for_tool(self.tool)
                    await trio.sleep(MOMENT_SECONDS)
                case Phase.REPLY:
                    await self.model.answer_at_length(LONG_REPLY_MS)
                    await self._hear(self.phone.heard_ms + AUDIBLE_MS)
                case Phase.THINKING:
                    await self.model.think()
        if patience.cancelled_caught:
            raise Unreached(f"waited {REACH_SECONDS:.0f} s for {waits_for}")

    async def _hear(self, milliseconds: float) -> None:
        while self.phone.heard_ms < milliseconds:
            if self.phone.line.released_at is not None:
                raise NoStream("the server closed the stream")
            await trio.sleep(0.01)

    def lines(self) -> list[Wire]:
        """The connections that there are so far, on either side."""
        return [self.phone.line, *(session.line for session in self.model.sessions)]

    def is_over(self) -> bool:
        """True if the server has let go of both sides, as far as can be seen from them."""
        return all(line.released_at is not None for line in self.lines())
