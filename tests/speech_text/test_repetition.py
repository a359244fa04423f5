"""Words that are a run of what somebody else has said."""

import time

import pytest

from trio_voice.speech_text.backchannels import words_of
from trio_voice.speech_text.repetition import MOST_SAID, MOST_WORDS, repeats, said_without_choice

SAID = words_of("We are open from nine to five, and on Saturdays from ten to two.")


@pytest.mark.parametrize(
    ("text", "is_run"),
    [
        ("we are open", True),
        ("We're open", False),
        ("on Saturdays from ten to two", True),
        ("we are open from wine", True),
        ("we are open from to five", True),
        ("we are open from the nine", True),
        ("we were open from wine", False),
        ("nine from open are we", False),
        ("from ten to four", False),
        ("we are shut", False),
        ("we are", True),
        ("", True),
    ],
)
def test_a_run_of_what_was_said(text, is_run):
    assert repeats(words_of(text), SAID) is is_run


@pytest.mark.parametrize(
    ("text", "is_run"), [("we are op", True), ("we o", False), ("we were open", True), ("no wait please", False)]
)
def test_one_that_has_only_begun(text, is_run):
    assert repeats(words_of(text), SAID, begun=True) is is_run


@pytest.mark.parametrize(
    ("text", "language", "left"),
    [
        ("We close at six. Tuesday or Wednesday?", "en-US", ""),
        ("Sales or support? One moment.", "en", "one moment"),
        ("We have two. Which do you want?", "en", ""),
        ("Wir haben zwei. Welchen möchten Sie?", "de", ""),
        ("Wir haben auf.", "de-AT", "wir haben auf"),
        ("Máme otevřeno.", "cs", ""),
        ("", "en", ""),
    ],
)
def test_sentences_that_offer_a_choice_are_left_out(text, language, left):
    assert said_without_choice(text, language) == tuple(words_of(left))


def test_long_texts_cost_little():
    said, words = ["a"] * (20 * MOST_SAID), ["a"] * MOST_WORDS
    began = time.process_time()
    assert repeats(words, said)
    assert not repeats(["a"] * (MOST_WORDS + 1), said)
    assert time.process_time() - began < 1
