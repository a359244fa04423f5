"""Bills that a server of the Realtime protocol announces, as meters.

Source: the types of the ``openai`` package 3.54 and OpenAI's guide to realtime costs. Cached tokens are part of the
input tokens there; here no two meters overlap.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from trio_voice.protocols.json_messages import table_in

if TYPE_CHECKING:
    from trio_voice.events.model import Meter

AUDIO_TOKENS_PER_SECOND: Final = 10
"""Of the caller's sound: one token is 100 ms."""


def of_response(usage: Any) -> dict[Meter, float]:
    """The tokens of one response; empty if it does not say, as a cancelled one may not."""
    if not isinstance(usage, dict):
        return {}
    told_in, told_out = table_in(usage, "input_token_details"), table_in(usage, "output_token_details")
    audio_in, audio_out = _amount(told_in, "audio_tokens"), _amount(told_out, "audio_tokens")
    # Whatever is not sound is told, and billed, as text; a server that gives only totals has text alone.
    text_in = _amount(told_in, "text_tokens") if told_in else _amount(usage, "input_tokens")
    text_out = _amount(told_out, "text_tokens") if told_out else _amount(usage, "output_tokens")
    cached = table_in(told_in, "cached_tokens_details")
    if cached:
        cached_text, cached_audio = _amount(cached, "text_tokens"), _amount(cached, "audio_tokens")
    else:  # what is cached is the beginning, and that is the prompt
        all_cached = _amount(told_in, "cached_tokens")
        cached_text = min(all_cached, text_in)
        cached_audio = all_cached - cached_text
    cached_text, cached_audio = min(cached_text, text_in), min(cached_audio, audio_in)
    meters: dict[Meter, float] = {
        "text_in_tokens": text_in - cached_text,
        "cached_text_in_tokens": cached_text,
        "audio_in_tokens": audio_in - cached_audio,
        "cached_audio_in_tokens": cached_audio,
        "text_out_tokens": text_out,
        "audio_out_tokens": audio_out,
    }
    return {meter: amount for meter, amount in meters.items() if amount}


def of_transcription(usage: Any) -> dict[Meter, float]:
    """The seconds of sound that were written down; a transcriber that counts tokens is told by its audio tokens."""
    if not isinstance(usage, dict):
        return {}
    seconds = _amount(usage, "seconds")
    if usage.get("type") == "tokens":
        seconds = _amount(table_in(usage, "input_token_details"), "audio_tokens") / AUDIO_TOKENS_PER_SECOND
    return {"audio_seconds": seconds} if seconds else {}


def _amount(told: dict[str, Any], key: str) -> float:
    value = told.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return 0
    return max(value, 0)
