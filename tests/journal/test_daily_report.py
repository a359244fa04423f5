"""A day's sum: what each model was used for, what both meters come to, and what outlived its call."""

import json
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from tests.billing.test_cost import AGENT, TWILIO
from trio_voice.billing.prices import Prices
from trio_voice.journal import JournaledCall, Run
from trio_voice.journal.daily_report import CLOSINGS, lines_of, sum_up
from trio_voice.record import CallRecord
from trio_voice.session_record import Closing, ModelSessionRecord

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = NOON + timedelta(hours=2)
ALIVE = Run("r1", "node", 7, started_at=NOON, beat_at=NOW - timedelta(seconds=3))
SILENT = attrs.evolve(ALIVE, beat_at=NOW - timedelta(seconds=61))
GONE = attrs.evolve(ALIVE, ended_at=NOW)
PRICES = Prices(as_of=DAY, twilio=TWILIO, models={"aai": AGENT, "assemblyai-agent": AGENT})


def a_session(**fields):
    known = {"model": "aai", "session_id": "s-1", "closed_at": NOON, "closing": Closing.ACKNOWLEDGED, "seconds": 60.0}
    known |= {"billed_seconds": 59.0, "overrun_seconds": 0.25, "cost": 0.075}
    return ModelSessionRecord("assemblyai-agent", NOON, **(known | fields))


def an_open_session(**fields):
    nothing = {"closed_at": None, "closing": None, "seconds": None, "billed_seconds": None, "overrun_seconds": None}
    return a_session(**(nothing | {"cost": None} | fields))


def a_call(*sessions, run=GONE, settled_by=None, **fields):
    known = {"call_id": "c1", "call_sid": "CA1", "direction": "inbound", "persona": "p", "started_at": NOON}
    known |= {"from_number": "+15550001111", "to_number": "+15551234567", "ended_at": NOON, "seconds": 59.75}
    known |= {"telephone_cost": 0.0125, "currency": "USD"}
    record = CallRecord(**(known | fields), model_sessions=list(sessions))
    return JournaledCall(record, NOON, run, settled_by)


def a_live_call(*sessions, run=ALIVE):
    nothing = {"ended_at": None, "seconds": None, "telephone_cost": None, "currency": None}
    return a_call(*sessions, run=run, **nothing)


def the_sum(*calls, prices=PRICES):
    return sum_up(calls, DAY, prices, NOW)


def test_calls_and_sessions_add_up_for_each_model_and_together():
    desk = a_session(model="desk", seconds=30.0, billed_seconds=None, overrun_seconds=-20.0, cost=0.5)
    found = the_sum(a_call(a_session()), a_call(desk, a_session(overrun_seconds=1.5)), a_call(ended_at=NOON))
    aai, total = found.models["aai"], found.total
    assert found.models.keys() == {"aai", "desk"}
    assert (found.calls, aai.calls, found.models["desk"].calls, total.calls) == (3, 2, 1, 2)
    assert (aai.call_seconds, total.call_seconds) == (119.5, 119.5)
    assert (aai.sessions, aai.model_seconds, aai.billed_seconds) == (2, 120, 118)
    assert (total.sessions, total.model_seconds, total.billed_seconds) == (3, 150, 118)
    assert (aai.overrun_seconds, aai.longest_overrun_seconds) == (1.75, 1.5)
    assert (total.overrun_seconds, total.longest_overrun_seconds) == (1.75, 1.5)  # an early end takes nothing away
    assert (aai.cost.amount, total.cost.amount, found.telephone.amount) == (0.15, 0.65, 0.0375)
    assert (found.cost.amount, found.cost.unknown, found.currency) == (0.6875, 0, "USD")
    assert found.outlived == []


def test_every_way_to_close_a_session_is_counted_apart():
    found = the_sum(
        a_call(*(a_session(closing=closing) for closing in Closing)),
        a_call(a_session(closing=Closing.ABORTED, settled=True), settled_by="r2"),
        a_call(an_open_session()),  # its call is over
        a_live_call(an_open_session(), run=SILENT),
        a_live_call(an_open_session(), run=GONE),
        a_live_call(an_open_session()),
    )
    assert found.total.closings == {
        **dict.fromkeys(("acknowledged", "timed_out", "aborted", "on_paper", "open"), 1),
        "never_closed": 3,
    }
    assert found.total.closings.keys() == set(CLOSINGS)
    assert found.live == 1


def test_what_outlived_its_call_is_listed_and_what_may_have():
    late = a_session(overrun_seconds=2.101)
    paper = a_session(closing=Closing.ABORTED, settled=True, overrun_seconds=None, seconds=90.0, seconds_at_least=55.5)
    found = the_sum(
        a_call(a_session(overrun_seconds=2.1)),
        a_call(a_session(), late, call_id="c2"),
        a_call(paper, call_id="c3", settled_by="r2"),
        a_call(an_open_session(), call_id="c4"),
        a_live_call(an_open_session()),
    )
    listed = [(each.call_id, each.closing, each.overrun_seconds, each.seconds) for each in found.outlived]
    assert listed == [
        ("c2", "acknowledged", 2.101, 60.0),
        ("c3", "on_paper", None, 90.0),
        ("c4", "never_closed", None, None),
    ]
    assert found.outlived[1].seconds_at_least == 55.5
    text = "\n".join(lines_of(found))
    assert "sessions that outlived their calls by more than 2 s, or may have: 3" in text
    rows = [line.split() for line in text.splitlines() if line.startswith(("c2", "c3", "c4"))]
    assert rows[0] == ["c2", "CA1", "aai", "s-1", "2026-11-20T12:00:00+00:00", "acknowledged", "2.101", "60.0"]
    assert rows[1][-5:] == ["on_paper", "unknown", "55.5", "to", "90.0"]
    assert rows[2][-3:] == ["never_closed", "unknown", "unknown"]


