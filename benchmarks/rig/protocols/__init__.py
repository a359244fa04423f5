"""Protocols of models, each with its words and what it understands; one small file each, without I/O.

To add one, write a class with the methods of ``ModelProtocol`` and give it a row in ``KINDS``. The socket, the phases
of a call and every fault are the rig's, so a new protocol is broken in all the ways that the others are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from rig.protocols.assemblyai_agent import AssemblyAIAgent, AssemblyAIAgentOverTls
from rig.protocols.assemblyai_streaming import AssemblyAIStreaming
from rig.protocols.chat_completions import ChatCompletions
from rig.protocols.elevenlabs import ElevenLabs
from rig.protocols.gemini_live import GeminiLive
from rig.protocols.openai_realtime import OpenAIRealtime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rig.protocols.protocol import ModelProtocol

MODEL: Final = "model"
"""The stage of a model that is one socket."""
HEARING: Final = "hearing"
THINKING: Final = "thinking"
SPEAKING: Final = "speaking"
"""The stages of a chain."""


@attrs.frozen
class Kind:
    """A kind of model: one socket, or the three of a chain."""

    table: str
    """Table of our config.toml for it; ``{model_url}`` and the like are the addresses of its stages."""
    sockets: Mapping[str, type[ModelProtocol]]
    """The stages that are WebSockets."""
    thinking: type[ChatCompletions] | None = None
    """Of a chain: the stage that is asked over HTTP."""
    tls: bool = False
    """True if TLS is spoken on its sockets. It is broken at its model in all ways, and at the caller in few."""


KINDS: Final[Mapping[str, Kind]] = {
    "assemblyai-agent": Kind('kind = "assemblyai-agent"\nurl = "{model_url}"', {MODEL: AssemblyAIAgent}),
    "assemblyai-agent-tls": Kind(
        'kind = "assemblyai-agent"\nurl = "{model_url}"', {MODEL: AssemblyAIAgentOverTls}, tls=True
    ),
    "openai-realtime": Kind('kind = "openai-realtime"\nurl = "{model_url}"', {MODEL: OpenAIRealtime}),
    "gemini-live": Kind('kind = "gemini-live"\nurl = "{model_url}"', {MODEL: GeminiLive}),
    "chain": Kind(
        'kind = "chain"\n'
        'stt = { kind = "assemblyai-streaming", url = "{hearing_url}" }\n'
        'llm = { kind = "openai-chat", url = "{thinking_url}", model = "rig" }\n'
        'tts = { kind = "elevenlabs", url = "{speaking_url}", voice = "rig" }',
        {HEARING: AssemblyAIStreaming, SPEAKING: ElevenLabs},
        ChatCompletions,
    ),
}
"""By the name that ``--kind`` takes."""
