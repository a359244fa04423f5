"""A socket as the call sees it: whole messages, and three ways to close.

The seam between a call and whatever carries its messages. Three things are of this kind and pass the same conformance
suite: our own WebSocket over a trio stream, the Quart route, and the fakes in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable


class Channel(ABC):
    """A two-way channel of whole messages with exactly one reading and one writing task.

    Errors are trio's own: ``EndOfChannel`` when the peer closed politely, ``BrokenResourceError`` when the
    connection was cut or the peer broke the protocol, ``ClosedResourceError`` when we closed it.
    """

    close_code: int | None = None
    """The code of the peer's close frame, once there was one."""
    close_reason: str = ""
    """The text of the peer's close frame, or of what broke the connection."""
    wake_writer: Callable[[], None] | None = None
    """Called when reading has made something that must be written, such as a pong; answered by ``flush``."""

    @abstractmethod
    async def receive(self) -> str | bytes:
        """The next message. Cancelling is safe: no message is lost."""

    async def listen(self, on_message: Callable[[str | bytes], None]) -> NoReturn:
        """Have ``on_message`` called with each message, until reading ends; it must not wait.

        It may be called from another task, in this task's context; what it raises is raised here. Cancelling is safe:
        what was not heard can still be received. Ends only by raising what ``receive`` would.
        """
        while True:
            on_message(await self.receive())

    def send_now(self, message: str | bytes, behind: str | bytes | None = None) -> bool:  # noqa: ARG002 - most channels cannot
        """Send a message, or two, without waiting, if nothing stands in their way; otherwise do nothing.

        What the kernel does not take at once counts as sent: ``wake_writer`` is called, and ``flush`` waits for it.
        """
        return False

    @abstractmethod
    async def send(self, message: str | bytes) -> None:
        """Send one message, as text or as binary.

        Cancelling is not safe: part of it may be on its way, so all that is left to do afterwards is to abort.
        ``aclose`` knows this.
        """

    async def flush(self) -> None:  # noqa: B027 - most channels answer pings by themselves
        """Write what reading has made. As unsafe to cancel as ``send``."""

    @abstractmethod
    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close with the peer's consent, then without it. Idempotent.

        It waits for the peer to close too; the caller bounds the wait with a cancel scope. Cancelling is safe:
        whenever this returns or raises, the socket is closed.
        """

    @abstractmethod
    async def abort(self) -> None:
        """Close at once, telling nobody. Never waits for the peer; idempotent; closes even when cancelled."""
