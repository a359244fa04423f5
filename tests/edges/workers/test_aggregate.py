"""Metrics of several workers as those of one daemon."""

from trio_voice.edges.workers.aggregate import metrics


def test_samples_of_several_are_added_and_what_is_the_same_for_all_is_not():
    here = (
        '# HELP calls_total Calls, by "reason".\n# TYPE calls_total counter\n'
        'calls_total{reason="hang\\"up"} 2.0\n'
        "# HELP trio_voice_max_calls Most.\n# TYPE trio_voice_max_calls gauge\ntrio_voice_max_calls 10.0\n"
        '# HELP wait Waits.\n# TYPE wait histogram\nwait_bucket{le="0.1"} 1.0\nwait_bucket{le="+Inf"} 3.0\n'
        "wait_count 3.0\nwait_sum 0.5\n"
    )
    there = here + "# HELP more_total M.\n# TYPE more_total counter\nmore_total 1.0\n"
    assert metrics([here]) == here
    lines = metrics([here, there]).splitlines()
    assert 'calls_total{reason="hang\\"up"} 4.0' in lines
    assert "trio_voice_max_calls 10.0" in lines
    assert 'wait_bucket{le="+Inf"} 6.0' in lines
    assert "wait_sum 1.0" in lines
    assert "more_total 1.0" in lines
