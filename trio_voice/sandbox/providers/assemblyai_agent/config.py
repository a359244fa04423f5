"""Settings of a session of the sandbox's voice agent: ``session.update``, and the answer to each mistake in it.

No I/O. From the field tables, the voice list and the error table of AssemblyAI's reference of the Voice Agent API, and
on purpose not from the client's side in ``trio_voice.protocols``. Where the sources are silent it is strict: a client
that pleases this one also pleases the original.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import attrs
import msgspec
from msgspec import UNSET, Meta, UnsetType

VOICES: Final = (
    *("alba", "anna", "charles", "estelle", "eve", "george", "giovanni", "iris", "jane"),
    *("jean", "juergen", "lola", "mary", "michael", "paul", "rafael", "reid", "vera"),
)
"""The live service's list of 2026-09-24."""
SAMPLE_RATES: Final = {"audio/pcm": 24_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
MAX_KEYTERMS: Final = 100
FIRST_UPDATE_CLOSES: Final = frozenset({"invalid_value", "agent_not_found"})
"""Codes after which a first update's socket is closed with 1008. The others leave it open, and never ready."""
IMMUTABLE: Final = (
    *("greeting", "output.voice", "output.format", "output.type"),
    *("input.voice_focus", "input.voice_focus_threshold"),
)
"""Settings that only the first update may have."""


@attrs.frozen
class Refusal(Exception):
    """Reason for which an update is not accepted, as ``session.error`` says it."""

    code: str
    message: str
    param: str | None = None


class _Part(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The server's schema forbids unknown keys at every level."""


class Format(_Part):
    """Encoding of audio."""

    encoding: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    sample_rate: Literal[24_000] | UnsetType = UNSET


_Fraction = Annotated[float, Meta(ge=0, le=1)]
_SilenceMs = Annotated[int, Meta(ge=50, le=10_000)]


class TurnDetection(_Part):
    """Settings of when the caller counts as speaking."""

    type: Literal["semantic_vad", "server_vad"] | None = None
    vad_threshold: _Fraction = 0.5
    min_silence: _SilenceMs | None = None
    max_silence: _SilenceMs | None = None
    interrupt_response: bool = True
    interruption_delay: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    uninterruptible_turns: list[str] = []


class Input(_Part):
    """Settings of the caller's sound."""

    type: Literal["audio", "text"] = "audio"
    format: Format = msgspec.field(default_factory=Format)
    turn_detection: TurnDetection = msgspec.field(default_factory=TurnDetection)
    keyterms: Annotated[list[str], Meta(max_length=MAX_KEYTERMS)] | None = None
    transcription_mode: Literal["min_latency", "balanced", "max_accuracy"] = "balanced"
    transcription_prompt: Annotated[str, Meta(max_length=1_750)] | None = None
    continuous_partials: bool | None = None
    language_codes: list[str] | None = None
    voice_focus: Literal["near-field", "far-field"] | None = None
    voice_focus_threshold: _Fraction | None = None


class Output(_Part):
    """Settings of the agent's sound."""

    type: Literal["audio", "text"] = "audio"
    voice: str = "anna"
    format: Format = msgspec.field(default_factory=Format)
    volume: Annotated[float, Meta(ge=0, le=100)] | None = None


class ToolSpec(_Part):
    """A tool; flat, without a nested ``function``."""

    type: Literal["function"]
    name: Annotated[str, Meta(min_length=1)]
    description: str = ""
    parameters: dict[str, Any] = {}
    """JSON Schema, of which live only so much is checked as here."""
    execution_mode: Literal["interactive", "hold"] = "interactive"
    timeout_seconds: Annotated[float, Meta(ge=1, le=300)] = 120


class Webhook(_Part):
    """Address to which the service would report; nothing is sent there."""

    url: str
    events: list[str]
    secret: str | None = None


class Config(_Part):
    """A session's whole configuration."""

    system_prompt: str = "You are a helpful voice assistant."
    greeting: str | UnsetType = UNSET
    input: Input = msgspec.field(default_factory=Input)
    output: Output = msgspec.field(default_factory=Output)
    tools: list[ToolSpec] = []
    webhook: Webhook | UnsetType = UNSET
    pre_connect_requests: list[dict[str, Any]] = []


class Settings:
    """The configuration of one session, as it is told and told again."""

    def __init__(self) -> None:
        self.config = Config()
        self._told: dict[str, Any] = {}

    def begin(self, session: object) -> None:
        """The first update.

        Raises:
            Refusal: of a kind in ``FIRST_UPDATE_CLOSES``, or another.
        """
        told = _object(session)
        if "agent_id" in told:
            if len(told) > 1:
                raise Refusal("invalid_value", "agent_id cannot be combined with other fields", "agent_id")
            raise Refusal("agent_not_found", f"No agent {told['agent_id']!r}", "agent_id")
        self._accept(told)

    def change(self, session: object) -> None:
        """A later update; refused as a whole where it is refused at all.

        Raises:
            Refusal: nothing has changed, and the session goes on.
        """
        told = _object(session)
        if "agent_id" in told:
            raise Refusal("agent_id_not_first", "agent_id is only allowed in the first session.update", "agent_id")
        for path in IMMUTABLE:  # asked before the value is looked at: so it was live
            if _at(told, path) is not UNSET:
                raise Refusal("immutable_field", f"{path} cannot be changed after session.ready", path)
        self._accept(_merged(self._told, told))

    def _accept(self, told: dict[str, Any]) -> None:
        if "llm" in told:
            raise Refusal("invalid_value", "llm is only allowed on a stored agent", "llm")
        try:
            config = msgspec.convert(told, Config)
        except msgspec.ValidationError as wrong:
            raise _refusal(str(wrong)) from None
        for problem in _problems(config):
            raise problem
        self.config, self._told = config, told

    def echo(self, differences: Mapping[str, Any]) -> dict[str, Any]:
        """The ``config`` of ``session.ready`` and ``session.updated``; ``differences``, by path, lie about it."""
        echo: dict[str, Any] = {"id": None, "greeting": None, **msgspec.to_builtins(self.config), "llm": []}
        for side in ("input", "output"):
            audio_format = echo[side]["format"]
            audio_format["sample_rate"] = SAMPLE_RATES[audio_format["encoding"]]
        for path, value in differences.items():
            *parents, key = path.split(".")
            part = echo
            for parent in parents:
                part = part[parent]
            part[key] = value
        return echo


def _object(session: object) -> dict[str, Any]:
    if not isinstance(session, dict):
        raise Refusal("invalid_format", "session must be an object", "session")
    return session


def _refusal(complaint: str) -> Refusal:
    """A complaint of msgspec's, such as "Expected `str`, got `null` - at `$.greeting`", as the service says it."""
    what, _, where = complaint.partition(" - at `$")
    unknown = re.search(r"unknown field `(.+)`", what)
    param = ".".join(filter(None, (where.strip("`."), unknown[1] if unknown else "")))
    is_shape = ", got `" in what and not param.startswith("tools")
    return Refusal("invalid_format" if is_shape else "invalid_value", what, param or None)


def _problems(config: Config) -> Iterator[Refusal]:
    """Mistakes that a schema cannot tell."""
    if config.output.voice not in VOICES:
        known = ", ".join(VOICES)
        yield Refusal("invalid_value", f"Unknown voice {config.output.voice!r}. Valid voices: {known}", "output.voice")
    turns = config.input.turn_detection
    if turns.min_silence is not None and turns.max_silence is not None and turns.min_silence >= turns.max_silence:
        where = "input.turn_detection.min_silence"
        yield Refusal("invalid_value", "min_silence must be less than max_silence", where)
    for tool in config.tools:
        schema = tool.parameters
        if schema.get("type", "object") != "object" or not isinstance(schema.get("properties", {}), dict):
            yield Refusal("invalid_value", f"parameters of {tool.name} must be an object schema", "tools")
    for side, audio in (("input", config.input.format), ("output", config.output.format)):
        if audio.sample_rate is not UNSET and audio.encoding != "audio/pcm":
            where = f"{side}.format.sample_rate"
            yield Refusal("invalid_value", f"sample_rate must be left out for {audio.encoding}", where)
        elif audio.encoding != "audio/pcmu":
            message = f"the sandbox speaks audio/pcmu only, not {audio.encoding}"
            yield Refusal("invalid_value", message, f"{side}.format.encoding")


def _at(told: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(told, dict) or key not in told:
            return UNSET
        told = told[key]
    return told


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Objects are merged, everything else is replaced; so is the list of tools."""
    merged = dict(old)
    for key, value in new.items():
        before = old.get(key)
        merged[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged
