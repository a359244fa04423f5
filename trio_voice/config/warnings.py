"""Doubts about settings that work and may still not be meant: for ``check`` to say, not for ``serve`` to refuse."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from trio_voice.billing.cost import OUTLIVED_SECONDS
from trio_voice.billing.prices import doubtful_prices
from trio_voice.config.credentials import JOURNAL_URL
from trio_voice.net.proxies import is_here
from trio_voice.phone_numbers import countries, premium_numbers
from trio_voice.protocols.settings import SANDBOX
from trio_voice.speech_text.languages import has_phrases
from trio_voice.tokens import tokens_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from trio_voice.config.settings import Settings


_TELLS: Final = re.compile("record|aufge[nz]|mitschn|enregistr|graba|gravad|registr|opgenomen", re.IGNORECASE)
"""Stems of words for a recording, in the languages that have phrases here."""
_PRIVATE_NAMES: Final = (".localhost", ".local", ".lan", ".internal", ".home.arpa", ".localdomain")
"""Ends of names that only a house's own network knows (RFC 6761, 6762, 8375; ICANN's .internal)."""
MIN_TOKEN_LETTERS: Final = 16
"""Of the operator's: some twenty tries a second are judged."""
_PLACEHOLDER: Final = re.compile(
    r"""(^|\.)example(\.(com|net|org|edu))?$|\.invalid$|\.test$  # RFC 2606
    |^name\.                                                    # of our own pages
    |(^|[.-])(your|my)[-_]?(domain|host|hostname|server|site|name|company|subdomain|tunnel)([.-]|$)
    |(^|[.-])(change|replace)[-_]?me([.-]|$)|[<>{}$*]            # of everybody else's
    """,
    re.VERBOSE,
)


def warnings_about(settings: Settings, today: date) -> list[str]:
    """A line for each."""
    answering = set(settings.numbers.values())
    warnings = [
        f"personas.{name}.greeting: its first sentence does not say that the call is automated, which calls that you "
        f"place must in many places: for example “this is the automated assistant of …”"
        for name, persona in settings.personas.items()
        if (name not in answering or persona.record is True or persona.detect_machine or persona.voicemail)
        and not _discloses(persona.greeting or "")
    ]
    warnings.extend(
        f"personas.{name}.language: {persona.language} has no phrases here, so English ones are used: set fillers, "
        "still_there, idle_goodbye, goodbye_line and backchannels"
        for name, persona in settings.personas.items()
        if not has_phrases(persona.language)
        and (persona.fillers is None or persona.still_there is None or persona.idle_goodbye is None)
    )
    warnings.extend(
        f"personas.{name}.record: its calls are recorded, but nobody is asked (record_after_consent = true) or told by "
        "the greeting, as the law of many places wants"
        for name, persona in settings.personas.items()
        if persona.record and not persona.record_after_consent and not _TELLS.search(persona.greeting or "")
    )
    if settings.account_sid is None:
        warnings.append("twilio.account_sid: not set, so no call can be placed, transferred or hung up by REST")
    if "default" not in settings.numbers:
        warnings.append("numbers.default: not set, so calls to numbers that are not listed are declined")
    if settings.secrets.get("TRIO_VOICE_API_TOKEN") is None:
        warnings.append("credential TRIO_VOICE_API_TOKEN is not set, so the operator's routes and commands are closed")
    if urlsplit(settings.server.public_url).scheme != "https":
        warnings.append("server.public_url: is not https://, so no call can be placed and Twilio opens no stream")
    if settings.limits.close_seconds > OUTLIVED_SECONDS:
        warnings.append(
            f"limits.close_seconds: a session of a model that does not answer is open for longer than "
            f"{OUTLIVED_SECONDS:g} s after its call, and sets off the alarm"
        )
    warnings.extend(_lonely_node(settings))
    warnings.extend(_open_addresses(settings))
    warnings.extend(_short_tokens(settings))
    warnings.extend(_in_clear(settings))
    warnings.extend(_placeholders(settings))
    warnings.extend(_out_of_reach(settings))
    warnings.extend(_passwords(settings))
    warnings.extend(_dear_numbers(settings))
    warnings.extend(doubtful_prices(settings.prices, _that_bill(settings), today))
    return warnings


def _lonely_node(settings: Settings) -> Iterator[str]:
    """A node that the others cannot ask."""
    if settings.server.node is None:
        return
    peer_url = settings.server.peer_url or f"http://{settings.operator_bind}"
    host = urlsplit(peer_url).hostname or ""
    if is_here(host) or host in ("0.0.0.0", "::"):  # noqa: S104 - compared
        yield f"server.peer_url: is {peer_url}, where no other machine reaches this node: name its own address"
    if settings.secrets.get("TRIO_VOICE_API_TOKEN") is None:
        yield "credential TRIO_VOICE_API_TOKEN is not set, so nodes cannot ask one another"


