"""Patience with a language model that has not begun to answer, whichever its protocol."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trio_voice.protocols.settings import StageSettings

FIRST_BYTE_SECONDS: Final = 20.0
"""Time that the only model may take for the first piece of an answer: nobody else could be asked meanwhile."""
FIRST_BYTE_SECONDS_OF_SEVERAL: Final = 5.0
"""The same where another language model could be asked."""
SECOND_SECONDS: Final = 8.0
"""Time that the question to the only model may be without an answer before another is put beside it."""


def first_byte_seconds(settings: StageSettings, *, others: bool, usual: float = FIRST_BYTE_SECONDS) -> float:
    """Time for the first piece of an answer: the configured one, or what is ``usual`` of the only model."""
    return settings.first_byte_seconds or (FIRST_BYTE_SECONDS_OF_SEVERAL if others else usual)


def second_after_seconds(settings: StageSettings) -> float:
    """After how long the only model is asked a second time: who is slow must not be hung up on, who hangs must."""
    return SECOND_SECONDS if settings.first_byte_seconds is None else math.inf
