"""The transcoder, on signals and on speech: what it lets through, what it keeps out, how late it is, how it is cut."""

import audioop
import timeit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.audio import resampler as transcode
from trio_voice.audio.resampler import FromTelephone, Resampler, ToTelephone

BOTH_RATES = pytest.mark.parametrize("rate", transcode.MODEL_RATES)
SECOND = 8_000
FRAME = 160
FLOOR = 2.4
"""Noise that mu-law makes of silence that is nearly one: half its smallest step of 8, as RMS."""


def tone(hertz, rate, *, seconds=0.5, loudness=16_000):
    at = np.arange(round(rate * seconds)) / rate
    return np.rint(loudness * np.sin(2 * np.pi * hertz * at)).astype("<i2").tobytes()


def samples(pcm):
    return np.frombuffer(pcm, "<i2").astype(float)


def decoded(mulaw):
    return samples(audioop.ulaw2lin(mulaw, 2))


def settled(signal):
    """Without its first and last tenth, where the filter begins and ends."""
    edge = len(signal) // 10
    return signal[edge:-edge]


def rms(signal):
    return float(np.sqrt(np.mean(settled(signal) ** 2)))


def part_at(signal, hertz, rate):
    """The loudness of one frequency in a signal."""
    signal = settled(signal)
    window = np.hanning(len(signal))
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(signal)) / rate)
    sides = 1 if hertz in {0, rate / 2} else 2
    return sides * abs(np.sum(signal * window * wave)) / window.sum()


def decibels(ratio):
    return 20 * np.log10(max(ratio, 1e-9))


# mu-law


def test_each_code_is_the_sample_that_the_standard_library_makes_of_it():
    codes = bytes(range(256))
    assert FromTelephone(8_000).feed(codes) == audioop.ulaw2lin(codes, 2)


def test_each_sample_is_the_code_that_the_standard_library_makes_of_it():
    """It drops the two lowest bits before it looks, which for a negative sample is a step away from zero."""
    every = np.arange(-32_768, 32_768).astype("<i2")
    ours = decoded(ToTelephone(8_000).feed(every.tobytes()))
    assert (ours[every >= 0] == decoded(audioop.lin2ulaw(every.tobytes(), 2))[every >= 0]).all()
    towards_zero = np.where(every < 0, every + 3 & ~3, every).astype("<i2")
    assert (ours == decoded(audioop.lin2ulaw(towards_zero.tobytes(), 2))).all()


def test_every_code_survives_a_round_trip_but_for_negative_zero():
    codes = bytes(range(256))
    assert ToTelephone(8_000).feed(FromTelephone(8_000).feed(codes)) == codes.replace(b"\x7f", b"\xff")


# What is let through, and what is not


@BOTH_RATES
def test_the_voice_gets_through_to_the_telephone(rate):
    for hertz in range(100, 3_401, 100):
        heard = decoded(ToTelephone(rate).feed(tone(hertz, rate)))
        assert decibels(part_at(heard, hertz, SECOND) / 16_000) == pytest.approx(0, abs=1.5), hertz