def test_what_a_call_cost_when_it_ended_is_not_reckoned_again_with_other_prices():
    dear = attrs.evolve(PRICES, models={"aai": attrs.evolve(AGENT, minute=1_000)})
    assert the_sum(a_call(a_session()), prices=dear).cost.amount == pytest.approx(0.0875)
    assert the_sum(a_call(a_session()), prices=None).cost.amount == pytest.approx(0.0875)
    assert the_sum(a_call(a_session()), prices=None).currency == "USD"


def test_what_its_daemon_could_not_reckon_is_reckoned_now_and_is_the_most_that_it_can_be():
    session = a_session(closing=Closing.ABORTED, settled=True, cost=None, billed_seconds=None, seconds=90.0)
    found = the_sum(a_call(session, settled_by="r2", currency=None, telephone_cost=None, seconds=90.0))
    assert found.total.cost.amount == pytest.approx((90 + 30) / 60 * 0.075)
    assert found.telephone.amount == pytest.approx(2 * 0.0125)
    assert (found.total.cost.at_most, found.telephone.at_most, found.cost.at_most) == (1, 1, 2)
    assert str(found.cost) == "at most 0.1750"


def test_what_nobody_knows_is_counted_and_not_taken_for_nothing():
    found = the_sum(a_call(an_open_session(), telephone_cost=None), a_call(a_session()))
    assert (found.total.cost.unknown, found.telephone.unknown, found.cost.unknown) == (1, 1, 2)
    assert str(found.cost) == "0.0875 + 2 unknown"
    unpriced = the_sum(a_call(a_session(cost=None), currency=None, telephone_cost=None), prices=None)
    assert str(unpriced.cost) == "0.0000 + 2 unknown"
    euros = the_sum(a_call(a_session(), currency="EUR"), a_call(a_session()))
    assert (str(euros.cost), euros.currency) == ("0.0875 + 2 unknown", "USD")


def test_a_live_call_has_no_cost_yet_not_even_an_unknown_one():
    found = the_sum(a_live_call(a_session(cost=None), an_open_session()))
    assert (str(found.cost), found.live, found.total.sessions) == ("0.0000", 1, 2)
    assert "calls that are not over, whose costs are in no sum: 1" in lines_of(found)


def test_calls_whose_stream_never_came_are_counted():
    found = the_sum(a_call(started_at=None, seconds=None, telephone_cost=0.0), a_call(a_session()))
    assert (found.calls, found.unanswered, found.total.calls) == (2, 1, 1)
    assert "telephone: 2 calls, 1 of them with a stream; cost 0.0125" in lines_of(found)


def test_sessions_from_before_models_were_written_down_go_by_their_kind():
    assert the_sum(a_call(a_session(model=None))).models.keys() == {"assemblyai-agent"}


def test_the_table():
    aborted = a_session(model="desk", closing=Closing.ABORTED, cost=None)
    assert list(lines_of(the_sum(a_call(a_session()), a_call(aborted)))) == [
        "2026-11-20, UTC; USD, prices of 2026-11-20",
        "",
        "model       calls  call min  sessions  model min  billed min  overrun s  longest s                cost",
        "aai             1      1.00         1       1.00        0.98      0.250      0.250              0.0750",
        "desk            1      1.00         1       1.00        0.98      0.250      0.250  0.0000 + 1 unknown",
        "all models      2      1.99         2       2.00        1.97      0.500      0.250  0.0750 + 1 unknown",
        "",
        "sessions    acknowledged  timed_out  aborted  on_paper  never_closed",
        "aai                    1          0        0         0             0",
        "desk                   0          0        1         0             0",
        "all models             1          0        1         0             0",
        "",
        "telephone: 2 calls, 2 of them with a stream; cost 0.0250",
        "both meters: 0.1000 + 1 unknown USD",
        "no session outlived its call by more than 2 s",
    ]


def test_a_day_without_a_call():
    assert list(lines_of(the_sum(prices=None))) == [
        "2026-11-20, UTC; no prices are set",
        "",
        "telephone: 0 calls, 0 of them with a stream; cost 0.0000",
        "both meters: 0.0000",
        "no session outlived its call by more than 2 s",
    ]


def test_programs_get_all_of_it():
    found = the_sum(a_call(a_session(), a_session(overrun_seconds=3.0)))
    told = json.loads(json.dumps(found.as_json()))
    assert (told["day"], told["prices_as_of"], told["currency"]) == ("2026-11-20", "2026-11-20", "USD")
    assert told["models"]["aai"]["closings"] == {"acknowledged": 2}
    assert told["cost"] == {"amount": 0.1625, "unknown": 0, "at_most": 0}
    assert told["outlived"][0]["overrun_seconds"] == 3.0


def test_nobodys_number_is_in_it():
    found = the_sum(a_call(a_session(overrun_seconds=3.0)))
    assert "+1555" not in "\n".join(lines_of(found)) + json.dumps(found.as_json())
