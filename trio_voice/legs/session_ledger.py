"""The ledger of a call's billed sessions: each is written down before its socket is opened, and after it is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs
import trio

if TYPE_CHECKING:
    from trio_voice.record import CallRecord
    from trio_voice.session_record import ModelSessionRecord


class Journal(Protocol):
    """The journal as the ledger of a call needs it."""

    async def session_opening(self, call: CallRecord, session: ModelSessionRecord) -> bool:
        """Wait, for a bounded time, until it is on the disk that this session will be opened."""

    def call_began(self, call: CallRecord) -> None:
        """Write down what is known of a call by now. Does not wait."""

    def session_closed(self, call: CallRecord, session: ModelSessionRecord) -> None:
        """Write down how a session was closed. Does not wait."""


@attrs.frozen
class Ledger:
    """The sessions of one call: in its record, and in the journal if there is one."""

    record: CallRecord
    journal: Journal | None = None
    model: str | None = None
    """The table of ``[models]`` by which sessions are opened now."""
    began: float = attrs.field(factory=trio.current_time)
    """Beginning of the call, by trio's clock: a ledger is opened with its call."""

    async def opening(self, session: ModelSessionRecord) -> None:
        """A session is about to be opened. Bounded; cancelling is safe, and ``closed`` must follow all the same."""
        session.model = self.model
        session.opened_after_seconds = round(trio.current_time() - self.began, 3)
        self.record.model_sessions.append(session)
        if self.journal is None:
            await trio.lowlevel.checkpoint()
        else:
            await self.journal.session_opening(self.record, session)

    def changed(self) -> None:
        """Something of the call has changed that a successor of this daemon should know, such as its hand-over."""
        if self.journal is not None:
            self.journal.call_began(self.record)

    def closed(self, session: ModelSessionRecord) -> None:
        """The session is closed, and its record says how."""
        if self.journal is not None:
            self.journal.session_closed(self.record, session)
