"""Sessions of OpenAI's Realtime protocol: one that has just been opened, and one that is ready."""

import pytest

from tests.protocols.openai_realtime.talk import CREATED_FIELDS, READY, ROLL, UPDATED_FIELDS, Talk, make


@pytest.fixture
def fresh():
    return Talk(make(tools=(ROLL,)))


@pytest.fixture
def talk(fresh):
    fresh.hear(**CREATED_FIELDS)
    assert fresh.hear(**UPDATED_FIELDS) == [READY]
    return fresh
