"""``trio-voice``, and ``python -m trio_voice``: as little as possible before a daemon bears SIGHUP."""

import io
import os
import signal
import sys


def fill_standard_descriptors() -> None:
    """Put the null device where standard input, output or error is closed.

    The next file or socket would be one of them otherwise, and get what is printed.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - the standard library's
    os.close(descriptor)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "w", encoding="utf-8", closefd=False))  # noqa: SIM115 - as Python does


def main() -> None:
    """Run the command."""
    fill_standard_descriptors()
    if "serve" in sys.argv:
        # It takes a second to import the rest, and SIGHUP ends a process that has not said what it is to do. A handler,
        # and not SIG_IGN, which processes that are started would inherit.
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal of few letters shows what it can
    from trio_voice.cli import main as command  # noqa: PLC0415 - see above
    from trio_voice.cli.leaving import LEAVING_SECONDS, leave_within  # noqa: PLC0415 - as above

    status: object = 1
    try:
        command()
    except SystemExit as ended:
        status = ended.code or 0
        raise
    finally:
        leave_within(LEAVING_SECONDS, status if isinstance(status, int) else 1)


if __name__ == "__main__":
    main()
