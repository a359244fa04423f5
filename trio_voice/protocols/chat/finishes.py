"""Reasons for which an answer ended, in the words of many servers."""

from __future__ import annotations

import re
from typing import Final

_WELL: Final = frozenset(
    {
        *("", "null", "none", "stop", "stop_sequence", "end_turn", "eos", "eos_token", "complete", "completed", "done"),
        *("tool_calls", "tool_call", "tool_use", "function_call"),
    }
)
_KNOWN: Final = frozenset({"content_filter", "length", "max_tokens", "refusal", "model_context_window_exceeded"})
_BROKEN: Final = re.compile(r"malformed|error|abort|cancel|timeout|network|insufficient_system|unexpected_tool")
_FILTERED: Final = re.compile(
    r"filter|safety|sensitive|recitation|prohibited|blocklist|spii|guardrail|toxic|moderation"
)
_TOO_LONG: Final = re.compile(r"max_.{0,10}tokens|(?:max|model)_length|token_limit")

BROKEN: Final = "broken"
"""The server could not go on."""


def finish_of(told: str) -> str:
    """The reason: ``content_filter``, ``length``, ``BROKEN``, or a server's own word; empty if all was said.

    Args:
        told: the reason in a server's words, such as ``SAFETY`` or ``MAX_TOKENS`` (Gemini's), ``eos`` (Together's),
            ``sensitive`` (Zhipu's), ``insufficient_system_resource`` (DeepSeek's), ``abort`` (SGLang's).
    """
    lowered = told.strip().lower()
    if lowered in _WELL:
        return ""
    if lowered in _KNOWN:
        return lowered
    if _BROKEN.search(lowered):
        return BROKEN
    if _FILTERED.search(lowered):
        return "content_filter"
    return "length" if _TOO_LONG.search(lowered) else told
