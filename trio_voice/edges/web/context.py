"""Everything that the app's routes need to decide who may do what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from quart import request

from trio_voice.call.feed import Feed
from trio_voice.call.nodes import DRAINING, READY
from trio_voice.edges.web.nodes import NODE
from trio_voice.edges.web.operator.sessions import Sessions
from trio_voice.edges.workers.handover import HERE
from trio_voice.phone_numbers import e164
from trio_voice.tokens import tokens_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx2

    from trio_voice.billing.prices import Prices
    from trio_voice.call.registry import Registry
    from trio_voice.edges.metrics.metrics import Metrics
    from trio_voice.edges.metrics.samples import Samples
    from trio_voice.edges.twilio.dialer import Dialer
    from trio_voice.edges.twilio.numbers import AccountNumbers
    from trio_voice.edges.twilio.public_url import PublicUrl
    from trio_voice.edges.twilio.rest import TwilioRest
    from trio_voice.edges.web.entrypoints import Hosts
    from trio_voice.edges.web.media_stream import StreamAuthenticator
    from trio_voice.edges.web.nodes import Nodes
    from trio_voice.edges.workers.handover import Colleagues
    from trio_voice.journal import Journal
    from trio_voice.persona import Persona
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
    journal: Journal
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
    numbers: AccountNumbers | None = None
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
        return tokens_of(self.api_token)

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
