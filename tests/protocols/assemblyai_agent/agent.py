"""A session of AssemblyAI's Voice Agent protocol, and what is said to it."""

import json

from trio_voice.events import model as c
from trio_voice.persona import Persona

READY = {
    "type": "session.ready",
    "session_id": "sess_0123456789abcdef0123456789abcdef",
    "config": {
        "input": {"format": {"encoding": "audio/pcmu", "sample_rate": 8000}},
        "output": {"voice": "alba", "format": {"encoding": "audio/pcmu", "sample_rate": 8000}},
    },
    "timestamp": 1790000000.5,
}


def persona(**more):
    return Persona(**{"name": "p", "model": "m", "voice": "alba", "prompt": "Be brief.", "greeting": "Hello"} | more)


def at(session, now, kind, **event):
    return list(session.receive(json.dumps({"type": kind, **event}), now))


def sent(events):
    return [json.loads(event.message) for event in events if isinstance(event, c.Outgoing)]


def hear(session, **event):
    return session.receive(json.dumps(event | {"timestamp": 1790000001.0}), 0.0)


LOUD = "AAAA"
