"""The process: which lifetime is nested in which, signals, readiness, drain.

From the outside in, each using what is around it and outliving what is within:

    signals          SIGTERM and SIGINT drain, SIGHUP re-reads personas, numbers and prices
    journal          what was opened and closed, and whom never to call
    HTTP client      of Twilio's REST API
    after-work       phones that are still to be hung up when their calls are over
    poller           the calls' sockets, of both legs
    server           connections, and on them the calls

What is done in after-work and beside the server for one call or for the process as a whole stands in ``contained`` or
``keep_running`` (``isolation.py``): its failure ends nobody's call.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import socket
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import structlog
import trio

from trio_voice.billing.cost import telephone_minute
from trio_voice.billing.estimate import minute_cost
from trio_voice.call.accept import Reception
from trio_voice.call.budget import Budget
from trio_voice.call.call import wall_clock
from trio_voice.call.overrun_alarm import Auditor
from trio_voice.call.recovery import OrphanRecovery, heed_own_death
from trio_voice.call.registry import Registry
from trio_voice.daemon.gc_tuning import leave_calls_alone
from trio_voice.daemon.loading import LOADING_SECONDS, load_again, toolboxes_of
from trio_voice.daemon.logs import dropped_lines
from trio_voice.daemon.process_identity import has_ended, this_process
from trio_voice.daemon.signals import STOP, hold_signals, until_told_to_stop
from trio_voice.edges.metrics.metrics import Metrics
from trio_voice.edges.systemd import Notifier
from trio_voice.edges.twilio.dialer import Dialer
from trio_voice.edges.twilio.rest import TwilioRest, open_client_maker
from trio_voice.edges.twilio.transfer import Transfers
from trio_voice.edges.twilio.webhooks import PublicUrl
from trio_voice.edges.web.app import Directory, Door, create_app
from trio_voice.edges.web.media_stream import Admission
from trio_voice.edges.web.server import Server
from trio_voice.edges.workers.call_counts import Seats
from trio_voice.edges.workers.handover import Colleagues
from trio_voice.errors import CannotListen, ConfigError
from trio_voice.isolation import contained, keep_running
from trio_voice.journal import Pace, open_journal
from trio_voice.journal.identity import marker_of
from trio_voice.legs.chain.kept_lines import KeptLines
from trio_voice.legs.model_sessions import Succession
from trio_voice.legs.providers import KINDS, Order
from trio_voice.net.http import open_http_pool
from trio_voice.net.lookups import Lookups
from trio_voice.net.poller import open_poller
from trio_voice.net.tcp import PrivateSockets
from trio_voice.persona import SILENT
from trio_voice.record import TERMINAL_STATUSES, EndReason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from trio_voice.call.tools import Tool
    from trio_voice.config.settings import Settings
    from trio_voice.daemon.supervisor import WorkerSlot
    from trio_voice.events.model import Said
    from trio_voice.journal import Journal
    from trio_voice.legs.model import ModelLeg
    from trio_voice.legs.session_ledger import Ledger
    from trio_voice.persona import Lines, Persona, ToolSchema
    from trio_voice.record import CallRecord

    LineMaker = Callable[[Iterable[Persona]], Awaitable[Mapping[Persona, Lines]]]

log: Final = structlog.stdlib.get_logger("trio_voice.daemon")

AFTER_WORK_SECONDS: Final = 10.0
"""For the last phones to be hung up once everything else has stopped."""
AFTER_DRAIN_SECONDS: Final = AFTER_WORK_SECONDS + Pace().flush_seconds + Pace().interrupt_seconds + 10
"""What systemd is asked to wait beyond the drain, with some to spare."""
DESCRIPTORS_A_CALL: Final = 5
"""At the most: the caller's socket, three of a chain, a request to Twilio."""
OTHER_DESCRIPTORS: Final = 100
"""Journal, log, listeners, the loop's own, requests to operators and colleagues; a handful in fact."""
HALF_OPEN_CONNECTIONS: Final = 100
"""Connections beyond the calls: webhooks, operators, scrapers, strangers."""


def allow_descriptors(max_calls: int) -> None:
    """Raise this process's own limit to what so many calls may need, as far as the system lets it."""
    wanted = max_calls * DESCRIPTORS_A_CALL + HALF_OPEN_CONNECTIONS + OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        advice = "raise LimitNOFILE= or `ulimit -Hn`, or lower max_calls: calls beyond it cannot reach their models"
        log.warning("too_few_descriptors", max_fds=allowed, wanted=wanted, max_calls=max_calls, advice=advice)


def keep_to_ourselves() -> None:
    """Have a tool's child processes begin without our sockets, or close those that they are given by being forked.

    ``multiprocessing`` starts its children from a server of its own that has none. Whoever has chosen another way keeps
    it.
    """
    trio.socket.set_custom_socket_factory(PrivateSockets())
    if multiprocessing.get_start_method(allow_none=True) is None:
        multiprocessing.set_start_method("forkserver")


