"""Records of ended calls: how many are kept, and how much memory they take."""

import sys
import tracemalloc

import pytest

from trio_voice.call.remembered import MAX_BYTES, MAX_CALLS, RememberedCalls, bytes_of
from trio_voice.record import CallRecord, CallState, Turn, Utterance


def record(number, *, lines=0, letters=0, letter="x"):
    made = CallRecord(
        call_id=str(number), call_sid=None, direction="inbound", state=CallState.ENDED, persona="p",
        from_number="", to_number="",
    )  # fmt: skip
    made.transcript.extend(Utterance("agent", letter * letters, float(line)) for line in range(lines))
    return made


def test_the_latest_thousand_are_kept():
    kept = RememberedCalls()
    for number in range(MAX_CALLS + 5):
        kept.add(record(number))
    assert [each.call_id for each in kept] == [str(number) for number in range(5, MAX_CALLS + 5)]
    assert kept.latest_first()[0].call_id == str(MAX_CALLS + 4)
    assert kept.get("4") is None


def test_long_ones_displace_more_than_one():
    kept = RememberedCalls()
    for number in range(100):
        kept.add(record(number, lines=100, letters=10_000))
    assert sum(bytes_of(each) for each in kept) <= MAX_BYTES
    assert kept.latest_first()[0].call_id == "99"
    assert 20 < len(list(kept)) < 40
    for each in list(kept):
        kept.pop(each.call_id)
    assert kept._bytes == 0


def test_one_that_is_too_large_is_kept_alone_until_the_next():
    kept = RememberedCalls()
    kept.add(record(1))
    kept.add(record(2, lines=MAX_BYTES // 1_000_000 + 1, letters=1_000_000))
    assert [each.call_id for each in kept] == ["2"]
    kept.add(record(3))
    assert [each.call_id for each in kept] == ["3"]


def test_one_that_ends_twice_is_there_once():
    kept = RememberedCalls()
    for lines in (1, 5, 2):
        kept.add(record(1, lines=lines, letters=1_000))
    assert kept._bytes == bytes_of(record(1, lines=2, letters=1_000))


@pytest.mark.parametrize("letter", ["x", "ü", "ж", "😀"])
def test_the_estimate_is_not_below_what_is_taken(letter):
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    made = record(1, lines=500, letters=300, letter=letter)
    made.turns.extend(Turn(float(at), 500.0, {"heard": 1.0, "answered": 2.0}) for at in range(200))
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    shared = sys.getsizeof(letter * 300)
    assert bytes_of(made) > taken - shared
