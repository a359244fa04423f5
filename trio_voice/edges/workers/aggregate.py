"""Answers of several processes, put together as if they were one: health, calls, metrics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterable

_OF_THE_NODE: Final = (
    *("trio_voice_max_calls", "trio_voice_build_info", "trio_voice_draining"),
    *("trio_voice_daily_cost_limit", "trio_voice_spent_today", "trio_voice_daily_cost_reached"),
)
"""Gauges that are the same for all, or mean all as soon as one has them: the highest counts, not the sum."""


def health(answers: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """``GET /healthz`` of all."""
    every = list(answers)
    unread = sorted({call_id for each in every for call_id in each.get("unread_rows", ())})
    return {
        "status": "draining" if any(each["status"] == "draining" for each in every) else "ok",
        "live_calls": sum(each["live_calls"] for each in every),
        "journal": next((each["journal"] for each in sorted(every, key=_worst_first) if each["journal"] != "ok"), "ok"),
        "workers": len(every),
    } | ({"unread_rows": unread} if unread else {})


def _worst_first(health: dict[str, Any]) -> bool:
    return bool(health["journal"] != "failing")


def calls(answers: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """``GET /calls`` of all: those that are open first, then the ended ones, the latest first."""
    every = [call for answer in answers for call in answer]
    over = [call for call in every if call["state"] == "ended"]
    over.sort(key=lambda call: call["ended_at"] or "", reverse=True)
    return [call for call in every if call["state"] != "ended"] + over


def metrics(texts: Iterable[str]) -> str:
    """``GET /metrics`` of all: each sample is the sum of those with its name and labels."""
    families: dict[str, Metric] = {}
    totals: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            families.setdefault(family.name, family)
            total = totals.setdefault(family.name, {})
            for sample in family.samples:
                key = (sample.name, tuple(sample.labels.items()))
                if sample.name in _OF_THE_NODE or sample.name.endswith("_created") or key not in total:
                    total[key] = max(sample.value, total.get(key, sample.value))
                else:
                    total[key] += sample.value
    return "".join(line for name, family in families.items() for line in _lines(family, totals[name]))


def _lines(family: Metric, total: dict[tuple[str, tuple[tuple[str, str], ...]], float]) -> Iterable[str]:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    yield f"# HELP {name} {_escape(family.documentation)}\n# TYPE {name} {family.type}\n"
    for (sample, labels), value in total.items():
        inside = ",".join(f'{label}="{_escape(text, quoted=True)}"' for label, text in labels)
        yield f"{sample}{f'{{{inside}}}' if inside else ''} {_number(value)}\n"


def _number(value: float) -> str:
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, repr(value))


def _escape(text: str, *, quoted: bool = False) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if quoted else escaped
