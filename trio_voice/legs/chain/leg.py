"""A model leg that is a chain: it hears by one provider, thinks by another, speaks by a third.

One nursery holds the three: a socket that hears and a socket that speaks, each with its own reader, writer and entry
in the ledger like any model's (``legs/model.py``), and a task for each request to the language model. Between them
stands ``ChainTurns``, which decides; this file carries its words. What a turn has begun is one cancel scope for the
request and one context at the voice: who is interrupted ends both.

Each stage may have several members: when one fails, it is closed and the next takes over. One that could not be opened
for a passing reason, or that drops after it was good, is opened anew, and the conversation goes on. The chain is ready
as soon as it hears; the greeting waits for the voice alone.

Overflow: sound towards the recogniser is bounded by its writer, the oldest is dropped; what it hears and what the
voice says is handed on without waiting; text towards the voice is bounded by the length of an answer; the bridge bounds
what waits to be heard.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import attrs
import structlog
import trio

from trio_voice.audio.mulaw import base64_ms, gathered, is_speech
from trio_voice.chain.deafness import Deafness
from trio_voice.events import model as c
from trio_voice.events.call import MODEL, EndRequested, Fact, LegClosed, LegStalled
from trio_voice.events.stage import (
    CHAIN,
    BeSilent,
    ChangeVoice,
    Count,
    EndTurn,
    HearingChanged,
    Speak,
    SpeechBegan,
    SpeechOver,
    StopThinking,
    Think,
    TurnGoesOn,
    TurnMayBeOver,
    TurnOver,
    TurnResumed,
    VoiceChanged,
)
from trio_voice.legs.chain.http_voice import HttpSpeaker
from trio_voice.legs.chain.stage import READY_SECONDS, Stage
from trio_voice.legs.model import SocketModelLeg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from trio_voice.chain.replies import Output
    from trio_voice.chain.turns import ChainTurns
    from trio_voice.events.model import ModelCommand
    from trio_voice.events.stage import HearingFact, SpeakingFact, ThinkingFact
    from trio_voice.legs.chain.http_stage import Http
    from trio_voice.legs.chain.kept_lines import VoiceLines
    from trio_voice.legs.chain.language_model import Thinker
    from trio_voice.legs.chain.stage import HearingLeg, Loss, SpeakingLeg

    AnyStage = Stage[HearingLeg] | Stage[SpeakingLeg]
    StageFact = (
        HearingFact | SpeakingFact | c.ModelReady | c.ModelEnded | c.Usage | c.Unrecognized | Loss | EndRequested
    )

log: Final = structlog.stdlib.get_logger("trio_voice.legs.chain")

HEARING: Final = "hearing"
SPEAKING: Final = "speaking"
READY_SECONDS_OF_SEVERAL: Final = 4.0
"""The same where another could take over."""
KEPT_FRAMES: Final = 200
"""Four seconds of the caller while another recogniser is opened; more would not fit into its outbox."""
FRAMES_AT_ONCE: Final = 10
"""Of those, in one message."""
LAST_SEND_SECONDS: Final = 0.3
"""Time that a member which has failed may take for the message that it is just being sent."""
STAGE_LOST: Final = "stage_lost"
"""Code of the fault that is told where a member's socket has ended, and nobody can take over."""
CLOSE_SECONDS: Final = 2.0
"""Time that a member which has failed may take to be closed."""


