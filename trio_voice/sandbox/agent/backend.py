"""Backends of an agent: ears, a voice and a generator of responses, either real or from a script.

The dialogue (``providers/assemblyai_agent/dialogue.py``) is the same for both. A script makes no sound that means
anything, hears by loudness alone and takes no time, so that a test on a virtual clock knows every moment beforehand.
"""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol

import attrs
import trio

from trio_voice.sandbox.agent.replies import Line, Reply, ResponseGenerator, Tool, ToolUse, words_to_say
from trio_voice.speech import SILENCE_MS, Heard, SpeechStarted, SpeechStopped

BYTES_PER_MS: Final = 8


class Ears(Protocol):
    """Hears one caller. Synchronous; its clock is the audio."""

    def hear(self, mulaw: bytes, /) -> Sequence[Heard]:
        """Facts that have become certain with these further bytes of mu-law at 8 kHz."""


@attrs.frozen
class AgentBackend:
    """The ears, voice and generator of one session.

    ``transcribe`` turns an utterance of the ears into text, empty if there is none in it. ``say`` turns a text and a
    voice's id into mu-law at 8 kHz. Both may take their time and are cancelled when it is not wanted any more.
    """

    ears: Ears
    transcribe: Callable[[bytes], Awaitable[str]]
    say: Callable[[str, str], Awaitable[bytes]]
    generator: ResponseGenerator


AgentBackendFactory = Callable[[], AbstractAsyncContextManager[AgentBackend]]
"""Makes the backend of a new session; it is left when the session is over."""


class SpeechLike(Protocol):
    """The parts of ``speech.Speech`` that are used."""

    def listen(self, *, silence_ms: int = ...) -> AbstractAsyncContextManager[Ears]:
        """The ears of one call."""

    async def transcribe(self, utterance: bytes, /) -> str:
        """The words of an utterance."""

    async def say(self, text: str, voice: str, /) -> bytes:
        """The text as mu-law at 8 kHz."""


def speaking(
    speech: SpeechLike, make_generator: Callable[[], ResponseGenerator], *, silence_ms: int = SILENCE_MS
) -> AgentBackendFactory:
    """Real ears and a real voice, shared by all sessions, and a generator of responses for each.

    ``silence_ms`` of silence end an utterance.
    """

    @asynccontextmanager
    async def backend() -> AsyncIterator[AgentBackend]:
        async with speech.listen(silence_ms=silence_ms) as ears:
            yield AgentBackend(ears, speech.transcribe, speech.say, make_generator())

    return backend


# The script


@attrs.frozen(kw_only=True)
class Turn:
    """One exchange: the caller's next utterance is taken for ``heard`` and answered by ``reply``.

    With a ``tool``, ``reply`` is said before it is called (live, that was silence: ``""``) and ``after_tool`` when its
    result has come.
    """

    heard: str = "Hello."
    reply: str = "Certainly."
    reply_ms: int | None = None
    """Milliseconds that ``reply`` takes to say; otherwise by its letters."""
    tool: ToolUse | None = None
    also: tuple[ToolUse, ...] = ()
    """Further tools, asked for together with ``tool``."""
    after_tool: str = "It is done."
    ends: bool = False
    """The server ends the session after the turn's last reply."""
    thinks_seconds: float = 0


@attrs.frozen(kw_only=True)
class Script:
    """A conversation as data. Use ``Script(...).backend`` as a server's; each session plays it from the top.

    An utterance after the last turn is not understood, and gets no reply.
    """

    turns: tuple[Turn, ...] = ()
    greeting_ms: int | None = None
    """Milliseconds that the greeting takes to say; otherwise by its letters."""
    ms_per_letter: int = 50
    """Of whatever else is said; and the sound of it is ``SPOKEN``, over and over."""
    onset_ms: int = 100
    """Milliseconds that the caller must be loud to count as speaking."""
    quiet_ms: int = 500
    """Milliseconds that the caller must be quiet to have finished."""

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[AgentBackend]:
        """The backend of one session."""
        player = _Player(self)
        yield AgentBackend(LoudnessEars(self.onset_ms, self.quiet_ms), player.transcribe, player.say, player)


