"""AssemblyAI's Voice Agent API: one WebSocket that hears, thinks and speaks.

    session     what is said and heard on the socket
    setup       the table of config.toml, the first message, what the server makes of it
    requests    replies that are asked for, one at a time
    errors      which of them end a session, and what to do about each

Sources, where they disagree with each other the choice is said at the place: AssemblyAI's events reference and session
configuration pages (2026-09), the server's message schema, and published traces of live sessions (2026-09).
Every frame is JSON text in both directions; audio is base64 inside it, named ``audio`` upwards and ``data`` downwards.
"""

from trio_voice.protocols.assemblyai_agent.session import MAX_MESSAGE_BYTES, VoiceAgentSession
from trio_voice.protocols.assemblyai_agent.setup import CREDENTIAL, URL, VoiceAgentSettings

__all__ = ["CREDENTIAL", "MAX_MESSAGE_BYTES", "URL", "VoiceAgentSession", "VoiceAgentSettings"]
