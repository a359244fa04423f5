"""Peers that live on this machine, for models whose ``url`` is ``"sandbox"``."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from trio_voice.protocols.settings import SANDBOX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio_voice.config.settings import Settings


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
