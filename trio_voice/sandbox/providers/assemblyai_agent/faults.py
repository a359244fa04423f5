"""Variations and failures of the sandbox's voice agent: data that a test or a demo hands to a session.

A ``Manner`` stays within the protocol; everything in it has been seen live or stands in the documentation. ``Faults``
do not: they are what networks, broken servers and hostile peers do.
"""

import enum
import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

from trio_voice.sandbox.transport.faults import Cut, Fail, Moment, Say, SocketFaults, Strike  # noqa: F401 - handed on


class BargeIn(enum.Enum):
    """Messages of a session when the caller talks over a reply."""

    BURST = "burst"
    """``input.speech.started``, ``transcript.agent``, ``reply.done``, back to back: what was seen live."""
    REVERSED = "reversed"
    """The same three the other way round."""
    SPEECH_ONLY = "speech only"
    """``input.speech.started`` and nothing more of the reply."""


@attrs.frozen(kw_only=True)
class Manner:
    """Choices that the protocol leaves to the server."""

    barge_in: BargeIn = BargeIn.BURST
    leading_silence_ms: int = 200
    """Silence that each reply begins with; live 200 to 2000."""
    ahead_ms: int = 0
    """Milliseconds before its time at which a reply's audio is sent; live, hardly any."""
    preamble_ms: int = 2_300
    """Milliseconds that a reply which calls a tool is held open, silent, while there is no result."""
    legacy_args: bool = False
    """``tool.call`` names its arguments ``args``, as until the spring of 2026."""
    polices_audio_rate: bool = False
    """Drop what comes over a second faster than real time and say ``audio_rate_violation``: documented, not seen."""
    longest_seconds: float = 3_595
    """After this the session expires. The documentation says three hours, ``expires_at`` said this."""


AT_READY: Final = Moment("session.ready")
MID_GREETING: Final = Moment("reply.audio", 10, reply=1)
MID_REPLY: Final = Moment("reply.audio", 10, reply=2)
IN_TOOL: Final = Moment("tool.call")
AT_GOODBYE: Final = Moment("session.end", heard=True)

GARBAGE: Final = Say(
    ("not JSON", "", "[]", "7", '"text"', "{}", '{"type":7}', '{"type":null}', '{"type":"reply.audio"}')
)
BINARY: Final = Say((b"\x00\xff\x80 not text",))
UNKNOWN: Final = Say(
    (
        '{"type":"future.event","timestamp":1.5,"reply_id":"resp_0"}',
        '{"type":"reply.error","timestamp":1.5,"reply_id":"resp_0","code":"llm_provider_error","retryable":true}',
    )
)
"""Events that a client may not know; the second is in the newest schema only."""


def huge(size: int) -> Say:
    """One event of about ``size`` bytes."""
    return Say((json.dumps({"type": "future.event", "padding": "x" * size}),))


def flood(times: int) -> Say:
    """As many small events, at once."""
    return Say(('{"type":"input.speech.started","timestamp":1.5}',), times)


@attrs.frozen(kw_only=True)
class Faults(SocketFaults):
    """Everything that goes wrong with a session. After ``never_ready``, a first update is still answered."""

    never_acknowledges_end: bool = False
    """``session.end`` is not answered, and the socket stays open."""
    late_chunks: int = 0
    """Number of ``reply.audio`` of an interrupted reply that come after its ``reply.done``."""
    echo_differences: Mapping[str, Any] = attrs.field(factory=dict)
    """False values in the echoed configuration, by path, such as ``{"output.voice": "anna"}``."""


USUAL: Final = Manner()
NO_FAULTS: Final = Faults()

CLOSE_CODES: Final = {
    **dict.fromkeys(("unauthorized", "forbidden", "session_forbidden", "session_not_found", "session_expired"), 1008),
    **dict.fromkeys(("at_capacity", "concurrency_exceeded", "agent_not_found"), 1008),
    **dict.fromkeys(("internal_error", "server_error", "agent_init_failed", "agent_timeout"), 1011),
}
"""Close codes of the socket after these error codes, whenever they come; after any other it stays open."""
