"""The command line: ``trio-voice``."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlencode

import attrs
import click
import httpx2
import trio

from trio_voice.billing.cost import price_call
from trio_voice.call.call import wall_clock
from trio_voice.call.probe import describe, rehearse
from trio_voice.config.settings import Settings, read_settings
from trio_voice.config.warnings import warnings_about
from trio_voice.daemon.assembly import make_leg, open_rest
from trio_voice.daemon.daemon import AFTER_DRAIN_SECONDS, run_daemon
from trio_voice.daemon.loading import load_at_start
from trio_voice.daemon.logs import set_up_logging
from trio_voice.daemon.signals import ignore_all
from trio_voice.daemon.supervisor import WorkerSlot, supervise
from trio_voice.daemon.systemd_unit import PACKAGED_CONFIG, doubts_about, render_unit, this_executable
from trio_voice.errors import CannotListen, ConfigError, RestError, first_cause, one_line
from trio_voice.journal import JournalUnavailable, database_at, read_journal
from trio_voice.journal.daily_report import lines_of, sum_up
from trio_voice.journal.identity import accept, marker_of
from trio_voice.legs.session_ledger import Ledger
from trio_voice.protocols.chain_stages import ChainSettings
from trio_voice.protocols.local import LocalSpeakingSettings
from trio_voice.protocols.settings import SANDBOX
from trio_voice.record import CallRecord
from trio_voice.speech import VOICES, SpeechUnavailable
from trio_voice.speech.lines import make_lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from trio_voice.daemon.loading import Loaded
    from trio_voice.edges.twilio.rest import TwilioRest
    from trio_voice.persona import Persona, ToolSchema

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNAVAILABLE: Final = 69
EXIT_INTERRUPTED: Final = 130
"""By Ctrl-C, as shells have it."""
CALL_ID_LETTERS: Final = 32
EXIT_CONFIG: Final = 78

LIVE_SECONDS: Final = 4.0
"""How long a session stays open that is only tried."""
DEFAULT_CONFIG: Final = Path("config.toml")


def _remember(context: click.Context, _option: click.Parameter, path: Path | None) -> None:
    """Keep the path where every command finds it, whether it stood before or behind the command's name."""
    context.obj = path or context.obj or DEFAULT_CONFIG


_config: Final = click.option(
    "--config",
    type=click.Path(path_type=Path),
    callback=_remember,
    expose_value=False,
    help="The configuration.  [default: config.toml]",
)


@click.group()
@click.version_option(package_name="trio-voice", prog_name="trio-voice", message="%(prog)s %(version)s")
@_config
def main() -> None:
    """Answer and place phone calls with speech models."""


def _read(path: Path) -> Settings:
    try:
        return read_settings(path)
    except ConfigError as wrong:
        _stop(EXIT_CONFIG, *wrong.problems)


def _load(path: Path) -> Loaded:
    """The configuration with its tools, which are looked for beside it, too: behind all that is installed."""
    sys.path.append(str(path.parent.resolve()))

    def refuse(problem: str) -> None:
        """Called in another thread, while the module does not come to its end: there is no other way out."""
        os.write(sys.stderr.fileno(), f"{problem}\n".encode())
        os._exit(EXIT_CONFIG)

    try:
        return load_at_start(path, refuse)
    except ConfigError as wrong:
        _stop(EXIT_CONFIG, *wrong.problems)


def _stop(code: int, *lines: str) -> NoReturn:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(code)


@main.command()
@_config
@click.option("--worker", "slot_text", hidden=True, help="For the processes that server.workers starts.")
@click.pass_obj
def serve(path: Path, slot_text: str | None) -> None:
    """Run the daemon until SIGTERM or SIGINT, then drain. SIGHUP re-reads personas, numbers and prices."""
    slot = WorkerSlot.from_text(slot_text) if slot_text is not None else None
    settings = _load(path).settings
    level = getattr(logging, settings.log.level.upper())
    set_up_logging(level=level, worker=None if slot is None else slot.index)

    def announce(url: str) -> None:
        if slot is None:
            click.echo(f"listening on {url}")

    async def run() -> None:
        if settings.server.workers > 1 and slot is None:
            patience = settings.limits.drain_seconds + settings.limits.close_seconds + AFTER_DRAIN_SECONDS
            await supervise(settings, path, announce, patience)
            return
        async with _on_this_machine(settings) as placed:
            await run_daemon(placed, announce, path, make_lines, slot)

    try:
        trio.run(run)
    except* ConfigError as wrong:
        _stop(EXIT_CONFIG, *_problems_in(wrong))
    except* CannotListen as busy:
        _stop(EXIT_UNAVAILABLE, str(first_cause(busy)))
    except* SpeechUnavailable as missing:
        _stop(EXIT_UNAVAILABLE, str(first_cause(missing)))
    finally:
        ignore_all()


