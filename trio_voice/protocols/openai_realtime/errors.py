"""Complaints of a server of the Realtime protocol, in words that say what to do.

Sources: OpenAI's realtime reference, the lists that the adapters of others keep, and issue threads in which codes were
seen (2026-11). Most errors leave the session open; a code may stand in ``code`` or in ``type``, and some servers have
only the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trio_voice.events.model import SILENT, ModelFault
from trio_voice.protocols.json_messages import text_in
from trio_voice.protocols.openai_realtime.dialects import DIALECTS
from trio_voice.protocols.retry_after import wait_seconds

if TYPE_CHECKING:
    from trio_voice.persona import Persona
    from trio_voice.protocols.openai_realtime.dialects import OpenAIRealtimeSettings

MAX_SAID: Final = 300
"""Letters of a server's own message that are repeated."""

ADVICE: Final = {
    "invalid_api_key": "{vendor} refused the key: check {credential}",
    "authentication_error": "{vendor} refused the key: check {credential}",
    "account_deactivated": "{vendor} has closed the account behind {credential}",
    "insufficient_quota": "the account behind {credential} has no quota left at {vendor}: check its plan and billing",
    "credit_balance_exhausted": "the account behind {credential} has no credit left at {vendor}",
    "billing_hard_limit_reached": "the account behind {credential} has reached its billing limit at {vendor}",
    "invalid_model": "{vendor} does not know the model {model!r}: check models.{name}.model",
    "model_not_found": "{vendor} does not know the model {model!r}, or {credential} may not use it: check "
    "models.{name}.model",
    "beta_api_shape_disabled": "{vendor} no longer speaks the beta dialect: set models.{name}.dialect to 'ga'",
    "session_expired": "{vendor}'s longest session time was reached",
}
"""Codes that end a session whenever they come, and what to do about each."""

PARAMETERS: Final = {
    "voice": "the voice {voice!r} of persona {persona!r}",
    "speed": "models.{name}.speed",
    "noise_reduction": "models.{name}.noise_reduction",
    "transcription": "models.{name}.transcription_model, or the keyterms of persona {persona!r}",
    "turn_detection": "turn_detection of persona {persona!r}, or models.{name}.semantic_eagerness",
    "reasoning": "models.{name}.reasoning_effort",
    "tools": "the tools of persona {persona!r}",
    "instructions": "the prompt of persona {persona!r}",
    "format": "models.{name}.dialect: the server takes no mu-law as we name it",
    "model": "models.{name}.model",
    "type": "models.{name}.dialect",
}
"""Keys of ours behind a parameter that is refused, by a part of the parameter's name; the first that fits."""

EXPIRED: Final = "session_expired"
CLOSED: Final = {3000: "invalid_api_key", 4000: "beta_api_shape_disabled"}
"""Codes that a socket was seen closed with, and what each comes of."""
GOING_AWAY: Final = 1001
"""Close code of the socket at the longest session's end."""

PASSING: Final = frozenset(
    {
        "rate_limit_exceeded",
        "rate_limit_error",
        "inference_rate_limit_exceeded",
        "server_error",
        "internal_error",
        "service_unavailable",
        "overloaded_error",
    }
)
"""Codes of what may be gone a moment later."""
RATE_LIMITS: Final = frozenset({"rate_limit_exceeded", "rate_limit_error", "inference_rate_limit_exceeded"})

_BUSY: Final = "conversation_already_has_active_response"
_NOT_ACTIVE: Final = "response_cancel_not_active"
_BENIGN: Final = frozenset(
    {
        _BUSY,
        _NOT_ACTIVE,
        "input_audio_buffer_commit_empty",
        "item_create_duplicate_item_id",
        "item_truncate_invalid_audio_end_ms",
    }
)
_OF_TRUNCATION: Final = ("already shorter than", "truncat")
_BENIGN_WORDS: Final = (*_OF_TRUNCATION, "no active response", "already has an active response")
"""Of what has no code: a truncation that came too late, a response that had just ended or just begun."""


def is_busy(error: dict[str, Any]) -> bool:
    """True if a response was refused because another is being made."""
    return _BUSY in _codes(error) or "already has an active response" in _said(error).lower()


def is_expired(error: dict[str, Any]) -> bool:
    """True if the longest session's end has come."""
    return EXPIRED in _codes(error)


