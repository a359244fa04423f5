"""Names of tools that stand by themselves: a rule, not a list of spellings; and no sentence with such words in it."""

import pytest

from trio_voice.protocols.chat.answer_text import AnswerText
from trio_voice.speech_text.speakable import speakable

KNOWN = {"end_call", "book_table", "transfer_to_human", "weather"}


def heard(text, known, size):
    """Words that a voice is given of an answer that comes in pieces of so many letters, and the calls in it."""
    answer = AnswerText(known)
    said = ""
    for at in range(0, len(text), size):
        said += answer.add(text[at : at + size]).said
    return speakable(said + answer.end().said), [name for name, _ in answer.calls]


@pytest.mark.parametrize("size", [1, 3, 200])
@pytest.mark.parametrize("before", ["", "Goodbye! ", "Goodbye!\n", "Goodbye.\n\n"])
@pytest.mark.parametrize(
    "written",
    [
        *(
            "/end_call",
            "#end_call",
            "$end_call",
            "@end_call",
            "!end_call",
            "%end_call%",
            "::end_call::",
            "@@end_call@@",
        ),
        *("end_call", "end_call.", "end_call:", "end_call()", "/end_call()", "end_call();", '"end_call"', "_end_call_"),
        *("END_CALL", "EndCall", "endCall", "endCall()", "**end_call**", "**end_call()**", "*end_call*", "`end_call`"),
        *("{{end_call}}", "((end_call))", "<<end_call>>", "|end_call|", "~end_call~", "-> end_call", "- end_call"),
        *("```\nend_call()\n```", "```python\nend_call()\n```", "```\n/end_call\n```"),
        *("[end_call]", "[using tool: end_call]", "*uses the end_call tool*", "*uses end_call tool*"),
        *("[hang up]", "[Hangs up]", "[hangup]", "*hangs up*", "(hangs up)", "[ends call]", "*ends the call*"),
        *(
            "[Call ended]",
            "(call ended)",
            "[end of call]",
            "[disconnects]",
            "[terminate call]",
            "[The agent hangs up.]",
        ),
        *("[legt auf]", "*beendet das Gespräch*", "[cuelga]", "(fin de la llamada)", "[raccroche]", "*raccroche*"),
    ],
)
def test_a_name_by_itself_is_a_call_and_is_not_spoken(written, before, size):
    said, calls = heard(before + written, KNOWN, size)
    assert calls == ["end_call"]
    assert said == before.strip()


@pytest.mark.parametrize(
    ("written", "tool"),
    [
        ("[Transferring to a human]", "transfer_to_human"),
        ("*transfers to human*", "transfer_to_human"),
        ("[books the table]", "book_table"),
        ("/transfer_to_human", "transfer_to_human"),
    ],
)
def test_other_tools_are_called_the_same_way(written, tool):
    assert heard(f"One moment. {written}", KNOWN, 1) == ("One moment.", [tool])


def test_what_stands_behind_a_command_is_said():
    assert heard("/end_call Have a nice day!", KNOWN, 1) == ("Have a nice day!", ["end_call"])


@pytest.mark.parametrize("size", [1, 200])
@pytest.mark.parametrize(
    "prose",
    [
        "I will end the call now.",
        "I'll end the call now. Goodbye!",
        "End the call whenever you like.",
        "The call ended at five.",
        "Please don't hang up.",
        "Hang up and dial again.",
        "You may hang up (or end the call) at any time.",
        "Press the red button (end call) to finish.",
        "Say [look it up] or [something else].",
        "We disconnect the line at night.",
        "Shall I book a table? I can book the table now.",
        "I will transfer you to a human.",
        "The weather (weather) is fine.",
        "Weather: sunny.",
        "It costs $5 and you press #1.",
        "Visit us at example.com and ask.",
        "We close (at five) and end (at six).",
        "Write to end_caller or to end_call_2 please.",
    ],
)
def test_a_sentence_is_spoken(prose, size):
    answer = AnswerText(KNOWN)
    said = "".join(answer.add(prose[at : at + size]).said for at in range(0, len(prose), size)) + answer.end().said
    assert (said, answer.calls) == (prose, [])


@pytest.mark.parametrize(
    "prose", ["I will use the end_call tool.", "Use /book_table to order.", "See x.com/end_call now."]
)
def test_a_name_within_a_sentence_is_no_call(prose):
    assert heard(prose, KNOWN, 1)[1] == []


@pytest.mark.parametrize(
    "written", ["[Hangs up]", "*ends the call*", "(call ended)", "[Call disconnected]", "*legt auf*"]
)
def test_without_the_tool_it_is_silent(written):
    assert heard(f"Goodbye! {written}", {"weather"}, 1) == ("Goodbye!", [])


def test_sentences_do_not_wait_for_what_may_follow():
    answer = AnswerText(KNOWN)
    assert answer.add("Of course. We end at").said == "Of course. We end at"
    assert answer.add(" six (or so) *today* it").said == " six (or so) *today* it"
