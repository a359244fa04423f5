"""What is known of a call: the meters of its sessions."""

import math
from datetime import UTC, datetime

import pytest

from trio_voice.record import MAX_USAGE, ModelSessionRecord

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_usage_adds_up():
    session = ModelSessionRecord("openai-realtime", NOON)
    session.add_usage({"audio_in_tokens": 300, "text_out_tokens": 12})
    session.add_usage({"audio_in_tokens": 40.5})
    assert session.meters == {"audio_in_tokens": 340.5, "text_out_tokens": 12}
    assert session.as_json()["meters"] == session.meters


@pytest.mark.parametrize("amount", [-1, math.nan, math.inf, -math.inf, MAX_USAGE * 2, 10**400])
def test_what_no_meter_can_have_counted_is_left_out_and_the_rest_is_not(amount):
    session = ModelSessionRecord("openai-realtime", NOON)
    session.add_usage({"seconds": amount, "characters": 7})
    assert session.meters == {"characters": 7}
