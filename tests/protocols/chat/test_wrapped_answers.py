"""Answers that a model has wrapped in JSON of its own, though it was asked to speak."""

import json

import pytest

from trio_voice.protocols.chat.answer_text import AnswerText

WORDS = "We close at five."


def read(text, size):
    reader = AnswerText(["look_up"])
    heard = [reader.add(text[at : at + size]) for at in range(0, len(text), size)]
    return "".join(piece.said for piece in [*heard, reader.end()]).strip(), reader.calls


@pytest.mark.parametrize(
    "wrapped",
    [
        *({key: WORDS} for key in ("answer", "output", "final_answer", "assistant", "spoken_response", "utterance")),
        {"response": {"text": WORDS}},
        {"data": {"reply": {"content": WORDS}}},
        {"role": "assistant", "content": WORDS},
        {"message_type": "final", "emotion": "happy", "text": WORDS},
        {"thought": "They ask.", "speech": WORDS},
        {"action": "Final Answer", "action_input": WORDS},
        [{"type": "text", "text": "We close "}, {"type": "text", "text": "at five."}],
    ],
    ids=str,
)
@pytest.mark.parametrize("fenced", [False, True])
def test_the_words_are_said_without_it(wrapped, fenced):
    text = f"```json\n{json.dumps(wrapped)}\n```" if fenced else json.dumps(wrapped)
    for size in (len(text), 1, 7):
        said, calls = read(text, size)
        assert (" ".join(said.split()), calls) == (WORDS, [])


@pytest.mark.parametrize(
    "call",
    [
        {"name": "send_text", "arguments": {"text": "Come at nine."}},
        {"name": "send_text", "parameters": {"message": "Come at nine."}},
        {"action": "send_text", "action_input": "Come at nine."},
        {"tool": "send_text", "tool_input": {"content": "Come at nine."}},
        [{"function": "send_text", "args": {"text": "Come at nine."}}],
        {"emotion": "happy", "volume": 3},
    ],
    ids=str,
)
def test_what_is_for_a_tool_that_nobody_knows_is_not_said(call):
    assert read(json.dumps(call), 5) == ("", [])
