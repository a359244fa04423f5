"""One reply of a chain, from the question to its last sound, as far as the stages have come with it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import attrs

from trio_voice.chain.sentences import Sentences

if TYPE_CHECKING:
    from trio_voice.chain.history import SpokenText
    from trio_voice.events.stage import Entry, ToolCall


@attrs.define(eq=False)
class Reply:
    """What has become of it."""

    reply_id: str
    speculates_on: str | None = None
    """What the caller said, if the turn may still go on; then the reply is held back."""
    number: int | None = None
    """The request whose answer it is, while that is open."""
    conversation: tuple[Entry, ...] = ()
    attempts: int = 1
    clauses: Sentences = attrs.field(factory=Sentences)
    pieces: list[str] = attrs.field(factory=list)
    """Text that is ready to be spoken and held back."""
    thought: bool = False
    """Some text has come."""
    calls: tuple[ToolCall, ...] = ()
    line: SpokenText | None = None
    """Its place in the history, once it is told; a filler has none."""
    is_filler: bool = False
    told: bool = False
    spoke: bool = False
    """Something was sent to be spoken."""
    sound_due: float = math.inf

    @property
    def is_speculative(self) -> bool:
        """Whether it is held back: the turn that it answers may still go on."""
        return self.speculates_on is not None

    def speculates_that(self, text: str) -> bool:
        """Whether it answers a turn of these words, which may still go on; case and punctuation do not matter."""
        return self.speculates_on is not None and _words(self.speculates_on) == _words(text)

    def begin_again(self) -> None:
        """Its question is asked once more: forget what came of the answer."""
        self.attempts += 1
        self.clauses, self.thought = Sentences(), False
        self.pieces.clear()


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
