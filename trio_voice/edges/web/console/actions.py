"""Actions on a live call from the console: each asks back on a page of its own, and works without a script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from quart import Response, request

from trio_voice.edges.web.answers import STATUSES
from trio_voice.edges.web.console.rendering import notice_page, page
from trio_voice.edges.web.operator.passing_on import NodeAway
from trio_voice.edges.web.operator.steering import MAX_LETTERS
from trio_voice.errors import CallRefused
from trio_voice.record import EndReason

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess
    from trio_voice.edges.web.operator.steering import Steering


@attrs.frozen
class Action:
    """One thing that can be done."""

    path: str
    verb: str
    """Of the route that programs use."""
    title: str
    button: str
    words: str
    field: str = ""
    """Name of the field that has to be given for it, and"""
    label: str = ""
    """its label."""
    is_danger: bool = False


ACTIONS: Final = (
    Action(
        "hang-up",
        "",
        "Hang up?",
        "Hang up",
        "The caller hears the line go dead; the agent says nothing.",
        is_danger=True,
    ),
    Action(
        "say",
        "say",
        "Have the agent say something",
        "Say",
        "The agent breaks off what it is saying, and says this in its own voice.",
        "text",
        "Text to say",
    ),
    Action(
        "transfer",
        "transfer",
        "Transfer the caller",
        "Transfer",
        "The caller is put through at once, and the agent leaves. If nobody answers, they come back to it.",
        "to",
        "Number to transfer to",
    ),
    Action("mute", "mute", "Mute the agent?", "Mute", "Nothing that the agent says is heard until it is unmuted."),
    Action("unmute", "mute", "Unmute the agent?", "Unmute", "The agent is heard again, from its next words on."),
)


def add_actions(app: QuartTrio, context: AppContext, access: OperatorAccess, steering: Steering) -> None:
    """A page for each that asks, and the form that it sends."""

    async def elsewhere(call_id: str) -> Response | None:
        """The page of the call's node, if that is another one."""
        try:
            return await steering.elsewhere(call_id)
        except NodeAway as away:
            return await notice_page(
                "Its node does not answer", str(away), status=STATUSES[away.code], signed_in=True, here="live"
            )

    async def asked(call_id: str, action: Action, wrong: str = "", status: int = 200) -> Response:
        record = context.registry.record(call_id)
        if record is None:
            return await notice_page(
                "No such call", "It is over, or nobody knows it.", status=404, signed_in=True, here="live"
            )
        return await page(
            "action",
            here="live",
            status=status,
            action=action,
            call=record,
            wrong=wrong,
            most=MAX_LETTERS,
            given=(await request.form).get(action.field, "") if request.method == "POST" and action.field else "",
        )

    async def done(call_id: str, action: Action) -> Response:
        if not action.verb:
            if context.registry.live_call(call_id) is None and context.registry.record(call_id) is None:
                return await asked(call_id, action)
            context.registry.end(call_id, EndReason.OPERATOR, "the operator hung up")
            return Response("", 303, {"Location": "/console"})
        try:
            steering.do(call_id, await steering.wish(action.verb, await _fields(action)))
        except (ValueError, CallRefused) as wrong:
            return await asked(call_id, action, f"{wrong}.", 409 if isinstance(wrong, CallRefused) else 400)
        return Response("", 303, {"Location": f"/console/calls/{call_id}"})

    def add(action: Action) -> None:
        rule = f"/console/calls/<call_id>/{action.path}"

        async def ask(call_id: str) -> Response:
            return await elsewhere(call_id) or await asked(call_id, action)

        async def do(call_id: str) -> Response:
            return await elsewhere(call_id) or await done(call_id, action)

        app.add_url_rule(rule, f"ask_{action.path}", access.lets_in(ask), methods=["GET"])
        app.add_url_rule(rule, f"do_{action.path}", access.lets_in(do), methods=["POST"])

    for action in ACTIONS:
        add(action)


async def _fields(action: Action) -> dict[str, Any]:
    if action.verb == "mute":
        return {"muted": action.path == "mute"}
    return {action.field: (await request.form).get(action.field, "").strip()}
