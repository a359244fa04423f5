"""Backends of the three stages: the real ears, voice and minds of this machine, or a script for a virtual clock."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import attrs
import trio

from trio_voice.sandbox.agent.backend import BYTES_PER_MS, SpeechLike
from trio_voice.sandbox.agent.replies import Line, Reply, ResponseGenerator, Tool, words_to_say
from trio_voice.sandbox.providers.assemblyai_agent import (
    SPOKEN,
    AgentBackend,
    AgentBackendFactory,
    Script,
    Turn,
    speaking,
)
from trio_voice.speech import SILENCE_MS

Think = Callable[[Sequence[Line], str, Sequence[Tool]], Awaitable[Reply]]
"""The answer to a conversation, given the prompt and the tools: whole, since language models remember nothing."""


@attrs.frozen
class ChainBackend:
    """The ears, minds and voices of the three. ``listen`` is asked for each session, the others for each request."""

    listen: AgentBackendFactory
    think: Think
    say: Callable[[str, str], Awaitable[bytes]]
    listen_early: AgentBackendFactory | None = None
    """In place of ``listen`` where an end of turn is told twice: its ears report silence so much sooner as then passes
    until the second (``ChainManner.settle_ms``)."""


EARLY_MS: Final = 224
"""Of silence, 7 windows of the ears: then a turn may be over. It is when it has lasted for ``SILENCE_MS``."""


def chain_speaking(speech: SpeechLike, make_generator: Callable[[], ResponseGenerator]) -> ChainBackend:
    """Real ears and a real voice, and a new generator for each request, that has been told the conversation so far."""

    async def think(lines: Sequence[Line], prompt: str, tools: Sequence[Tool]) -> Reply:
        return await _answer(make_generator(), lines, prompt, tools)

    listen, early = (speaking(speech, make_generator, silence_ms=ms) for ms in (SILENCE_MS, EARLY_MS))
    return ChainBackend(listen, think, speech.say, early)


def chain_backend_of(make_backend: AgentBackendFactory) -> ChainBackend:
    """A chain of a voice agent: for each request a generator that has been told the conversation so far."""

    async def think(lines: Sequence[Line], prompt: str, tools: Sequence[Tool]) -> Reply:
        async with make_backend() as backend:
            return await _answer(backend.generator, lines, prompt, tools)

    async def say(text: str, voice: str) -> bytes:
        async with make_backend() as backend:
            return await backend.say(text, voice)

    return ChainBackend(make_backend, think, say)


async def _answer(generator: ResponseGenerator, lines: Sequence[Line], prompt: str, tools: Sequence[Tool]) -> Reply:
    """The reply of a generator that hears the whole conversation now."""
    reply = Reply()
    for at, line in enumerate(lines):
        if line.role == "caller":
            reply = await generator.reply(line.text, lines[:at], prompt, tools)
    if not lines or lines[-1].role != "caller":
        reply = await generator.reply("", lines, prompt, tools)
    return reply


def scripted(script: Script) -> ChainBackend:
    """A script, played by three who know nothing of each other: what was heard tells which turn it is."""

    async def think(lines: Sequence[Line], _prompt: str, _tools: Sequence[Tool]) -> Reply:
        last = lines[-1] if lines else Line("caller", "")
        if last.role == "instruction":
            return Reply(words_to_say(last.text))
        heard = next((line.text for line in reversed(lines) if line.role == "caller"), "")
        turn = next((turn for turn in script.turns if heard.endswith(turn.heard)), Turn())
        await trio.sleep(turn.thinks_seconds)
        if last.role == "tool":
            return Reply(turn.after_tool)
        return Reply(turn.reply, turn.tool, turn.also)

    @asynccontextmanager
    async def listen() -> AsyncIterator[AgentBackend]:
        async with script.backend() as backend:
            yield backend

    return ChainBackend(listen, think, _ScriptedVoice(script).say)


class _ScriptedVoice:
    """Says each part of a reply in its share of the reply's time; the first thing that it says is the greeting."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._greeted = False

    async def say(self, text: str, _voice: str) -> bytes:
        await trio.lowlevel.checkpoint()
        script = self._script
        ms = float(script.ms_per_letter * len(text))
        turn = next((turn for turn in script.turns if turn.reply and text.strip() in turn.reply), None)
        if not self._greeted and script.greeting_ms is not None:
            ms = script.greeting_ms
        elif turn is not None and turn.reply_ms is not None:
            ms = turn.reply_ms * len(text.strip()) / len(turn.reply)
        self._greeted = True
        return SPOKEN * (round(ms) * BYTES_PER_MS)
