"""Proof that work is linear: the time for twice as much, as a multiple of the time for once."""

import time

MIN_SECONDS = 0.004
"""Below it a clock tells little: what is done so quickly is not quadratic in thousands of letters."""


def ratio_of_twice(work, times):
    """About 2 for linear work, 4 for quadratic. Of the processor's time, at best of several."""
    return min(_seconds(work, 2 * times) for _ in range(3)) / max(
        min(_seconds(work, times) for _ in range(3)), MIN_SECONDS
    )


def _seconds(work, times):
    began = time.process_time()
    work(times)
    return time.process_time() - began
