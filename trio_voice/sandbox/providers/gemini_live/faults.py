"""Variations and failures of the sandbox's Gemini. Those that strike a connection are in ``transport/faults.py``."""

from typing import Final

import attrs

from trio_voice.sandbox.transport.faults import Moment, Say, SocketFaults


@attrs.frozen(kw_only=True)
class GeminiManner:
    """Choices that the protocol leaves to the server."""

    speed: float = 4.0
    """Times faster than it is heard that a reply comes."""
    chunk_bytes: int = 1_921
    """Of one piece of a reply: 40 ms, and half a sample."""
    null_ids: bool = False
    """Tool calls have no ids."""
    parallel_calls: int = 1
    """Calls of each tool, in one message."""
    longest_seconds: float = 600.0
    """After this the connection is closed, whatever the session has left to say."""
    notice_seconds: float = 60.0
    """Seconds before that at which ``goAway`` comes; 0 for never."""


@attrs.frozen(kw_only=True)
class GeminiFaults(SocketFaults):
    """Everything that goes wrong with a session.

    Strikes know events by these names: each field of a message, of ``serverContent`` each field's own, ``audio`` for
    sound.
    """

    late_chunks: int = 0
    """Number of pieces of an interrupted reply that come after ``interrupted``."""
    wedges: bool = False
    """From the first ``interrupted`` on it hears, and answers nothing any more."""
    wakes_on_text: bool = False
    """Until it is told something in words."""
    refuses_handles: int | None = None
    """The close code of a session that is to be taken up."""


USUAL: Final = GeminiManner()
NO_FAULTS: Final = GeminiFaults()

AT_READY: Final = Moment("setupComplete")
MID_GREETING: Final = Moment("audio", 10, reply=1)
MID_REPLY: Final = Moment("audio", 10, reply=2)
IN_TOOL: Final = Moment("toolCall")

GARBAGE: Final = Say(
    (b"not JSON", b"", b"[]", b"7", b"\x00\xff", b'{"serverContent":7}', b'{"toolCall":{"functionCalls":[{}]}}')
)
UNKNOWN: Final = Say((b'{"futureField":{"a":1}}', b'{"voiceActivity":{"voiceActivityType":"ACTIVITY_START"}}'))
