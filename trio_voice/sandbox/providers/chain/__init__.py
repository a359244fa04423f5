"""Three servers that are a chain: a recogniser, a language model and a voice, each well and badly, as it is told.

The files, from the socket inwards:

    server      what a test or a demo opens, and what is known of the sessions
    recogniser  common ground of assemblyai_streaming and deepgram_flux
    thinking    a server of language models, which speaks chat_completions and anthropic_messages
    elevenlabs  its multi-context socket; elevenlabs_http is asked for each text
    cartesia    the other voice
    http        how what is asked over HTTP is reached: in memory, or on loopback
    wire        what is known of each socket, and what its messages are called
    backend     who hears, thinks and speaks: the real thing, or a script
    faults      how they vary, and how they fail

A vendor's file has the name of its protocol in ``trio_voice.protocols``.

They share nothing with ``trio_voice.protocols``, so that each of the two finds the other's misreadings.
"""

from trio_voice.sandbox.providers.chain.backend import (
    EARLY_MS,
    ChainBackend,
    chain_backend_of,
    chain_speaking,
    scripted,
)
from trio_voice.sandbox.providers.chain.faults import ChainFaults, ChainManner, StageFaults
from trio_voice.sandbox.providers.chain.http import MemoryHttp
from trio_voice.sandbox.providers.chain.server import ChainServer, ChainSession, open_chain
from trio_voice.sandbox.providers.chain.wire import StageSession

__all__ = [
    "EARLY_MS",
    "ChainBackend",
    "ChainFaults",
    "ChainManner",
    "ChainServer",
    "ChainSession",
    "MemoryHttp",
    "StageFaults",
    "StageSession",
    "chain_backend_of",
    "chain_speaking",
    "open_chain",
    "scripted",
]
