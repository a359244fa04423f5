"""``trio-voice check``: what would run, and what is odd about it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import trio

from trio_voice.billing.cost import price_call
from trio_voice.call.call import wall_clock
from trio_voice.call.probe import describe, rehearse
from trio_voice.cli.configuration import load
from trio_voice.cli.exits import EXIT_CONFIG, EXIT_FAILED, EXIT_UNAVAILABLE, EXIT_USAGE, stop
from trio_voice.cli.extras import missing_for, why_missing
from trio_voice.cli.local_peers import load_speech_for, on_this_machine
from trio_voice.cli.options import takes_config
from trio_voice.cli.printing import print_line
from trio_voice.config.warnings import warnings_about
from trio_voice.daemon.peers import WITHOUT_REST, make_leg, open_rest
from trio_voice.errors import ConfigError, RestError
from trio_voice.journal import database_at
from trio_voice.legs.session_ledger import Ledger
from trio_voice.protocols.chain_stages import ChainSettings
from trio_voice.protocols.local import LocalSpeakingSettings
from trio_voice.record import CallRecord
from trio_voice.speech import VOICES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_voice.config.settings import Settings
    from trio_voice.edges.twilio.rest import TwilioRest
    from trio_voice.persona import Persona, ToolSchema

LIVE_SECONDS: Final = 4.0
"""For which a session stays open that is only tried."""


@click.command(short_help="Say what would run, and what is wrong or missing.")
@takes_config
@click.option("--live", metavar="PERSONA", help="Open a session of each of its models for some seconds. This costs.")
def check(path: Path, live: str | None) -> None:
    """Read the configuration and the credentials, and print what would run. Opens no connection, unless --live."""
    loaded = load(path)
    settings, toolboxes = loaded.settings, loaded.toolboxes
    lacking = [f"{path}: {line}" for line in missing_for(settings)]
    if lacking:
        stop(EXIT_UNAVAILABLE, *lacking)
    try:
        rest = open_rest(settings)
    except ConfigError as wrong:
        stop(EXIT_CONFIG, *(f"{path}: {problem}" for problem in wrong.problems))
    trouble = database_at(settings.journal.url).look()
    if trouble and not _depends_on_where(settings.journal.url):
        stop(EXIT_CONFIG, f"{path}: journal.url: {trouble}")
    print_line(f"{path}: in order")
    print_line(f"listens on   {settings.server.bind}, known to Twilio as {settings.server.public_url}")
    if settings.operator.bind is not None:
        known = f", known as {settings.operator.public_url}" if settings.operator.public_url else ""
        print_line(f"operator     {settings.operator.bind}{known}")
    print_line(f"Twilio       account {settings.account_sid or 'not set'}, calls from {settings.twilio.from_number}")
    for number, name in settings.numbers.items():
        print_line(f"{number:<12} is answered by {name}")
    for name, persona in settings.personas.items():
        models = [settings.models[model] for model in persona.models]
        answers = ", then ".join(model.summary for model in models)
        recorded = f"; recorded in {settings.recording.directory}" if persona.record == "here" else ""
        print_line(f"persona      {name}: {answers}; tools: {', '.join(toolboxes[persona]) or 'none'}{recorded}")
    if trouble:
        print_line(f"warning: journal.url: as seen from here, where the daemon need not run: {trouble}", err=True)
    for warning in [
        *([WITHOUT_REST] if rest is None else []),
        *warnings_about(settings, wall_clock().date()),
        *_unknown_voices(settings),
        *_unspoken_lines(settings),
    ]:
        print_line(f"warning: {warning}", err=True)
    if live is not None:
        if live not in settings.personas:
            stop(EXIT_USAGE, f"{path}: personas.{live}: no such persona; known are {', '.join(settings.personas)}")
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


def _unspoken_lines(settings: Settings) -> Iterator[str]:
    """Lines that nobody says when no model speaks, on a machine without a voice."""
    why = why_missing("speech")
    if why is not None and settings.personas:
        yield f"personas say nothing when their model fails or is late, but those whose chain speaks: {why}"


def _depends_on_where(url: str) -> bool:
    """True if the journal's file is in a directory that is there, and another one elsewhere."""
    path = Path(url.removeprefix("sqlite:///"))
    return not path.is_absolute() and path.parent == Path()


async def _reaches_twilio(settings: Settings, rest: TwilioRest) -> bool:
    """True if Twilio's API is reached by its proxy, if it has one; whatever it answers, it was."""
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
            print_line(f"Twilio: by the proxy {proxy.host}:{proxy.port}: {said}")
            return False
    print_line(f"Twilio: by the proxy {proxy.host}:{proxy.port}: {said}")
    return True


async def _check_live(
    settings: Settings, persona: Persona, tools: tuple[ToolSchema, ...], rest: TwilioRest | None
) -> bool:
    """Try Twilio and each model of a persona as a call would, say what came of it, and whether all of them work."""
    works = rest is None or await _reaches_twilio(settings, rest)
    speech = await trio.to_thread.run_sync(load_speech_for, settings)
    async with on_this_machine(settings) as placed:
        for name in persona.models:
            record = CallRecord(call_id="check", direction="none", persona=persona.name, from_number="", to_number="")
            leg = make_leg(placed, name, persona, Ledger(record), tools, speech=speech)
            print_line(f"{name}: opening a session of {settings.models[name].kind} for {LIVE_SECONDS:g} s")
            heard = await rehearse(leg, persona, settings.limits, LIVE_SECONDS)
            works = works and heard.problem is None
            if settings.prices is not None:
                price_call(record, settings.prices)
            for line in describe(heard, record, settings.prices):
                print_line(f"  {line}")
    return works
