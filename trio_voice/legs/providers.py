"""The kinds of model that config.toml may name, one row each. A new one: ``docs/how-to/add-a-kind.md``."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import attrs
import trio

from trio_voice.chain.turns import ChainTurns
from trio_voice.errors import ModelUnavailable
from trio_voice.legs.chain.http_voice import HttpSpeaker
from trio_voice.legs.chain.kept_lines import KeptLines, VoiceLines
from trio_voice.legs.chain.language_model import Thinker
from trio_voice.legs.chain.leg import ChainLeg
from trio_voice.legs.chain.local import LocalHearing, LocalSpeaking
from trio_voice.legs.model import SocketModelLeg
from trio_voice.net.http import open_http
from trio_voice.net.proxies import Proxies
from trio_voice.net.websocket import open_websocket
from trio_voice.protocols import assemblyai_agent, gemini_live, openai_realtime
from trio_voice.protocols.chain_stages import HEARING, SPEAKING, THINKING, ChainSettings
from trio_voice.protocols.local import LocalSpeakingSettings
from trio_voice.speech_text.languages import phrases_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from types import ModuleType

    from trio_voice.events.model import Said
    from trio_voice.legs.chain.local import Speech
    from trio_voice.legs.chain.stage import HearingLeg, SpeakingLeg
    from trio_voice.legs.model import ModelLeg
    from trio_voice.legs.session_ledger import Ledger
    from trio_voice.net.channel import Channel
    from trio_voice.net.http import HttpClient
    from trio_voice.persona import Persona, ToolSchema
    from trio_voice.protocols.chain_stages import Stage
    from trio_voice.protocols.model_session import ModelSession
    from trio_voice.protocols.settings import ModelSettings, StageSettings

STALL_SECONDS: Final = 5.0
"""Time that a model may take to read one message before its leg is given up. Longer than the caller's, because a model
that pauses costs the caller only its answer, and the end of the call shortens it anyway."""

HANG_SECONDS: Final = 4.0
"""Time after its last word that a turn may stay open at a chain's recogniser, if it need not wait for more silence."""
SOUND_SECONDS: Final = 5.0
"""Time that a chain's voice may keep a text without making a sound of it, unless its stage says otherwise."""
HANDSHAKE_SECONDS: Final = 4.5
"""For a socket to be opened, before it is tried again: half of what a model has to be ready, by default."""

HANDSHAKE_ADVICE: Final[Mapping[int | None, str]] = {
    400: "check the keys of {table}",
    401: "check {secret}",
    402: "the account behind {secret} has no funds",
    403: "check {secret}, and what its account may use",
    404: "check url, model and voice of {table}",
    429: "the account behind {secret} has as many sessions as it may: lower max_calls",
}
"""Advice for each HTTP status of a refused handshake."""


@attrs.frozen(kw_only=True)
class LegSpec:
    """A model leg that is wanted for one call."""

    settings: Any
    """Of the class that the kind's row names."""
    persona: Persona
    tools: tuple[ToolSchema, ...]
    ledger: Ledger
    keys: Mapping[str, str]
    """The credentials by name, as far as there are any."""
    wall_clock: Callable[[], datetime]
    proxies: Proxies = attrs.field(factory=Proxies)
    """By which the model is reached."""
    on_delay: Callable[[float], None] | None = None
    history: tuple[Said, ...] = ()
    """The conversation so far, if this session takes over from another: the greeting has been said."""
    speech: Speech | None = None
    """Ears and voice of this process, where they are loaded."""
    kept_lines: KeptLines = attrs.field(factory=KeptLines)
    """The sound of lines that voices have said in calls before."""
    resume_with: str | None = None
    """The handle of the session to take up, if its provider gave one (``SessionExpiring``)."""

    def over_socket(
        self,
        session: ModelSession,
        url: str,
        headers: Mapping[str, str],
        max_message_bytes: int,
        stage: StageSettings | None = None,
    ) -> SocketModelLeg:
        """The leg of a model that is one WebSocket, or of one stage of a chain. A refusal says what to check."""
        table = f"[models.{self.settings.name}]" if stage is None else f"the stage {stage.kind}"
        names = self.settings.credentials if stage is None else (stage.key_name,)
        secret = " and ".join(filter(None, names)) or f"the credential of {table}"

        async def connect() -> Channel:
            try:
                proxy = self.proxies.for_url(url)
                with trio.fail_after(HANDSHAKE_SECONDS):
                    return await open_websocket(
                        url,
                        dict(headers),
                        max_message_bytes=max_message_bytes,
                        proxy=proxy,
                        low_latency=stage is not None,
                    )
            except trio.TooSlowError as slow:
                words = f"{urlsplit(url).hostname} did not answer the WebSocket handshake in {HANDSHAKE_SECONDS:g} s"
                raise ModelUnavailable(words, passing=True) from slow
            except ModelUnavailable as refused:
                advice = HANDSHAKE_ADVICE.get(refused.status)
                if advice is None:
                    raise
                words = f"{refused}: {advice.format(table=table, secret=secret)}"
                passing, retry_after = refused.passing, refused.retry_after
                raise ModelUnavailable(
                    words, status=refused.status, passing=passing, retry_after=retry_after
                ) from refused

        return SocketModelLeg(session, connect, STALL_SECONDS, self.ledger, self.wall_clock, self.on_delay)


@attrs.frozen
class Kind:
    """Particulars of one kind of model."""

    settings: type[ModelSettings]
    """Its table in config.toml."""
    make: Callable[[LegSpec], ModelLeg]
    load: Callable[[], object] = lambda: None
    """Imports what takes long, before the first call that it would keep waiting. ImportError: an extra is missing."""


