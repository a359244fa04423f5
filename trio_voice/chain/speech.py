"""Replies on their way to a chain's voice: texts made fit to be spoken, contexts, and how long their sound plays."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from trio_voice.chain.reply import has_words
from trio_voice.events import model as c
from trio_voice.events import stage as s
from trio_voice.speech_text.speakable import speakable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio_voice.chain.reply import Reply

_PLAIN: Final = re.compile(r"[^\w\s.,?!'’-]+")


class Speech:
    """Speech that is sent to the voice.

    Args:
        sound_seconds: how long the voice may keep a text without making a sound of it.
        language: of the agent.
        timed_words: whether the voice says when each word is spoken.
        spelled_out: whether it has to be given figures and abbreviations in words.
    """

    def __init__(self, sound_seconds: float, language: str, *, timed_words: bool, spelled_out: bool = False) -> None:
        self._sound_seconds = sound_seconds
        self._language = language
        self.timed_words = timed_words
        self._spelled_out = spelled_out
        self._plays_until = -math.inf

    def is_playing(self, now: float) -> bool:
        """True if the caller is probably still hearing what was made: speech is made faster than it is heard."""
        return now < self._plays_until

    def cut(self, now: float) -> None:
        """Drop all that was not heard."""
        self._plays_until = now

    def sounded(self, reply: Reply, ms: float, now: float) -> None:
        """A piece of a reply's sound has come."""
        reply.sounded = True
        reply.sound_due = math.inf if not reply.closed else now + self._sound_seconds
        self._plays_until = max(self._plays_until, now) + ms / 1_000

    def speak(self, reply: Reply, pieces: Sequence[str], *, over: bool, now: float) -> list[s.Speak | c.ReplyWords]:
        """Have pieces of a reply spoken, which are its last if it is ``over``."""
        out: list[s.Speak | c.ReplyWords] = []
        spoken = [(piece, speakable(piece, self._language, spelled_out=self._spelled_out)) for piece in pieces]
        last = max((at for at, (_, text) in enumerate(spoken) if has_words(text)), default=-1)
        for at, (piece, text) in enumerate(spoken):
            if reply.line is not None:
                reply.line.text += piece
            if not has_words(text):
                continue  # there is nothing to hear in it, and some voices refuse it
            is_last = over and at == last
            context = reply.context_id if reply.is_open else reply.next_context()
            reply.texts.append(text if is_last else f"{text} ")
            reply.sound_due = min(reply.sound_due, now + self._sound_seconds)
            reply.closed = is_last
            out.append(s.Speak(context, reply.texts[-1], is_last))
            if not self.timed_words:
                out.append(c.ReplyWords(reply.reply_id, piece, None))
        if over and reply.is_open and not reply.closed:
            reply.closed = True
            out.append(s.Speak(reply.context_id, "", last=True))
        return out

    def paused(self, reply: Reply) -> None:
        """The voice has closed a context with more text to come."""
        reply.is_open, reply.sound_due = False, math.inf
        if reply.line is not None:
            reply.offset_ms = reply.line.made_ms

    def again(self, reply: Reply, texts: Sequence[str], now: float) -> list[s.Speak]:
        """Have texts of a reply spoken in another context."""
        closed = reply.closed
        context = reply.next_context()
        reply.closed, reply.sound_due = closed, now + self._sound_seconds
        if reply.line is not None:
            reply.offset_ms = reply.line.made_ms
        return [s.Speak(context, text, closed and at == len(texts) - 1) for at, text in enumerate(texts)]

    def again_plainly(self, reply: Reply, now: float) -> list[s.Speak]:
        """The same without any sign that a voice might take offence at."""
        texts = [_PLAIN.sub(" ", text) for text in reply.texts]
        return self.again(reply, texts, now)
