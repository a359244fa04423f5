"""Google's Gemini Live API: one WebSocket that hears 16 kHz and speaks 24 kHz.

    session     what is said on the socket, from its setup to its closing
    content     what is heard: replies, the caller's words, interruptions
    setup       the table of config.toml, what each model may be asked for, the first message
    frames      a reply as frames of Twilio's
    tools       which calls wait for which answers
    watchdog    a session that has stopped answering
    usage       tokens into meters; why a socket was closed

Sources: ``google-genai`` 3.4.0 (its types, and its traffic as captured), Google's guides of 2026, and published reports
of live sessions, named at the place.

``session``, ``content`` and ``frames`` resample, for which they need numpy, the extra ``gemini-live``; what is
named here does not.
"""

from trio_voice.protocols.gemini_live.setup import CREDENTIAL, URL, GeminiLiveSettings

__all__ = ["CREDENTIAL", "URL", "GeminiLiveSettings"]
