"""Results of a stream: messages that the server sent, warnings of Twilio's debugger, and how it ended."""

from __future__ import annotations

from typing import Any, Literal

import attrs


@attrs.frozen
class Received:
    """A message that the server sent and that kept to the protocol."""

    at: float
    message: dict[str, Any]

    @property
    def event(self) -> str:
        """``media``, ``mark`` or ``clear``."""
        return str(self.message["event"])


@attrs.frozen
class StreamWarning:
    """An entry that Twilio's debugger would show for this stream; each code at most once."""

    code: int
    why: str
    at: float


EndedBy = Literal["twilio", "server", "network"]


@attrs.frozen
class StreamEnd:
    """End of a stream: Twilio stopped it, the server closed the socket, or the connection was lost.

    ``code`` and ``reason`` are those of the server's close frame; ``at`` is when the end was seen, in trio's clock.
    """

    by: EndedBy
    code: int | None
    reason: str
    at: float
    warnings: tuple[StreamWarning, ...]
