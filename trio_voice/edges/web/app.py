"""The Quart-Trio app: all routes, those of health and metrics, and a stream route for any ASGI server."""

from __future__ import annotations

from typing import Any, Final

from quart import Response, has_request_context, request, websocket
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioRequest
from werkzeug.exceptions import HTTPException

from trio_voice.call.nodes import READY
from trio_voice.edges.metrics.metrics import CONTENT_TYPE
from trio_voice.edges.web.answers import STATUSES, bug_answer, failure, http_error_answer
from trio_voice.edges.web.console.do_not_call import IMPORT
from trio_voice.edges.web.console.rendering import TEMPLATES, notice_page, wants_html
from trio_voice.edges.web.console.routes import add_console
from trio_voice.edges.web.context import AppContext
from trio_voice.edges.web.entrypoints import entrypoint_of
from trio_voice.edges.web.media_stream import PREFIX
from trio_voice.edges.web.nodes import NODE, VIA
from trio_voice.edges.web.operator.access import OperatorAccess
from trio_voice.edges.web.operator.browser_calls import add_browser_calls
from trio_voice.edges.web.operator.calls import add_calls
from trio_voice.edges.web.operator.do_not_call import MAX_FILE_BYTES, add_do_not_call
from trio_voice.edges.web.operator.do_not_call import PATH as DO_NOT_CALL
from trio_voice.edges.web.operator.events import add_events
from trio_voice.edges.web.operator.recordings import add_recordings
from trio_voice.edges.web.operator.steering import add_steering
from trio_voice.edges.web.quart_channel import QuartChannel
from trio_voice.edges.web.webhooks import BODY_SECONDS, MAX_BODY_BYTES, SIGNATURE, Webhook, Webhooks, form_of
from trio_voice.edges.workers import aggregate
from trio_voice.errors import CallRefused
from trio_voice.journal import Journal
from trio_voice.record import EndReason

NOTICES: Final = {
    404: ("There is no such page", "Nothing is at this address. The console begins at Live."),
    413: ("Too big", "This is more than is taken at once."),
}
"""Title and words of a page that is not had, by its status."""
FILES: Final = frozenset({DO_NOT_CALL, IMPORT})
"""Paths to which files are sent."""
MAX_NAMED: Final = 20
"""Calls that /healthz names because the journal has rows of theirs that are not understood."""


class _Request(TrioRequest):
    """A request, whose body may be a file where it is sent to bring one in."""

    def __init__(self, method: str, scheme: str, path: str, *head: Any, max_content_length: int, **rest: Any) -> None:
        most = MAX_FILE_BYTES if method == "POST" and path in FILES else max_content_length
        super().__init__(method, scheme, path, *head, max_content_length=most, **rest)
        self.max_content_length = most


