"""``trio-voice numbers``: which of the account's telephone numbers point where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import trio

from trio_voice.cli.configuration import read
from trio_voice.cli.exits import EXIT_FAILED, EXIT_UNAVAILABLE, stop
from trio_voice.cli.options import config_option, takes_config
from trio_voice.cli.printing import print_line
from trio_voice.daemon.peers import open_rest
from trio_voice.edges.twilio.numbers import AccountNumbers
from trio_voice.edges.twilio.public_url import PublicUrl
from trio_voice.edges.web.context import NumberRouting
from trio_voice.phone_numbers import e164

if TYPE_CHECKING:
    from pathlib import Path

    from trio_voice.config.settings import Settings


@click.group(invoke_without_command=True, short_help="List the account's numbers, and where their calls go.")
@config_option
@click.pass_context
def numbers(context: click.Context) -> None:
    """List the account's telephone numbers, and where their calls go."""
    if context.invoked_subcommand is not None:
        return
    settings = read(context.obj)
    account = _account(settings)
    routing = NumberRouting(settings.personas, settings.numbers)
    found = trio.run(account.listed)
    for each in found:
        here = "here" if account.points_here(each) else "    "
        persona = routing.persona_for(each.number)
        print_line(f"{each.number:<16} {here}  {persona.name if persona else '-':<16} {each.where}")
    if not found:
        print_line("the account has no number", err=True)


@numbers.command()
@takes_config
@click.argument("number")
def point(path: Path, number: str) -> None:
    """Have the calls to a number come here. Prints the addresses that this replaces."""
    account = _account(read(path))
    wanted = e164(number) or number
    found = next((each for each in trio.run(account.listed) if each.number == wanted), None)
    if found is None:
        stop(EXIT_FAILED, f"the account has no number {wanted}; trio-voice numbers lists those that it has")
    print_line(f"{found.number} went to {found.where}")
    if found.status_callback:
        print_line(f"{found.number} had the status callback {found.status_callback}")
    trio.run(account.point, found)
    print_line(f"{found.number} goes to {account.url}")


def _account(settings: Settings) -> AccountNumbers:
    rest = open_rest(settings)
    if rest is None:
        stop(EXIT_UNAVAILABLE, "set account_sid in [twilio] and TWILIO_AUTH_TOKEN to see the account's numbers")
    return AccountNumbers(rest, PublicUrl(settings.server.public_url))
