"""Account of the sandbox's Twilio, as far as its calls know it, and the records that calls are made of."""

from __future__ import annotations

import math
import uuid
from typing import TYPE_CHECKING, Final, Literal

import attrs
import trio

from trio_voice.sandbox.twilio.callers import FrameSource, Voice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trio_voice.sandbox.twilio.webhooks import Form, Loopback

API_VERSION: Final = "2010-04-01"
ENDED_STATUSES: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
CALL_SECONDS: Final = 4 * 3600.0
"""Longest time of a call if nothing says otherwise."""
RING_SECONDS: Final = 60.0

_PLACE_FIELDS: Final = ("City", "State", "Zip", "Country")


def new_sid(prefix: str) -> str:
    """A SID as Twilio's: two letters and 32 hexadecimal digits."""
    return prefix + uuid.uuid4().hex


@attrs.frozen
class Notice:
    """An entry of the account's debugger: an error or a warning, by its number; ``at`` is in trio's clock."""

    code: int
    text: str
    at: float
    http_status: int | None = None


@attrs.frozen
class Callee:
    """Events when this number is dialled. Seconds count from the start of the ringing or of the answer.

    ``answered_by`` is the verdict of answering machine detection; left out, it is the right one. ``talk_seconds`` is
    how long they stay when a ``<Dial>`` has brought the caller to them.
    """

    answers: Literal["human", "machine", "nobody", "busy", "failed"] = "human"
    ring_seconds: float = 0.0
    detection_seconds: float = 0.0
    answered_by: str | None = None
    talk_seconds: float = math.inf
    voice: Callable[[], FrameSource] = Voice

    async def ring(self, seconds: float) -> str:
        """Let it ring, at most so long: ``answered``, ``busy``, ``no-answer`` or ``failed``. Cancelling is safe."""
        with trio.move_on_after(seconds):
            await trio.sleep(math.inf if self.answers == "nobody" else self.ring_seconds)
            return self.answers if self.answers in {"busy", "failed"} else "answered"
        return "no-answer"

    def verdict(self, machine_detection: str) -> str:
        """Verdict of a detection of this kind, ``Enable`` or ``DetectMessageEnd``, on who answered."""
        if self.answered_by is not None or self.answers == "human":
            return self.answered_by or "human"
        return "machine_end_beep" if machine_detection == "DetectMessageEnd" else "machine_start"


@attrs.frozen
class Delivery:
    """Delivery of callbacks: the number of times of each, and the seconds of delay, by event.

    One that is late does not hold up the next, so this is also how they come out of order.
    """

    times: int = 1
    late: Mapping[str, float] = attrs.Factory(dict)


@attrs.frozen
class Instructions:
    """Place of the TwiML: a URL to ask, or the text itself. ``fields`` are sent along to the URL."""

    url: str = ""
    method: str = "POST"
    twiml: str | None = None
    fields: Form = ()
    event: str = "twiml"


@attrs.frozen(kw_only=True)
class CallOrder:
    """Orders for a call: the parameters of its creation, or the settings of the number that was called."""

    to: str
    from_: str
    instructions: Instructions
    fallback_url: str = ""
    fallback_method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    status_callback_events: tuple[str, ...] = ("completed",)
    ring_seconds: float = RING_SECONDS
    time_limit: float = CALL_SECONDS
    machine_detection: str = ""
    async_amd: bool = False
    async_amd_callback: str = ""
    async_amd_callback_method: str = "POST"
    fields: Form = ()
    """More fields for the first request, such as ``StirVerstat``."""


@attrs.define(eq=False, kw_only=True)
class Account:
    """One Twilio account: its secrets, its way to our server, and the script of what its calls meet."""

    sid: str
    auth_token: str
    transport: Loopback
    callees: dict[str, Callee] = attrs.Factory(dict)
    anybody: Callee = Callee()
    """Callee of a number that is not among ``callees``."""
    delivery: Delivery = Delivery()
    calls_per_second: float = 1.0
    """Rate at which calls that we place leave the queue; others wait."""
    say_characters_per_second: float = 15.0
    stream_opens_after: float = 0.0
    """Seconds from the TwiML to the stream's handshake."""
    record: bool = True
    """Keep what was said and heard; without it long runs of many calls need no memory."""
    _next_slot: float = -math.inf

    def callee(self, number: str) -> Callee:
        """The one who answers there."""
        return self.callees.get(number, self.anybody)

    def take_slot(self, now: float) -> float:
        """Time at which the next call that we place may leave the queue."""
        slot = max(now, self._next_slot)
        self._next_slot = slot + 1 / self.calls_per_second
        return slot


def voice_form(account_sid: str, call_sid: str, order: CallOrder, status: str, direction: str) -> Form:
    """The standard fields of a voice webhook; what is not known is sent blank, as Twilio does."""
    people = {"From": order.from_, "Caller": order.from_, "To": order.to, "Called": order.to}
    places = {f"{who}{field}": "" for who in people for field in _PLACE_FIELDS}
    for who in people:
        places[f"{who}Country"] = "US"
    fields = {
        "AccountSid": account_sid,
        "ApiVersion": API_VERSION,
        "CallSid": call_sid,
        "CallStatus": status,
        "Direction": direction,
    }
    return (*fields.items(), *people.items(), *places.items())
