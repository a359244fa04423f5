"""Stages of a chain, one row for each vendor's part, and the chain's table of config.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

import attrs

from trio_voice.protocols import (
    anthropic_messages,
    assemblyai_streaming,
    cartesia,
    chat_completions,
    deepgram_flux,
    elevenlabs,
    elevenlabs_http,
    local,
)
from trio_voice.protocols.settings import SANDBOX, ModelSettings, StageSettings
from trio_voice.setting_fields import bounded
from trio_voice.speech_text.languages import phrases_of


@attrs.frozen
class Stage:
    """A vendor's part in a chain."""

    settings: type[StageSettings]
    """Its inline table in config.toml."""
    protocol: Any
    """A ``ModelSession`` with ``url`` and ``headers``, or an ``events.stage.LanguageModel``."""
    max_message_bytes: int = 0
    over_http: bool = False
    """A voice that is asked for each text by a request: an ``http_voice.VoiceRequests``. It times no words."""
    in_process: bool = False
    """On this machine, and nobody else's: there is no protocol, no address and nothing to pay."""


HEARING: Final[Mapping[str, Stage]] = {
    "assemblyai-streaming": Stage(
        assemblyai_streaming.AssemblyAiStreamingSettings,
        assemblyai_streaming.AssemblyAiStreaming,
        assemblyai_streaming.MAX_MESSAGE_BYTES,
    ),
    "deepgram-flux": Stage(
        deepgram_flux.DeepgramFluxSettings, deepgram_flux.DeepgramFlux, deepgram_flux.MAX_MESSAGE_BYTES
    ),
    "local": Stage(local.LocalHearingSettings, None, in_process=True),
}
THINKING: Final[Mapping[str, Stage]] = {
    "openai-chat": Stage(chat_completions.ChatSettings, chat_completions.ChatCompletions),
    "anthropic": Stage(anthropic_messages.MessagesSettings, anthropic_messages.AnthropicMessages),
}
SPEAKING: Final[Mapping[str, Stage]] = {
    "elevenlabs": Stage(elevenlabs.ElevenLabsSettings, elevenlabs.ElevenLabs, elevenlabs.MAX_MESSAGE_BYTES),
    "elevenlabs-http": Stage(elevenlabs_http.ElevenLabsHttpSettings, elevenlabs_http.ElevenLabsHttp, over_http=True),
    "cartesia": Stage(cartesia.CartesiaSettings, cartesia.Cartesia, cartesia.MAX_MESSAGE_BYTES),
    "local": Stage(local.LocalSpeakingSettings, None, in_process=True),
}


@attrs.frozen(kw_only=True)
class HearingSettings(StageSettings):
    """``stt = { kind = ... }``: of the class of one of ``HEARING``."""


@attrs.frozen(kw_only=True)
class ThinkingSettings(StageSettings):
    """``llm = { kind = ... }``: of the class of one of ``THINKING``."""


@attrs.frozen(kw_only=True)
class SpeakingSettings(StageSettings):
    """``tts = { kind = ... }``: of the class of one of ``SPEAKING``."""


STAGES: Final[Mapping[type[StageSettings], Mapping[str, Stage]]] = {
    HearingSettings: HEARING,
    ThinkingSettings: THINKING,
    SpeakingSettings: SPEAKING,
}
"""Rows that a key of ``ChainSettings`` may be of, by its annotation."""


STAGE_KEYS: Final = ("stt", "llm", "tts")


