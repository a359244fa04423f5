"""One socket of the sandbox's chain: reading, writing, faults, and what is known of it. No protocol."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import trio

from trio_voice.legs.channel import Channel
from trio_voice.sandbox.chain.faults import StageFaults
from trio_voice.sandbox.record import ClientError
from trio_voice.sandbox.strikes import (
    Act,
    Close,
    Cut,
    GoSilent,
    Say,
    StopReading,
    Tally,
    cut,
    refuse_to_close,
    refuse_to_read,
)

OUTBOX_MESSAGES: Final = 4_000
"""A client that lets more pile up is not reading: its socket is given up."""
CLOSE_SECONDS: Final = 2.0
STUBBORN_SECONDS: Final = 40.0
"""How long a fault that ignores the client goes on."""


@attrs.define(kw_only=True, eq=False)
class StageSession:
    """What is known of one socket. Times are seconds of trio's clock."""

    provider: str
    credential: str
    """What the client said of itself in the header that counts."""
    path: str
    query: Mapping[str, str]
    opened_at: float
    faults: StageFaults
    ready_at: float | None = None
    ended_at: float | None = None
    """The session was over: the goodbye came, or the server ended it."""
    closed_at: float | None = None
    told_goodbye: bool = False
    client_close_code: int | None = None
    messages: list[str | bytes] = attrs.field(factory=list, repr=False)
    """Everything that the client sent; without sound, if it is not kept."""
    audio: bytearray = attrs.field(factory=bytearray, repr=False)
    """The caller's sound, or none."""
    sent: list[tuple[float, dict[str, Any]]] = attrs.field(factory=list, repr=False)
    client_errors: list[ClientError] = attrs.field(factory=list)
    _over: trio.Event = attrs.field(factory=trio.Event, init=False, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether there is still a socket."""
        return self.closed_at is None

    def complain(self, code: object, message: str) -> None:
        """Write down a mistake of the client's."""
        self.client_errors.append(ClientError(trio.current_time(), str(code), message))

    def close(self, now: float) -> None:
        """Write down that the socket is gone, if it is not written down yet."""
        if self.closed_at is None:
            self.closed_at = now
        self._over.set()

    async def wait_closed(self) -> None:
        """Return once the socket is gone. Cancelling is safe."""
        await self._over.wait()


class StageWire:
    """Serves one channel for a protocol, which is told each message and says what to send.

    Args:
        channel: closed when ``run`` returns or raises.
        session: kept up to date.
        hear: told each message; never waits.
        keeps_audio: whether what was sent and heard of sound is kept.
    """

    def __init__(
        self, channel: Channel, session: StageSession, hear: Callable[[str | bytes], None], *, keeps_audio: bool
    ) -> None:
        self._channel = channel
        self._session = session
        self._hear = hear
        self._keeps_audio = keeps_audio
        self._outbox_in, self._outbox = trio.open_memory_channel[dict[str, Any] | Act](OUTBOX_MESSAGES)
        self._tally = Tally()
        self._silent = False
        self._close = Close(1001, "the sandbox is going away")
        self._reading = trio.CancelScope()
        self.nursery: trio.Nursery
        """Of whatever serves the socket; cancelled with it."""

    async def run(self, begin: Callable[[], None]) -> None:
        """Serve until either side ends it; ``begin`` is called first. Cancelling is safe."""
        if self._session.faults.ignores_close:
            refuse_to_close(self._channel)
        try:
            async with trio.open_nursery() as self.nursery:
                self.nursery.start_soon(self._read)
                self.nursery.start_soon(self._write)
                begin()
            if self._session.faults.ignores_close and self._channel.close_code is not None:
                await trio.sleep(STUBBORN_SECONDS)
        finally:
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await self._channel.aclose(self._close.code, self._close.reason)
            self._session.close(trio.current_time())

    def post(self, message: dict[str, Any] | Act) -> None:
        """Have a message sent, or something done to the socket, in order. Never waits."""
        try:
            self._outbox_in.send_nowait(message)
        except trio.WouldBlock:
            self._session.complain("", "does not read what is sent to it")
            self.nursery.cancel_scope.cancel()

    def end(self, code: int, reason: str = "") -> None:
        """Close the socket after what was posted."""
        if self._session.ended_at is None:
            self._session.ended_at = trio.current_time()
        self.post(Close(code, reason))

    async def _read(self) -> None:
        try:
            with self._reading:
                while True:
                    message = await self._channel.receive()
                    if isinstance(message, bytes) and not self._keeps_audio:
                        pass
                    else:
                        self._session.messages.append(message)
                    for act in self._tally.count(_kind(message), self._session.faults.strikes, heard=True):
                        self.post(act)
                    self._hear(message)
            await trio.sleep(STUBBORN_SECONDS)  # a fault made us stop
        except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError):
            self._session.client_close_code = self._channel.close_code
        self._session.close(trio.current_time())
        self.nursery.cancel_scope.cancel()

    async def _write(self) -> None:
        try:
            async for posting in self._outbox:
                over = await (self._send(posting) if isinstance(posting, dict) else self._carry_out(posting))
                if over:
                    break
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            if not self._reading.cancel_called:
                return  # the reader will learn how the client went
        self.nursery.cancel_scope.cancel()

    async def _send(self, message: dict[str, Any]) -> bool:
        if self._silent:
            return False
        # Whole, though the client may have closed meanwhile: after half a frame its close could not be answered.
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            await self._channel.send(json.dumps(message, separators=(",", ":")))
        if self._keeps_audio or "audio" not in message:
            self._session.sent.append((trio.current_time(), message))
        for act in self._tally.count(_kind_of(message), self._session.faults.strikes):
            if await self._carry_out(act):
                return True
        return False

    async def _carry_out(self, act: Act) -> bool:
        match act:
            case Cut():
                await cut(self._channel, reset=act.reset)
                return True
            case Close() if not self._silent:
                self._close = act
                return True
            case GoSilent():
                self._silent = True
            case StopReading():
                refuse_to_read(self._channel)
                self._reading.cancel()
            case Say():
                for message in act.messages * act.times:
                    await self._channel.send(message)
            case _:
                pass
        return False


def _kind(message: str | bytes) -> str:
    """What a client's message is called where a fault strikes at it."""
    if isinstance(message, bytes):
        return "sound"
    parsed = parse(message)
    return _kind_of(parsed) if parsed else ""


def _kind_of(message: Mapping[str, Any]) -> str:
    kind = message.get("type")
    if isinstance(kind, str):
        return kind
    return next(
        (name for name in ("audio", "isFinal", "close_socket", "close_context", "text") if message.get(name)), ""
    )


def parse(message: str | bytes) -> dict[str, Any] | None:
    """A JSON object; ``None`` for anything else."""
    if isinstance(message, bytes):
        return None
    try:
        parsed = json.loads(message)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None
