"""Calls from a page: a signed-in operator is promised a path, and the page behind it is the telephone.

The page speaks Twilio's stream protocol on the call's one-time path, so that everything behind it is a call like any
other. The path is good once and for ``PATH_SECONDS``, needs no signature of Twilio's, and is opened only by a page of
the console (``media_stream.py`` looks at ``Origin``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from quart import Response, request

from trio_voice.edges.web.answers import refusal
from trio_voice.edges.web.media_stream import PREFIX
from trio_voice.edges.web.operator.call_request import read_call_request
from trio_voice.errors import CallRefused
from trio_voice.record import BROWSER

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess

log: Final = structlog.stdlib.get_logger("trio_voice.app")

PATH_SECONDS: Final = 10
_FIELDS: Final = ("persona",)


def add_browser_calls(app: QuartTrio, context: AppContext, access: OperatorAccess) -> None:
    """Add the route that promises a path.

    Args:
        app: to which it is added.
        context: what it needs to know.
        access: lets operators in.
    """

    @app.post("/browser-calls")
    @access.lets_in
    async def browser_call() -> Any:
        asked = await read_call_request(context.routing, _FIELDS, '{"persona": "receptionist"}')
        if isinstance(asked, Response):
            return asked
        _, persona = asked
        registry = context.registry
        try:
            if registry.browser_calls >= context.max_browser_calls:
                words = f"there are browser calls enough: [console] max_browser_calls = {context.max_browser_calls}"
                raise CallRefused("full", words)  # noqa: TRY301 - one place answers refusals
            expected = registry.expect(
                persona, direction="inbound", from_number=BROWSER, to_number="", call_sid=None, seconds=PATH_SECONDS
            )
        except CallRefused as refused:
            context.metrics.count_refusal("call", refused.code)
            log.warning("call_refused", code=refused.code, reason=str(refused))
            return refusal(refused)
        context.journal.call_began(expected.record)
        call_id = expected.record.call_id
        log.info("call_expected", call_id=call_id, call_sid=None, persona=persona.name)
        host = request.headers.get("Host", "")
        is_https = context.hosts is not None and context.hosts.is_https(host)
        stream_url = f"{'wss' if is_https else 'ws'}://{host}{PREFIX}{expected.path}"
        return {"call_id": call_id, "stream_url": stream_url, "expires_in": PATH_SECONDS}, 201
