"""``trio-voice do-not-call``: whom never to call, kept by the running daemon."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import click

from trio_voice.cli.configuration import read
from trio_voice.cli.exits import EXIT_FAILED, EXIT_USAGE, stop
from trio_voice.cli.operator import ask
from trio_voice.cli.options import config_option, json_option, takes_config
from trio_voice.cli.printing import print_json, print_line
from trio_voice.edges.web.operator.number_file import csv_of
from trio_voice.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trio_voice.config.settings import Settings


@click.group("do-not-call")
@config_option
def do_not_call() -> None:
    """Keep the list of numbers that are never called."""


@do_not_call.command("list")
@takes_config
@click.option("--number", help="Those that end with these digits.")
@json_option
def list_numbers(path: Path, number: str | None, *, as_json: bool) -> None:
    """List the numbers, or look some up."""
    rows = list(_rows(read(path), number or ""))
    if as_json:
        print_json({"numbers": rows})
        return
    for row in rows:
        print_line(f"{row['number']:<16} {row['marked_at'][:10]}  {one_line(row['reason'])}".rstrip())
    if not rows:
        print_line("no number is on the list" if not number else "no such number is on the list", err=True)


@do_not_call.command()
@takes_config
@click.argument("number")
@click.option("--reason", default="", help="Words to remember.")
def add(path: Path, number: str, reason: str) -> None:
    """Put a number on the list, or give it another reason."""
    put = ask(read(path), "PUT", f"/do-not-call/{quote(number, safe='')}", {"reason": reason})
    print_line(f"{put['number']} is never called again")


@do_not_call.command()
@takes_config
@click.argument("number")
def remove(path: Path, number: str) -> None:
    """Take a number off the list."""
    gone = ask(read(path), "DELETE", f"/do-not-call/{quote(number, safe='')}")
    print_line(f"{gone['number']} may be called again")


@do_not_call.command("import", short_help="Put all numbers of a CSV on the list.")
@takes_config
@click.argument("file", type=click.File("rb"))
def import_file(path: Path, file: Any) -> None:
    """Put all numbers of a CSV with the columns number and reason on the list. A bad row is told, the rest goes in."""
    told = ask(read(path), "POST", "/do-not-call", csv=file.read())
    if not told["added"] and not told["bad"]:
        stop(EXIT_USAGE, "the file has no number")
    print_line(f"{told['added']} {'number is' if told['added'] == 1 else 'numbers are'} never called again")
    for each in told["bad"]:
        print_line(f"line {each['line']}: {one_line(each['why'])}", err=True)
    if told["bad_rows"] > len(told["bad"]):
        print_line(f"and {told['bad_rows'] - len(told['bad'])} more rows", err=True)
    if told["bad"]:
        sys.exit(EXIT_FAILED)


@do_not_call.command()
@takes_config
def export(path: Path) -> None:
    """Print the list as a CSV, which ``import`` reads."""
    sys.stdout.write("number,reason\r\n")
    sys.stdout.writelines(csv_of([(row["number"], row["reason"])]) for row in _rows(read(path), ""))


def _rows(settings: Settings, number: str) -> Iterator[dict[str, Any]]:
    """All numbers that end with these digits, page by page."""
    after: str | None = ""
    while after is not None:
        page = ask(settings, "GET", f"/do-not-call?{urlencode({'number': number, 'after': after})}")
        yield from page["numbers"]
        after = page["next"]
