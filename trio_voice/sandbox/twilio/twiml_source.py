"""Documents that a call executes: asked of our server, or given with the order, and read. Its faults are noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trio_voice.sandbox.twilio.account import Instructions
from trio_voice.sandbox.twilio.twiml import TwimlError, parse_twiml

if TYPE_CHECKING:
    from trio_voice.sandbox.twilio.account import CallOrder
    from trio_voice.sandbox.twilio.callbacks import Reports
    from trio_voice.sandbox.twilio.twiml import Document

TYPES: Final = frozenset({"text/xml", "application/xml", "text/html", "text/plain"})
"""Content types that Twilio takes for TwiML."""


class TwimlSource:
    """That of one call.

    Args:
        reports: by which our server is asked, and where faults are noted.
        order: of the call, which may name another address for when the first fails.
    """

    def __init__(self, reports: Reports, order: CallOrder) -> None:
        self._reports = reports
        self._order = order

    async def obtain(self, where: Instructions, status: str) -> Document | None:
        """The document that these instructions stand for, or lead to; ``None`` if there is no usable one.

        Args:
            where: the instructions.
            status: of the call, which our server is told.
        """
        if where.twiml is not None:
            return self._read(where.twiml)
        document = await self._fetch(where, status)
        if document is None and self._order.fallback_url:
            error = (("ErrorCode", str(self._reports.notices[-1].code)), ("ErrorUrl", where.url))
            fallback = Instructions(
                self._order.fallback_url, self._order.fallback_method, fields=error, event="fallback"
            )
            document = await self._fetch(fallback, status)
        return document

    async def _fetch(self, where: Instructions, status: str) -> Document | None:
        answer = await self._reports.ask(where.event, where.url, status, where.fields, where.method)
        content_type = answer.content_type.partition(";")[0].strip().lower()
        if answer.status is None:
            self._reports.note(11205, f"{where.url}: {answer.error}")
        elif not 200 <= answer.status < 300:
            self._reports.note(11200, f"{where.url} answered {answer.status}", answer.status)
        elif content_type not in TYPES:
            self._reports.note(12300, f"{where.url} answered with the content type {content_type!r}")
        else:
            return self._read(answer.body, where.url)
        return None

    def _read(self, text: str | bytes, url: str = "") -> Document | None:
        try:
            document = parse_twiml(text, url)
        except TwimlError as wrong:
            self._reports.note(wrong.code, wrong.why)
            return None
        for code, why in document.warnings:
            self._reports.note(code, why)
        return document
