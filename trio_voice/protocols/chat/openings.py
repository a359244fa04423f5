"""Beginnings of an answer that are neither its words nor a tag: a role's name, a label of thoughts, a bare call.

Small models write them, and servers that take the tokens of a model's own notation out and leave the words between
them (seen in the issue trackers of Ollama, llama.cpp, vLLM and LangChain, 2023 to 2026).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection

LONGEST_OPENING: Final = 64

_ROLE: Final = re.compile(
    r"\s{0,9}(?:#{1,4}\s{0,2}|\*{1,2})?(?:assistant|agent|ai|bot|response|(?:final\s)?answer)\s?:\s?\*{0,2}\s{0,3}"
    r"|\s{0,9}assistant[ \t]{0,3}\n{1,3}",
    re.IGNORECASE,
)
"""The name with a line of its own is Llama's, whose header has lost its tokens."""
_STRIPPED: Final = re.compile(r"\s{0,9}analysis(?=<\|message\|>|[A-Z])")
_STRIPPED_FINAL: Final = re.compile(r"\s{0,9}(?:assistant\s{0,3})?final(?=<\|message\|>|[A-Z])")
_STRIPPED_CALL: Final = re.compile(r"\s{0,9}commentary to=functions")
"""Beginnings of gpt-oss's answers where a server has taken its tokens out."""
_LABELLED: Final = re.compile(
    r"\s{0,9}(?:#{1,4}\s{0,2}|\*{1,2})?(?:thoughts?|thinking|reasoning|here is my thought process"
    r"|here are my reasoning steps)\s?:\*{0,2}|\s{0,9}#{1,4}\s{0,2}(?:thoughts?|thinking|reasoning)[ \t]{0,3}\n",
    re.IGNORECASE,
)
_ACTION: Final = re.compile(
    r"\s{0,9}(?:action\s?:|(?:tool|function)[ _]?calls?\s?:|call\s?:\s{0,3}(?=[{\[]))", re.IGNORECASE
)
_RECIPIENT: Final = re.compile(r"\s{0,9}>>>\s{0,3}(?:(all)|[\w.]{1,60})\s{0,3}\n")
"""Functionary's: a line that says whom it speaks to, a tool or everybody."""
_RECIPIENT_SO_FAR: Final = re.compile(r"\s{0,9}>{1,3}[ \w.]{0,60}")
_WORDS_BEFORE_CALL: Final = re.compile(r"\s{0,9}functools(?=\[)")
_STRIPPED_ENDS: Final = re.compile(r"assistant\s{0,3}(?:final|(?P<call>commentary to=functions))")
_LABEL_ENDS: Final = re.compile(
    r"\n\s{0,3}(?:#{1,4}\s{0,2}|\*{1,2})?(?:(?:final\s)?(?:answer|response|reply)|here is my response)\s?:\s?\*{0,2}"
    r"|(?<=[.!?])\s{1,3}(?:final\s)?answer\s?:"
    r"|\n\s{0,3}#{1,4}\s{0,2}(?:final\s)?(?:answer|response|reply)[ \t]{0,3}\n"
    r"|\[BEGIN FINAL RESPONSE\]|(?=\n\s{0,3}action\s?:)",
    re.IGNORECASE,
)
_FIRST_WORDS: Final = (
    *("assistant:", "agent:", "ai:", "bot:", "response:", "answer:", "final answer:"),
    *("thought:", "thoughts:", "thinking:", "reasoning:"),
    *("here is my thought process:", "here are my reasoning steps:"),
    *(
        "assistantfinal",
        "final",
        "final<|message|>",
        "analysis<|message|>",
        "analysis",
        "commentary to=functions",
        *("action:", "tool call:", "tool_call:", "function call:", "function_call:", "call:"),
        "functools[",
    ),
)
_DECORATION: Final = "#* \t\r\n"


@attrs.frozen
class Opening:
    """The beginning of an answer."""

    letters: int = 0
    """Those that are neither said nor part of anything else."""
    ends: re.Pattern[str] | None = None
    """Thoughts follow, up to this."""
    is_sure: bool = True
    """False if what follows was the answer after all, where nothing ends the thoughts."""
    is_call: bool = False
    """A call follows, up to the end of the answer."""


def opening_of(text: str, known: Collection[str], *, last: bool) -> Opening | None:
    """The opening of an answer, of which so much has come; ``None`` if more must come to tell.

    Args:
        text: the beginning of the answer.
        known: the tools that may be called.
        last: whether it is all of it.
    """
    bare = text.strip()
    if recipient := _RECIPIENT.match(text):
        return Opening(recipient.end()) if recipient[1] else Opening(is_call=True)
    if not last and _RECIPIENT_SO_FAR.fullmatch(text):
        return None
    if not last and len(text) < LONGEST_OPENING:
        lowered = bare.strip(_DECORATION).lower()
        is_short = bool(lowered) or len(bare) < 4
        if is_short and any(word.startswith(lowered) for word in _FIRST_WORDS):
            return None
        if any(_may_become_call(bare, name) for name in known):
            return None
    if role := _ROLE.match(text):
        return Opening(role.end())
    if final := _STRIPPED_FINAL.match(text):
        return Opening(final.end())
    if stripped := _STRIPPED.match(text):
        return Opening(stripped.end(), ends=_STRIPPED_ENDS)
    if labelled := _LABELLED.match(text):
        return Opening(labelled.end(), ends=_LABEL_ENDS, is_sure=False)
    if _STRIPPED_CALL.match(text) or _ACTION.match(text) or any(_is_call(bare, name) for name in known):
        return Opening(is_call=True)
    before = _WORDS_BEFORE_CALL.match(text)
    return Opening(before.end() if before else 0)


def _may_become_call(bare: str, name: str) -> bool:
    """True if a text is a tool's name, or may become one with its arguments right behind it."""
    if len(bare) <= len(name):
        return bool(bare) and name.startswith(bare)
    rest = bare[len(name) :]
    return (
        bare.startswith(name) and re.fullmatch(r"\s{0,3}(?:\[[A-Za-z_]{0,9}\]?\w{0,40}){0,2}\s{0,3}", rest) is not None
    )


def _is_call(bare: str, name: str) -> bool:
    rest = bare[len(name) :]
    return (
        bare.startswith(name) and re.match(r"\s{0,3}(?:\[CALL_ID\]\w{0,40})?(?:\[ARGS\])?\s{0,3}\{", rest) is not None
    )