async def run_daemon(
    settings: Settings,
    announce: Callable[[str], None],
    config: Path,
    make_lines: LineMaker,
    slot: WorkerSlot | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Args:
        settings: checked.
        announce: called with the base URL once calls are accepted.
        config: where the settings are read from, once more on each SIGHUP.
        make_lines: makes what personas say when no model speaks.
        slot: among the processes that share the port, where there are several.

    Raises:
        CannotListen: the address cannot be listened on.
        ConfigError: a tool cannot be loaded.
    """
    allow_descriptors(settings.limits.max_calls)
    keep_to_ourselves()
    trio.socket.set_custom_hostname_resolver(Lookups())
    systemd = Notifier(os.environ)
    colleagues, seats = (None, None) if slot is None else _colleagues_at(slot)
    with hold_signals() as signals:
        async with (
            open_journal(
                settings.journal.url,
                node=socket.gethostname(),
                clock=wall_clock,
                process=this_process(),
                keep_transcripts=settings.journal.keep_transcripts,
                marker=marker_of(settings.journal.url, os.environ.get("STATE_DIRECTORY")),
                insist=True,
            ) as journal,
            trio.open_nursery() as after_work,
            open_poller(),
            open_http_pool() as http_pool,
        ):
            lines = await make_lines(settings.personas.values())
            house = _House(settings, journal, after_work, lines, colleagues, seats, http_pool.used)
            listeners = await _open_listeners(settings, slot)
            connections = settings.limits.max_calls + HALF_OPEN_CONNECTIONS
            server = Server(
                create_app(house.door),
                house.door.admission,
                max_connections=connections,
                colleagues=colleagues,
                on_refusal=partial(house.metrics.count_refusal, "connection"),
            )
            async with trio.open_nursery() as serving:
                serving.start_soon(server.serve, listeners)
                if colleagues is not None:
                    serving.start_soon(server.serve, [colleagues.open_http()])
                    listen = partial(colleagues.listen, server.serve_handed, partial(house.registry.note_status, None))
                    serving.start_soon(keep_running, "colleagues", listen)
                    serving.start_soon(keep_running, "supervisor", _stop_with_supervisor)
                serving.start_soon(keep_running, "watchdog", systemd.feed_watchdog)
                serving.start_soon(keep_running, "loop_watch", house.metrics.watch_loop)
                if house.budget is not None:
                    serving.start_soon(keep_running, "budget", partial(house.budget.watch, journal))
                serving.start_soon(keep_running, "auditor", partial(house.auditor.watch, house.registry.live))
                recovery = OrphanRecovery(
                    journal,
                    house.rest,
                    wall_clock,
                    has_ended,
                    house.auditor.settled,
                    settings.journal.dead_after_seconds,
                )
                serving.start_soon(keep_running, "reckoning", recovery.run)
                serving.start_soon(keep_running, "own_death", partial(heed_own_death, journal, house.registry))
                await trio.lowlevel.checkpoint()  # all of them have begun before anybody is told
                bound_host, bound_port, *_ = listeners[0].socket.getsockname()
                announce(f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}")
                await systemd.notify("READY=1")
                leave_calls_alone()
                await until_told_to_stop(signals, partial(_reload, house, config, make_lines, systemd))
                # systemd's patience is the unit's, and ours the configuration's.
                patience = settings.limits.drain_seconds + settings.limits.close_seconds + AFTER_DRAIN_SECONDS
                await systemd.notify("STOPPING=1", "STATUS=draining", f"EXTEND_TIMEOUT_USEC={patience * 1e6:.0f}")
                http_pool.close()
                await _drain(house.registry, settings.limits.drain_seconds, signals)
                serving.cancel_scope.cancel(reason="drained")
            after_work.cancel_scope.deadline = trio.current_time() + AFTER_WORK_SECONDS
    log.info("stopped")


async def _reload(house: _House, config: Path, make_lines: LineMaker, systemd: Notifier) -> None:
    """Reload once, and tell systemd: not in trio's clock, which begins at a number of its own."""
    await systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}")
    refused = await house.reload(config, make_lines)
    # `systemctl reload` has long said yes; `systemctl status` shows this.
    await systemd.notify("READY=1", f"STATUS=reload refused: {refused[0]!r}" if refused else "STATUS=")


