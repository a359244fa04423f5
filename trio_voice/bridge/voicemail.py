"""A message that a machine is left: said once, and once more if it was not said or was cut off."""

from __future__ import annotations

from typing import Final

FIRST_WORDS: Final = 3
"""Words by which a message is known."""


class Voicemail:
    """One message.

    Args:
        text: of it.
    """

    __slots__ = ("_text", "may_be_said_again")

    def __init__(self, text: str) -> None:
        self._text = text
        self.may_be_said_again = True

    def say_again(self) -> str:
        """The message, for the second time and the last."""
        self.may_be_said_again = False
        return self._text

    def is_begun_by(self, said: str) -> bool:
        """True if these words begin as it does; models answer a machine that talks as well."""
        first, ours = said.split()[:FIRST_WORDS], self._text.split()[:FIRST_WORDS]
        return [word.casefold() for word in first] == [word.casefold() for word in ours]
