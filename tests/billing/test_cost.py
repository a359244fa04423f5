"""Cost of a session and of a call, and by how much a session outlives its call: figures in, figures out."""

import math
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import attrs
import pytest

from trio_voice.billing.cost import (
    OUTLIVED_SECONDS,
    TOLERANCE_SECONDS,
    SessionCost,
    is_late,
    overrun_of,
    session_cost,
    telephone_cost,
    telephone_minute,
)
from trio_voice.billing.estimate import minute_cost, minute_of
from trio_voice.billing.prices import OLD_DAYS, UNITS, ModelPrices, Prices, TwilioPrices, doubtful_prices
from trio_voice.billing.running import RunningCost, running_cost
from trio_voice.events.model import Meter
from trio_voice.record import CallRecord
from trio_voice.session_record import Closing, ModelSessionRecord

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TODAY = NOON.date()
TWILIO = TwilioPrices(inbound_minute=0.0085, outbound_minute=0.014, media_stream_minute=0.004, machine_detection=0.0075)
AGENT = ModelPrices(minute=0.075, unacknowledged_seconds=30)


def prices(**models):
    return Prices(as_of=TODAY, twilio=TWILIO, models={name.replace("_", "-"): table for name, table in models.items()})


def a_session(**fields):
    known = {"model": "aai", "session_id": "s-1", "closed_at": NOON, "closing": Closing.ACKNOWLEDGED, "seconds": 60.0}
    return ModelSessionRecord("assemblyai-agent", NOON, **(known | fields))


def a_call(**fields):
    known = {"call_id": "c1", "direction": "inbound", "persona": "p", "from_number": "", "to_number": ""}
    return CallRecord(**(known | fields))


def amount(session, **models):
    return session_cost(session, prices(**models)).amount


# Sessions


def test_a_session_billed_by_time_costs_what_the_provider_says_it_lasted():
    assert amount(a_session(billed_seconds=120.0), aai=AGENT) == 0.15


@pytest.mark.parametrize("nonsense", [-1.0, math.nan, math.inf, 1e9])
def test_and_what_our_clock_says_where_the_provider_says_nothing_that_can_be(nonsense):
    assert amount(a_session(billed_seconds=None), aai=AGENT) == 0.075
    assert amount(a_session(billed_seconds=nonsense), aai=AGENT) == 0.075


def test_seconds_on_a_meter_are_the_providers_word_too():
    assert amount(a_session(meters={"seconds": 30.0}), aai=AGENT) == 0.0375


@pytest.mark.parametrize(
    ("closing", "session_id", "seconds"),
    [
        (Closing.ACKNOWLEDGED, "s-1", 60),
        (Closing.TIMED_OUT, "s-1", 90),
        (Closing.ABORTED, "s-1", 90),
        (Closing.ABORTED, None, 60),  # it never began at the provider's
    ],
)
def test_a_goodbye_that_was_not_heard_is_billed_for_longer(closing, session_id, seconds):
    session = a_session(closing=closing, session_id=session_id)
    assert amount(session, aai=AGENT) == pytest.approx(0.075 * seconds / 60)
    assert amount(session, aai=ModelPrices(minute=0.075)) == 0.075


TOKENS = ModelPrices(
    million_text_in_tokens=4,
    million_cached_text_in_tokens=0.4,
    million_text_out_tokens=24,
    million_audio_in_tokens=32,
    million_cached_audio_in_tokens=0.4,
    million_audio_out_tokens=64,
)


def test_tokens_are_each_priced_by_their_kind_and_time_is_not():
    meters = {
        "text_in_tokens": 1_500,
        "cached_text_in_tokens": 10_000,
        "text_out_tokens": 200,
        "audio_in_tokens": 600,
        "cached_audio_in_tokens": 5_000,
        "audio_out_tokens": 1_000,
    }
    session = a_session(meters=meters, seconds=600.0)
    by_hand = 0.006 + 0.004 + 0.0048 + 0.0192 + 0.002 + 0.064
    assert amount(session, aai=TOKENS) == pytest.approx(by_hand)


def test_sound_letters_and_items():
    session = a_session(meters={"audio_seconds": 90, "characters": 540, "text_items": 3})
    table = ModelPrices(audio_minute=0.0065, thousand_characters=0.03, text_item=0.004)
    assert amount(session, aai=table) == pytest.approx(0.00975 + 0.0162 + 0.012)


def test_every_meter_has_a_price_and_every_price_a_meter():
    keys = {key for key, _unit in UNITS.values()}
    assert UNITS.keys() == set(get_args(Meter))
    assert keys == attrs.fields_dict(ModelPrices).keys() - {"unacknowledged_seconds"}


