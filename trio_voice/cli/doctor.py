"""``trio-voice doctor``: looks from outside in, and says of what does not work what to do."""

from __future__ import annotations

import socket
import ssl
import sys
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import attrs
import click
import httpx2
import trio

from trio_voice.call.probe import rehearse
from trio_voice.cli.configuration import load
from trio_voice.cli.exits import EXIT_FAILED
from trio_voice.cli.local_peers import load_speech_for, on_this_machine
from trio_voice.cli.options import json_option, takes_config
from trio_voice.cli.printing import print_json, print_line
from trio_voice.daemon.peers import make_leg, open_rest
from trio_voice.edges.twilio.numbers import AccountNumbers
from trio_voice.edges.twilio.public_url import PublicUrl
from trio_voice.edges.twilio.rest import NO_SUCH_RESOURCE
from trio_voice.errors import ConfigError, RestError, one_line, told_in_words
from trio_voice.journal import JournalUnavailable, database_at, schema
from trio_voice.journal.engines import connected
from trio_voice.legs.session_ledger import Ledger
from trio_voice.persona import Persona
from trio_voice.protocols.chain_stages import ChainSettings
from trio_voice.record import CallRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from trio_voice.call.probe import Rehearsal
    from trio_voice.config.settings import Settings
    from trio_voice.edges.twilio.rest import TwilioRest

CHECK_SECONDS: Final = 10.0
MODEL_SECONDS: Final = 32.0
TURN_SECONDS: Final = 8.0
"""For the first sound of an answer, and for the caller's words to be understood."""
CLOCK_SECONDS: Final = 60.0
"""A clock that is further off breaks certificates and tokens."""
CERTIFICATE_DAYS: Final = 7
HTTP_NOT_FOUND: Final = 404
UNKNOWN_CALL: Final = "0" * 32
STAGES: Final = ("stt", "llm", "tts")


@attrs.define
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool | None
    """``None``: it was not looked at."""
    message: str
    advice: str | None = None
    """Of what is not right: the key or the credential to mend."""


@click.command(short_help="Look from outside in, with one real turn a model.")
@takes_config
@json_option
def doctor(path: Path, *, as_json: bool) -> None:
    """Look from outside in: address, certificate, clock, Twilio, each model with a real turn, which costs a little."""
    settings = load(path).settings
    checks = trio.run(examine, settings)
    if as_json:
        print_json({"checks": [attrs.asdict(check) for check in checks]})
    else:
        for check in checks:
            word = {True: "ok", False: "FAILED", None: "not looked at"}[check.ok]
            print_line(f"{check.name}: {word}: {check.message}")
            if check.advice is not None:
                print_line(f"    {check.advice}")
    if any(check.ok is False for check in checks):
        sys.exit(EXIT_FAILED)


async def examine(settings: Settings) -> list[Check]:
    """All checks, side by side, in the order in which they are told."""
    found: dict[str, list[Check]] = {}
    looks: dict[str, Callable[[], Awaitable[list[Check]]]] = {
        "dns": partial(_dns, settings),
        "public_url": partial(_public_url, settings),
        "certificate": partial(_certificate, settings),
        "websocket": partial(_websocket, settings),
        "clock": partial(_clock, settings),
        "journal": partial(_journal, settings),
        "twilio": partial(_twilio, settings),
        "numbers": partial(_numbers, settings),
    }

    async def look(name: str, work: Callable[[], Awaitable[list[Check]]], seconds: float, advice: str) -> None:
        found[name] = [Check(name, ok=False, message=f"no answer within {seconds:g} s", advice=advice)]
        try:
            with trio.move_on_after(seconds):
                found[name] = await work()
        except Exception as odd:  # noqa: BLE001 - one check's failure is that check's
            found[name] = [Check(name, ok=False, message=one_line(f"{type(odd).__name__}: {odd}"), advice=advice)]

    used = {model: persona for persona in settings.personas.values() for model in reversed(persona.models)}
    speech = await trio.to_thread.run_sync(load_speech_for, settings)
    async with on_this_machine(settings) as placed, trio.open_nursery() as nursery:
        for name, work in looks.items():
            nursery.start_soon(look, name, work, CHECK_SECONDS, f"server.public_url, {name}: look at the network")
        for name in settings.models:
            found[f"models.{name}"] = []
            turn = partial(examine_model, placed, name, used.get(name), speech)
            nursery.start_soon(look, f"models.{name}", turn, MODEL_SECONDS, f"models.{name}: url and credential")
    return [check for name in [*looks, *(f"models.{name}" for name in settings.models)] for check in found[name]]


