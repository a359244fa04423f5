"""Differences between the servers that speak OpenAI's Realtime protocol: a table of dialects, and the settings.

``ga`` is OpenAI's own since 2025, also Azure OpenAI's v1, Inworld's and the gateways'; ``xai`` keeps voice, turn
detection and tools at the top; ``beta`` is the flat shape of 2024, dead at OpenAI since May 2026 (an error
``beta_api_shape_disabled``) and alive at Azure Voice Live, Qwen and many local servers.

Sources: the types of the ``openai`` package 3.54, OpenAI's realtime reference, Microsoft's page on Voice Live, xAI's on
its voice agents, and the adapters that others run against them (2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import attrs

from trio_voice.protocols.settings import ModelSettings
from trio_voice.setting_fields import one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from trio_voice.events.model import BilledBy
    from trio_voice.persona import Persona, ToolSchema

EAGERNESS: Final = ("auto", "low", "medium", "high")
NOISE_REDUCTIONS: Final = ("near_field", "far_field")
KEYWORD_MODELS: Final = ("gpt-transcribe", "gpt-live-transcribe")
"""Transcribers of OpenAI's that take a list of words; the others are given them in their prompt."""
MULAW: Final = "audio/pcmu"
"""Without a ``rate``: an unknown field is refused."""
BETA_MULAW: Final = "g711_ulaw"


@attrs.frozen(kw_only=True)
class OpenAIRealtimeSettings(ModelSettings):
    """``kind = "openai-realtime"``: OpenAI's Realtime API and its dialects. A key left out is the dialect's choice.

    Raises:
        ValueError: a value that the dialect does not have.
    """

    dialect: str = one_of("`ga`, `xai`, `beta`", "ga")
    """Form of the protocol: ``ga`` is OpenAI's of today, ``xai`` Grok Voice's, ``beta`` the older one of Azure Voice
    Live, Qwen and local servers (which needs ``url``)."""
    model: str | None = None
    """Name of the model, or of a deployment; the dialect's own by default (``gpt-realtime-2.1`` of ``ga``)."""
    credential: str | None = None
    """Name of the secret, where it is not the dialect's own; ``""`` for a server that asks for none."""
    transcription_model: str | None = None
    """Model that writes down what the caller says, beside the model and billed apart; ``""`` for none, which leaves the
    caller's lines out of the transcript."""
    noise_reduction: str | None = one_of("`near_field`, `far_field`; `beta`: the server's own words")
    """Filter for the caller's sound before the model hears it; none by default. ``xai`` has none."""
    semantic_eagerness: str | None = one_of("`auto`, `low`, `medium`, `high`")
    """Set: a model decides from the words when the caller has finished, so eagerly; otherwise silence does.
    ``xai`` has none."""
    speed: float | None = one_of("from 0.25 to 1.5; `xai`: from 0.7 to 1.5")
    """Speed of speech; 1 is the voice's own."""
    reasoning_effort: str | None = None
    """Thinking before an answer, for models that take it (``low``, ``medium``, ``high``): the more, the later."""

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work."""
        dialect = DIALECTS.get(self.dialect)
        if dialect is None:
            raise ValueError(f"dialect = {self.dialect!r}: must be one of {', '.join(DIALECTS)}")
        if self.url is None and dialect.url is None:
            raise ValueError(f"url: is missing: the {self.dialect} dialect is spoken by many servers, name yours")
        slowest, fastest = dialect.speeds
        if self.speed is not None and not slowest <= self.speed <= fastest:
            raise ValueError(f"speed = {self.speed:g}: must be from {slowest:g} to {fastest:g}")
        for key, values in (("noise_reduction", dialect.noise_reductions), ("semantic_eagerness", dialect.eagerness)):
            value = getattr(self, key)
            if value is not None and values is not None and value not in values:
                meant = f"must be one of {', '.join(values)}" if values else f"the {self.dialect} dialect has none"
                raise ValueError(f"{key} = {value!r}: {meant}")

    @property
    def _host(self) -> str:
        return urlsplit(self.url or "").hostname or ""

    @property
    def at_azure(self) -> bool:
        """True if the server is Microsoft's, which wants the key in a header of its own."""
        return self._host.endswith(".azure.com")

    @property
    def credentials(self) -> tuple[str, ...]:
        """One key, by its own name or by that of who runs the server."""
        if self.credential is not None:
            return (self.credential,) if self.credential else ()
        return ("AZURE_OPENAI_API_KEY" if self.at_azure else DIALECTS[self.dialect].credential,)

    @property
    def address(self) -> str:
        """Address to connect to, with the model's name in its query unless it names one itself."""
        dialect = DIALECTS[self.dialect]
        parts = urlsplit(self.url or dialect.url or "")
        query = parse_qsl(parts.query, keep_blank_values=True)
        model = self.model or dialect.model
        if model is not None and not {"model", "deployment"} & {name for name, _ in query}:
            query.append(("model", model))
        return urlunsplit(parts._replace(query=urlencode(query, safe="/")))

    def headers(self, keys: Mapping[str, str]) -> dict[str, str]:
        """The headers of the upgrade, given the credentials by name."""
        headers = {"OpenAI-Beta": "realtime=v1"} if self.dialect == "beta" and not self.at_azure else {}
        if not self.credentials:
            return headers
        key = keys.get(self.credentials[0], "")
        if self.at_azure:
            return headers | {"api-key": key}
        scheme = "Basic" if self._host.endswith("inworld.ai") else "Bearer"
        return headers | {"Authorization": f"{scheme} {key}"}

    @property
    def writes_down(self) -> bool:
        """True if the caller's words are written down."""
        model = self.transcription_model
        return bool(DIALECTS[self.dialect].transcription_model if model is None else model)

    def update(self, persona: Persona, tools: Sequence[ToolSchema], instructions: str) -> dict[str, Any]:
        """The ``session`` of the first ``session.update``."""
        return DIALECTS[self.dialect].session(self, persona, tools, instructions)