@BOTH_RATES
def test_what_a_telephone_cannot_carry_is_not_folded_into_the_voice(rate):
    """Every tone from 4 kHz up, whatever frequency it would be heard at."""
    for hertz in range(4_000, rate // 2, 100):
        heard = decoded(ToTelephone(rate).feed(tone(hertz, rate)))
        assert rms(heard) <= rms(samples(tone(hertz, rate))) / 1_000 + FLOOR, hertz
        lowest = abs(hertz - SECOND * round(hertz / SECOND))
        assert decibels(part_at(heard, lowest, SECOND) / 16_000) < -60, hertz


def test_the_test_would_notice_folding():
    """The standard library's converter, as so many bridges use it."""
    pcm, _ = audioop.ratecv(tone(5_000, 24_000), 2, 1, 24_000, 8_000, None)
    assert decibels(part_at(samples(pcm), 3_000, SECOND) / 16_000) > -1


@BOTH_RATES
def test_the_voice_gets_through_to_the_model_without_its_mirror_image(rate):
    for hertz in range(100, 3_401, 100):
        mulaw = audioop.lin2ulaw(tone(hertz, SECOND), 2)
        heard = samples(FromTelephone(rate).feed(mulaw))
        assert decibels(part_at(heard, hertz, rate) / 16_000) == pytest.approx(0, abs=1.5), hertz
        for image in range(SECOND, rate, SECOND):
            for mirrored in (image - hertz, image + hertz):
                if mirrored < rate / 2:
                    assert decibels(part_at(heard, mirrored, rate) / 16_000) < -60, (hertz, mirrored)


@BOTH_RATES
@pytest.mark.parametrize("downwards", [False, True])
def test_it_is_late_by_less_than_three_milliseconds(rate, downwards):
    """A click, and where the middle of what comes of it lies. And nothing is withheld."""
    source, target = (rate, SECOND) if downwards else (SECOND, rate)
    click = np.zeros(source // 50, np.float32)
    click[0] = 10_000
    resampler = Resampler(source, target)
    heard = resampler.feed(click)
    assert len(heard) == target // 50
    late = np.sum(np.arange(len(heard)) * heard) / np.sum(heard) / target
    assert late * 1_000 == pytest.approx(2.5, abs=0.1)
    assert late < 0.003


@BOTH_RATES
def test_the_loudest_sound_is_clipped_and_does_not_wrap(rate):
    ten_ms = rate // 100
    square = np.repeat([32_767, -32_768] * 10, ten_ms).astype("<i2").tobytes()
    narrow = decoded(ToTelephone(rate).feed(square))
    wide = samples(FromTelephone(rate).feed(audioop.lin2ulaw(square[: 2 * 20 * 80], 2)))
    for heard, held in ((narrow, 80), (wide, ten_ms)):
        steady = heard[: 20 * held].reshape(-1, held)[:, held // 2 : -held // 8]  # past the delay and the ringing
        assert max(abs(heard)) > 32_000
        assert (np.sign(steady[0]) == 1).all()


def test_rates_that_there_is_no_filter_for():
    for rates in [(8_000, 48_000), (16_000, 24_000), (8_000, 8_000), (44_100, 8_000)]:
        with pytest.raises(ValueError, match="no filter from"):
            Resampler(*rates)


# How it is cut

NOISE = np.random.default_rng(5).integers(-20_000, 20_000, 3_000).astype("<i2").tobytes()


def cut(stream, sizes):
    """The stream in pieces of these sizes, and the rest of it."""
    at = 0
    for size in sizes:
        yield stream[at : at + size]
        at += size
    yield stream[at:]


STEPS = np.unique(decoded(bytes(range(256))))


def assert_same(mulaw, other):
    """But for the last bit: how sums are rounded depends on how many are made at a time."""
    assert len(mulaw) == len(other)
    one, two = (np.searchsorted(STEPS, decoded(each)) for each in (mulaw, other))
    assert max(abs(one - two), default=0) <= 1


PIECES = st.lists(st.integers(0, 700), max_size=12)


@given(sizes=PIECES, rate=st.sampled_from([8_000, 16_000, 24_000]))
def test_it_does_not_matter_how_a_models_stream_is_cut(sizes, rate):
    """Be it in the middle of a sample."""
    whole = ToTelephone(rate)
    expected = whole.feed(NOISE) + whole.finish()
    pieces = ToTelephone(rate)
    assert_same(b"".join(map(pieces.feed, cut(NOISE, sizes))) + pieces.finish(), expected)


@given(sizes=PIECES, rate=st.sampled_from([8_000, 16_000, 24_000]))
def test_it_does_not_matter_how_the_callers_stream_is_cut(sizes, rate):
    whole, pieces = FromTelephone(rate), FromTelephone(rate)
    heard, expected = samples(b"".join(map(pieces.feed, cut(NOISE, sizes)))), samples(whole.feed(NOISE))
    assert len(heard) == len(expected)
    assert max(abs(heard - expected)) <= 1


@BOTH_RATES
def test_a_stream_that_is_over_is_heard_to_its_end(rate):
    telephone = ToTelephone(rate)
    heard = telephone.feed(tone(440, rate, seconds=0.1))
    assert len(heard) == 800
    last = telephone.finish()
    assert len(last) == 20  # 2.5 ms
    assert max(abs(decoded(last))) > 4_000
    assert telephone.feed(tone(440, rate, seconds=0.1)) == heard  # and the next begins afresh


@BOTH_RATES
def test_nothing_of_an_interrupted_stream_is_heard_in_the_next(rate):
    fresh, used = ToTelephone(rate), ToTelephone(rate)
    used.feed(tone(440, rate, seconds=0.0301) + b"\x55")
    used.reset()
    assert used.feed(NOISE) == fresh.feed(NOISE)
    fresh_up, used_up = FromTelephone(rate), FromTelephone(rate)
    used_up.feed(b"\x2a" * 333)
    used_up.reset()
    assert used_up.feed(NOISE) == fresh_up.feed(NOISE)


def test_a_frame_costs_less_than_fifty_microseconds():
    """The quickest of many goes, since whatever else this machine does is not the transcoder's; quiet, 16 and 28."""
    caller, model = FromTelephone(16_000), ToTelephone(24_000)
    mulaw, pcm = b"\x2a" * FRAME, NOISE[: 24_000 // 50 * 2]
    for frame in (lambda: caller.feed(mulaw), lambda: model.feed(pcm)):
        assert min(timeit.repeat(frame, number=50, repeat=40)) / 50 < 50e-6
