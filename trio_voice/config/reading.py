"""config.toml, and the credentials that it needs: read once, checked whole, frozen.

Every mistake is reported at once, each on a line that names the file, the key's path and, for a key that does not
exist, the nearest one that does. Secrets never come from the file.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
from cattrs.errors import BaseValidationError

from trio_voice.billing.prices import ModelPrices, PriceList, Prices, TwilioPrices
from trio_voice.config.contradictions import contradictions, is_url
from trio_voice.config.credentials import JOURNAL_URL, SECRETS, read_proxies, read_secrets
from trio_voice.config.settings import (
    ConsoleSettings,
    JournalSettings,
    LogSettings,
    OperatorSettings,
    ServerSettings,
    Settings,
    TelemetrySettings,
    TwilioSettings,
)
from trio_voice.config.toml import converter_of, explained, no_such_key, read_toml, shown
from trio_voice.errors import ConfigError
from trio_voice.legs.providers import KINDS
from trio_voice.limits import Limits
from trio_voice.persona import Persona, TurnDetection
from trio_voice.phone_numbers import e164
from trio_voice.protocols.chain_stages import STAGES
from trio_voice.protocols.settings import SANDBOX, ModelSettings
from trio_voice.recorder.recordings import RecordingSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import cattrs

T = TypeVar("T")

DEFAULT_NUMBER: Final = "default"
NO_NUMBER: Final = "must be a number with its country, like +15551234567"
UNREADABLE: Final = "https://unreadable.invalid"
"""Stands for a public_url that could not be read, so that the rest is checked all the same."""


def read_settings(
    path: Path, environment: Mapping[str, str] | None = None, *, needs_credentials: bool = True
) -> Settings:
    """Read and check everything.

    Args:
        path: the file.
        environment: where credentials are; the process's own by default.
        needs_credentials: see ``settings_of``.

    Raises:
        ConfigError: with one line for each mistake, whatever is in the file.
    """
    environment = os.environ if environment is None else environment
    return settings_of(read_toml(path), environment, path, needs_credentials=needs_credentials)


def settings_of(
    document: Mapping[str, Any], environment: Mapping[str, str], path: Path, *, needs_credentials: bool = True
) -> Settings:
    """Check everything of a document that was read.

    Args:
        document: the tables.
        environment: where credentials are.
        path: the file that mistakes are told of.
        needs_credentials: whether it is a mistake if Twilio's or a provider's are not there.

    Raises:
        ConfigError: as ``read_settings``.
    """
    reader = _Reader(dict(document))
    try:
        settings = reader.settings(environment, needs_credentials=needs_credentials)
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


@cache
def _converter() -> cattrs.Converter:
    """The one of all configurations: to make it takes four fifths of the time of reading one."""
    return converter_of(_TABLES, _KINDS)


class _Reader:
    """Turns tables into frozen objects and collects what is wrong with them."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.problems: list[str] = []
        self._document = document
        self._converter = _converter()

    def settings(self, environment: Mapping[str, str], *, needs_credentials: bool) -> Settings:
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
        self.problems.extend(contradictions(settings, self._document, needs_credentials=needs_credentials))
        return settings

    def _numbers(self) -> dict[str, str]:
        """``[numbers]`` by E.164, however they are written; ``default``, and what is no telephone, as they are."""
        read: dict[str, str] = {}
        tables = self._document.get("numbers", {})
        if not isinstance(tables, dict):
            self.problems.append(f"numbers: must be a table, not {shown(tables)}")
            return read
        for written, persona in (self._of(dict[str, str], tables, "numbers") or {}).items():
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
        if not is_url(read.api_url, ("https", "http")):
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
            if url != SANDBOX and not is_url(url, (scheme, scheme.removesuffix("s")))
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
