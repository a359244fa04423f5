"""A file for Chromium's fake microphone: a question that the ears of this machine recognise."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING, Final

import trio

from trio_voice.audio.resampler import FromTelephone
from trio_voice.speech import load_speech

if TYPE_CHECKING:
    from pathlib import Path

RATE: Final = 24_000
"""Samples a second of the file."""
QUESTION: Final = "What are your opening hours?"
FLAGS: Final = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""Chromium's: a microphone that is there, and allowed."""


def flags_for(path: Path) -> tuple[str, ...]:
    """Chromium's flags for a microphone that plays this file once."""
    return (*FLAGS, f"--use-file-for-fake-audio-capture={path}%noloop")


def write_question(path: Path, *, after_seconds: float) -> None:
    """Write a WAV in which the question is asked after so many seconds, and a minute of silence follows."""

    async def say() -> bytes:
        speech = await trio.to_thread.run_sync(load_speech)
        return await speech.say(QUESTION, "george")

    silence = b"\xff" * 8_000
    mulaw = silence * int(after_seconds) + trio.run(say) + silence * 60
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(FromTelephone(RATE).feed(mulaw))
