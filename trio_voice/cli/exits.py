"""Exit statuses of the command, and the way out with one."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

from trio_voice.cli.printing import print_line
from trio_voice.errors import CannotListen, ConfigError, JournalUnavailable, RestError, first_cause
from trio_voice.speech import SpeechUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNAVAILABLE: Final = 69
EXIT_CONFIG: Final = 78
EXIT_INTERRUPTED: Final = 130
"""By Ctrl-C, as shells have it."""


def stop(code: int, *lines: str) -> NoReturn:
    """End the command with a status, and a line for each thing that is wrong on stderr."""
    for line in lines:
        print_line(line, err=True)
    sys.exit(code)


class NotAnswered(Exception):
    """The daemon does not do what it was asked for; the message says why.

    Args:
        status: with which the command ends.
        line: in words.
    """

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


@contextmanager
def ending_in_words() -> Iterator[None]:
    """While a command runs: what keeps it from its work ends it with a status, and a line for each thing that is wrong.

    It may come in a group, of the daemon's nurseries.
    """
    found: list[BaseException] = []  # ``except*`` would put what is raised in it into a group
    try:
        yield
    except* (CannotListen, ConfigError, JournalUnavailable, NotAnswered, RestError, SpeechUnavailable) as wrong:
        found.append(first_cause(wrong))
    for each in found:
        stop(_status_of(each), *(each.problems if isinstance(each, ConfigError) else [str(each)]))


def _status_of(wrong: BaseException) -> int:
    match wrong:
        case ConfigError():
            return EXIT_CONFIG
        case NotAnswered():
            return wrong.status
        case RestError():
            return EXIT_FAILED if wrong.status else EXIT_UNAVAILABLE
    return EXIT_UNAVAILABLE
