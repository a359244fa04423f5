"""``trio-voice``, and ``python -m trio_voice``: as little as possible before a daemon bears SIGHUP."""

import io
import signal
import sys


def main() -> None:
    """Run the command."""
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
