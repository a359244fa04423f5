"""Record of one socket of a peer of the sandbox's, whatever its family: tests assert on it and a demo shows it."""

from typing import Any

import attrs
import trio

from trio_voice.sandbox.transport.faults import SocketFaults


@attrs.frozen
class ClientError:
    """Something that the client should not have done; ``code`` is that of the error it got, or empty if it got none."""

    at: float
    code: str
    message: str
    param: str | None = None


@attrs.define(kw_only=True, eq=False)
class SocketRecord:
    """One socket. Times are seconds of trio's clock."""

    provider: str
    opened_at: float
    faults: SocketFaults
    """Read at every step: exchange it to have something go wrong from now on."""
    keeps_audio: bool = True
    """Otherwise nothing below holds any sound, and all of it stays small."""

    ready_at: float | None = None
    closed_at: float | None = None
    """The client's close came, or the connection was gone."""
    client_close_code: int | None = None
    """The code of the client's close frame, if it sent one."""

    messages: list[str | bytes] = attrs.field(factory=list, repr=False)
    """Everything that the client sent, in order, as it came."""
    audio: bytearray = attrs.field(factory=bytearray, repr=False)
    """All sound of the caller's that was listened to, decoded."""
    sent: list[tuple[float, dict[str, Any]]] = attrs.field(factory=list, repr=False)
    """Every message that the server got onto the wire, and when; the raw ones of faults excepted."""
    client_errors: list[ClientError] = attrs.field(factory=list)
    _over: trio.Event = attrs.field(factory=trio.Event, init=False, repr=False)

    @property
    def audio_bytes_per_second(self) -> int:
        """Bytes of ``audio`` in a second."""
        return 8_000

    @property
    def is_open(self) -> bool:
        """True while there is still a socket."""
        return self.closed_at is None

    def complain(self, code: object, message: str, param: str | None = None) -> None:
        """Write down a mistake of the client's."""
        self.client_errors.append(ClientError(trio.current_time(), str(code), message, param))

    def close(self, now: float) -> None:
        """Write down that the socket is gone, if it is not written down yet."""
        if self.closed_at is None:
            self.closed_at = now
        self._over.set()

    async def wait_closed(self) -> None:
        """Return once the socket is gone. Cancelling is safe."""
        await self._over.wait()
