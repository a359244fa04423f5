"""Record of a session of the sandbox's Gemini: tests assert on it and a demo shows it."""

from itertools import groupby
from typing import Any

import attrs

from trio_voice.sandbox.agent.replies import Line
from trio_voice.sandbox.providers.gemini_live.faults import NO_FAULTS, USUAL, GeminiFaults, GeminiManner
from trio_voice.sandbox.providers.gemini_live.setup import Setup
from trio_voice.sandbox.transport.record import SocketRecord


def names_of(message: dict[str, Any]) -> list[str]:
    """Names for a message of the server's, one for each of its fields."""
    names = [name for name in message if name != "serverContent"]
    content = message.get("serverContent")
    if isinstance(content, dict):
        names += ["audio" if name == "modelTurn" else name for name in content]
    return names


@attrs.define(kw_only=True, eq=False)
class GeminiSession(SocketRecord):
    """One connection's session. Times are seconds of trio's clock."""

    provider: str = "gemini-live"
    api_key: str
    manner: GeminiManner = USUAL
    faults: GeminiFaults = NO_FAULTS
    session_id: str = ""
    handles: list[str] = attrs.field(factory=list)
    """By which it may be taken up, the newest last."""
    setup: Setup | None = None

    history: list[Line] = attrs.field(factory=list, repr=False)
    """Lines that were said, as Gemini remembers them: of an interrupted reply what it believes was heard."""
    max_ahead_seconds: float = 0.0
    """Most that the client's audio ran ahead of real time."""
    late_results: int = 0
    """Results of calls that had been cancelled."""

    @property
    def told_goodbye(self) -> bool:
        """There is none in words: whether the client closed the socket, and did not just lose it."""
        return self.client_close_code is not None

    @property
    def audio_bytes_per_second(self) -> int:
        """Bytes of ``audio`` in a second: it is 16 kHz."""
        return 32_000

    @property
    def types_sent(self) -> list[str]:
        """Messages of the server, in order, a row of equal words counted as one."""
        return [name for name, _ in groupby(name for _, message in self.sent for name in names_of(message))]
