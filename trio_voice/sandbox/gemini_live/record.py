"""What the sandbox's Gemini knows of a session: what tests assert on and a demo shows."""

from itertools import groupby
from typing import Any

import attrs
import trio

from trio_voice.sandbox.gemini_live.faults import NO_FAULTS, USUAL, GeminiFaults, GeminiManner
from trio_voice.sandbox.gemini_live.setup import Setup
from trio_voice.sandbox.mind import Line
from trio_voice.sandbox.record import ClientError


def names_of(message: dict[str, Any]) -> list[str]:
    """What a message of the server's says, a word for each of its fields."""
    names = [name for name in message if name != "serverContent"]
    content = message.get("serverContent")
    if isinstance(content, dict):
        names += ["audio" if name == "modelTurn" else name for name in content]
    return names


@attrs.define(kw_only=True, eq=False)
class GeminiSession:
    """One connection's session. Times are seconds of trio's clock."""

    provider: str = "gemini-live"
    api_key: str
    opened_at: float
    manner: GeminiManner = USUAL
    faults: GeminiFaults = NO_FAULTS
    """Read at every step: exchange it to have something go wrong from now on."""
    keeps_audio: bool = True
    """Otherwise neither ``messages``, ``audio`` nor ``sent`` hold any sound, and they stay small."""

    session_id: str = ""
    handles: list[str] = attrs.field(factory=list)
    """By which it may be taken up, the newest last."""
    setup: Setup | None = None
    ready_at: float | None = None
    closed_at: float | None = None
    """The client's close came, or the connection was gone."""
    client_close_code: int | None = None
    """The code of the client's close frame, if it sent one."""

    messages: list[str | bytes] = attrs.field(factory=list, repr=False)
    """Everything that the client sent, in order, as it came."""
    audio: bytearray = attrs.field(factory=bytearray, repr=False)
    """All sound of the caller's, at 16 kHz."""
    sent: list[tuple[float, dict[str, Any]]] = attrs.field(factory=list, repr=False)
    """Every message that the server got onto the wire, and when; the raw ones of faults excepted."""
    history: list[Line] = attrs.field(factory=list, repr=False)
    """What was said, as Gemini remembers it: of an interrupted reply what it believes was heard."""
    client_errors: list[ClientError] = attrs.field(factory=list)
    max_ahead_seconds: float = 0.0
    """How far the client's audio ran ahead of real time, at most."""
    late_results: int = 0
    """Results of calls that had been cancelled."""
    _over: trio.Event = attrs.field(factory=trio.Event, init=False, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether there is still a socket."""
        return self.closed_at is None

    @property
    def told_goodbye(self) -> bool:
        """There is none in words: whether the client closed the socket, and did not just lose it."""
        return self.client_close_code is not None

    @property
    def audio_bytes_per_second(self) -> int:
        """How much of ``audio`` is a second."""
        return 32_000

    @property
    def types_sent(self) -> list[str]:
        """What the server said, in order, a row of equal words counted as one."""
        return [name for name, _ in groupby(name for _, message in self.sent for name in names_of(message))]

    def complain(self, code: str, message: str) -> None:
        """Write down a mistake of the client's."""
        self.client_errors.append(ClientError(trio.current_time(), code, message))

    def close(self, now: float) -> None:
        """Write down that the socket is gone, if it is not written down yet."""
        if self.closed_at is None:
            self.closed_at = now
        self._over.set()

    async def wait_closed(self) -> None:
        """Return once the socket is gone. Cancelling is safe."""
        await self._over.wait()
