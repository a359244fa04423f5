"""The one shape of a conversation that every chat server takes, whatever its template wants.

Servers differ in what they refuse: a first turn that is not the user's, two turns of one role in a row, a system line
that is not the first, a user's turn right behind results, a last turn of the assistant's, empty text (vLLM's, Mistral's
and Gemma's templates, Mistral's API, Ollama, Anthropic; seen in their issue trackers, 2023 to 2026). The shape here
has none of these. Each protocol only writes it in its own words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trio_voice.events.stage import Entry, ToolCall, ToolCallResult

CALL_BEGINS: Final = "(The telephone call begins.)"
"""The user's turn before an agent that speaks first."""
GO_ON: Final = "(Go on.)"
"""The user's turn behind an agent that is to say more."""


@attrs.define
class Turn:
    """One turn: texts that belong together, and the tools it asked for or their results."""

    role: Literal["user", "assistant", "results"]
    texts: list[str] = attrs.field(factory=list)
    """None of them is blank."""
    calls: tuple[ToolCall, ...] = ()
    """Of an ``assistant``; a turn of ``results`` follows at once."""
    results: tuple[ToolCallResult, ...] = ()
    """Of ``results``: one for each of those calls."""


def turns_of(conversation: Iterable[Entry]) -> list[Turn]:
    """The turns of a conversation: the user first and last (or results last), never two of one role in a row.

    An instruction to the agent is the user's, in parentheses. Results are followed by whichever role comes next.
    """
    turns: list[Turn] = []

    def add(role: Literal["user", "assistant"], text: str, calls: tuple[ToolCall, ...] = ()) -> None:
        if not turns or turns[-1].role != role:
            turns.append(Turn(role))
        turns[-1].texts += [text] if text.strip() else []
        turns[-1].calls += calls

    for entry in conversation:
        if entry.role == "results":
            if turns and turns[-1].calls:  # an answer to nothing would be refused
                turns.append(Turn("results", results=entry.results))
        elif entry.role == "agent":
            if entry.text.strip() or entry.calls:
                if not turns:
                    add("user", CALL_BEGINS)
                add("assistant", entry.text, entry.calls)
        elif entry.text.strip():
            add("user", f"({entry.text})" if entry.role == "instruction" else entry.text)
    if not turns or turns[-1].role == "assistant":
        add("user", GO_ON if turns else CALL_BEGINS)
    return turns
