"""What works and may still not be what is meant: for ``check`` to say, not for ``serve`` to refuse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from trio_voice.billing.cost import OUTLIVED_SECONDS
from trio_voice.billing.prices import doubtful_prices
from trio_voice.protocols.settings import SANDBOX
from trio_voice.speech_text.languages import has_phrases

if TYPE_CHECKING:
    from datetime import date

    from trio_voice.config.settings import Settings


def warnings_about(settings: Settings, today: date) -> list[str]:
    """A line for each."""
    answering = set(settings.numbers.values())
    warnings = [
        f"personas.{name}.greeting: its first sentence does not say that the call is automated, which calls that you "
        f"place must in many places: for example “this is the automated assistant of …”"
        for name, persona in settings.personas.items()
        if (name not in answering or persona.record or persona.detect_machine or persona.voicemail)
        and not _discloses(persona.greeting or "")
    ]
    warnings.extend(
        f"personas.{name}.language: {persona.language} has no phrases here, so English ones are used: set fillers, "
        "still_there, idle_goodbye and backchannels"
        for name, persona in settings.personas.items()
        if not has_phrases(persona.language)
        and (persona.fillers is None or persona.still_there is None or persona.idle_goodbye is None)
    )
    if settings.account_sid is None:
        warnings.append("twilio.account_sid: not set, so no call can be placed, transferred or hung up by REST")
    if "default" not in settings.numbers:
        warnings.append("numbers.default: not set, so calls to numbers that are not listed are declined")
    if settings.secrets.get("TRIO_VOICE_API_TOKEN") is None:
        warnings.append("credential TRIO_VOICE_API_TOKEN is not set, so the operator's routes and commands are closed")
    if urlsplit(settings.server.public_url).scheme != "https":
        warnings.append("server.public_url: is not https://, so no call can be placed and Twilio opens no stream")
    if settings.limits.close_seconds > OUTLIVED_SECONDS:
        warnings.append(
            f"limits.close_seconds: a session of a model that does not answer is open for longer than "
            f"{OUTLIVED_SECONDS:g} s after its call, and sets off the alarm"
        )
    warnings.extend(doubtful_prices(settings.prices, _that_bill(settings), today))
    return warnings


def _that_bill(settings: Settings) -> dict[str, tuple[str, ...]]:
    """What the sessions are of that the personas' models open, by model; those on this machine cost nothing."""
    used = {model for persona in settings.personas.values() for model in persona.models}
    return {name: model.providers for name, model in settings.models.items() if name in used and model.url != SANDBOX}


def _discloses(greeting: str) -> bool:
    """Whether the first sentence says that no human is speaking."""
    first = re.split(r"(?<=[.!?])\s", greeting.strip(), maxsplit=1)[0].lower()
    return (
        re.search(r"\b(automated|automatic|virtual|digital|artificial|ai|robot|bot|computer|recorded)\b", first)
        is not None
    )
