"""Daemons that are dead, found on a virtual clock whatever their own clocks show."""

import itertools
from datetime import timedelta

import pytest

from tests.call.orphans import LOOK_SECONDS, NOON
from trio_voice.call.recovery import BLIND_LOOKS, LOOKS, MIN_SILENT_SECONDS, SILENT_SECONDS, FailureDetector
from trio_voice.journal import Pace, Run

BLIND_SECONDS = LOOK_SECONDS * BLIND_LOOKS


# Who is gone


def beating(name, beat):
    return Run(name, "n", 1, NOON, NOON + timedelta(seconds=beat))


def test_a_heart_has_stopped_when_it_stood_still_for_long_enough_while_somebody_watched():
    detector = FailureDetector()
    for now in range(0, 30, 5):
        assert detector.silent([beating("still", 0), beating("alive", now)], now) == set()
    assert detector.silent([beating("still", 0), beating("alive", 30)], 30) == {"still"}
    assert detector.silent([beating("still", 1), beating("alive", 35)], 35) == set()  # it had only been slow


@pytest.mark.parametrize("skew", [-86_400, 86_400])
def test_what_its_clock_shows_and_how_it_jumps_does_not_matter(skew):
    detector = FailureDetector()
    for now in range(0, 90, 5):
        jumping = skew if now > 40 else 0
        assert detector.silent([beating("r", now * 0.001 + jumping)], now) == set()


def test_time_in_which_nobody_could_look_does_not_count():
    """The database that all share was away: nobody has beaten, and nobody is dead."""
    detector = FailureDetector()
    for now in (0, 5, 10):
        detector.silent([beating("r", 0)], now)
    later = 10 + BLIND_SECONDS + 100
    assert detector.silent([beating("r", 0)], later) == set()
    for now in range(0, int(SILENT_SECONDS), 5):
        assert detector.silent([beating("r", 0)], later + now) == set()
    assert detector.silent([beating("r", 0)], later + SILENT_SECONDS) == {"r"}


def test_who_is_of_no_interest_for_a_while_is_watched_anew():
    detector = FailureDetector()
    for now in range(0, 25, 5):
        detector.silent([beating("r", 0)], now)
    detector.silent([], 25)
    assert detector.silent([beating("r", 0)], 30) == set()


def test_a_daemon_has_time_to_notice_that_its_connection_is_stuck_and_to_open_another():
    connect_seconds = pytest.importorskip("trio_voice.journal.postgres").CONNECT_SECONDS
    pace = Pace()
    last_beat_but_one = pace.beat_seconds + pace.stuck_seconds + pace.beat_seconds
    assert last_beat_but_one + pace.retry_seconds + connect_seconds < SILENT_SECONDS
    assert LOOK_SECONDS + pace.answer_seconds <= BLIND_SECONDS  # a slow answer is no outage


@pytest.mark.parametrize("silent_seconds", [MIN_SILENT_SECONDS, SILENT_SECONDS])
def test_an_outage_of_what_all_share_kills_nobody_however_long_it_is(silent_seconds):
    """Whoever lives has beaten within 5 s before it, and does within 2 after it; the watcher looks at once."""
    look_seconds = silent_seconds / LOOKS
    for began, lasted in itertools.product([0.1, 2.5, 4.9], [each / 4 for each in range(200)]):
        detector, ended = FailureDetector(silent_seconds), began + lasted
        looks = [each * look_seconds for each in range(LOOKS) if each * look_seconds <= began]
        for now in [*looks, ended, ended + 1.99]:
            assert detector.silent([beating("r", 0)], now) == set(), (began, lasted)
