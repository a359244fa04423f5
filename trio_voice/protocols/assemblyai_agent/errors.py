"""Errors of the server's: which end a session, which another session may not meet, and what to do about each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trio_voice.events.model import ModelFault

if TYPE_CHECKING:
    from trio_voice.persona import Persona

ADVICE: Final = {
    "unauthorized": "AssemblyAI refused the key: check ASSEMBLYAI_API_KEY (systemd credential assemblyai_api_key)",
    "forbidden": "this AssemblyAI account may not use the Voice Agent API: check the account behind ASSEMBLYAI_API_KEY",
    "session_forbidden": "the session belongs to another account: check ASSEMBLYAI_API_KEY",
    "session_not_found": "AssemblyAI no longer knows the session",
    "session_expired": "AssemblyAI's longest session time was reached; lower time_limit_seconds",
    "at_capacity": "AssemblyAI is full right now; the next call may get through",
    "concurrency_exceeded": "the account's limit of concurrent AssemblyAI sessions is reached: lower max_calls",
    "internal_error": "AssemblyAI failed; the next call may get through",
    "server_error": "AssemblyAI failed; the next call may get through",
    "agent_not_found": "AssemblyAI does not know the agent",
    "agent_init_failed": "AssemblyAI could not start the agent; the next call may get through",
    "agent_timeout": "AssemblyAI could not start the agent in time; the next call may get through",
}
"""Codes that end a session whenever they come, and what to do about each."""
LOST: Final = frozenset({"session_not_found", "session_expired", "session_forbidden"})
"""Errors of a session that is to be taken up and is not there any more."""
PASSING: Final = frozenset(
    {"at_capacity", "concurrency_exceeded", "internal_error", "server_error", "agent_init_failed", "agent_timeout"}
)
"""Those of them that another session may not meet."""

_FATAL_BEFORE_READY: Final = frozenset({"invalid_value", "invalid_config", "invalid_format", "invalid_webhook"})
"""A first update that fails: some of these close the socket and some leave it open without ever becoming ready."""


def code_of(event: dict[str, Any]) -> str:
    """The code of an error that the server tells, as it stands in ``ADVICE``."""
    return str(event.get("code") or event.get("error_code") or "unknown").lower()


def fault_of(event: dict[str, Any], persona: Persona, *, ready: bool) -> ModelFault:
    """The fault that an error is: whether it ends the session, and words for whoever reads of it."""
    code, said = code_of(event), str(event.get("message") or "")
    fatal = code in ADVICE or (not ready and code in _FATAL_BEFORE_READY)
    where = event.get("param")
    words = ADVICE.get(code, f"AssemblyAI said {code}")
    if code == "invalid_value" and ("voice" in str(where) or "voice" in said.lower()):
        words = f"AssemblyAI does not know the voice {persona.voice!r} of persona {persona.name!r}"
    elif where:
        words += f" about {where}"
    return ModelFault(code, f"{words}: {said}" if said else words, fatal, passing=code in PASSING)
