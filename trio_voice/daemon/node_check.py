"""Two nodes of one name would take each other's calls: whoever comes second does not start.

A node that was killed, and comes back at another address, may: its heart is listened for. And one that was only
frozen meanwhile goes when it sees that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx2
import structlog
import trio

from trio_voice.call.nodes import node_of
from trio_voice.edges import bounded_answer
from trio_voice.edges.web.nodes import json_of
from trio_voice.errors import ConfigError
from trio_voice.journal import JournalUnavailable, Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.call.nodes import Node, NodeDirectory
    from trio_voice.journal import Journal, Run

log: Final = structlog.stdlib.get_logger("trio_voice.nodes")

ASK_SECONDS: Final = 1.0
"""For the other one to say who it is."""
MAX_ANSWER_BYTES: Final = 65_536
LISTEN_SECONDS: Final = Pace().beat_seconds + 2.5
"""For its next heartbeat, if it lives."""
LOOK_SECONDS: Final = 0.5


async def refuse_second_of(node: Node, journal: Journal, has_ended: Callable[[str], bool]) -> bool:
    """Look whether a living node of another address has these digits. Without the journal nobody knows, and we start.

    Args:
        node: this one.
        journal: of the fleet.
        has_ended: whether a process is certainly gone.

    Returns:
        Whether nobody has them, as far as the journal says.

    Raises:
        ConfigError: there is one; it is named.
    """
    try:
        suspects = [
            (run, other)
            for run in await journal.other_runs()
            if (other := node_of(run)) is not None
            and other.digits == node.digits
            and other.address != node.address
            and run.ended_at is None
            and run.declared_dead_by is None
            and not has_ended(run.process)
        ]
        for run, other in suspects:
            if await _answers(other) or await _beats(run, journal):
                raise ConfigError([_problem(other)])
    except JournalUnavailable as trouble:
        log.warning("nodes_unknown", error=str(trouble), effect="nobody knows whether another node has these digits")
        return False
    return True


async def wait_to_yield(describe: Callable[[], Node], directory: NodeDirectory) -> ConfigError:
    """Wait until another machine is seen to live by these digits and to have the better claim to them.

    That may be if this one had stood still, or was cut off from the journal, and another was started in its place.

    Args:
        describe: this node, as it is now.
        directory: what is looked at; it is told of others' heartbeats.

    Returns:
        With which this daemon is to end, once its calls are over. Cancelling is safe.
    """
    while True:
        await trio.sleep(LOOK_SECONDS)
        node = describe()
        for other in directory.namesakes:
            if other.address != node.address and node.yields_to(other):
                problem = _problem(other)
                log.error("node_digits_taken", problem=problem, effect="no more calls are taken, and this node ends")
                return ConfigError([problem])


def _problem(other: Node) -> str:
    there = f"{other.peer_url} (host {other.host})"
    return f'server.node: "{other.digits}" is the living node at {there}: give each machine its own digits'


async def _answers(other: Node) -> bool:
    url = f"{other.peer_url}/readyz"
    try:
        answer = await bounded_answer.ask_once("GET", url, seconds=ASK_SECONDS, most_bytes=MAX_ANSWER_BYTES)
    except httpx2.HTTPError:
        return False
    return json_of(answer).get("node") == other.digits


async def _beats(run: Run, journal: Journal) -> bool:
    with trio.move_on_after(LISTEN_SECONDS):
        while True:
            await trio.sleep(LOOK_SECONDS)
            now = next((each for each in await journal.other_runs() if each.run_id == run.run_id), None)
            if now is None or now.ended_at is not None:
                return False
            if now.beat_at != run.beat_at:
                return True
    return False
