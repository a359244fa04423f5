"""Fillers of a chain whose voice was never open: this machine says them, and at once."""

import pytest

from tests.bridge.silences import CHAIN, asked, pass_time
from trio_voice.events import model as c


@pytest.mark.parametrize("has_voice", [False, True])
def test_a_filler_that_no_voice_can_say_is_said_by_this_machine_at_once(has_voice):
    book = asked(CHAIN)
    heard, rest = pass_time(book, 2.6)
    assert (heard, [type(each) for _, each in rest]) == ([], [c.SayExactly])
    if not has_voice:
        book.on(c.FillerUnspoken())
        assert [line.text for line in book.record.transcript if line.role == "agent"][-1:] == [rest[0][1].text]
    pass_time(book, 1.0)
    assert len([line for line in book.record.transcript if line.role == "agent"]) == (not has_voice)
    assert book.record.counters["fillers"] == 1


def test_the_next_one_comes_in_its_time():
    book = asked(CHAIN)
    pass_time(book, 2.6)
    book.on(c.FillerUnspoken())
    heard, rest = pass_time(book, 8.0)
    assert len({text for _, text in heard}) == 2
    assert not any(isinstance(each, c.SayExactly) for _, each in rest)  # nobody is asked who could not
