"""The kinds of model that config.toml may name, one row each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.legs.model import SocketModelLeg
from trio_voice.legs.websocket import open_websocket
from trio_voice.protocols import voice_agent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from trio_voice.legs.channel import Channel
    from trio_voice.legs.ledger import Ledger
    from trio_voice.legs.model import ModelLeg
    from trio_voice.persona import Persona, ToolSchema

STALL_SECONDS: Final = 5.0
"""How long a model may take to read one message before its leg is given up. Longer than the caller's, because a model
that pauses costs the caller only its answer, and the end of the call shortens it anyway."""


@attrs.frozen(kw_only=True)
class ModelSettings:
    """One table of ``[models]``."""

    name: str
    kind: str
    url: str | None = None


@attrs.frozen
class Order:
    """A model leg that is wanted for one call."""

    settings: ModelSettings
    persona: Persona
    tools: tuple[ToolSchema, ...]
    ledger: Ledger
    key: str
    """The credential, or nothing where none is needed."""
    wall_clock: Callable[[], datetime]
    on_delay: Callable[[float], None] | None = None


@attrs.frozen
class Kind:
    """What is particular to one kind of model."""

    default_url: str
    secret: str
    """The credential's name."""
    make: Callable[[Order], ModelLeg]


def _assemblyai_agent(order: Order) -> ModelLeg:
    async def connect() -> Channel:
        url = order.settings.url or KINDS["assemblyai-agent"].default_url
        headers = {"Authorization": f"Bearer {order.key}"}
        return await open_websocket(url, headers, max_message_bytes=voice_agent.MAX_MESSAGE_BYTES)

    session = voice_agent.VoiceAgentSession(order.persona, order.tools)
    return SocketModelLeg(session, connect, STALL_SECONDS, order.ledger, order.wall_clock, order.on_delay)


KINDS: Final[Mapping[str, Kind]] = {
    "assemblyai-agent": Kind("wss://agents.assemblyai.com/v1/ws", "ASSEMBLYAI_API_KEY", _assemblyai_agent),
}
