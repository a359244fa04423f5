"""How the sandbox's three stages vary, and how they fail. The acts are those of the voice agent's ``faults``."""

from collections.abc import Iterator
from typing import Final, Literal

import attrs

from trio_voice.sandbox.voice_agent.faults import Strike

Whim = Literal["refuse", "overload", "hang", "cut", "error", "garbage"]
"""What a language model's server does instead of answering: 401; 503 or 529; nothing; half an answer; an error in the
stream; half an answer, then what is no JSON, then the rest."""


LETTERS_PER_CHUNK: Final = 5


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

    def chunks_of_words(self, text: str) -> Iterator[str]:
        """What a language model says, as it comes."""
        words = text.split(" ") if text else []
        for at in range(0, len(words), self.words_per_chunk):
            said = " ".join(words[at : at + self.words_per_chunk])
            yield said if at == 0 else f" {said}"

    @staticmethod
    def chunks_of_letters(text: str) -> Iterator[str]:
        """The arguments of a tool, as they come."""
        for at in range(0, len(text), LETTERS_PER_CHUNK):
            yield text[at : at + LETTERS_PER_CHUNK]


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
