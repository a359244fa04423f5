"""A server that speaks AssemblyAI's Voice Agent protocol, well and badly, as it is told.

The files, from the socket inwards:

    server      what a test or a demo opens: sessions over channels in memory, or over WebSockets
    record      what is known of a session: what it heard and sent, how it was closed, what it costs
    session     one socket: who is let in, what may be said when, how it ends
    dialogue    what it says of the dialogue (sandbox/agent/dialogue.py), and decides in it
    config      ``session.update``, and how each mistake in it is answered
    faults      how it varies, and how it fails

Who hears, speaks and thinks is in ``sandbox/agent``. It shares nothing with ``trio_voice.protocols``, so that each of
the two finds the other's misreadings.
"""

from trio_voice.sandbox.agent.backend import SPOKEN, AgentBackend, AgentBackendFactory, Script, Turn, speaking
from trio_voice.sandbox.providers.assemblyai_agent.config import VOICES
from trio_voice.sandbox.providers.assemblyai_agent.faults import (
    AT_GOODBYE,
    AT_READY,
    BINARY,
    GARBAGE,
    IN_TOOL,
    MID_GREETING,
    MID_REPLY,
    UNKNOWN,
    BargeIn,
    Faults,
    Manner,
    flood,
    huge,
)
from trio_voice.sandbox.providers.assemblyai_agent.record import GRACE_SECONDS, AgentSession
from trio_voice.sandbox.providers.assemblyai_agent.server import VoiceAgentServer, open_voice_agent
from trio_voice.sandbox.transport.faults import Close, Cut, Fail, GoSilent, Moment, Say, StopReading, Strike
from trio_voice.sandbox.transport.record import ClientError

__all__ = [
    "AT_GOODBYE",
    "AT_READY",
    "BINARY",
    "GARBAGE",
    "GRACE_SECONDS",
    "IN_TOOL",
    "MID_GREETING",
    "MID_REPLY",
    "SPOKEN",
    "UNKNOWN",
    "VOICES",
    "AgentBackend",
    "AgentBackendFactory",
    "AgentSession",
    "BargeIn",
    "ClientError",
    "Close",
    "Cut",
    "Fail",
    "Faults",
    "GoSilent",
    "Manner",
    "Moment",
    "Say",
    "Script",
    "StopReading",
    "Strike",
    "Turn",
    "VoiceAgentServer",
    "flood",
    "huge",
    "open_voice_agent",
    "speaking",
]
