"""Personas: what each says and may do, and what ``check`` warns of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_voice.edges.web.console.rendering import page

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess


def add_personas(app: QuartTrio, context: AppContext, access: OperatorAccess) -> None:
    """The page."""

    @app.get("/console/personas")
    @access.lets_in
    async def personas() -> Response:
        warnings = context.warnings()
        shown = [
            {
                "name": name,
                "persona": persona,
                "numbers": [number for number, who in context.routing.numbers.items() if who == name],
                "warnings": [line for line in warnings if line.startswith(f"personas.{name}.")],
            }
            for name, persona in context.routing.personas.items()
        ]
        others = [line for line in warnings if not line.startswith("personas.")]
        return await page("personas", here="personas", personas=shown, warnings=others)
