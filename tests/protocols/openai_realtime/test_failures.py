"""OpenAI's Realtime protocol: responses that fail, and what is asked for once more."""

import pytest

from tests.protocols.openai_realtime.talk import CREATE, says
from trio_voice.events import model as c


def test_a_response_that_failed_is_asked_for_once_more(talk):
    error = {"type": "server_error", "code": None, "message": "oops"}
    talk.begin("r1")
    done, fault = talk.done("r1", "failed", status_details={"type": "failed", "error": error})
    assert done == c.ReplyDone("r1", interrupted=False)
    assert (fault.fatal, fault.message) == (False, "OpenAI could not answer the caller: oops")
    assert talk.take() == []
    talk.now = talk.session.wake_at
    talk.tick()
    assert talk.take() == [CREATE]
    talk.begin("r2")
    _, fault = talk.done("r2", "failed", status_details={"type": "failed", "error": error})
    assert not fault.fatal  # a server's error may pass
    talk.begin("r3")
    _, fault = talk.done("r3", "failed", status_details={"type": "failed", "error": error})
    assert (fault.fatal, fault.passing) == (True, True)


def test_a_response_that_failed_for_another_cause_is_asked_for_once_more_only(talk):
    error = {"type": "invalid_request_error", "code": None, "message": "oops"}
    for number, fatal in enumerate((False, True)):
        talk.begin(f"r{number}")
        _, fault = talk.done(f"r{number}", "failed", status_details={"type": "failed", "error": error})
        assert fault.fatal is fatal


@pytest.mark.parametrize(
    ("message", "reset_seconds", "wait"),
    [
        ("Rate limit reached. Please try again in 2.4s.", None, 2.4),
        ("Rate limit reached. Please try again in 350ms.", 4, 0.35),
        ("Rate limit reached", 3.5, 3.5),
        ("Rate limit reached", None, 1.0),
    ],
)
def test_a_rate_limit_is_waited_for_as_the_server_tells(talk, message, reset_seconds, wait):
    talk.begin("r1")
    if reset_seconds is not None:
        limits = [{"name": "requests", "limit": 9, "remaining": 3, "reset_seconds": 60}]
        limits.append({"name": "tokens", "limit": 9, "remaining": 0, "reset_seconds": reset_seconds})
        assert talk.hear("rate_limits.updated", rate_limits=limits) == []
    error = {"type": "tokens", "code": "rate_limit_exceeded", "message": message}
    _, fault = talk.done("r1", "failed", status_details={"type": "failed", "error": error})
    assert not fault.fatal
    assert talk.session.wake_at == pytest.approx(wait)
    talk.now = talk.session.wake_at
    talk.tick()
    assert talk.take() == [CREATE]


def test_a_rate_limit_that_lasts_too_long_is_the_end(talk):
    talk.begin("r1")
    error = {"code": "rate_limit_exceeded", "message": "Please try again in 20s."}
    _, fault = talk.done("r1", "failed", status_details={"type": "failed", "error": error})
    assert (fault.fatal, fault.passing) == (True, True)


def test_a_greeting_that_failed_is_the_greeting_once_more(talk):
    talk.do(c.RequestReply("Greet."))
    talk.begin("r1")
    talk.done("r1", "failed")
    talk.take()
    talk.now = talk.session.wake_at
    talk.tick()
    assert talk.take() == [says("Greet.")]
    talk.begin("r2")
    talk.done("r2")
    talk.begin("r3")
    assert not talk.done("r3", "failed")[-1].fatal  # the one between was a success


def test_a_response_that_failed_is_not_asked_for_again_when_the_caller_goes_on(talk):
    talk.begin("r1")
    talk.done("r1", "failed")
    talk.begin("r2")
    talk.done("r2")
    talk.now = 50
    talk.tick()
    assert talk.take() == []


def test_a_response_that_failed_for_want_of_money_is_fatal_at_once(talk):
    talk.begin()
    fault = talk.done(status="failed", status_details={"error": {"type": "insufficient_quota"}})[-1]
    assert fault.fatal
    assert "OPENAI_API_KEY" in fault.message


def test_a_reply_that_was_broken_off_is_told(talk):
    talk.begin()
    details = {"type": "incomplete", "reason": "content_filter"}
    fault, done = talk.done(status="incomplete", status_details=details)
    assert (fault.fatal, fault.message) == (False, "OpenAI broke a reply off: content_filter")
    assert done == c.ReplyDone("r1", interrupted=False)
