"""A real Media Stream, as Twilio sent it: 7.26 s of one call, 366 messages, from ``connected`` to ``stop``.

Captured by others and published under the ISC licence (DK013/twilio-media-stream-capture); the SIDs in it mean nothing.
"""

import json
from importlib.resources import files
from typing import Final

WORDS_MS: Final = (1_000, 3_400)
"""Part of it in which somebody speaks."""


def captured_stream() -> list[str]:
    """The stream's messages, one JSON text each, in order."""
    return (files("trio_voice.sandbox") / "data" / "twilio-stream-hello-world.jsonl").read_text().splitlines()


def captured_words() -> list[str]:
    """Sound of the two words that are said in it: base64 of mu-law, 20 ms each."""
    media = (each["media"] for each in map(json.loads, captured_stream()) if each["event"] == "media")
    return [each["payload"] for each in media if WORDS_MS[0] <= int(each["timestamp"]) < WORDS_MS[1]]
