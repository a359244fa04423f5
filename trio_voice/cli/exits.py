"""Exit statuses of the command, and the way out with one."""

from __future__ import annotations

import sys
from typing import Final, NoReturn

import click

from trio_voice.errors import ConfigError, first_cause

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNAVAILABLE: Final = 69
EXIT_CONFIG: Final = 78
EXIT_INTERRUPTED: Final = 130
"""By Ctrl-C, as shells have it."""


def stop(code: int, *lines: str) -> NoReturn:
    """End the command with a status, and a line for each thing that is wrong on stderr."""
    for line in lines:
        click.echo(line, err=True)
    sys.exit(code)


def problems_in(error: BaseException) -> list[str]:
    """Lines that say what is wrong, out of a configuration's error in whatever group it came."""
    innermost = first_cause(error)
    return innermost.problems if isinstance(innermost, ConfigError) else [str(innermost)]
