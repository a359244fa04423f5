"""One line an event: readable on a terminal, JSON under systemd and in files. Always to stderr.

Whoever reads it is not waited for (``log_stream.py``). What strangers wrote is cut, and cannot command a terminal.
"""

from __future__ import annotations

import enum
import io
import logging
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TextIO

import stamina.instrumentation
import structlog
import structlog.tracebacks

from trio_voice.daemon.log_stream import LogStream, Unwaited
from trio_voice.errors import STRANGERS_LETTERS, first_cause, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, Processor


# Never with local variables: they are keys, phone numbers and what people said.
_tracebacks = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


OURS: Final = frozenset({"advice", "event", "problems"})
"""Fields that no stranger fills, whole however long they are."""
MAX_OF_A_LINE: Final = 500
"""Letters of a line of a traceback, whose last one says what a stranger may have written."""
MAX_ENTRIES: Final = 100
"""Of a list: a configuration may be wrong in thousands of places."""
COMPLAINT_SECONDS: Final = 10.0
"""Between two lines of one kind that a server library has to say about strangers' bytes."""

_stream: LogStream | None = None


def dropped_lines() -> int:
    """Log lines that were never written, because their reader had stopped."""
    return 0 if _stream is None else _stream.dropped


def _tell_dropped(lines: int) -> None:
    log = structlog.stdlib.get_logger("trio_voice.logs")
    log.warning("log_lines_dropped", lines=lines, advice="whoever reads this log has stopped for a while")


def set_up_logging(*, json: bool | None = None, level: int = logging.INFO, worker: int | None = None) -> None:
    """Route structlog and the standard library's logging to stderr.

    Args:
        json: one JSON object a line; by default wherever stderr is not a terminal.
        level: the least that is shown, of ours. Libraries are heard from INFO or WARNING on: below that they quote.
        worker: which of several processes this is; said on each line.
    """
    if json is None:
        json = not sys.stderr.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if worker is not None:
        shared.append(_says("worker", worker))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    last: list[Processor] = (
        [_tracebacks, _sanitize, structlog.processors.JSONRenderer(default=str)]
        if json
        else [
            structlog.processors.format_exc_info,
            _sanitize,
            _one_terminal_line,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    )
    handler = logging.StreamHandler(_open_stream())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.INFO))
    logging.getLogger("trio_voice").setLevel(level)
    logging.captureWarnings(capture=True)
    # These name phone numbers, URLs and request bodies at INFO and DEBUG.
    for chatty in ("twilio", "httpx2", "httpcore2", "hypercorn", "quart", "stamina", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    for server in ("hypercorn.error", "trio.serve_listeners"):
        logging.getLogger(server).addFilter(_Strangers().keep)
    stamina.instrumentation.set_on_retry_hooks([])  # each retry is logged where it is decided on


def _says(name: str, value: object) -> Processor:
    """A processor that adds this to every line."""

    def add(_logger: object, _method: str, event: EventDict) -> EventDict:
        event[name] = value
        return event

    return add


def keep_prints_from_waiting() -> None:
    """Have what tools print wait for no reader, as the log does not: a print in an async function would stop the loop.

    What does not fit is lost. Called once, when the log is set up.
    """
    sys.stdout = _unwaited(sys.stdout, LogStream)
    sys.stderr = _unwaited(sys.stderr, lambda _descriptor: _stream)


def _unwaited(text: TextIO, open_stream: Callable[[int], LogStream | None]) -> TextIO:
    """A text stream that neither waits nor raises; the same one where it is no descriptor."""
    try:
        text.flush()
        stream = open_stream(text.fileno())
    except (AttributeError, OSError, ValueError):
        return text
    if stream is None:
        return text
    return io.TextIOWrapper(io.BufferedWriter(Unwaited(stream)), "utf-8", "backslashreplace", line_buffering=True)


def _open_stream() -> Any:
    """Standard error, without waiting for it; as it is where it is no descriptor."""
    global _stream  # noqa: PLW0603 - there is one standard error
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return sys.stderr
    if _stream is None or _stream.descriptor != descriptor:
        _stream = LogStream(descriptor, _tell_dropped)
    return _stream


def _sanitize(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Cut what strangers wrote, and write out what would command a terminal."""
    for name, value in event.items():
        if name in {"exception", "stack"} and isinstance(value, str):
            lines = value.split("\n")
            event[name] = "\n".join(one_line(line, MAX_OF_A_LINE) for line in lines)
        else:
            event[name] = _plain(value, whole=name in OURS)
    return event


def _plain(value: Any, *, whole: bool) -> Any:
    """A value as it may be shown: names of enums are their values, too."""
    if isinstance(value, enum.Enum):
        return _plain(value.value, whole=whole)
    if isinstance(value, str):
        return one_line(value, sys.maxsize if whole else STRANGERS_LETTERS)
    if isinstance(value, dict):
        return {one_line(str(key), STRANGERS_LETTERS): _plain(each, whole=whole) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        shown = [_plain(each, whole=whole) for each in value[:MAX_ENTRIES]]
        return shown if len(value) <= MAX_ENTRIES else [*shown, f"and {len(value) - MAX_ENTRIES} more"]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return one_line(str(value), STRANGERS_LETTERS)


def _one_terminal_line(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Leave out of a line for a terminal what has an inside of its own: whoever wants it has JSON, or the record."""
    for name in [name for name, value in event.items() if name not in OURS and _has_inside(value)]:
        del event[name]
    return event


def _has_inside(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(each, (dict, list)) for each in value)
    )


class _Strangers:
    """Lines of servers about strangers, who could have thousands of them written.

    Hypercorn writes up to 75 kB about their bytes, and trio a traceback ten times a second while there is no descriptor
    for another connection.
    """

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._untold: Counter[str] = Counter()

    def keep(self, record: logging.LogRecord) -> bool:
        """Keep one line of it, once in a while for each kind, with how many there were since the last."""
        kind = str(record.msg)[:STRANGERS_LETTERS]
        words = record.getMessage()
        if record.exc_info is not None and record.exc_info[1] is not None:
            cause = first_cause(record.exc_info[1])
            kind, words = f"{kind} {type(cause).__name__}", f"{words}: {cause!r}"
            record.exc_info = record.exc_text = None
        now = time.monotonic()
        self._untold[kind] += 1
        if now < self._next.get(kind, 0.0):
            return False
        self._next = {each: at for each, at in self._next.items() if at > now} | {kind: now + COMPLAINT_SECONDS}
        times = self._untold.pop(kind)
        record.msg, record.args = one_line(words, STRANGERS_LETTERS) + (f" ({times} times)" if times > 1 else ""), None
        return True
