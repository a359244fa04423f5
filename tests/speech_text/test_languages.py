"""Languages: each that we spell in has a row in every table that is asked for it."""

import pytest

from trio_voice.speech_text.abbreviations import JOINING
from trio_voice.speech_text.languages import has_phrases
from trio_voice.speech_text.speakable import _SIGNS
from trio_voice.speech_text.spoken_patterns import FRACTIONS, MIXED, ORDINAL, PER
from trio_voice.speech_text.unfinished import _NEVER_LAST
from trio_voice.speech_text.word_tables import WORDS

TABLES = {
    "abbreviations.JOINING": JOINING,
    "speakable._SIGNS": _SIGNS,
    "spoken_patterns.FRACTIONS": FRACTIONS,
    "spoken_patterns.MIXED": MIXED,
    "spoken_patterns.ORDINAL": ORDINAL,
    "spoken_patterns.PER": PER,
    "unfinished._NEVER_LAST": _NEVER_LAST,
}
"""Those that ``docs/how-to/add-a-language.md`` names."""


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_a_row_for_each_language(table):
    assert set(TABLES[table]) == set(WORDS)


def test_each_language_has_phrases():
    assert [language for language in WORDS if not has_phrases(language)] == []