class _House:
    """What is made once from the settings, and what a reload replaces."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        after_work: trio.Nursery,
        lines: Mapping[Persona, Lines],
        colleagues: Colleagues | None,
        seats: Seats | None,
        requests: Mapping[str, int],
    ) -> None:
        self._settings = settings
        self._lines = dict(lines)
        self._kept_lines = KeptLines()
        self._journal = journal
        self._after_work = after_work
        self._toolboxes = toolboxes_of(settings, journal)
        prefix = "" if colleagues is None else colleagues.prefix
        ceiling = settings.limits.daily_cost
        self.budget = None if ceiling is None else Budget(ceiling, self._minute_cost, wall_clock)
        self.registry = Registry(settings.limits, self._ended, seats=seats, prefix=prefix, budget=self.budget)
        self.metrics = Metrics(self.registry, wall_clock(), journal, dropped_lines, requests, self.budget)
        self.auditor = Auditor(settings.prices, self.metrics.count_outlived)
        self.rest = open_rest(settings, self.metrics)
        public_url = PublicUrl(settings.server.public_url)
        reception = Reception(
            self.registry,
            journal,
            self._open_model,
            self._tools_of,
            self._lines_of,
            None if self.rest is None else Transfers(self.rest, public_url, settings.twilio.from_number),
            partial(self.metrics.observe_relay_delay, "to_caller"),
        )
        token = settings.secrets.get("TWILIO_AUTH_TOKEN") if settings.twilio.validate_signatures else None
        if token is None:
            log.warning("signatures_unchecked", advice="anybody may open a model session: validate_signatures = true")
        twilio = settings.twilio
        self.door = Door(
            admission=Admission(reception, public_url, token, partial(self.metrics.count_refusal, "stream")),
            public_url=public_url,
            directory=Directory(settings.personas, settings.numbers),
            dialer=Dialer(self.registry, self.rest, public_url, twilio.from_number, twilio.allowed_prefixes, journal),
            journal=journal,
            metrics=self.metrics,
            auth_token=token,
            api_token=settings.secrets.get("TRIO_VOICE_API_TOKEN"),
            account_sid=settings.account_sid,
            colleagues=colleagues,
        )

    def _open_model(
        self, persona: Persona, ledger: Ledger, tools: tuple[ToolSchema, ...], history: tuple[Said, ...]
    ) -> Succession:
        on_delay = partial(self.metrics.observe_relay_delay, "to_model")
        makers = [
            partial(
                make_leg, self._settings, name, persona, ledger, tools, on_delay=on_delay, kept_lines=self._kept_lines
            )
            for name in persona.models
        ]
        limits = self._settings.limits
        return Succession(makers, limits.close_seconds, persona.within(limits).model_ready_seconds, history)

    def _minute_cost(self, persona: Persona, direction: str) -> float:
        """What a minute of a call comes to on both meters, by today's prices, with the first of its models."""
        prices = self.auditor.prices
        if prices is None:
            return 0.0
        model = persona.models[0]
        sessions = (minute_cost(model, provider, prices) for provider in self._settings.models[model].providers)
        return telephone_minute(direction, prices.twilio) + sum(sessions)

    def _tools_of(self, persona: Persona) -> Mapping[str, Tool]:
        return self._toolboxes[persona]

    def _lines_of(self, persona: Persona) -> Lines:
        return self._lines.get(persona, SILENT)

    def _ended(self, record: CallRecord) -> None:
        """Reckon up and write down a call that is over, whether or not it was ever answered; see its phone down.

        Each for itself: whatever fails, the phone is hung up.
        """
        call_id = record.call_id
        if self.registry.may_come_back(call_id):  # then it is not over, and this is told once more when it is
            with contained("journal", call_id=call_id):
                self._journal.call_ended(record)
            return
        with contained("audit", call_id=call_id):
            self.auditor.audit(record)
        with contained("budget", call_id=call_id):
            if self.budget is not None:
                self.budget.settle(record)
        with contained("journal", call_id=call_id):
            self._journal.call_ended(record)
        with contained("metrics", call_id=call_id):
            self.metrics.observe_call(record)
        with contained("hang_up", call_id=call_id):
            # After a stop of Twilio's own the call is over, or somebody else's who has redirected it: not ours to hang
            # up. Where it is neither, the TwiML goes on, and its next verb is a <Hangup/>.
            not_ours = record.twilio_status in TERMINAL_STATUSES or record.handed_over
            if not_ours or record.end_reason is EndReason.HANGUP or record.call_sid is None:
                self._journal.phone_is_down(record)
            elif self.rest is not None and not self.registry.holds(record.call_sid):
                self._after_work.start_soon(self._hang_up, self.rest, record, record.call_sid)

    async def _hang_up(self, rest: TwilioRest, record: CallRecord, call_sid: str) -> None:
        """Hang up the phone of a call that is over. Where that fails, the journal keeps it for the next daemon."""
        with contained("hang_up", call_id=record.call_id, call_sid=call_sid):
            if await rest.hang_up(call_sid):
                self._journal.phone_is_down(record)

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
                raise ConfigError([f"models.{name} is new: restart to use it" for name in missing])  # noqa: TRY301
            lines: Mapping[Persona, Lines] | None = None
            with contained("lines"), trio.move_on_after(LOADING_SECONDS):
                lines = await make_lines(settings.personas.values())
            if lines is None:
                raise ConfigError(["what personas say when no model speaks could not be made"])  # noqa: TRY301
        except ConfigError as wrong:
            log.error("reload_refused", problems=wrong.problems, effect="the old one is kept")  # noqa: TRY400
            return wrong.problems
        old, new = self.door.directory, Directory(settings.personas, settings.numbers)
        changes = {
            "personas_added": sorted(new.personas.keys() - old.personas.keys()),
            "personas_removed": sorted(old.personas.keys() - new.personas.keys()),
            "personas_changed": sorted(
                name for name in new.personas.keys() & old.personas.keys() if new.personas[name] != old.personas[name]
            ),
            "numbers_changed": new.numbers != old.numbers,
            "prices_changed": settings.prices != self.auditor.prices,
        }
        self._lines.update(lines)
        self._toolboxes |= loaded.toolboxes  # calls that are expected still have their old persona
        self.door.directory = new
        self.auditor.prices = settings.prices
        log.info("reloaded", **changes)
        return []