def _problems_in(error: BaseException) -> list[str]:
    innermost = first_cause(error)
    return innermost.problems if isinstance(innermost, ConfigError) else [str(innermost)]


@asynccontextmanager
async def _on_this_machine(settings: Settings) -> AsyncIterator[Settings]:
    """The settings with every ``url = "sandbox"`` replaced by a peer that lives until the block is left."""
    local = {name for name, model in settings.models.items() if SANDBOX in {url for url, _ in model.urls.values()}}
    if not local:
        yield settings
        return
    from trio_voice.sandbox.peers import open_peers  # noqa: PLC0415 - only this needs the speech extra

    async with open_peers(settings.models[name].kind for name in local) as urls:
        models = {
            name: model.at(urls[model.kind]) if name in local else model for name, model in settings.models.items()
        }
        yield attrs.evolve(settings, models=models)


@main.command()
@_config
@click.option("--live", metavar="PERSONA", help="Open a session of each of its models for some seconds. This costs.")
@click.pass_obj
def check(path: Path, live: str | None) -> None:
    """Read the configuration and the credentials, and print what would run. Opens no connection, unless --live."""
    loaded = _load(path)
    settings, toolboxes = loaded.settings, loaded.toolboxes
    try:
        rest = open_rest(settings)
    except ConfigError as wrong:
        _stop(EXIT_CONFIG, *(f"{path}: {problem}" for problem in wrong.problems))
    trouble = database_at(settings.journal.url).look()
    if trouble and not _depends_on_where(settings.journal.url):
        _stop(EXIT_CONFIG, f"{path}: journal.url: {trouble}")
    click.echo(f"{path}: in order")
    click.echo(f"listens on   {settings.server.bind}, known to Twilio as {settings.server.public_url}")
    click.echo(f"Twilio       account {settings.account_sid or 'not set'}, calls from {settings.twilio.from_number}")
    for number, name in settings.numbers.items():
        click.echo(f"{number:<12} is answered by {name}")
    for name, persona in settings.personas.items():
        models = [settings.models[model] for model in persona.models]
        answers = ", then ".join(model.summary for model in models)
        click.echo(f"persona      {name}: {answers}; tools: {', '.join(toolboxes[persona]) or 'none'}")
    if trouble:
        click.echo(f"warning: journal.url: as seen from here, where the daemon need not run: {trouble}", err=True)
    for warning in [*warnings_about(settings, wall_clock().date()), *_unknown_voices(settings)]:
        click.echo(f"warning: {warning}", err=True)
    if live is not None:
        if live not in settings.personas:
            _stop(EXIT_USAGE, f"{path}: personas.{live}: no such persona; known are {', '.join(settings.personas)}")
        tools = tuple(tool.schema for tool in toolboxes[settings.personas[live]].values())
        if not trio.run(_check_live, settings, settings.personas[live], tools, rest):
            sys.exit(EXIT_FAILED)


def _unknown_voices(settings: Settings) -> Iterator[str]:
    """Voices that this machine has not; another one is heard in their place."""
    speaking = {
        name: stage.voice
        for name, model in settings.models.items()
        if isinstance(model, ChainSettings)
        for stage in model.tts
        if isinstance(stage, LocalSpeakingSettings)
    }
    wanted = {f"models.{name}.tts.voice": voice for name, voice in speaking.items()}
    for name, persona in settings.personas.items():
        if persona.voice is not None and persona.models[0] in speaking:
            wanted[f"personas.{name}.voice"] = persona.voice
    for path, voice in wanted.items():
        if voice not in VOICES:
            yield f"{path}: {voice!r} is no voice of this machine, so another is heard; there are {', '.join(VOICES)}"


def _depends_on_where(url: str) -> bool:
    """Whether the journal's file is in a directory that is there, and another one elsewhere."""
    path = Path(url.removeprefix("sqlite:///"))
    return not path.is_absolute() and path.parent == Path()


