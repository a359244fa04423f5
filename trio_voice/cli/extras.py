"""Parts of the package that are installed only where they are wanted: ``pip install "trio-voice[speech]"``.

A command or a model that needs one says so at once, in a line, and what to do.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from trio_voice.daemon.assembly import used_models
from trio_voice.speech import why_unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trio_voice.config.settings import Settings

LIBRARIES: Final[Mapping[str, tuple[str, ...]]] = {
    "gemini-live": ("numpy",),
    "sandbox": ("numpy", "rich", "wsproto"),
    "speech": ("numpy",),
}
"""Libraries of each extra, by the names that are imported; those that hear and speak are ``speech``'s own business."""
SPEAKING: Final = frozenset({"sandbox", "speech"})
"""Extras that hear and speak on this machine."""


def why_missing(extra: str) -> str | None:
    """Reason for which an extra cannot be used here and what to do about it, in a line; ``None`` if it can."""
    unavailable = why_unavailable() if extra in SPEAKING else None
    if unavailable is not None:
        return unavailable
    missing = [library for library in LIBRARIES[extra] if find_spec(library) is None]
    if not missing:
        return None
    return f'{", ".join(missing)} cannot be imported: pip install "trio-voice[{extra}]" (in a clone: ".[{extra}]")'


def missing_for(settings: Settings) -> Iterator[str]:
    """Extras that the models of the personas need and that are not here, a line each."""
    for model in used_models(settings):
        for extra in model.extras:
            why = why_missing(extra)
            if why is not None:
                yield f"models.{model.name}: needs the extra {extra!r}: {why}"
