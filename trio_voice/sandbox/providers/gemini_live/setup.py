"""Setup of a session of the sandbox's Gemini, and the refusal of each mistake in it.

No I/O. From Google's reference of the Live API (2026), and on purpose not from the client's side.
Where the sources are silent it is strict: a client that pleases this one also pleases the original.
"""

from typing import Annotated, Any, Final, Literal

import attrs
import msgspec
from msgspec import Meta

VOICES: Final = (
    *("Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe", "Autonoe"),
    *("Enceladus", "Iapetus", "Umbriel", "Algieba", "Despina", "Erinome", "Algenib", "Rasalgethi", "Laomedeia"),
    *("Achernar", "Alnilam", "Schedar", "Gacrux", "Pulcherrima", "Achird", "Zubenelgenubi", "Vindemiatrix"),
    *("Sadachbia", "Sadaltager", "Sulafat"),
)
"""Google's list of speech generation's voices."""
MODELS: Final = (
    "models/gemini-3.8-live",
    "models/gemini-3.8-live-extended-thinking",
    "models/gemini-3.1-flash-live-preview",
    "models/gemini-2.5-flash-native-audio-preview-12-2025",
)


@attrs.frozen
class Refusal(Exception):
    """Reason for which the socket is closed."""

    code: int
    reason: str


class _Part(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """Unknown keys are refused at every level."""


class _PrebuiltVoice(_Part):
    voice_name: str


class _Voice(_Part):
    prebuilt_voice_config: _PrebuiltVoice


class _Speech(_Part):
    voice_config: _Voice | None = None
    language_code: str | None = None


class _Thinking(_Part):
    thinking_level: Literal["MINIMAL", "LOW", "MEDIUM", "HIGH"]


class _Generation(_Part):
    response_modalities: list[Literal["AUDIO"]]
    speech_config: _Speech | None = None
    thinking_config: _Thinking | None = None


class _Text(_Part):
    text: str


class _Content(_Part):
    parts: Annotated[list[_Text], Meta(min_length=1)]


class FunctionDeclaration(_Part):
    """A tool."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    description: str = ""
    parameters_json_schema: dict[str, Any] = {}
    behavior: Literal["BLOCKING", "NON_BLOCKING"] | None = None


class _Tools(_Part):
    function_declarations: list[FunctionDeclaration] = []


class _Detection(_Part):
    disabled: bool = False
    start_of_speech_sensitivity: Literal["START_SENSITIVITY_HIGH", "START_SENSITIVITY_LOW"] | None = None
    end_of_speech_sensitivity: Literal["END_SENSITIVITY_HIGH", "END_SENSITIVITY_LOW"] | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None


class _RealtimeInput(_Part):
    automatic_activity_detection: _Detection | None = None
    activity_handling: Literal["START_OF_ACTIVITY_INTERRUPTS", "NO_INTERRUPTION"] = "START_OF_ACTIVITY_INTERRUPTS"


class _Resumption(_Part):
    handle: str | None = None


class _Window(_Part):
    target_tokens: str | None = None


class _Compression(_Part):
    sliding_window: _Window
    trigger_tokens: str | None = None


class _Empty(_Part):
    pass


class Setup(_Part):
    """A session's whole configuration."""

    model: str
    generation_config: _Generation
    system_instruction: _Content | None = None
    tools: list[_Tools] = []
    realtime_input_config: _RealtimeInput = msgspec.field(default_factory=_RealtimeInput)
    input_audio_transcription: _Empty | None = None
    output_audio_transcription: _Empty | None = None
    session_resumption: _Resumption | None = None
    context_window_compression: _Compression | None = None

    @property
    def functions(self) -> list[FunctionDeclaration]:
        """All tools."""
        return [function for tools in self.tools for function in tools.function_declarations]

    @property
    def prompt(self) -> str:
        """The instruction."""
        return "" if self.system_instruction is None else self.system_instruction.parts[0].text

    @property
    def voice(self) -> str:
        """Name of the voice."""
        speech = self.generation_config.speech_config
        return (
            "Puck"
            if speech is None or speech.voice_config is None
            else (speech.voice_config.prebuilt_voice_config.voice_name)
        )


def read_setup(told: object) -> Setup:
    """The first message's ``setup``.

    Raises:
        Refusal: it cannot be had.
    """
    try:
        setup = msgspec.convert(told, Setup)
    except msgspec.ValidationError as wrong:
        raise Refusal(1007, f"Invalid JSON payload received. {wrong}"[:120]) from None
    if setup.model not in MODELS:
        raise Refusal(1008, f"{setup.model[:40]} is not found for API version v1beta, or is not supported for bidi...")
    if setup.voice not in VOICES:
        raise Refusal(1007, f"Requested voice '{setup.voice[:40]}' is not available for model {setup.model}"[:120])
    levels, extended = setup.generation_config.thinking_config is not None, "extended-thinking" in setup.model
    behaviors = {function.behavior for function in setup.functions} - {None}
    optional = setup.context_window_compression or setup.input_audio_transcription
    if (
        ("-3.1-" in setup.model and optional is not None)
        or ("-2.5-" in setup.model and (levels or behaviors))
        or (extended and (not levels or "BLOCKING" in behaviors))
        or setup.session_resumption is None  # not refused live, but then there is no way out of ten minutes
    ):
        raise Refusal(1007, "Request contains an invalid argument.")
    return setup
