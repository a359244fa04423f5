"""Settings of a session, in each dialect, and the answer to each mistake in them. No I/O.

From the field tables of OpenAI's, xAI's and Microsoft's realtime references (2026), and on purpose not from the
client's side in ``trio_voice.protocols``. Unknown fields are refused at every level, as OpenAI does. It speaks mu-law
only.
"""

import re
from typing import Annotated, Any, Final, Literal

import attrs
import msgspec
from msgspec import UNSET, Meta, UnsetType

VOICES: Final = {
    "ga": ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"),
    "xai": ("eve", "ara", "rex", "sal", "leo"),
    "beta": ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse"),
}
MODELS: Final = {
    "ga": ("gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-2", "gpt-realtime-1.5"),
    "xai": ("grok-voice-latest", "grok-voice-think-fast-2.0", "grok-voice-3.0", "grok-voice-2.0"),
    "beta": (),
}
"""Those that are let in; with none, any, and also the lack of one."""


@attrs.frozen
class Refusal(Exception):
    """Reason for which something is not accepted, as an ``error`` event says it."""

    code: str
    message: str
    param: str | None = None
    type: str = "invalid_request_error"


class _Part(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class Pcmu(_Part):
    """The one format that is spoken here. It has no rate."""

    type: Literal["audio/pcmu"]


class ServerVad(_Part, tag="server_vad"):
    """Silence decides."""

    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    idle_timeout_ms: int | None = None
    create_response: bool = True
    interrupt_response: bool = True


class SemanticVad(_Part, tag="semantic_vad"):
    """The words decide."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


class XaiVad(_Part, tag="server_vad"):
    """Silence decides, and nobody else is asked."""

    threshold: Annotated[float, Meta(ge=0.1, le=0.9)] = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    idle_timeout_ms: int | None = None


class Transcription(_Part):
    """The model that writes down the caller's words."""

    model: str
    language: str | UnsetType = UNSET
    languages: list[str] | UnsetType = UNSET
    prompt: str | UnsetType = UNSET
    keywords: list[str] | UnsetType = UNSET
    delay: str | UnsetType = UNSET


class XaiTranscription(_Part):
    """The same at xAI."""

    model: str
    keyterms: list[str] | UnsetType = UNSET


class NoiseReduction(_Part):
    """Filter of the caller's sound."""

    type: Literal["near_field", "far_field"]
    strength: float | UnsetType = UNSET


class CustomVoice(_Part):
    """A voice of one's own."""

    id: str


class FunctionTool(_Part):
    """A tool; flat, without a nested ``function``."""

    type: Literal["function"]
    name: Annotated[str, Meta(min_length=1, max_length=64)]
    description: str = ""
    parameters: dict[str, Any] = {}


class Reasoning(_Part):
    """Amount of thinking."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"]


class GaInput(_Part):
    """Settings of the caller's sound."""

    format: Pcmu
    turn_detection: ServerVad | SemanticVad | None = msgspec.field(default_factory=ServerVad)
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None


class GaOutput(_Part):
    """Settings of the agent's sound."""

    format: Pcmu
    voice: str | CustomVoice = "marin"
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] = 1.0


class GaAudio(_Part):
    """Both."""

    input: GaInput
    output: GaOutput


class GaSession(_Part):
    """``session`` at OpenAI."""

    type: Literal["realtime"]
    audio: GaAudio
    output_modalities: tuple[Literal["audio"], ...] = ("audio",)
    instructions: str = ""
    tools: list[FunctionTool] = []
    tool_choice: str = "auto"
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: Reasoning | UnsetType = UNSET
    max_output_tokens: int | Literal["inf"] = "inf"
    truncation: Any = "auto"


class XaiInput(_Part):
    """Settings of the caller's sound."""

    format: Pcmu
    transcription: XaiTranscription | None = None


class XaiOutput(_Part):
    """Settings of the agent's sound."""

    format: Pcmu
    speed: Annotated[float, Meta(ge=0.7, le=1.5)] = 1.0


class XaiAudio(_Part):
    """Both."""

    input: XaiInput
    output: XaiOutput


