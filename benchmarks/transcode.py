"""Cost and quality of the transcoder, beside two peers that do the same work in the same run.

    make bench                                                      the table
    make listen                                                     speech before and after it, as WAV files in listen/

The peers are the standard library's ``audioop`` (with ``ratecv``, as most bridges do it) and ``soxr``'s stream at its
usual quality, with ``audioop``'s mu-law. The machine's noise is why the figure to keep is the ratio.
"""

from __future__ import annotations

import argparse
import timeit
import warnings
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr
import trio

from trio_voice.audio.resampler import FromTelephone, ToTelephone
from trio_voice.speech import SpeechUnavailable, load_speech

if TYPE_CHECKING:
    from collections.abc import Callable

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # until 3.12 it is in the standard library, and says so
    import audioop

RATE_IN, RATE_OUT = 16_000, 24_000
"""Rates that Gemini hears, and that it speaks."""
LINES = (
    "Hello, this is the automated receptionist of Juniper Bakery. How can I help you?",
    "She sells seashells. Sixty six thistles. The fish is fresh, and the sauce is spicy.",
)


def by_audioop(source: int, target: int) -> Callable[[bytes], bytes]:
    """No filter, but the state is kept."""
    state: object = None

    def convert(data: bytes) -> bytes:
        nonlocal state
        pcm = audioop.ulaw2lin(data, 2) if source == 8_000 else data
        pcm, state = audioop.ratecv(pcm, 2, 1, source, target, state)
        return pcm if source == 8_000 else audioop.lin2ulaw(pcm, 2)

    return convert


def by_soxr(source: int, target: int) -> Callable[[bytes], bytes]:
    """A block resampler."""
    stream = soxr.ResampleStream(source, target, 1, dtype="int16")

    def convert(data: bytes) -> bytes:
        pcm = audioop.ulaw2lin(data, 2) if source == 8_000 else data
        pcm = stream.resample_chunk(np.frombuffer(pcm, np.int16)).tobytes()
        return pcm if source == 8_000 else audioop.lin2ulaw(pcm, 2)

    return convert


def by_us(source: int, target: int) -> Callable[[bytes], bytes]:
    """Ours."""
    return FromTelephone(target).feed if source == 8_000 else ToTelephone(source).feed


WAYS = {"trio_voice": by_us, "audioop": by_audioop, "soxr": by_soxr}


def microseconds(convert: Callable[[bytes], bytes], frame: bytes) -> float:
    """For one frame: the quickest of many goes."""
    return min(timeit.repeat(lambda: convert(frame), number=200, repeat=25)) / 200 * 1e6


def tone(hertz: float, rate: int, seconds: float = 1.0) -> bytes:
    """Half as loud as can be."""
    at = np.arange(int(rate * seconds)) / rate
    return np.rint(16_000 * np.sin(2 * np.pi * hertz * at)).astype("<i2").tobytes()


def in_frames(convert: Callable[[bytes], bytes], data: bytes, size: int) -> list[bytes]:
    """The conversion of each 20 ms."""
    return [convert(data[at : at + size]) for at in range(0, len(data), size)]


