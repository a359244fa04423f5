"""The sound of what a persona says again and again, kept from one call for the next.

A greeting is the same in every call, and making it takes longer than anything else before the caller hears a word. What
the voice of a live call has made of such a line, whole, is kept in memory for the calls that come after; nothing is
opened or asked for it. Letters that are not sent are not billed.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.audio.mulaw import base64_ms
from trio_voice.events.stage import Sound, SpokenWords
from trio_voice.speech_text.speakable import speakable

if TYPE_CHECKING:
    from collections.abc import Iterable

LineFact = Sound | SpokenWords


MAX_LINES: Final = 64
"""Of the whole process; beyond them the one that was used longest ago is forgotten. Ten seconds take 110 kB."""
MAX_LINE_MS: Final = 30_000.0


class KeptLines:
    """Lines whose sound was kept in this process."""

    def __init__(self) -> None:
        self._lines: OrderedDict[tuple[str, str], tuple[LineFact, ...]] = OrderedDict()

    def get(self, voice: str, text: str) -> tuple[LineFact, ...]:
        """The facts of a line, in the order in which they came; nothing if it is not kept."""
        facts = self._lines.get((voice, text), ())
        if facts:
            self._lines.move_to_end((voice, text))
        return facts

    def put(self, voice: str, text: str, facts: Iterable[LineFact]) -> None:
        """Keep a line."""
        self._lines[voice, text] = tuple(facts)
        if len(self._lines) > MAX_LINES:
            self._lines.popitem(last=False)


@attrs.define
class _Taken:
    text: str
    facts: list[LineFact] = attrs.field(factory=list)
    ms: float = 0.0


class VoiceLines:
    """The lines of one call's voice: those that are kept, and those that are being taken down.

    Args:
        kept: the process's.
        voice: whatever makes the sound what it is, as a text: the provider, the voice, its settings.
        texts: what is worth keeping, as it was written.
        language: of the agent.
        spelled_out: as the voice is given its texts.
    """

    def __init__(
        self, kept: KeptLines, voice: str, texts: Iterable[str], language: str, *, spelled_out: bool = False
    ) -> None:
        self._kept = kept
        self._voice = voice
        self._texts = {speakable(text, language, spelled_out=spelled_out) for text in texts}
        self._language = language
        self._spelled_out = spelled_out
        self._taking: dict[str, _Taken] = {}

    def has(self, text: str) -> bool:
        """True if the sound of a text, as it was written, is here."""
        spoken = speakable(text, self._language, spelled_out=self._spelled_out)
        return bool(self._kept.get(self._voice, spoken))

    def begin(self, context_id: str, text: str) -> list[LineFact]:
        """A whole line is to be spoken: its sound, if it is here; else it is taken down when it comes."""
        if text not in self._texts:
            return []
        facts = self._kept.get(self._voice, text)
        if not facts:
            self._taking[context_id] = _Taken(text)
        return [attrs.evolve(fact, context_id=context_id) for fact in facts]

    def hear(self, fact: object) -> None:
        """Something that the voice has made."""
        if isinstance(fact, Sound | SpokenWords) and (taken := self._taking.get(fact.context_id)) is not None:
            taken.facts.append(fact)
            if isinstance(fact, Sound):
                taken.ms += base64_ms(fact.payload)
            if taken.ms > MAX_LINE_MS:
                del self._taking[fact.context_id]

    def end(self, context_id: str) -> None:
        """All of a line has come: it is kept."""
        taken = self._taking.pop(context_id, None)
        if taken is not None and taken.ms:
            self._kept.put(self._voice, taken.text, taken.facts)

    def drop(self, context_id: str) -> None:
        """The rest of a line is not wanted any more."""
        self._taking.pop(context_id, None)

    def forget(self) -> None:
        """Another voice speaks from now on: its lines are others."""
        self._taking.clear()
        self._texts.clear()
        self._voice = ""
