"""Keys of the caller's telephone."""

from tests.playbook import START
from trio_voice.bridge.digits import LONGEST_ENTRY
from trio_voice.events import caller as ms
from trio_voice.events import model as c


def test_keys_are_told_as_one_entry_once_it_is_over(book):
    book.live()
    for key in "4711":
        assert book.after(0.5).on(ms.DigitPressed(key)) == []
    assert book.after(1.7).tick() == []
    (told,) = book.after(0.2).tick()
    assert told.kept
    assert told.instructions.endswith(" 4711")
    assert book.lines() == [("caller", "[pressed 4711]", False)]
    assert book.after(5).tick() == []


def test_a_hash_ends_an_entry_and_so_does_its_length(book):
    book.live()
    book.on(ms.DigitPressed("4"))
    (told,) = book.on(ms.DigitPressed("#"))
    assert told.instructions.endswith(" 4#")
    told = [book.on(ms.DigitPressed("1")) for _ in range(LONGEST_ENTRY)]
    assert [len(commands) for commands in told] == [0] * (LONGEST_ENTRY - 1) + [1]


def test_what_is_on_no_telephone_is_no_key(book):
    book.live()
    book.on(ms.DigitPressed("\x1b]0;"))
    book.on(ms.DigitPressed(""))
    assert book.after(5).tick() == []


def test_keys_wait_for_a_model_that_is_not_ready(book):
    book.on(START)
    book.on(ms.DigitPressed("7"))
    assert book.after(5).tick() == []
    assert any("keys" in told.instructions for told in book.on(c.ModelReady("s")))
