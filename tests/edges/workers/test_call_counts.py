"""Calls of all workers, counted once by each."""

import os

from trio_voice.edges.workers.call_counts import CallCounts, make_call_counts


def test_a_seat_is_counted_once_by_everybody():
    descriptor = make_call_counts(3)
    one, two, supervisor = (CallCounts(descriptor, 3, index) for index in range(3))
    one.occupy(4)
    two.occupy(2)
    assert (one.occupied_by_others, two.occupied_by_others, supervisor.occupied_by_others) == (2, 4, 6)
    assert [each.emptiest_of(range(3)) for each in (one, two)] == [2, 2]
    supervisor.occupy(2)
    # Its own, where that is as good.
    assert [each.emptiest_of(range(3)) for each in (one, two, supervisor)] == [1, 1, 2]
    two.occupy(0, index=0)
    assert two.occupied_by_others == 2
    one.occupy_browsers(1)
    two.occupy_browsers(2)
    assert (one.browsers_of_others, two.browsers_of_others, supervisor.browsers_of_others) == (2, 1, 3)
    assert (two.occupied_by_others, supervisor.occupied_by_others) == (2, 2)
    supervisor.occupy_browsers(0, 1)
    assert one.browsers_of_others == 0
    os.close(descriptor)
