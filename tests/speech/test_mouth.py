"""Texts, as a synthesiser that does as told says them."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from tests.speech.sounds import MS, np, tone
from trio_voice.speech import VOICES, Voice, split_sentences, telephone, voice_named
from trio_voice.speech.mouth import Mouth


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
