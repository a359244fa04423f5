"""``trio-voice calls say``, ``transfer``, ``mute``, ``unmute``, ``recording``: one call, whichever node it is of."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import httpx2

from trio_voice.cli.configuration import read
from trio_voice.cli.exits import EXIT_FAILED, EXIT_UNAVAILABLE, stop
from trio_voice.cli.operator import LOCKED_OUT, ask, whole_id
from trio_voice.cli.options import takes_config
from trio_voice.cli.printing import print_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_voice.config.settings import Settings


def _steer(path: Path, call_id: str, verb: str, wish: dict[str, Any]) -> None:
    settings = read(path)
    asked = ask(settings, "POST", f"/calls/{whole_id(settings, call_id)}/{verb}", wish)
    print_line(f"{asked['call_id']}  asked for")


@click.command(short_help="Have the agent of a live call say something.")
@takes_config
@click.argument("call_id")
@click.argument("text")
def say(path: Path, call_id: str, text: str) -> None:
    """Have the agent of a live call say something; the beginning of its id is enough."""
    _steer(path, call_id, "say", {"text": text})


@click.command()
@takes_config
@click.argument("call_id")
@click.argument("to")
def transfer(path: Path, call_id: str, to: str) -> None:
    """Put the caller of a live call through to a number."""
    _steer(path, call_id, "transfer", {"to": to})


@click.command(short_help="Have nothing heard of what the agent says.")
@takes_config
@click.argument("call_id")
def mute(path: Path, call_id: str) -> None:
    """Have nothing heard that the agent of a live call says, until it is unmuted."""
    _steer(path, call_id, "mute", {"muted": True})


@click.command()
@takes_config
@click.argument("call_id")
def unmute(path: Path, call_id: str) -> None:
    """Have the agent of a live call heard again."""
    _steer(path, call_id, "mute", {"muted": False})


@click.command(short_help="Write a call's recording into a WAV file.")
@takes_config
@click.argument("call_id")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def recording(path: Path, call_id: str, file: Path) -> None:
    """Write the recording of a call that is over into a WAV file; one that exists is not overwritten."""
    settings = read(path)
    call_id = whole_id(settings, call_id)
    try:
        with file.open("xb") as target:
            target.writelines(_recording(settings, call_id))
    except FileExistsError:
        stop(EXIT_FAILED, f"{file} exists, and is not overwritten")
    except OSError as full:
        stop(EXIT_FAILED, f"{file} cannot be written: {full.strerror}")
    except BaseException:
        with suppress(OSError):
            file.unlink()
        raise
    print_line(f"{call_id}  {file}")


def _recording(settings: Settings, call_id: str) -> Iterator[bytes]:
    """The pieces of a recording. Ends the command where there is none."""
    token = settings.secrets.get("TRIO_VOICE_API_TOKEN")
    if token is None:
        stop(EXIT_UNAVAILABLE, LOCKED_OUT)
    url, headers = f"http://{settings.operator_bind}/calls/{call_id}/recording", {"Authorization": f"Bearer {token}"}
    try:
        with httpx2.stream("GET", url, headers=headers, timeout=30, trust_env=False) as answer:
            if answer.is_error:
                answer.read()
                stop(EXIT_FAILED, answer.json()["error"]["message"])
            yield from answer.iter_bytes()
    except httpx2.HTTPError as broken:
        stop(EXIT_UNAVAILABLE, f"the daemon at {settings.operator_bind} does not send it whole: {broken}")


STEERING: Final = (say, transfer, mute, unmute, recording)
"""Of the group ``calls``."""
