"""Telephone audio as text."""

import base64
import binascii
import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.audio import mulaw as audio


@given(st.binary(max_size=2_000))
def test_length_is_known_without_decoding(mulaw):
    assert audio.base64_ms(audio.encode(mulaw)) == len(mulaw) / 8


@given(st.binary(max_size=6_000))
def test_pieces_are_short_and_together_what_was_cut(mulaw):
    pieces = list(audio.pieces(audio.encode(mulaw)))
    assert b"".join(base64.b64decode(piece, validate=True) for piece in pieces) == mulaw
    assert all(audio.base64_ms(piece) == audio.PIECE_MS for piece in pieces[:-1])
    assert audio.base64_ms(pieces[-1]) <= audio.PIECE_MS
    assert audio.PIECE_MS % audio.FRAME_MS == 0


def test_what_is_short_is_not_cut():
    payload = audio.encode(audio.silence(audio.PIECE_MS))
    assert next(iter(audio.pieces(payload))) is payload


@given(st.binary(max_size=400))
def test_what_encode_makes_is_base64(mulaw):
    assert audio.is_base64(audio.encode(mulaw))


RFC_4648 = re.compile("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


@given(
    st.text(st.sampled_from('Az09+/=-_"\\\n ä'), max_size=12)
    | st.text()
    | st.from_regex("[A/]{0,8}={0,3}", fullmatch=True)
)
def test_base64_is_whole_groups_padded_at_the_end(text):
    assert audio.is_base64(text) == bool(RFC_4648.fullmatch(text))
    if audio.is_base64(text):
        binascii.a2b_base64(text, strict_mode=True)


@pytest.mark.parametrize("payload", ['AA"A', "AA\\A", "AAA", "AA\nAA", "äAAA", 7, None, b"\xff"])
def test_what_could_leave_the_quotes_of_a_json_text_is_no_base64(payload):
    assert not audio.is_base64(payload)


def test_silence_and_line_noise_cannot_be_heard():
    assert not audio.is_audible(audio.encode(audio.silence(20)))
    assert not audio.is_audible(audio.encode(bytes([0xFF, 0x7F, 0xFE, 0x7E, 0xF2, 0x71] * 20)))


def test_one_loud_sample_can_be_heard():
    assert audio.is_audible(audio.encode(audio.silence(20) + b"\x80"))


def test_what_is_no_base64_cannot_be_heard():
    assert not audio.is_audible("###")


def test_a_frame_is_160_bytes_of_20_ms():
    assert audio.FRAME_BYTES == len(audio.silence(20)) == 160
    assert base64.b64decode(audio.encode(audio.silence(20))) == b"\xff" * 160


def test_of_a_wav_file_the_sound_is_left():
    sound = bytes(range(256)) * 4
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 7, 1, 8000, 8000, 1, 8)
    header = struct.pack("<4sI4s", b"RIFF", 36 + len(sound), b"WAVE") + form + struct.pack("<4sI", b"data", len(sound))
    payload = base64.b64encode(header + sound).decode()
    assert base64.b64decode(audio.without_header(payload)) == sound
    for other in (base64.b64encode(sound).decode(), "UklGR!", base64.b64encode(b"RIFF" + sound).decode(), ""):
        assert audio.without_header(other) == other
