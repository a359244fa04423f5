"""The process: which lifetime is nested in which, signals, readiness, drain.

From the outside in, each using what is around it and outliving what is within:

    signals          SIGTERM and SIGINT drain, SIGHUP re-reads personas, numbers and prices
    journal          what was opened and closed, and whom never to call
    HTTP client      of Twilio's REST API
    recordings       the thread that writes them
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

import structlog
import trio

from trio_voice.call.call import wall_clock
from trio_voice.call.drain import drain
from trio_voice.call.recovery import OrphanRecovery, heed_own_death
from trio_voice.call.registry import Registry
from trio_voice.daemon.assembly import Services
from trio_voice.daemon.gc_tuning import leave_calls_alone
from trio_voice.daemon.node_check import refuse_second_of, wait_to_yield
from trio_voice.daemon.ports import hosts_of, open_ports, urls_of
from trio_voice.daemon.process_identity import has_ended, this_process
from trio_voice.daemon.signals import STOP, hold_signals, until_told_to_stop
from trio_voice.edges.systemd import Notifier
from trio_voice.edges.web.app import create_app
from trio_voice.edges.web.entrypoints import Entrypoint
from trio_voice.edges.web.operator.events import MAX_LISTENERS, follow_others
from trio_voice.edges.web.operator.sessions import Sessions
from trio_voice.edges.web.server import Server
from trio_voice.edges.web.webhooks import Webhooks
from trio_voice.edges.workers.call_counts import CallCounts
from trio_voice.edges.workers.handover import Colleagues
from trio_voice.errors import ConfigError
from trio_voice.isolation import contained, keep_running
from trio_voice.journal import Pace, open_journal
from trio_voice.journal.identity import marker_of
from trio_voice.net.http import open_http_pool
from trio_voice.net.lookups import Lookups
from trio_voice.net.poller import open_poller
from trio_voice.net.tcp import PrivateSockets
from trio_voice.recorder.recordings import open_recordings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from trio_voice.call.nodes import Node, NodeDirectory
    from trio_voice.config.settings import Settings
    from trio_voice.daemon.assembly import LineMaker
    from trio_voice.daemon.ports import Announce, Ports
    from trio_voice.daemon.supervisor import WorkerSlot
    from trio_voice.journal import Journal
    from trio_voice.legs.chain.local import Speech

log: Final = structlog.stdlib.get_logger("trio_voice.daemon")

HEEDING_SECONDS: Final = 5.0
"""For a worker to listen to the others before it says that it is ready."""
AFTER_WORK_SECONDS: Final = 10.0
"""For the last phones to be hung up once everything else has stopped."""
AFTER_DRAIN_SECONDS: Final = AFTER_WORK_SECONDS + Pace().flush_seconds + Pace().interrupt_seconds + 10
"""Time that systemd is asked to wait beyond the drain, with some to spare."""
DESCRIPTORS_A_CALL: Final = 5
"""At the most: the caller's socket, three of a chain, a request to Twilio."""
MIN_DESCRIPTORS: Final = 64
"""With which one starts and takes a call."""
OTHER_DESCRIPTORS: Final = 100
"""Journal, log, listeners, the loop's own, requests to operators and colleagues; a handful in fact."""
HALF_OPEN_CONNECTIONS: Final = 100
"""Connections beyond the calls: webhooks, operators, scrapers, strangers."""


