"""Parts of the package that are installed only where they are wanted: ``pip install "trio-voice[speech]"``.

A command or a model that needs one says so at once, in a line, and what to do.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from trio_voice.speech import LIBRARIES as SPEECH
from trio_voice.speech import why_not_built

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trio_voice.config.settings import Settings

LIBRARIES: Final[Mapping[str, tuple[str, ...]]] = {
    "gemini-live": ("numpy",),
    "sandbox": (*SPEECH, "rich", "wsproto"),
    "speech": SPEECH,
}
"""Libraries of each extra, by the names that are imported."""
SPEAKING: Final = frozenset({"sandbox", "speech"})
"""Extras that hear and speak on this machine."""


def why_missing(extra: str) -> str | None:
    """Reason for which an extra cannot be used here and what to do about it, in a line; ``None`` if it can."""
    not_built = why_not_built() if extra in SPEAKING else None
    if not_built is not None:
        return not_built
    missing = [library for library in LIBRARIES[extra] if find_spec(library) is None]
    if not missing:
        return None
    holds = ', which holds "trio-voice[speech]"' if extra == "sandbox" else ""
    advice = f'pip install "trio-voice[{extra}]" (in a clone: ".[{extra}]"){holds}'
    return f"{', '.join(missing)} cannot be imported: {advice}"


def missing_for(settings: Settings) -> Iterator[str]:
    """Extras that the models of the personas need and that are not here, a line each."""
    for model in settings.used_models.values():
        for extra in model.extras:
            why = why_missing(extra)
            if why is not None:
                yield f"models.{model.name}: needs the extra {extra!r}: {why}"
