"""How the sandbox's voice agent varies, and how it fails: data that a test or a demo hands to a session.

A ``Manner`` stays within the protocol; everything in it has been seen live or stands in the documentation. ``Faults``
do not: they are what networks, broken servers and hostile peers do.
"""

import enum
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs
import trio

from trio_voice.legs.channel import Channel
from trio_voice.sandbox.memory import MemoryChannel
from trio_voice.sandbox.sockets import SandboxSocket


class BargeIn(enum.Enum):
    """What a session says when the caller talks over a reply."""

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
    """How far before its time a reply's audio is sent; live, hardly at all."""
    preamble_ms: int = 2_300
    """How long a reply that calls a tool is held open, silent, while there is no result."""
    legacy_args: bool = False
    """``tool.call`` names its arguments ``args``, as until the spring of 2026."""
    polices_audio_rate: bool = False
    """Drop what comes over a second faster than real time and say ``audio_rate_violation``: documented, not seen."""
    longest_seconds: float = 3_595
    """After this the session expires. The documentation says three hours, ``expires_at`` said this."""


# When a fault strikes


@attrs.frozen
class Moment:
    """The ``nth`` event of a kind; an empty ``event`` is any.

    ``reply`` counts only the events within that reply of the session, from 1, the greeting included. Counted are the
    events that the server has sent, or, if ``heard``, the client's messages.
    """

    event: str = ""
    nth: int = 1
    reply: int | None = None
    heard: bool = False


AT_READY: Final = Moment("session.ready")
MID_GREETING: Final = Moment("reply.audio", 10, reply=1)
MID_REPLY: Final = Moment("reply.audio", 10, reply=2)
IN_TOOL: Final = Moment("tool.call")
AT_GOODBYE: Final = Moment("session.end", heard=True)

# What strikes


@attrs.frozen
class Cut:
    """End the TCP connection without a close frame, by FIN or by RST."""

    reset: bool = False


@attrs.frozen
class GoSilent:
    """Send nothing more, not even the session's end; go on reading, and answer a close."""


@attrs.frozen
class StopReading:
    """Take nothing more from the socket; go on sending."""


@attrs.frozen
class Close:
    """Close the socket without a word before it; 1011 is the code of a server that crashed."""

    code: int = 1011
    reason: str = ""


@attrs.frozen
class Fail:
    """Say ``session.error``, and close where that code does."""

    code: str
    message: str = "made to fail"


@attrs.frozen
class Say:
    """Send these as they are, ``times`` over, as fast as they are taken."""

    messages: tuple[str | bytes, ...]
    times: int = 1


Act = Cut | GoSilent | StopReading | Close | Fail | Say

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


@attrs.frozen
class Strike:
    """Something that happens right after a moment's event was sent, or before a heard one is obeyed."""

    when: Moment
    act: Act


@attrs.frozen(kw_only=True)
class Faults:
    """Everything that goes wrong with a session. May be exchanged while it runs."""

    never_acknowledges_end: bool = False
    """``session.end`` is not answered, and the socket stays open."""
    ignores_close: bool = False
    """A close frame is not answered, and the connection stays open."""
    never_ready: bool = False
    """A first update is answered by ``session.updated`` and then by nothing."""
    ready_delay_seconds: float = 0
    late_chunks: int = 0
    """How much more ``reply.audio`` of an interrupted reply comes after its ``reply.done``."""
    echo_differences: Mapping[str, Any] = attrs.field(factory=dict)
    """What the echoed configuration says wrongly, by path, such as ``{"output.voice": "anna"}``."""
    strikes: tuple[Strike, ...] = ()


USUAL: Final = Manner()
NO_FAULTS: Final = Faults()

CLOSE_CODES: Final = {
    **dict.fromkeys(("unauthorized", "forbidden", "session_forbidden", "session_not_found", "session_expired"), 1008),
    **dict.fromkeys(("at_capacity", "concurrency_exceeded", "agent_not_found"), 1008),
    **dict.fromkeys(("internal_error", "server_error", "agent_init_failed", "agent_timeout"), 1011),
}
"""How the socket is closed after these codes, whenever they come; after any other it stays open."""


class Tally:
    """Counts what is sent and heard, and so knows when a fault is due.

    Args:
        reply_begins: the event that begins each reply.
    """

    def __init__(self, reply_begins: str = "reply.started") -> None:
        self._reply_begins = reply_begins
        self._replies = 0
        self._counts: Counter[tuple[bool, str, int | None]] = Counter()

    def count(self, event: str, strikes: Iterable[Strike], *, heard: bool = False) -> list[Act]:
        """Take an event into account; returns what strikes because of it."""
        self._replies += event == self._reply_begins
        kinds = {(heard, kind, reply) for kind in ("", event) for reply in (None, self._replies)}
        self._counts.update(kinds)
        moments = ((strike, (strike.when.heard, strike.when.event, strike.when.reply)) for strike in strikes)
        return [strike.act for strike, kind in moments if kind in kinds and self._counts[kind] == strike.when.nth]


# What faults do to a connection


async def cut(channel: Channel, *, reset: bool) -> None:
    """End the connection without a close frame."""
    if isinstance(channel, MemoryChannel):
        channel.cut()
    elif isinstance(channel, SandboxSocket):
        await (channel.cut_with_reset() if reset else channel.cut_with_fin())
    else:
        await channel.abort()


def refuse_to_read(channel: Channel) -> None:
    """In memory, have the client's sends wait at once; on a real socket they will when its buffers are full."""
    if isinstance(channel, MemoryChannel):
        channel.peer.stall_sends()


def refuse_to_close(channel: Channel) -> None:
    """Have a close of the client's stay unanswered and its connection open, until ours is aborted."""
    if isinstance(channel, MemoryChannel):
        channel.mute_close()
    elif isinstance(channel, SandboxSocket):
        # trio-websocket answers a close by itself, whatever we read or do, and then ends the connection.
        connection: Any = channel._connection
        connection._stream = _NeverCloses(channel._stream)


class _NeverCloses:
    """What trio-websocket uses of a stream, but close frames are not sent and the connection does not end."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.receive_some = stream.receive_some

    async def send_all(self, data: bytes) -> None:
        if data[:1] == b"\x88":  # RFC 6455, 5.5.1: FIN and opcode 8
            await trio.lowlevel.checkpoint()
        else:
            await self._stream.send_all(data)

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
