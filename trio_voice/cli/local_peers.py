"""Local needs of models: peers for those whose ``url`` is ``"sandbox"``, ears and voice for local stages."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from trio_voice.protocols.settings import SANDBOX
from trio_voice.speech import load_speech

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio_voice.config.settings import Settings
    from trio_voice.speech import Speech


def load_speech_for(settings: Settings) -> Speech | None:
    """Ears and voice, loaded if a persona's model has stages in this process. Blocks for up to a second.

    Raises:
        SpeechUnavailable: this machine has none.
    """
    return load_speech() if any("speech" in model.extras for model in settings.used_models.values()) else None


@asynccontextmanager
async def on_this_machine(settings: Settings) -> AsyncIterator[Settings]:
    """The settings with every ``url = "sandbox"`` replaced by a peer that lives until the block is left."""
    local = {name for name, model in settings.models.items() if SANDBOX in {url for url, _ in model.urls.values()}}
    if not local:
        yield settings
        return
    from trio_voice.sandbox.peers import open_peers  # noqa: PLC0415 - only this needs the speech extra

    async with open_peers(settings.models[name].kind for name in local) as urls:
        models = {
            name: model.at(urls[model.kind]) if name in local else model for name, model in settings.models.items()
        }
        yield attrs.evolve(settings, models=models)
