"""A call whose voice's socket never opens: what the caller hears, and when."""

import trio

from tests.calls import SCRIPT
from tests.chains import Chain, live_chain
from trio_voice.audio.mulaw import encode
from trio_voice.persona import Line, Lines
from trio_voice.speech_text.languages import phrases_of

WORDS = phrases_of("en-US")
LINES = Lines(fillers=tuple(Line(text, encode(b"\x2a" * 8_000)) for text in WORDS.fillers))


async def test_the_first_filler_is_said_by_this_machine_after_dead_air_seconds(autojump_clock):
    async with live_chain(model=Chain(voice_opens_after=60, filler=""), script=SCRIPT, lines=LINES) as rig:
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(5)
        heard = [line for line in rig.record.transcript if line.role == "agent"]
        rig.twilio.hang_up()
    assert [line.text for line in heard] == [WORDS.fillers[0]]
    assert rig.record.counters["dead_air_ms"] == 2_500