def create_app(context: AppContext, webhooks: Webhooks | None = None) -> QuartTrio:
    """The app, for our own server or any other that speaks ASGI under trio.

    Args:
        context: what the routes need.
        webhooks: the answers to Twilio, where the server gives them by itself, too.
    """
    app = QuartTrio("trio_voice", template_folder=TEMPLATES, static_folder=None)
    app.request_class = _Request  # type: ignore[assignment]  # the framework names the class that it has by default
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["BODY_TIMEOUT"] = BODY_SECONDS
    app.json.sort_keys = False  # type: ignore[attr-defined]  # quart's default provider has it
    _add_errors(app)
    _add_entrypoints(app)
    _add_webhooks(app, Webhooks(context) if webhooks is None else webhooks)
    _add_stream(app, context)
    access = OperatorAccess(context)
    add_calls(app, context, access)
    if context.recordings is not None:
        add_recordings(app, context.registry, context.journal, context.recordings, access.lets_in, context.nodes)
    add_browser_calls(app, context, access)
    add_events(app, context, access)
    steering = add_steering(app, context, access)
    editor = add_do_not_call(app, context, access)
    add_console(app, context, access, steering, editor)

    @app.after_request
    async def signed(answer: Response) -> Response:
        if context.nodes is not None and NODE in request.headers:
            answer.headers[NODE] = context.nodes.digits  # whoever has a wrong peer_url of ours is told so
        return answer

    @app.get("/healthz")
    async def healthz() -> dict[str, Any]:
        counts = context.registry.statistics()
        here = (
            {
                "status": "draining" if counts.draining else "ok",
                "live_calls": counts.live_calls,
                "journal": _health_of(context.journal),  # anybody may ask; the log says why
            }
            | ({"unread_rows": sorted(context.journal.unread)[:MAX_NAMED]} if context.journal.unread else {})
        )
        if not context.asks_colleagues:
            return here
        return aggregate.health([here, *(answer.json() for answer in await context.ask())])

    @app.get("/readyz")
    async def readyz() -> Any:
        status = context.status
        live_calls, max_calls = context.registry.statistics().live_calls, context.registry.limits.max_calls
        if context.asks_colleagues:
            live_calls += sum(answer.json()["live_calls"] for answer in await context.ask("/healthz"))
        node = None if context.nodes is None else context.nodes.digits
        answer = {"status": status, "node": node, "live_calls": live_calls, "max_calls": max_calls}
        return answer, 200 if status == READY else 503

    @app.get("/metrics")
    async def metrics() -> Response:
        async with context.metrics.one_at_a_time:
            text = context.metrics.render()
        if context.asks_colleagues:
            text = aggregate.metrics([text.decode(), *(answer.text for answer in await context.ask())]).encode()
        return Response(text, content_type=CONTENT_TYPE)

    return app


def _health_of(journal: Journal) -> str:
    if journal.trouble or journal.list_trouble:
        return "failing"
    return "unread_rows" if journal.unread else "ok"


def _add_errors(app: QuartTrio) -> None:
    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        is_page = has_request_context() and request.path.startswith("/console")  # a WebSocket has none
        if is_page and wants_html():
            title, words = NOTICES.get(error.code or 500, (error.name, error.description or ""))
            return await notice_page(title, words, status=error.code or 500)
        return http_error_answer(error).as_response()

    @app.errorhandler(Exception)
    async def bug(error: Exception) -> Response:
        return bug_answer(request.path, error).as_response()


def _add_entrypoints(app: QuartTrio) -> None:
    @app.before_request
    async def of_this_entrypoint() -> Response | None:
        if entrypoint_of(request.scope).serves(request.path):
            return None
        return failure(404, "not_found", "nothing of this path is on this address; see [operator] bind")


def _add_webhooks(app: QuartTrio, webhooks: Webhooks) -> None:
    def add(rule: str) -> None:
        @app.post(rule, endpoint=rule)
        async def webhook(call_id: str | None = None) -> Response:
            signature = request.headers.get(SIGNATURE, "")
            refused = webhooks.refusal_by_head(request.path, signature)
            if refused is not None:
                return refused.as_response()
            target = request.scope.get("raw_path", request.path.encode()).decode("latin-1").partition("?")[0]
            if request.query_string:
                target += "?" + request.query_string.decode("latin-1")
            form = form_of((await request.form).items(multi=True))
            via = request.args.get(VIA)
            answer = await webhooks.answer(Webhook(rule, request.path, target, call_id, via, signature, form))
            return answer.as_response()

    for rule in webhooks.rules:
        add(rule)


def _add_stream(app: QuartTrio, context: AppContext) -> None:
    @app.websocket(PREFIX + "<call_id>")
    async def media_stream(call_id: str) -> tuple[str, int] | None:
        socket = websocket._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - werkzeug's own name
        try:
            headers = socket.headers
            expected = context.authenticator.admit(
                PREFIX + call_id, headers.get("X-Twilio-Signature"), headers.get("Origin"), headers.get("Host")
            )
        except CallRefused as refused:
            return str(refused), STATUSES[refused.code]
        await socket.accept()
        # An older Quart cancels this task when the peer leaves; to the call that is its caller being lost.
        channel = QuartChannel(socket)
        await context.authenticator.reception.answer(expected, channel, cancelled_because=EndReason.CALLER_LOST)
        return None
