"""``trio-voice``, and ``python -m trio_voice``: as little as possible before a daemon bears SIGHUP."""

import errno
import io
import os
import signal
import sys
from contextlib import suppress


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


EXIT_LACKS = 71
"""By what this machine has too little of (``EX_OSERR``): systemd tries again."""
LACKS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
)


def lack_in(error: BaseException) -> BaseException | None:
    """The exception, in whatever group, that is about too little of something: memory, files, threads."""
    if isinstance(error, BaseExceptionGroup):
        return next((lack for lack in map(lack_in, error.exceptions) if lack is not None), None)
    is_lack = (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno in LACKS)
        or (isinstance(error, RuntimeError) and "start new thread" in str(error))
        or (isinstance(error, ImportError) and ("failed to map" in str(error) or "allocate memory" in str(error)))
    )
    return error if is_lack else None


def main() -> None:
    """Run the command."""
    fill_standard_descriptors()
    if "serve" in sys.argv:
        # It takes a second to import the rest, and SIGHUP ends a process that has not said what it is to do. A handler,
        # and not SIG_IGN, which processes that are started would inherit.
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal of few letters shows what it can
    status: object = 1
    try:
        from trio_voice.cli import main as command  # noqa: PLC0415 - see above

        command()
    except SystemExit as ended:
        status = ended.code or 0
        raise
    except BaseException as error:
        lack = lack_in(error)
        if lack is None:
            raise
        status = EXIT_LACKS
        sys.stderr.write(f"trio-voice: this machine has too little: {type(lack).__name__}: {lack}\n")
        sys.exit(EXIT_LACKS)
    finally:
        with suppress(MemoryError, ImportError):  # where there was too little for the command, nothing has begun
            from trio_voice.cli.leaving import LEAVING_SECONDS, leave_within  # noqa: PLC0415 - as above

            leave_within(LEAVING_SECONDS, status if isinstance(status, int) else 1)


if __name__ == "__main__":
    main()
