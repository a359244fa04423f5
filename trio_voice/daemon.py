"""The process: which lifetime is nested in which, signals, readiness, drain.

From the outside in, each using what is around it and outliving what is within:

    HTTP client      of Twilio's REST API
    after-work       phones that are still to be hung up when their calls are over
    server           connections, and on them the calls
    signals          SIGTERM and SIGINT drain, SIGHUP re-reads personas and numbers
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

import httpx2
import structlog
import trio

from trio_voice.call import wall_clock
from trio_voice.edges.app import Directory, Door, create_app
from trio_voice.edges.lane import Admission
from trio_voice.edges.server import Server
from trio_voice.edges.systemd import Notifier
from trio_voice.edges.twilio_rest import TwilioRest
from trio_voice.edges.twilio_webhooks import PublicUrl
from trio_voice.errors import ConfigError
from trio_voice.legs.kinds import KINDS
from trio_voice.reception import Reception
from trio_voice.record import TERMINAL_STATUSES
from trio_voice.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.config import Settings
    from trio_voice.legs.model import ModelLeg
    from trio_voice.persona import Limits, Persona
    from trio_voice.record import CallRecord

log: Final = structlog.stdlib.get_logger("trio_voice.daemon")

AFTER_WORK_SECONDS: Final = 10.0
"""For the last phones to be hung up once everything else has stopped."""
ONE_REQUEST_EACH: Final = httpx2.Limits(max_keepalive_connections=0)
"""A phone is hung up once a call; a connection kept for the next one would be a descriptor that belongs to nothing."""
HALF_OPEN_CONNECTIONS: Final = 100
"""Connections beyond the calls: webhooks, operators, scrapers, strangers."""


async def run_daemon(
    settings: Settings,
    announce: Callable[[str], None],
    reread: Callable[[], Settings],
) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Args:
        settings: checked.
        announce: called with the base URL once calls are accepted.
        reread: reads the configuration again on SIGHUP; raises ``ConfigError`` if it cannot be used.

    Raises:
        OSError: the address cannot be listened on.
    """
    systemd = Notifier(os.environ)
    host, port = settings.server.address
    listeners = await trio.open_tcp_listeners(port, host=host)
    async with httpx2.AsyncClient(limits=ONE_REQUEST_EACH) as http, trio.open_nursery() as after_work:
        registry = Registry(settings.limits)
        reception = Reception(registry, _model_opener(settings), _after_call(settings, after_work, http))
        door = _door(settings, reception)
        server = Server(
            create_app(door),
            door.admission,
            max_connections=settings.limits.max_calls + HALF_OPEN_CONNECTIONS,
        )
        async with trio.open_nursery() as serving:
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
                serving.start_soon(server.serve, listeners)
                serving.start_soon(systemd.feed_watchdog)
                bound_host, bound_port, *_ = listeners[0].socket.getsockname()
                announce(f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}")
                systemd.notify("READY=1")
                async for received in signals:
                    if received != signal.SIGHUP:
                        break
                    systemd.notify("RELOADING=1", f"MONOTONIC_USEC={trio.current_time() * 1e6:.0f}")
                    _reload(door, reread)
                    systemd.notify("READY=1")
                systemd.notify("STOPPING=1")
                await _drain(registry, settings.limits.drain_seconds, signals)
            serving.cancel_scope.cancel(reason="drained")
        after_work.cancel_scope.deadline = trio.current_time() + AFTER_WORK_SECONDS
    log.info("stopped")


async def _drain(registry: Registry, seconds: float, signals: object) -> None:
    """Let live calls end, and end those that do not. A second signal ends them at once."""
    counts = registry.statistics()
    log.info("draining", live_calls=counts.live_calls, drain_seconds=seconds)
    async with trio.open_nursery() as nursery:

        async def hurry() -> None:
            async for _ in signals:  # type: ignore[attr-defined]  # trio gives the iterator no name
                nursery.start_soon(registry.drain, 0)

        nursery.start_soon(hurry)
        await registry.drain(seconds)
        nursery.cancel_scope.cancel(reason="drained")


def _model_opener(settings: Settings) -> Callable[[Persona, Limits, CallRecord], ModelLeg]:
    def open_model(persona: Persona, limits: Limits, record: CallRecord) -> ModelLeg:
        model = settings.models[persona.model]
        kind = KINDS[model.kind]
        return kind.make(model, persona, limits, record, settings.secrets.get(kind.secret) or "", wall_clock)

    return open_model


def _after_call(settings: Settings, after_work: trio.Nursery, http: httpx2.AsyncClient) -> Callable[[CallRecord], None]:
    """What is done about a phone once its call's sockets are closed: it is hung up, unless it is known to be."""
    account, token = settings.account_sid, settings.secrets.get("TWILIO_AUTH_TOKEN")
    if account is None or token is None:
        log.warning("no_rest", advice="set account_sid and TWILIO_AUTH_TOKEN so that phones can be hung up by REST")
        return lambda _record: None
    rest = TwilioRest(account, token, settings.twilio.api_url, http)

    def hang_up(record: CallRecord) -> None:
        if record.call_sid is not None and record.twilio_status not in TERMINAL_STATUSES:
            after_work.start_soon(rest.hang_up, record.call_sid)

    return hang_up


def _door(settings: Settings, reception: Reception) -> Door:
    public_url = PublicUrl(settings.server.public_url)
    token = settings.secrets.get("TWILIO_AUTH_TOKEN") if settings.twilio.validate_signatures else None
    if token is None:
        log.warning("signatures_unchecked", advice="anybody may open a model session: set validate_signatures = true")
    return Door(
        admission=Admission(reception, public_url, token),
        public_url=public_url,
        directory=Directory(settings.personas, settings.numbers),
        auth_token=token,
        api_token=settings.secrets.get("TRIO_VOICE_API_TOKEN"),
    )


def _reload(door: Door, reread: Callable[[], Settings]) -> None:
    """Take over personas and numbers; live calls keep what they began with."""
    try:
        settings = reread()
    except ConfigError as wrong:
        log.error("reload_refused", problems=wrong.problems)  # noqa: TRY400 - the problems say it all
        return
    old, new = door.directory, Directory(settings.personas, settings.numbers)
    changed = {
        "personas_added": sorted(new.personas.keys() - old.personas.keys()),
        "personas_removed": sorted(old.personas.keys() - new.personas.keys()),
        "personas_changed": sorted(
            name for name in new.personas.keys() & old.personas.keys() if new.personas[name] != old.personas[name]
        ),
        "numbers_changed": new.numbers != old.numbers,
    }
    door.directory = new
    log.info("reloaded", **changed)
