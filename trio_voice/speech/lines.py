"""Lines of personas for when no model speaks, made on this machine by the voice of the ``speech`` extra."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.audio.mulaw import encode
from trio_voice.persona import Line, Lines
from trio_voice.speech import SpeechUnavailable, Voice, load_mouth, voice_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trio_voice.persona import Persona
    from trio_voice.speech.mouth import Mouth

log: Final = structlog.stdlib.get_logger("trio_voice.sandbox.lines")


MAX_KEPT: Final = 512
"""Lines whose sound is kept for the next reload; personas mostly say the same ones."""


async def make_lines(personas: Iterable[Persona]) -> Mapping[Persona, Lines]:
    """The lines of those personas that have any to say; without the ``speech`` extra nobody has, and the log says so.

    Takes about 5 ms for each second of speech, in a thread; what was made before is not made again. Cancelling waits
    for that thread.
    """
    speaking = list(personas)
    if not speaking:
        return {}
    try:
        mouth = await trio.to_thread.run_sync(_load_mouth)
    except SpeechUnavailable as missing:
        log.warning("no_lines", personas=[persona.name for persona in speaking], advice=str(missing))
        return {}
    return {persona: await trio.to_thread.run_sync(_lines_of, mouth, persona) for persona in speaking}


def _lines_of(mouth: Mouth, persona: Persona) -> Lines:
    words = persona.said_by_itself
    voice = voice_of(persona.language)

    def line(text: str) -> Line | None:
        payload = _sound_of(mouth, text, voice) if text else ""
        return Line(text, payload) if payload else None

    return Lines(
        takeover=line(persona.said_at_takeover) if persona.takes_over else None,
        failure=line(words.last_line),
        still_there=line(words.still_there),
        idle_goodbye=line(words.idle_goodbye),
        goodbye=line(words.goodbye),
        fillers=tuple(filter(None, map(line, words.fillers))),
    )


@lru_cache(maxsize=MAX_KEPT)
def _sound_of(mouth: Mouth, text: str, voice: Voice) -> str:
    """A text as base64 mu-law; empty where there is no word in it."""
    return encode(mouth.say(text, voice, lambda: None))


@lru_cache(maxsize=1)
def _load_mouth() -> Mouth:
    return load_mouth()
