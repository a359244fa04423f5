"""Every metric, as the registry that answers ``/metrics`` knows them."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import MagicMock

import trio

from reference_pages.markdown import MADE, Undocumented, meaning, table
from trio_voice.edges.metrics.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator


class MetricRow(NamedTuple):
    """One metric."""

    name: str
    type: str
    labels: tuple[str, ...]
    documentation: str


async def _everything() -> Metrics:
    """Metrics of a daemon that has all there is to be measured."""
    wanted = inspect.signature(Metrics).parameters
    given: dict[str, Any] = {name: MagicMock(name=name) for name in wanted} | {"started_at": datetime.now(UTC)}
    given["requests"] = {}
    await trio.lowlevel.checkpoint()
    return Metrics(**given)


def metrics() -> Iterator[MetricRow]:
    """All of them; a counter by the name that it is shown by.

    Raises:
        Undocumented: one has no help text.
    """

    async def collected() -> list[Any]:
        made = await _everything()
        registry = made._registry  # noqa: SLF001 - what is registered is what there is
        labels = {
            name: tuple(getattr(collector, "_labelnames", ()))
            for collector, names in registry._collector_to_names.items()  # noqa: SLF001 - as above
            for name in names
        }
        return [(family, labels.get(family.name, ())) for family in registry.collect()]

    for family, labels in trio.run(collected):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if not family.documentation:
            raise Undocumented(f"the metric {name} has no help text")
        seen = dict.fromkeys(
            label for sample in family.samples for label in sample.labels if label not in ("le", "version")
        )
        yield MetricRow(name, family.type, labels or tuple(seen), family.documentation)


def page() -> str:
    """The page of the reference."""
    rows = (
        (f"`{each.name}`", each.type, ", ".join(f"`{label}`" for label in each.labels), each.documentation)
        for each in sorted(metrics())
    )
    return "".join(
        (
            MADE,
            "# Metrics\n\n",
            meaning("pages", "metrics").strip(),
            "\n\n",
            table(("metric", "type", "labels", "meaning"), rows),
        )
    )
