"""Conversations that are had with a server: their turns, and the times at which each of its messages was where."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ONE_WAY: Final = 0.02
"""Seconds that a message is on its way."""
NAMES: Final = re.compile(r"\bK[a-j]+\b")
"""A caller's name, which is in every question and in every answer, so that providers know whose they are."""

Kind = Literal["first", "later", "after idling", "resumed", "eager"]


def name_of(number: int) -> str:
    """The name of a caller: letters, for a voice's text is changed where it has figures."""
    return "K" + "".join("abcdefghij"[int(digit)] for digit in str(number))


@attrs.define(eq=False)
class Turn:
    """Times at which its messages were at the providers: before their way to the server, or after their way from it."""

    kind: Kind
    words: str = ""
    """As the recogniser hands them over at last."""
    final_sent: float = 0.0
    question_came: float = 0.0
    piece_sent: float = 0.0
    text_came: float = 0.0
    sound_sent: float = 0.0
    heard: trio.Event = attrs.field(factory=trio.Event)
    heard_at: float = 0.0

    @property
    def shares(self) -> tuple[float, float, float]:
        """The server's own, in seconds: to the question, to the voice, to the caller."""
        return (
            self.question_came - self.final_sent - 2 * ONE_WAY,
            self.text_came - self.piece_sent - 2 * ONE_WAY,
            self.heard_at - self.sound_sent - ONE_WAY,
        )


@attrs.define(eq=False)
class Question:
    """One request to the language model."""

    turn: Turn
    words: str
    tokens: int = 0
    """Of its answer, that were made before the server left."""

    @property
    def in_vain(self) -> bool:
        """True if it was asked before the caller had finished, and they went on."""
        return _plain(self.words) != _plain(self.turn.words)


def _plain(words: str) -> str:
    return re.sub(r"\W+", " ", words).strip().casefold()


@attrs.define(eq=False)
class Call:
    """One conversation."""

    name: str
    say: Callable[[dict[str, Any]], Awaitable[None]] | None = None
    """Sends something to the server in the recogniser's name."""
    hears: trio.Event = attrs.field(factory=trio.Event)
    greeted: trio.Event = attrs.field(factory=trio.Event)
    began: float = 0.0
    """The caller has sent ``start``."""
    greeted_at: float = 0.0
    turns: list[Turn] = attrs.field(factory=list)
    is_over: bool = False
    """The caller has said all that they had to say."""
