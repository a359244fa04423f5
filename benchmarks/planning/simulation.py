"""A fleet of nodes, simulated: callers come and go, nodes are added, restarted and lost. No I/O, and a seed.

Time goes in steps. How long a call lasts is drawn anew in each step from an exponential distribution, so that a node
is no more than the number of its calls; new calls are dealt to the nodes that are ready in turn, as the balancer's
examples do it, and not to one that is full.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

STEP_SECONDS = 10.0
LOOK_SECONDS = 60.0
"""Between two looks of the autoscaler at the number of live calls."""
PATIENCE_SECONDS = 600.0
"""Time for which fewer nodes must be enough before one is drained."""
OFF, BOOTING, READY, DRAINING, RESTARTING = range(5)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One fleet and its day."""

    peak_calls: int
    """Live at once in the busiest hour, if nobody is refused."""
    seats: int
    """``max_calls`` of a node."""
    call_seconds: float = 180.0
    outbound_share: float = 0.3
    night_share: float = 0.3
    """Of the calls of the busiest hour."""
    ramp_seconds: float = 5_400.0
    """From night to the busiest hour, and back."""
    peak_seconds: float = 5_400.0
    target: float = 0.65
    """Share of the seats that the autoscaler wants taken."""
    least_nodes: int = 2
    boot_seconds: float = 120.0
    """From the autoscaler's wish to a node that is ready."""
    restart_seconds: float = 10.0
    drain_seconds: float = 120.0
    batch: float = 0.1
    """Share of the nodes that a rolling restart drains at a time."""
    pace_margin: float = 1.1
    """``calls_per_second`` as a multiple of what is placed in the busiest hour."""
    seed: int = 1

    @property
    def busiest(self) -> float:
        """Calls that begin in a second of the busiest hour."""
        return self.peak_calls / self.call_seconds

    @property
    def pace(self) -> float:
        """``[twilio] calls_per_second``: what the account must allow."""
        return self.busiest * self.outbound_share * self.pace_margin


@dataclass
class Told:
    """Outcome of a day."""

    calls: int = 0
    refused: int = 0
    """Told that nobody takes the call, or not placed: no node had a seat."""
    most_live: int = 0
    most_nodes: int = 0
    node_seconds: float = 0.0
    seconds: float = 0.0
    died_with: int = 0
    """Calls of the node that died in the busiest hour, the one that had most."""
    cut_by_restart: int = 0
    """Calls that outlasted ``drain_seconds`` of the rolling restart."""
    cut_by_scaling: int = 0
    """The same, of nodes that were too many."""
    restart_seconds: float = math.inf
    """Time that the rolling restart took; endless if the day was too short for it."""
    longest_queue_seconds: float = 0.0
    """Time that a call which we place waits for the account's pace, at most."""
    nodes: list[int] = field(default_factory=list)
    """Nodes that are paid for, by step."""


