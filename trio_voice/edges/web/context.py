"""Everything that the app's routes need to decide who may do what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs
from quart import request

from trio_voice.call.feed import Feed
from trio_voice.call.nodes import DRAINING, READY
from trio_voice.edges.web.idempotency import OrderBook
from trio_voice.edges.web.nodes import NODE
from trio_voice.edges.web.sessions import Sessions
from trio_voice.edges.workers.handover import HERE
from trio_voice.phone_numbers import e164
from trio_voice.tokens import lines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import httpx2

    from trio_voice.billing.prices import Prices
    from trio_voice.call.registry import Registry
    from trio_voice.edges.metrics.metrics import Metrics
    from trio_voice.edges.metrics.samples import Samples
    from trio_voice.edges.twilio.dialer import Dialer
    from trio_voice.edges.twilio.numbers import Numbers
    from trio_voice.edges.twilio.public_url import PublicUrl
    from trio_voice.edges.twilio.rest import TwilioRest
    from trio_voice.edges.web.entrypoints import Hosts
    from trio_voice.edges.web.media_stream import StreamAuthenticator
    from trio_voice.edges.web.nodes import Nodes
    from trio_voice.edges.workers.handover import Colleagues
    from trio_voice.journal import JournaledCall, Run
    from trio_voice.journal.do_not_call import ListedNumber
    from trio_voice.journal.selection import Selection
    from trio_voice.persona import Persona
    from trio_voice.record import CallRecord, Recording
    from trio_voice.recorder.recordings import Recordings


@attrs.define
class NumberRouting:
    """Personas by the numbers of ours that they answer. Replaced whole on a reload."""

    personas: Mapping[str, Persona]
    numbers: Mapping[str, str]
    """Persona names by number; ``default`` answers the rest."""

    def persona_for(self, number: str) -> Persona | None:
        """The persona that answers a number, however it is written, if any does."""
        name = self.numbers.get(number) or self.numbers.get(e164(number) or "", self.numbers.get("default"))
        return None if name is None else self.personas[name]


class AppJournal(OrderBook, Protocol):
    """The journal as the app needs it: promised calls in, ended ones out."""

    @property
    def trouble(self) -> str:
        """Reason for which nothing is written down; empty if it is."""

    @property
    def list_trouble(self) -> str:
        """Reason for which the do-not-call list is not known; empty if it is."""

    @property
    def unread(self) -> Mapping[str, list[str]]:
        """Calls with rows that it does not understand, and those rows."""

    def recording_changed(self, call_id: str, recording: Recording) -> None:
        """Write down what has become of a recording: somebody has listened, or it was deleted. Does not wait."""

    def call_began(self, call: CallRecord) -> None:
        """Write down that a call is ours, so that whoever comes after us knows. Does not wait."""

    async def call(self, call_id: str) -> JournaledCall | None:
        """One call, whole. Raises ``JournalUnavailable``."""

    def call_ended(self, call: CallRecord) -> None:
        """Write down once more what is known of a call that is over. Does not wait."""

    async def left_open(self, run: Run) -> list[JournaledCall]:
        """The calls of a run that are not over. Raises ``JournalUnavailable``."""

    @property
    def keeps_words(self) -> bool:
        """True if what was said is kept after a call."""

    async def set_do_not_call(self, number: str, reason: str) -> None:
        """Put a number on the list, or give it another reason. Raises ``JournalUnavailable``."""

    async def set_all_do_not_call(self, numbers: Iterable[tuple[str, str]]) -> None:
        """Put numbers with their reasons on the list, all or none. Raises ``JournalUnavailable``."""

    async def remove_do_not_call(self, number: str) -> bool:
        """Take a number off the list; True if it was on it. Raises ``JournalUnavailable``."""

    async def do_not_call_numbers(self, digits: str, after: str, limit: int) -> list[ListedNumber]:
        """A page of the list. Raises ``JournalUnavailable``."""

    async def listed(self, wanted: Selection) -> list[JournaledCall]:
        """A page of calls that are over, the newest first, and one more. Raises ``JournalUnavailable``."""


@attrs.define(kw_only=True)
class AppContext:
    """Everything that the app's routes need to decide who may do what.

    ``auth_token`` is ``None`` only where Twilio's signatures are not to be checked; without an ``api_token`` the
    operator's routes are closed. Each may hold several, one a line, all of them valid.
    """

    authenticator: StreamAuthenticator
    public_url: PublicUrl
    routing: NumberRouting
    dialer: Dialer
    journal: AppJournal
    metrics: Metrics
    auth_token: str | None
    api_token: str | None
    account_sid: str | None = None
    """Account whose calls Twilio tells us of; ``None`` if we have not been told."""
    recordings: Recordings | None = None
    """Recordings of this machine."""
    colleagues: Colleagues | None = None
    """The other processes on this port, if there are any."""
    max_browser_calls: int = 2
    """Number of pages that may be telephones at once."""
    hosts: Hosts | None = None
    """The names of the operator's address, once it is known."""
    numbers: Numbers | None = None
    """The account's telephone numbers; ``None`` without Twilio's REST API."""
    warnings: Callable[[], list[str]] = list
    """Lines that ``check`` would warn with."""
    prices: Callable[[], Prices | None] = lambda: None
    """Prices that costs are reckoned by."""
    drain: Callable[[], None] | None = None
    """Has all processes take no more calls, and stop when none is left."""
    samples: Samples | None = None
    """The metrics of the last hours."""
    feed: Feed = attrs.field(factory=Feed)
    """News of this process's calls, as they tell them."""
    nodes: Nodes | None = None
    """The fleet of several machines, if this is a node of one."""
    rest: TwilioRest | None = None
    """Twilio's API, where there is an account."""
    sessions: Sessions = attrs.field(factory=Sessions)
    """Sessions of those who have signed in at the console."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """The operator's tokens, any of which opens their routes; none if they are closed."""
        return lines_of(self.api_token)

    def as_operator(self) -> dict[str, str]:
        """Headers by which another process of ours is asked as its operator."""
        return {"Authorization": f"Bearer {self.tokens[0]}"} if self.tokens else {}

    @property
    def status(self) -> str:
        """True if new calls are taken, in the word of ``/readyz``."""
        if self.registry.statistics().draining:  # which forgets the promises that have expired
            return DRAINING
        if self.journal.trouble:
            return "no_journal"
        return "full" if self.registry.is_full else READY

    @property
    def asks_nodes(self) -> bool:
        """True if the request that is being answered is to be answered for all nodes."""
        return self.nodes is not None and NODE not in request.headers and HERE not in request.headers

    @property
    def asks_colleagues(self) -> bool:
        """True if the request that is being answered is to be answered for all processes."""
        return self.colleagues is not None and HERE not in request.headers

    async def ask(self, path: str | None = None) -> list[httpx2.Response]:
        """Answers of the other processes to a path; to this very request without one."""
        if self.colleagues is None:
            return []
        return await self.colleagues.ask(path or request.full_path.rstrip("?"), self.as_operator())

    @property
    def registry(self) -> Registry:
        """The registry of this process's calls."""
        return self.authenticator.reception.registry
