"""The waveform of a recording: how loud each of its two channels is. Nobody hears anything, so nobody has listened."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from trio_voice.edges.web.answers import failure
from trio_voice.edges.web.operator.passing_on import NodeAway, passed_on

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from trio_voice.edges.web.context import AppContext
    from trio_voice.edges.web.operator.access import OperatorAccess
    from trio_voice.recorder.recordings import Found, Recordings

COLUMNS: Final = 800
"""At the most."""
BYTES_PER_SECOND: Final = 16_000
"""Two channels of 8,000 bytes."""


def _loudness(byte: int) -> int:
    """Of a sample of mu-law (ITU-T G.711), from 0 to 255."""
    value = ~byte & 0xFF
    magnitude = ((((value & 0x0F) << 3) + 0x84) << ((value & 0x70) >> 4)) - 0x84
    return min(255, magnitude * 255 // 32_124)


LOUDNESS: Final = bytes(map(_loudness, range(256)))
"""To translate samples with."""


def add_waveform(app: QuartTrio, context: AppContext, access: OperatorAccess) -> None:
    """The route that the page of a call asks."""

    @app.get("/console/calls/<call_id>/waveform")
    @access.lets_in
    async def waveform(call_id: str) -> Any:
        recordings = context.recordings
        found = None if recordings is None or recordings.is_open(call_id) else await recordings.find(call_id)
        if recordings is None or found is None:
            with suppress(NodeAway):
                theirs = await passed_on(context.nodes, call_id)
                if theirs is not None:
                    return theirs
            return failure(404, "no_recording", "nothing was recorded of this call, or it lives")
        caller, heard = await _peaks(recordings, found)
        return {"seconds": found.seconds, "caller": caller, "heard": heard}


async def _peaks(recordings: Recordings, found: Found) -> tuple[list[int], list[int]]:
    """The loudest sample of each column, of both channels."""
    length = round(found.seconds * BYTES_PER_SECOND)
    column = max(2, -(-length // COLUMNS) // 2 * 2 + 2)
    peaks: tuple[list[int], list[int]] = ([], [])
    waiting = b""
    async for piece in recordings.read(found, found.file_bytes - length, found.file_bytes):
        waiting += piece
        while len(waiting) >= column:
            _note(waiting[:column], peaks)
            waiting = waiting[column:]
    if len(waiting) > 1:
        _note(waiting, peaks)
    return peaks


def _note(samples: bytes, peaks: tuple[list[int], list[int]]) -> None:
    loud = samples.translate(LOUDNESS)
    for channel, found in enumerate(peaks):
        found.append(max(loud[channel::2], default=0))
