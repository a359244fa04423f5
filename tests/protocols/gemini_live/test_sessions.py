"""Gemini's Live API: the end of a connection, and the one that takes it up."""

import json
import math

import pytest

from tests.protocols.gemini_live.live import hear, kinds, of_kind, persona, sent, settings
from trio_voice.events import model as c
from trio_voice.protocols.gemini_live.session import GeminiLiveSession


def test_going_away_is_told_with_the_newest_handle_that_can_be_used(ready):
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    hear(ready, sessionResumptionUpdate={"newHandle": "h2", "resumable": False})
    hear(ready, sessionResumptionUpdate={"newHandle": "", "resumable": True})
    assert hear(ready, 500.0, goAway={"timeLeft": "49.5s"}) == [c.SessionExpiring(49.5, "h1")]


@pytest.mark.parametrize("left", ["soon", "-3s", None, "1e9s", "12345678s"])
def test_going_away_at_a_time_that_cannot_be_read_is_now(ready, left):
    assert hear(ready, goAway={"timeLeft": left}) == [c.SessionExpiring(0.0, None)]


def test_a_server_that_does_not_say_that_it_goes_is_left_in_time(ready):
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    assert ready.wake_at == 550
    assert ready.tick(549.9) == []
    assert ready.tick(550.0) == [c.SessionExpiring(50.0, "h1")]
    assert ready.wake_at == math.inf


def test_from_then_on_each_newer_handle_is_told(ready):
    """Of before a tool was asked for, say: the session that takes over would know nothing of its answer."""
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    assert hear(ready, 500.0, goAway={"timeLeft": "50s"}) == [c.SessionExpiring(50.0, "h1")]
    hear(ready, 503.0, sessionResumptionUpdate={"newHandle": "", "resumable": False})
    newer = hear(ready, 506.0, sessionResumptionUpdate={"newHandle": "h2", "resumable": True})
    assert newer == [c.SessionExpiring(44.0, "h2")]


def test_a_resumed_session_that_gets_no_new_handle_still_has_its_own():
    session = GeminiLiveSession(settings(), persona(), resume_with="h0")
    hear(session, setupComplete={})
    assert hear(session, 1.0, goAway={"timeLeft": "9s"}) == [c.SessionExpiring(9.0, "h0")]


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (1007, "API key not valid. Please pass a valid API key.", "check GEMINI_API_KEY"),
        (1007, "API key expired. Please renew the API key.", "check GEMINI_API_KEY"),
        (1008, "models/gemini-0 is not found for API version v1beta", "check models.g.model"),
        (1008, "gemini-3.8-live is not supported for bidiGenerateContent", "check models.g.model"),
        (1007, "Requested voice 'Kore' is not available", "the voice 'Kore' of persona 'p'"),
        (1007, 'Invalid JSON payload received. Unknown name "foo"', "something that it does not know"),
        (1007, "Request contains an invalid argument.", "refused a message"),
        (1007, "", "close code 1007"),
        (1008, "Requested entity was not found.", "refused the session"),
        (1011, "You exceeded your current quota, please check your plan", "lower max_calls"),
        (1011, "RESOURCE_EXHAUSTED", "lower max_calls"),
    ],
)
def test_a_refusal_is_a_line_that_says_what_to_do(ready, code, reason, words):
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    (fault,) = ready.explain_close(code, reason, 5.0)
    assert fault.fatal
    assert words in fault.message
    assert f"close code {code}" in fault.message
    assert not reason or reason not in fault.message  # it may quote what was said, and this goes into log and journal


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1007, "API key expired. Please renew the API key."),
        (1008, "models/gemini-0 is not found for API version v1beta"),
        (1011, "You exceeded your current quota, please check your plan"),
        (1008, "Billing is disabled for this project"),
    ],
)
def test_a_refusal_that_names_its_cause_is_one_of_a_good_session_too(ready, code, reason):
    (fault,) = ready.explain_close(code, reason, 300.0)
    assert fault.fatal


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1011, "Deadline expired before operation could complete."),
        (1000, ""),
        (None, "cut"),
        (1006, ""),
        (1008, "The operation was aborted."),
        (1008, "Operation is not implemented, or supported, or enabled."),
        (1008, "Requested entity was not found."),
        (1011, "Internal error encountered."),
    ],
)
def test_a_connection_that_ends_for_another_reason_can_be_taken_up(ready, code, reason):
    assert ready.explain_close(code, reason, 300.0) == [c.SessionExpiring(0.0, None)]  # told the conversation
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    assert ready.explain_close(code, reason, 300.0) == [c.SessionExpiring(0.0, "h1")]
    assert of_kind(c.SessionExpiring, ready.explain_close(code, reason, 5.0)) == []


@pytest.mark.parametrize("reason", ["The token count exceeds the maximum", "Request contains an invalid argument.", ""])
def test_a_session_whose_memory_is_full_is_followed_by_one_that_is_told_the_newest(ready, reason):
    hear(ready, sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
    assert ready.explain_close(1007, reason, 300.0) == [c.SessionExpiring(0.0, None)]


@pytest.mark.parametrize(
    ("code", "reason"), [(1011, "Internal error occurred."), (1008, "Session not found."), (1007, ""), (None, "cut")]
)
def test_a_handle_that_is_refused_is_not_offered_again(code, reason):
    """A fresh session takes over instead, which is told the conversation."""
    session = GeminiLiveSession(settings(), persona(), resume_with="h0")
    assert session.explain_close(code, reason, 1.0) == [c.SessionExpiring(0.0, None)]


def test_a_refusal_that_is_not_about_the_handle_is_a_refusal():
    session = GeminiLiveSession(settings(), persona(), resume_with="h0")
    (fault,) = session.explain_close(1011, "You exceeded your current quota", 1.0)
    assert fault.fatal
    assert "raise the quota" in fault.message


def test_what_is_asked_for_before_the_session_is_ready_waits_for_it(session):
    """Anything but the setup as the first message is refused with 1007."""
    for number in range(9):
        assert session.encode(c.RequestReply(f"{number}"), 0.0) == ()
    events = hear(session, setupComplete={})
    assert kinds(events) == ["ModelReady"] + ["Outgoing"] * 8
    assert [message["realtimeInput"]["text"] for message in sent(events)] == list("12345678")
    assert kinds(hear(session, setupComplete={})) == []


@pytest.mark.parametrize("complete", [7, [], None])
def test_a_setup_that_is_complete_in_another_shape_leaves_room_for_the_right_one(session, complete):
    (event,) = session.receive(json.dumps({"setupComplete": complete}), 0.0)
    assert event.garbage
    assert kinds(hear(session, setupComplete={})) == ["ModelReady"]


def test_there_is_no_goodbye(ready):
    assert ready.goodbye() is None
