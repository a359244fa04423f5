"""The command line: ``trio-voice``. One file a command, and what they share in exits, options and operator."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any, Final

import click

from trio_voice.cli.options import config_option

COMMANDS: Final = {
    "call": "trio_voice.cli.call:call",
    "calls": "trio_voice.cli.calls:calls",
    "check": "trio_voice.cli.check:check",
    "console": "trio_voice.cli.console:console",
    "demo": "trio_voice.cli.demo:demo",
    "do-not-call": "trio_voice.cli.do_not_call:do_not_call",
    "doctor": "trio_voice.cli.doctor:doctor",
    "hangup": "trio_voice.cli.call:hangup",
    "journal": "trio_voice.cli.journal:journal",
    "migrate": "trio_voice.cli.migrate:migrate",
    "numbers": "trio_voice.cli.numbers:numbers",
    "sandbox": "trio_voice.cli.demo:sandbox",
    "serve": "trio_voice.cli.serve:serve",
    "talk": "trio_voice.cli.talk:talk",
    "top": "trio_voice.cli.top:top",
    "unit": "trio_voice.cli.unit:unit",
}
"""Each command, and where it is."""


class Commands(click.Group):
    """The commands, each imported when it is named: the whole of them takes most of a second, and most need a part."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, as they are typed."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, None where there is none."""
        del ctx
        where = COMMANDS.get(cmd_name)
        if where is None:
            return None
        command: click.Command = resolve_name(where)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the one that is named, and end in words where it cannot do its work."""
        from trio_voice.cli.exits import ending_in_words  # noqa: PLC0415 - ``--help`` needs none of it

        with ending_in_words():
            return super().invoke(ctx)


@click.group(cls=Commands)
@click.version_option(package_name="trio-voice", prog_name="trio-voice", message="%(prog)s %(version)s")
@config_option
def main() -> None:
    """Answer and place phone calls with speech models."""
