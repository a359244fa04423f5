"""What personas say when no model speaks, made on this machine by the voice of the ``speech`` extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
import trio

from trio_voice.audio.mulaw import encode
from trio_voice.persona import Line, Lines
from trio_voice.speech import SpeechUnavailable, load_mouth, voice_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trio_voice.persona import Persona
    from trio_voice.speech.mouth import Mouth

log: Final = structlog.stdlib.get_logger("trio_voice.sandbox.lines")


async def make_lines(personas: Iterable[Persona]) -> Mapping[Persona, Lines]:
    """The lines of those personas that have any to say; without the ``speech`` extra nobody has, and the log says so.

    Takes about 5 ms for each second of speech, in a thread. Cancelling waits for that thread.
    """
    speaking = [persona for persona in personas if persona.takes_over or persona.failure_line]
    if not speaking:
        return {}
    try:
        mouth = await trio.to_thread.run_sync(load_mouth)
    except SpeechUnavailable as missing:
        log.warning("no_lines", personas=[persona.name for persona in speaking], advice=str(missing))
        return {}
    return {persona: await trio.to_thread.run_sync(_lines_of, mouth, persona) for persona in speaking}


def _lines_of(mouth: Mouth, persona: Persona) -> Lines:
    def line(text: str | None) -> Line | None:
        spoken = mouth.say(text, voice_named("alba"), lambda: None) if text else b""
        return Line(text or "", encode(spoken)) if spoken else None

    return Lines(line(persona.takeover_line) if persona.takes_over else None, line(persona.failure_line))