def _colleagues_at(slot: WorkerSlot) -> tuple[Colleagues, Seats]:
    seats = Seats(slot.seats, slot.count, slot.index)
    return Colleagues(Path(slot.directory), slot.index, slot.count, seats), seats


async def _open_listeners(settings: Settings, slot: WorkerSlot | None) -> list[trio.SocketListener]:
    """The port: our own, or the one that all processes of the house share."""
    if slot is None:
        return await open_port(settings)
    shared = (socket.socket(fileno=descriptor) for descriptor in slot.listeners)
    return [trio.SocketListener(trio.socket.from_stdlib_socket(listening)) for listening in shared]


async def open_port(settings: Settings) -> list[trio.SocketListener]:
    """Listen on ``server.bind``.

    Raises:
        CannotListen: somebody else does, or it is no address of this machine.
    """
    host, port = settings.server.address
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as busy:
        raise CannotListen(f"cannot listen on {settings.server.bind}: {busy}") from busy


async def _stop_with_supervisor() -> None:
    """Drain when the process that started this one is gone, which the end of standard input says."""
    async with trio.lowlevel.FdStream(os.dup(0)) as supervisor:
        await supervisor.receive_some(1)
    log.error("supervisor_gone", advice="its end is said in its own log, or it was killed")
    os.kill(os.getpid(), signal.SIGTERM)


def make_leg(
    settings: Settings,
    name: str,
    persona: Persona,
    ledger: Ledger,
    tools: tuple[ToolSchema, ...],
    history: tuple[Said, ...] = (),
    resume_with: str | None = None,
    *,
    on_delay: Callable[[float], None] | None = None,
    kept_lines: KeptLines | None = None,
) -> ModelLeg:
    """A leg of the model with this name in ``[models]``, not yet connected."""
    model = settings.models[name]
    order = Order(
        settings=model,
        persona=persona,
        tools=tools,
        ledger=attrs.evolve(ledger, model=name),
        keys={secret: key for secret in model.credentials if (key := settings.secrets.get(secret)) is not None},
        wall_clock=wall_clock,
        proxies=settings.proxies,
        on_delay=on_delay,
        history=history,
        resume_with=resume_with,
        kept_lines=KeptLines() if kept_lines is None else kept_lines,
    )
    return KINDS[model.kind].make(order)


def open_rest(settings: Settings, metrics: Metrics | None = None) -> TwilioRest | None:
    """Twilio's REST API, where there is an account.

    Raises:
        ConfigError: no client for it can be made.
    """
    account, token = settings.account_sid, settings.secrets.get("TWILIO_AUTH_TOKEN")
    if account is None or token is None:
        log.warning("no_rest", advice="set account_sid and TWILIO_AUTH_TOKEN so that phones can be hung up by REST")
        return None
    api_url = settings.twilio.api_url
    make_client = open_client_maker(settings.proxies.for_url(api_url))
    return TwilioRest(account, token, api_url, make_client, None if metrics is None else metrics.count_rest_failure)


async def _drain(registry: Registry, seconds: float, signals: AsyncIterator[int]) -> None:
    """Let live calls end, and end those that do not. A second SIGTERM or SIGINT ends them at once."""
    counts = registry.statistics()
    log.info("draining", live_calls=counts.live_calls, expected_calls=counts.expected_calls, drain_seconds=seconds)
    async with trio.open_nursery() as nursery:

        async def hurry() -> None:
            async for received in signals:
                if received in STOP:
                    nursery.start_soon(registry.drain, 0)

        nursery.start_soon(hurry)
        await registry.drain(seconds)
        nursery.cancel_scope.cancel(reason="drained")
