"""All pages of the console, and what every answer to an operator has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Response, request
from werkzeug.exceptions import NotFound

from trio_voice.edges.web.console.actions import add_actions
from trio_voice.edges.web.console.call_page import add_call_page
from trio_voice.edges.web.console.do_not_call import add_do_not_call_page
from trio_voice.edges.web.console.health import add_health
from trio_voice.edges.web.console.history import add_history
from trio_voice.edges.web.console.history_files import add_history_files
from trio_voice.edges.web.console.live import add_live
from trio_voice.edges.web.console.numbers import add_numbers
from trio_voice.edges.web.console.personas import add_personas
from trio_voice.edges.web.console.rendering import dress, wants_html
from trio_voice.edges.web.console.sign_in import add_sign_in
from trio_voice.edges.web.console.static_files import PREFIX, answer_with
from trio_voice.edges.web.console.talk import add_talk
from trio_voice.edges.web.console.waveform import add_waveform
from trio_voice.edges.web.entrypoints import ANYBODYS, TWILIOS

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess
    from trio_voice.edges.web.operator.do_not_call import DoNotCallEditor
    from trio_voice.edges.web.operator.steering import Steering


def add_console(
    app: QuartTrio, context: AppContext, access: OperatorAccess, steering: Steering, editor: DoNotCallEditor
) -> None:
    """All pages, and what every answer to an operator has."""

    @app.after_request
    async def dressed(answer: Response) -> Response:
        part = request.path.lstrip("/").partition("/")[0]
        return answer if part in TWILIOS or part in ANYBODYS else await dress(answer)

    @app.get(f"{PREFIX}<name>")
    async def static_file(name: str) -> Response:
        return answer_with(name)

    @app.get("/")
    @app.get("/console/")
    async def first_page() -> Response:
        if not wants_html():
            raise NotFound
        return Response("", 303, {"Location": "/console"})

    add_sign_in(app, context, access)
    add_live(app, context, access)
    add_actions(app, context, access, steering)
    add_talk(app, context, access)
    add_call_page(app, context, access)
    add_waveform(app, context, access)
    add_history(app, context, access)
    add_history_files(app, context, access)
    add_personas(app, context, access)
    add_numbers(app, context, access)
    add_do_not_call_page(app, editor, access)
    add_health(app, context, access)