class Fleet:
    """The state of it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.told = Told()
        # The legacy generator, whose numbers are promised to stay the same in every later version.
        self._random = np.random.RandomState(plan.seed)
        most = plan.least_nodes + math.ceil(3 * plan.peak_calls / plan.seats)
        self._state = np.full(most, OFF)
        self._live = np.zeros(most, dtype=np.int64)
        self._until = np.zeros(most)
        """Of a node that boots or restarts, the time at which it is ready; of one that drains, that of its goodbye."""
        self._rolls = np.zeros(most, dtype=bool)
        """Nodes that come back when they have drained."""
        self._to_roll: list[int] = []
        self._enough_since = 0.0
        self._queue = 0
        """Calls that wait for the account's pace."""
        self._allowed = 0.0

    def wanted_now(self, now: float) -> float:
        """Calls that begin in a second, by the time of the day."""
        plan = self.plan
        rising = now / plan.ramp_seconds
        falling = (2 * plan.ramp_seconds + plan.peak_seconds - now) / plan.ramp_seconds
        share = max(0.0, min(1.0, rising, falling))
        return plan.busiest * (plan.night_share + (1 - plan.night_share) * share)

    def run(self) -> Told:
        """Play the whole day."""
        plan = self.plan
        self._state[: self._enough_for(plan.peak_calls * plan.night_share)] = READY
        ready = self._state == READY
        self._live[ready] = int(plan.peak_calls * plan.night_share / ready.sum())
        ends = 2 * plan.ramp_seconds + plan.peak_seconds
        restart_at, dies_at = plan.ramp_seconds + plan.peak_seconds / 4, plan.ramp_seconds + plan.peak_seconds * 3 / 4
        restarted_at: float | None = None
        for step in range(int(ends / STEP_SECONDS)):
            now = step * STEP_SECONDS
            self._calls_end()
            self._nodes_change(now)
            self._calls_begin(now)
            if now == restart_at:
                restarted_at = now
                self._to_roll = [int(node) for node in np.flatnonzero(self._state == READY)]
            if restarted_at is not None:
                self._roll(now)
                if not self._to_roll and not self._rolls.any():
                    self.told.restart_seconds, restarted_at = now - restarted_at, None
            if now == dies_at:
                self._one_dies()
            if now % LOOK_SECONDS == 0:
                self._scale(now, rolling=restarted_at is not None)
            self._note()
        self.told.seconds = ends
        return self.told

    def _enough_for(self, calls: float) -> int:
        return max(self.plan.least_nodes, math.ceil(calls / (self.plan.seats * self.plan.target)))

    def _calls_end(self) -> None:
        self._live -= self._random.binomial(self._live, 1 - math.exp(-STEP_SECONDS / self.plan.call_seconds))

    def _nodes_change(self, now: float) -> None:
        """Let nodes that boot be ready, and those that drain go when they are empty or their time is over."""
        due = self._until <= now
        self._state[due & ((self._state == BOOTING) | (self._state == RESTARTING))] = READY
        draining = self._state == DRAINING
        over = draining & due
        self.told.cut_by_restart += int(self._live[over & self._rolls].sum())
        self.told.cut_by_scaling += int(self._live[over & ~self._rolls].sum())
        self._live[over] = 0
        empty = draining & (self._live == 0)
        back = empty & self._rolls
        self._state[empty] = OFF
        self._state[back] = RESTARTING
        self._until[back] = now + self.plan.restart_seconds
        self._rolls[back] = False

    def _calls_begin(self, now: float) -> None:
        """Callers ring, and calls are placed as fast as the account allows."""
        came = int(self._random.poisson(self.wanted_now(now) * STEP_SECONDS))
        to_place = int(self._random.binomial(came, self.plan.outbound_share))
        self._queue += to_place
        self._allowed = min(self._allowed, 1.0) + self.plan.pace * STEP_SECONDS  # a pause earns no more than one call
        placed = int(min(self._queue, self._allowed))
        self._queue -= placed
        self._allowed -= placed
        self.told.longest_queue_seconds = max(self.told.longest_queue_seconds, self._queue / self.plan.pace)
        calls = came - to_place + placed
        self.told.calls += calls
        self.told.refused += self._deal(calls)

    def _deal(self, calls: int) -> int:
        """Give new calls to the nodes in turn; the number for which there was no seat."""
        while calls:
            open_to = np.flatnonzero((self._state == READY) & (self._live < self.plan.seats))
            if not len(open_to):
                break
            each, more = divmod(calls, len(open_to))
            share = np.full(len(open_to), each)
            share[self._random.permutation(len(open_to))[:more]] += 1
            taken = np.minimum(share, self.plan.seats - self._live[open_to])
            self._live[open_to] += taken
            calls -= int(taken.sum())
        return calls

    def _roll(self, now: float) -> None:
        """Drain the next nodes of a rolling restart once those before are back."""
        if self._rolls.any() or (self._state == RESTARTING).any():
            return
        batch = max(1, int(self.plan.batch * (self._state == READY).sum()))
        chosen = [node for node in self._to_roll[:batch] if self._state[node] == READY]
        self._to_roll = self._to_roll[batch:]
        self._drain(chosen, now)
        self._rolls[chosen] = True

    def _drain(self, nodes: list[int], now: float) -> None:
        self._state[nodes] = DRAINING
        self._until[nodes] = now + self.plan.drain_seconds

    def _one_dies(self) -> None:
        dying = int(np.argmax(self._live * (self._state == READY)))
        self.told.died_with = int(self._live[dying])
        self._live[dying], self._state[dying] = 0, OFF

    def _scale(self, now: float, *, rolling: bool) -> None:
        """Add at once what is missing; take away one in twenty that has long been too many."""
        wanted = self._enough_for(float(self._live.sum()))
        there = int(((self._state == READY) | (self._state == BOOTING) | (self._state == RESTARTING)).sum())
        if wanted >= there or rolling:
            self._enough_since = now
        missing = wanted - there
        if missing > 0:
            new = np.flatnonzero(self._state == OFF)[:missing]
            self._state[new] = BOOTING
            self._until[new] = now + self.plan.boot_seconds
        elif now - self._enough_since >= PATIENCE_SECONDS:
            ready = np.flatnonzero(self._state == READY)
            emptiest = ready[np.argsort(self._live[ready], kind="stable")]
            surplus = min(there - wanted, max(1, there // 20))
            self._drain([int(node) for node in emptiest[:surplus]], now)

    def _note(self) -> None:
        nodes, live = int((self._state != OFF).sum()), int(self._live.sum())
        self.told.nodes.append(nodes)
        self.told.node_seconds += nodes * STEP_SECONDS
        self.told.most_nodes = max(self.told.most_nodes, nodes)
        self.told.most_live = max(self.told.most_live, live)


def play(plan: Plan) -> Told:
    """The outcome of a plan's day."""
    return Fleet(plan).run()
