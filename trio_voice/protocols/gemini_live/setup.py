"""The setup of a session: the table of config.toml, what each model takes, and the first message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from trio_voice.events import model as c
from trio_voice.protocols.json_messages import as_json
from trio_voice.protocols.settings import ModelSettings
from trio_voice.setting_fields import one_of

if TYPE_CHECKING:
    from trio_voice.persona import Persona, ToolSchema, TurnDetection

URL: Final = (
    "wss://generativelanguage.googleapis.com/ws/google.ai.generativelanguage.v1beta.GenerativeService"
    ".BidiGenerateContent"
)
CREDENTIAL: Final = "GEMINI_API_KEY"
NOISY_THRESHOLD: Final = 0.6
"""A persona's ``vad_threshold`` from which on speech is to be found less readily; Gemini knows two degrees only."""
THINKING: Final = ("minimal", "low", "medium", "high")


@attrs.frozen(kw_only=True)
class Features:
    """Abilities of a model; what it does not know it refuses by closing with 1007."""

    hears_text_live: bool = True
    """Takes ``realtimeInput.text``; the older ones take a turn of ``clientContent`` (which later ones take only
    before the talk begins)."""
    transcribes_caller: bool = True
    compresses: bool = True
    """May forget the oldest of a long talk, which otherwise ends after 15 minutes."""
    blocks_for_tools: bool = True
    """Takes ``behavior: BLOCKING``, to fall silent until a tool has answered; 3.8 talks on unless it is told to."""
    thinks_by_level: bool = True


FEATURES: Final = {
    "gemini-3.8-live-extended-thinking": Features(blocks_for_tools=False),
    "gemini-3.8-live": Features(),
    "gemini-3.1-flash-live": Features(transcribes_caller=False, compresses=False, blocks_for_tools=False),
    "gemini-2.5": Features(hears_text_live=False, blocks_for_tools=False, thinks_by_level=False),
    "gemini-live-2.5": Features(hears_text_live=False, blocks_for_tools=False, thinks_by_level=False),
}
"""By how a model's name begins, the longest first (Google's guides; the adapters of tau2-bench for 3.1)."""
UNKNOWN_MODEL: Final = Features(transcribes_caller=False, compresses=False, blocks_for_tools=False)
"""A model that is not in the table gets nothing that it could refuse."""


@attrs.frozen(kw_only=True)
class GeminiLiveSettings(ModelSettings):
    """``kind = "gemini-live"``: Google's Gemini Live. The persona's ``voice`` is such as Kore or Puck."""

    model: str = "gemini-3.8-live"
    """Name of the model."""
    language: str | None = None
    """Language that it speaks, such as ``en-US``; without it the one that it is spoken to in."""
    thinking: str | None = one_of("`minimal`, `low`, `medium`, `high`")
    """Amount of thinking before an answer: the more, the later. Older models have no levels of it."""

    @property
    def extras(self) -> tuple[str, ...]:
        """As of ``ModelSettings``: what resamples its sound needs numpy."""
        return ("gemini-live", *super().extras)

    def __attrs_post_init__(self) -> None:
        if self.thinking is not None and self.thinking not in THINKING:
            raise ValueError(f"thinking: must be one of {', '.join(THINKING)}, not {self.thinking!r}")
        if self.thinking is not None and not self.features.thinks_by_level:
            raise ValueError(f"thinking: {self.model} has no levels of it; leave it out")
        if self.thinking is None and "extended-thinking" in self.model:
            raise ValueError(f"thinking: {self.model} needs one of {', '.join(THINKING)}")

    @property
    def credentials(self) -> tuple[str, ...]:
        """One key, whatever the address."""
        return (CREDENTIAL,)

    @property
    def features(self) -> Features:
        """Abilities of this model."""
        name = self.model.rpartition("/")[2]
        return next((features for known, features in FEATURES.items() if name.startswith(known)), UNKNOWN_MODEL)


def setup_message(
    settings: GeminiLiveSettings,
    persona: Persona,
    tools: tuple[ToolSchema, ...],
    history: tuple[c.Said, ...],
    resume_with: str | None,
) -> dict[str, Any]:
    """The first message on a new socket.

    A session that is resumed knows what was said. One that takes over from another is told in its prompt: history as
    turns of its own is not to be had on every model.
    """
    features = settings.features
    speech: dict[str, Any] = {}
    if persona.voice is not None:
        speech["voiceConfig"] = {"prebuiltVoiceConfig": {"voiceName": persona.voice}}
    if settings.language is not None:
        speech["languageCode"] = settings.language
    generation: dict[str, Any] = {"responseModalities": ["AUDIO"]}
    if speech:
        generation["speechConfig"] = speech
    if settings.thinking is not None:
        generation["thinkingConfig"] = {"thinkingLevel": settings.thinking.upper()}
    setup: dict[str, Any] = {
        "model": settings.model if "/" in settings.model else f"models/{settings.model}",
        "generationConfig": generation,
        "outputAudioTranscription": {},
        "sessionResumption": {"handle": resume_with} if resume_with else {},
    }
    prompt = persona.prompt + ("" if resume_with else c.retold(history))
    if prompt:
        setup["systemInstruction"] = {"parts": [{"text": prompt}]}
    if tools:
        setup["tools"] = [{"functionDeclarations": [_declared(tool, features) for tool in tools]}]
    if features.transcribes_caller:
        setup["inputAudioTranscription"] = {}
    if features.compresses:
        setup["contextWindowCompression"] = {"slidingWindow": {}}
    if persona.turn_detection is not None and persona.turn_detection.for_provider:
        setup["realtimeInputConfig"] = _turns(persona.turn_detection)
    return {"setup": setup}


def _declared(tool: ToolSchema, features: Features) -> dict[str, Any]:
    declared = {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}
    return declared | ({"behavior": "BLOCKING"} if features.blocks_for_tools else {})


def _turns(wanted: TurnDetection) -> dict[str, Any]:
    """Only what the persona sets. Gemini has no longest silence: ``max_silence`` says nothing to it."""
    detection: dict[str, Any] = {}
    if wanted.vad_threshold is not None:
        noisy = wanted.vad_threshold >= NOISY_THRESHOLD
        detection["startOfSpeechSensitivity"] = "START_SENSITIVITY_LOW" if noisy else "START_SENSITIVITY_HIGH"
    if wanted.min_silence is not None:
        detection["silenceDurationMs"] = wanted.min_silence
    if wanted.interruption_delay is not None:
        detection["prefixPaddingMs"] = wanted.interruption_delay  # how much speech it takes to count as begun
    config: dict[str, Any] = {"automaticActivityDetection": detection} if detection else {}
    if wanted.interrupt_response is False:
        config["activityHandling"] = "NO_INTERRUPTION"
    return config


def asked(settings: GeminiLiveSettings, text: str) -> str:
    """The message by which a text is to be answered now."""
    if settings.features.hears_text_live:
        return as_json({"realtimeInput": {"text": text}})
    turn = {"role": "user", "parts": [{"text": text}]}
    return as_json({"clientContent": {"turns": [turn], "turnComplete": True}})