async def _dns(settings: Settings) -> list[Check]:
    host = urlsplit(settings.server.public_url).hostname or ""
    try:
        found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as unknown:
        advice = "server.public_url: its host has no address: look at its DNS entry"
        return [Check("dns", ok=False, message=f"{host}: {unknown}", advice=advice)]
    return [Check("dns", ok=True, message=f"{host} is {', '.join(sorted({str(each[4][0]) for each in found}))}")]


def _client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(timeout=CHECK_SECONDS - 2, follow_redirects=False)


async def _public_url(settings: Settings) -> list[Check]:
    """An unsigned webhook must be refused by us, and by nobody before us."""
    url = f"{settings.server.public_url.rstrip('/')}/call-status/{UNKNOWN_CALL}"
    advice = "server.public_url: must be the address at which Twilio reaches this daemon, path by path, by its proxy"
    try:
        async with _client() as client:
            answer = await client.post(url, data={"CallSid": "CA0"})
    except httpx2.HTTPError as away:
        return [Check("public_url", ok=False, message=f"{url}: {told_in_words(away)}", advice=advice)]
    if not settings.twilio.validate_signatures:
        message = f"{url} answers {answer.status_code}; signatures are not checked"
        ok = answer.status_code in (204, 404)
        return [Check("public_url", ok=ok, message=message, advice=None if ok else advice)]
    code = _error_code(answer)
    if answer.status_code in (403, 404) and code in ("bad_signature", "other_node"):
        return [Check("public_url", ok=True, message=f"{url} is this daemon's, and refuses what Twilio has not signed")]
    message = f"{url} answers {answer.status_code}, which is no answer of trio-voice's to an unsigned webhook"
    return [Check("public_url", ok=False, message=message, advice=advice)]


