"""Keys that every table of ``[models]`` has; each kind of model adds its own in the file of its protocol."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, ClassVar, Final, Self
from urllib.parse import urlsplit

import attrs

from trio_voice.setting_fields import bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

SANDBOX: Final = "sandbox"
"""In place of an address: the peer that lives on this machine."""


@attrs.frozen(kw_only=True)
class ModelSettings:
    """``[models.NAME]``: a model that personas may name. Each kind adds its own keys."""

    name: str
    """The table's own name: ``aai`` of ``[models.aai]``."""
    kind: str
    """The kind of model, which decides what other keys the table has."""
    url: str | None = None
    """Address of the session, ``wss://...``; the provider's own by default, ``sandbox`` for the peer that lives on this
    machine."""

    @property
    def credentials(self) -> tuple[str, ...]:
        """The names of the secrets without which no session can be opened."""
        return ()

    @property
    def providers(self) -> tuple[str, ...]:
        """Providers of the sessions that it opens (``ModelSession.provider``), by which they may be priced."""
        return (self.kind,)

    @property
    def extras(self) -> tuple[str, ...]:
        """The extras of this package without which it cannot be used, such as ``speech``."""
        return ("sandbox",) if self.url == SANDBOX else ()

    @property
    def summary(self) -> str:
        """Kind and place, for people to read."""
        return f"{self.kind} at {self.url or 'its usual address'}"

    @property
    def urls(self) -> dict[str, tuple[str, str]]:
        """Every address that stands in this table and the scheme it must have, by the path of its key."""
        return {"url": (self.url, "wss")} if self.url is not None else {}

    def at(self, urls: Mapping[str, str]) -> Self:
        """The same model at other addresses, by the paths of their keys."""
        return attrs.evolve(self, url=urls["url"])


@attrs.frozen(kw_only=True)
class StageSettings:
    """Keys that ``stt``, ``llm`` and ``tts`` of a chain have in common. Each kind adds its own."""

    kind: str
    """The provider's protocol, which decides what other keys the table has."""
    url: str | None = None
    """Address of the server; the provider's own by default."""
    credential: str | None = None
    """Name of another secret than the kind's own; ``""`` for a server that wants none. A server at another address than
    the provider's is sent a key only if this names one."""
    first_byte_seconds: float | None = bounded(0.1, 300)
    """Time for the first piece of an answer or of a sound, then the next member takes over. By default 5 for a voice,
    5 for a language model beside others, 20 for the only one, 30 for one in your own network, which may have to be
    loaded; the only one is asked a second time after 8, beside the first question, unless this is set."""

    default_url: ClassVar[str]
    own_credential: ClassVar[str]
    scheme: ClassVar[str] = "https"

    @property
    def address(self) -> str:
        """Address of the stage's provider, without a slash at the end."""
        return (self.url or self.default_url).rstrip("/")

    def at(self, url: str) -> Self:
        """The same stage by another host, that of ``url``, at the path that it has at its provider's."""
        host, home = urlsplit(url), urlsplit(self.default_url)
        scheme = self.scheme if host.scheme in {"https", "wss"} else self.scheme.removesuffix("s")
        return attrs.evolve(self, url=host._replace(scheme=scheme, path=home.path).geturl())

    @property
    def is_in_house(self) -> bool:
        """True if the address is this machine, or in a private network."""
        host = urlsplit(self.address).hostname or ""
        try:
            return ip_address(host).is_private
        except ValueError:
            return "." not in host or host.endswith((".local", ".internal", ".lan", ".localhost"))

    @property
    def key_name(self) -> str:
        """The secret that the stage needs; empty for none.

        A kind's own secret is for its own provider: a server at another address gets none that it is not promised.
        """
        if self.credential is not None:
            return self.credential
        return self.own_credential if self.is_at_home else ""

    @property
    def reads_figures(self) -> bool:
        """Of a stage that speaks: true if it says times, prices and numbers as people do, without being told how."""
        return True

    @property
    def is_at_home(self) -> bool:
        """True if the address is one of the provider's."""
        host, home = (urlsplit(url).hostname or "" for url in (self.address, self.default_url))
        domain = ".".join(home.split(".")[-2:])
        return host == domain or host.endswith(f".{domain}")
