"""A call with a chain of either kind of language model, and what it was told."""

from functools import partial

import pytest

from tests import chains

YES = "Yes, until six in the evening, and on Saturdays until four. What else?"


def lines(rig):
    return [(line.role, line.text, line.interrupted) for line in rig.record.transcript]


def told(rig, number):
    """The conversation that the language model was told with its question of this number."""
    return [(line.role, line.text) for line in rig.agent.thinking.exchanges[number].lines]


@pytest.fixture(params=["openai-chat", "anthropic"])
def live_chain(request):
    """A chain with either of the protocols of language models."""
    return partial(chains.live_chain, llm=request.param)


def assert_all_well(rig):
    for session in rig.agent.sessions:
        assert session.client_errors == []
        assert session.told_goodbye
    assert [mistake for each in rig.agent.thinking.exchanges for mistake in each.client_errors] == []
    assert rig.twilio.warnings == {}
    assert rig.record.counters.get("model_garbage", 0) == 0


def asked(rig, number):
    """A question to OpenAI's kind, as it was put."""
    return rig.agent.thinking.exchanges[number].body["messages"]