def gain(convert: Callable[[bytes], bytes], hertz: float, heard_at: float) -> float:
    """In dB: a tone at 24 kHz, and what is heard of it on the telephone at another frequency."""
    mulaw = b"".join(in_frames(convert, tone(hertz, RATE_OUT), RATE_OUT // 25))
    pcm = np.frombuffer(audioop.ulaw2lin(mulaw, 2), np.int16)[2_000:6_000].astype(float)
    window = np.hanning(len(pcm))
    wave_ = np.exp(-2j * np.pi * heard_at * np.arange(len(pcm)) / 8_000)
    heard = 2 * abs(np.sum(pcm * window * wave_)) / window.sum()
    return float(20 * np.log10(max(heard, 1e-3) / 16_000))


def delay_ms(convert: Callable[[bytes], bytes]) -> float:
    """Milliseconds after it went in at which a click at 24 kHz is heard, at worst: the filter, and what waits for a
    later frame."""
    size, worst = RATE_OUT // 25, 0.0
    for lead in range(10):
        at_frame = 50 + lead  # long enough for a block resampler to have settled into its rhythm
        pcm = np.zeros(RATE_OUT * 2, "<i2")
        pcm[at_frame * size // 2 : at_frame * size // 2 + 3] = 30_000
        pieces = in_frames(convert, pcm.tobytes(), size)
        for number, piece in enumerate(pieces):
            loudest = np.abs(np.frombuffer(audioop.ulaw2lin(piece, 2), np.int16))
            if len(loudest) and loudest.max() > 5_000:
                # Heard at the earliest when its frame was there: a frame late, or within it.
                late_frames = number - at_frame
                held = sum(map(len, pieces[: number + 1])) - len(piece) + int(loudest.argmax())
                worst = max(worst, late_frames * 20.0, held / 8 - at_frame * 20)
                break
    return worst


def table() -> None:
    """Measure, and print."""
    frame_in, frame_out = b"\x2a\x9c\x31\xff" * 40, tone(440, RATE_OUT, 0.02)
    print("                     us of CPU a 20 ms frame     5 kHz heard   3.4 kHz    delay")
    print("              8 kHz to 16 kHz   24 kHz to 8 kHz     at 3 kHz   is heard")
    costs = {}
    for name, way in WAYS.items():
        costs[name] = microseconds(way(8_000, RATE_IN), frame_in), microseconds(way(RATE_OUT, 8_000), frame_out)
        folded, edge = (gain(way(RATE_OUT, 8_000), hertz, heard) for hertz, heard in ((5_000, 3_000), (3_400, 3_400)))
        print(
            f"{name:<12} {costs[name][0]:14.1f} {costs[name][1]:17.1f} {folded:10.0f} dB {edge:7.1f} dB"
            f" {delay_ms(way(RATE_OUT, 8_000)):6.1f} ms"
        )
    for peer in ("audioop", "soxr"):
        ratio = sum(costs["trio_voice"]) / sum(costs[peer])
        print(f"ratio to {peer:<8} {ratio:5.1f}")


def write(path: Path, pcm: bytes, rate: int) -> None:
    """A WAV file of 16-bit samples."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)


async def listen(folder: Path) -> None:
    """Say something, and write it down as it is before, between and after."""
    try:
        speech = load_speech()
    except SpeechUnavailable as unavailable:
        raise SystemExit(str(unavailable)) from None
    spoken = b"".join([await speech.say(line) + b"\xff" * 4_000 for line in LINES])
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - nothing else runs
    write(folder / "1-telephone.wav", audioop.ulaw2lin(spoken, 2), 8_000)
    for number, (name, way) in enumerate(WAYS.items(), 2):
        wide = b"".join(in_frames(way(8_000, RATE_IN), spoken, 160))
        model = b"".join(in_frames(way(8_000, RATE_OUT), spoken, 160))
        back = b"".join(in_frames(way(RATE_OUT, 8_000), model, RATE_OUT // 25))
        write(folder / f"{number}-{name}-what-the-model-hears.wav", wide, RATE_IN)
        write(folder / f"{number}-{name}-and-back.wav", audioop.ulaw2lin(back, 2), 8_000)
    hiss = np.random.default_rng(1).normal(0, 3_000, RATE_OUT * 2)
    for number, (name, way) in enumerate(WAYS.items(), 2):
        # A model's voice has more than a telephone carries: here a rising whistle from 1 to 12 kHz in a little hiss.
        at = np.arange(RATE_OUT * 2) / RATE_OUT
        whistle = 8_000 * np.sin(2 * np.pi * (1_000 * at + 11_000 / 4 * at**2)) + hiss / 10
        heard = b"".join(in_frames(way(RATE_OUT, 8_000), whistle.astype("<i2").tobytes(), RATE_OUT // 25))
        write(folder / f"{number}-{name}-whistle.wav", audioop.ulaw2lin(heard, 2), 8_000)
    print(
        f"listen to the files in {folder}: 1 is the voice as the telephone carries it, 2 the same after our transcoder"
    )
    print("the whistle rises and is gone; where it comes down again, it was folded back")


parser = argparse.ArgumentParser()
parser.add_argument("--listen", type=Path, metavar="FOLDER", help="write WAV files instead of measuring")
arguments = parser.parse_args()
if arguments.listen:
    trio.run(listen, arguments.listen)
else:
    table()
