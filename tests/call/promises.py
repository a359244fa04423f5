"""A stub of a call, for who keeps or ends calls."""

import pytest
import trio

from trio_voice.errors import CallRefused
from trio_voice.persona import Persona
from trio_voice.record import CallRecord, EndReason

PERSONA = Persona(name="p", model="m")


class StubCall:
    """A call that ends when it is told to, or when it wants to."""

    def __init__(self, call_id="c1", call_sid="CA1"):
        self.record = CallRecord(
            call_id=call_id, call_sid=call_sid, direction="inbound", persona="p", from_number="", to_number=""
        )
        self.over = trio.Event()
        self.ended_for = []
        self.machines = 0
        self.last_words = []

    def machine_answered(self):
        self.machines += 1

    def say_last_words(self, reason, detail):
        self.last_words.append((trio.current_time(), reason))

    def phone_over(self, detail):
        self.end(EndReason.TWILIO_ENDED, detail)

    def end(self, reason, detail):
        self.ended_for.append((reason, detail))
        self.over.set()

    async def live(self, registry):
        with registry.living(self):
            await self.over.wait()


def expect(registry, call_sid="CA1"):
    return registry.expect(PERSONA, direction="inbound", from_number="+1", to_number="+2", call_sid=call_sid)


def refusal(action, *args):
    with pytest.raises(CallRefused) as refused:
        action(*args)
    return refused.value.code
