"""Files that operators take out: made piece by piece, and refused where not even the first can be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Response

from trio_voice.edges.web.answers import failure
from trio_voice.edges.web.console.rendering import notice_page, wants_html
from trio_voice.journal import JournalUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def file_of(pieces: AsyncIterator[bytes], content_type: str, name: str, *, here: str, code: str) -> Response:
    """The answer with a file; 503 where its first piece cannot be read.

    A file that cannot be read to its end is cut off: its connection ends before the answer does.

    Args:
        pieces: of it, one at least; may raise ``JournalUnavailable``.
        content_type: of the answer.
        name: under which browsers keep it.
        here: the entry of the navigation from which it is asked for.
        code: for programs, where it cannot be had.
    """
    try:
        first = await anext(pieces)
    except JournalUnavailable as trouble:
        if wants_html():
            words = f"So there is no file of it now: {trouble}"
            return await notice_page("The journal cannot be read", words, status=503, signed_in=True, here=here)
        return failure(503, code, f"the journal cannot be read: {trouble}")

    async def all_of_them() -> AsyncIterator[bytes]:  # noqa: ASYNC900 - a body: Quart closes it
        yield first
        async for piece in pieces:
            yield piece

    answer = Response(all_of_them(), content_type=content_type)
    answer.timeout = None
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
