"""Figures of one relay, each from one run of its process."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from relaying.audio import FRAME_SECONDS
from relaying.load import Load
from relaying.relays import PACING, running

if TYPE_CHECKING:
    import ssl
    from array import array

    from relaying.load import Call, Window
    from relaying.relays import Relay, Running

WEBHOOKS = 100
SETTLE_SECONDS = 1.5
OPENING_SECONDS = 5.0
TOO_LATE_SECONDS = 0.020
"""The added delay beyond which a relay holds no more calls: one frame."""
FINE_STEP_CALLS, STEP_CALLS, STEP_SECONDS, MAX_CALLS = 5, 20, 2.5, 600
FEW_CALLS = 40
"""The search goes in fine steps up to here."""
USUAL_SECONDS = 10.0
"""Long enough that a few calls' bursts, one a second, have met every moment of a resampler's block."""
MANY_CALLS, MANY_SECONDS = (10, 30, 100, 300, 1_000), 4.0
REAL_TIME_CALLS = 100
BUSY_LOAD = 0.85
"""Share of its core at which the load itself may be what is slow."""

Figures = dict[str, float]


def percentile(values: array[float], share: float) -> float:
    """Such a share of the values is at or below this; 0 for none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def figures_at(relay: Relay, calls: int, seconds: float, tls: ssl.SSLContext | None, authorities: str) -> Figures:
    """Everything that can be told from a fixed number of echoing calls."""
    load = Load(relay.speaking, tls=tls)
    calls = min(calls, relay.most_calls)
    few = min(10, calls // 2)
    with running(relay, load.model_url, authorities) as process:
        figures = {"calls": float(calls), "start_up_ms": process.started_in * 1000} | _webhooks(process)
        _add(load, process, few)
        load.run(SETTLE_SECONDS)
        before = process.resident_bytes()
        _add(load, process, calls - few)
        load.run(SETTLE_SECONDS)
        cpu = process.cpu()
        window = load.run(seconds)
        cpu = process.cpu() - cpu
        figures |= {
            "cpu_us": cpu / max(1, window.frames) * 1e6,
            "frames_lost": 1 - window.frames / (2 * calls * window.seconds / FRAME_SECONDS),
            "memory_kb": (process.resident_bytes() - before) / (calls - few) / 1000,
        }
        figures |= _delays(window)
        figures |= _stops(load)
    load.close()
    return figures


def _add(load: Load, process: Running, calls: int) -> None:
    for _ in range(calls):
        _open(load, load.add(process.webhook()))


def _open(load: Load, call: Call) -> None:
    load.run(0.005)
    if load.one_at_a_time:
        load.run(OPENING_SECONDS, until=lambda: call.model is not None)


def _webhooks(process: Running) -> Figures:
    process.webhook()
    cpu, took = process.cpu(), []
    for _ in range(WEBHOOKS):
        began = time.perf_counter()
        process.webhook()
        took.append(time.perf_counter() - began)
    cpu = process.cpu() - cpu
    return {"twiml_cpu_ms": cpu / WEBHOOKS * 1000, "twiml_ms": statistics.median(took) * 1000}


def _delays(window: Window) -> Figures:
    return {
        "delay_p50_ms": percentile(window.delays, 0.5) * 1000,
        "delay_p99_ms": percentile(window.delays, 0.99) * 1000,
        "load_late_p99_ms": percentile(window.lateness, 0.99) * 1000,
        "load_busy": window.load_cpu / window.seconds,
    }


def _stops(load: Load) -> Figures:
    """Hang all calls up, one after the other while the rest goes on."""
    for call in list(load.calls.values()):
        load.stop(call)
        load.run(0.01)
    load.run(3, until=lambda: all(call.closed_after is not None for call in load.calls.values()))
    took = sorted(call.closed_after or float("inf") for call in load.calls.values())
    return {"stop_p50_ms": took[len(took) // 2] * 1000, "stop_p99_ms": took[int(len(took) * 0.99)] * 1000}


def figures_of_the_limit(relay: Relay, tls: ssl.SSLContext | None, authorities: str) -> Figures:
    """Number of calls that a core holds, the delay at half of that, and CPU a frame at each number of calls on the way.

    A relay that transcodes holds audio back, by design and longer than a frame. What is looked for there is the number
    at which it does so a frame longer than with the fewest calls, on the way to the model: towards the caller it paces.
    """
    load = Load(relay.speaking, tls=tls)
    slope: Figures = {}
    with running(relay, load.model_url, authorities) as process:
        held, failed, usual = 0, False, 0.0
        while not failed and len(load.calls) < MAX_CALLS:
            step = FINE_STEP_CALLS if len(load.calls) < FEW_CALLS else STEP_CALLS
            calls = len(load.calls) + step
            _add(load, process, step)
            load.run(0.5)
            cpu = process.cpu()
            window = load.run(STEP_SECONDS)
            cpu = process.cpu() - cpu
            slope[f"cpu_us_at_{calls}"] = cpu / max(1, window.frames) * 1e6
            if relay.speaking.transcoded and not held:
                usual = percentile(load.run(USUAL_SECONDS).upward, 0.99)
            failed = is_late(window, usual)
            if failed and percentile(window.lateness, 0.99) > TOO_LATE_SECONDS / 2:
                window = load.run(STEP_SECONDS)  # it was the load that was late: somebody else used its core
                failed = is_late(window, usual)
            if not failed:
                held = calls
            bound = window.load_cpu / window.seconds > BUSY_LOAD
    load.close()
    figures = {"calls_held": float(held), "load_was_the_limit": float(bound)} | slope
    load = Load(relay.speaking, tls=tls)
    with running(relay, load.model_url, authorities) as process:
        _add(load, process, max(1, held // 2))
        load.run(SETTLE_SECONDS)
        half = _delays(load.run(5))
    load.close()
    return figures | {f"half_{name}": value for name, value in half.items()}


def is_late(window: Window, usual: float) -> bool:
    """True if that was too much for a relay that holds audio back for the ``usual`` seconds, if any, in any case."""
    delays = window.upward if usual else window.delays
    return percentile(delays, 0.99) > usual + TOO_LATE_SECONDS


def figures_of_many(relay: Relay, tls: ssl.SSLContext | None, authorities: str) -> Figures:
    """Costs of live calls, from ten to a thousand in one process.

    Beyond ``REAL_TIME_CALLS`` a call sends fewer frames, so that all of them together send as many: a thousand calls in
    real time are more than the load has a core for, and what is looked for is what the number of calls itself costs.
    """
    load = Load(relay.speaking, tls=tls)
    figures: Figures = {}
    with running(relay, load.model_url, authorities) as process:
        bytes_before, calls_before = process.resident_bytes(), 0
        for calls in MANY_CALLS:
            load.pace(FRAME_SECONDS * max(1, calls / REAL_TIME_CALLS))  # before: the new ones are not to be too much
            _add(load, process, calls - calls_before)
            load.run(SETTLE_SECONDS)
            cpu = process.cpu()
            window = load.run(MANY_SECONDS)
            cpu = process.cpu() - cpu
            resident = process.resident_bytes()
            figures |= {
                f"many_frames_at_{calls}": window.frames / window.seconds,
                f"many_cpu_us_at_{calls}": cpu / max(1, window.frames) * 1e6,
                f"many_delay_p99_ms_at_{calls}": percentile(window.delays, 0.99) * 1000,
                f"many_memory_kb_at_{calls}": (resident - bytes_before) / (calls - calls_before) / 1000,
            }
            bytes_before, calls_before = resident, calls
        figures |= {f"many_{name}": value for name, value in _stops(load).items()}
    load.close()
    return figures


def figures_of_conversations(
    relay: Relay, calls: int, seconds: float, tls: ssl.SSLContext | None, authorities: str
) -> Figures:
    """The realistic mix: turns, bursts faster than speech, silence, barge-in."""
    load = Load(relay.speaking, conversing=True, tls=tls)
    calls = min(calls, relay.most_calls)
    with running(PACING.get(relay.name, relay), load.model_url, authorities) as process:
        _add(load, process, calls)
        load.run(9)
        cpu = process.cpu()
        window = load.run(seconds)
        cpu = process.cpu() - cpu
    load.close()
    return {
        "talk_cpu_ms": cpu / (calls * window.seconds) * 1000,
        "talk_delay_p99_ms": percentile(window.upward, 0.99) * 1000,
        "talk_clear_p99_ms": percentile(window.clears, 0.99) * 1000,
        "talk_clears": float(len(window.clears)),
    }
