"""config.toml, and the credentials that it needs: read once, checked whole, frozen.

Every mistake is reported at once, each on a line that names the file, the key's path and, for a key that does not
exist, the nearest one that does. Secrets never come from the file.
"""

from __future__ import annotations

import os
import re
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import attrs
from cattrs.errors import BaseValidationError

from trio_voice.billing.prices import ModelPrices, PriceList, Prices, TwilioPrices, wrong_prices
from trio_voice.call.nodes import node_digits
from trio_voice.call.recovery import LEAST_SILENT_SECONDS, SILENT_SECONDS
from trio_voice.call.tools import CONSENT, TRANSFER
from trio_voice.config.credentials import JOURNAL_URL, SECRETS, Secrets, read_proxies, read_secrets
from trio_voice.config.toml import converter_of, explained, no_such_key, read_toml, shown
from trio_voice.errors import ConfigError
from trio_voice.journal import database_at
from trio_voice.legs.providers import KINDS
from trio_voice.net.proxies import Proxies
from trio_voice.persona import RANGE, Limits, Persona, Range, TurnDetection, bounded, one_of, positive
from trio_voice.phone_numbers import e164
from trio_voice.protocols.chain_stages import STAGES
from trio_voice.protocols.settings import SANDBOX, ModelSettings
from trio_voice.recorder.recordings import RecordingSettings
from trio_voice.speech_text.languages import LANGUAGE_TAG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

T = TypeVar("T")

MAX_WORKERS: Final = 64
DEFAULT_NUMBER: Final = "default"
NO_NUMBER: Final = "must be a number with its country, like +15551234567"
AT_A_PROVIDERS: Final = "https://a-provider.invalid"
"""Stands for the usual address of a model that names none."""
UNREADABLE: Final = "https://unreadable.invalid"
"""Stands for a public_url that could not be read, so that the rest is checked all the same."""


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
    dead_after_seconds: float = attrs.field(default=SILENT_SECONDS, metadata={RANGE: Range(LEAST_SILENT_SECONDS)})
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
    def account_sid(self) -> str | None:
        """Twilio's account, from the file or the environment."""
        return self.twilio.account_sid or self.secrets.get("TWILIO_ACCOUNT_SID")


