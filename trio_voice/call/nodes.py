"""The nodes of a fleet of several machines, as one of them sees the others.

Every call id begins with the two digits of the node that holds the call. What a node tells the others of itself stands
with its heartbeat in the journal, so a node that is new is known to all within seconds, and nobody lists the others in
a file.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from trio_voice.journal import Run

READY: Final = "ready"
DRAINING: Final = "draining"
FRESH_SECONDS: Final = 15.0
"""A node whose heart was heard so recently may be sent a call: three beats."""
DEFAULT_DIGITS: Final = "00"
ORDINAL: Final = "ordinal"
_MOST: Final = 255


def node_digits(written: str | None, host_name: str) -> str:
    """The digits of this machine.

    Args:
        written: ``[server] node``.
        host_name: of this machine.

    Raises:
        ValueError: there are none; the message says why.
    """
    if written is None:
        return DEFAULT_DIGITS
    if written == ORDINAL:
        number = re.search(r"([0-9]+)$", host_name.partition(".")[0])
        if number is None or int(number[1]) > _MOST:
            raise ValueError(
                f'"{ORDINAL}" is the number at the end of the host name, at most {_MOST}, and this one is {host_name!r}'
            )
        return f"{int(number[1]):02x}"
    if not re.fullmatch("[0-9a-f]{2}", written):
        raise ValueError(f'must be two lower-case hexadecimal digits, like "1f", or "{ORDINAL}", not {written!r}')
    return written


@attrs.frozen(kw_only=True)
class Node:
    """Facts that a node tells of itself, with each heartbeat of each of its processes."""

    digits: str
    node_url: str
    """Address at which Twilio reaches it."""
    peer_url: str
    """Address at which other nodes do."""
    host: str = ""
    status: str = READY
    """As ``/readyz`` has it."""
    seats: int = 0
    """Calls that are live or promised; by this name in the journal."""
    max_calls: int = 0
    since: str = ""
    """Time at which it began to be this node, by its own clock."""
    was_free: bool = True
    """True if the journal said then that nobody else had these digits; false if the journal was not there."""

    @property
    def address(self) -> tuple[str, str]:
        """Machine that it is, as far as it can be told: two of one address are one, restarted."""
        return self.host, self.peer_url

    def yields_to(self, other: Node) -> bool:
        """True if, of two that live and have the same digits, the other one keeps them.

        Whoever took them while they were free has found that the one before did not live, which therefore goes. Who
        took them without having looked goes before anybody who did.
        """
        if self.was_free != other.was_free:
            return other.was_free
        mine, theirs = (self.since, self.address), (other.since, other.address)
        return mine < theirs if self.was_free else mine > theirs

    def as_text(self) -> str:
        """As it stands in the journal."""
        return json.dumps(attrs.asdict(self))


def node_of(run: Run) -> Node | None:
    """Facts that a run tells of its node; ``None`` if it tells nothing, or what no node of this version would."""
    try:
        told: dict[str, Any] = json.loads(run.node_state)
        known = {name: told[name] for name in attrs.fields_dict(Node) if name in told}
        node = Node(**known)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (node.digits, node.node_url, node.peer_url, node.host, node.status, node.since)
    numbers = (node.seats, node.max_calls, node.was_free)
    is_sound = all(isinstance(text, str) for text in texts) and all(isinstance(number, int) for number in numbers)
    if not is_sound or not re.fullmatch("[0-9a-f]{2}", node.digits):
        return None
    return node if _is_address(node.node_url) and _is_address(node.peer_url) else None


def _is_address(url: str) -> bool:
    """True if something can be asked there, as far as its form goes."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for what is no port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


class NodeDirectory:
    """The other nodes that live, as the last look at the journal had them.

    Args:
        digits: of this one.
    """

    def __init__(self, digits: str) -> None:
        self.digits = digits
        self._beats: dict[str, tuple[datetime, float]] = {}
        """The last heartbeat of each run, and when it was first seen."""
        self._nodes: dict[str, tuple[Node, list[Run]]] = {}
        self.namesakes: list[Node] = []
        """Facts of each run with our own digits whose heart was just seen to beat, those of ours among them."""

    def observe(self, runs: Iterable[Run], gone: AbstractSet[str]) -> None:
        """Take over what was read: all runs that are not settled, and the ids of those that are gone."""
        now, before = trio.current_time(), self._beats
        self._beats, self._nodes, self.namesakes = {}, {}, []
        for run in runs:
            beat, since = before.get(run.run_id, (None, now))
            self._beats[run.run_id] = (run.beat_at, since if beat == run.beat_at else now)
            node = node_of(run)
            if run.run_id in gone or node is None:
                continue
            if node.digits == self.digits:
                if beat not in (None, run.beat_at):
                    self.namesakes.append(node)
                continue
            known, theirs = self._nodes.get(node.digits, (node, []))
            newest = max((known, node), key=lambda each: each.status == DRAINING)
            self._nodes[node.digits] = (newest, [*theirs, run])

    @property
    def others(self) -> list[Node]:
        """All of them."""
        return [node for node, _ in self._nodes.values()]

    def at(self, digits: str) -> Node | None:
        """The one with these digits, if it lives."""
        found = self._nodes.get(digits)
        return None if found is None else found[0]

    def runs_of(self, digits: str) -> list[Run]:
        """The lives of its processes."""
        return self._nodes[digits][1] if digits in self._nodes else []

    def takers(self, but_not: AbstractSet[str] = frozenset()) -> list[Node]:
        """Those that take calls, the one with most room first."""
        now = trio.current_time()
        found = [
            node
            for node, runs in self._nodes.values()
            if node.digits not in but_not
            and node.status == READY
            and any(now - self._beats[run.run_id][1] < FRESH_SECONDS for run in runs)
        ]
        return sorted(found, key=lambda node: node.seats - node.max_calls)
