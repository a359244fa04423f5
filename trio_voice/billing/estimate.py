"""Cost of a minute of a session, before anybody has talked for one: prices in, words out.

A session that is billed by time has a price a minute. One that is billed by tokens depends on what is said; of its
sound alone the vendors have published how many tokens a second is, and that is all that can be known beforehand.
Letters to be spoken, and tokens of text, are unknown until they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trio_voice.billing.prices import Prices
    from trio_voice.session_record import ModelSessionRecord

AUDIO_TOKENS: Final[Mapping[str, tuple[float, float]]] = {
    "openai-realtime": (10, 20),  # OpenAI's guide to its costs: 100 ms of the caller, 50 ms of the agent
    "gemini-live": (25, 25),  # Google's guide to the Live API
}
"""By kind: tokens of a second of the caller's sound, and of a second of the agent's."""
SECONDS_EACH: Final = 30
"""Of a minute in which both speak half of the time."""


def minute_cost(model: str, provider: str, prices: Prices) -> float:
    """Cost of a minute of a session, as far as that is known beforehand; 0 of what is not."""
    table = prices.of(model, provider)
    if table is None:
        return 0.0
    if table.minute is not None:
        return table.minute
    heard, spoken = AUDIO_TOKENS.get(provider, (0.0, 0.0))
    of_tokens = heard * (table.million_audio_in_tokens or 0.0) + spoken * (table.million_audio_out_tokens or 0.0)
    return SECONDS_EACH * of_tokens / 1_000_000 + (table.audio_minute or 0.0)


def minute_of(session: ModelSessionRecord, prices: Prices) -> str:
    """Cost of a minute, in words that say how that is known."""
    table = prices.of(session.model, session.provider)
    name, currency = session.model or session.provider, prices.currency
    if table is None:
        return f"unknown: set [prices.{name}]"
    if table.minute is not None:
        more = "" if table.text_item is None else f", and {table.text_item:g} for each text that it is given"
        return f"{table.minute:.4f} {currency}, by the time that it is open{more}"
    tokens = AUDIO_TOKENS.get(session.provider)
    if tokens and table.million_audio_in_tokens is not None and table.million_audio_out_tokens is not None:
        heard, spoken = tokens
        of_tokens = heard * table.million_audio_in_tokens + spoken * table.million_audio_out_tokens
        cost = SECONDS_EACH * of_tokens / 1_000_000
        return (
            f"at least {cost:.4f} {currency} for the sound, if each speaks for {SECONDS_EACH} s of it ({heard:g} tokens"
            f" a second heard, {spoken:g} spoken); on top come the text, and the conversation so far with every reply"
        )
    if table.audio_minute is not None and session.provider not in AUDIO_TOKENS:
        return f"{table.audio_minute:.4f} {currency}, by the sound that it is sent"
    what = "letter" if table.thousand_characters is not None else "token"
    return f"priced by the {what}: unknown until used"
