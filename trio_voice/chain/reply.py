"""One reply of a chain, from the question to its last sound, as far as the stages have come with it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import attrs

from trio_voice.chain.sentences import Sentences
from trio_voice.chain.tries import Tries

if TYPE_CHECKING:
    from trio_voice.chain.history import SpokenText
    from trio_voice.events.stage import Entry, ToolCall


@attrs.define(eq=False)
class Reply:
    """State of the reply."""

    reply_id: str
    language: str = "en-US"
    speculates_on: str | None = None
    """Words of the caller that it answers, if the turn may still go on; then the reply is held back."""
    is_given: bool = False
    """Its text was given: no language model is asked for it."""
    is_filler: bool = False

    # What is thought
    number: int | None = None
    """The request whose answer it is, while that is open."""
    conversation: tuple[Entry, ...] = ()
    with_tools: bool = True
    tries: Tries = attrs.field(factory=Tries)
    clauses: Sentences = attrs.field(default=attrs.Factory(lambda self: Sentences(self.language), takes_self=True))
    pieces: list[str] = attrs.field(factory=list)
    """Text that is ready to be spoken and held back."""
    thought: bool = False
    """Some text has come."""
    calls: tuple[ToolCall, ...] = ()

    # What is spoken
    line: SpokenText | None = None
    """Its place in the history, once it is told."""
    told: bool = False
    context_id: str = ""
    """The voice's context, once something was sent to be spoken; another one after the voice has failed at it."""
    contexts: int = 0
    texts: list[str] = attrs.field(factory=list)
    """Texts that were sent to be spoken, as the voice was given them."""
    repeated: bool = False
    """The voice was given it once more."""
    is_open: bool = False
    """The voice has more to make of it."""
    closed: bool = False
    """The voice was told that this was all."""
    sounded: bool = False
    offset_ms: float = 0.0
    """Sound of it that was made in contexts before this one."""
    sound_due: float = math.inf

    @property
    def is_speculative(self) -> bool:
        """True if it is held back: the turn that it answers may still go on."""
        return self.speculates_on is not None

    @property
    def spoke(self) -> bool:
        """True if something was sent to be spoken."""
        return bool(self.texts)

    @property
    def is_ready(self) -> bool:
        """True if there is something to tell of it."""
        return bool(self.pieces) or self.number is None

    def speculates_that(self, text: str) -> bool:
        """True if it answers a turn of these words, which may still go on; case and punctuation do not matter."""
        return self.speculates_on is not None and _words(self.speculates_on) == _words(text)

    def forget_thoughts(self) -> None:
        """Drop the part of the answer that was not sent to be spoken."""
        self.clauses, self.thought = Sentences(self.language), False
        self.pieces.clear()

    def next_context(self) -> str:
        """A new context of the voice for it."""
        self.contexts += 1
        self.context_id = self.reply_id if self.contexts == 1 else f"{self.reply_id}.{self.contexts}"
        self.is_open, self.closed = True, False
        return self.context_id

    @property
    def unspoken(self) -> list[str]:
        """Of the texts that were sent those that cannot have been heard, for a voice that takes over."""
        if not self.sounded or self.line is None:
            return self.texts
        heard = sum(len(_words(word)) for word, _ in self.line.words)
        rest: list[str] = []
        for text in self.texts:
            words = len(_words(text))
            if heard <= 0:
                rest.append(text)
            heard -= words
        return rest


def has_words(text: str) -> bool:
    """True if there is anything in a text that can be spoken."""
    return any(letter.isalnum() for letter in text)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
