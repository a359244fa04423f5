"""``trio-voice calls``: what is live, what is over, one of them whole, and a day's costs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from trio_voice.call.call import wall_clock
from trio_voice.cli.configuration import read
from trio_voice.cli.exits import EXIT_UNAVAILABLE, stop
from trio_voice.cli.operator import ask, whole_id
from trio_voice.cli.options import config_option, json_option, takes_config
from trio_voice.cli.printing import print_json, print_line
from trio_voice.cli.steering import STEERING
from trio_voice.errors import one_line
from trio_voice.journal import JournalUnavailable, read_journal
from trio_voice.journal.daily_report import lines_of, sum_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trio_voice.config.settings import Settings


@click.group(invoke_without_command=True, short_help="List calls, live and ended, or sum up a day's costs.")
@config_option
@click.option("--audit", is_flag=True, help="Sum up a day from the journal instead; needs no running daemon.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Which one, in UTC.  [default: today]")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Those that began then, in UTC.")
@click.option("--persona", help="Those of one persona.")
@click.option("--number", help="Those from or to a number; its last digits are enough.")
@click.option("--end-reason", help="Those that ended for this reason.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="How many that are over.")
@json_option
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
    settings = read(context.obj)
    if audit:
        _audit(settings, day, as_json=as_json)
        return
    query = {name: value for name, value in wanted.items() if value is not None}
    if since is not None:
        query["since"] = since.replace(tzinfo=UTC).isoformat()
    found = ask(settings, "GET", f"/calls?{urlencode(query)}")
    if as_json:
        print_json(found)
        return
    for call in found["calls"]:
        print_line(_row_of(call))
    if not found["calls"]:
        print_line("no calls", err=True)
    if found.get("next"):
        print_line("there are more: --limit, --since, --persona, --number, --end-reason", err=True)


def _row_of(call: dict[str, Any]) -> str:
    """One line of the list."""
    began = (call["started_at"] or "")[:19].replace("T", " ")
    seconds = "" if call["seconds"] is None else f"{call['seconds']:.0f} s"
    total = call["cost"]["total"]
    cost = "" if total is None else f"{total:.4f} {call['cost']['currency']}"
    # A call whose daemon died has no reason, and words that say so.
    end = one_line(": ".join(filter(None, (call["end_reason"], call["end_detail"]))))
    other = call["from"] if call["direction"] == "inbound" else call["to"]
    return (
        f"{call['call_id']}  {call['state']:<8} {call['persona']:<16} {began:<19} {one_line(other):<16} "
        f"{seconds:>7} {cost:>12}  {end}"
    ).rstrip()


@calls.command()
@takes_config
@click.argument("call_id")
@json_option
def show(path: Path, call_id: str, *, as_json: bool) -> None:
    """Show a call whole; the beginning of its id is enough."""
    settings = read(path)
    call = ask(settings, "GET", f"/calls/{whole_id(settings, call_id)}")
    if as_json:
        print_json(call)
        return
    for name in ("call_id", "call_sid", "direction", "persona", "from", "to", "state", "started_at", "ended_at"):
        print_line(f"{name:<12} {one_line(str(call[name] or ''))}")
    for session in call["model_sessions"]:
        print_line(f"{'session':<12} {session['provider']}, {session['seconds']} s, {session['closing']}")
    for transfer in call.get("transfers", ()):
        print_line(f"{'transfer':<12} {transfer['to']}: {transfer['outcome']}")
    for line in words_of(call):
        print_line(line)


def words_of(call: dict[str, Any]) -> Iterator[str]:
    """Lines on how a call ended, and on what was said in it."""
    yield f"{call['call_id']}  {call['end_reason'] or call['state']}: {one_line(call['end_detail'] or '')}"
    for line in call["transcript"]:
        yield f"  {line['role']:<7} {one_line(line['text'], sys.maxsize)}"


def _audit(settings: Settings, day: datetime | None, *, as_json: bool) -> None:
    now = wall_clock()
    since = (day or now).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    try:
        calls = list(read_journal(settings.journal.url, since, since + timedelta(days=1)))
        for call in calls:
            if call.unread:
                print_line(f"warning: {call.record.call_id}: not understood: {', '.join(call.unread)}", err=True)
        found = sum_up(calls, since.date(), settings.prices, now)
    except JournalUnavailable as trouble:
        stop(EXIT_UNAVAILABLE, f"the journal cannot be read: {trouble}")
    if as_json:
        print_json(found.as_json())
        return
    for line in lines_of(found):
        print_line(line)


for each in STEERING:
    calls.add_command(each)
