"""The dialogue of one session, whatever its wire: the caller's turns, the agent's replies, barge-in. No socket.

A wire's dialogue is a ``Dialogue`` that says what happens in its provider's words, and decides what the provider
decides: when a turn is over, how fast a reply comes, what a barge-in leaves of it, how tools are asked for.

Two tasks, and one for each reply that a wire begins by itself. The listener understands utterances in their order; the
responder makes one reply at a time, each in a cancel scope that a barge-in cancels. A cancelled reply may still run
until its next checkpoint, so whatever it has to say is asked first whether it ``is_current``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import attrs
import trio

from trio_voice.sandbox.agent.backend import BYTES_PER_MS
from trio_voice.sandbox.agent.replies import APOLOGY, Line, Reply
from trio_voice.speech import SpeechStarted, SpeechStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trio_voice.sandbox.agent.backend import AgentBackend
    from trio_voice.sandbox.agent.replies import Tool

WAITING_PROMPTS: Final = 20
"""Replies asked for while one is made; more are not made."""
WAITING_UTTERANCES: Final = 10
"""Further ones are not understood."""
GENERATION_SECONDS: Final = 15.0
SPEECH_SECONDS: Final = 15.0
"""For a text to be spoken, or an utterance to be understood."""


class DialogueRecord(Protocol):
    """The parts of a session's record that a dialogue writes."""

    history: list[Line]

    def complain(self, code: object, message: str, param: str | None = None) -> None:
        """Write down a mistake of the client's."""


@attrs.frozen
class Asked:
    """Wishes of a client for its session."""

    voice: str
    instructions: str
    tools: Sequence[Tool]


@attrs.define(eq=False)
class CurrentReply:
    """A reply that is being made or sent."""

    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    text: str = ""
    began_at: float = 0.0
    """Time at which its speech began to be sent."""


Current = TypeVar("Current", bound=CurrentReply)


