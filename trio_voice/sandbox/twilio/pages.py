"""A page of a list, as every resource of Twilio's REST API that can be listed has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from trio_voice.sandbox.twilio.failures import RestFailure

if TYPE_CHECKING:
    from collections.abc import Sequence


def page_of(name: str, found: Sequence[Any], query: dict[str, str], path: str) -> dict[str, Any]:
    """The page that a query asks for, with the list under this name and the addresses of the pages beside it.

    Raises:
        RestFailure: a page's size that is out of bounds.
    """
    page, size = int(query.get("Page", 0)), int(query.get("PageSize", 50))
    if not 1 <= size <= 1000:
        raise RestFailure(20007)

    def uri(number: int) -> str:
        return f"{path}?{urlencode(query | {'PageSize': size, 'Page': number})}"

    return {
        name: found[page * size : (page + 1) * size],
        "first_page_uri": uri(0),
        "next_page_uri": uri(page + 1) if len(found) > (page + 1) * size else None,
        "page": page,
        "page_size": size,
        "previous_page_uri": uri(page - 1) if page else None,
        "uri": uri(page),
    }