def test_a_price_that_is_missing_makes_the_cost_unknown_and_never_0():
    assert session_cost(a_session(), prices()) == SessionCost(None, ("prices.aai",))
    some = ModelPrices(million_text_in_tokens=4)
    session = a_session(meters={"text_in_tokens": 10, "audio_out_tokens": 5, "characters": 0, "from the future": 1})
    missing = ("prices.aai.million_audio_out_tokens", "prices.aai.from the future")
    assert session_cost(session, prices(aai=some)) == SessionCost(None, missing)


def test_a_session_that_nobody_has_closed_has_no_cost_yet():
    assert session_cost(a_session(closing=None, closed_at=None, seconds=None), prices(aai=AGENT)) == SessionCost(None)


def test_a_models_own_prices_go_before_those_of_its_kind_key_by_key():
    usual = ModelPrices(minute=0.075, unacknowledged_seconds=30)
    session = a_session(closing=Closing.ABORTED)
    assert amount(session, assemblyai_agent=usual) == pytest.approx(0.1125)
    assert amount(session, assemblyai_agent=usual, aai=ModelPrices(minute=0.05)) == pytest.approx(0.075)
    assert amount(session, assemblyai_agent=usual, aai=ModelPrices(minute=0)) == 0
    assert amount(attrs.evolve(session, model=None), assemblyai_agent=usual) == pytest.approx(0.1125)


# The telephone


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(0.0, 1), (0.02, 1), (59.9, 1), (60.0, 1), (60.001, 2), (179.0, 3), (600.0, 10)]
)
def test_twilio_counts_started_minutes_of_the_telephone_and_of_the_stream(seconds, minutes):
    assert telephone_cost(a_call(seconds=seconds), TWILIO) == pytest.approx(minutes * 0.0125)
    outbound = a_call(seconds=seconds, direction="outbound")
    assert telephone_cost(outbound, TWILIO) == pytest.approx(minutes * 0.018)


def test_finding_out_who_answers_is_billed_once_a_call():
    call = a_call(seconds=10.0, direction="outbound", answered_by="human")
    assert telephone_cost(call, TWILIO) == pytest.approx(0.0255)
    assert telephone_cost(call, attrs.evolve(TWILIO, machine_detection=None)) is None


@pytest.mark.parametrize(
    ("status", "cost"),
    [("no-answer", 0), ("busy", 0), ("failed", 0), ("canceled", 0), ("completed", None), (None, None)],
)
def test_a_call_without_a_stream_is_free_only_if_nobody_answered(status, cost):
    assert telephone_cost(a_call(twilio_status=status), TWILIO) == cost


@pytest.mark.parametrize("key", ["inbound_minute", "media_stream_minute"])
def test_a_price_of_twilios_that_is_missing_makes_the_telephones_cost_unknown(key):
    assert telephone_cost(a_call(seconds=10.0), attrs.evolve(TWILIO, **{key: None})) is None


def test_a_calls_cost_is_known_when_both_of_its_meters_are():
    call = a_call(currency="USD", telephone_cost=0.0125, model_sessions=[a_session(cost=0.1), a_session(cost=0.2)])
    assert (call.model_cost, call.cost) == (0.3, 0.3125)
    assert call.as_json()["cost"] == {"currency": "USD", "telephone": 0.0125, "model": 0.3, "total": 0.3125}
    call.model_sessions[0].cost = None
    assert (call.model_cost, call.cost) == (None, None)
    assert a_call(currency="USD", telephone_cost=0.0125).cost == 0.0125  # no session, no cost
    assert a_call().cost is None


# A minute, before anybody has talked


def test_a_minute_of_the_telephone_is_what_there_are_prices_for():
    assert telephone_minute("inbound", TWILIO) == pytest.approx(0.0125)
    assert telephone_minute("outbound", TWILIO) == pytest.approx(0.018)
    assert telephone_minute("outbound", TwilioPrices(inbound_minute=0.0085)) == 0.0


@pytest.mark.parametrize(
    ("provider", "table", "cost"),
    [
        ("assemblyai-agent", AGENT, 0.075),
        # 30 s of each side: 300 tokens heard, 600 spoken
        ("openai-realtime", TOKENS, 0.0096 + 0.0384),
        ("openai-realtime", ModelPrices(million_audio_in_tokens=32), 0.0096),
        ("deepgram-flux", ModelPrices(audio_minute=0.0065), 0.0065),
        ("anthropic", ModelPrices(million_text_in_tokens=4), 0.0),
        ("anthropic", None, 0.0),
    ],
)
def test_a_minute_of_a_session_is_what_can_be_known_of_it(provider, table, cost):
    models = {} if table is None else {"desk": table}
    assert minute_cost("desk", provider, prices(**models)) == pytest.approx(cost)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (ModelPrices(audio_minute=0.0065), "0.0065 USD, by the sound that it is sent"),
        (ModelPrices(thousand_characters=0.03), "priced by the letter: unknown until used"),
    ],
)
def test_a_minute_of_one_stage_is_told_by_what_it_is_billed_by(table, words):
    assert minute_of(ModelSessionRecord("deepgram-flux", NOON, model="stt"), prices(stt=table)) == words


