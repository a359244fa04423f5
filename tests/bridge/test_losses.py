"""Faults, garbage and facts that nobody knows, which a call outlives."""

import pytest

from tests.playbook import START, TALKS_FIRST, Playbook, end_of
from trio_voice.bridge.losses import MAX_GARBAGE
from trio_voice.events import model as c
from trio_voice.events.call import ModelReplaced, ReplaceModel
from trio_voice.record import EndReason


def test_a_stream_of_another_call_is_not_taken():
    book = Playbook(call_sid="CA9")
    (end,) = book.on(START)
    assert end.reason is EndReason.CALLER_LOST
    assert end.detail == "the stream belongs to another call than its path was made for"


def test_a_fault_that_is_not_fatal_is_counted_and_the_call_goes_on(book):
    book.live()
    assert book.on(c.ModelFault("immutable_field", "", fatal=False)) == []
    assert book.record.counters == {"model_faults": 1}


def test_unknown_events_are_ignored_however_many(book):
    book.live()
    for _ in range(10 * MAX_GARBAGE):
        assert book.on(c.Unrecognized("future.event")) == []
    assert book.record.counters == {"unknown_model_messages": 10 * MAX_GARBAGE}


@pytest.mark.parametrize(("leg", "reason"), [("caller", EndReason.CALLER_LOST), ("model", EndReason.MODEL_FAILED)])
def test_garbage_is_ignored_until_there_is_too_much_of_it(book, leg, reason):
    book.live()
    for _ in range(MAX_GARBAGE):
        assert book.on(c.Unrecognized("#", garbage=True, leg=leg)) == []
    assert book.record.counters == {f"{leg}_garbage": MAX_GARBAGE}
    end = book.on(c.Unrecognized("#", garbage=True, leg=leg))[-1]
    detail = f"the {leg}'s peer sent over {MAX_GARBAGE} messages of garbage; the last: #"
    assert (end.reason, end.detail) == (reason, detail)


def test_the_garbage_of_one_model_is_not_held_against_the_next():
    book = Playbook(successors=1).live()
    for _ in range(MAX_GARBAGE + 1):
        commands = book.on(c.Unrecognized("#", garbage=True))
    assert isinstance(commands[0], ReplaceModel)
    book.on(ModelReplaced(TALKS_FIRST))
    book.on(c.ModelReady("t"))
    assert all(book.on(c.Unrecognized("#", garbage=True)) == [] for _ in range(MAX_GARBAGE))
    assert end_of(book.on(c.Unrecognized("#", garbage=True))) is EndReason.MODEL_FAILED
