"""Gemini's Live API: words of the caller's that are written when they have been answered."""

import pytest

from tests.protocols.gemini_live.live import hear, idle, sound
from tests.protocols.gemini_live.test_watchdog import speak
from trio_voice.events import model as c


def answered(session):
    """The caller is answered, and nothing of what they said is written yet; returns when the answer was made."""
    last = speak(session, 1.0, 1.0)
    idle(session, last + 0.4)
    hear(session, last + 0.5, serverContent=sound(1_500))
    hear(session, last + 0.6, serverContent={"generationComplete": True})
    return last + 0.6


@pytest.mark.parametrize("after", [0.0, 0.8, 1.6, 4.0, 7.0])
def test_words_that_are_written_behind_the_answer_ask_for_no_other(ready, after):
    at = answered(ready)
    if after > 1.5:
        hear(ready, at + 1.5, serverContent={"turnComplete": True})
    (line,) = hear(ready, at + after, serverContent={"inputTranscription": {"text": "When do you open?"}})
    assert line.text == "When do you open?"
    assert idle(ready, at + after + 20.0) == []


@pytest.mark.parametrize("loud", [True, False])
def test_words_behind_an_answer_are_waited_for_where_somebody_was_heard_or_may_be_too_low(ready, loud):
    at = answered(ready) + 2.0
    hear(ready, at, serverContent={"turnComplete": True})
    at = speak(ready, 0.5, at) if loud else at + 12.0
    hear(ready, at + 0.1, serverContent={"inputTranscription": {"text": "And on Sunday?"}})
    assert any(isinstance(event, c.ModelFault) for _, event in idle(ready, at + 9.0))


def test_words_that_gemini_was_interrupted_with_are_waited_for(ready):
    at = answered(ready)
    hear(ready, at + 0.5, serverContent={"interrupted": True})
    hear(ready, at + 0.6, serverContent={"turnComplete": True})
    hear(ready, at + 1.5, serverContent={"inputTranscription": {"text": "And on Sunday?"}})
    assert any(isinstance(event, c.ModelFault) for _, event in idle(ready, at + 9.0))
