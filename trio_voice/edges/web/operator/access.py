"""The operator's access: who may use their routes, by a token or by the cookie that signing in gives.

A cookie is sent by the browser, whoever wrote the page that has it send a request. So a request that changes something
and comes by cookie must come from a page of ours (``Origin``, else ``Sec-Fetch-Site``), and its body must be what only
a page of ours can send. There is no CORS header anywhere: no other page reads an answer.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import structlog
from quart import request

from trio_voice.edges.complaints import Complaints
from trio_voice.edges.web.answers import failure
from trio_voice.edges.web.console.rendering import closed_page, sign_in_page, wants_html
from trio_voice.edges.web.operator.sessions import SESSION_SECONDS
from trio_voice.edges.web.operator.tokens import WRONG_PER_SECOND, TokenJudge, Verdict, bearer_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quart import Response

    from trio_voice.edges.web.context import AppContext

log: Final = structlog.stdlib.get_logger("trio_voice.app")

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
COOKIE: Final = "trio_voice"
MAX_COOKIES: Final = 4
"""Of that name that are looked at."""
CLOSED: Final = "set TRIO_VOICE_API_TOKEN to open the operator's routes"
_FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


class OperatorAccess:
    """Lets operators in.

    Args:
        context: whose tokens and sessions open it.
    """

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._complaints = Complaints(log)
        processes = 1 if context.colleagues is None else 1 + len(context.colleagues.others)
        self._judge = TokenJudge(WRONG_PER_SECOND / processes)

    def lets_in(self, handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """A handler that is asked only by operators. Programs are told why not, people are given a page to sign in."""

        @wraps(handler)
        async def checked(**path: Any) -> Any:
            refusal = await self._refusal()
            return await handler(**path) if refusal is None else refusal

        return checked

    async def _refusal(self) -> Response | None:
        tokens = self._context.tokens
        if not tokens:
            return await closed_page(CLOSED) if wants_html() else failure(403, "closed", CLOSED)
        offered = bearer_of(request.headers.get("Authorization", ""))
        if offered is None:
            return await self._refusal_of_cookie(tokens)
        match await self.judge(offered):
            case Verdict.WRONG:
                return self.refuse(401, "unauthorized", "this is not TRIO_VOICE_API_TOKEN")
            case Verdict.TOO_MANY:
                return self.refuse(429, "too_many_tokens", "many wrong tokens are being tried here: again in a second")
        return None

    async def _refusal_of_cookie(self, tokens: tuple[str, ...]) -> Response | None:
        if not self._context.sessions.is_open(self.cookie, tokens):
            if wants_html():
                return await sign_in_page()
            return self.refuse(401, "unauthorized", "send Authorization: Bearer <TRIO_VOICE_API_TOKEN>")
        if request.method in SAFE:
            return None
        if not self.is_own_page():
            return self.refuse(403, "wrong_origin", "this was sent by a page of another address")
        is_page = request.path.startswith("/console")
        if request.mimetype not in (_FORMS if is_page else {"application/json"}) and await request.get_data():
            return self.refuse(415, "wrong_content_type", "send it as application/json")
        return None

    async def judge(self, offered: str) -> Verdict:
        """The verdict on a token; guessing is slow, over all connections together. Cancelling is safe."""
        return await self._judge.judge(offered, self._context.tokens)

    def lasting(self) -> Callable[[], bool]:
        """Answers later, as often as it is asked, if whoever is asking now would still be let in."""
        offered, cookie, context = bearer_of(request.headers.get("Authorization", "")), self.cookie, self._context
        if offered is not None:
            return lambda: offered in context.tokens  # it was judged
        return lambda: context.sessions.is_open(cookie, context.tokens)

    def refuse(self, status: int, code: str, message: str) -> Response:
        """Turn a request away, counted, and in the log now and then."""
        self.note_refusal(code)
        answer = failure(status, code, message)
        if status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
            answer.headers["HX-Refresh"] = "true"  # a page that fetches parts of itself becomes the one to sign in
        elif status == 429:
            answer.headers["Retry-After"] = "1"
        return answer

    def note_refusal(self, code: str) -> None:
        """Count somebody who is turned away."""
        self._context.metrics.count_refusal("operator", code)
        self._complaints.warn("operator_refused", code, code=code, path=request.path)

    def is_own_page(self) -> bool:
        """True if a request was sent by a page of this address, or by no page at all."""
        origin, hosts = request.headers.get("Origin"), self._context.hosts
        if origin is None:
            return request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
        host = request.headers.get("Host")
        expected = f"{request.scheme}://{host}" if hosts is None else hosts.origin_of(host)
        return origin.lower() == expected

    # The cookie

    @property
    def cookie(self) -> str:
        """Value of the request's cookie of ours; empty without one.

        A page of the same host may have set another of the name for a longer path, which browsers then send first
        (RFC 6265, 5.4): of the first few, one that opens counts.
        """
        sessions, tokens = self._context.sessions, self._context.tokens
        sent = request.cookies.getlist(self._cookie_name)[:MAX_COOKIES]
        return next((value for value in sent if sessions.is_open(value, tokens)), "")

    @property
    def _cookie_name(self) -> str:
        """Of this port's: browsers give the same cookies to all ports of a host, and there may be two daemons."""
        port = request.headers.get("Host", "").rpartition("]")[2].rpartition(":")[2]
        return f"{COOKIE}_{port}" if port.isascii() and port.isdigit() else COOKIE

    def give_cookie(self, answer: Response, token: str) -> None:
        """Sign in whoever gets this answer."""
        self._set_cookie(answer, self._context.sessions.open(token), SESSION_SECONDS)

    def take_cookie(self, answer: Response) -> None:
        """Sign out whoever has asked: here, and in their browser."""
        self._context.sessions.close(self.cookie, self._context.tokens)
        self._set_cookie(answer, "", 0)

    def _set_cookie(self, answer: Response, value: str, seconds: int) -> None:
        hosts = self._context.hosts
        answer.set_cookie(
            self._cookie_name,
            value,
            max_age=seconds,
            path="/",
            secure=hosts is not None and hosts.is_https(request.headers.get("Host")),
            httponly=True,
            samesite="Strict",
        )
