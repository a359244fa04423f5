"""Settling of the calls of the dead: a journal in memory and telephones."""

import pytest

from tests.call.orphans import Archive, Phones


@pytest.fixture
def archive():
    return Archive()


@pytest.fixture
def phones():
    return Phones()