def _error_code(answer: httpx2.Response) -> str | None:
    try:
        said = answer.json()
        return str(said["error"]["code"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


async def _certificate(settings: Settings) -> list[Check]:
    parts = urlsplit(settings.server.public_url)
    if parts.scheme != "https":
        return [Check("certificate", ok=None, message="server.public_url is not https://")]
    advice = "server.public_url: its certificate must be valid for the host, and be renewed in time"

    def look() -> float:
        context = ssl.create_default_context()
        with (
            socket.create_connection((parts.hostname or "", parts.port or 443), timeout=CHECK_SECONDS - 2) as raw,
            context.wrap_socket(raw, server_hostname=parts.hostname) as stream,
        ):
            shown: dict[str, Any] = stream.getpeercert() or {}
            return ssl.cert_time_to_seconds(shown["notAfter"])

    try:
        until = await trio.to_thread.run_sync(look, abandon_on_cancel=True)
    except (OSError, KeyError) as wrong:
        return [Check("certificate", ok=False, message=one_line(str(wrong)), advice=advice)]
    days = (datetime.fromtimestamp(until, UTC) - datetime.now(UTC)).days
    ok = days >= CERTIFICATE_DAYS
    return [Check("certificate", ok=ok, message=f"valid for {days} days more", advice=None if ok else advice)]


async def _websocket(settings: Settings) -> list[Check]:
    """A handshake must come through the proxy as one: we refuse it for its signature, after it was read as one."""
    url = f"{settings.server.public_url.rstrip('/')}/media-stream/{UNKNOWN_CALL}"
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    advice = "server.public_url: the proxy in front must pass Upgrade and Connection for /media-stream"
    try:
        async with _client() as client:
            answer = await client.get(url, headers=headers)
    except httpx2.HTTPError as away:
        return [Check("websocket", ok=False, message=told_in_words(away), advice=advice)]
    if _error_code(answer) in ("bad_signature", "unknown_call", "other_node"):
        return [Check("websocket", ok=True, message="a handshake comes through")]
    message = f"a handshake is answered by {answer.status_code}, and not by trio-voice"
    return [Check("websocket", ok=False, message=message, advice=advice)]


async def _clock(settings: Settings) -> list[Check]:
    """Compare with whoever says the time in an answer: Twilio, else our own address."""
    for url in (settings.twilio.api_url, settings.server.public_url):
        try:
            async with _client() as client:
                answer = await client.head(url)
            said = parsedate_to_datetime(answer.headers["Date"])
        except (httpx2.HTTPError, KeyError, ValueError, TypeError):
            continue
        off = abs((datetime.now(UTC) - said).total_seconds())
        ok = off < CLOCK_SECONDS
        advice = None if ok else "the clock of this machine: run an NTP client (systemd-timesyncd, chrony)"
        return [Check("clock", ok=ok, message=f"{off:.0f} s off {urlsplit(url).hostname}", advice=advice)]
    return [Check("clock", ok=None, message="nobody was reached who says the time")]


async def _journal(settings: Settings) -> list[Check]:
    def look() -> int:
        if not database_at(settings.journal.url).is_there():
            return 0
        with connected(settings.journal.url) as database:
            return schema.version_of(database)

    try:
        version = await trio.to_thread.run_sync(look, abandon_on_cancel=True)
    except JournalUnavailable as wrong:
        return [Check("journal", ok=False, message=str(wrong), advice="journal.url, TRIO_VOICE_JOURNAL_URL")]
    newest = len(schema.MIGRATIONS)
    if 0 < version < newest:
        message = f"its tables are of version {version}, this program's of {newest}"
        return [Check("journal", ok=False, message=message, advice="journal.url: run trio-voice migrate")]
    return [
        Check("journal", ok=True, message=f"tables of version {version}" if version else "none yet: serve makes it")
    ]


async def _twilio(settings: Settings) -> list[Check]:
    advice = "twilio.account_sid and the credential TWILIO_AUTH_TOKEN must be this account's"
    try:
        rest = open_rest(settings)
    except ConfigError as wrong:
        return [Check("twilio", ok=False, message=wrong.problems[0], advice=advice)]
    if rest is None:
        message = "without account_sid and TWILIO_AUTH_TOKEN nothing is hung up or placed by REST"
        return [Check("twilio", ok=False, message=message, advice=advice)]
    try:
        await rest.reach()
    except RestError as refused:
        if refused.status == HTTP_NOT_FOUND and await _is_twilio(rest, refused):  # a wrong key is told 401 before that
            return [Check("twilio", ok=True, message="it answers, and takes the credentials")]
        if refused.status == HTTP_NOT_FOUND:
            advice = f"twilio.api_url: {settings.twilio.api_url} must be Twilio's, or a proxy to it"
        return [Check("twilio", ok=False, message=one_line(str(refused)), advice=advice)]
    return [Check("twilio", ok=True, message="the account answers, with this token")]


async def _is_twilio(rest: TwilioRest, refused: RestError) -> bool:
    """True if a 404 is the API's own: it has Twilio's code, or other questions are answered."""
    if refused.code == NO_SUCH_RESOURCE:
        return True
    try:
        await rest.numbers()
    except RestError:
        return False
    return True


async def _numbers(settings: Settings) -> list[Check]:
    """Each number of [numbers] must send its calls here, as far as the account says where it sends them."""
    wanted = {number for number in settings.numbers if number.startswith("+")}
    try:
        rest = open_rest(settings)
        if rest is None:
            return [Check("numbers", ok=None, message="without account_sid and TWILIO_AUTH_TOKEN nobody can be asked")]
        account = AccountNumbers(rest, PublicUrl(settings.server.public_url))
        listed = await account.listed()
    except (ConfigError, RestError) as refused:
        return [Check("numbers", ok=None, message=one_line(str(refused)))]
    here = {each.number for each in listed if account.points_here(each)}
    known = [each for each in listed if not (each.trunk_sid or each.voice_application_sid)]
    astray = [each for each in known if each.number in wanted - here]
    if astray:
        said = "; ".join(f"{each.number} goes to {each.where}" for each in astray)
        advice = "numbers: " + "; ".join(f"trio-voice numbers point {each.number}" for each in astray)
        return [Check("numbers", ok=False, message=one_line(said), advice=advice)]
    if not here:
        return [Check("numbers", ok=None, message="no number of the account is known to send its calls here")]
    return [Check("numbers", ok=True, message=f"{', '.join(sorted(here))} come here")]


async def examine_model(settings: Settings, name: str, persona: Persona | None, speech: Any) -> list[Check]:
    """One real turn: the model is asked to say something, and must be heard; a chain must understand somebody, too."""
    model, path = settings.models[name], f"models.{name}"
    who = Persona(name="doctor", model=name) if persona is None else attrs.evolve(persona, tools=())
    missing = [secret for secret in model.credentials if settings.secrets.get(secret) is None]
    if missing and model.url != "sandbox":
        message = f"credential {missing[0]} is missing"
        return [Check(path, ok=False, message=message, advice=f"set the credential {missing[0]}")]
    record = CallRecord(call_id="doctor", direction="none", persona=who.name, from_number="", to_number="")
    from trio_voice.sandbox.twilio.captured import captured_words  # noqa: PLC0415 - a recording: no extra's library

    leg = make_leg(settings, name, who, Ledger(record), (), speech=speech)
    words = captured_words() if isinstance(model, ChainSettings) else ()
    heard = await rehearse(leg, who, settings.limits, TURN_SECONDS, turn=True, words=words)
    ok = heard.problem is None and heard.heard_ms > 0
    problem = heard.problem or (None if ok else f"it was asked to speak, and nothing was heard for {TURN_SECONDS:g} s")
    keys = ", ".join(model.credentials)
    advice = None if ok else f"{path}: url, model and voice" + (f"; credential {keys}" if keys else "")
    said = f"ready after {heard.ready_seconds or 0:.1f} s, spoke {heard.heard_ms / 1000:.1f} s" if ok else str(problem)
    checks = [Check(path, ok=ok, message=one_line(said), advice=advice)]
    if isinstance(model, ChainSettings):
        checks += _stages(path, model, heard, ok=ok)
    return checks


def _stages(path: str, model: ChainSettings, heard: Rehearsal, *, ok: bool) -> list[Check]:
    """Checks by stage: the one that is named by what went wrong has failed; else the one whose work did not come.

    Where something was heard, the stages that think and speak have worked.
    """
    problem = (heard.problem or "").lower()
    thought = heard.heard_ms > 0
    members = {stage: getattr(model, stage) for stage in STAGES}
    blamed = {stage for stage, each in members.items() if any(member.kind in problem for member in each)}
    if not ok and not blamed and heard.ready_seconds is not None:
        blamed = {"stt"} if thought else {"llm"}
    checks = []
    for stage, each in members.items():
        keys = sorted({member.key_name for member in each if member.key_name})
        kinds = ", ".join(member.kind for member in each)
        verdict = False if stage in blamed and not ok else (True if ok or (thought and stage != "stt") else None)
        named = f"{path}.{stage}: url, model and voice" + (
            f"; credential {', '.join(keys)}"
            if keys
            else "; a key is sent to another address only if `credential` names it"
        )
        advice = named if verdict is False else None
        message = kinds if verdict is not False else one_line(f"{kinds}: {heard.problem or 'it said nothing'}")
        checks.append(Check(f"{path}.{stage}", ok=verdict, message=message, advice=advice))
    return checks