SPOKEN: Final = b"\x2a"
"""The byte that scripted speech is made of."""


class _Player:
    """A scripted session's understanding, voice and generator."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._to_be_heard = deque(script.turns)
        self._to_be_answered: deque[Turn] = deque()
        self._turn: Turn | None = None

    async def transcribe(self, _utterance: bytes) -> str:
        await trio.lowlevel.checkpoint()
        if not self._to_be_heard:
            return ""
        turn = self._to_be_heard.popleft()
        self._to_be_answered.append(turn)
        return turn.heard

    async def say(self, text: str, _voice: str) -> bytes:
        await trio.lowlevel.checkpoint()
        ms = self._script.greeting_ms if self._turn is None else None
        if self._turn is not None and text == self._turn.reply:
            ms = self._turn.reply_ms
        if ms is None:
            ms = self._script.ms_per_letter * len(text)
        return SPOKEN * (ms * BYTES_PER_MS)

    async def reply(self, heard: str, history: Sequence[Line], _prompt: str, _tools: Sequence[Tool], /) -> Reply:
        if not heard and history[-1].role == "instruction":
            return Reply(words_to_say(history[-1].text))
        if heard:
            self._turn = self._turn_of(heard)
        turn = self._turn or Turn()
        await trio.sleep(turn.thinks_seconds)
        if heard:
            return Reply(turn.reply, turn.tool, turn.also, ends=turn.ends and turn.tool is None)
        return Reply(turn.after_tool, ends=turn.ends)

    def _turn_of(self, heard: str) -> Turn:
        """The turn in words that may be several turns, if the caller paused and went on: the last of them."""
        while len(self._to_be_answered) > 1 and not heard.endswith(self._to_be_answered[0].heard):
            self._to_be_answered.popleft()
        return self._to_be_answered.popleft()


# G.711: 0xFF and 0x7F are zero, and the sixteen codes below each are no louder than line noise (-49 dBFS).
_QUIET: Final = bytes((*range(0x70, 0x80), *range(0xF0, 0x100)))
_WINDOW_MS: Final = 10
_WINDOW: Final = _WINDOW_MS * BYTES_PER_MS
_LOUD_SAMPLES: Final = _WINDOW // 4


class LoudnessEars:
    """Takes whatever is louder than line noise for speech. Deterministic, to 10 ms of audio."""

    def __init__(self, onset_ms: int, quiet_ms: int) -> None:
        self._windows_needed = {False: onset_ms // _WINDOW_MS, True: quiet_ms // _WINDOW_MS}
        self._speaking = False
        self._contrary = 0
        """Windows in a row that say the opposite of ``_speaking``."""
        self._rest = b""
        self._heard_ms = 0

    def hear(self, mulaw: bytes, /) -> list[Heard]:
        """Facts that have become certain with these further bytes; their utterances hold no sound."""
        audio = self._rest + mulaw
        whole = len(audio) // _WINDOW * _WINDOW
        self._rest = audio[whole:]
        reports: list[Heard] = []
        for at in range(0, whole, _WINDOW):
            self._heard_ms += _WINDOW_MS
            loud = len(audio[at : at + _WINDOW].translate(None, _QUIET)) >= _LOUD_SAMPLES
            self._contrary = self._contrary + 1 if loud != self._speaking else 0
            if self._contrary >= self._windows_needed[self._speaking]:
                since_ms = self._heard_ms - self._contrary * _WINDOW_MS
                self._speaking = not self._speaking
                self._contrary = 0
                reports.append(SpeechStarted(since_ms) if self._speaking else SpeechStopped(since_ms, b""))
        return reports