@attrs.frozen(kw_only=True)
class ChainSettings(ModelSettings):
    """``kind = "chain"``: a recogniser, a language model and a voice, each of its own provider. It has no ``url``."""

    stt: tuple[HearingSettings, ...]
    """The recogniser: a table with a ``kind``, or a list of some, of which the next takes over within the turn."""
    llm: tuple[ThinkingSettings, ...]
    """The language model: a table with a ``kind``, or a list of some, of which the next takes over within the turn."""
    tts: tuple[SpeakingSettings, ...]
    """The voice: a table with a ``kind``, or a list of some, of which the next takes over within the turn."""
    filler: str | None = None
    """Said while an answer takes longer than ``filler_after_seconds``, beside the persona's own ``fillers``, which come
    after ``dead_air_seconds``; ``""`` for nothing. The language's "One moment, please." where only
    ``filler_after_seconds`` is set."""
    filler_after_seconds: float | None = bounded(0, 60)
    """Time to the filler; 1 by default, where ``filler`` is set."""

    def __attrs_post_init__(self) -> None:
        if self.url not in (None, SANDBOX):
            raise ValueError("url belongs to the stages of a chain: stt.url, llm.url, tts.url")

    def own_filler(self, language: str) -> str:
        """Words that the chain says by itself while an answer takes long; empty where the bridge's fillers are all."""
        if self.filler is None:
            return "" if self.filler_after_seconds is None else phrases_of(language).fillers[0]
        return self.filler

    @property
    def stages(self) -> dict[str, StageSettings]:
        """The members of the stages by the paths of their keys: ``llm``, or ``llm.0`` and ``llm.1`` of several."""
        named: dict[str, StageSettings] = {}
        for key in STAGE_KEYS:
            members: tuple[StageSettings, ...] = getattr(self, key)
            named |= {key if len(members) == 1 else f"{key}.{at}": member for at, member in enumerate(members)}
        return named

    @property
    def credentials(self) -> tuple[str, ...]:
        """One for each stage that needs one."""
        return tuple(dict.fromkeys(stage.key_name for stage in self.stages.values() if stage.key_name))

    @property
    def providers(self) -> tuple[str, ...]:
        """Of each stage that is somebody else's: what is on this machine costs nothing."""
        rows = (self._row(path, stage) for path, stage in self.stages.items() if stage.url != SANDBOX)
        return tuple(dict.fromkeys(row.protocol.provider for row in rows if not row.in_process))

    @property
    def extras(self) -> tuple[str, ...]:
        """As of ``ModelSettings``: stages in this process, or in the sandbox."""
        in_process = any(self._row(path, stage).in_process for path, stage in self.stages.items())
        in_sandbox = SANDBOX in {url for url, _scheme in self.urls.values()}
        return ("speech",) * in_process + ("sandbox",) * in_sandbox

    @staticmethod
    def _row(path: str, stage: StageSettings) -> Stage:
        return {"stt": HEARING, "llm": THINKING, "tts": SPEAKING}[path.partition(".")[0]][stage.kind]

    @property
    def summary(self) -> str:
        """Its stages; ``at`` whose address, where it is not the provider's."""
        whole = " in the sandbox" if self.url == SANDBOX else ""
        stages = (
            stage.kind if stage.url is None or self._row(path, stage).in_process else f"{stage.kind} at {stage.url}"
            for path, stage in self.stages.items()
        )
        return f"chain{whole} of {', '.join(stages)}"

    @property
    def urls(self) -> dict[str, tuple[str, str]]:
        """The stages' addresses, and the chain's own, which can only be the sandbox."""
        nested = {
            f"{path}.url": (stage.url, stage.scheme)
            for path, stage in self.stages.items()
            if stage.url is not None and not self._row(path, stage).in_process
        }
        return {"url": (self.url, "wss")} | nested if self.url is not None else nested

    def at(self, urls: Mapping[str, str]) -> Self:
        """The same chain with those of its stages elsewhere that are in the sandbox; all are if it is itself.

        The sandbox has one path for sockets and one for requests, which is its language model's.
        """
        whole = self.url == SANDBOX

        def moved(key: str, stage: StageSettings) -> StageSettings:
            if not (whole or stage.url == SANDBOX) or self._row(key, stage).in_process:
                return stage
            return stage.at(urls["llm.url" if key == "tts" and SPEAKING[stage.kind].over_http else f"{key}.url"])

        stages: dict[str, Any] = {key: tuple(moved(key, stage) for stage in getattr(self, key)) for key in STAGE_KEYS}
        return attrs.evolve(self, url=None, **stages)
