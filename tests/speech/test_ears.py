"""Utterances, as detectors that do as told find them."""

from __future__ import annotations

import pytest

from tests.speech.sounds import ScriptedDetector, np
from trio_voice.speech import Heard, SpeechStarted, SpeechStopped, telephone
from trio_voice.speech.ears import WINDOW, WINDOW_MS, Ears


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
    assert ears.end_utterance() is None
    ears.hear(bytes(WINDOW) * 5)
    assert ears.speaking
    stopped = ears.end_utterance()
    assert stopped is not None
    assert (stopped.at_ms, windows_of(stopped.utterance)) == (5 * WINDOW_MS, [0] * 5)
    assert not ears.speaking


@pytest.mark.parametrize("size", [1, 7, 160, 255, 256, 257, 100_000])
def test_the_pieces_in_which_audio_arrives_change_nothing(size: int) -> None:
    likelihoods = [0.0] * 5 + [0.9] * 7 + [0.0] * 6 + [0.9] * 4 + [0.4] * 3 + [0.0] * 4
    audio = bytes(number % 256 for number in range(WINDOW * len(likelihoods)))
    ears = Ears(ScriptedDetector(likelihoods), silence_ms=96)
    reports = [report for at in range(0, len(audio), size) for report in ears.hear(audio[at : at + size])]
    assert len(reports) == 4
    assert reports == Ears(ScriptedDetector(likelihoods), silence_ms=96).hear(audio)
