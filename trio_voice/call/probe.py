"""A model session without a telephone: opened, listened to for some seconds, closed. ``trio-voice check --live``.

The leg is the very one that a call would have, so what it says about credentials, voices and formats is what a call
would meet; the caller is silence.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import attrs
import trio

from trio_voice.audio.mulaw import FRAME_MS, base64_ms, encode, silence
from trio_voice.billing.estimate import minute_of
from trio_voice.events import model as c
from trio_voice.events.call import Fact, LegClosed, LegStalled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trio_voice.billing.prices import Prices
    from trio_voice.legs.model import ModelLeg
    from trio_voice.limits import Limits
    from trio_voice.persona import Persona
    from trio_voice.record import CallRecord

FRAME: Final = encode(silence(FRAME_MS))
TURN_MS: Final = 300.0
"""Sound that is enough to know that a turn works."""


@attrs.define
class Rehearsal:
    """Outcome of a probe."""

    ready_seconds: float | None = None
    """From before the socket was opened until the model was ready to talk."""
    accepted: Mapping[str, str] = attrs.field(factory=dict)
    """Settings as the provider says that it took them, where it says."""
    first_sound_seconds: float | None = None
    """From being ready to the first sound of the greeting."""
    heard_ms: float = 0.0
    said: str = ""
    understood: str = ""
    """The caller's words, as the model wrote them down."""
    problem: str | None = None
    """Reason for which it did not work, in words that say what to do."""


async def rehearse(
    leg: ModelLeg,
    persona: Persona,
    limits: Limits,
    seconds: float,
    *,
    turn: bool = False,
    words: Sequence[str] = (),
) -> Rehearsal:
    """Open the session, let it greet, give it silence to hear, close it; bounded by the limits.

    With ``turn`` it is asked for words of its own instead, and any fault counts; it is closed as soon as some of them
    were heard. With ``words``, which are 20 ms frames of somebody who speaks, it is given these then, and must
    understand something of them: so every stage of a chain has done its work.

    Cancelling is safe: the session is closed, within ``close_seconds``, before it returns.
    """
    rehearsal = Rehearsal()
    to_say: deque[str] = deque()
    spoken = False
    began = trio.current_time()
    with trio.CancelScope(deadline=began + limits.model_ready_seconds) as scope:

        def tell(fact: Fact) -> None:
            nonlocal spoken
            now = trio.current_time()
            match fact:
                case c.ModelReady(accepted=accepted):
                    rehearsal.ready_seconds, rehearsal.accepted = now - began, accepted
                    scope.deadline = now + seconds
                    if turn:
                        leg.execute(c.RequestReply("Say in one short sentence that you are ready."))
                    elif persona.greeting and not leg.capabilities.speaks_first:
                        exact = leg.capabilities.exact_speech
                        leg.execute(
                            c.SayExactly(persona.greeting) if exact else c.RequestReply(f"Say: {persona.greeting}")
                        )
                case c.ReplyAudio(payload=payload):
                    if rehearsal.first_sound_seconds is None and rehearsal.ready_seconds is not None:
                        rehearsal.first_sound_seconds = now - began - rehearsal.ready_seconds
                    rehearsal.heard_ms += base64_ms(payload)
                    if turn and rehearsal.heard_ms >= TURN_MS and not spoken:
                        if not words:
                            scope.cancel(reason="it was heard")
                        spoken = True
                        to_say.extend(words)
                        scope.deadline = now + len(words) * FRAME_MS / 1000 + seconds
                case c.CallerTranscript(text=text) if text.strip() and spoken:
                    rehearsal.understood = text[:500]
                    scope.cancel(reason="it has understood")
                case c.ReplyWords(text=text):
                    rehearsal.said = (rehearsal.said + text)[:500]
                case c.ReplyTranscript(text=text):
                    rehearsal.said = text[:500]
                case c.ModelFault(message=message, fatal=False) if turn:
                    rehearsal.problem = rehearsal.problem or message
                    scope.cancel(reason="it has failed")
                case c.ModelFault(message=message, fatal=True) | LegClosed(detail=message):
                    rehearsal.problem = rehearsal.problem or message
                    scope.cancel(reason="it has failed")
                case c.ModelEnded() | LegStalled():
                    rehearsal.problem = rehearsal.problem or "the model ended the session by itself, or stopped reading"
                    scope.cancel(reason="it has ended")

        async def be_the_caller() -> None:
            """Give the model silence, as a telephone would, once it listens, and the words when it is time."""
            while True:
                await trio.sleep(FRAME_MS / 1000)
                if rehearsal.ready_seconds is not None:
                    leg.execute(c.HearCaller(to_say.popleft() if to_say else FRAME))

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(be_the_caller)
                await leg.run(tell)
                nursery.cancel_scope.cancel(reason="the session has ended")
        finally:
            leg.set_close_deadline(trio.current_time() + limits.close_seconds)
            with trio.CancelScope(deadline=trio.current_time() + limits.close_seconds, shield=True):
                await leg.close()
    if rehearsal.ready_seconds is None and rehearsal.problem is None:
        rehearsal.problem = f"the model was not ready in time: model_ready_seconds = {limits.model_ready_seconds:g}"
    if words and spoken and not rehearsal.understood and rehearsal.problem is None:
        rehearsal.problem = f"it heard somebody speak, and understood nothing within {seconds:g} s"
    return rehearsal


def describe(rehearsal: Rehearsal, record: CallRecord, prices: Prices | None = None) -> list[str]:
    """The outcome, in lines for people, with what it costs as far as there are prices."""
    lines: list[str] = []
    if rehearsal.ready_seconds is not None:
        lines.append(f"ready after {rehearsal.ready_seconds:.2f} s")
    lines.extend(f"accepted {key} = {value}" for key, value in rehearsal.accepted.items())
    if rehearsal.first_sound_seconds is not None:
        lines.append(
            f"spoke after another {rehearsal.first_sound_seconds:.2f} s, {rehearsal.heard_ms / 1000:.1f} s long"
        )
    if rehearsal.said:
        lines.append(f"said {rehearsal.said!r}")
    for session in record.model_sessions:
        billed = "" if session.billed_seconds is None else f"; the provider bills {session.billed_seconds:g} s"
        whose = f" ({session.provider})" if len(record.model_sessions) > 1 else ""
        lines.append(f"closed{whose}: {session.closing}, after {session.seconds:g} s{billed}")
        if prices is not None:
            this = "unknown" if session.cost is None else f"about {session.cost:.4f} {prices.currency}"
            lines.append(f"cost{whose}: {this}; a minute: {minute_of(session, prices)}")
    if rehearsal.problem is not None:
        lines.append(f"it does not work: {rehearsal.problem}")
    return lines
