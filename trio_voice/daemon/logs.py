"""One line an event: readable on a terminal, JSON under systemd and in files. Always to stderr."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import stamina.instrumentation
import structlog
import structlog.tracebacks

from trio_voice.errors import first_cause

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor


# Never with local variables: they are keys, phone numbers and what people said.
_tracebacks = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def set_up_logging(*, json: bool | None = None, level: int = logging.INFO, worker: int | None = None) -> None:
    """Route structlog and the standard library's logging to stderr.

    Args:
        json: one JSON object a line; by default wherever stderr is not a terminal.
        level: the least that is shown.
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
        [_tracebacks, structlog.processors.JSONRenderer(default=str)]
        if json
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These name phone numbers, URLs and request bodies at INFO and DEBUG.
    for chatty in ("twilio", "httpx2", "httpcore2", "hypercorn", "quart", "stamina", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("hypercorn.error").addFilter(_one_line)
    stamina.instrumentation.set_on_retry_hooks([])  # each retry is logged where it is decided on


def _says(name: str, value: object) -> Processor:
    """A processor that adds this to every line."""

    def add(_logger: object, _method: str, event: EventDict) -> EventDict:
        event[name] = value
        return event

    return add


def _one_line(record: logging.LogRecord) -> bool:
    """Keep one line of what hypercorn has to say about a stranger's bytes, for which it writes up to 75 kB."""
    if record.exc_info is not None and record.exc_info[1] is not None:
        record.msg, record.args = f"{record.getMessage()}: {first_cause(record.exc_info[1])!r:.200}", None
        record.exc_info = record.exc_text = None
    return True
