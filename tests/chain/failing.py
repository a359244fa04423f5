"""Questions that fail, and what a chain says of it."""

from trio_voice.events import model as c
from trio_voice.events import stage as s


def refused(number, code="http_500", *, retryable=True, **more):
    return s.ThoughtFailed(number, code, "it failed", retryable, **more)


def faults(stage):
    return [fault.fatal for fault in stage.of(c.ModelFault)]