def read_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check everything.

    Raises:
        ConfigError: with one line for each mistake, whatever is in the file.
    """
    return settings_of(read_toml(path), os.environ if environment is None else environment, path)


def settings_of(document: Mapping[str, Any], environment: Mapping[str, str], path: Path) -> Settings:
    """Check everything of a document that was read.

    Args:
        document: the tables.
        environment: where credentials are.
        path: the file that mistakes are told of.

    Raises:
        ConfigError: as ``read_settings``.
    """
    reader = _Reader(dict(document))
    try:
        settings = reader.settings(environment)
    except ConfigError as wrong:
        reader.problems.extend(wrong.problems)
    except Exception as odd:  # noqa: BLE001 - what nobody foresaw must neither end a daemon nor be a traceback
        reader.problems.append(f"cannot be used: {type(odd).__name__}: {odd}")
    if reader.problems:
        raise ConfigError([f"{path}: {problem}" for problem in reader.problems])
    return settings


_TABLES: Final = (
    ServerSettings,
    OperatorSettings,
    ConsoleSettings,
    RecordingSettings,
    TwilioSettings,
    Limits,
    JournalSettings,
    LogSettings,
    TelemetrySettings,
    ModelSettings,
    *(kind.settings for kind in KINDS.values()),
    Persona,
    TurnDetection,
    PriceList,
    TwilioPrices,
    ModelPrices,
)
_KINDS: Final = {stage: {kind: row.settings for kind, row in rows.items()} for stage, rows in STAGES.items()}


class _Reader:
    """Turns tables into frozen objects and collects what is wrong with them."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.problems: list[str] = []
        self._document = document
        self._converter = converter_of(_TABLES, _KINDS)

    def settings(self, environment: Mapping[str, str]) -> Settings:
        """Settings as far as they could be read; worth something only if there are no problems."""
        known = [field.name for field in attrs.fields(Settings) if field.name not in ("secrets", "proxies")]
        self.problems.extend(no_such_key(key, key, known) for key in self._document if key not in known)
        models = self._models()
        credentials = [name for model in models.values() for name in model.credentials]
        for name in credentials:
            if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
                self.problems.append(f"credential {shown(name)}: must be the name of a variable, like OPENAI_API_KEY")
        credentials = [name for name in credentials if name.isidentifier()]
        settings = Settings(
            server=self._table("server", ServerSettings, ServerSettings(public_url=UNREADABLE)),
            operator=self._table("operator", OperatorSettings, OperatorSettings()),
            console=self._table("console", ConsoleSettings, ConsoleSettings()),
            twilio=self._twilio(),
            limits=self._table("limits", Limits, Limits()),
            journal=self._table("journal", JournalSettings, JournalSettings()),
            log=self._table("log", LogSettings, LogSettings()),
            telemetry=self._table("telemetry", TelemetrySettings, TelemetrySettings()),
            recording=self._table("recording", RecordingSettings, RecordingSettings()),
            models=models,
            personas=self._personas(),
            numbers=self._numbers(),
            prices=self._prices(models),
            secrets=read_secrets(environment, [*SECRETS, *credentials]),
            proxies=read_proxies(environment),
        )
        address = settings.secrets.get(JOURNAL_URL)
        if address is not None:
            settings = attrs.evolve(settings, journal=attrs.evolve(settings.journal, url=address))
        self.problems.extend(_contradictions(settings, self._document))
        return settings

    def _numbers(self) -> dict[str, str]:
        """``[numbers]`` by E.164, however they are written; ``default``, and what is no telephone, as they are."""
        read: dict[str, str] = {}
        for written, persona in (self._of(dict[str, str], self._document.get("numbers", {}), "numbers") or {}).items():
            is_address = written.lower().startswith(("sip:", "client:"))
            number = e164(written) or (written if written == DEFAULT_NUMBER or is_address else None)
            if number is None:
                self.problems.append(f"numbers.{written!r}: {NO_NUMBER}")
            elif number in read:
                self.problems.append(f"numbers.{written!r}: is {number}, which is there already")
            else:
                read[number] = persona
        return read

    def _number(self, written: str | None, path: str) -> str | None:
        """One number in E.164, if it is set."""
        number = e164(written) if written is not None else None
        if written is not None and number is None:
            self.problems.append(f"{path}: {NO_NUMBER}, not {shown(written)}")
        return number

    def _twilio(self) -> TwilioSettings:
        read = self._table("twilio", TwilioSettings, TwilioSettings())
        if read.account_sid is not None and not re.fullmatch("AC[0-9A-Za-z]+", read.account_sid):
            self.problems.append(f"twilio.account_sid: must be like AC and 32 digits, not {shown(read.account_sid)}")
        if not _is_url(read.api_url, ("https", "http")):
            self.problems.append(f"twilio.api_url: must be like https://api.twilio.com, not {shown(read.api_url)}")
        prefixes = []
        for written in read.allowed_prefixes:
            prefix = re.sub("[ ()./-]", "", written)
            if not re.fullmatch(r"\+[1-9][0-9]{0,14}", prefix):
                self.problems.append(f"twilio.allowed_prefixes: must be like +1 or +4930, not {shown(written)}")
            prefixes.append(prefix)
        from_number = self._number(read.from_number, "twilio.from_number")
        return attrs.evolve(read, from_number=from_number, allowed_prefixes=tuple(prefixes))

    def _personas(self) -> dict[str, Persona]:
        read = self._tables("personas", lambda _name, _table: Persona)
        return {
            name: attrs.evolve(persona, transfer_to=self._number(persona.transfer_to, f"personas.{name}.transfer_to"))
            for name, persona in read.items()
        }

    def _table(self, path: str, kind: type[T], unreadable: T) -> T:
        return self._of(kind, self._document.get(path, {}), path) or unreadable

    def _models(self) -> dict[str, ModelSettings]:
        """Each table by the class of its own kind, so that a key of another kind is an error."""

        def settings_of(name: str, table: Any) -> type[ModelSettings] | None:
            named = table.get("kind") if isinstance(table, dict) else None
            if not isinstance(named, str):
                return ModelSettings  # says what is wrong
            if named in KINDS:
                return KINDS[named].settings
            self.problems.append(f"models.{name}.kind: {shown(named)} is not known here; known are {', '.join(KINDS)}")
            return None

        read = self._tables("models", settings_of)
        wrong = {
            f"models.{name}.{path}": (scheme, url)
            for name, model in read.items()
            for path, (url, scheme) in model.urls.items()
            if url != SANDBOX and not _is_url(url, (scheme, scheme.removesuffix("s")))
        }
        self.problems.extend(
            f"{path}: must begin with {scheme}:// and name a host (or be {SANDBOX!r}), not {shown(url)}"
            for path, (scheme, url) in wrong.items()
        )
        return {
            name: model for name, model in read.items() if not any(path.startswith(f"models.{name}.") for path in wrong)
        }

    def _prices(self, models: Mapping[str, ModelSettings]) -> Prices | None:
        """``[prices]``, whose other keys than its own are tables of models and of kinds."""
        tables = self._document.get("prices")
        if tables is None:
            return None
        own = [field.name for field in attrs.fields(PriceList)]
        if not isinstance(tables, dict):
            self.problems.append(f"prices: must be a table, not {shown(tables)}")
            return None
        stages = (kind for kinds in STAGES.values() for kind in kinds)
        priced = {*models, *KINDS, *stages, *(provider for model in models.values() for provider in model.providers)}
        known = [*own, *sorted(priced)]
        read: dict[str, ModelPrices] = {}
        for name in tables.keys() - own:
            if name not in known:
                self.problems.append(no_such_key(f"prices.{name}", name, known))
            elif table := self._of(ModelPrices, tables[name], f"prices.{name}"):
                read[name] = table
        listed = self._of(PriceList, {key: value for key, value in tables.items() if key in own}, "prices")
        if listed is None:
            return None
        return Prices(as_of=listed.as_of, currency=listed.currency, twilio=listed.twilio, models=read)

    def _tables(self, path: str, kind_of: Callable[[str, Any], type[T] | None]) -> dict[str, T]:
        tables = self._document.get(path, {})
        if not isinstance(tables, dict):
            self.problems.append(f"{path}: must be tables, [{path}.NAME]")
            return {}
        read: dict[str, T] = {}
        for name, table in tables.items():
            kind = kind_of(name, table)
            if kind is None:
                continue
            if isinstance(table, dict) and "name" in table:
                self.problems.append(f"{path}.{name}.name: no such key; its name is in the table's")
            named = table | {"name": name} if isinstance(table, dict) else table
            value = self._of(kind, named, f"{path}.{name}")
            if value is not None:
                read[name] = value
        return read

    def _of(self, kind: type[T], value: Any, path: str) -> T | None:
        try:
            return self._converter.structure(value, kind)
        except BaseValidationError as wrong:
            self.problems.extend(explained(wrong, path))
        except (TypeError, ValueError) as wrong:
            self.problems.append(f"{path}: {wrong}")
        return None


