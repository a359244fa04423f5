"""``[limits]``: the bounds that one call begins with and keeps, and those of all calls together."""

from __future__ import annotations

from typing import Final

import attrs

from trio_voice.setting_fields import positive

MAX_LEAD_SECONDS: Final = 4.0
"""Some 220 messages of 20 ms and their marks at once, where 256 may wait for Twilio's socket (``legs/caller.py``)."""


@attrs.frozen(kw_only=True)
class Limits:
    """``[limits]``: bounds of every call, and of all of them together. The names are config.toml's."""

    max_calls: int = positive(100)
    """Calls that may live at once, over all workers. Callers beyond it hear that no call can be taken."""
    time_limit_seconds: float = positive(600)
    """A call's length, from the moment its stream is accepted. A persona may have its own."""
    idle_seconds: float = positive(60)
    """Silence of the caller after which the call ends, while nobody else has the floor. A persona may have its own."""
    start_seconds: float = positive(5)
    """From the opening of the stream's socket to Twilio's ``start``."""
    media_gap_seconds: float = positive(10)
    """Time without a frame from Twilio, which sends one every 20 ms even in silence, until the caller is asked for."""
    model_ready_seconds: float = positive(10)
    """From opening the model's socket to its being ready to talk, tries included."""
    close_seconds: float = positive(2)
    """Both sockets are closed within this time of the first sign of the end, whatever the peers do."""
    drain_seconds: float = positive(120)
    """From SIGTERM to the last goodbye: live calls may go on for so long."""
    tool_seconds: float = positive(10)
    """Time for one tool; then the model is told that it took too long."""
    ring_seconds: float = positive(30)
    """Ringing of a call that is placed, until it is given up."""
    daily_cost: float | None = positive()
    """Ceiling on what all calls of a day (UTC) cost together, in the currency of ``[prices]``, over all nodes of a
    journal. A call that could pass it is refused (``budget``). Without it there is none."""
    playback_lead_seconds: float = positive(1, at_most=MAX_LEAD_SECONDS)
    """Audio that is handed to Twilio ahead of the caller's ear; the rest waits where a barge-in discards it."""
    dead_air_seconds: float = positive(2.5)
    """Silence while an answer is owed, after which a filler is said."""
