"""Prices, as config.toml says them: a dated table, a price for each thing that is billed.

A session is priced by the table of its model (``[prices.aai]`` for ``[models.aai]``) and, for what that does not say,
by the table of its kind (``[prices.assemblyai-agent]``). Every key names its unit; every price is in the one currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from trio_voice.setting_fields import RANGE, Range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_voice.events.model import Meter

OLD_DAYS: Final = 180
"""Prices that were looked up longer ago than this are not to be relied on."""


def _price() -> Any:
    """A price, or what one is multiplied by; unknown unless it is set."""
    return attrs.field(default=None, metadata={RANGE: Range(0)})


@attrs.frozen(kw_only=True)
class TwilioPrices:
    """``[prices.twilio]``. Twilio counts started minutes."""

    inbound_minute: float | None = _price()
    """A started minute of a call to one of your numbers."""
    outbound_minute: float | None = _price()
    """A started minute of a call that you place."""
    media_stream_minute: float | None = _price()
    """A started minute of the media stream, on top."""
    machine_detection: float | None = _price()
    """Machine detection, for one call."""


@attrs.frozen(kw_only=True)
class ModelPrices:
    """``[prices.NAME]``, of a model or a kind; each vendor bills by some of these."""

    minute: float | None = _price()
    """A minute of an open session, counted by the second."""
    unacknowledged_seconds: float | None = _price()
    """Seconds, no price: how much longer a session is billed whose end the provider has not acknowledged."""
    audio_minute: float | None = _price()
    """A minute of sound."""
    million_text_in_tokens: float | None = _price()
    """A million tokens of text that the model reads."""
    million_cached_text_in_tokens: float | None = _price()
    """A million tokens of text that the provider had kept from before."""
    million_text_out_tokens: float | None = _price()
    """A million tokens of text that the model writes."""
    million_audio_in_tokens: float | None = _price()
    """A million tokens of sound that the model hears."""
    million_cached_audio_in_tokens: float | None = _price()
    """A million tokens of sound that the provider had kept from before."""
    million_audio_out_tokens: float | None = _price()
    """A million tokens of sound that the model speaks."""
    thousand_characters: float | None = _price()
    """A thousand characters of text that a voice speaks."""
    text_item: float | None = _price()
    """One text that is put into a session, such as a greeting (xAI)."""

    def over(self, others: ModelPrices) -> ModelPrices:
        """These prices, and the others' for what these do not say."""
        return attrs.evolve(others, **attrs.asdict(self, filter=lambda _field, price: price is not None))


UNITS: Final[Mapping[Meter, tuple[str, float]]] = {
    "seconds": ("minute", 60),
    "audio_seconds": ("audio_minute", 60),
    "text_in_tokens": ("million_text_in_tokens", 1_000_000),
    "cached_text_in_tokens": ("million_cached_text_in_tokens", 1_000_000),
    "text_out_tokens": ("million_text_out_tokens", 1_000_000),
    "audio_in_tokens": ("million_audio_in_tokens", 1_000_000),
    "cached_audio_in_tokens": ("million_cached_audio_in_tokens", 1_000_000),
    "audio_out_tokens": ("million_audio_out_tokens", 1_000_000),
    "characters": ("thousand_characters", 1_000),
    "text_items": ("text_item", 1),
}
"""Of each meter: the key of its price, and how much of it that price is for."""


def _day(when: date) -> date:
    """TOML may say the time, too."""
    return when.date() if isinstance(when, datetime) else when


@attrs.frozen(kw_only=True)
class PriceList:
    """``[prices]``: what things cost, dated; below it a table for Twilio, and one for each model or kind of model."""

    as_of: date = attrs.field(converter=_day)
    """Day on which the prices were looked up; ``check`` warns once they are half a year old."""
    currency: str = "USD"
    """Three capital letters, ISO 4217: of all prices and of ``daily_cost``."""
    twilio: TwilioPrices = TwilioPrices()
    """A table of its own, below."""


@attrs.frozen(kw_only=True)
class Prices(PriceList):
    """``[prices]``, whole."""

    models: Mapping[str, ModelPrices]
    """By the name of a model or of a kind."""

    def of(self, model: str | None, provider: str) -> ModelPrices | None:
        """Prices of a session of this model and kind; ``None`` if nobody has set any."""
        own, usual = self.models.get(model or ""), self.models.get(provider, FREE.get(provider))
        if own is None or usual is None:
            return own or usual
        return own.over(usual)


FREE: Final[Mapping[str, ModelPrices]] = {"local": ModelPrices(minute=0.0, thousand_characters=0.0)}
"""Prices of things on this machine, unless its owner has set some."""


def wrong_prices(prices: Prices) -> Iterator[str]:
    """Mistakes in prices, a line each."""
    if not (len(prices.currency) == 3 and prices.currency.isascii() and prices.currency.isupper()):
        yield f"prices.currency: must be three capital letters, like USD, not {prices.currency!r}"


def doubtful_prices(prices: Prices | None, models: Mapping[str, tuple[str, ...]], today: date) -> Iterator[str]:
    """Doubts about prices, by which the cost of calls is unknown or not to be relied on, a line each.

    Args:
        prices: where there are any.
        models: of each model that bills, what its sessions are of.
        today: the date.
    """
    if prices is None:
        yield "prices: not set, so what calls cost is unknown; copy [prices] from the config.toml that is shipped"
        return
    age = (today - prices.as_of).days
    if age > OLD_DAYS:
        yield f"prices.as_of: these prices were looked up {age} days ago; look them up again"
    elif age < 0:
        yield f"prices.as_of: {prices.as_of} has not come yet"
    yield from (
        f"prices.twilio.{key}: not set, so what the telephone costs is unknown"
        for key, price in attrs.asdict(prices.twilio).items()
        if price is None and key != "machine_detection"
    )
    yield from (
        f"models.{name}: has no price, so what its sessions cost is unknown; set [prices.{name}] or [prices.{provider}]"
        for name, providers in models.items()
        for provider in providers
        if prices.of(name, provider) in (None, ModelPrices())
    )
