"""Marks that models write for machines: moods, ends, sources, breaks that were escaped twice. Nobody hears them."""

import pytest

from trio_voice.speech_text.speakable import speakable


@pytest.mark.parametrize(
    "text",
    [
        "[happy] We close at five.",
        "[Excited] We close at five.",
        "[warm tone] We close at five.",
        "[speaking slowly] We close at five.",
        "[cheerfully] We close at five.",
        "[in a friendly voice] We close at five.",
        "We close at five. [end of turn]",
        "We close at five. [END_OF_TURN]",
        "We close at five. [DONE]",
        "We close at five. [EOT]",
        "We close at five. ([source](https://shop.example/hours))",
        "We close at five ([shop.example](https://shop.example/a?utm_source=x), [b](https://b.example)).",
        r"We close at five.\n\n",
        r"\n\nWe close at five.",
    ],
)
def test_a_mark_for_machines_is_not_heard(text):
    assert speakable(text) == "We close at five."


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        (r"We close at five.\n\nAnything else?", "We close at five. Anything else?"),
        (r"We close at five.\nanything else?", "We close at five. anything else?"),
        (r"The times:\nMonday: nine.", "The times: Monday: nine."),
        ("I am *happy* to help.", "I am happy to help."),
        ("We are (happy) to help.", "We are (happy) to help."),
        ("Ask for [name] at the desk.", "Ask for name at the desk."),
        ("See ([our page](https://shop.example) for more).", "See (our page for more)."),
        ("The [happy hour](https://shop.example) begins at five.", "The happy hour begins at five."),
    ],
)
def test_what_is_meant_for_people_is_said(text, spoken):
    assert speakable(text) == spoken
