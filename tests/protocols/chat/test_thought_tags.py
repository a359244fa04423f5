"""Tags of thoughts that were read aloud: with blanks in them, and of other names; and signs that are no tags."""

import pytest

from tests.protocols.chat.completions import DONE, chunk, read
from trio_voice.events import stage as s
from trio_voice.protocols.chat.answer_text import AnswerText


def said(text, size):
    answer = AnswerText({"look_up"})
    pieces = [answer.add(text[at : at + size]).said for at in range(0, len(text), size)]
    return "".join(pieces) + answer.end().said


@pytest.mark.parametrize("size", [1, 4, 200])
@pytest.mark.parametrize(
    "tag", ["internal", "private", "hidden", "rationale", "critique", "self_critique", "notes_to_self", "assessment"]
)
def test_thoughts_of_other_names_are_silent(tag, size):
    assert said(f"<{tag}>They ask.</{tag}>Yes.", size) == "Yes."


@pytest.mark.parametrize("size", [1, 4, 200])
@pytest.mark.parametrize(
    "text", ["< think>Hm.</ think>Yes.", "<think>Hm.< /think>Yes.", "< Thinking >Hm.</Thinking >Yes."]
)
def test_blanks_in_a_tag_make_it_no_speech(text, size):
    assert said(text, size) == "Yes."


@pytest.mark.parametrize("size", [1, 200])
@pytest.mark.parametrize(
    "text", ["It is < think of it.", "If x < y, then.", "5 < 6 and 7 > 6", "Is 3 <4?", "Press < or >."]
)
def test_a_sign_is_no_tag(text, size):
    assert said(text, size) == text


def test_a_delta_that_is_the_text_itself_is_said():
    assert read(chunk("Yes."), DONE)[0] == s.Thought(3, "Yes.")
