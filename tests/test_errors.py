"""Errors of others, told to an operator."""

import pytest
import trio

from trio_voice.errors import told_in_words


@pytest.mark.parametrize(
    ("error", "causes", "told"),
    [
        (ConnectionError(), [ValueError("self-signed certificate")], "ConnectionError: self-signed certificate"),
        (ConnectionError(), [trio.BrokenResourceError(), ValueError("no")], "ConnectionError: no"),
        (ConnectionError("refused"), [ValueError("no")], "ConnectionError: refused"),
        (ConnectionError(), [], "ConnectionError"),
        (ConnectionError("two\nlines"), [], "ConnectionError: two\\nlines"),
    ],
)
def test_an_error_without_words_is_told_by_what_caused_it(error, causes, told):
    above = error
    for cause in causes:
        above.__cause__ = cause
        above = cause
    assert told_in_words(error) == told
