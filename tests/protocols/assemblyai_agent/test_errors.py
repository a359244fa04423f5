"""AssemblyAI's Voice Agent protocol: refusals, and which end a session."""

import json

import pytest

from tests.protocols.assemblyai_agent.agent import READY, hear
from trio_voice.events import model as c


def test_the_end(ready):
    assert json.loads(ready.goodbye()) == {"type": "session.end"}
    assert hear(ready, type="session.ended", session_duration_seconds=12.5, audio_duration_seconds=None) == [
        c.ModelEnded(12.5)
    ]


@pytest.mark.parametrize("code", ["unauthorized", "UNAUTHORIZED"])
def test_a_wrong_key_says_which_variable(session, code):
    (fault,) = hear(session, type="session.error", code=code, message="Invalid API key")
    assert fault.fatal
    assert "ASSEMBLYAI_API_KEY" in fault.message


def test_a_wrong_voice_names_the_persona_and_passes_on_the_valid_ones(session):
    (fault,) = hear(
        session,
        type="session.error",
        code="invalid_value",
        param="output.voice",
        message="voice must be one of: alba, anna, charles",
    )
    assert fault.fatal
    assert "'alba' of persona 'p'" in fault.message
    assert "alba, anna, charles" in fault.message


@pytest.mark.parametrize("code", ["at_capacity", "concurrency_exceeded", "internal_error", "session_expired"])
def test_codes_that_end_a_session_at_any_time(ready, code):
    (fault,) = hear(ready, type="session.error", code=code, message="")
    assert fault.fatal


@pytest.mark.parametrize("code", ["invalid_value", "invalid_format", "invalid_config", "invalid_webhook"])
def test_a_refused_update_is_fatal_before_ready_and_not_after(session, code):
    assert hear(session, type="session.error", code=code, message="no")[0].fatal
    hear(session, **READY)
    assert not hear(session, type="session.error", code=code, message="no")[0].fatal


@pytest.mark.parametrize(
    "code", ["immutable_field", "invalid_audio", "audio_rate_violation", "agent_id_not_first", "new"]
)
def test_codes_that_leave_a_session_open(ready, code):
    assert not hear(ready, type="session.error", code=code, message="")[0].fatal


def test_the_older_spellings_of_an_error(ready):
    (fault,) = hear(ready, type="error", error_code="internal_error")
    assert fault.fatal
    assert hear(ready, type="reply.error", code="llm_provider_error", message="m", retryable=True) == [
        c.ModelFault("llm_provider_error", "AssemblyAI could not answer the caller: m", fatal=False)
    ]