async def _reaches_twilio(settings: Settings, rest: TwilioRest) -> bool:
    """Whether Twilio's API is reached by its proxy, if it has one; whatever it answers, it was."""
    proxy = settings.proxies.for_url(settings.twilio.api_url)
    if proxy is None:
        await trio.lowlevel.checkpoint()
        return True
    said = "is reached"
    try:
        await rest.reach()
    except RestError as failed:
        said = str(failed)
        if not failed.status:
            click.echo(f"Twilio: by the proxy {proxy.host}:{proxy.port}: {said}")
            return False
    click.echo(f"Twilio: by the proxy {proxy.host}:{proxy.port}: {said}")
    return True


async def _check_live(
    settings: Settings, persona: Persona, tools: tuple[ToolSchema, ...], rest: TwilioRest | None
) -> bool:
    """Try Twilio and each model of a persona as a call would, say what came of it, and whether all of them work."""
    works = rest is None or await _reaches_twilio(settings, rest)
    async with _on_this_machine(settings) as placed:
        for name in persona.models:
            record = CallRecord(call_id="check", direction="none", persona=persona.name, from_number="", to_number="")
            leg = make_leg(placed, name, persona, Ledger(record), tools)
            click.echo(f"{name}: opening a session of {settings.models[name].kind} for {LIVE_SECONDS:g} s")
            heard = await rehearse(leg, persona, settings.limits, LIVE_SECONDS)
            works = works and heard.problem is None
            if settings.prices is not None:
                price_call(record, settings.prices)
            for line in describe(heard, record, settings.prices):
                click.echo(f"  {one_line(line, sys.maxsize)}")
    return works


@main.command()
@_config
@click.argument("to")
@click.option("--persona", help="Who speaks.  [default: who answers the default number]")
@click.pass_obj
def call(path: Path, to: str, persona: str | None) -> None:
    """Have the running daemon call a number, and follow the call to its end."""
    settings = _read(path)
    wanted = {"to": to} | ({"persona": persona} if persona else {})
    placed = _ask(settings, "POST", "/call", wanted)
    call_id = placed["call_id"]
    click.echo(f"{call_id}  {placed['status']}")
    try:
        trio.run(_follow, settings, call_id)
    except KeyboardInterrupt:
        click.echo(f"the call goes on, and its meters run; to end it: trio-voice hangup {call_id}", err=True)
        sys.exit(EXIT_INTERRUPTED)


async def _follow(settings: Settings, call_id: str) -> None:
    """Print what becomes of a call until it has ended."""
    state = ""
    while state != "ended":
        await trio.sleep(0.5)
        call = await trio.to_thread.run_sync(_ask, settings, "GET", f"/calls/{call_id}", abandon_on_cancel=True)
        if call["state"] != state:
            state = call["state"]
            click.echo(f"{call_id}  {state}")
    for line in _words_of(call):
        click.echo(line)
    if call["started_at"] is None:
        sys.exit(EXIT_FAILED)


def _words_of(call: dict[str, Any]) -> Iterator[str]:
    """How a call ended, and what was said in it."""
    yield f"{call['call_id']}  {call['end_reason'] or call['state']}: {one_line(call['end_detail'] or '')}"
    for line in call["transcript"]:
        yield f"  {line['role']:<7} {one_line(line['text'], sys.maxsize)}"


