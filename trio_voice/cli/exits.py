"""Exit statuses of the command, and the way out with one."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

from trio_voice.cli.printing import print_line
from trio_voice.daemon.signals import ignore_all
from trio_voice.errors import CannotListen, ConfigError, first_cause
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


def problems_in(error: BaseException) -> list[str]:
    """Lines that say what is wrong, out of a configuration's error in whatever group it came."""
    innermost = first_cause(error)
    return innermost.problems if isinstance(innermost, ConfigError) else [str(innermost)]


@contextmanager
def status_of_a_daemon() -> Iterator[None]:
    """While a daemon runs: what keeps it from running ends the command with its status, and says what is wrong.

    Signals are ignored afterwards: the process is on its way out.
    """
    stopped: list[tuple[int, list[str]]] = []
    try:
        yield
    except* ConfigError as wrong:
        stopped.append((EXIT_CONFIG, problems_in(wrong)))  # ``except*`` would put what is raised in it into a group
    except* CannotListen as busy:
        stopped.append((EXIT_UNAVAILABLE, [str(first_cause(busy))]))
    except* SpeechUnavailable as missing:
        stopped.append((EXIT_UNAVAILABLE, [str(first_cause(missing))]))
    finally:
        ignore_all()
    for code, lines in stopped:
        stop(code, *lines)