class XaiSession(_Part):
    """``session`` at xAI: voice, turn detection and tools stand at the top, and there is no type."""

    audio: XaiAudio
    voice: str = "eve"
    instructions: str = ""
    turn_detection: XaiVad = msgspec.field(default_factory=XaiVad)
    tools: list[FunctionTool] = []
    reasoning: Reasoning | UnsetType = UNSET


class BetaSession(_Part):
    """``session`` of 2024: flat."""

    input_audio_format: Literal["g711_ulaw"]
    output_audio_format: Literal["g711_ulaw"]
    modalities: tuple[Literal["text", "audio"], ...] = ("text", "audio")
    instructions: str = ""
    voice: str = "alloy"
    input_audio_transcription: Transcription | None = None
    input_audio_noise_reduction: NoiseReduction | None = None
    turn_detection: ServerVad | SemanticVad | None = msgspec.field(default_factory=ServerVad)
    tools: list[FunctionTool] = []
    tool_choice: str = "auto"
    temperature: Annotated[float, Meta(ge=0.6, le=1.2)] = 0.8
    max_response_output_tokens: int | Literal["inf"] = "inf"
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] = 1.0


@attrs.frozen(kw_only=True)
class Config:
    """Settings that are obeyed here, whatever the dialect."""

    instructions: str = ""
    voice: str = ""
    tools: tuple[FunctionTool, ...] = ()
    create_response: bool = True
    interrupt_response: bool = True
    transcribes: bool = False
    echo: dict[str, Any] = attrs.field(factory=dict)
    """All of it, as ``session.updated`` repeats it."""


_SESSIONS: Final[dict[str, type[GaSession | XaiSession | BetaSession]]] = {
    "ga": GaSession,
    "xai": XaiSession,
    "beta": BetaSession,
}


def read_session(told: object, dialect: str) -> Config:
    """The ``session`` of a ``session.update``.

    Raises:
        Refusal: with the parameter that is wrong.
    """
    try:
        session = msgspec.convert(told, _SESSIONS[dialect])
    except msgspec.ValidationError as wrong:
        raise _refusal(str(wrong)) from None
    voice: str | CustomVoice
    turns: ServerVad | SemanticVad | XaiVad | None
    transcription: Transcription | XaiTranscription | None
    match session:
        case GaSession(audio=GaAudio(input=told_in, output=told_out)):
            voice, turns, transcription = told_out.voice, told_in.turn_detection, told_in.transcription
        case XaiSession():
            voice, turns, transcription = session.voice, session.turn_detection, session.audio.input.transcription
        case BetaSession():
            voice, turns, transcription = session.voice, session.turn_detection, session.input_audio_transcription
    if isinstance(voice, str) and voice not in VOICES[dialect]:
        known = ", ".join(repr(name) for name in VOICES[dialect])
        param = "session.audio.output.voice" if dialect == "ga" else "session.voice"
        raise Refusal("invalid_value", f"Invalid value: {voice!r}. Supported values are: {known}.", param)
    for tool in session.tools:
        if tool.parameters.get("type", "object") != "object":
            raise Refusal("invalid_function_parameters", f"parameters of {tool.name} are no object", "session.tools")
    return Config(
        instructions=session.instructions,
        voice=voice if isinstance(voice, str) else voice.id,
        tools=tuple(session.tools),
        create_response=getattr(turns, "create_response", turns is not None),
        interrupt_response=getattr(turns, "interrupt_response", turns is not None),
        transcribes=transcription is not None,
        echo=msgspec.to_builtins(session),
    )


def _refusal(complaint: str) -> Refusal:
    """A complaint of msgspec's, such as "Expected `str`, got `null` - at `$.voice`", as the service says it."""
    what, _, where = complaint.partition(" - at `$")
    unknown = re.search(r"unknown field `(.+)`", what)
    missing = re.search(r"missing required field `(.+)`", what)
    named = unknown or missing
    param = ".".join(filter(None, ("session", where.strip("`."), named[1] if named else "")))
    code = "unknown_parameter" if unknown else "missing_required_parameter" if missing else "invalid_value"
    return Refusal(code, f"{what}: {param!r}.", param)
