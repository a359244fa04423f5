"""One socket of the sandbox's chain: what is known of it, and what its messages are called. No protocol."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import trio

from trio_voice.net.channel import Channel
from trio_voice.sandbox.providers.chain.faults import StageFaults
from trio_voice.sandbox.transport.faults import Close
from trio_voice.sandbox.transport.record import SocketRecord
from trio_voice.sandbox.transport.wire import Message, Wire, parse

OUTBOX_MESSAGES: Final = 4_000
"""See ``Wire``."""


@attrs.define(kw_only=True, eq=False)
class StageSession(SocketRecord):
    """One socket. Times are seconds of trio's clock."""

    credential: str
    """The credential of the client, from the header that counts."""
    path: str
    query: Mapping[str, str]
    faults: StageFaults
    ended_at: float | None = None
    """The session was over: the goodbye came, or the server ended it."""
    told_goodbye: bool = False


class StageWire(Wire):
    """A wire of one stage, which knows what its messages are called.

    Args:
        channel: closed when ``run`` returns or raises.
        session: kept up to date.
        hear: told each message; never waits.
    """

    def __init__(self, channel: Channel, session: StageSession, hear: Callable[[str | bytes], None]) -> None:
        def note_and_hear(message: str | bytes) -> None:
            self.note(message, _kind(message), is_sound=isinstance(message, bytes))
            hear(message)

        super().__init__(channel, session, note_and_hear, outbox_messages=OUTBOX_MESSAGES)
        self._session = session

    def post(self, message: dict[str, Any]) -> None:
        """Have a message sent, in order. Never waits."""
        self.put(Message(message, (_kind_of(message),), is_sound="audio" in message))

    def end(self, code: int, reason: str = "") -> None:
        """Close the socket after what was posted."""
        if self._session.ended_at is None:
            self._session.ended_at = trio.current_time()
        self.put(Close(code, reason))


def _kind(message: str | bytes) -> str:
    """The name of a client's message where a fault strikes at it."""
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
