"""OpenAI's Realtime API, and what others have made of it: one WebSocket that hears, thinks and speaks.

    session           what is said on the socket, and whose turn it is to understand what is heard
    caller_events     events about the caller
    response_events   events about what the model says
    context           state that these three share
    dialects          where servers differ, and the table of config.toml
    messages          what we send, and what they send that needs nothing done about it
    responses         what has come of each response
    tools             which function calls are run, and what the others are answered
    turns             which of the caller's turns is answered at once
    requests          what is asked for, and when it may be
    errors            what a server complains of, in words that say what to do
    usage             tokens into meters

Sources: the types of the ``openai`` package 3.54, OpenAI's realtime reference and its guide to costs, and what was seen
live by people who published it (2026-11).
"""

from trio_voice.protocols.openai_realtime.dialects import OpenAIRealtimeSettings
from trio_voice.protocols.openai_realtime.session import MAX_MESSAGE_BYTES, OpenAIRealtimeSession

__all__ = ["MAX_MESSAGE_BYTES", "OpenAIRealtimeSession", "OpenAIRealtimeSettings"]
