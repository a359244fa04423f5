"""The command line: ``trio-voice``. One file a command, and what they share in exits, options and operator."""

import click

from trio_voice.cli import (
    call,
    calls,
    check,
    console,
    demo,
    do_not_call,
    doctor,
    journal,
    migrate,
    numbers,
    serve,
    steering,
    talk,
    top,
    unit,
)
from trio_voice.cli.options import config_option

COMMANDS = (
    serve.serve,
    check.check,
    call.call,
    calls.calls,
    call.hangup,
    console.console,
    do_not_call.do_not_call,
    numbers.numbers,
    journal.journal,
    migrate.migrate,
    unit.unit,
    doctor.doctor,
    top.top,
    talk.talk,
    demo.sandbox,
    demo.demo,
)

for each in steering.COMMANDS:
    calls.calls.add_command(each)


@click.group(commands=COMMANDS)
@click.version_option(package_name="trio-voice", prog_name="trio-voice", message="%(prog)s %(version)s")
@config_option
def main() -> None:
    """Answer and place phone calls with speech models."""
