"""Writes the pages of the reference that are made from the code: ``make reference``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reference_pages import call_record, commands, configuration, log_events, metrics, outcomes, routes
from reference_pages.markdown import Undocumented

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REFERENCE: Final = Path(__file__).parent / "reference"
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "configuration.md": configuration.page,
    "commands.md": commands.page,
    "routes.md": routes.page,
    "metrics.md": metrics.page,
    "log-events.md": log_events.page,
    "end-reasons.md": outcomes.end_reasons,
    "error-codes.md": outcomes.errors,
    "record.md": call_record.page,
}


def main() -> None:
    """Write them all; what has no meaning is told, and ends it."""
    missing: list[str] = []
    for name, page in PAGES.items():
        try:
            (REFERENCE / name).write_text(page(), encoding="utf-8")
        except Undocumented as wanted:
            missing.append(str(wanted))
    if missing:
        sys.exit("\n".join(missing))


if __name__ == "__main__":
    main()
