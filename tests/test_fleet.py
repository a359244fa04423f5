"""The plan for a fleet: the simulation's day, and the page that is made of it."""

import pytest
from fleet import PAGE, SIZES, page, rounded
from planning.figures import read_figures
from planning.simulation import DRAINING, OFF, READY, STEP_SECONDS, Fleet, Plan, play


def plan(**fields):
    return Plan(**{"peak_calls": 500, "seats": 100, "ramp_seconds": 600.0, "peak_seconds": 2_400.0} | fields)


@pytest.mark.slow
def test_the_page_is_what_the_figures_make_of_it():
    assert PAGE.read_text() == page(), "make fleet"
    assert all(f"{size:,}" in PAGE.read_text() for size in SIZES)


def test_every_figure_says_how_it_was_measured():
    for name, figure in read_figures().items():
        assert figure.value > 0, name
        assert figure.how.strip(), name


def test_the_same_seed_is_the_same_day():
    assert play(plan()) == play(plan())
    assert play(plan()) != play(plan(seed=2))


def test_no_node_has_more_calls_than_seats_and_none_that_is_off_has_any():
    fleet, most = Fleet(plan()), 0
    note = fleet._note

    def look():
        nonlocal most
        most = max(most, fleet._live.max())
        assert not fleet._live[fleet._state == OFF].any()
        note()

    fleet._note = look
    fleet.run()
    assert 50 < most <= 100


def test_whoever_rings_where_all_seats_are_taken_is_refused():
    told = play(plan(seats=100, target=1.3, least_nodes=1))
    assert told.refused > 0
    assert play(plan()).refused == 0


def test_a_longer_drain_cuts_fewer_calls_and_takes_longer():
    short, long = play(plan(drain_seconds=60.0)), play(plan(drain_seconds=300.0))
    assert short.cut_by_restart > 2 * long.cut_by_restart > 0
    assert short.restart_seconds < long.restart_seconds


def test_a_rolling_restart_that_the_day_is_too_short_for_is_not_said_to_be_done():
    assert play(plan(drain_seconds=2_000.0, call_seconds=10_000.0)).restart_seconds == float("inf")


def test_a_node_that_dies_takes_its_calls_and_is_replaced():
    fleet = Fleet(plan())
    fleet._state[:8], fleet._live[:8] = READY, 70
    fleet._one_dies()
    assert fleet.told.died_with == 70
    assert (fleet._state == READY).sum() == 7
    fleet._scale(60.0, rolling=False)
    assert ((fleet._state != OFF).sum(), fleet._live.sum()) == (8, 490)


def test_nodes_that_are_too_many_are_drained_slowly_and_not_in_a_restart():
    fleet = Fleet(plan())
    fleet._state[:8], fleet._live[:8] = READY, 20
    fleet._scale(0.0, rolling=False)
    fleet._enough_since = 0.0
    fleet._scale(660.0, rolling=True)
    assert (fleet._state == DRAINING).sum() == 0
    fleet._scale(720.0, rolling=False)
    assert (fleet._state == DRAINING).sum() == 0
    fleet._scale(1_320.0, rolling=False)
    assert (fleet._state == DRAINING).sum() == 1


def test_calls_that_are_placed_wait_for_the_account():
    paced, slow = play(plan()), play(plan(pace_margin=0.7))
    assert paced.longest_queue_seconds < 120 < slow.longest_queue_seconds
    assert paced.calls > slow.calls


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.0512, "0.051"), (9.17, "9.2"), (12.0, "12"), (103.4, "100"), (61_234, "61,000")]
)
def test_two_digits_count(value, text):
    assert rounded(value) == text


def test_a_step_is_a_divisor_of_what_is_looked_for_by_the_clock():
    assert 60 % STEP_SECONDS == 0