def _contradictions(settings: Settings, document: Mapping[str, Any]) -> list[str]:
    """Mistakes of settings that are well-formed and still cannot work."""
    problems: list[str] = []
    _check_server(settings, problems)
    if settings.log.level not in LEVELS:
        problems.append(f"log.level: must be one of {', '.join(LEVELS)}, not {shown(settings.log.level)}")
    if settings.limits.daily_cost is not None and settings.prices is None:
        problems.append("limits.daily_cost: needs [prices]: without them no call costs anything that is known")
    if not settings.recording.directory.strip() or "\0" in settings.recording.directory:
        problems.append("recording.directory: must be a folder's name, like recordings")
    models, personas = _names(document, "models"), _names(document, "personas")  # those that are broken, too
    for name, persona in settings.personas.items():
        problems.extend(
            no_such_key(f"personas.{name}.model = {model!r}", model, models)
            for model in persona.models
            if model not in models
        )
        transfer_to = document["personas"][name].get("transfer_to")
        if persona.on_failure == "transfer" and transfer_to is None:
            problems.append(f"personas.{name}.transfer_to: is missing: on_failure needs a number, like +15551234567")
        if TRANSFER in persona.tools and transfer_to is None:
            problems.append(f"personas.{name}.transfer_to: is missing: {TRANSFER} needs a number, like +15551234567")
        if persona.record_after_consent and persona.record != "here":
            problems.append(f'personas.{name}.record_after_consent: needs record = "here": Twilio asks nobody')
        if CONSENT in persona.tools and not persona.record_after_consent:
            problems.append(f"personas.{name}.tools: {CONSENT} needs record_after_consent = true")
        turns = persona.turn_detection
        if turns and turns.min_silence and turns.max_silence and turns.min_silence >= turns.max_silence:
            problems.append(f"personas.{name}.turn_detection: min_silence must be less than max_silence")
        problems.extend(f"personas.{name}.{wrong}" for wrong in _wrong_phrases(persona))
    problems.extend(
        no_such_key(f"numbers.{number!r} = {name!r}", name, personas)
        for number, name in settings.numbers.items()
        if name not in personas
    )
    try:
        database_at(settings.journal.url)
    except ConfigError as wrong:
        problems.extend(wrong.problems)
    problems.extend(wrong_prices(settings.prices) if settings.prices else ())
    problems.extend(_missing_credentials(settings))
    problems.extend(_wrong_proxies(settings))
    return problems


def _wrong_proxies(settings: Settings) -> Iterable[str]:
    """Proxies of the environment that cannot be used for what would be reached by them, once each."""
    used = {model for persona in settings.personas.values() for model in persona.models}
    models = [settings.models[name] for name in used & settings.models.keys()]
    addresses = {url for model in models for url, _ in model.urls.values()}
    addresses |= {AT_A_PROVIDERS for model in models if model.url is None}
    wrong: set[str] = set()
    for url in {settings.twilio.api_url, *addresses} - {SANDBOX}:
        try:
            settings.proxies.for_url(url)
        except ValueError as problem:
            wrong.add(f"environment: {problem}")
    return sorted(wrong)


