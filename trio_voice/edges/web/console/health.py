"""Health: the metrics that matter as small charts of the last hours, the alarm, and the drain."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from quart import Response

from trio_voice.edges.metrics.samples import Sample, increments, labelled, quantile, together
from trio_voice.edges.web.console.rendering import page

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from trio_voice.billing.prices import Prices
    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess

OUTLIVED: Final = "trio_voice_sessions_outlived_total"
TURN: Final = "trio_voice_turn_heard_after_seconds_bucket"
LATENCY: Final = "trio_voice_turn_latency_seconds_bucket"
DELAY: Final = "trio_voice_relay_delay_seconds_bucket"
LASTED: Final = "trio_voice_model_session_seconds_total"
FAILED: Final = ("model_failed", "bug", "caller_stalled")


def add_health(app: QuartTrio, context: AppContext, access: OperatorAccess) -> None:
    """The page, what its charts show, and the drain."""

    async def samples_here() -> list[Any]:
        if context.samples is None:
            return []
        async with context.metrics.one_at_a_time:
            context.samples.take()
        return list(context.samples.taken)

    async def samples() -> list[tuple[int, Sample]]:
        processes = [await samples_here()]
        if context.asks_colleagues:
            processes += [answer.json()["samples"] for answer in await context.ask("/console/health.json")]
        return together(processes)

    @app.get("/console/health")
    @access.lets_in
    async def health() -> Response:
        taken = await samples()
        now = taken[-1][1] if taken else {}
        outlived = {provider: int(count) for provider, count in labelled(now, OUTLIVED, "provider").items() if count}
        counts = context.registry.statistics()
        return await page(
            "health",
            here="health",
            charts=_charts(taken, context.prices()),
            outlived=outlived,
            draining=counts.draining,
            journal=context.journal.trouble or context.journal.list_trouble,
            unread=len(context.journal.unread),
            can_drain=context.drain is not None,
        )

    @app.get("/console/health.json")
    @access.lets_in
    async def health_json() -> dict[str, Any]:
        if not context.asks_colleagues and context.colleagues is not None:
            return {"samples": await samples_here()}
        taken = await samples()
        return {"times": [at for at, _ in taken], "charts": _charts(taken, context.prices())}

    @app.get("/console/drain")
    @access.lets_in
    async def ask_drain() -> Response:
        return await page("drain", here="health", seconds=context.registry.limits.drain_seconds)

    @app.post("/console/drain")
    @access.lets_in
    async def drain() -> Response:
        if context.drain is not None:
            context.drain()
        return Response("", 303, {"Location": "/console/health"})


def _charts(taken: list[tuple[int, Sample]], prices: Prices | None) -> list[dict[str, Any]]:
    """Each chart with its series; a value is ``None`` where nothing was measured, and a cost without prices."""
    grown = [increments(before, after) for (_, before), (_, after) in pairwise(taken)]
    spans = [max(1, after - before) for (before, _), (after, _) in pairwise(taken)]
    live = [labelled(sample, "trio_voice_calls", "state").get("live", 0.0) for _, sample in taken]
    providers = sorted(
        {provider for _, sample in taken for provider in labelled(sample, "trio_voice_model_sessions_open", "provider")}
    )
    used = [
        (provider, values)
        for provider in providers
        if any(
            values := [
                labelled(sample, "trio_voice_model_sessions_open", "provider").get(provider, 0.0) for _, sample in taken
            ]
        )
    ]

    def ms(name: str, share: float) -> list[float | None]:
        found = [quantile(each, name, share) for each in grown]
        return [None, *(None if value is None else round(value * 1000, 1) for value in found)]

    def cost(*names: str) -> list[float | None]:
        if prices is None:
            return [None] * len(taken)
        sums = [sum(value for key, value in each.items() if key.split(" ")[0] in names) for each in grown]
        return [None, *(round(total * 3600 / span, 4) for total, span in zip(sums, spans, strict=True))]

    ends = [labelled(each, "trio_voice_calls_ended_total", "end_reason") for each in grown]
    charts = [
        _chart("Live calls", "", [("live", live)]),
        _chart("Caller hears an answer after", "ms", [("median", ms(TURN, 0.5)), ("95 of 100", ms(TURN, 0.95))]),
        _chart("Model answers after", "ms", [("median", ms(LATENCY, 0.5)), ("95 of 100", ms(LATENCY, 0.95))]),
        _chart("Held up here", "ms", [("99 of 100", ms(DELAY, 0.99))]),
        _chart(
            "Cost in an hour" if prices is not None else "Cost in an hour: no [prices]",
            "" if prices is None else prices.currency,
            [
                ("models", cost("trio_voice_model_cost_total")),
                ("telephone", cost("trio_voice_telephone_cost_total")),
            ],
        ),
        _chart(
            "Calls that ended",
            "",
            [
                ("all", [None, *(sum(each.values()) for each in ends)]),
                ("failed", [None, *(sum(each.get(reason, 0.0) for reason in FAILED) for each in ends)]),
            ],
        ),
    ]
    charts.append(_chart("Open sessions by provider", "", used or [("none", [0.0] * len(taken))]))
    lasted = [labelled(each, LASTED, "provider") for each in grown]
    minutes = [
        (
            provider,
            [None, *(round(each.get(provider, 0.0) * 60 / span, 2) for each, span in zip(lasted, spans, strict=True))],
        )
        for provider in sorted({name for each in lasted for name, seconds in each.items() if seconds})
    ]
    charts.append(_chart("Session minutes in an hour by provider", "", minutes or [("none", [0.0] * len(taken))]))
    return charts


def _chart(title: str, unit: str, series: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        "title": title,
        "unit": unit,
        "series": [{"name": name, "values": list(values), "now": _last(values)} for name, values in series],
    }


def _last(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return known[-1] if known else None