# While it lasts


def test_a_call_that_lasts_costs_what_it_would_if_it_were_over_now():
    is_open = {"seconds": None, "closed_at": None, "closing": None}
    call = a_call(model_sessions=[a_session(seconds=20.0), a_session(opened_after_seconds=20.0, **is_open)])
    cost = running_cost(call, prices(aai=AGENT), 80.0)
    assert (cost.telephone, cost.model, cost.total, cost.currency) == (0.025, 0.1, 0.125, "USD")
    assert (call.seconds, call.model_sessions[1].seconds) == (None, None)


def test_a_call_that_lasts_has_no_cost_that_is_known_without_all_its_prices():
    call = a_call(model_sessions=[a_session()])
    assert running_cost(call, None, 80.0) == RunningCost(None, None, None)
    unpriced = running_cost(call, prices(), 80.0)
    assert (unpriced.telephone, unpriced.model, unpriced.total) == (0.025, None, None)
    no_telephone = running_cost(call, attrs.evolve(prices(aai=AGENT), twilio=TwilioPrices()), 80.0)
    assert (no_telephone.telephone, no_telephone.model, no_telephone.total) == (None, 0.075, None)


# Overruns


@pytest.mark.parametrize(
    ("opened_after", "seconds", "overrun"),
    [(0.0, 61.25, 1.25), (0.5, 59.5, 0.0), (0.0, 20.0, -40.0), (30.0, 32.2, 2.2)],
)
def test_an_overrun_is_from_the_end_of_the_call_to_the_end_of_the_session(opened_after, seconds, overrun):
    session = a_session(opened_after_seconds=opened_after, seconds=seconds)
    assert overrun_of(a_call(seconds=60.0), session) == overrun


def test_an_overrun_is_not_told_by_the_time_of_day():
    """The wall clock jumps an hour in the middle of the call, and nothing is the matter."""
    session = a_session(opened_after_seconds=0.0, seconds=60.5, closed_at=NOON + timedelta(hours=1))
    call = a_call(seconds=60.0, started_at=NOON, ended_at=NOON - timedelta(hours=1))
    assert overrun_of(call, session) == 0.5


@pytest.mark.parametrize(
    "unknown", [{"seconds": None}, {"opened_after_seconds": None}, {"settled": True}], ids=lambda each: next(iter(each))
)
def test_an_overrun_that_nobody_measured_is_unknown(unknown):
    session = a_session(**({"opened_after_seconds": 0.0} | unknown))
    assert overrun_of(a_call(seconds=60.0), session) is None
    assert overrun_of(a_call(), a_session(opened_after_seconds=0.0)) is None


@pytest.mark.parametrize(
    ("overrun", "late"), [(-5.0, False), (0.0, False), (2.0, False), (2.003, False), (2.1, False), (2.101, True)]
)
def test_late_is_what_is_over_the_promise_by_more_than_measuring_takes(overrun, late):
    assert OUTLIVED_SECONDS + TOLERANCE_SECONDS == 2.1
    assert is_late(overrun) is late


# Doubts


MODELS = {"aai": ("assemblyai-agent",), "desk": ("stt", "llm")}


def doubts(price_list, today=TODAY):
    return list(doubtful_prices(price_list, MODELS, today))


def test_prices_that_are_not_there_are_doubtful():
    (line,) = doubts(None)
    assert line.startswith("prices: not set, so what calls cost is unknown")
    assert doubts(prices(aai=AGENT, stt=AGENT, llm=TOKENS)) == []
    assert doubts(prices(assemblyai_agent=AGENT, desk=TOKENS)) == []
    lines = doubts(prices(aai=ModelPrices(), llm=TOKENS))  # an empty table prices nothing
    assert [line.partition(":")[0] for line in lines] == ["models.aai", "models.desk"]
    assert lines[1].endswith("set [prices.desk] or [prices.stt]")


def test_twilios_prices_are_doubtful_one_by_one():
    lines = doubts(attrs.evolve(prices(aai=AGENT, desk=AGENT), twilio=TwilioPrices(inbound_minute=0.0)))
    assert [line.partition(":")[0] for line in lines] == [
        "prices.twilio.outbound_minute",
        "prices.twilio.media_stream_minute",
    ]


@pytest.mark.parametrize(
    ("days", "said"), [(-1, "has not come yet"), (0, ""), (OLD_DAYS, ""), (OLD_DAYS + 1, "181 days")]
)
def test_old_prices_are_doubtful(days, said):
    lines = doubts(attrs.evolve(prices(aai=AGENT, desk=AGENT), as_of=TODAY - timedelta(days=days)))
    assert [said in line for line in lines] == [True] * bool(said)


def test_a_date_may_have_a_time():
    assert attrs.evolve(prices(), as_of=NOON).as_of == date(2026, 11, 20)
