"""Calls that had ended and whose callers came back: nothing of them is counted twice."""

from datetime import UTC, datetime

from tests.edges.metrics.scrapes import a_whole_call
from trio_voice.call.registry import Registry
from trio_voice.edges.metrics.metrics import Metrics
from trio_voice.limits import Limits
from trio_voice.record import ToolUse, Turn


def sums(metrics, *names):
    """Values of the lines that begin so, by their names."""
    lines = [line for line in metrics.render().decode().splitlines() if line.startswith(names)]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def test_what_was_counted_at_the_first_end_is_not_counted_at_the_second():
    metrics = Metrics(Registry(Limits()), datetime(2026, 11, 20, tzinfo=UTC))
    record = a_whole_call()
    metrics.observe_call(record)
    names = (
        "trio_voice_model_sessions_total",
        "trio_voice_tool_calls_total",
        "trio_voice_turn_latency_seconds_count",
        "trio_voice_barge_ins_total",
        "trio_voice_telephone_cost_total",
        "trio_voice_call_setup_seconds_count",
    )
    before = sums(metrics, *names)
    metrics.observe_call(record)
    assert sums(metrics, *names) == before
    record.turns.append(Turn(at=50, latency_ms=500))
    record.tools.append(ToolUse("shop", failed=False, milliseconds=3))
    record.count("barge_ins")
    metrics.observe_call(record)
    changed = {name: value - before[name] for name, value in sums(metrics, *names).items() if value != before[name]}
    assert sorted(changed.values()) == [1.0, 1.0, 1.0]
