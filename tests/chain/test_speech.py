"""Whatever a language model writes, a chain's voice is given its words: all of them, in their order, and no markup."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tests.chain.stages import Stage
from trio_voice.events import stage as s

_WORDS = st.lists(
    st.sampled_from(["bread", "milk", "we", "close", "at", "five", "tomorrow", "ask", "for", "Anna", "and", "because"]),
    min_size=1,
    max_size=4,
)
_INLINE = st.sampled_from(
    ["{}", "**{}**", "*{}*", "__{}__", "_{}_", "***{}***", "~~{}~~", "`{}`", "=={}==", "[{}](https://x.com/a_b?c=d)",
     '[{}](/page "a title")', "![{}](a.png)", "<b>{}</b>", '<i class="x">{}</i>', "({})", '"{}"', "“{}”", "{} 😀",
     "{} [1]", "{} *sighs*", "<!-- note -->{}"]
)  # fmt: skip
_LINE = st.sampled_from(
    ["{}\n", "# {}\n", "### {}\n", "- {}\n", "* {}\n", "  + {}\n", "• {}\n", "> {}\n", "```text\n{}\n```\n", "| {} |\n",
     "{}\n---\n", "{}. ", "{}! ", "{}? ", "{}: ", "{}... ", "{}\n\n"]
)  # fmt: skip
_BETWEEN = st.sampled_from([" ", ", ", "; ", " - ", " – ", " — ", ": ", " -> "])
"""In the middle of a line."""


@st.composite
def _texts(draw):
    """A text with markup, and its words."""
    text, words = "", []
    for _ in range(draw(st.integers(1, 4))):
        inlines = []
        for _ in range(draw(st.integers(1, 3))):
            own = draw(_WORDS)
            words += own
            inlines.append(draw(_INLINE).format(" ".join(own)))
        line = inlines[0]
        for inline in inlines[1:]:
            line += draw(_BETWEEN) + inline
        text += draw(_LINE).format(line)
        if not text.endswith(("\n", " ")):
            text += "\n"
    return text, words


@given(_texts(), st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_no_word_is_lost_and_no_markup_is_spoken(written, sizes):
    text, words = written
    stage = Stage()
    number = stage.asked().number
    spoken, at, turn = [], 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        stage.do(s.Thought(number, text[at : at + size]))
        spoken += stage.of(s.Speak)
        at, turn = at + size, turn + 1
    stage.do(s.ThoughtOver(number))
    spoken += stage.of(s.Speak)
    said = "".join(each.text for each in spoken)
    assert re.findall(r"[^\W_]+", said) == words
    assert not set(said) & set("*_`#~|<>[]\\😀\n")
    assert all(any(map(str.isalnum, each.text)) for each in spoken if each.text)
