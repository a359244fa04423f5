"""Signing in and out of the console: by the token in a form, or by a link that is good once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from quart import Response, request

from trio_voice.edges.web.answers import failure
from trio_voice.edges.web.console.rendering import closed_page, notice_page, sign_in_page
from trio_voice.edges.web.operator.sessions import LINK_SECONDS
from trio_voice.edges.web.operator.tokens import Verdict

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess

ENTER: Final = "/console/enter/"
"""The path of a link that signs in once; its secret follows."""
WRONG: Final = "This is not the token. It is the value of TRIO_VOICE_API_TOKEN that the daemon was started with."
TOO_MANY: Final = "Many wrong tokens are being tried here. Try again in a second."
USED: Final = "A link signs in once, and soon. Run trio-voice console for another."
FOREIGN: Final = "This form was sent by a page of another address."


def add_sign_in(app: QuartTrio, context: AppContext, access: OperatorAccess) -> None:
    """The routes of whoever is not in yet, and of who leaves."""

    @app.post("/console")
    @app.post("/console/sign-in")
    async def sign_in() -> Response:
        if not context.tokens:
            return await closed_page("set TRIO_VOICE_API_TOKEN to open the operator's routes")
        if not access.is_own_page():
            access.note_refusal("wrong_origin")
            return await sign_in_page(FOREIGN, status=403)
        token = (await request.form).get("token", "").strip()
        match await access.judge(token):
            case Verdict.RIGHT:
                return _let_in(token)
            case Verdict.TOO_MANY:
                access.note_refusal("too_many_tokens")
                answer = await sign_in_page(TOO_MANY, status=429)
                answer.headers["Retry-After"] = "1"
                return answer
        access.note_refusal("unauthorized")
        return await sign_in_page(WRONG, status=401)

    def _let_in(token: str) -> Response:
        answer = _to("/console")
        access.give_cookie(answer, token)
        return answer

    @app.post("/console/sign-out")
    async def sign_out() -> Response:
        if not access.is_own_page():
            access.note_refusal("wrong_origin")
            return failure(403, "wrong_origin", FOREIGN)
        answer = _to("/console")
        access.take_cookie(answer)
        return answer

    @app.post("/console/links")
    @access.lets_in
    async def make_link() -> Any:
        secret = context.sessions.make_link(context.tokens[0])
        return {"path": f"{ENTER}{secret}", "expires_in": LINK_SECONDS}, 201

    # Looking at a link does not use it up: programs look at links that people send to each other.
    @app.get(f"{ENTER}<secret>")
    async def look_at_link(secret: str) -> Response:
        if not context.sessions.is_link(secret, context.tokens):
            return await notice_page("This link is used up", USED, status=410)
        return await sign_in_page(link=f"{ENTER}{secret}")

    @app.post(f"{ENTER}<secret>")
    async def use_link(secret: str) -> Response:
        if not access.is_own_page():
            access.note_refusal("wrong_origin")
            return await sign_in_page(FOREIGN, status=403)
        token = context.sessions.use_link(secret, context.tokens)
        if token is None:
            return await notice_page("This link is used up", USED, status=410)
        return _let_in(token)


def _to(address: str) -> Response:
    """Have the browser ask for another page; with GET, whatever it has asked by."""
    return Response("", 303, {"Location": address})
