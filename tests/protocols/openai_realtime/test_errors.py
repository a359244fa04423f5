"""OpenAI's Realtime protocol: what is refused, and which errors end a session."""

import pytest

from tests.protocols.openai_realtime.talk import CREATED_FIELDS
from trio_voice.events import model as c


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"code": "invalid_api_key", "message": "Incorrect API key"}, "check OPENAI_API_KEY"),
        ({"type": "invalid_request_error", "code": "invalid_model"}, "models.desk.model"),
        ({"type": "beta_api_shape_disabled", "code": None}, "models.desk.dialect"),
        ({"code": "something_new", "message": "no"}, "check OPENAI_API_KEY and models.desk.model: no"),
        ({}, "check OPENAI_API_KEY and models.desk.model"),
    ],
)
def test_an_error_in_place_of_a_session_says_what_to_check(fresh, error, words):
    (fault,) = fresh.hear("error", error=error)
    assert fault.fatal
    assert words in fault.message


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ("session.audio.output.voice", "the voice 'marin' of persona 'p'"),
        ("session.audio.input.transcription.model", "models.desk.transcription_model"),
        ("session.audio.input.noise_reduction.type", "models.desk.noise_reduction"),
        ("session.audio.input.turn_detection.threshold", "turn_detection of persona 'p'"),
        ("session.tools[0].parameters", "the tools of persona 'p'"),
        ("session.type", "models.desk.dialect"),
        (None, "OpenAI complained"),
    ],
)
def test_a_setting_that_is_refused_names_our_key(fresh, param, words):
    fresh.hear(**CREATED_FIELDS)
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": "Supported are x.", "param": param}
    (fault,) = fresh.hear("error", error=error)
    assert fault.fatal
    assert words in fault.message
    assert fault.message.endswith("Supported are x.")


FATAL = (
    *("insufficient_quota", "credit_balance_exhausted", "account_deactivated", "billing_hard_limit_reached"),
    "invalid_api_key",
)


@pytest.mark.parametrize("code", FATAL)
def test_errors_that_end_a_session_at_any_time(talk, code):
    assert talk.refuse(code)[0].fatal
    (fault,) = talk.hear("error", error={"type": code, "message": "x"})
    assert fault.fatal


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("response_cancel_not_active", ""),
        ("conversation_already_has_active_response", ""),
        ("input_audio_buffer_commit_empty", ""),
        ("item_create_duplicate_item_id", ""),
        ("invalid_value", "Audio content of 2400ms is already shorter than 2500ms"),
        (None, "Cannot truncate an item that is gone"),
        (None, "There is no active response to cancel"),
    ],
)
def test_benign_errors_are_none(talk, code, message):
    assert talk.refuse(code, message=message) == []


def test_other_errors_leave_the_session_open(talk):
    (fault,) = talk.refuse("rate_limit_exceeded", message="Slow down")
    assert fault == c.ModelFault("rate_limit_exceeded", "OpenAI complained: Slow down", fatal=False)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (3000, "OpenAI refused the key: check OPENAI_API_KEY"),
        (4000, "OpenAI no longer speaks the beta dialect: set models.desk.dialect to 'ga'"),
        (1011, None),
        (None, None),
    ],
)
def test_a_socket_that_is_closed_in_place_of_a_session_says_what_to_check(fresh, code, words):
    faults = fresh.session.explain_close(code, "", 0.0)
    assert [(fault.message, fault.fatal) for fault in faults] == ([(words, True)] if words else [])


@pytest.mark.parametrize("code", [None, 1000, 1006, 1011, 1012])
def test_a_good_session_whose_socket_is_lost_is_followed_by_another(talk, code):
    assert talk.session.explain_close(code, "", 9.9) == []
    assert talk.session.explain_close(code, "", 10.0) == [c.SessionExpiring(0.0)]
