"""Gemini's Live API: what it costs."""

import json

import pytest

from tests.protocols.gemini_live.live import hear
from trio_voice.events import model as c


def test_tokens_become_meters_by_what_they_are(ready):
    usage = {
        "promptTokenCount": 225,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}, {"modality": "AUDIO", "tokenCount": 100}],
        "cachedContentTokenCount": 30,
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}],
        "responseTokenCount": 60,
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 55}, {"modality": "TEXT", "tokenCount": 2}],
        "thoughtsTokenCount": 8,
        "toolUsePromptTokenCount": 5,
        "totalTokenCount": 285,
    }
    (event,) = hear(ready, usageMetadata=usage)
    assert event == c.Usage(
        {
            "text_in_tokens": 100 + 25 + 5 - 10,
            "cached_text_in_tokens": 10,
            "audio_in_tokens": 80,
            "cached_audio_in_tokens": 20,
            "text_out_tokens": 10,
            "audio_out_tokens": 58,
        }
    )


def test_usage_is_of_one_turn_so_each_is_told(ready):
    events = [hear(ready, usageMetadata={"promptTokenCount": n}) for n in (143, 181, 224)]
    assert [event.meters for (event,) in events] == [{"text_in_tokens": n} for n in (143, 181, 224)]


@pytest.mark.parametrize("usage", [{}, {"promptTokenCount": -5}, {"promptTokenCount": True}, {"promptTokenCount": "9"}])
def test_usage_that_says_nothing(ready, usage):
    assert ready.receive(json.dumps({"usageMetadata": usage}), 0.0) == []