class ChainLeg:
    """Three providers that are one model.

    Args:
        turns: the decisions, fresh.
        hearing: makers of the recognisers' legs.
        thinker: the language models.
        speaking: makers of the legs of voices.
        open_http: what the language models are asked through.
        greeting: said when the voice is ready; empty for nothing.
        count: told of what the record counts.
        lines: the sound of what the first voice has said before; none by default.
    """

    capabilities = CHAIN

    def __init__(
        self,
        turns: ChainTurns,
        hearing: Sequence[Callable[[], HearingLeg]],
        thinker: Thinker,
        speaking: Sequence[Callable[[], SpeakingLeg]],
        open_http: Callable[[], AbstractAsyncContextManager[Http]],
        greeting: str = "",
        count: Callable[[str], object] = lambda _name: None,
        lines: VoiceLines | None = None,
    ) -> None:
        self._turns = turns
        self._hearing: Stage[HearingLeg] = Stage(HEARING, deque(hearing))
        self._thinker = thinker
        self._speaking: Stage[SpeakingLeg] = Stage(SPEAKING, deque(speaking))
        self._open_http = open_http
        self._greeting = greeting
        self._count = count
        self._lines = lines
        self._contexts: set[str] = set()
        """Contexts of the voice with more text to come."""
        self._told_ready = False
        self._unheard: deque[str] = deque(maxlen=KEPT_FRAMES)
        """The caller's sound while another recogniser is opened."""
        self._deafness = Deafness()
        self._untold: deque[str] = deque(maxlen=KEPT_FRAMES)
        """The caller's sound since the line became loud, while the recogniser tells nothing of it."""
        self._requests: dict[int, trio.CancelScope] = {}
        self._timer_scope = trio.CancelScope()
        self._tell: Callable[[Fact], None]
        self._http: Http
        self._nursery: trio.Nursery

    async def run(self, tell: Callable[[Fact], None], _forward: object = None) -> None:
        """Open the stages and join them until cancelled; every event and the end of either socket are told.

        Cancelling is safe; ``close`` must follow.
        """
        self._tell = tell
        async with self._open_http() as self._http, trio.open_nursery() as self._nursery:
            if self._greeting:
                if self._lines is not None and self._lines.has(self._greeting):
                    self._tell_of_voice()  # none need be ready for it
                self.execute(c.SayExactly(self._greeting))
            self._nursery.start_soon(self._live_stage, self._hearing)
            self._nursery.start_soon(self._live_stage, self._speaking)
            self._nursery.start_soon(self._prepare_to_think)
            self._nursery.start_soon(self._run_timer)

    async def _live_stage(self, stage: AnyStage) -> None:
        """Run one member of a stage after the other."""
        while True:
            leg = stage.leg

            def hear(event: StageFact, leg: HearingLeg | SpeakingLeg = leg) -> None:
                if leg is stage.leg:
                    self._hear_stage(stage, event)

            with stage.living:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._expect_ready, stage)
                    await leg.run(hear)
                    await trio.sleep_forever()  # whoever was told of its end decides
            self._nursery.start_soon(_part_with, leg)
            await trio.sleep(stage.pause)
            stage.replace()
            if stage is self._speaking and self._lines is not None:
                self._lines.forget()

    async def _expect_ready(self, stage: AnyStage) -> None:
        seconds = READY_SECONDS_OF_SEVERAL if stage.makers else READY_SECONDS
        with trio.move_on_after(seconds):
            await stage.ready.wait()
        if not stage.is_ready and (stage.makers or stage is self._speaking):  # the bridge waits for who hears
            what = f"{stage.leg.provider} ({stage.name}) was not ready within {seconds:g} s"
            self._lose(stage, c.ModelFault("stage_not_ready", what, fatal=True))

    def _lose(self, stage: AnyStage, fact: Loss) -> None:
        """A member has failed: the next one takes over, or the session is at its end."""
        if stage.living.cancel_called:
            return
        goes_on = stage.goes_on_after(fact, trio.current_time())
        match fact:
            case c.ModelFault(code=code, message=why):
                pass
            case LegClosed(detail=why):
                code = STAGE_LOST
            case LegStalled():
                code, why = STAGE_LOST, f"{stage.name}: the peer stopped reading"
        if not goes_on:  # whoever was tried again need not be once more with the other stages
            self._tell(c.ModelFault(code, why, fatal=True))
            return
        log.warning("stage_replaced", stage=stage.name, provider=stage.leg.provider, why=why[:500])
        self._count(f"{stage.name}_takeovers")
        is_gone = isinstance(fact, LegClosed)
        stage.leg.set_close_deadline(trio.current_time() + (0.0 if is_gone else LAST_SEND_SECONDS))
        stage.living.cancel(reason="the next member takes over")

    async def _prepare_to_think(self) -> None:
        await self._thinker.open()
        self._thinker.warm(self._http)
        await self._thinker.load(self._http)

    def _hear_stage(self, stage: AnyStage, event: StageFact) -> None:
        """Something that a socket's reader or its end has to say."""
        match event:
            case c.ModelReady(session_id=session_id, accepted=accepted):
                provider = stage.leg.provider
                self._become_ready(stage, session_id, {f"{provider}.{key}": value for key, value in accepted.items()})
            case c.ModelEnded():
                pass  # nobody asked for it: its socket's end follows, and is the model's
            case LegClosed(detail=detail):
                detail = f"{stage.leg.provider} ({stage.name}): {detail}"
                self._lose(stage, attrs.evolve(event, leg=MODEL, politely=False, detail=detail))
            case LegStalled() | c.ModelFault(fatal=True):
                self._lose(stage, event)
            case EndRequested() | c.ModelFault() | c.Unrecognized() | c.Usage():
                self._tell(event)
            case _:
                if stage is self._hearing:
                    self._deafness.told()
                    self._untold.clear()
                if isinstance(event, SpeechBegan | TurnGoesOn | TurnMayBeOver):
                    self._warm()
                elif stage is self._speaking and self._lines is not None:
                    self._lines.hear(event)
                    if isinstance(event, SpeechOver):
                        self._lines.end(event.context_id)
                if stage.replaced and isinstance(event, TurnGoesOn | TurnMayBeOver | TurnResumed | TurnOver):
                    # each session counts its turns from the beginning
                    event = attrs.evolve(event, item_id=f"{event.item_id}.{stage.replaced}")
                self._do(self._turns.handle(event, trio.current_time()))

    def _warm(self) -> None:
        """Look after the connections of the next answer while the caller speaks: some servers close idle ones soon."""
        self._thinker.warm(self._http)
        if self._speaking.serves and isinstance(self._speaking.leg, HttpSpeaker):
            self._speaking.leg.warm()

    def _become_ready(self, stage: AnyStage, session_id: str, accepted: dict[str, str]) -> None:
        if stage.is_ready:
            return
        stage.ready.set()
        stage.ready_at = trio.current_time()
        if stage is self._speaking:
            self._tell_of_voice()
        elif self._told_ready:
            self._do(self._turns.handle(HearingChanged(), stage.ready_at))
            unheard, self._unheard = list(self._unheard), deque(maxlen=KEPT_FRAMES)
            for payload in gathered(unheard, FRAMES_AT_ONCE):
                self.forward_caller_audio(payload)
        else:
            self._told_ready = True
            self._tell(c.ModelReady(session_id, accepted))

    def _tell_of_voice(self) -> None:
        """Whatever is to be spoken can be."""
        timed = self._speaking.leg.times_words
        self._do(self._turns.handle(VoiceChanged(timed_words=timed), trio.current_time()))

    def execute(self, command: ModelCommand) -> None:
        """Put a command of the bridge on its way. Never waits."""
        if isinstance(command, c.HearCaller):
            self.forward_caller_audio(command.payload)
        else:
            self._do(self._turns.handle(command, trio.current_time()))

    def forward_caller_audio(self, payload: str) -> None:
        """``execute`` for ``HearCaller``, by its payload."""
        if self._hearing.serves:
            self._hearing.leg.forward_caller_audio(payload)
            self._watch_hearing(payload)
        else:
            if len(self._unheard) == KEPT_FRAMES:
                self._count("caller_frames_between_recognisers")
            self._unheard.append(payload)

    def _watch_hearing(self, payload: str) -> None:
        """Have another session listen, from where the line became loud, where this one has gone deaf."""
        now = trio.current_time()
        if is_speech(payload):
            self._deafness.loud(base64_ms(payload) / 1000, now)
        if not self._deafness.is_suspected:
            return
        self._untold.append(payload)
        is_good = isinstance(self._hearing.leg, SocketModelLeg) and self._hearing.was_good(now)
        if is_good and self._deafness.is_found(now):
            self._unheard.extend(self._untold)
            self._untold.clear()
            what = f"{self._hearing.leg.provider} ({HEARING}) tells nothing of a caller who can be heard"
            self._lose(self._hearing, c.ModelFault(STAGE_LOST, what, fatal=True, passing=True))

    def _do(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            match output:
                case Speak() | BeSilent():
                    self._speak(output)
                case Think(number=number):
                    scope = self._requests[number] = trio.CancelScope()
                    self._nursery.start_soon(self._think, output, scope)
                case StopThinking(number=number):
                    if number in self._requests:
                        self._requests[number].cancel(reason="its answer is not wanted any more")
                case EndTurn():
                    self._hearing.leg.execute(output)
                case ChangeVoice(code=code, message=message) if self._speaking.serves:
                    words = f"{self._speaking.leg.provider}: {message}"
                    passing = self._speaking.was_good(trio.current_time())  # another session of it may be heard
                    self._lose(self._speaking, c.ModelFault(code, words, fatal=True, passing=passing))
                case ChangeVoice():
                    pass  # it is being changed
                case Count(name=name):
                    self._count(name)
                case _:
                    self._tell(output)
        if self._turns.wake_at != self._timer_scope.deadline:  # setting a deadline has its price
            self._timer_scope.deadline = self._turns.wake_at

    def _speak(self, command: Speak | BeSilent) -> None:
        """Have something spoken: by the voice, or as it was spoken in a call before."""
        context = command.context_id
        if self._lines is not None:
            if isinstance(command, BeSilent):
                self._lines.drop(context)
            elif command.last and context not in self._contexts:
                facts = self._lines.begin(context, command.text.strip())
                if facts:
                    for fact in (*facts, SpeechOver(context)):
                        self._do(self._turns.handle(fact, trio.current_time()))
                    return
        if isinstance(command, Speak) and not command.last:
            self._contexts.add(context)
        else:
            self._contexts.discard(context)
        if self._speaking.serves:  # or it is spoken when the next voice is
            self._speaking.leg.execute(command)

    async def _think(self, command: Think, scope: trio.CancelScope) -> None:
        try:
            with scope:
                await self._thinker.think(command, self._http, self._hear_thought)
        finally:
            del self._requests[command.number]

    def _hear_thought(self, event: ThinkingFact | c.Usage | c.Unrecognized) -> None:
        if isinstance(event, c.Usage | c.Unrecognized):
            self._tell(event)
        else:
            self._do(self._turns.handle(event, trio.current_time()))

    async def _run_timer(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._turns.wake_at) as self._timer_scope:
                await trio.sleep_forever()
            self._do(self._turns.tick(trio.current_time()))

    def set_close_deadline(self, deadline: float) -> None:
        """The call is ending: whatever is being sent must be finished by then."""
        self._hearing.leg.set_close_deadline(deadline)
        self._speaking.leg.set_close_deadline(deadline)

    async def close(self) -> None:
        """End both sessions with their providers' consent if it can be had, each without waiting for the other.

        The caller's cancel scope says how long this may take; whenever it returns or raises, both sockets are closed
        and every record says how. Idempotent.
        """
        self._thinker.close()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_close, self._hearing.leg)
            nursery.start_soon(_close, self._speaking.leg)


async def _part_with(leg: HearingLeg | SpeakingLeg) -> None:
    """Close a member that has failed; cancelling is safe, it is closed all the same."""
    with trio.move_on_after(CLOSE_SECONDS):
        await _close(leg)


async def _close(leg: HearingLeg | SpeakingLeg) -> None:
    try:
        await leg.close()
    except Exception:  # logged, and the other stage still says goodbye
        log.exception("close_bug")
