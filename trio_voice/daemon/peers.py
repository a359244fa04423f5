"""Peers that the configuration names: the leg of a model, and Twilio's REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.call.call import wall_clock
from trio_voice.edges.twilio.rest import TwilioRest, open_client_maker
from trio_voice.legs.chain.kept_lines import KeptLines
from trio_voice.legs.providers import KINDS, LegSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.config.settings import Settings
    from trio_voice.edges.metrics.metrics import Metrics
    from trio_voice.events.model import Said
    from trio_voice.legs.chain.local import Speech
    from trio_voice.legs.model import ModelLeg
    from trio_voice.legs.session_ledger import Ledger
    from trio_voice.persona import Persona, ToolSchema

WITHOUT_REST: Final = "set account_sid and TWILIO_AUTH_TOKEN so that phones can be hung up by REST"


def make_leg(
    settings: Settings,
    name: str,
    persona: Persona,
    ledger: Ledger,
    tools: tuple[ToolSchema, ...],
    history: tuple[Said, ...] = (),
    resume_with: str | None = None,
    *,
    on_delay: Callable[[float], None] | None = None,
    speech: Speech | None = None,
    kept_lines: KeptLines | None = None,
) -> ModelLeg:
    """A leg of the model with this name in ``[models]``, not yet connected."""
    model = settings.models[name]
    spec = LegSpec(
        settings=model,
        persona=persona,
        tools=tools,
        ledger=attrs.evolve(ledger, model=name),
        keys={secret: key for secret in model.credentials if (key := settings.secrets.get(secret)) is not None},
        wall_clock=wall_clock,
        proxies=settings.proxies,
        on_delay=on_delay,
        speech=speech,
        history=history,
        resume_with=resume_with,
        kept_lines=KeptLines() if kept_lines is None else kept_lines,
    )
    return KINDS[model.kind].make(spec)


def open_rest(settings: Settings, metrics: Metrics | None = None) -> TwilioRest | None:
    """Twilio's REST API, where there is an account; ``None`` without one.

    Raises:
        ConfigError: no client for it can be made.
    """
    account, token = settings.account_sid, settings.secrets.get("TWILIO_AUTH_TOKEN")
    if account is None or token is None:
        return None
    api_url = settings.twilio.api_url
    make_client = open_client_maker(settings.proxies.for_url(api_url))
    return TwilioRest(account, token, api_url, make_client, None if metrics is None else metrics.count_rest_failure)
