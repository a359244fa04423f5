"""Fixtures of the sandbox's Twilio."""

import httpx2
import pytest

from tests.sandbox.twilio.world import Rest, open_world


@pytest.fixture
async def world():
    async with open_world() as everything:
        yield everything


@pytest.fixture
def sandbox(world):
    return world[0]


@pytest.fixture
def site(world):
    return world[1]


@pytest.fixture
def streams(world):
    return world[2]


@pytest.fixture
async def rest(sandbox):
    async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
        yield Rest(sandbox, client)
