"""Pages out of templates, with the headers and the parts that all of them share."""

from __future__ import annotations

import gzip
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio
from quart import Response, request, stream_template
from quart.wrappers.response import DataBody

from trio_voice.edges.web.console.static_files import address_of

if TYPE_CHECKING:
    from werkzeug.datastructures import Headers

TEMPLATES: Final = str(Path(__file__).parent / "templates")
"""Folder in which the app looks for them."""
_FROM_HERE: Final = ("script", "style", "img", "font", "connect", "media", "worker", "manifest")
POLICY: Final = (
    "default-src 'none'; "
    + "".join(f"{kind}-src 'self'; " for kind in _FROM_HERE)
    + "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Of every page: nothing but files of this address, no script or style within a page, and no page around it."""
MIN_ZIPPED: Final = 3_000
"""Bytes; a shorter answer is not worth it."""
PIECES_AT_ONCE: Final = 8
"""Pieces of a page, a card at the most, that are made between two turns of the loop."""
MAX_AT_ONCE: Final = 32_768
"""Bytes that are zipped between two turns of the loop; more is done in a thread."""
ZIPPED_TYPES: Final = ("text/", "application/json", "application/javascript", "image/svg+xml")
NAVIGATION: Final = (
    ("live", "/console", "Live"),
    ("history", "/console/history", "History"),
    ("personas", "/console/personas", "Personas"),
    ("numbers", "/console/numbers", "Numbers"),
    ("do_not_call", "/console/do-not-call", "Do not call"),
    ("health", "/console/health", "Health"),
)
"""The name, address and words of each page."""


def wants_html() -> bool:
    """True if a person asks, with a browser; programs take what there is."""
    return "text/html" in request.headers.get("Accept", "")


async def page(template: str, *, status: int = 200, here: str = "", signed_in: bool = True, **values: Any) -> Response:
    """A page. What is put into it is text, and never markup: the template language escapes it.

    Args:
        template: its file, without the ending.
        status: of HTTP.
        here: which entry of the navigation it belongs to.
        signed_in: whether there is a navigation at all.
        values: what the template shows.
    """
    pieces: list[str] = []
    async for piece in await stream_template(
        f"{template}.html", here=here, navigation=NAVIGATION, static=address_of, signed_in=signed_in, **values
    ):
        pieces.append(piece)
        # Hundreds of cards at once would hold up every call for a tenth of a second.
        if len(pieces) % PIECES_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    # Half a surrogate pair, which JSON may hold and UTF-8 not, does not cost the page.
    text = "".join(pieces).encode(errors="replace")
    return Response(text, status, content_type="text/html; charset=utf-8")


async def sign_in_page(wrong: str = "", *, status: int | None = None, link: str = "") -> Response:
    """The page that asks for the token, or, where somebody comes by a link, only whether they mean it.

    Args:
        wrong: what was wrong with the last one, in words.
        status: of HTTP; without it 200 for whoever has only come here.
        link: the path that they came by.
    """
    if status is None:
        status = 200 if request.method in ("GET", "HEAD") else 401
    return await page("sign_in", status=status, signed_in=False, wrong=wrong, link=link)


async def notice_page(title: str, words: str, *, status: int, signed_in: bool = False, here: str = "") -> Response:
    """A page that says one thing."""
    return await page("notice", status=status, here=here, signed_in=signed_in, title=title, words=words)


async def closed_page(words: str) -> Response:
    """The page of a console that nobody can sign in to."""
    return await notice_page("The console is closed", f"Nobody can sign in yet: {words}, and restart.", status=403)


async def dress(answer: Response) -> Response:
    """The headers of every answer to an operator; and it is zipped where that helps and is understood."""
    headers = answer.headers
    if answer.mimetype == "text/event-stream":
        return answer
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Referrer-Policy", "same-origin")
    if answer.mimetype == "text/html":
        headers["Content-Security-Policy"] = POLICY
        headers["X-Frame-Options"] = "DENY"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "microphone=(self), camera=(), geolocation=()"
    if not isinstance(answer.response, DataBody) or not _may_be_zipped(answer.mimetype, headers, answer.status_code):
        return answer
    data = await answer.get_data(as_text=False)
    if len(data) >= MIN_ZIPPED:
        zip_it = partial(gzip.compress, data, 5, mtime=0)
        answer.set_data(zip_it() if len(data) <= MAX_AT_ONCE else await trio.to_thread.run_sync(zip_it))
        headers["Content-Encoding"] = "gzip"
    headers.add("Vary", "Accept-Encoding")
    return answer


def _may_be_zipped(mimetype: str | None, headers: Headers, status: int) -> bool:
    return (
        (mimetype or "").startswith(ZIPPED_TYPES)
        and "Content-Encoding" not in headers
        and status == 200
        and request.accept_encodings["gzip"] > 0
    )