def is_cancelled_in_vain(error: dict[str, Any]) -> bool:
    """True if nothing was being made when we wanted it broken off."""
    return _NOT_ACTIVE in _codes(error) or "no active response" in _said(error).lower()


def is_about_truncation(error: dict[str, Any]) -> bool:
    """True if it is a truncation that was refused: nothing that was asked for."""
    return "item_truncate_invalid_audio_end_ms" in _codes(error) or any(
        words in _said(error).lower() for words in _OF_TRUNCATION
    )


def is_benign(error: dict[str, Any]) -> bool:
    """True if this happens between two who speak at once, and is nobody's mistake."""
    return bool(_BENIGN & _codes(error)) or any(words in _said(error).lower() for words in _BENIGN_WORDS)


def is_fatal(error: dict[str, Any]) -> bool:
    """True if no further message can make this good."""
    return not ADVICE.keys().isdisjoint(_codes(error))


def is_passing(error: dict[str, Any]) -> bool:
    """True if it may be gone a moment later."""
    return not is_fatal(error) and bool(PASSING & _codes(error))


def is_rate_limit(error: dict[str, Any]) -> bool:
    """True if we have asked for too much in too short a time."""
    return bool(RATE_LIMITS & _codes(error))


class Complaint:
    """Turns a server's errors into faults that name our own keys."""

    def __init__(self, settings: OpenAIRealtimeSettings, persona: Persona) -> None:
        dialect = DIALECTS[settings.dialect]
        self._names = {
            "vendor": dialect.vendor,
            "credential": settings.credentials[0] if settings.credentials else "the server's own list of keys",
            "model": settings.model or dialect.model,
            "name": settings.name,
            "persona": persona.name,
            "voice": persona.voice,
        }

    def about(self, error: dict[str, Any], *, created: bool, ready: bool) -> ModelFault:
        """An ``error`` event. Before the session is ready every error but a benign one is the end of it."""
        codes = sorted(_codes(error))
        known = next((code for code in codes if code in ADVICE), None)
        code = known or text_in(error, "code") or text_in(error, "type") or "unknown"
        if known is not None:
            words = ADVICE[known]
        elif not created:  # a bad key or model is told here, after a handshake that succeeded
            words = "{vendor} did not make a session: check {credential} and models.{name}.model"
        else:
            key = self._key_behind(text_in(error, "param") or _said(error)) if not ready else ""
            words = f"{{vendor}} refused {key}" if key else "{vendor} complained"
        fatal = known is not None or not created or (not ready and not is_benign(error))
        passing = fatal and is_passing(error)
        wait = wait_seconds({}, _said(error)) if passing else None
        return ModelFault(code[:60], self._in_words(words, error), fatal, passing, wait)

    def about_response(self, error: dict[str, Any], *, fatal: bool) -> ModelFault:
        """A response that failed."""
        known = next((code for code in sorted(_codes(error)) if code in ADVICE), None)
        code = known or text_in(error, "code") or text_in(error, "type") or "response_failed"
        words = ADVICE[known] if known else "{vendor} could not answer the caller"
        return ModelFault(code[:60], self._in_words(words, error), fatal, passing=fatal and known is None)

    def about_silence(self, *, fatal: bool) -> ModelFault:
        """Nothing can be heard of an answer."""
        words = "does not answer the caller" if fatal else "could not be heard, and was asked to answer"
        return ModelFault(SILENT, f"{self._names['vendor']} {words}", fatal, passing=fatal)

    def about_format(self, wrong: str) -> ModelFault:
        """Sound that is not what was asked for."""
        words = f"{self._names['vendor']} does not speak mu-law: {wrong}; this server cannot be used with a telephone"
        return ModelFault("config_mismatch", words, fatal=True)

    def _key_behind(self, parameter: str) -> str:
        return next((key for part, key in PARAMETERS.items() if part in parameter), "")

    def _in_words(self, words: str, error: dict[str, Any]) -> str:
        advice, said = words.format(**self._names), _said(error)
        return f"{advice}: {said[:MAX_SAID]}" if said else advice


def _codes(error: dict[str, Any]) -> set[str]:
    return {text_in(error, "code"), text_in(error, "type")}


def _said(error: dict[str, Any]) -> str:
    return text_in(error, "message")
