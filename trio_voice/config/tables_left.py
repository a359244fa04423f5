"""Tables of a configuration that a reload leaves as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trio_voice.config.settings import Settings

LEFT: Final = ("server", "twilio", "limits", "journal", "proxies", "log", "telemetry", "operator", "console")
"""Those that are taken over by a restart alone; of the models each is a table of its own."""


def tables_left(running: Settings, read: Settings) -> list[str]:
    """Names of the tables that have changed since the start and are not used before another.

    Args:
        running: the configuration that the daemon was started with.
        read: what stands in the file now.
    """
    tables = [f"[{name}]" for name in LEFT if getattr(running, name) != getattr(read, name)]
    kept = running.models.keys() & read.models.keys()
    return tables + sorted(f"[models.{name}]" for name in kept if running.models[name] != read.models[name])
