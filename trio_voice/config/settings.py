"""Tables of config.toml as frozen classes, one attribute a key; all of them, and the credentials beside them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.billing.prices import Prices
from trio_voice.call.nodes import node_digits
from trio_voice.call.recovery import MIN_SILENT_SECONDS, SILENT_SECONDS
from trio_voice.config.credentials import Secrets
from trio_voice.limits import Limits
from trio_voice.net.proxies import Proxies
from trio_voice.persona import Persona
from trio_voice.protocols.settings import ModelSettings
from trio_voice.recorder.recordings import RecordingSettings
from trio_voice.setting_fields import RANGE, Range, bounded, one_of, positive

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_WORKERS: Final = 64


@attrs.frozen(kw_only=True)
class ServerSettings:
    """``[server]``: where the daemon listens, and by which address it is known."""

    bind: str = "127.0.0.1:8080"
    """IP address and port to listen on, ``HOST:PORT``; port 0 picks a free one."""
    public_url: str
    """Address of this daemon as Twilio sees it. The streams' ``wss://`` addresses are derived from it, and signatures
    are checked against it. Calls are placed only with ``https://``."""
    workers: int = bounded(1, MAX_WORKERS, 1)
    """Processes that share the port and ``max_calls``, each with its calls; at most one for each core is of use."""
    node: str | None = None
    """Two hexadecimal digits, others on each machine: the first of every call id. ``ordinal``: the number at the end of
    the host name. Without it there is one machine."""
    node_url: str | None = None
    """This node's own address as Twilio sees it, where it is not ``public_url``."""
    peer_url: str | None = None
    """Address at which other nodes reach this one."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        return address_of(self.bind)

    @property
    def digits(self) -> str:
        """Beginning of the call ids of this machine."""
        return node_digits(self.node, socket.gethostname())


@attrs.frozen(kw_only=True)
class OperatorSettings:
    """``[operator]``: an address of their own for the operator's routes, which Twilio then does not reach."""

    bind: str | None = None
    """IP address and port of the operator's routes and metrics; without it they are on ``[server] bind``."""
    public_url: str | None = None
    """Address behind a TLS proxy, ``https://desk.example.com``: the other ``Host`` that is let in."""

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on, if it has its own."""
        return None if self.bind is None else address_of(self.bind)


@attrs.frozen(kw_only=True)
class ConsoleSettings:
    """``[console]``: the operator's pages."""

    max_browser_calls: int = bounded(0, 1_000, 2)
    """Calls that pages of the console may hold at once, with all models' costs; 0 for none."""


def address_of(bind: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``. Raises ``ValueError`` if there is no port."""
    host, _, port = bind.rpartition(":")
    return host.strip("[]"), int(port)


@attrs.frozen(kw_only=True)
class TwilioSettings:
    """``[twilio]``: the account, and whom it may call."""

    account_sid: str | None = None
    """The account, ``AC`` and 32 digits; the credential ``TWILIO_ACCOUNT_SID`` stands in for it. Without it no call can
    be placed, transferred or hung up by REST."""
    from_number: str | None = None
    """One of the account's numbers, with its country: who calls when a call is placed."""
    allowed_prefixes: tuple[str, ...] = ()
    """Beginnings of the numbers that may be called, such as ``+1``; an empty list allows any."""
    api_url: str = "https://api.twilio.com"
    """Base address of Twilio's REST API, for a test or a region. It goes before ``TWILIO_EDGE`` and
    ``TWILIO_REGION``."""
    calls_per_second: float | None = positive(None)
    """Calls that the account may begin in a second, over all nodes of a journal; not set: as they come, and Twilio
    queues them."""
    validate_signatures: bool = True
    """Check the signature of every webhook and stream. ``false`` lets anybody who reaches the port open a session."""


@attrs.frozen(kw_only=True)
class JournalSettings:
    """``[journal]``: where sessions, calls and the do-not-call list are written down."""

    url: str = attrs.field(default="sqlite:///journal.db", repr=False)  # it may hold a password
    """``sqlite:///PATH``, relative to where the daemon runs, or ``postgresql://USER@HOST/DATABASE`` (the ``postgres``
    extra). The credential ``TRIO_VOICE_JOURNAL_URL`` goes before it."""
    keep_transcripts: bool = False
    """Write down who said what in each call, in the table ``utterances``. Nothing deletes it."""
    dead_after_seconds: float = attrs.field(default=SILENT_SECONDS, metadata={RANGE: Range(MIN_SILENT_SECONDS)})
    """Time without another daemon's heartbeat, by the journal, after which its calls are ended here."""


@attrs.frozen(kw_only=True)
class TelemetrySettings:
    """``[telemetry]``: traces of calls, for a collector."""

    url: str | None = None
    """Base address of a collector that takes OTLP over HTTP as JSON, at ``/v1/traces``; not set: nothing is sent."""


LEVELS: Final = ("debug", "info", "warning", "error")


@attrs.frozen(kw_only=True)
class LogSettings:
    """``[log]``: the log, which goes to stderr."""

    level: str = one_of("`debug`, `info`, `warning`, `error`", "info")
    """Least level that is shown. ``debug`` shows what tools raised and providers said: it may be what callers said."""


@attrs.frozen(kw_only=True)
class Settings:
    """All of config.toml, and the credentials beside it."""

    server: ServerSettings
    twilio: TwilioSettings
    limits: Limits
    journal: JournalSettings
    models: Mapping[str, ModelSettings]
    personas: Mapping[str, Persona]
    numbers: Mapping[str, str]
    prices: Prices | None
    secrets: Secrets
    proxies: Proxies
    log: LogSettings = LogSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    operator: OperatorSettings = OperatorSettings()
    console: ConsoleSettings = ConsoleSettings()
    recording: RecordingSettings = attrs.field(factory=RecordingSettings)

    @property
    def operator_bind(self) -> str:
        """Address of the operator's routes."""
        return self.operator.bind or self.server.bind

    @property
    def used_models(self) -> dict[str, ModelSettings]:
        """The models that a persona names, in their order in the file."""
        used = {name for persona in self.personas.values() for name in persona.models}
        return {name: model for name, model in self.models.items() if name in used}

    @property
    def account_sid(self) -> str | None:
        """Twilio's account, from the file or the environment."""
        return self.twilio.account_sid or self.secrets.get("TWILIO_ACCOUNT_SID")
