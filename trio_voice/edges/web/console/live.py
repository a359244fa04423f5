"""Live: a card for each call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trio_voice.billing.running import running_cost
from trio_voice.edges.web.console.rendering import page
from trio_voice.edges.web.console.words import amount, clock, milliseconds
from trio_voice.edges.web.nodes import json_of
from trio_voice.record import CallState

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio

    from trio_voice.call.call import Call
    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess
    from trio_voice.record import CallRecord

NEWCOMER: Final = {"time": "–", "latency": "–", "cost": "–", "node": ""}
"""The card of a call that comes while the page is open, which fills it in by the feed: none is fetched for it."""


def add_live(app: QuartTrio, context: AppContext, access: OperatorAccess) -> None:
    """The first page."""

    def here() -> list[dict[str, Any]]:
        live = {call.record.call_id: call for call in context.registry.live()}
        records = [record for record in context.registry.records() if record.state is not CallState.ENDED]
        return [card_of(record, live.get(record.call_id), context) for record in records]

    async def on_this_machine() -> list[dict[str, Any]]:
        cards = here()
        if context.asks_colleagues:
            cards += [card for answer in await context.ask("/console/cards") for card in answer.json()["cards"]]
        return cards

    async def everywhere() -> list[dict[str, Any]]:
        cards = await on_this_machine()
        if context.asks_nodes and context.nodes is not None:
            for digits, answer in (await context.nodes.ask_all("/console/cards")).items():
                theirs = None if answer is None else json_of(answer).get("cards")
                if isinstance(theirs, list):
                    cards += [card | {"node": digits} for card in theirs if isinstance(card, dict)]
        return cards

    @app.get("/console")
    @access.lets_in
    async def live() -> Response:
        cursor = context.feed.cursor()  # before the cards: what happens meanwhile is told once more
        return await page("live", here="live", cards=await everywhere(), cursor=str(cursor), newcomer=NEWCOMER)

    @app.get("/console/cards")
    @access.lets_in
    async def cards() -> dict[str, Any]:
        return {"cards": await on_this_machine()}


def card_of(record: CallRecord, live: Call | None, context: AppContext) -> dict[str, Any]:
    """The words and figures of a card."""
    seconds = None if live is None else live.seconds
    cost = running_cost(record, context.prices(), 0.0 if seconds is None else seconds)
    sessions, lines = record.model_sessions, record.transcript
    last = lines[-1] if lines else None
    turns = record.turns
    return {
        "call_id": record.call_id,
        "persona": record.persona,
        "direction": record.direction,
        "other": record.other_number,
        "model": (sessions[-1].model or sessions[-1].provider) if sessions else "",
        "state": record.state.value,
        "seconds": seconds,
        "time": clock(seconds),
        "latency": milliseconds(turns[-1].latency_ms) if turns else "–",
        "cost": amount(cost.total, cost.currency) if live is not None else "–",
        "role": "" if last is None else last.role,
        "speaker": "" if last is None else last.role,
        "words": "" if last is None else last.text,
        "node": "",
        "muted": live is not None and live.is_muted,
    }
