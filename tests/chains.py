"""A call whose model is a chain, on the virtual clock: the sandbox's three servers behind channels in memory."""

from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import trio

from tests import calls
from trio_voice.call.call import wall_clock
from trio_voice.chain.turns import ChainTurns
from trio_voice.errors import ModelUnavailable
from trio_voice.legs.chain.http_voice import HttpSpeaker
from trio_voice.legs.chain.kept_lines import KeptLines, VoiceLines
from trio_voice.legs.chain.language_model import Thinker
from trio_voice.legs.chain.leg import ChainLeg
from trio_voice.legs.chain.local import LocalHearing, LocalSpeaking
from trio_voice.legs.model import SocketModelLeg
from trio_voice.legs.session_ledger import Ledger
from trio_voice.protocols.chain_stages import HEARING, SPEAKING, THINKING
from trio_voice.sandbox.providers.chain import ChainServer, MemoryHttp, scripted
from trio_voice.sandbox.transport.memory import MemoryChannel

KEY = "a-key"
STALL_SECONDS = 5.0


@attrs.define
class Chain:
    """``live_call(model=Chain())``: three stages, each at its own wanted.server."""

    llm: str = "openai-chat"
    """The kind of the stage that thinks."""
    filler: str = "One moment, please."
    stt: dict[str, Any] = attrs.field(factory=lambda: {"kind": "assemblyai-streaming"})
    """As in config.toml; so is ``tts``."""
    tts: dict[str, Any] = attrs.field(factory=lambda: {"kind": "elevenlabs", "voice": "alba"})
    keys: dict[str, str] = attrs.field(factory=dict)
    """Of stages that are given another than the right one."""
    answerer: Any = None
    """Answers the language models' questions in place of the sandbox's; see ``Http``'s in the sandbox."""
    models: tuple[dict[str, Any], ...] = ({"model": "m"},)
    """The members of the stage that thinks: what they have besides their kind."""
    voice_opens_after: float = 0.0
    refused: set[str] = attrs.field(factory=set)
    """Stages whose host takes no connection."""
    """Seconds until the voice's socket is open."""
    more_voices: tuple[dict[str, Any], ...] = ()
    """Members of the stage that speaks, after ``tts``."""
    turns: dict[str, Any] = attrs.field(factory=dict)
    """More of ``ChainTurns``."""
    wires: dict[str, tuple[MemoryChannel, MemoryChannel]] = attrs.field(factory=dict)
    exchanges: list[tuple[MemoryChannel, MemoryChannel]] = attrs.field(factory=list)
    kept: KeptLines | None = None
    """Lines that voices have said in calls before."""
    http: MemoryHttp | None = None
    """Of the last leg."""
    speech: Any = None
    """Of stages of kind ``local``; the script's by default."""
    backend: Any = None

    def open(self, script, **double):
        """The three servers, and the wires to two of them."""
        self.wires = {"hearing": calls.memory_channels(), "speaking": calls.memory_channels()}
        self.backend = scripted(script)
        return ChainServer(self.backend, api_key=KEY, **double)

    def _key(self, stage):
        return self.keys.get(stage, KEY)

    def make(self, wanted):
        """The leg, not yet connected."""
        stt, llm, tts = HEARING[self.stt["kind"]], THINKING[self.llm], SPEAKING[self.tts["kind"]]
        thinking = [
            llm.protocol(llm.settings(kind=self.llm, **more), wanted.persona, self._key("thinking"))
            for more in self.models
        ]
        ledger = Ledger(wanted.record)
        first = not wanted.rigs

        async def reach(name, stage, serve):
            await trio.sleep(self.voice_opens_after if name == "speaking" else 0)
            if name in self.refused:
                raise ModelUnavailable("the host refused the connection", passing=True)
            again = name in wanted.rigs[0].used
            wire = self.wires[name] if first and not again else calls.memory_channels()
            wanted.rigs[0].used.add(name)
            if not first or again:
                wanted.rigs[0].later_wires.append(wire)
            headers = {key.lower(): value for key, value in stage.headers(self._key(name)).items()}
            wanted.world.start_soon(partial(serve, wire[1], url=stage.url, headers=headers))
            return wire[0]

        def over(name, stage, serve):
            return SocketModelLeg(stage, partial(reach, name, stage, serve), STALL_SECONDS, ledger, wall_clock)

        def note(wire):
            self.exchanges.append(wire)
            wanted.rigs[0].later_wires.append(wire)
            if wanted.rigs[0].on_exchange is not None:
                wanted.rigs[0].on_exchange(wire)

        def ears():
            if stt.in_process:
                return LocalHearing(speech, ledger, wall_clock)
            return over("hearing", stt.protocol(stt.settings(**self.stt), wanted.persona), wanted.server.serve_hearing)

        def voice(keys):
            tts = SPEAKING[keys["kind"]]
            if tts.in_process:
                return LocalSpeaking(speech, keys.get("voice", "alba"), ledger, wall_clock)
            if not tts.over_http:
                speaking = tts.protocol(tts.settings(**keys), wanted.persona)
                return over("speaking", speaking, wanted.server.serve_speaking)
            requests = tts.protocol(tts.settings(**keys), wanted.persona, self._key("speaking"))
            return HttpSpeaker(requests, lambda: _given(http), ledger, wall_clock)

        speech = self.speech or ScriptedSpeech(self.backend)
        http = self.http = MemoryHttp(self.answerer or wanted.server, wanted.world, note)
        return ChainLeg(
            ChainTurns(
                interruptible=wanted.persona.interruptible,
                said=wanted.history,
                timed_words=not tts.over_http,
                **{"filler": self.filler, "has_voice": False, "members": len(thinking)} | self.turns,
            ),
            [ears],
            Thinker(thinking, wanted.tools, ledger, wall_clock),
            [partial(voice, keys) for keys in (self.tts, *self.more_voices)],
            lambda: _given(http),
            "" if wanted.history else wanted.persona.greeting or "",
            wanted.record.count,
            self.kept and VoiceLines(self.kept, "a voice", [wanted.persona.greeting or ""], wanted.persona.language),
        )


class ScriptedSpeech:
    """Ears and voice in this process that hear and speak as a script says."""

    def __init__(self, backend):
        self._backend = backend
        self._transcribe = None
        self.say = backend.say

    @asynccontextmanager
    async def listen(self, *, silence_ms):
        async with self._backend.listen() as backend:
            self._transcribe = backend.transcribe
            yield backend.ears

    async def transcribe(self, utterance):
        return await self._transcribe(utterance)


@asynccontextmanager
async def _given(http):
    yield http


def live_chain(*, stt="assemblyai-streaming", llm="openai-chat", tts="elevenlabs", **more):
    """``live_call`` with a chain whose stages are of these kinds."""
    chain = Chain(llm, stt={"kind": stt}, tts={"kind": tts, "voice": "alba"})
    return calls.live_call(**{"model": chain} | more)