# Sessions


def _ga_session(
    settings: OpenAIRealtimeSettings, persona: Persona, tools: Sequence[ToolSchema], instructions: str
) -> dict[str, Any]:
    audio_in: dict[str, Any] = {"format": {"type": MULAW}, "turn_detection": _turn_detection(settings, persona)}
    audio_out: dict[str, Any] = {"format": {"type": MULAW}}
    transcription = _transcription(settings, persona)
    if transcription:
        audio_in["transcription"] = transcription
    if settings.noise_reduction is not None:
        audio_in["noise_reduction"] = {"type": settings.noise_reduction}
    if persona.voice is not None:
        # A voice of one's own is named by its id, in an object.
        audio_out["voice"] = {"id": persona.voice} if persona.voice.startswith("voice_") else persona.voice
    if settings.speed is not None:
        audio_out["speed"] = settings.speed
    session: dict[str, Any] = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {"input": audio_in, "output": audio_out},
        "tools": _tools(tools),
    }
    return session | _told(settings, instructions)


def _xai_session(
    settings: OpenAIRealtimeSettings, persona: Persona, tools: Sequence[ToolSchema], instructions: str
) -> dict[str, Any]:
    audio_in: dict[str, Any] = {"format": {"type": MULAW}}
    audio_out: dict[str, Any] = {"format": {"type": MULAW}}
    transcription = _transcription(settings, persona)
    if transcription:
        audio_in["transcription"] = transcription
    if settings.speed is not None:
        audio_out["speed"] = settings.speed
    session: dict[str, Any] = {
        "turn_detection": _turn_detection(settings, persona),
        "audio": {"input": audio_in, "output": audio_out},
        # Its default is ``high``, and a caller waits.
        "reasoning": {"effort": settings.reasoning_effort or "none"},
        "tools": _tools(tools),
    }
    if persona.voice is not None:
        session["voice"] = persona.voice
    return session | ({"instructions": instructions} if instructions else {})


def _beta_session(
    settings: OpenAIRealtimeSettings, persona: Persona, tools: Sequence[ToolSchema], instructions: str
) -> dict[str, Any]:
    session: dict[str, Any] = {
        "modalities": ["text", "audio"],
        "input_audio_format": BETA_MULAW,
        "output_audio_format": BETA_MULAW,
        "turn_detection": _turn_detection(settings, persona),
        "tools": _tools(tools),
    }
    transcription = _transcription(settings, persona)
    if transcription:
        session["input_audio_transcription"] = transcription
    if settings.noise_reduction is not None:
        session["input_audio_noise_reduction"] = {"type": settings.noise_reduction}
    if persona.voice is not None:
        session["voice"] = persona.voice
    if settings.speed is not None:
        session["speed"] = settings.speed
    return session | _told(settings, instructions)


def _told(settings: OpenAIRealtimeSettings, instructions: str) -> dict[str, Any]:
    told: dict[str, Any] = {"instructions": instructions} if instructions else {}
    if settings.reasoning_effort is not None:
        told["reasoning"] = {"effort": settings.reasoning_effort}
    return told


def _tools(tools: Sequence[ToolSchema]) -> list[dict[str, Any]]:
    return [
        {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}
        for tool in tools
    ]


