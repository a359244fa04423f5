"""The table of a conversation's states."""

import enum

import pytest

from trio_voice.bridge.states import TABLE, Caller, Ending, Model, Reply, Signal, States, printed


def test_a_signal_moves_a_state_only_within_its_own_machine():
    for moves in TABLE.values():
        for before, after in moves.items():
            assert type(before) is type(after)


@pytest.mark.parametrize("machine", [Caller, Model, Reply, Ending])
def test_every_state_can_be_reached(machine):
    reached = {after for moves in TABLE.values() for after in moves.values()}
    first = States()
    begins = {first.caller, first.model, first.reply, first.ending}
    assert {state for state in machine if state not in begins} <= reached


def test_no_row_is_written_twice_in_different_words():
    for signal in Signal:
        assert len(TABLE[signal]) == len(set(TABLE[signal]))


@pytest.mark.parametrize("signal", Signal)
def test_nothing_leads_back_from_the_end_and_a_lost_model_stays_lost(signal):
    states = States(model=Model.LOST, ending=Ending.ENDED)
    states.signal(signal)
    assert (states.model, states.ending) == (Model.LOST, Ending.ENDED)


def test_a_turn_and_its_answer():
    states = States()
    for signal in (Signal.STARTED, Signal.MODEL_READY, Signal.SPEECH_BEGAN, Signal.TURN_ENDED, Signal.ANSWER_OWED):
        states.signal(signal)
    assert states.caller is Caller.WAITING
    states.signal(Signal.REPLY_BEGAN)
    assert states.reply_is_open
    assert not states.reply_was_heard
    states.signal(Signal.REPLY_SOUNDED)
    assert (states.caller, states.reply) == (Caller.QUIET, Reply.AUDIBLE)
    states.signal(Signal.REPLY_ENDED)
    assert states.reply is Reply.SPOKEN


def test_the_table_can_be_read():
    lines = printed().splitlines()
    assert len(lines) == len(Signal)
    assert "the model is ready: Model opening -> ready" in lines
    assert all(isinstance(state, enum.Enum) for moves in TABLE.values() for state in moves)
