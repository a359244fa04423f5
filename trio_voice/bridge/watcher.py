"""Watchers of a call that lives: the seam by which somebody listens to its words and turns. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from trio_voice.record import ToolUse, Turn, Utterance


class Watcher(Protocol):
    """Told of what has changed, as it changes; must not wait, and costs no frame anything: none is told of."""

    def line(self, line: Utterance, *, settled: bool) -> None:
        """A line has begun or has more words; or, once, it is settled: nothing of it changes any more."""

    def turn(self, turn: Turn) -> None:
        """The caller is being answered."""

    def tool(self, use: ToolUse) -> None:
        """A tool has been used."""

    def state(self) -> None:
        """The call's state has changed, or what is known of its two ends."""


class Nobody:
    """Listens to nothing."""

    def line(self, line: Utterance, *, settled: bool) -> None:
        """Nobody wants to know."""

    def turn(self, turn: Turn) -> None:
        """Nobody wants to know."""

    def tool(self, use: ToolUse) -> None:
        """Nobody wants to know."""

    def state(self) -> None:
        """Nobody wants to know."""


NOBODY = Nobody()