def _wrong_phrases(persona: Persona) -> list[str]:
    """Mistakes in a persona's language, its phrases and its terms of interruption."""
    problems: list[str] = []
    if not LANGUAGE_TAG.fullmatch(persona.language):
        problems.append(f"language: must be a language tag like en-US or de, not {persona.language!r}")
    for key in ("backchannels", "fillers"):
        problems.extend(
            f"{key}.{at}: must have a word in it, not {phrase!r}"
            for at, phrase in enumerate(getattr(persona, key) or ())
            if not any(letter.isalnum() for letter in phrase)
        )
    for key in ("still_there", "idle_goodbye"):
        line = getattr(persona, key)
        if line is not None and not any(letter.isalnum() for letter in line):
            problems.append(f"{key}: must have a word in it, not {line!r}; without the key it is the language's own")
    return problems


def _check_server(settings: Settings, problems: list[str]) -> None:
    if not _is_address(settings.server.bind):
        problems.append(f"server.bind: must be HOST:PORT with an IP address, not {shown(settings.server.bind)}")
    public = settings.server.public_url
    if not _is_url(public, ("https", "http")) or "?" in public or "#" in public:
        problems.append(f"server.public_url: must be like https://voice.example.com, not {shown(public)}")
    _check_operator(settings, problems)
    _check_node(settings.server, problems)
    collector = settings.telemetry.url
    if collector is not None and (not _is_url(collector, ("https", "http")) or "?" in collector or "#" in collector):
        problems.append(f"telemetry.url: must be like http://127.0.0.1:4318, not {shown(collector)}")


def _check_node(server: ServerSettings, problems: list[str]) -> None:
    try:
        node_digits(server.node, socket.gethostname())
    except ValueError as wrong:
        problems.append(f"server.node: {wrong}")
    for key, url in {"node_url": server.node_url, "peer_url": server.peer_url}.items():
        if url is not None and (not _is_url(url, ("https", "http")) or "?" in url or "#" in url):
            problems.append(f"server.{key}: must be like https://n1.voice.example.com, not {shown(url)}")


def _check_operator(settings: Settings, problems: list[str]) -> None:
    bind, public = settings.operator.bind, settings.operator.public_url
    if bind is not None and not _is_address(bind):
        problems.append(f"operator.bind: must be HOST:PORT with an IP address, not {shown(bind)}")
    elif bind is not None and _is_address(settings.server.bind):
        (host, port), (other, other_port) = address_of(bind), settings.server.address
        if port and port == other_port and (host == other or {host, other} & {"0.0.0.0", "::"}):  # noqa: S104 - compared
            problems.append(f"operator.bind: {bind} is taken by server.bind: give it a port of its own")
    if public is None:
        return
    if (
        not _is_url(public, ("https", "http"))
        or urlsplit(public).path not in ("", "/")
        or "?" in public
        or "#" in public
    ):
        problems.append(
            f"operator.public_url: must be like https://desk.example.com, without a path, not {shown(public)}"
        )
    elif bind is None:
        problems.append(
            "operator.public_url: needs operator.bind: without it the operator's routes are at server.public_url"
        )


def _is_address(bind: str) -> bool:
    try:
        host, port = address_of(bind)
        ip_address("::1" if host == "localhost" else host)
    except ValueError:
        return False
    return 0 <= port < 65_536


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    """True if this is an absolute URL of one of these schemes, and can be asked for."""
    try:
        parts = urlsplit(text)
        port = parts.port  # raises if it is none
    except ValueError:
        return False
    return text.isprintable() and " " not in text and parts.scheme in schemes and bool(parts.hostname) and port != 0


def _names(document: Mapping[str, Any], path: str) -> list[str]:
    """The names of the tables below a key, whatever else is wrong with them."""
    tables = document.get(path, {})
    return [*tables] if isinstance(tables, dict) else []


def _missing_credentials(settings: Settings) -> list[str]:
    wanted: dict[str, str] = {}
    if settings.twilio.validate_signatures:
        wanted["TWILIO_AUTH_TOKEN"] = "to check Twilio's signatures (twilio.validate_signatures = true)"  # noqa: S105 - a name
    used = {model for persona in settings.personas.values() for model in persona.models}
    for name, model in settings.models.items():
        if name in used and model.url != SANDBOX:
            for credential in model.credentials:
                wanted.setdefault(credential, f"for models.{name}")
    return [
        f"credential {name} is missing: it is needed {why}; set it in the environment or as the systemd credential "
        f"{name.lower()}"
        for name, why in wanted.items()
        if settings.secrets.get(name) is None
    ]
