"""Samples of what the daemon did, and the charts of them."""

from datetime import timedelta

import pytest

from tests.edges.web.console.pages import NOON, OPERATOR, ended, numbers
from trio_voice.edges.metrics.samples import Samples, increments, quantile, together

__all__ = ["numbers"]


async def test_charts_are_of_all_that_was_sampled(client, context):
    now = [NOON]
    context.samples = Samples(context.metrics, lambda: now[0])
    context.samples.take()
    context.metrics.observe_call(ended().record)
    now[0] += timedelta(seconds=30)
    answer = await client.get("/console/health.json", headers=OPERATOR)
    found = await answer.get_json()
    assert len(found["times"]) == 2
    charts = {chart["title"]: chart for chart in found["charts"]}
    assert charts["Calls that ended"]["series"][0]["values"] == [None, 1.0]
    minutes = charts["Session minutes in an hour by provider"]["series"]
    assert [each["values"] for each in minutes] == [[None, pytest.approx(63.5 * 60 / 30)]]
    assert 500 < charts["Caller hears an answer after"]["series"][0]["now"] < 1_100


def test_samples_of_several_processes_are_one_and_counters_that_begin_anew_do_not_run_backwards():
    assert together([[[30, {"a": 1.0}]], [[30, {"a": 2.0, "b": 1.0}], [60, {"a": 1.0}]]]) == [
        (30, {"a": 3.0, "b": 1.0}),
        (60, {"a": 1.0}),
    ]
    assert increments({"a": 5.0}, {"a": 7.0, "b": 2.0}) == {"a": 2.0, "b": 2.0}
    assert increments({"a": 5.0}, {"a": 1.0}) == {"a": 1.0}
    buckets = {"x le=0.1": 0.0, "x le=0.2": 10.0, "x le=+Inf": 10.0}
    assert quantile(buckets, "x", 0.5) == pytest.approx(0.15)
    assert quantile({"x le=0.1": 0.0, "x le=+Inf": 0.0}, "x", 0.5) is None
    assert quantile({"x le=0.1": 0.0, "x le=+Inf": 4.0}, "x", 0.5) == 0.1
