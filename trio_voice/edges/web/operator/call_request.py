"""Requests of JSON: their fields, and the persona that is to answer a call that is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quart import Response, request

from trio_voice.edges.web.answers import failure

if TYPE_CHECKING:
    from trio_voice.edges.web.context import NumberRouting
    from trio_voice.persona import Persona


async def sent_json() -> Any:
    """The request's body; ``None`` for what is no JSON, no UTF-8, or nested too deeply to be any of ours."""
    try:
        return json.loads(await request.get_data())
    except (ValueError, RecursionError):
        return None


def unknown_fields(wanted: dict[str, Any], known: tuple[str, ...]) -> str:
    """Words on fields that there are not, for whoever has sent them; empty if all are known."""
    unknown = sorted(str(field)[:60] for field in wanted.keys() - set(known))
    there = f"there {'is' if len(known) == 1 else 'are'} {', '.join(known)}"
    return f"there is no field {', '.join(unknown[:8])}; {there}" if unknown else ""


async def read_call_request(
    routing: NumberRouting, fields: tuple[str, ...], example: str, *, must_have: tuple[str, ...] = ()
) -> tuple[dict[str, Any], Persona] | Response:
    """Fields of the request's body, and the persona of the field of that name; or the answer that refuses it.

    Args:
        routing: knows the personas, and which is the default.
        fields: all that there are.
        example: of a body, for whoever sent another.
        must_have: fields that have to be there, as texts.
    """
    wanted = await sent_json()
    if not isinstance(wanted, dict) or not all(isinstance(wanted.get(field), str) for field in must_have):
        return failure(400, "bad_request", f"send JSON like {example}")
    if unknown := unknown_fields(wanted, fields):
        return failure(400, "unknown_field", unknown)
    name = wanted.get("persona", routing.numbers.get("default"))
    persona = routing.personas.get(name) if isinstance(name, str) else None
    if persona is None:
        known = ", ".join(sorted(routing.personas))
        return failure(404, "unknown_persona", f"there is no persona {str(name)[:60]!r}; there are {known}")
    return wanted, persona
