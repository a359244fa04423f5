"""Words of a caller that cannot be the last."""

import pytest

from tests.speech_text.torture import ratio_of_twice
from trio_voice.speech_text.unfinished import is_unfinished


@pytest.mark.parametrize(
    ("language", "text"),
    [
        *(
            ("en-US", text)
            for text in ("I would like to", "a table for two and", "My name is, um", "on Sunday,", "So...")
        ),
        ("de-DE", "Ich hätte gerne einen"),
        ("de", "weil"),
        ("fr", "Je voudrais une"),
        ("es", "Quiero reservar para el"),
        ("it", "Vorrei prenotare per"),
        ("pt-BR", "Eu queria uma"),
        ("nl", "Ik wil graag een"),
        ("ja", "明日の、—"),
    ],
)
def test_a_turn_that_must_go_on(language, text):
    assert is_unfinished(text, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        *(
            ("en-US", text)
            for text in ("Are you open", "Where are you from", "I think so.", "Who is that?", "To whom?", "")
        ),
        ("de", "Wann macht ihr auf"),
        ("de", "Ich komme mit"),
        ("fr", "Vous êtes ouverts"),
        ("es", "¿Y para el?"),
        ("xx", "the"),
    ],
)
def test_a_turn_that_may_be_all(language, text):
    assert not is_unfinished(text, language)


def test_the_time_is_linear():
    assert ratio_of_twice(lambda times: is_unfinished("the , " * times, "en"), 5_000) < 3
