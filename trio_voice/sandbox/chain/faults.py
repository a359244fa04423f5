"""How the sandbox's three stages vary, and how they fail. The acts are those of the voice agent's ``faults``."""

from typing import Literal

import attrs

from trio_voice.sandbox.voice_agent.faults import Strike

Whim = Literal["refuse", "overload", "hang", "cut", "error", "garbage"]
"""What a language model's server does instead of answering: 401; 503; nothing; half an answer; an error in the
stream; half an answer, then what is no JSON, then the rest."""


@attrs.frozen(kw_only=True)
class ChainManner:
    """Choices that the protocols leave to the servers."""

    sound_ms: int = 100
    """Length of a piece of speech."""
    speed: float = 10.0
    """How much faster than it is heard speech is made."""
    piece_bytes: int = 17
    """The language model's stream is cut into pieces of so many bytes, inside characters and JSON alike."""
    indexes_calls: bool = True
    """Otherwise pieces of tool calls come without ``index``."""
    tells_usage: bool = True
    says_done: bool = True
    """Otherwise the stream ends without ``[DONE]``."""
    words_per_chunk: int = 2
    early_end_ms: int = 0
    """Of silence after which the recogniser believes that a turn is over, where it tells; 0 for never."""


@attrs.frozen(kw_only=True)
class StageFaults:
    """What goes wrong with one socket."""

    never_ready: bool = False
    never_acknowledges_end: bool = False
    ignores_close: bool = False
    ready_delay_seconds: float = 0
    strikes: tuple[Strike, ...] = ()


@attrs.frozen(kw_only=True)
class ChainFaults:
    """What goes wrong with the three."""

    hearing: StageFaults = attrs.field(factory=StageFaults)
    speaking: StageFaults = attrs.field(factory=StageFaults)
    thinking: tuple[Whim | None, ...] = ()
    """For each question in turn; further ones are answered."""


USUAL: ChainManner = ChainManner()
NO_FAULTS: ChainFaults = ChainFaults()