def need_descriptors() -> None:
    """Raise this process's own limit to what a daemon opens before its first call.

    Raises:
        ConfigError: the system does not let it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < MIN_DESCRIPTORS:
        advice = "raise LimitNOFILE= or `ulimit -Hn`"
        raise ConfigError([f"only {hard} files may be open here, and a daemon needs {MIN_DESCRIPTORS}: {advice}"])
    if soft != resource.RLIM_INFINITY and soft < MIN_DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (MIN_DESCRIPTORS, hard))


def allow_descriptors(max_calls: int) -> None:
    """Raise this process's own limit to the descriptors that ``max_calls`` may need, as far as the system lets it."""
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
    announce: Announce,
    config: Path,
    make_lines: LineMaker,
    slot: WorkerSlot | None = None,
    speech: Speech | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Args:
        settings: checked.
        announce: called with the base URL, and the operator's if it is another, once calls are accepted.
        config: where the settings are read from, once more on each SIGHUP.
        make_lines: makes what personas say when no model speaks.
        slot: among the processes that share the port, where there are several.
        speech: ears and voice of this process, where a model needs them.

    Raises:
        CannotListen: an address cannot be listened on.
        ConfigError: a tool cannot be loaded, or another machine has this node's digits.
    """
    allow_descriptors(settings.limits.max_calls)
    keep_to_ourselves()
    trio.socket.set_custom_hostname_resolver(Lookups())
    taken: list[ConfigError] = []
    colleagues, call_counts = (None, None) if slot is None else _colleagues_at(slot, settings.server.digits)
    with hold_signals() as signals, Notifier(os.environ) as systemd:
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
            open_recordings(settings.recording) as recordings,
            open_poller(),
            open_http_pool() as http_pool,
        ):
            lines = await make_lines(settings.personas.values())
            services = Services(
                settings, journal, after_work, lines, colleagues, call_counts, http_pool.used, speech, recordings
            )
            listeners, operators = await _open_listeners(settings, slot)
            hosts = hosts_of(settings, listeners, operators)
            services.context.hosts = services.context.authenticator.hosts = hosts
            peer_url = urls_of(listeners, operators)[-1]
            if settings.server.node is not None:
                this_node = services.describe_node(peer_url)
                services.node_was_free = await refuse_second_of(this_node, journal, has_ended)
                journal.heartbeat.tell = partial(services.tell_nodes, peer_url)
            stop = partial(os.kill, os.getpid() if slot is None else os.getppid(), signal.SIGTERM)
            services.context.drain = stop
            services.context.sessions = Sessions(None if slot is None else slot.sessions)
            connections = settings.limits.max_calls + HALF_OPEN_CONNECTIONS + MAX_LISTENERS
            webhooks = Webhooks(services.context)
            server = Server(
                create_app(services.context, webhooks),
                services.context.authenticator,
                max_connections=connections,
                colleagues=colleagues,
                on_refusal=partial(services.metrics.count_refusal, "connection"),
                hosts=hosts,
                webhooks=webhooks,
            )
            async with trio.open_nursery() as serving:
                serving.start_soon(server.serve, listeners, Entrypoint.TWILIO if operators else Entrypoint.SHARED)
                if operators:
                    serving.start_soon(server.serve, operators, Entrypoint.OPERATOR)
                serving.start_soon(keep_running, "follow_others", partial(follow_others, services.context))
                if colleagues is not None:
                    serving.start_soon(colleagues.listen, server.serve_connection, services.hear_of)
                    serving.start_soon(keep_running, "supervisor", _stop_with_supervisor)
                serving.start_soon(keep_running, "watchdog", systemd.feed_watchdog)
                serving.start_soon(keep_running, "recordings", recordings.keep_tidy)
                _start_watching(serving, services, settings, journal)
                if settings.server.node is not None:
                    describe, directory = partial(services.describe_node, peer_url), services.nodes.directory
                    watch = partial(_yield_digits, describe, directory, stop, taken)
                    serving.start_soon(keep_running, "namesakes", watch)
                await trio.lowlevel.checkpoint()  # all of them have begun before anybody is told
                if colleagues is not None:
                    with trio.move_on_after(HEEDING_SECONDS):
                        await colleagues.heeds.wait()
                announce(*urls_of(listeners, operators))
                await systemd.notify("READY=1")
                leave_calls_alone()
                await until_told_to_stop(signals, partial(_reload, services, config, make_lines, systemd))
                # systemd's patience is the unit's, and ours the configuration's.
                patience = settings.limits.drain_seconds + settings.limits.close_seconds + AFTER_DRAIN_SECONDS
                await systemd.notify("STOPPING=1", "STATUS=draining", f"EXTEND_TIMEOUT_USEC={patience * 1e6:.0f}")
                http_pool.close()
                await _drain(services.registry, settings.limits.drain_seconds, signals)
                await services.hang_ups.stay_for_callbacks()
                if services.traces is not None:
                    await services.traces.flush()
                serving.cancel_scope.cancel(reason="drained")
            after_work.cancel_scope.deadline = trio.current_time() + AFTER_WORK_SECONDS
    log.info("stopped")
    for wrong in taken:
        raise wrong


def _start_watching(serving: trio.Nursery, services: Services, settings: Settings, journal: Journal) -> None:
    """Begin what watches over calls, costs and other daemons until this one has drained; each begins again if it fails.

    Args:
        serving: where they live.
        services: what they watch.
        settings: of the daemon.
        journal: where they find the dead.
    """
    serving.start_soon(keep_running, "loop_watch", services.metrics.watch_loop)
    if services.budget is not None:
        serving.start_soon(keep_running, "budget", partial(services.budget.watch, journal))
    costs = partial(services.feed.keep_costs, services.registry.live, lambda: services.overrun_alarm.prices)
    serving.start_soon(keep_running, "costs", costs)
    if services.context.samples is not None:
        serving.start_soon(keep_running, "samples", services.context.samples.keep)
    serving.start_soon(keep_running, "auditor", partial(services.overrun_alarm.watch, services.registry.live))
    recovery = OrphanRecovery(
        journal,
        services.rest,
        wall_clock,
        has_ended,
        services.overrun_alarm.settled,
        settings.journal.dead_after_seconds,
        services.nodes.directory.observe,
        services.closed_of_a_dead_node,
    )
    if services.traces is not None:
        serving.start_soon(keep_running, "telemetry", services.traces.run)
    serving.start_soon(keep_running, "reckoning", recovery.run)
    serving.start_soon(keep_running, "own_death", partial(heed_own_death, journal, services.registry))


async def _yield_digits(
    describe: Callable[[], Node], directory: NodeDirectory, stop: Callable[[], None], taken: list[ConfigError]
) -> None:
    """Drain when another machine has this one's digits by a better claim."""
    taken.append(await wait_to_yield(describe, directory))
    stop()


