"""Variations and failures of the sandbox's three stages. The acts are in ``transport/faults.py``."""

from collections.abc import Iterator
from typing import Final, Literal

import attrs

from trio_voice.sandbox.transport.faults import SocketFaults

Whim = Literal["refuse", "overload", "hang", "cut", "error", "garbage", "broken_call"]
"""Acts of a language model's server instead of answering: 401; 503 or 529; nothing; half an answer; an error in the
stream; half an answer, then what is no JSON, then the rest; a tool call whose arguments stop in the middle."""


LETTERS_PER_CHUNK: Final = 5


@attrs.frozen(kw_only=True)
class ChainManner:
    """Choices that the protocols leave to the servers."""

    sound_ms: int = 100
    """Length of a piece of speech."""
    speed: float = 10.0
    """Times faster than it is heard that speech is made."""
    voice_seconds: float = 0.0
    """Seconds that the voice takes for the first sound of each text."""
    piece_bytes: int = 17
    """The language model's stream is cut into pieces of so many bytes, inside characters and JSON alike."""
    indexes_calls: bool = True
    """Otherwise pieces of tool calls come without ``index``."""
    parallel_calls: int = 1
    """A tool is asked for so many times in one answer; with an index, the pieces of the calls come in turns."""
    tells_usage: bool = True
    says_done: bool = True
    """Otherwise the stream ends without ``[DONE]``."""
    words_per_chunk: int = 2
    chunk_seconds: float = 0.0
    """Between the chunks of an answer: how fast the language model writes."""
    settle_ms: int = 40
    """Of further silence until a recogniser that has believed a turn to be over is sure of it (Flux); 0 for at once."""

    def chunks_of_words(self, text: str) -> Iterator[str]:
        """Pieces of a language model's text, as they come."""
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
class StageFaults(SocketFaults):
    """Faults of one socket."""

    never_acknowledges_end: bool = False


@attrs.frozen(kw_only=True)
class ChainFaults:
    """Faults of the three."""

    hearing: StageFaults = attrs.field(factory=StageFaults)
    speaking: StageFaults = attrs.field(factory=StageFaults)
    thinking: tuple[Whim | None, ...] = ()
    """For each question in turn; further ones are answered."""
    speaking_http: tuple[Whim | None, ...] = ()
    """For each text in turn, where the voice is asked over HTTP."""


USUAL: ChainManner = ChainManner()
NO_FAULTS: ChainFaults = ChainFaults()
