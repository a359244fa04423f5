"""The local ears and voice: exact where they are ours, sensible where they are a model's.

What the models say and hear differs a little from run to run. So the rules around them are tested with detectors,
recognisers and synthesisers that do as told, and of the models is asked only what was right in each of thirty runs.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
import trio.testing

from tests.speech.sounds import LIBRARIES, MS, ScriptedDetector, np, tone
from trio_voice.speech import Speech, SpeechStopped, SpeechUnavailable, Voice, load_speech, telephone

QUIET = b"\xff"


@pytest.fixture(scope="module")
def speech() -> Speech:
    return load_speech()


def noise(ms: int, loudness: float) -> bytes:
    levels = np.random.default_rng(7).normal(0, loudness, ms * MS)
    return telephone.encode((levels * 32_767).clip(-32_768, 32_767).astype(np.int16))


@attrs.define
class ScriptedModel:
    """A recogniser and a mouth that answer when they are let."""

    asked: list[bytes] = attrs.field(factory=list)
    may_answer: threading.Event = attrs.field(factory=threading.Event)

    def transcribe(self, utterance: bytes) -> str:
        self.asked.append(utterance)
        assert self.may_answer.wait(10)
        return utterance.decode()

    def say(self, text: str, voice: Voice, between_breaths: Callable[[], object]) -> bytes:
        assert self.may_answer.wait(10)
        between_breaths()
        return text.encode()


@pytest.fixture
def model() -> Iterator[Any]:
    model = ScriptedModel()
    yield model
    model.may_answer.set()


async def test_who_waits_for_the_recogniser_can_be_cancelled_at_once(model: Any) -> None:
    speech = Speech(model, model, ScriptedDetector)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speech.transcribe, b"first")
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.01) as impatient:
            await speech.transcribe(b"second")
        assert impatient.cancelled_caught
        assert model.asked == [b"first"]
        model.may_answer.set()
    assert await speech.transcribe(b"third") == "third"


async def test_a_call_does_not_wait_for_an_utterance_that_is_being_recognised_and_the_next_one_does(model: Any) -> None:
    """The library cannot be stopped: its words are thrown away when they come, and there is no second thread."""
    speech = Speech(model, model, ScriptedDetector)
    with trio.move_on_after(0.01) as impatient:
        await speech.transcribe(b"first")
    assert impatient.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speech.transcribe, b"second")
        await trio.testing.wait_all_tasks_blocked()
        assert model.asked == [b"first"]
        model.may_answer.set()
    assert model.asked == [b"first", b"second"]


async def test_what_is_being_said_is_cancelled_between_two_breaths(model: Any) -> None:
    speech = Speech(model, model, ScriptedDetector)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speech.say, "Hello")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        model.may_answer.set()
    assert nursery.cancel_scope.cancelled_caught
    assert await speech.say("Hello") == b"Hello"


async def test_detectors_are_used_again_and_forget_the_call_before(model: Any) -> None:
    made: list[ScriptedDetector] = []

    def make_detector() -> ScriptedDetector:
        made.append(ScriptedDetector())
        return made[-1]

    speech = Speech(model, model, make_detector)
    for _ in range(3):
        async with speech.listen() as one, speech.listen() as other:
            assert one.hear(QUIET * 1000) == other.hear(QUIET * 1000) == []
        with pytest.raises(RuntimeError, match="is over"):
            one.hear(QUIET)
    assert [detector.resets for detector in made] == [3, 3]


@pytest.mark.parametrize("missing", LIBRARIES)
def test_a_missing_library_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SpeechUnavailable, match=rf'{missing}.*pip install "trio-voice\[speech\]".*make demo'):
        load_speech()


def test_models_that_do_not_load_are_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def speak(*_: object) -> bytes:
        raise ValueError("lingware_path too long")

    monkeypatch.setitem(sys.modules, "py_nanotts", SimpleNamespace(NanoTTS=lambda: SimpleNamespace(speak=speak)))
    with pytest.raises(SpeechUnavailable, match=r"lingware_path too long.*short path"):
        load_speech()


def test_the_package_needs_none_of_the_libraries() -> None:
    hide = "".join(f"sys.modules[{library!r}] = None; " for library in LIBRARIES)
    script = f"import sys; {hide}import trio_voice.speech"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


UNDERSTOOD = {
    "I would like to book a table for two": {"book", "table", "two"},
    "Give me a random number": {"random", "number"},
    "My name is Peter and I live in London": {"peter", "london"},
}


@pytest.mark.parametrize("text", UNDERSTOOD)
@pytest.mark.parametrize("voice", ["alba", "charles"])
async def test_what_one_call_says_another_understands(speech: Speech, voice: str, text: str) -> None:
    spoken = await speech.say(text, voice)
    async with speech.listen() as ears:
        [started, stopped] = ears.hear(QUIET * 500 * MS + spoken + QUIET * 600 * MS)
    assert isinstance(stopped, SpeechStopped)
    assert started.at_ms == pytest.approx(500, abs=150)
    assert stopped.at_ms == pytest.approx(500 + len(spoken) / MS, abs=150)
    understood = await speech.transcribe(stopped.utterance)
    assert UNDERSTOOD[text] <= set(re.findall(r"\w+", understood.lower())), understood


@pytest.mark.parametrize("loudness", [0.0, 0.0005, 0.01, 0.1])
async def test_silence_and_noise_are_not_speech(speech: Speech, loudness: float) -> None:
    audio = noise(3000, loudness)
    async with speech.listen() as ears:
        assert ears.hear(audio) == []
    assert await speech.transcribe(telephone.decode(audio).tobytes()) == ""


@pytest.mark.parametrize("loudness", [0.05, 0.3, 1.0])
async def test_neither_a_click_nor_a_key_press_is_speech(speech: Speech, loudness: float) -> None:
    key = ((tone(697, 8000) + tone(1209, 8000))[: 200 * MS] * 0.25 * 32_767).astype(np.int16)
    async with speech.listen() as ears:
        assert ears.hear((QUIET * 490 * MS + noise(20, loudness)) * 4 + QUIET * 490 * MS) == []
        assert ears.hear((telephone.encode(key) + QUIET * 490 * MS) * 4) == []


async def test_there_are_no_words_in_nothing(speech: Speech) -> None:
    assert await speech.transcribe(b"") == await speech.transcribe(bytes(2)) == ""
    assert await speech.say("") == await speech.say("... \U0001f600") == b""
    with pytest.raises(ValueError, match="multiple"):
        await speech.transcribe(b"odd")


def pitch(mulaw: bytes) -> float:
    """In hertz: of the lags for 70 to 350 Hz the one at which a voice is most like itself."""
    levels = telephone.decode_levels(mulaw)
    likeness = np.fft.irfft(np.abs(np.fft.rfft(levels, 2 * len(levels))) ** 2)
    lags = np.arange(8000 // 350, 8000 // 70)
    return float(8000 / lags[np.argmax(likeness[lags])])


async def test_voices_differ(speech: Speech) -> None:
    text = "We are opening in the morning"
    assert pitch(await speech.say(text, "eve")) > 1.3 * pitch(await speech.say(text, "michael"))
    assert pitch(await speech.say(text, "vera")) > 1.2 * pitch(await speech.say(text, "charles"))
