"""Where an answer is cut into pieces to be spoken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_voice.clauses import LONGEST_LETTERS, Clauses


def pieces_of(*texts):
    clauses = Clauses()
    pieces = [piece for text in texts for piece in clauses.add(text)]
    return [*pieces, *filter(None, [clauses.rest()])]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Yes. We are open.", ["Yes. ", "We are open."]),
        (
            "Our shop is open today, and it is open tomorrow, too. Good.",
            ["Our shop is open today, ", "and it is open tomorrow, too. ", "Good."],
        ),
        ("Well, that is fine", ["Well, that is fine"]),
        ("It costs 3.50 in all, or 1,000 for the lot", ["It costs 3.50 in all, ", "or 1,000 for the lot"]),
        ("Dr. Okafor is in", ["Dr. Okafor is in"]),
        ('She said "Stop!" and left', ['She said "Stop!" ', "and left"]),
        ("One line\nanother", ["One line\n", "another"]),
        ("  ", []),
    ],
)
def test_pieces(text, pieces):
    assert pieces_of(text) == pieces
    assert pieces_of(*text) == pieces


@given(st.lists(st.text("ab .,!\n", max_size=50), max_size=20))
def test_no_letter_is_lost_and_none_is_said_twice(texts):
    assert "".join("".join(pieces_of(*texts)).split()) == "".join("".join(texts).split())


def test_a_sentence_without_an_end_is_cut_between_words():
    pieces = pieces_of("word " * 200)
    assert all(len(piece) <= LONGEST_LETTERS for piece in pieces)
    assert all(piece.endswith("word ") for piece in pieces[:-1])
    assert all(len(piece) <= LONGEST_LETTERS for piece in pieces_of("x" * 2_000)[:-1])
