"""Sessions of Gemini's Live API: one that has just been opened, and one that is ready."""

import pytest

from tests.protocols.gemini_live.live import ROLL, hear, persona, settings
from trio_voice.protocols.gemini_live.session import GeminiLiveSession


@pytest.fixture
def session():
    return GeminiLiveSession(settings(), persona(), (ROLL,))


@pytest.fixture
def ready(session):
    hear(session, setupComplete={"sessionId": "s1"})
    return session