def _assemblyai_agent(spec: LegSpec) -> ModelLeg:
    session = assemblyai_agent.VoiceAgentSession(
        spec.persona, spec.tools, spec.history, spec.resume_with, spec.wall_clock().timestamp()
    )
    headers = {"Authorization": f"Bearer {spec.keys.get(assemblyai_agent.CREDENTIAL, '')}"}
    url = spec.settings.url or assemblyai_agent.URL
    return spec.over_socket(session, url, headers, assemblyai_agent.MAX_MESSAGE_BYTES)


def _openai_realtime(spec: LegSpec) -> ModelLeg:
    settings: openai_realtime.OpenAIRealtimeSettings = spec.settings
    started_at = spec.wall_clock().timestamp()
    session = openai_realtime.OpenAIRealtimeSession(settings, spec.persona, spec.tools, spec.history, started_at)
    headers = settings.headers(spec.keys)
    return spec.over_socket(session, settings.address, headers, openai_realtime.MAX_MESSAGE_BYTES)


def _gemini_live_session() -> ModuleType:
    """Needs numpy, which a server without such a model may be without."""
    from trio_voice.protocols.gemini_live import session  # noqa: PLC0415 - see above

    return session


def _gemini_live(spec: LegSpec) -> ModelLeg:
    wire = _gemini_live_session()
    session = wire.GeminiLiveSession(spec.settings, spec.persona, spec.tools, spec.history, spec.resume_with)
    headers = {"x-goog-api-key": spec.keys.get(gemini_live.CREDENTIAL, "")}
    url = spec.settings.url or gemini_live.URL
    return spec.over_socket(session, url, headers, wire.MAX_MESSAGE_BYTES)


def _chain(spec: LegSpec) -> ModelLeg:
    settings: ChainSettings = spec.settings
    persona = spec.persona

    def over_socket(settings: StageSettings, stage: Stage) -> SocketModelLeg:
        session = stage.protocol(settings, persona)
        headers = session.headers(spec.keys.get(settings.key_name, ""))
        return spec.over_socket(session, session.url, headers, stage.max_message_bytes, settings)

    def client_of(*stages: StageSettings) -> Callable[[], AbstractAsyncContextManager[HttpClient]]:
        by = {stage.address: proxy for stage in stages if (proxy := spec.proxies.for_url(stage.address))}
        return partial(open_http, by)

    def ears(settings: StageSettings, stage: Stage) -> HearingLeg:
        if stage.in_process:
            return LocalHearing(spec.speech, spec.ledger, spec.wall_clock)
        return over_socket(settings, stage)

    def voice(settings: StageSettings, stage: Stage) -> SpeakingLeg:
        if isinstance(settings, LocalSpeakingSettings):
            return LocalSpeaking(spec.speech, persona.voice or settings.voice, spec.ledger, spec.wall_clock)
        if not stage.over_http:
            return over_socket(settings, stage)
        requests = stage.protocol(settings, persona, spec.keys.get(settings.key_name, ""))
        return HttpSpeaker(requests, client_of(settings), spec.ledger, spec.wall_clock)

    spelled_out = not all(stage.reads_figures for stage in settings.tts)
    detection = persona.turn_detection
    longest_silence = (detection.max_silence if detection else None) or 0
    turns = ChainTurns(
        interruptible=persona.interruptible,
        said=spec.history,
        prefix=f"{secrets.token_hex(3)}_",
        timed_words=not SPEAKING[settings.tts[0].kind].over_http,
        language=persona.language,
        spelled_out=spelled_out,
        has_voice=False,
        members=len(settings.llm),
        filler=settings.own_filler(persona.language),
        filler_after_seconds=settings.filler_after_seconds or 1.0,
        hang_seconds=max(HANG_SECONDS, longest_silence / 1_000 + 2),
        sound_seconds=max(stage.first_byte_seconds or SOUND_SECONDS for stage in settings.tts),
    )
    models = [
        THINKING[stage.kind].protocol(stage, persona, spec.keys.get(stage.key_name, "")) for stage in settings.llm
    ]
    return ChainLeg(
        turns,
        [partial(ears, stage, HEARING[stage.kind]) for stage in settings.stt],
        Thinker(models, spec.tools, spec.ledger, spec.wall_clock),
        [partial(voice, stage, SPEAKING[stage.kind]) for stage in settings.tts],
        client_of(*settings.llm),
        "" if spec.history else persona.greeting or "",
        spec.ledger.record.count,
        VoiceLines(
            spec.kept_lines,
            f"{settings.tts[0]} {persona.voice}",
            _lines_of(persona),
            persona.language,
            spelled_out=spelled_out,
        ),
    )


def _lines_of(persona: Persona) -> Iterator[str]:
    """Lines that a persona says again and again."""
    phrases = phrases_of(persona.language)
    yield from filter(None, (persona.greeting, persona.voicemail, persona.still_there, persona.idle_goodbye))
    yield from phrases.fillers if persona.fillers is None else persona.fillers
    yield from (phrases.still_there, phrases.idle_goodbye, phrases.last_line)


KINDS: Final[Mapping[str, Kind]] = {
    "assemblyai-agent": Kind(assemblyai_agent.VoiceAgentSettings, _assemblyai_agent),
    "openai-realtime": Kind(openai_realtime.OpenAIRealtimeSettings, _openai_realtime),
    "gemini-live": Kind(gemini_live.GeminiLiveSettings, _gemini_live, _gemini_live_session),
    "chain": Kind(ChainSettings, _chain),
}
