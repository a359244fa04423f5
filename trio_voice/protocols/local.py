"""Hearing and speaking on this machine, as stages of a chain: ``kind = "local"``.

There is no wire: ears, recogniser and voice are in this process (``legs/chain/local.py``). Here is what they are asked
for in config.toml, and what becomes of what they hear: a turn that may be over when the caller pauses, and is over when
the pause has lasted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from trio_voice.audio.mulaw import BYTES_PER_MS
from trio_voice.events.stage import SpeechBegan, TurnGoesOn, TurnMayBeOver, TurnOver, TurnResumed
from trio_voice.protocols.settings import SANDBOX, StageSettings

if TYPE_CHECKING:
    from trio_voice.events.stage import HearingFact

PROVIDER: Final = "local"

EARLY_MS: Final = 224
"""Of silence, 7 windows of the ears: then a turn may be over."""
SETTLE_MS: Final = 224
"""Of sound besides, in which the caller does not go on: then it is. Together 448 ms, longer than the pauses within a
sentence, and not much longer, since the caller waits for all of it."""


def _check_url(settings: StageSettings) -> None:
    if settings.url not in {None, SANDBOX}:
        raise ValueError("a stage of kind local has no url: it is on this machine")


@attrs.frozen(kw_only=True)
class LocalHearingSettings(StageSettings):
    """``stt = { kind = "local" }``: the recogniser of this machine (the ``speech`` extra), in English."""

    default_url: ClassVar[str] = "wss://localhost"
    own_credential: ClassVar[str] = ""
    scheme: ClassVar[str] = "wss"

    url: str | None = None
    """There is none: ``sandbox``, which once stood here by default, says the same."""

    def __attrs_post_init__(self) -> None:
        _check_url(self)


@attrs.frozen(kw_only=True)
class LocalSpeakingSettings(StageSettings):
    """``tts = { kind = "local" }``: the voice of this machine (the ``speech`` extra), in English."""

    default_url: ClassVar[str] = "https://localhost"
    own_credential: ClassVar[str] = ""

    url: str | None = None
    """There is none: ``sandbox``, which once stood here by default, says the same."""
    voice: str = "alba"
    """Name of the voice: ``alba``, ``eve``, ``george`` and ``michael`` are American; ``anna``, ``vera``, ``charles``
    and ``paul`` British. A persona's own ``voice`` goes before it."""

    def __attrs_post_init__(self) -> None:
        _check_url(self)


class LocalTurns:
    """The caller's turns, made of what the ears report and of the words of each utterance.

    Its only clock is the sound that was heard. An utterance is what was said between two pauses; its words become
    known later than the pause, or never.
    """

    def __init__(self) -> None:
        self._index = 0
        self._heard_bytes = 0
        self._settled_at = 0
        """In bytes heard: from then on a turn whose words are known is over."""
        self._words: list[str] = []
        """Of the turn, an utterance each."""
        self._in_turn = False
        self._speaking = False
        self._unknown = 0
        """Utterances whose words are not known yet."""
        self._told_early = False

    def heard(self, size: int) -> list[HearingFact]:
        """So many bytes of mu-law were heard, after whatever the ears have reported of them."""
        self._heard_bytes += size
        return self._settle()

    def speech_started(self) -> list[HearingFact]:
        """The caller begins to speak, or goes on."""
        self._speaking = True
        resumed, self._told_early = self._told_early, False
        if not self._in_turn:
            self._in_turn = True
            return [SpeechBegan(words_come_last=True)]
        return [TurnResumed(self._item_id)] if resumed else []

    def speech_stopped(self) -> None:
        """The caller pauses: an utterance is complete, and ``understood`` will tell its words."""
        self._speaking = False
        self._unknown += 1
        self._settled_at = self._heard_bytes + SETTLE_MS * BYTES_PER_MS

    def understood(self, words: str) -> list[HearingFact]:
        """The words of the next utterance, in their order; empty for none."""
        self._unknown -= 1
        if words:
            self._words.append(words)
        facts: list[HearingFact] = []
        if self._words and not (self._speaking or self._unknown):
            self._told_early = True
            facts = [TurnGoesOn(self._item_id, self._text), TurnMayBeOver(self._item_id, self._text)]
        return facts + self._settle()

    def end(self) -> list[HearingFact]:
        """The turn ends without any further pause; ``speech_stopped`` comes first where the caller was speaking."""
        self._settled_at = self._heard_bytes
        return self._settle()

    @property
    def _item_id(self) -> str:
        return f"caller_{self._index}"

    @property
    def _text(self) -> str:
        return " ".join(self._words)

    def _settle(self) -> list[HearingFact]:
        known = self._in_turn and not (self._speaking or self._unknown)
        if not known or self._heard_bytes < self._settled_at:
            return []
        over = TurnOver(self._item_id, self._text)
        self._index += 1
        self._words.clear()
        self._in_turn = self._told_early = False
        return [over]


def timed_words(text: str, ms: float) -> list[tuple[str, float]]:
    """The words of a text, each with the space after it, and when each begins, if all letters last equally long."""
    words: list[tuple[str, float]] = []
    at = 0
    each = ms / max(len(text), 1)
    for word in text.split(" "):
        if word.strip():
            words.append((f"{word} ", at * each))
        at += len(word) + 1
    return words
