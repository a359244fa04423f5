"""Settings that are well-formed and still cannot work, and addresses that are none."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from trio_voice.billing.prices import wrong_prices
from trio_voice.call.built_in_tools import CONSENT, TRANSFER
from trio_voice.call.nodes import node_digits
from trio_voice.config.settings import LEVELS, address_of
from trio_voice.config.toml import no_such_key, shown
from trio_voice.errors import ConfigError
from trio_voice.journal import database_at
from trio_voice.protocols.settings import SANDBOX
from trio_voice.speech_text.languages import LANGUAGE_TAG

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trio_voice.config.settings import ServerSettings, Settings
    from trio_voice.persona import Persona

AT_A_PROVIDERS: Final = "https://a-provider.invalid"
"""Stands for the usual address of a model that names none."""


def contradictions(settings: Settings, document: Mapping[str, Any], *, needs_credentials: bool) -> list[str]:
    """Mistakes of settings that are well-formed and still cannot work.

    Args:
        settings: as far as they could be read.
        document: the tables that they were read from; what is named in a broken one is not missing.
        needs_credentials: whether it is a mistake if Twilio's or a provider's are not there.
    """
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
    if needs_credentials:
        problems.extend(_missing_credentials(settings))
    problems.extend(_wrong_proxies(settings))
    return problems


def _wrong_proxies(settings: Settings) -> Iterable[str]:
    """Proxies of the environment that cannot be used for what would be reached by them, once each."""
    models = settings.used_models.values()
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
    if not _is_base(public):
        problems.append(f"server.public_url: must be like https://voice.example.com, not {shown(public)}")
    _check_operator(settings, problems)
    _check_node(settings.server, problems)
    collector = settings.telemetry.url
    if collector is not None and not _is_base(collector):
        problems.append(f"telemetry.url: must be like http://127.0.0.1:4318, not {shown(collector)}")


def _check_node(server: ServerSettings, problems: list[str]) -> None:
    try:
        node_digits(server.node, socket.gethostname())
    except ValueError as wrong:
        problems.append(f"server.node: {wrong}")
    for key, url in {"node_url": server.node_url, "peer_url": server.peer_url}.items():
        if url is not None and not _is_base(url):
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
    if not _is_base(public) or urlsplit(public).path not in ("", "/"):
        problems.append(
            f"operator.public_url: must be like https://desk.example.com, without a path, not {shown(public)}"
        )
    elif bind is None:
        problems.append(
            "operator.public_url: needs operator.bind: without it the operator's routes are at server.public_url"
        )


def _is_base(url: str) -> bool:
    """True if paths can be put behind this URL."""
    return is_url(url, ("https", "http")) and "?" not in url and "#" not in url


def _is_address(bind: str) -> bool:
    try:
        host, port = address_of(bind)
        ip_address("::1" if host == "localhost" else host)
    except ValueError:
        return False
    return 0 <= port < 65_536


def is_url(text: str, schemes: tuple[str, ...]) -> bool:
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
    for name, model in settings.used_models.items():
        if model.url != SANDBOX:
            for credential in model.credentials:
                wanted.setdefault(credential, f"for models.{name}")
    return [
        f"credential {name} is missing: it is needed {why}; set it in the environment or as the systemd credential "
        f"{name.lower()}"
        for name, why in wanted.items()
        if settings.secrets.get(name) is None
    ]
