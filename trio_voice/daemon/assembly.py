"""Parts of the process put together from the settings: what serves calls, and what a reload replaces of it."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog
import trio

from trio_voice.billing.cost import telephone_minute
from trio_voice.billing.estimate import minute_cost
from trio_voice.call.accept import Reception
from trio_voice.call.budget import Budget
from trio_voice.call.call import wall_clock
from trio_voice.call.callbacks import note_status
from trio_voice.call.feed import Feed
from trio_voice.call.nodes import Node, NodeDirectory
from trio_voice.call.overrun_alarm import OverrunAlarm
from trio_voice.call.registry import Registry
from trio_voice.config.tables_left import tables_left
from trio_voice.config.warnings import warnings_about
from trio_voice.daemon.hang_ups import HangUps
from trio_voice.daemon.loading import LOADING_SECONDS, load_again, toolboxes_of
from trio_voice.daemon.logs import dropped_lines
from trio_voice.daemon.peers import WITHOUT_REST, make_leg, open_rest
from trio_voice.edges.metrics.metrics import Metrics
from trio_voice.edges.metrics.samples import Samples
from trio_voice.edges.telemetry.exporter import Traces
from trio_voice.edges.twilio.call_control import TwilioCallControl
from trio_voice.edges.twilio.dialer import Dialer
from trio_voice.edges.twilio.numbers import AccountNumbers
from trio_voice.edges.twilio.public_url import PublicUrl
from trio_voice.edges.web.context import AppContext, NumberRouting
from trio_voice.edges.web.media_stream import StreamAuthenticator
from trio_voice.edges.web.nodes import Nodes
from trio_voice.edges.workers.call_counts import CallCounts
from trio_voice.edges.workers.handover import LIVES, PROMISED, Colleagues
from trio_voice.errors import ConfigError
from trio_voice.isolation import contained
from trio_voice.legs.chain.kept_lines import KeptLines
from trio_voice.legs.providers import KINDS
from trio_voice.legs.succession import Succession
from trio_voice.net.proxies import is_here
from trio_voice.persona import SILENT
from trio_voice.record import TERMINAL_STATUSES, EndReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from datetime import datetime

    from trio_voice.call.tools import Tool
    from trio_voice.config.settings import Settings
    from trio_voice.events.model import Said
    from trio_voice.journal import Journal, JournaledCall
    from trio_voice.legs.chain.local import Speech
    from trio_voice.legs.session_ledger import Ledger
    from trio_voice.persona import Lines, Persona, ToolSchema
    from trio_voice.record import CallRecord
    from trio_voice.recorder.recordings import Recordings

    LineMaker = Callable[[Iterable[Persona]], Awaitable[Mapping[Persona, Lines]]]

log: Final = structlog.stdlib.get_logger("trio_voice.daemon")


class Services:
    """Parts that are made once from the settings, and those of them that a reload replaces."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        after_work: trio.Nursery,
        lines: Mapping[Persona, Lines],
        colleagues: Colleagues | None,
        call_counts: CallCounts | None,
        requests: Mapping[str, int],
        speech: Speech | None,
        recordings: Recordings | None,
    ) -> None:
        self._settings = settings
        self._newest = settings
        """As they were last read."""
        self._recordings = recordings
        self.hang_ups = HangUps(journal)
        self._speech = speech
        self._extras = frozenset(extra for model in settings.used_models.values() for extra in model.extras)
        """Of which it was seen at start that they are here."""
        for model in settings.used_models.values():
            KINDS[model.kind].load()
        self._lines = dict(lines)
        self._kept_lines = KeptLines()
        self._journal = journal
        self._after_work = after_work
        self._toolboxes = toolboxes_of(settings, journal)
        digits = settings.server.digits
        prefix = digits if colleagues is None else colleagues.prefix
        self.node_was_free = True
        self._node_since = wall_clock().isoformat(timespec="microseconds")
        self.nodes = Nodes(
            NodeDirectory(digits), lambda: self.context.tokens, after_work, is_alone=settings.server.node is None
        )
        ceiling = settings.limits.daily_cost
        self.budget = None if ceiling is None else Budget(ceiling, self._minute_cost, wall_clock)
        self._colleagues = colleagues
        self.feed = Feed()
        self.registry = Registry(
            settings.limits,
            self._ended,
            on_change=self.feed.call_changed,
            call_counts=call_counts,
            prefix=prefix,
            budget=self.budget,
            on_live=self._lives,
        )
        self.metrics = Metrics(self.registry, wall_clock(), journal, dropped_lines, requests, self.budget)
        collector = settings.telemetry.url
        self.traces = None if collector is None else Traces(collector, digits, self._live_records)
        self.overrun_alarm = OverrunAlarm(settings.prices, self.metrics.count_outlived)
        self.rest = open_rest(settings, self.metrics)
        if self.rest is None and not is_here(urlsplit(settings.server.public_url).hostname or ""):
            # Where Twilio cannot reach us, no phone has to be hung up.
            log.warning("no_rest", advice=WITHOUT_REST)
        public_url = PublicUrl(settings.server.public_url, settings.server.node_url)
        reception = Reception(
            self.registry,
            journal,
            self._open_model,
            self._tools_of,
            self._lines_of,
            None if self.rest is None else TwilioCallControl(self.rest, public_url, settings.twilio.from_number),
            partial(self.metrics.observe_relay_delay, "to_caller"),
            recordings,
            self.feed,
        )
        token = _auth_tokens(settings)
        if token is None:
            log.warning("signatures_unchecked", advice="anybody may open a model session: validate_signatures = true")
        twilio = settings.twilio
        self.context = AppContext(
            authenticator=StreamAuthenticator(
                reception, public_url, token, partial(self.metrics.count_refusal, "stream"), self.nodes
            ),
            public_url=public_url,
            routing=NumberRouting(settings.personas, settings.numbers),
            dialer=Dialer(
                self.registry,
                self.rest,
                public_url,
                twilio.from_number,
                twilio.allowed_prefixes,
                journal,
                twilio.calls_per_second,
            ),
            journal=journal,
            metrics=self.metrics,
            auth_token=token,
            api_token=settings.secrets.tokens("TRIO_VOICE_API_TOKEN"),
            account_sid=settings.account_sid,
            colleagues=colleagues,
            recordings=recordings,
            max_browser_calls=settings.console.max_browser_calls,
            feed=self.feed,
            nodes=self.nodes,
            rest=self.rest,
            numbers=None if self.rest is None else AccountNumbers(self.rest, public_url),
            warnings=lambda: warnings_about(self._newest, wall_clock().date()),
            prices=lambda: self.overrun_alarm.prices,
            samples=Samples(self.metrics, wall_clock),
        )

    def _open_model(
        self, persona: Persona, ledger: Ledger, tools: tuple[ToolSchema, ...], history: tuple[Said, ...]
    ) -> Succession:
        on_delay = partial(self.metrics.observe_relay_delay, "to_model")
        makers = [
            partial(
                make_leg,
                self._settings,
                name,
                persona,
                ledger,
                tools,
                on_delay=on_delay,
                speech=self._speech,
                kept_lines=self._kept_lines,
            )
            for name in persona.models
        ]
        limits = self._settings.limits
        return Succession(makers, limits.close_seconds, persona.within(limits).model_ready_seconds, history)

    def _minute_cost(self, persona: Persona, direction: str) -> float:
        """Cost of a minute of a call on both meters, by today's prices, with the first of its models."""
        prices = self.overrun_alarm.prices
        if prices is None:
            return 0.0
        model = persona.models[0]
        sessions = (minute_cost(model, provider, prices) for provider in self._settings.models[model].providers)
        return telephone_minute(direction, prices.twilio) + sum(sessions)

    def _tools_of(self, persona: Persona) -> Mapping[str, Tool]:
        return self._toolboxes[persona]

    def _lines_of(self, persona: Persona) -> Lines:
        return self._lines.get(persona, SILENT)

    def _lives(self, record: CallRecord) -> None:
        """Tell the other processes whose stream has come here."""
        if self._colleagues is not None and record.call_sid is not None:
            self._after_work.start_soon(self._colleagues.pass_on_status, record.call_sid, LIVES + record.call_id)

    def hear_of(self, call_sid: str, status: str) -> None:
        """Another process tells what Twilio says of a call, that it has promised it a path, or that it lives there."""
        if status.startswith(LIVES):
            self.registry.lives_elsewhere(call_sid)
            if self._colleagues is not None:
                self._colleagues.lives_elsewhere(call_sid, status.removeprefix(LIVES))
        elif status == PROMISED:
            held = self.registry.expected.of_sid(call_sid)
            if self._colleagues is not None and held is not None and self.registry.lives(call_sid):
                self._after_work.start_soon(self._colleagues.pass_on_status, call_sid, LIVES + held.record.call_id)
        else:
            note_status(self.registry, None, call_sid, status)

    def _ended(self, record: CallRecord) -> None:
        """Reckon up and write down a call that is over, whether or not it was ever answered; see its phone down.

        Each for itself: whatever fails, the phone is hung up.
        """
        call_id = record.call_id
        self.hang_ups.note_end()
        if self.registry.may_come_back(call_id):  # then it is not over, and this is told once more when it is
            with contained("journal", call_id=call_id):
                self._journal.call_ended(record)
            return
        with contained("audit", call_id=call_id):
            self.overrun_alarm.audit(record)
        with contained("budget", call_id=call_id):
            if self.budget is not None:
                self.budget.settle(record)
        # After a stop of Twilio's own the call is over, or somebody else's who has redirected it: not ours to hang up.
        # Where it is neither, the TwiML goes on, and its next verb is a <Hangup/>.
        is_over = record.twilio_status in TERMINAL_STATUSES or record.end_reason is EndReason.HANGUP
        phone_is_down = is_over or record.handed_over or record.call_sid is None
        with contained("journal", call_id=call_id):
            self._journal.call_ended(record, phone_is_down=phone_is_down)
        with contained("feed", call_id=call_id):
            self.feed.call_ended(record)
        with contained("metrics", call_id=call_id):
            self.metrics.observe_call(record)
        with contained("traces", call_id=call_id):
            if self.traces is not None:
                self.traces.call_ended(record)
        with contained("hang_up", call_id=call_id):
            if phone_is_down or record.call_sid is None:
                return
            if self.rest is not None and not self.registry.holds(record.call_sid):
                self._after_work.start_soon(self.hang_ups.hang_up, self.rest, record, record.call_sid)

    def _take_tokens(self, settings: Settings) -> None:
        """Those of the files as they are now: what is no longer there opens nothing more."""
        if self._settings.twilio.validate_signatures:
            tokens = settings.secrets.tokens("TWILIO_AUTH_TOKEN")
            self.context.auth_token = self.context.authenticator.auth_token = tokens
        self.context.api_token = settings.secrets.tokens("TRIO_VOICE_API_TOKEN")
        token = settings.secrets.get("TWILIO_AUTH_TOKEN")
        if self.rest is not None and token is not None:
            self.rest.use_token(token)

    def _live_records(self) -> list[CallRecord]:
        return [call.record for call in self.registry.live()]

    def closed_of_a_dead_node(self, call: JournaledCall, ended_at: datetime) -> None:
        """A call was closed in the journal whose node had died: listeners are told, and what is known is in a trace."""
        if call.record.end_reason is None:  # else its own node has told it
            self.feed.call_ended(call.record)
        if self.traces is not None:
            self.traces.call_ended(call.record, ended_at)

    def describe_node(self, peer_url: str) -> Node:
        """Facts that this node tells the others of itself."""
        server = self._settings.server
        return Node(
            digits=self.nodes.digits,
            node_url=(server.node_url or server.public_url).rstrip("/"),
            peer_url=(server.peer_url or peer_url).rstrip("/"),
            host=socket.gethostname(),
            status=self.context.status,
            seats=self.registry.occupied,
            max_calls=self.registry.limits.max_calls,
            since=self._node_since,
            was_free=self.node_was_free,
        )

    def tell_nodes(self, peer_url: str) -> tuple[str, str]:
        """Facts for the heartbeat: the word of which a change is told at once, and all of them as text."""
        node = self.describe_node(peer_url)
        return node.status, node.as_text()

    async def reload(self, config: Path, make_lines: LineMaker) -> list[str]:
        """Take over personas, numbers and prices, all or nothing; live calls keep what they began with.

        Whatever is in the file and in the modules it names, and however long they take, the calls go on. Cancelling is
        safe: nothing is taken over then.

        Returns:
            Why nothing was taken over; empty if it was.
        """
        try:
            loaded = await load_again(config, self._journal)
            settings = loaded.settings
            missing = sorted(
                {model for persona in settings.personas.values() for model in persona.models}
                - self._settings.models.keys()
            )
            if missing:
                raise ConfigError([f"models.{name} is new: restart to use it" for name in missing])  # noqa: TRY301 - told below, like what the file's reader finds
            unseen = [model for model in settings.used_models.values() if not self._extras.issuperset(model.extras)]
            if unseen:
                raise ConfigError(  # noqa: TRY301 - likewise
                    [f"models.{model.name} needs {', '.join(model.extras)}: restart to use it" for model in unseen]
                )
            lines: Mapping[Persona, Lines] | None = None
            with contained("lines"), trio.move_on_after(LOADING_SECONDS):
                lines = await make_lines(settings.personas.values())
            if lines is None:
                raise ConfigError(["what personas say when no model speaks could not be made"])  # noqa: TRY301 - likewise
        except ConfigError as wrong:
            log.error("reload_refused", problems=wrong.problems, effect="the old one is kept")  # noqa: TRY400 - the problems say it all, no traceback does
            return wrong.problems
        old, new = self.context.routing, NumberRouting(settings.personas, settings.numbers)
        changes = {
            "personas_added": sorted(new.personas.keys() - old.personas.keys()),
            "personas_removed": sorted(old.personas.keys() - new.personas.keys()),
            "personas_changed": sorted(
                name for name in new.personas.keys() & old.personas.keys() if new.personas[name] != old.personas[name]
            ),
            "numbers_changed": new.numbers != old.numbers,
            "prices_changed": settings.prices != self.overrun_alarm.prices,
        }
        self._lines.update(lines)
        self._toolboxes |= loaded.toolboxes  # calls that are expected still have their old persona
        self.context.routing = new
        self._take_tokens(settings)
        self.overrun_alarm.prices = settings.prices
        self._newest = settings
        if self._recordings is not None:
            self._recordings.settings = settings.recording
        log.info("reloaded", **changes)
        for table in tables_left(self._settings, settings):
            log.warning("reload_left_out", table=table, effect="it is as it was: restart to use it")
        return []


def _auth_tokens(settings: Settings) -> str | None:
    return settings.secrets.tokens("TWILIO_AUTH_TOKEN") if settings.twilio.validate_signatures else None
