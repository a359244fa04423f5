"""A server that speaks OpenAI's Realtime protocol, well and badly, as it is told.

The files, from the socket inwards:

    server      what a test or a demo opens: sessions over channels in memory, or over WebSockets
    record      what is known of a session: what it heard and sent, how it was closed, what it complained of
    session     one socket: who is let in, what may be said when, how it ends
    dialogue    turns, responses, barge-in, tools
    items       what a conversation is made of, as the wire has it
    config      ``session.update`` in each dialect, and how each mistake in it is answered

Ears, voice and generator, and what strikes a session, are those of the other sandbox agent (``sandbox/agent``). It
shares nothing with ``trio_voice.protocols``, so that each of the two finds the other's misreadings.
"""

from trio_voice.sandbox.providers.openai_realtime.record import Manner, RealtimeSession
from trio_voice.sandbox.providers.openai_realtime.server import RealtimeServer, open_realtime
from trio_voice.sandbox.transport.faults import Moment
from trio_voice.sandbox.transport.record import ClientError

AT_READY = Moment("session.updated")
MID_GREETING = Moment("response.output_audio.delta", 5, reply=1)
MID_REPLY = Moment("response.output_audio.delta", 5, reply=2)
IN_TOOL = Moment("response.function_call_arguments.done")

__all__ = [
    "AT_READY",
    "IN_TOOL",
    "MID_GREETING",
    "MID_REPLY",
    "ClientError",
    "Manner",
    "RealtimeServer",
    "RealtimeSession",
    "open_realtime",
]
