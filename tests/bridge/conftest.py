"""A bridge whose agent greets, driven by hand."""

import pytest

from tests.playbook import Playbook


@pytest.fixture
def book():
    return Playbook()