async def _reload(services: Services, config: Path, make_lines: LineMaker, systemd: Notifier) -> None:
    """Reload once, and tell systemd: not in trio's clock, which begins at a number of its own."""
    await systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}")
    refused = await services.reload(config, make_lines)
    # `systemctl reload` has long said yes; `systemctl status` shows this.
    await systemd.notify("READY=1", f"STATUS=reload refused: {refused[0]!r}" if refused else "STATUS=")


def _colleagues_at(slot: WorkerSlot, node: str) -> tuple[Colleagues, CallCounts]:
    counts = CallCounts(slot.call_counts, slot.count, slot.index)
    return Colleagues(Path(slot.directory), slot.index, slot.count, counts, node), counts


async def _open_listeners(settings: Settings, slot: WorkerSlot | None) -> Ports:
    """The ports: our own, or those that all processes of the services share."""
    if slot is None:
        return await open_ports(settings)
    return _listening(slot.listeners), _listening(slot.operator_listeners)


def _listening(descriptors: Iterable[int]) -> list[trio.SocketListener]:
    shared = (socket.socket(fileno=descriptor) for descriptor in descriptors)
    return [trio.SocketListener(trio.socket.from_stdlib_socket(listening)) for listening in shared]


async def _stop_with_supervisor() -> None:
    """Drain when the process that started this one is gone, which the end of standard input says."""
    async with trio.lowlevel.FdStream(os.dup(0)) as supervisor:
        await supervisor.receive_some(1)
    log.error("supervisor_gone", advice="its end is said in its own log, or it was killed")
    os.kill(os.getpid(), signal.SIGTERM)


async def _drain(registry: Registry, seconds: float, signals: AsyncIterator[int]) -> None:
    """Let live calls end, and end those that do not. A second SIGTERM or SIGINT ends them at once."""
    counts = registry.statistics()
    log.info("draining", live_calls=counts.live_calls, expected_calls=counts.expected_calls, drain_seconds=seconds)
    async with trio.open_nursery() as nursery:

        async def hurry() -> None:
            async for received in signals:
                if received in STOP:
                    nursery.start_soon(drain_now)

        async def drain_now() -> None:
            with contained("drain"):
                await drain(registry, 0)

        nursery.start_soon(keep_running, "hurry", hurry)
        await drain(registry, seconds)
        nursery.cancel_scope.cancel(reason="drained")
