"""The table of config.toml, the first message of a session, and what the server makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from trio_voice.events.model import retold
from trio_voice.protocols.settings import ModelSettings

if TYPE_CHECKING:
    from trio_voice.events.model import Said
    from trio_voice.persona import Persona, ToolSchema

URL: Final = "wss://agents.assemblyai.com/v1/ws"
CREDENTIAL: Final = "ASSEMBLYAI_API_KEY"
ENCODING: Final = "audio/pcmu"


@attrs.frozen(kw_only=True)
class VoiceAgentSettings(ModelSettings):
    """``kind = "assemblyai-agent"``: AssemblyAI's Voice Agent API, which hears, thinks and speaks in one session."""

    @property
    def credentials(self) -> tuple[str, ...]:
        """One key, whatever the address."""
        return (CREDENTIAL,)


def update_message(
    persona: Persona, tools: tuple[ToolSchema, ...], history: tuple[Said, ...], *, greets: bool, protected: bool
) -> dict[str, Any]:
    """The first message of a new session.

    Args:
        persona: whose prompt, voice, greeting and turn detection it gets.
        tools: what the model may call.
        history: the conversation so far, if it takes over.
        greets: whether it is to say the greeting.
        protected: whether the caller may not interrupt what is said first.
    """
    audio_in: dict[str, Any] = {"type": "audio", "format": {"encoding": ENCODING}}
    audio_out: dict[str, Any] = {"type": "audio", "format": {"encoding": ENCODING}}
    if persona.keyterms:
        audio_in["keyterms"] = list(persona.keyterms)
    if turns := turn_detection(persona, protected=protected):
        audio_in["turn_detection"] = turns
    if persona.voice is not None:
        audio_out["voice"] = persona.voice
    session: dict[str, Any] = {
        "system_prompt": persona.prompt + retold(history),
        "input": audio_in,
        "output": audio_out,
        "tools": [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
            }
            for tool in tools
        ],
    }
    if greets:  # a null greeting is refused and leaves the session without ready
        session["greeting"] = persona.greeting
    return {"type": "session.update", "session": session}


def protect_message(persona: Persona, *, on: bool) -> dict[str, Any]:
    """The message that says if the caller may interrupt; it may be sent at any time (seen live in mid-call)."""
    turns = {"interrupt_response": persona.interruptible} | turn_detection(persona, protected=on)
    return {"type": "session.update", "session": {"input": {"turn_detection": turns}}}


def turn_detection(persona: Persona, *, protected: bool) -> dict[str, Any]:
    """Only what the persona sets: naming a silence switches adaptive pacing off for the whole session."""
    wanted = persona.turn_detection
    turns: dict[str, Any] = {} if wanted is None else dict(wanted.for_provider)
    return turns | ({"interrupt_response": False} if protected else {})


def differences(persona: Persona, config: dict[str, Any] | None) -> str:
    """Settings that the server has changed, where a caller would hear it; empty if all is well."""
    wanted = {"input.format.encoding": ENCODING, "output.format.encoding": ENCODING}
    if persona.voice is not None:
        wanted["output.voice"] = persona.voice
    for path, found in echoed(config).items():
        if found != wanted.get(path, found):
            return f"AssemblyAI set {path} to {found!r} where {wanted[path]!r} was asked for"
    return ""


def echoed(config: Any) -> dict[str, str]:
    """Settings of sound that the server echoes, by path."""
    settings: dict[str, str] = {}
    for path in ("input.format.encoding", "output.format.encoding", "output.voice"):
        found = config
        for key in path.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        if found is not None:
            settings[path] = str(found)[:60]
    return settings
