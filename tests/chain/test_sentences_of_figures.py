"""Figures that a dot belongs to are not torn, however the language model's pieces come."""

import pytest

from trio_voice.chain.sentences import Sentences


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Das sind 2,5 Mio. € im Jahr"),
        ("de", "Das sind 1,2 Mrd. Euro"),
        ("de", "Wir haben vom 1.-3. Mai zu"),
        ("de", "Seit dem II. Weltkrieg"),
        ("de", "Ludwig XIV. Palast"),
        ("it", "Una chiesa del sec. XX è qui"),
        ("pt", "Uma igreja do séc. XX"),
        ("en", "See sec. IV of it"),
    ],
)
def test_what_a_dot_belongs_to_is_one_piece(language, text):
    for size in (len(text), 1, 2, 3, 5):
        sentences = Sentences(language)
        cut = [piece for at in range(0, len(text), size) for piece in sentences.add(text[at : at + size])]
        assert [*cut, sentences.rest()] == [text]


def test_a_sentence_may_end_behind_such_a_word_all_the_same():
    assert Sentences("en").add("It takes a sec. We are there. ") == ["It takes a sec. ", "We are there. "]