@main.group(invoke_without_command=True)
@_config
@click.option("--audit", is_flag=True, help="Sum up a day from the journal instead; needs no running daemon.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Which one, in UTC.  [default: today]")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Those that began then, in UTC.")
@click.option("--persona", help="Those of one persona.")
@click.option("--number", help="Those from or to a number; its last digits are enough.")
@click.option("--end-reason", help="Those that ended for this reason.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="How many that are over.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def calls(
    context: click.Context,
    /,
    *,
    audit: bool,
    day: datetime | None,
    since: datetime | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    """List calls, live and ended, or say what a day's calls cost and which sessions outlived theirs."""
    if context.invoked_subcommand is not None:
        return
    if day is not None and not audit:
        raise click.UsageError("--day goes with --audit")
    settings = _read(context.obj)
    if audit:
        _audit(settings, day, as_json=as_json)
        return
    query = {name: value for name, value in wanted.items() if value is not None}
    if since is not None:
        query["since"] = since.replace(tzinfo=UTC).isoformat()
    found = _ask(settings, "GET", f"/calls?{urlencode(query)}")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for call in found["calls"]:
        click.echo(_row_of(call))
    if not found["calls"]:
        click.echo("no calls", err=True)
    if found.get("next"):
        click.echo("there are more: --limit, --since, --persona, --number, --end-reason", err=True)


def _row_of(call: dict[str, Any]) -> str:
    """One line of the list."""
    began = (call["started_at"] or "")[:19].replace("T", " ")
    seconds = "" if call["seconds"] is None else f"{call['seconds']:.0f} s"
    total = call["cost"]["total"]
    cost = "" if total is None else f"{total:.4f} {call['cost']['currency']}"
    end = one_line(f"{call['end_reason']}: {call['end_detail']}") if call["end_reason"] else ""
    other = call["from"] if call["direction"] == "inbound" else call["to"]
    return (
        f"{call['call_id']}  {call['state']:<8} {call['persona']:<16} {began:<19} {one_line(other):<16} "
        f"{seconds:>7} {cost:>12}  {end}"
    ).rstrip()


@calls.command()
@_config
@click.argument("call_id")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def show(path: Path, call_id: str, *, as_json: bool) -> None:
    """Show a call whole; the beginning of its id is enough."""
    settings = _read(path)
    call = _ask(settings, "GET", f"/calls/{_whole_id(settings, call_id)}")
    if as_json:
        click.echo(json.dumps(call, indent=2))
        return
    for name in ("call_id", "call_sid", "direction", "persona", "from", "to", "state", "started_at", "ended_at"):
        click.echo(f"{name:<12} {one_line(str(call[name] or ''))}")
    for session in call["model_sessions"]:
        click.echo(f"{'session':<12} {session['provider']}, {session['seconds']} s, {session['closing']}")
    for transfer in call.get("transfers", ()):
        click.echo(f"{'transfer':<12} {transfer['to']}: {transfer['outcome']}")
    for line in _words_of(call):
        click.echo(line)


def _whole_id(settings: Settings, beginning: str) -> str:
    """The id of the one call that begins so."""
    if len(beginning) == CALL_ID_LETTERS:
        return beginning
    listed = _ask(settings, "GET", "/calls?limit=1000")["calls"]
    found = [call["call_id"] for call in listed if call["call_id"].startswith(beginning.lower())]
    if len(found) != 1:
        what = f"{len(found)} calls begin" if found else "no call among the last 1,000 begins"
        _stop(EXIT_FAILED, f"{what} with {one_line(beginning)!r}; trio-voice calls lists them")
    return str(found[0])


def _audit(settings: Settings, day: datetime | None, *, as_json: bool) -> None:
    now = wall_clock()
    since = (day or now).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    try:
        calls = list(read_journal(settings.journal.url, since, since + timedelta(days=1)))
        for call in calls:
            if call.unread:
                click.echo(f"warning: {call.record.call_id}: not understood: {', '.join(call.unread)}", err=True)
        found = sum_up(calls, since.date(), settings.prices, now)
    except JournalUnavailable as trouble:
        _stop(EXIT_UNAVAILABLE, f"the journal cannot be read: {trouble}")
    for line in [json.dumps(found.as_json(), indent=2)] if as_json else lines_of(found):
        click.echo(line)


@main.group()
@_config
def journal() -> None:
    """Look after the journal."""


@journal.command("accept-new")
@_config
@click.pass_obj
def accept_new(path: Path) -> None:
    """Say that the journal that is there is meant, where the one that was used before is gone: its list counts now.

    To be run where the daemon runs, and with its STATE_DIRECTORY, if it has one.
    """
    settings = _read(path)
    marker = marker_of(settings.journal.url, os.environ.get("STATE_DIRECTORY"))
    try:
        numbers = 0 if marker is None else accept(settings.journal.url, marker)
    except (JournalUnavailable, OSError) as trouble:
        _stop(EXIT_UNAVAILABLE, f"the journal cannot be accepted: {trouble}")
    click.echo(f"accepted: {numbers} numbers are on its do-not-call list ({marker})")


@main.command()
@_config
@click.argument("call_id")
@click.pass_obj
def hangup(path: Path, call_id: str) -> None:
    """End a call of the running daemon; the beginning of its id is enough."""
    settings = _read(path)
    call = _ask(settings, "DELETE", f"/calls/{_whole_id(settings, call_id)}")
    click.echo(f"{call['call_id']}  {call['state']}")


def _ask(settings: Settings, method: str, path: str, body: Any = None) -> Any:
    """Ask the running daemon as its operator."""
    token = settings.secrets.get("TRIO_VOICE_API_TOKEN")
    if token is None:
        _stop(EXIT_UNAVAILABLE, "set TRIO_VOICE_API_TOKEN to the token that the daemon was started with")
    url = f"http://{settings.server.bind}{path}"
    try:
        headers = {"Authorization": f"Bearer {token}"}
        # Not through a proxy of the environment: it could not reach this machine, and would be given the token.
        answer = httpx2.request(method, url, headers=headers, json=body, timeout=30, trust_env=False)
        said = answer.json()
        failure = said["error"]["message"] if answer.is_error else None
    except httpx2.HTTPError as unreachable:
        _stop(EXIT_UNAVAILABLE, f"no daemon answers at {settings.server.bind}: {unreachable}")
    except (ValueError, KeyError, TypeError):
        _stop(EXIT_UNAVAILABLE, f"what answers at {settings.server.bind} is no trio-voice")
    if failure is not None:
        _stop(EXIT_FAILED, failure)
    return said


@main.command()
@_config
@click.pass_obj
def unit(path: Path) -> None:
    """Print a systemd unit for this installation: trio-voice unit > /etc/systemd/system/trio-voice.service."""
    executable = this_executable()
    config = PACKAGED_CONFIG if path == DEFAULT_CONFIG else path.absolute()
    try:
        click.echo(render_unit(executable, config), nl=False)
    except ValueError as odd:
        _stop(EXIT_USAGE, str(odd))
    for doubt in doubts_about(executable, config):
        click.echo(f"warning: {doubt}", err=True)


@main.command()
@click.option("--ring", type=float, metavar="SECONDS", help="Call the daemon after so many seconds.")
def sandbox(ring: float | None) -> None:
    """Run a Twilio and an agent on this machine, to try a daemon against by hand. Writes sandbox.toml."""
    from trio_voice.sandbox.demo.try_it import run_playground  # noqa: PLC0415 - only this needs the speech extra

    try:
        trio.run(partial(run_playground, Path(), ring_in=ring))
    except SpeechUnavailable as missing:
        _stop(EXIT_UNAVAILABLE, str(missing))
    except KeyboardInterrupt:
        pass


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), help="Where the recording goes.")
@click.option(
    "--model",
    "kind",
    help="The kind of model: one of those of config.toml.",
    default="assemblyai-agent",
    show_default=True,
)
@click.option("--outbound", is_flag=True, help="The daemon calls somebody; a tool is used; the agent ends the call.")
@click.option("--quiet", is_flag=True, help="Without meters, for a log instead of a terminal.")
@click.option("--chat-url", help="An OpenAI-compatible server that answers, such as http://127.0.0.1:11434/v1.")
@click.option("--chat-model", default="default", help="The model's name there.  [default: default]")
def demo(out: Path, kind: str, *, outbound: bool, quiet: bool, chat_url: str | None, chat_model: str) -> None:
    """Live a whole call on this machine: no account, key, number or network."""
    from trio_voice.sandbox.demo.demo import run_demo  # noqa: PLC0415 - only this needs the speech extra
    from trio_voice.sandbox.peers import PEERS, Chat  # noqa: PLC0415

    if kind not in PEERS:
        _stop(EXIT_USAGE, f"no model of kind {kind!r} lives on this machine; known are {', '.join(PEERS)}")
    set_up_logging(json=False)
    try:
        chat = Chat(chat_url, chat_model, os.environ.get("OPENAI_API_KEY")) if chat_url else None
        succeeded = _run_demo(partial(run_demo, out, kind=kind, chat=chat, outbound=outbound, quiet=quiet), out)
    except SpeechUnavailable as missing:
        _stop(EXIT_UNAVAILABLE, str(missing))
    sys.exit(0 if succeeded else EXIT_FAILED)


def _run_demo(run: Callable[[], Awaitable[bool]], out: Path) -> bool:
    """Live it through, or up to Ctrl-C."""
    succeeded = False
    try:
        succeeded = trio.run(run)
    except* KeyboardInterrupt:
        recording = out / "call.wav"
        until_now = f"; what was recorded until now is in {recording}" if recording.exists() else ""
        _stop(EXIT_INTERRUPTED, f"stopped{until_now}")
    return succeeded
