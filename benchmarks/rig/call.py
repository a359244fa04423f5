"""One call between the two fakes, brought to a phase and broken there."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import trio

from rig.twilio import NoStream, PhoneCall, Unsupported

if TYPE_CHECKING:
    from rig.line import Line
    from rig.model import ModelServer, ModelSession
    from rig.process import ServerProcess
    from rig.rest import Account

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
    """Where in a call a fault strikes."""

    START = "before start"
    HANDSHAKE = "handshake"
    OPENING = "before ready"
    GREETING = "greeting"
    REPLY = "mid-reply"
    TOOL = "in a tool"
    CLOSING = "closing"


class Call:
    """One call.

    Args:
        number: of the call, for its SIDs.
        account: Twilio's.
        model: where the server under test finds its model.
        server: the server under test.
        nursery: for what the fakes do in the background; cancelled when the case is over.
    """

    def __init__(
        self, number: int, account: Account, model: ModelServer, server: ServerProcess, nursery: trio.Nursery
    ) -> None:
        webhook = f"https://rig.example.com{server.target.path}"
        self.phone = PhoneCall(account, server.port, webhook, number)
        self.model_server = model
        self.server = server
        self._nursery = nursery
        self.tool = NEVER_RETURNS
        """Which one the model asks for in the phase ``TOOL``."""

    @property
    def model(self) -> ModelSession:
        """The call's session, which must be there."""
        if not self.model_server.sessions:
            raise Unreached("no model session was opened")
        return self.model_server.sessions[-1]

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
                return
            waits_for = "a model session"
            session = await self.model_server.wait_session()
            if phase is Phase.HANDSHAKE:
                await trio.sleep(MOMENT_SECONDS)
                return
            waits_for = "the session to be configured"
            await session.configured.wait()
            if phase is Phase.OPENING:
                await trio.sleep(MOMENT_SECONDS)
                return
            waits_for = "the greeting to be heard"
            await self._hear(AUDIBLE_MS)
            if phase is Phase.GREETING:
                return
            await session.greeted.wait()
            if phase is Phase.TOOL:
                if self.tool not in session.family.tools:
                    raise Unsupported(f"its model is offered no tool {self.tool!r}")
                await session.ask_for_tool(self.tool)
                await trio.sleep(MOMENT_SECONDS)
            if phase is Phase.REPLY:
                await session.be_interrupted()
                session.answer_at_length(LONG_REPLY_MS)
                waits_for = "a reply to be heard"
                await self._hear(self.phone.heard_ms + AUDIBLE_MS)
        if patience.cancelled_caught:
            raise Unreached(f"waited {REACH_SECONDS:.0f} s for {waits_for}")

    async def _hear(self, milliseconds: float) -> None:
        while self.phone.heard_ms < milliseconds:
            if self.phone.line.released_at is not None:
                raise NoStream("the server closed the stream")
            await trio.sleep(0.01)

    def lines(self) -> list[Line]:
        """The connections that there are so far, on either side."""
        return [self.phone.line, *(session.line for session in self.model_server.sessions)]

    def is_over(self) -> bool:
        """Whether the server has let go of both sides, as far as can be seen from them."""
        return all(line.released_at is not None for line in self.lines())
