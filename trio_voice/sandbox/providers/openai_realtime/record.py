"""Record of a session of the sandbox's realtime server: tests assert on it and a demo shows it."""

from itertools import groupby
from typing import Final

import attrs

from trio_voice.sandbox.agent.replies import Line, ToolUse
from trio_voice.sandbox.providers.assemblyai_agent.faults import NO_FAULTS, Faults
from trio_voice.sandbox.providers.openai_realtime.config import Config
from trio_voice.sandbox.transport.record import SocketRecord

NORMAL_CLOSURE: Final = 1000


@attrs.frozen(kw_only=True)
class Manner:
    """Choices that the protocol leaves to the server, and what a script cannot say."""

    times_real_time: float = 4
    """Times faster than it is heard that a response's sound is made, as by all of them."""
    chunk_ms: int = 50
    leading_silence_ms: int = 0
    parallel: tuple[ToolUse, ...] = ()
    """Further calls beside each that the generator makes."""
    transcribes_after_seconds: float = 0
    """Seconds after its end at which the caller's turn is written down; the response does not wait for it."""
    items_per_reply: int = 1
    """Messages that a reply is made of, each with a part of the words."""
    echoes_items: bool = True
    """Echo items that the client adds to the conversation; some servers do not."""
    fails_responses: tuple[int, ...] = ()
    """Responses of the session, from 1, that fail before a word is said."""
    longest_seconds: float = 3_600
    tells_expiry: bool = True
    """Tell at the session's beginning when that is over, as OpenAI does."""


USUAL: Final = Manner()


@attrs.define(kw_only=True, eq=False)
class RealtimeSession(SocketRecord):
    """One socket's session. Times are seconds of trio's clock."""

    provider: str = "openai-realtime"
    authorization: str
    model: str
    dialect: str
    beta: bool = False
    """The client asks for the API's older shape."""
    manner: Manner = USUAL
    faults: Faults = NO_FAULTS
    session_id: str = ""
    ended_at: float | None = None
    """The server ended the session."""

    payloads: list[str] = attrs.field(factory=list, repr=False)
    """The ``audio`` of every append that was listened to, as it came."""
    history: list[Line] = attrs.field(factory=list, repr=False)
    """Lines that were said, as the agent remembers them: of a truncated item only what was left of it."""
    truncations: list[tuple[str, int]] = attrs.field(factory=list)
    """Item and milliseconds of each that was accepted."""
    early_payloads: int = 0
    """Pieces of audio from before the session's settings: they would be taken for 24 kHz."""
    text_items: int = 0
    """Number of items that xAI bills apart: those that the client made, results of tools excepted."""

    config: Config = attrs.field(factory=Config, repr=False)

    @property
    def told_goodbye(self) -> bool:
        """True if the client closed the socket politely: the protocol has no other goodbye."""
        return self.client_close_code == NORMAL_CLOSURE

    @property
    def types_sent(self) -> list[str]:
        """The types of the events sent, in order, a row of equal ones counted as one."""
        return [kind for kind, _ in groupby(event["type"] for _, event in self.sent)]
