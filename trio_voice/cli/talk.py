"""``trio-voice talk``: an agent on this machine, and a page to talk to it."""

from __future__ import annotations

import logging
import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click
import httpx2
import trio

from trio_voice.call.async_tools import open_async_tools
from trio_voice.cli.exits import EXIT_UNAVAILABLE, EXIT_USAGE, stop
from trio_voice.cli.extras import missing_for, why_missing
from trio_voice.cli.local_peers import load_speech_for, on_this_machine
from trio_voice.cli.options import takes_config
from trio_voice.config.reading import settings_of
from trio_voice.config.toml import read_toml
from trio_voice.daemon.daemon import run_daemon
from trio_voice.daemon.logs import set_up_logging
from trio_voice.daemon.signals import ignore_all
from trio_voice.errors import told_in_words
from trio_voice.speech.lines import make_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trio_voice.config.settings import Settings

HERE: Final = "here"
"""Name of the model that lives on this machine."""
TOKEN: Final = "TRIO_VOICE_API_TOKEN"  # noqa: S105 - a name
AGENT: Final[dict[str, Any]] = {
    "greeting": "Hello, this is an agent that lives on your own machine. What can I do for you?",
    "prompt": "You answer the telephone of a small bakery. It is open from seven to six, and closed on Sundays.",
    "tools": ["end_call", "generate_random_number"],
}
"""Persona that answers where no configuration names anybody."""
DRAIN_SECONDS: Final = 0.2
"""Ctrl-C ends a call at once: whoever presses it is its caller."""
ASK_SECONDS: Final = 10.0


@click.command(short_help="Start an agent on this machine, and talk to it.")
@takes_config
@click.option("--persona", "name", help="Talk to this persona, with its own model.  [default: one of this machine]")
def talk(path: Path, name: str | None) -> None:
    """Start an agent on this machine and print a link: talk to it in your browser. Needs no account, key or number."""
    if name is None and (missing := why_missing("sandbox")) is not None:
        stop(
            EXIT_UNAVAILABLE,
            f"no agent can live on this machine: {missing}",
            "with a key, a persona can be talked to by its own model: trio-voice talk --persona NAME",
        )
    set_up_logging(level=logging.WARNING, json=False)
    # Nothing of a talk is mixed with what a daemon keeps in this folder.
    with tempfile.TemporaryDirectory(prefix="trio-voice-talk-") as folder:
        settings = _settings(path, name, Path(folder))
        lacking = list(missing_for(settings))
        if lacking:
            stop(EXIT_UNAVAILABLE, *lacking)
        sys.path.append(str(path.parent.resolve()))  # tools are looked for beside the configuration
        try:
            trio.run(_run, settings, path)
        except* KeyboardInterrupt:
            pass  # before the daemon has begun to listen for it
        finally:
            ignore_all()


def _settings(path: Path, name: str | None, folder: Path) -> Settings:
    """The settings of a daemon that serves one persona to this machine alone.

    Args:
        path: of the configuration, which need not be there.
        name: of the persona, which then has its own model.
        folder: where its journal lies.

    Raises:
        ConfigError: with one line for each mistake.
    """
    document = read_toml(path) if path.exists() or name is not None else {}
    personas, numbers = _of(document, "personas"), _of(document, "numbers")
    if name is not None and name not in personas:
        stop(EXIT_USAGE, f"{path}: there is no persona {name!r}; there are {', '.join(personas) or 'none'}")
    chosen = name or numbers.get("default")
    persona = personas.get(chosen) if isinstance(chosen, str) else None
    if not isinstance(persona, dict):
        chosen, persona = "agent", AGENT
    if name is None:
        models: dict[str, Any] = {HERE: {"kind": "assemblyai-agent", "url": "sandbox"}}
        persona = {key: value for key, value in persona.items() if key not in ("model", "voice", "transfer_to")}
        tools = [tool for tool in persona.get("tools", ()) if tool not in ("transfer_to_human", "mark_do_not_call")]
        persona |= {"model": HERE, "tools": tools, "on_failure": "hang_up"}
    else:
        wanted = persona.get("model")
        names = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
        models = {each: table for each, table in _of(document, "models").items() if each in names}
    ours: dict[str, Any] = {
        "server": {"bind": "127.0.0.1:0", "public_url": "http://127.0.0.1"},
        "operator": {"bind": "127.0.0.1:0"},
        "twilio": {"validate_signatures": True},
        "journal": {"url": f"sqlite:///{folder}/journal.db"},
        "limits": _of(document, "limits") | {"drain_seconds": DRAIN_SECONDS},
        "models": models,
        "personas": {chosen: persona},
        "numbers": {"default": chosen},
    }
    ours["limits"].pop("daily_cost", None)  # of which this journal knows nothing
    ours |= {key: document[key] for key in ("recording",) if key in document}
    return settings_of(ours, _environment(), path)


def _of(document: Mapping[str, Any], table: str) -> dict[str, Any]:
    found = document.get(table)
    return dict(found) if isinstance(found, dict) else {}


def _environment() -> dict[str, str]:
    """The environment, and secrets of its own where it has none: nobody but this machine is let in."""
    own = {TOKEN: secrets.token_urlsafe(24), "TWILIO_AUTH_TOKEN": secrets.token_urlsafe(24)}
    given = {key: value for key, value in os.environ.items() if key not in own or value.strip()}
    return own | given


async def _run(settings: Settings, path: Path) -> None:
    """Serve until Ctrl-C, having printed the link."""
    speech = await trio.to_thread.run_sync(load_speech_for, settings)
    addresses: list[str] = []
    ready = trio.Event()

    def announce(_url: str, operator_url: str | None = None) -> None:
        addresses.append(operator_url or _url)
        ready.set()

    async def tell() -> None:
        await ready.wait()
        try:
            await _print_link(settings, addresses[0])
        except httpx2.TransportError as away:  # Ctrl-C, most likely: the daemon has gone meanwhile
            click.echo(f"no link could be had: {told_in_words(away)}", err=True)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell)
        async with on_this_machine(settings) as placed, open_async_tools():
            await run_daemon(placed, announce, path, make_lines, None, speech)
        nursery.cancel_scope.cancel(reason="the daemon has ended")


async def _print_link(settings: Settings, address: str) -> None:
    """Have the daemon make a link that signs in, and print it."""
    (name,) = settings.personas
    token = settings.secrets.get(TOKEN) or ""
    # Not through a proxy of the environment: it could not reach this machine, and would be given the token.
    async with httpx2.AsyncClient(trust_env=False, timeout=ASK_SECONDS) as http:
        headers = {"Authorization": f"Bearer {token}"}
        made = await http.post(f"{address}/console/links", headers=headers, json={})
        secret = made.raise_for_status().json()["path"].rpartition("/")[2]
    click.echo(f"{address}/console/talk/{secret}?persona={quote(name)}")
    click.echo("Open it in your browser, press Call and speak. Ctrl-C ends.", err=True)
