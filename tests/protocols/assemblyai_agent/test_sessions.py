"""AssemblyAI's Voice Agent protocol: sessions that are lost, and taken up."""

import json
import math

import pytest

from tests.protocols.assemblyai_agent.agent import READY, at, persona
from trio_voice.events import model as c
from trio_voice.protocols.assemblyai_agent import VoiceAgentSession


def test_a_good_session_that_is_lost_is_taken_up_and_not_told_goodbye(ready):
    assert list(ready.explain_close(None, "", 10.0)) == [c.SessionExpiring(0.0, READY["session_id"])]
    assert ready.goodbye() is None
    (message,) = VoiceAgentSession(persona(), (), (c.Said("agent", "Hello"),), READY["session_id"]).opening()
    assert json.loads(message) == {"type": "session.resume", "session_id": READY["session_id"]}


def test_a_young_session_that_is_lost_has_failed(ready):
    assert list(ready.explain_close(None, "", 9.9)) == []
    assert ready.goodbye() is not None


def test_a_session_that_was_ended_in_words_is_not_taken_up(ready):
    at(ready, 20, "session.ended", session_duration_seconds=20.0)
    assert list(ready.explain_close(1000, "", 20.0)) == []


def test_what_a_session_that_is_taken_up_tells_once_more_is_known():
    history = (c.Said("caller", "I am Ann."), c.Said("agent", "Hello Ann."))
    session = VoiceAgentSession(persona(), history=history, resume_with="sess_0")
    at(session, 0, "session.ready", session_id="sess_0")
    assert at(session, 0.1, "transcript.user.delta", item_id="i1", text="I am") == []
    assert at(session, 0.1, "transcript.user", item_id="i1", text="I am Ann.") == []
    assert at(session, 0.1, "transcript.agent", reply_id="r1", text="Hello Ann.") == []
    assert session.wake_at == math.inf  # nothing is owed for it
    (new,) = at(session, 0.2, "transcript.user", item_id="i2", text="And you?")
    assert new.text == "And you?"
    at(session, 5, "input.speech.started")
    assert at(session, 6, "transcript.user", item_id="i3", text="I am Ann.") != []


@pytest.mark.parametrize("code", ["session_not_found", "session_expired", "session_forbidden"])
def test_a_session_that_cannot_be_taken_up_is_begun_anew(code):
    session = VoiceAgentSession(persona(), resume_with="sess_0")
    assert at(session, 0, "session.error", code=code) == [c.SessionExpiring(0.0)]
    assert list(session.explain_close(1008, code, 0.1)) == [c.SessionExpiring(0.0)]


@pytest.mark.parametrize("code", ["internal_error", "server_error", "at_capacity", "session_expired"])
def test_trouble_of_the_servers_own_is_no_end_of_a_good_session(ready, code):
    assert at(ready, 10.0, "session.error", code=code) == [c.SessionExpiring(0.0)]


@pytest.mark.parametrize("code", ["unauthorized", "forbidden", "agent_not_found"])
def test_a_refusal_that_names_its_cause_is_the_end(ready, code):
    (fault,) = at(ready, 100.0, "session.error", code=code)
    assert fault.fatal


def test_the_longest_session_is_left_in_time():
    session = VoiceAgentSession(persona(greeting=None), started_at=1_000.0)
    at(session, 0, READY["type"], session_id="s", config=READY["config"], expires_at=4_600.0)
    assert session.wake_at == 3_540.0
    assert session.tick(3_540.0) == [c.SessionExpiring(60.0)]
