"""The stages of a chain that are in this process: ``kind = "local"``. To their chain they are like any other's legs.

Hearing that somebody speaks is cheap and is done where the frame is. Recognising and speaking take a thread each, one
for all calls (``speech/speech.py``). With one such call beside fifty others, both always at it, their frames came
13 ms later (99th of 100; two cores with a load of 5): the recogniser gives the interpreter away but for the 24 ms in
which its library makes a list of samples an array, the voice holds it for a breath, 20 to 40 ms. ``make neighbours``.

Overflow: of what a caller says faster than it can be recognised, ``MAX_UTTERANCES`` wait; a further one has no words,
and is counted. What is to be spoken waits as at any voice (``contexts.py``).
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
import trio

from trio_voice.audio.mulaw import BYTES_PER_MS, encode
from trio_voice.errors import ModelUnavailable
from trio_voice.events.call import MODEL, LegClosed
from trio_voice.events.model import ModelFault, ModelReady
from trio_voice.events.stage import EndTurn, Sound, SpokenWords
from trio_voice.legs.chain.contexts import SpeechContexts
from trio_voice.legs.chain.http_stage import RequestsRecord
from trio_voice.protocols.local import EARLY_MS, PROVIDER, LocalTurns, timed_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from trio_voice.legs.chain.contexts import Context
    from trio_voice.legs.session_ledger import Ledger

log: Final = structlog.stdlib.get_logger("trio_voice.legs.chain")

MAX_UTTERANCES: Final = 10
"""Of one call, whose words are not known yet."""
UNDERSTAND_SECONDS: Final = 15.0
"""For the words of one utterance, with those of other calls that come before; then it has none."""
SOUND_PIECE: Final = 200 * BYTES_PER_MS
"""Bytes of mu-law in one ``Sound``."""


class Report(Protocol):
    """Report of ears: ``speech.SpeechStarted``, which has no utterance yet, or ``speech.SpeechStopped``."""

    @property
    def utterance(self) -> bytes | None:
        """Sound of what was said, once somebody pauses."""


class Utterance(Protocol):
    """Report of ears when somebody pauses: ``speech.SpeechStopped``."""

    @property
    def utterance(self) -> bytes:
        """Sound of what was said, for ``Speech.transcribe``."""


class Ears(Protocol):
    """The ears of one call."""

    def hear(self, mulaw: bytes, /) -> Iterable[Report]:
        """Facts that these bytes make certain: somebody has begun to speak, or has paused."""

    def end_utterance(self) -> Utterance | None:
        """The utterance until now, taken for all of it; ``None`` in silence."""


class Speech(Protocol):
    """Ears, a recogniser and a voice that all calls of this process share: ``speech.Speech``."""

    def listen(self, *, silence_ms: int) -> AbstractAsyncContextManager[Ears]:
        """The ears of one call, until the block is left; after so much silence an utterance is complete."""

    async def transcribe(self, utterance: bytes, /) -> str:
        """The words of an utterance; empty for none."""

    async def say(self, text: str, voice: str, /) -> bytes:
        """The text as mu-law at 8 kHz."""


class LocalHearing:
    """The recogniser of this machine, in one call.

    Args:
        speech: of this process; ``None`` where it has none, which ends the leg when it is opened.
        ledger: where the session is written down.
        wall_clock: the time of day, for the record.
    """

    provider = PROVIDER

    def __init__(self, speech: Speech | None, ledger: Ledger, wall_clock: Callable[[], datetime]) -> None:
        self._speech = speech
        self._ledger = ledger
        self._record = RequestsRecord(PROVIDER, ledger, wall_clock)
        self._turns = LocalTurns()
        self._utterances_in, self._utterances = trio.open_memory_channel[bytes](MAX_UTTERANCES)
        self._ears: Ears | None = None
        self._tell: Callable[[Any], None]

    async def run(self, tell: Callable[[Any], None]) -> None:
        """Hear what ``forward_caller_audio`` is given, until cancelled. Cancelling is safe; ``close`` must follow.

        An utterance that is being recognised then is finished in its thread, and nobody is told of it.
        """
        self._tell = tell
        await self._record.open()
        if self._speech is None:
            tell(_missing())
            return
        async with self._speech.listen(silence_ms=EARLY_MS) as ears:
            try:
                self._ears = ears
                tell(ModelReady(""))
                async for utterance in self._utterances:
                    self._report(self._turns.understood(await self._words_of(self._speech, utterance)))
            finally:
                self._ears = None

    async def _words_of(self, speech: Speech, utterance: bytes) -> str:
        try:
            with trio.fail_after(UNDERSTAND_SECONDS):
                return await speech.transcribe(utterance)
        except Exception as failed:  # noqa: BLE001 - logged: words are lost, and the call is not, whatever was raised
            log.warning("utterance_lost", call_id=self._ledger.record.call_id, why=repr(failed)[:500])
            self._ledger.record.count("utterances_lost")
            return ""

    def forward_caller_audio(self, payload: str) -> None:
        """Hear a frame: base64 of mu-law. Never waits; takes 0.1 ms for each 32 ms of sound."""
        if self._ears is None:
            return
        try:
            sound = binascii.a2b_base64(payload)
        except ValueError:
            return
        for report in self._ears.hear(sound):
            if report.utterance is None:
                self._report(self._turns.speech_started())
            else:
                self._recognise(report.utterance)
        self._report(self._turns.heard(len(sound)))

    def execute(self, command: Any) -> None:
        """Put a command on its way. Never waits."""
        if not isinstance(command, EndTurn) or self._ears is None:
            return
        stopped = self._ears.end_utterance()
        if stopped is not None:
            self._recognise(stopped.utterance)
        self._report(self._turns.end())

    def _recognise(self, utterance: bytes) -> None:
        self._turns.speech_stopped()
        try:
            self._utterances_in.send_nowait(utterance)
        except trio.WouldBlock:
            self._ledger.record.count("utterances_dropped")
            self._report(self._turns.understood(""))

    def _report(self, facts: Iterable[Any]) -> None:
        for fact in facts:
            self._tell(fact)

    def set_close_deadline(self, _deadline: float) -> None:
        """The call is ending. Nothing is sent that could take long."""

    async def close(self) -> None:
        """Write down that nobody listens any more. Idempotent; never waits."""
        self._record.close()


class LocalSpeaking:
    """The voice of this machine, in one call.

    Args:
        speech: as of ``LocalHearing``; so ``ledger`` and ``wall_clock``.
        voice: its name.
    """

    provider = PROVIDER
    times_words = True

    def __init__(self, speech: Speech | None, voice: str, ledger: Ledger, wall_clock: Callable[[], datetime]) -> None:
        self._speech = speech
        self._voice = voice
        self._record = RequestsRecord(PROVIDER, ledger, wall_clock)
        self._tell: Callable[[Any], None]
        self._contexts: SpeechContexts

    async def run(self, tell: Callable[[Any], None]) -> None:
        """Speak what ``execute`` is given, until cancelled. Cancelling is safe; ``close`` must follow.

        It waits for the breath that is being made, 20 ms or so.
        """
        self._tell = tell
        await self._record.open()
        if self._speech is None:
            tell(_missing())
            return
        async with trio.open_nursery() as nursery:
            self._contexts = SpeechContexts(nursery, tell, self._record, self._say)
            tell(ModelReady(""))
            await trio.sleep_forever()

    def execute(self, command: Any) -> None:
        """Put a command on its way. Never waits."""
        self._contexts.execute(command)

    async def _say(self, context: Context, text: str) -> ModelFault | None:
        """Have a text spoken, and tell of its sound and its words; why it was not."""
        assert self._speech is not None  # noqa: S101 - else there are no contexts
        try:
            sound = await self._speech.say(text, self._voice)
        except Exception as failed:  # a text is not spoken, and the call goes on; whatever the library raised
            log.exception("local_voice_failed")
            return ModelFault("local_voice", f"the voice on this machine failed: {failed!r}"[:500], fatal=False)
        for word, at in timed_words(text.strip(), len(sound) / BYTES_PER_MS):
            self._tell(SpokenWords(context.name, word, context.ms + at))
        for at in range(0, len(sound), SOUND_PIECE):
            self._tell(Sound(context.name, encode(sound[at : at + SOUND_PIECE])))
        context.ms += len(sound) / BYTES_PER_MS
        return None

    def set_close_deadline(self, _deadline: float) -> None:
        """The call is ending. Nothing is sent that could take long."""

    async def close(self) -> None:
        """Write down that nothing is spoken any more. Idempotent; never waits."""
        self._record.close()


def _missing() -> LegClosed:
    missing = ModelUnavailable('ears and voice of this machine are not loaded: pip install "trio-voice[speech]"')
    return LegClosed(MODEL, politely=False, detail=str(missing))
