"""The telephone's page: an operator talks to a persona, by their browser."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from quart import Response, request

from trio_voice.edges.web.console.rendering import notice_page, page

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess


SPEECH: Final = ("moonshine_voice", "py_nanotts")
"""Libraries with which this machine hears and speaks."""
INSTALL: Final = (
    'No model of this machine is installed: pip install "trio-voice[sandbox]" installs one, which trio-voice talk '
    "begins. The personas here speak by their own models."
)


def add_talk(app: QuartTrio, context: AppContext, access: OperatorAccess) -> None:
    """The page, with whoever ``?persona=`` names chosen."""

    @app.get("/console/talk/<secret>")
    async def enter(secret: str) -> Response:
        """Sign in by a link that is good once, and show the page. It is printed for whoever sits at this machine.

        Programs that look at links ask for no more than the head, and use nothing up.
        """
        only_looks = request.method == "HEAD"
        token = None if only_looks else context.sessions.use_link(secret, context.tokens)
        if token is None and not only_looks and not context.sessions.is_open(access.cookie, context.tokens):
            words = "A link is good once, and for some minutes. Start trio-voice talk again for another."
            return await notice_page("This link is used up", words, status=410)
        persona = request.args.get("persona", "")
        answer = Response(
            "", 303, {"Location": f"/console/talk?persona={quote(persona)}" if persona else "/console/talk"}
        )
        if token is not None:
            access.give_cookie(answer, token)
        return answer

    @app.get("/console/talk")
    @access.lets_in
    async def talk() -> Response:
        personas = context.routing.personas
        wanted = request.args.get("persona", "")
        notes = []
        if wanted and wanted not in personas:
            notes.append(f"There is no persona {wanted[:60]!r} here: choose another.")
        if any(find_spec(module) is None for module in SPEECH):
            notes.append(INSTALL)
        if context.max_browser_calls == 0:
            notes.append("Calls by browser are switched off: [console] max_browser_calls = 0.")
        return await page(
            "talk",
            here="personas",
            personas=[{"name": each.name, "models": ", ".join(each.models)} for each in personas.values()],
            chosen=wanted if wanted in personas else context.routing.numbers.get("default", ""),
            notes=notes,
        )
