"""One reply of a chain, from the question to its last sound, as far as the stages have come with it."""

from __future__ import annotations

import math
import re
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.chain.circles import Circles
from trio_voice.chain.sentences import Sentences
from trio_voice.chain.tries import Tries
from trio_voice.speech_text.speakable import speakable

if TYPE_CHECKING:
    from trio_voice.chain.history import SpokenText
    from trio_voice.events.stage import Entry, ToolCall

LETTER_MS: Final = 60.0
"""Sound of a letter, spoken not too slowly: where nothing else tells how far a voice has come."""
HASTE: Final = 0.7
"""Share of it that a voice in a hurry needs."""
_WORD: Final = re.compile(r"\w+")


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
    circles: Circles = attrs.field(factory=Circles)
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
    """Texts that were sent to be spoken, as the voice was given them; to a voice that took over, what was left."""
    words_before: int = 0
    """Words in its line that a voice before has spoken, and the sound that it has made of them."""
    ms_before: float = 0.0
    words_ahead: deque[tuple[str, float]] = attrs.field(factory=deque)
    """Words of the context, and when they are spoken, whose sound has not been made yet."""
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

    def is_heard(self, piece: str) -> bool:
        """True if there is something to hear in a piece of it: more than a stage direction, or markup."""
        return has_words(speakable(piece, self.language))

    def speculates_that(self, text: str) -> bool:
        """True if it answers a turn of these words, which may still go on; case and punctuation do not matter."""
        return self.speculates_on is not None and words_of(self.speculates_on) == words_of(text)

    def forget_thoughts(self) -> None:
        """Drop the part of the answer that was not sent to be spoken."""
        self.clauses, self.circles, self.thought = Sentences(self.language), Circles(), False
        self.pieces.clear()

    def next_context(self) -> str:
        """A new context of the voice for it."""
        self.contexts += 1
        self.context_id = self.reply_id if self.contexts == 1 else f"{self.reply_id}.{self.contexts}"
        self.is_open, self.closed = True, False
        self.words_ahead.clear()
        return self.context_id

    def take_unspoken(self) -> list[str]:
        """Of the texts that were sent what cannot have been heard, for a voice that takes over; they are its texts now.

        It begins anew with a word that the voice may have broken off in.
        """
        if not self.sounded or self.line is None:
            return self.texts
        heard, rest = self._heard_words(self.line), list[str]()
        for text in self.texts:
            words = list(_WORD.finditer(text))
            if heard < len(words) or not (heard or rest or words):
                rest.append(text[words[heard].start() :] if words and heard else text)
            heard = max(heard - len(words), 0)
        self.texts = rest or self.texts
        self.words_before, self.ms_before = len(self.line.words), self.line.made_ms
        return rest

    @property
    def is_spoken(self) -> bool:
        """True if there is sound of all its words: by their times, else by its length, of a voice in a hurry."""
        if self.line is None or not self.closed:
            return False
        timed = self.line.words[self.words_before :]
        if timed:
            return len(words_of("".join(word for word, _ in timed))) >= len(words_of("".join(self.texts)))
        letters = sum(len(text.strip()) for text in self.texts)
        return self.line.made_ms - self.ms_before >= letters * LETTER_MS * HASTE

    @property
    def has_lost_text(self) -> bool:
        """True if no word of its last text was timed, and there is no sound either that may be that text's."""
        timed = self.line.words[self.words_before :] if self.line is not None else []
        if self.line is None or not timed or len(self.texts) < 2:
            return False
        words = words_of("".join(word for word, _ in timed))
        if len(words) > len(words_of("".join(self.texts[:-1]))):
            return False
        last, start_ms = timed[-1]
        letters = len(last.strip()) + len(self.texts[-1].strip()) * HASTE / 2
        return self.line.made_ms - start_ms < letters * LETTER_MS

    def forget_lost_text(self) -> None:
        """Take a text that the voice has lost twice for one that was never sent."""
        if self.line is not None:
            self.line.text = "".join(word for word, _ in self.line.words)
        self.texts.pop()

    def _heard_words(self, line: SpokenText) -> int:
        """Words of the texts that were spoken to their end: by their times, else by the length of the sound."""
        timed = line.words[self.words_before :]
        if not timed:
            letters = (line.made_ms - self.ms_before) / LETTER_MS
            return sum(word.end() <= letters for word in _WORD.finditer("".join(self.texts)))
        begun = [(word, start_ms) for word, start_ms in timed if start_ms < line.made_ms]
        whole = begun and line.made_ms - begun[-1][1] >= len(begun[-1][0].strip()) * LETTER_MS
        return len(words_of("".join(word for word, _ in begun))) - (not whole and bool(begun))  # some come in pieces


def has_words(text: str) -> bool:
    """True if there is anything in a text that can be spoken."""
    return any(letter.isalnum() for letter in text)


def words_of(text: str) -> list[str]:
    """The words of a text, without case and punctuation."""
    return _WORD.findall(text.casefold())
