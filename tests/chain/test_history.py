"""The conversation that a chain's language model is told: what stays of it when it becomes too long."""

from trio_voice.chain.history import MAX_RESULTS, History
from trio_voice.events.stage import ToolCall, ToolCallResult


def looked_up(history, call_id, letters):
    """The agent has looked something up, and so long was what it found."""
    history.caller_said(f"What about {call_id}?")
    history.speaking(call_id).calls = (ToolCall(call_id, "look_up", {}),)
    history.answered([ToolCallResult(call_id, "r" * letters)])


def results(history):
    """Letters of each result that is told."""
    return [len(result.text) for entry in history.entries() for result in entry.results]


def test_the_result_that_the_model_has_just_asked_for_is_whole_however_long_those_before_it_were():
    history = History()
    for call_id in ("first", "second"):
        looked_up(history, call_id, MAX_RESULTS)
    older, newest = results(history)
    assert (older < 500, newest) == (True, MAX_RESULTS)


def test_of_older_results_only_as_many_are_shortened_as_it_takes():
    history = History()
    for call_id, letters in [("a", 12_000), ("b", 2_000), ("c", 8_000), ("d", 3_000)]:
        looked_up(history, call_id, letters)
    older, *others = results(history)
    assert older < 500
    assert others[-1] == 3_000
    assert sum(results(history)) <= MAX_RESULTS


def test_of_a_conversation_in_which_nobody_has_asked_anything_nothing_is_forgotten():
    history = History()
    history.instructed("Greet the caller.")
    told = history.entries()
    assert not history.forget_half()
    assert history.entries() == told


def test_a_single_result_that_is_too_long_is_shortened_when_the_provider_refuses_it():
    history = History()
    looked_up(history, "a", 3_000)
    assert history.forget_half()
    assert results(history)[0] < 500
    assert not history.forget_half()  # there is nothing more to shorten
