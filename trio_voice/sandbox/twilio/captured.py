"""A real Media Stream, as Twilio sent it: 7.26 s of one call, 366 messages, from ``connected`` to ``stop``.

Captured by others and published under the ISC licence (DK013/twilio-media-stream-capture); the SIDs in it mean nothing.
"""

from importlib.resources import files


def captured_stream() -> list[str]:
    """The stream's messages, one JSON text each, in order."""
    return (files("trio_voice.sandbox") / "data" / "twilio-stream-hello-world.jsonl").read_text().splitlines()
