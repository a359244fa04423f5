"""Sessions of AssemblyAI's Voice Agent protocol: one that has just been opened, and one that is ready."""

import json

import pytest

from tests.protocols.assemblyai_agent.agent import READY, at, persona
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession


@pytest.fixture
def session():
    return VoiceAgentSession(persona())


@pytest.fixture
def ready(session):
    session.receive(json.dumps(READY), 0.0)
    return session


@pytest.fixture
def listening():
    session = VoiceAgentSession(persona(greeting=None))
    at(session, 0, READY["type"], **{key: value for key, value in READY.items() if key != "type"})
    return session
