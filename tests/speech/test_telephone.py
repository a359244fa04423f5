"""Mu-law and the two rates of a telephone, exactly."""

from __future__ import annotations

from typing import Any

import pytest

from tests.speech.sounds import np, tone
from trio_voice.speech import telephone


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