def _open_addresses(settings: Settings) -> Iterator[str]:
    if not settings.twilio.validate_signatures:
        yield "twilio.validate_signatures: is false, so anybody who reaches the port may open a model session"
    operator = settings.operator.address
    if not is_here(settings.server.address[0]):
        also = (
            ", and to the operator's routes, the console and /metrics, too: give those an address of their own, "
            '[operator] bind = "127.0.0.1:8081"'
        )
        yield (
            f"server.bind: {settings.server.bind} is not only this machine's: whoever reaches it speaks without TLS"
            f"{also if operator is None else ''}; bind to 127.0.0.1 and put a TLS proxy in front"
        )
    if operator is not None and not is_here(operator[0]):
        yield (
            f"operator.bind: {settings.operator.bind} is not only this machine's: the token, the cookies and all that "
            "is said cross the network in clear; bind to 127.0.0.1, with a TLS proxy in front and operator.public_url"
        )
    if operator is not None and urlsplit(settings.operator.public_url or "").scheme == "http":
        yield "operator.public_url: is not https://: all is sent in clear, and browsers give its pages no microphone"


def _short_tokens(settings: Settings) -> Iterator[str]:
    shortest = min(map(len, tokens_of(settings.secrets.tokens("TRIO_VOICE_API_TOKEN"))), default=MIN_TOKEN_LETTERS)
    if shortest < MIN_TOKEN_LETTERS:
        yield (
            f"credential TRIO_VOICE_API_TOKEN has {shortest} letters, and some twenty tries a second are judged: "
            "make a longer one, as `openssl rand -hex 32` does"
        )


def _in_clear(settings: Settings) -> Iterator[str]:
    """Keys, and what is said, that cross a network for all to read."""
    for name, model in settings.models.items():
        for path, (url, _) in model.urls.items():
            parts = urlsplit(url)
            if parts.scheme in ("ws", "http") and not is_here(parts.hostname or "") and model.credentials:
                yield f"models.{name}.{path}: {parts.scheme}:// sends the key and all that is said in clear: use TLS"
    api = urlsplit(settings.twilio.api_url)
    if api.scheme == "http" and not is_here(api.hostname or ""):
        yield "twilio.api_url: http:// sends the account's token in clear: use https://"


def _placeholders(settings: Settings) -> Iterator[str]:
    """Addresses out of an example."""
    addresses = {
        "server.public_url": settings.server.public_url,
        "server.node_url": settings.server.node_url,
        "server.peer_url": settings.server.peer_url,
        "operator.public_url": settings.operator.public_url,
        "twilio.api_url": settings.twilio.api_url,
        "telemetry.url": settings.telemetry.url,
    }
    for name, model in settings.models.items():
        addresses |= {f"models.{name}.{path}": url for path, (url, _) in model.urls.items()}
    for path, url in addresses.items():
        host = (urlsplit(url or "").hostname or "").removesuffix(".")
        if _PLACEHOLDER.search(host):
            yield f"{path}: {host} is out of an example: put your own in its place"
    if settings.twilio.account_sid is not None and not re.fullmatch("AC[0-9a-f]{32}", settings.twilio.account_sid):
        yield "twilio.account_sid: an account's is AC and 32 hexadecimal digits"


def _out_of_reach(settings: Settings) -> Iterator[str]:
    """Addresses of ours that Twilio, which is not on this machine, cannot find."""
    if is_here(urlsplit(settings.twilio.api_url).hostname or ""):
        return
    for path, url in {
        "server.public_url": settings.server.public_url,
        "server.node_url": settings.server.node_url,
    }.items():
        host = urlsplit(url or "").hostname
        if host and not _is_public(host):
            yield f"{path}: {host} is not on the internet, where Twilio looks for it"


def _is_public(host: str) -> bool:
    try:
        return ip_address(host).is_global
    except ValueError:
        name = host.removesuffix(".")
        return "." in name and not name.endswith(_PRIVATE_NAMES)


def _passwords(settings: Settings) -> Iterator[str]:
    """Secrets in a file that is for everybody to read."""
    urls = {} if settings.secrets.get(JOURNAL_URL) is not None else {"journal.url": settings.journal.url}
    for name, model in settings.models.items():
        urls |= {f"models.{name}.{path}": url for path, (url, _) in model.urls.items()}
    for path, url in urls.items():
        if urlsplit(url).password:
            where = f"in the credential {JOURNAL_URL}" if path == "journal.url" else "in a credential"
            yield f"{path}: has a password in it, and this file is for everybody to read: put it {where}"


def _dear_numbers(settings: Settings) -> Iterator[str]:
    """Numbers that may be called and that cost far more than a call."""
    if settings.account_sid is None:
        return
    for prefix in settings.twilio.allowed_prefixes or ("",):
        dear = premium_numbers(prefix)
        if not prefix:
            yield (
                "twilio.allowed_prefixes: is empty, so any number may be called, "
                f"those with a charge of their own, too, such as {dear[0]}"
            )
        elif dear:
            others = f", and of {countries(prefix) - 1} other countries" if countries(prefix) > 1 else ""
            yield (
                f"twilio.allowed_prefixes: {prefix!r} lets numbers with a charge of their own be called, such as "
                f"{dear[0]}{others}: name longer prefixes, or block them at Twilio (geographic permissions)"
            )


def _that_bill(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Providers of the sessions that the personas' models open, by model; those on this machine cost nothing."""
    return {name: model.providers for name, model in settings.used_models.items() if model.url != SANDBOX}


def _discloses(greeting: str) -> bool:
    """True if the first sentence says that no human is speaking."""
    first = re.split(r"(?<=[.!?])\s", greeting.strip(), maxsplit=1)[0].lower()
    return (
        re.search(r"\b(automated|automatic|virtual|digital|artificial|ai|robot|bot|computer|recorded)\b", first)
        is not None
    )
