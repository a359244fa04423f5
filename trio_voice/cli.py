"""The command line: ``trio-voice``."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

import attrs
import click
import httpx2
import trio

from trio_voice.config import SANDBOX, Settings, read_settings
from trio_voice.daemon import run_daemon
from trio_voice.errors import ConfigError
from trio_voice.logs import set_up_logging

EXIT_FAILED: Final = 1
EXIT_UNAVAILABLE: Final = 69
EXIT_CONFIG: Final = 78

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
@_config
def main() -> None:
    """Answer and place phone calls with speech models."""


def _read(path: Path) -> Settings:
    try:
        return read_settings(path)
    except ConfigError as wrong:
        _stop(EXIT_CONFIG, *wrong.problems)


def _stop(code: int, *lines: str) -> NoReturn:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(code)


@main.command()
@_config
@click.pass_obj
def serve(path: Path) -> None:
    """Run the daemon until SIGTERM or SIGINT, then drain. SIGHUP re-reads personas and numbers."""
    settings = _read(path)
    set_up_logging()

    def announce(url: str) -> None:
        click.echo(f"listening on {url}")

    async def run() -> None:
        if not any(model.url == SANDBOX for model in settings.models.values()):
            await run_daemon(settings, announce, lambda: read_settings(path))
            return
        from trio_voice.sandbox.demo import open_local_agent  # noqa: PLC0415 - only this needs the speech extra

        async with open_local_agent() as agent:
            await run_daemon(_on_this_machine(settings, agent.url), announce, lambda: read_settings(path))

    try:
        trio.run(run)
    except* OSError as busy:
        _stop(EXIT_UNAVAILABLE, f"cannot listen on {settings.server.bind}: {busy.exceptions[0]}")


def _on_this_machine(settings: Settings, url: str) -> Settings:
    """The settings with every ``url = "sandbox"`` replaced."""
    models = {
        name: attrs.evolve(model, url=url) if model.url == SANDBOX else model for name, model in settings.models.items()
    }
    return attrs.evolve(settings, models=models)


@main.command()
@_config
@click.pass_obj
def check(path: Path) -> None:
    """Read the configuration and the credentials, and print what would run. Opens no connection."""
    settings = _read(path)
    click.echo(f"{path}: in order")
    click.echo(f"listens on   {settings.server.bind}, known to Twilio as {settings.server.public_url}")
    click.echo(f"Twilio       account {settings.account_sid or 'not set: phones cannot be hung up by REST'}")
    for number, name in settings.numbers.items():
        persona = settings.personas[name]
        model = settings.models[persona.model]
        click.echo(f"{number:<12} is answered by {name}, with {model.kind} at {model.url or 'its usual address'}")


@main.command()
@_config
@click.pass_obj
def calls(path: Path) -> None:
    """List the running daemon's calls."""
    listed = _ask(_read(path), "GET", "/calls")["calls"]
    for call in listed:
        end = call["end_reason"] or ""
        click.echo(f"{call['call_id']}  {call['state']:<8} {call['persona']:<16} {call['started_at'] or '':<34} {end}")
    if not listed:
        click.echo("no calls", err=True)


@main.command()
@_config
@click.argument("call_id")
@click.pass_obj
def hangup(path: Path, call_id: str) -> None:
    """End a call of the running daemon."""
    call = _ask(_read(path), "DELETE", f"/calls/{call_id}")
    click.echo(f"{call['call_id']}  {call['state']}")


def _ask(settings: Settings, method: str, path: str) -> Any:
    """Ask the running daemon as its operator."""
    token = settings.secrets.get("TRIO_VOICE_API_TOKEN")
    if token is None:
        _stop(EXIT_UNAVAILABLE, "set TRIO_VOICE_API_TOKEN to the token that the daemon was started with")
    url = f"http://{settings.server.bind}{path}"
    try:
        answer = httpx2.request(method, url, headers={"Authorization": f"Bearer {token}"}, timeout=10)
    except httpx2.HTTPError as unreachable:
        _stop(EXIT_UNAVAILABLE, f"no daemon answers at {settings.server.bind}: {unreachable}")
    if answer.is_error:
        _stop(EXIT_FAILED, answer.json()["error"]["message"])
    return answer.json()


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), help="Where the recording goes.")
@click.option("--quiet", is_flag=True, help="Without meters, for a log instead of a terminal.")
@click.option("--chat-url", help="An OpenAI-compatible server that answers, such as http://127.0.0.1:11434/v1.")
@click.option("--chat-model", default="default", help="The model's name there.  [default: default]")
def demo(out: Path, *, quiet: bool, chat_url: str | None, chat_model: str) -> None:
    """Live a whole call on this machine: no account, key, number or network."""
    from trio_voice.sandbox.demo import Chat, run_demo  # noqa: PLC0415 - only this needs the speech extra
    from trio_voice.sandbox.speech import SpeechUnavailable  # noqa: PLC0415 - as above

    set_up_logging(json=False)
    try:
        chat = Chat(chat_url, chat_model, os.environ.get("OPENAI_API_KEY")) if chat_url else None
        succeeded = trio.run(partial(run_demo, out, chat=chat, quiet=quiet))
    except SpeechUnavailable as missing:
        _stop(EXIT_UNAVAILABLE, str(missing))
    sys.exit(0 if succeeded else EXIT_FAILED)
