"""Every route, as the web framework knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from unittest.mock import MagicMock

from reference_pages.markdown import MADE, meaning, refuse_leftovers, table
from trio_voice.edges.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def routes() -> Iterator[str]:
    """Each method and path, such as ``GET /calls/<call id>``."""
    app = create_app(MagicMock(name="what the routes need, of which none is asked here"))
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "static" and rule.rule.startswith("/static/"):
            continue  # Quart's own, of a folder that is not there
        path = rule.rule.replace("_", " ") if "<" in rule.rule else rule.rule
        for method in METHODS:
            if rule.methods and method in rule.methods:
                yield f"{method} {path}" + (" (WebSocket)" if getattr(rule, "is_websocket", rule.websocket) else "")


def page() -> str:
    """The page of the reference."""
    found = sorted(dict.fromkeys(routes()), key=lambda route: (route.split()[1], METHODS.index(route.split()[0])))
    rows = [(f"`{route}`", *meaning("routes", route)) for route in found]
    refuse_leftovers("routes", found)
    return "".join(
        (
            MADE,
            "# Routes\n\n",
            meaning("pages", "routes").strip(),
            "\n\n",
            table(("route", "asked by", "does"), rows),
            "\n",
            meaning("pages", "routes_behind").strip(),
            "\n",
        )
    )