def _turn_detection(settings: OpenAIRealtimeSettings, persona: Persona) -> dict[str, Any]:
    """Only what the persona sets; the longest silence and a delay of the interruption have no counterpart here."""
    wanted = persona.turn_detection
    if settings.semantic_eagerness is not None:
        detection: dict[str, Any] = {"type": "semantic_vad", "eagerness": settings.semantic_eagerness}
    else:
        detection = {"type": "server_vad"}
        if wanted is not None and wanted.vad_threshold is not None:
            lowest, highest = DIALECTS[settings.dialect].thresholds
            detection["threshold"] = min(max(wanted.vad_threshold, lowest), highest)
        if wanted is not None and wanted.min_silence is not None:
            detection["silence_duration_ms"] = wanted.min_silence
    if DIALECTS[settings.dialect].may_not_interrupt:
        detection["interrupt_response"] = False  # a cough would do it; we say so when the caller has the floor
    return detection


def _transcription(settings: OpenAIRealtimeSettings, persona: Persona) -> dict[str, Any]:
    dialect = DIALECTS[settings.dialect]
    model = dialect.transcription_model if settings.transcription_model is None else settings.transcription_model
    if not model:
        return {}
    transcription: dict[str, Any] = {"model": model}
    if persona.keyterms:
        if settings.dialect == "xai":
            transcription["keyterms"] = list(persona.keyterms)
        elif settings.dialect == "ga" and model.startswith(KEYWORD_MODELS):
            transcription["keywords"] = list(persona.keyterms)
        else:
            transcription["prompt"] = ", ".join(persona.keyterms)
    return transcription


# Dialects


@attrs.frozen(kw_only=True)
class Dialect:
    """One row: what a server of this dialect is told otherwise, and what it can do."""

    vendor: str
    url: str | None
    model: str | None
    credential: str
    transcription_model: str
    session: Callable[[OpenAIRealtimeSettings, Persona, Sequence[ToolSchema], str], dict[str, Any]]
    session_seconds: float
    """The longest session. OpenAI's ``session.created`` has its end, and the others' need not."""
    exact_speech: bool = False
    """A text can be put into the model's mouth (``force_message``)."""
    history_as_items: bool = False
    """The conversation so far is told as items; elsewhere they cost extra, or are not understood, and it is told in
    the instructions."""
    may_not_interrupt: bool = True
    """The server can be told to go on speaking while the caller speaks."""
    bills_text_items: bool = False
    billed_by: BilledBy = "tokens"
    speeds: tuple[float, float] = (0.25, 1.5)
    thresholds: tuple[float, float] = (0.0, 1.0)
    noise_reductions: tuple[str, ...] | None = None
    """``None`` for a server whose list we do not know."""
    eagerness: tuple[str, ...] | None = EAGERNESS


DIALECTS: Final[Mapping[str, Dialect]] = {
    "ga": Dialect(
        vendor="OpenAI",
        url="wss://api.openai.com/v1/realtime",
        model="gpt-realtime-2.1",
        credential="OPENAI_API_KEY",
        transcription_model="gpt-transcribe",
        session=_ga_session,
        session_seconds=3_600,
        history_as_items=True,
        noise_reductions=NOISE_REDUCTIONS,
    ),
    "xai": Dialect(
        vendor="xAI",
        url="wss://api.x.ai/v1/realtime",
        model="grok-voice-latest",
        credential="XAI_API_KEY",
        transcription_model="grok-transcribe",
        session=_xai_session,
        session_seconds=7_200,  # the newest page; an older one said 30 minutes
        exact_speech=True,
        may_not_interrupt=False,
        bills_text_items=True,
        billed_by="seconds",
        speeds=(0.7, 1.5),
        thresholds=(0.1, 0.9),
        noise_reductions=(),
        eagerness=(),
    ),
    "beta": Dialect(
        vendor="the realtime server",
        url=None,
        model=None,
        credential="OPENAI_API_KEY",
        transcription_model="whisper-1",
        session=_beta_session,
        session_seconds=3_600,
    ),
}


FORMATS: Final = ("audio.input.format.type", "audio.output.format.type", "input_audio_format", "output_audio_format")
ECHOED: Final = ("model", "audio.output.voice", "voice", *FORMATS)
"""Settings of ours that a server may echo, whatever its dialect."""
MAX_ECHO: Final = 100
"""Letters of one of these that are shown to people."""


def accepted(session: Mapping[str, Any]) -> dict[str, str]:
    """Settings that a server says it has set, by path."""
    found = {path: _at(session, path) for path in ECHOED}
    return {path: str(value)[:MAX_ECHO] for path, value in found.items() if value is not None}


def wrong_format(session: Mapping[str, Any]) -> str:
    """Formats that a server says it has set and that are not mu-law, by path; empty if all is well, or not said."""
    for path in FORMATS:
        found = _at(session, path)
        if found is not None and found not in (MULAW, BETA_MULAW):
            return f"session.{path} is {str(found)[:40]!r}"
    return ""


def _at(session: Mapping[str, Any], path: str) -> Any:
    found: Any = session
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found
