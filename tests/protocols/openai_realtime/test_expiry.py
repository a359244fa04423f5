"""OpenAI's Realtime protocol: the end of a session."""

import pytest

from tests.protocols.openai_realtime.talk import STARTED_AT, Talk, make
from trio_voice.events import model as c
from trio_voice.protocols.expiry import EXPIRING_SECONDS


def test_a_session_that_is_about_to_expire_says_so_in_time(talk):
    assert talk.session.wake_at == 3_600 - EXPIRING_SECONDS
    talk.now = talk.session.wake_at
    assert talk.tick() == [c.SessionExpiring(EXPIRING_SECONDS)]
    assert talk.tick() == []
    assert talk.session.wake_at == float("inf")


@pytest.mark.parametrize(
    ("expires_at", "wake_at"),
    [
        (STARTED_AT + 20, 10),
        (STARTED_AT + 1_500, 1_440),
        (STARTED_AT - 1, 3_540),
        (STARTED_AT * 1_000, 3_540),
        (None, 3_540),
        ("soon", 3_540),
        (True, 3_540),
    ],
)
def test_the_end_of_a_session_is_the_servers_if_it_makes_sense(fresh, expires_at, wake_at):
    fresh.hear("session.created", session={"id": "s", "expires_at": expires_at})
    assert fresh.session.wake_at == wake_at


@pytest.mark.parametrize(("dialect", "minutes"), [("ga", 60), ("beta", 60), ("xai", 120)])
def test_each_dialect_has_its_cap(dialect, minutes):
    untold = Talk(make(dialect))
    untold.hear("session.updated", session={})
    assert untold.session.wake_at == minutes * 60 - EXPIRING_SECONDS
    assert untold.session.capabilities.session_seconds == minutes * 60


def test_a_session_that_expires_sooner_than_it_was_told_goes_on_in_another(talk):
    """At a gateway's own cap, say: first the error, then the close."""
    assert talk.refuse("session_expired", message="maximum duration of 25 minutes") == [c.SessionExpiring(0.0)]
    assert talk.session.explain_close(1001, "", 5.0) == [c.SessionExpiring(0.0)]
    for code in (1000, 1006, 1011, None):
        assert talk.session.explain_close(code, "", 5.0) == []


def test_a_session_that_expires_before_it_is_ready_is_no_session(fresh):
    (fault,) = fresh.hear("error", error={"code": "session_expired"})
    assert (fault.fatal, fault.message) == (True, "OpenAI's longest session time was reached")


def test_there_is_no_goodbye(talk):
    assert talk.session.goodbye() is None
