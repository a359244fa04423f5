"""What every table of ``[models]`` has; each kind of model adds its own keys in the file of its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping


@attrs.frozen(kw_only=True)
class ModelSettings:
    """One table of ``[models]``."""

    name: str
    kind: str
    url: str | None = None
    """The provider's own by default; ``sandbox`` for the peer that lives on this machine."""

    @property
    def credentials(self) -> tuple[str, ...]:
        """The names of the secrets without which no session can be opened."""
        return ()

    @property
    def providers(self) -> tuple[str, ...]:
        """What the sessions that it opens are of (``ModelSession.provider``), which is how they may be priced."""
        return (self.kind,)

    @property
    def urls(self) -> dict[str, tuple[str, str]]:
        """Every address that stands in this table and the scheme it must have, by the path of its key."""
        return {"url": (self.url, "wss")} if self.url is not None else {}

    def at(self, urls: Mapping[str, str]) -> Self:
        """The same model at other addresses, by the paths of their keys."""
        return attrs.evolve(self, url=urls["url"])
