"""Reports of ears. Times are milliseconds of audio since the first byte that was heard."""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs

SILENCE_MS: Final = 448
"""After so much silence a speaker has finished, unless ears are told otherwise. 14 windows of 32 ms: longer than the
pauses within a sentence, and not much longer, since the speaker waits for all of it."""


@attrs.frozen
class SpeechStarted:
    """Somebody is speaking, and has been since ``at_ms``.

    Reported about 100 ms after it: so long it takes to tell speech from a click.
    """

    at_ms: int
    utterance: None = attrs.field(init=False, default=None, repr=False)
    """Nothing is complete yet."""


@attrs.frozen
class SpeechStopped:
    """The speaker has been silent since ``at_ms``, long enough to have finished.

    ``utterance`` is what was said, with the silence around it: 16-bit little-endian PCM, mono, 8 kHz, never longer than
    30 s. Whoever speaks for longer is cut there, and another ``SpeechStarted`` follows.
    """

    at_ms: int
    utterance: bytes


Heard: TypeAlias = SpeechStarted | SpeechStopped