class Dialogue(Generic[Current]):
    """Listens, thinks and speaks.

    Args:
        record: whose history is written.
        backend: who hears, speaks and thinks.
        new_reply: makes the state of the next reply.
    """

    def __init__(self, record: DialogueRecord, backend: AgentBackend, new_reply: Callable[[], Current]) -> None:
        self._history = record
        self._backend = backend
        self._new_reply = new_reply
        self._prompts_in, self._prompts = trio.open_memory_channel[Line | Reply](WAITING_PROMPTS)
        self._utterances_in, self._utterances = trio.open_memory_channel[tuple[bytes, Any]](WAITING_UTTERANCES)
        self._nursery: trio.Nursery
        self._floor_is_free = trio.Event()
        """The caller is not speaking."""
        self._floor_is_free.set()
        self._current: Current | None = None
        self._heard_ms = 0.0

    async def run(self) -> None:
        """Take part until cancelled. Cancelling is safe."""
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._listen)
            self._nursery.start_soon(self._respond)

    # What a wire says and decides

    def _on_speech_started(self, report: SpeechStarted) -> None:
        """The caller begins to speak; ``_current`` may be interrupted. Never waits."""
        raise NotImplementedError

    def _on_speech_stopped(self, _report: SpeechStopped) -> Any:
        """The caller has paused. What this returns ``_on_words`` is given with the words. Never waits."""

    def _on_words(self, words: str, about: Any) -> None:
        """The words of an utterance, empty for none. Never waits."""
        raise NotImplementedError

    def _on_reply_begun(self, reply: Current) -> None:
        """A reply is made from here on. Never waits."""

    async def _speak(self, reply: Current, text: str) -> None:
        """Send a text as speech, within the reply's scope."""
        raise NotImplementedError

    async def _call_tools(self, reply: Current, wanted: Reply) -> Sequence[Line]:
        """Ask for the tools of ``wanted``. Results that belong to this same reply are returned, and answered in it."""
        raise NotImplementedError

    def _merged(self, _reply: Current) -> Sequence[Line]:
        """Requests that have come meanwhile and are answered in this same reply. Never waits."""
        return ()

    async def _finish_reply(self, reply: Current, last: Reply) -> None:
        """All of a reply was said and done, and it may be current still."""
        raise NotImplementedError

    def _asked(self) -> Asked:
        """Settings of the session, as they are now."""
        raise NotImplementedError

    # The caller

    def hear(self, mulaw: bytes) -> None:
        """Hear the next of the caller's audio. Never waits."""
        self._heard_ms += len(mulaw) / BYTES_PER_MS
        for report in self._backend.ears.hear(mulaw):
            if isinstance(report, SpeechStarted):
                self._floor_is_free = trio.Event()
                self._on_speech_started(report)
            else:
                self._floor_is_free.set()
                about = self._on_speech_stopped(report)
                try:
                    self._utterances_in.send_nowait((report.utterance, about))
                except trio.WouldBlock:
                    self._history.complain("", "speaks faster than it can be understood")

    @property
    def _caller_goes_on(self) -> bool:
        """The caller speaks, or has said more than is understood."""
        return not self._floor_is_free.is_set() or self._utterances.statistics().current_buffer_used > 0

    async def _listen(self) -> None:
        async for utterance, about in self._utterances:
            words = ""
            with trio.move_on_after(SPEECH_SECONDS):
                words = await self._backend.transcribe(utterance)
            self._on_words(words, about)

    # The agent

    def ask(self, prompt: Line | Reply) -> None:
        """Have a line answered, or a reply made as it is, once those before it are over. Never waits."""
        try:
            self._prompts_in.send_nowait(prompt)
        except trio.WouldBlock:
            self._history.complain("", f"asks for more than {WAITING_PROMPTS} replies at once")

    def stop(self) -> None:
        """Fall silent at once, without a word about it."""
        if self._current is not None:
            self._current.scope.cancel()
            self._current = None

    def is_current(self, reply: Current) -> bool:
        """True if a reply was neither finished nor interrupted."""
        return self._current is reply

    async def _respond(self) -> None:
        async for prompt in self._prompts:
            await self._floor_is_free.wait()
            await self._make(self._begin(), prompt)

    def _begin(self) -> Current:
        reply = self._current = self._new_reply()
        self._on_reply_begun(reply)
        return reply

    async def _make(self, reply: Current, prompt: Line | Reply | None) -> None:
        with reply.scope:
            made = prompt if isinstance(prompt, Reply) else await self._think(() if prompt is None else (prompt,))
            while True:
                if made.text:
                    await self._speak(reply, made.text)
                results = await self._call_tools(reply, made) if made.tools else ()
                further = (*results, *self._merged(reply))
                if not further:
                    break
                made = await self._think(further)
            await self._finish_reply(reply, made)

    async def _think(self, prompts: Sequence[Line]) -> Reply:
        """The answer to what came last; it stands in the history from here on."""
        before = tuple(self._history.history)
        self._history.history.extend(prompts)
        if prompts[-1].role == "caller":
            return await self._generate(prompts[-1].text, before)
        return await self._generate("", (*before, *prompts))

    async def _generate(self, heard: str, history: Sequence[Line]) -> Reply:
        asked = self._asked()
        with trio.move_on_after(GENERATION_SECONDS):
            return await self._backend.generator.reply(heard, history, asked.instructions, asked.tools)
        return Reply(APOLOGY)

    async def _say(self, text: str) -> bytes | None:
        """A text as mu-law; ``None`` if no voice came in time."""
        with trio.move_on_after(SPEECH_SECONDS):
            return await self._backend.say(text, self._asked().voice)
        return None

    @staticmethod
    async def _pace(
        audio: bytes,
        chunk_bytes: int,
        send: Callable[[int, bytes], None],
        *,
        bytes_per_second: float = 1_000 * BYTES_PER_MS,
        speed: float = 1.0,
        ahead_seconds: float = 0.0,
    ) -> None:
        """Send audio piece by piece, each with its place, so much faster than it is heard, and so much earlier."""
        began = trio.current_time()
        for at in range(0, len(audio), chunk_bytes):
            await trio.sleep_until(began + at / bytes_per_second / speed - ahead_seconds)
            send(at, audio[at : at + chunk_bytes])
