"""A server that speaks Google's Gemini Live protocol, well and badly, as it is told.

    server      what a test or a demo opens: sessions over channels in memory, or over WebSockets
    record      what is known of a session: what it heard and sent, how it was closed
    session     one socket: who is let in, what may be said when, how it ends
    dialogue    turns, replies faster than they are heard, barge-in, tools
    sound       to and from the telephone's, by speech/'s own filters
    setup       the first message, and how each mistake in it is answered
    faults      how it varies, and how it fails

Who hears, speaks and thinks is the voice agent's backend. Like that, it shares nothing with ``trio_voice.protocols``.
"""

from trio_voice.sandbox.providers.gemini_live.faults import (
    AT_READY,
    GARBAGE,
    IN_TOOL,
    MID_GREETING,
    MID_REPLY,
    UNKNOWN,
    GeminiFaults,
    GeminiManner,
)
from trio_voice.sandbox.providers.gemini_live.record import GeminiSession
from trio_voice.sandbox.providers.gemini_live.server import GeminiLiveServer, open_gemini_live
from trio_voice.sandbox.providers.gemini_live.setup import VOICES

__all__ = [
    "AT_READY",
    "GARBAGE",
    "IN_TOOL",
    "MID_GREETING",
    "MID_REPLY",
    "UNKNOWN",
    "VOICES",
    "GeminiFaults",
    "GeminiLiveServer",
    "GeminiManner",
    "GeminiSession",
    "open_gemini_live",
]
