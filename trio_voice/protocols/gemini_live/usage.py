"""Tokens into meters, and why a socket was closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trio_voice.events import model as c

if TYPE_CHECKING:
    from collections.abc import Mapping

REFUSALS: Final = {
    "api key": "Gemini refused the key: check GEMINI_API_KEY (systemd credential gemini_api_key)",
    "permission": "this Google project may not use the Live API: check the project behind GEMINI_API_KEY",
    "quota": "the Google project's quota of Gemini sessions or tokens is used up: lower max_calls, or raise the quota",
    "resource_exhausted": "the Google project's quota of Gemini sessions or tokens is used up: lower max_calls, or "
    "raise the quota",
    "billing": "the Google project's billing does not cover Gemini: check the project behind GEMINI_API_KEY",
    "voice": "Gemini does not know the voice {voice!r} of persona {persona!r}",
    "language": "Gemini does not speak models.{name}.language",
    "not supported for bidigeneratecontent": "Gemini has no live model {model!r}: check models.{name}.model",
    "is not found for api version": "Gemini has no live model {model!r}: check models.{name}.model",
    "thinking": "{model} does not take models.{name}.thinking as it is",
    "unknown name": "{model} was asked for something that it does not know",
    "token count": "the conversation is longer than {model} can remember; lower time_limit_seconds",
}
"""By words of the close frame's reason, which is all that Gemini says: what to do. The first that fits."""
MENDED_ANEW: Final = frozenset({"unknown name", "token count"})
"""Those that a session comes to by what was said in it: after a while another one may carry on."""
CODES: Final = {
    1007: "{model} refused a message, or its memory is full",
    1008: "{model} refused the session or what was said in it",
}
"""Close codes of a refusal, if they come before the session has been good for something. Later they are seen at random,
with words such as "The operation was aborted." (googleapis/js-genai #1236), and another session carries on."""


def is_explained(reason: str) -> bool:
    """True if the words of a close frame say what was wrong."""
    said = reason.lower()
    return any(key in said for key in REFUSALS)


def explained(code: int | None, reason: str, names: Mapping[str, object], *, good: bool) -> str | None:
    """A close that comes of a refusal, as a sentence that says what to do; ``None`` for any other.

    Of a session that was ``good`` only words that name a cause are believed.
    """
    said = reason.lower()
    key = next((key for key in REFUSALS if key in said and not (good and key in MENDED_ANEW)), None)
    words = REFUSALS[key] if key is not None else None if good else CODES.get(code or 0)
    if words is None or code == 1000:
        return None
    return words.format_map(names) + f" (close code {code})"


def meters(usage: Mapping[str, Any]) -> dict[c.Meter, float]:
    """Meters that one ``usageMetadata`` adds.

    Each is of one turn and not of the session (pydantic-ai #7269, tried live), though a turn's prompt holds all that
    was said before it; whether that is billed again each time nobody has said, so the sum is an upper bound. What the
    details leave out of a total is counted as text in the prompt (a forum's traces of 3.8) and as speech in the answer,
    which is what was asked for. Thoughts are not in the total, and are text.
    """
    said = _by_modality(usage.get("promptTokensDetails"))
    cached = _by_modality(usage.get("cacheTokensDetails"))
    spoken = _by_modality(usage.get("responseTokensDetails"))
    said["TEXT"] += max(_count(usage.get("promptTokenCount")) - sum(said.values()), 0)
    said["TEXT"] += _count(usage.get("toolUsePromptTokenCount"))
    cached["TEXT"] += max(_count(usage.get("cachedContentTokenCount")) - sum(cached.values()), 0)
    spoken["AUDIO"] += max(_count(usage.get("responseTokenCount")) - sum(spoken.values()), 0)
    cached = {modality: min(tokens, said[modality]) for modality, tokens in cached.items()}
    counted: dict[c.Meter, float] = {
        "text_in_tokens": said["TEXT"] - cached["TEXT"],
        "cached_text_in_tokens": cached["TEXT"],
        "audio_in_tokens": said["AUDIO"] - cached["AUDIO"],
        "cached_audio_in_tokens": cached["AUDIO"],
        "text_out_tokens": spoken["TEXT"] + _count(usage.get("thoughtsTokenCount")),
        "audio_out_tokens": spoken["AUDIO"],
    }
    return {meter: tokens for meter, tokens in counted.items() if tokens}


def _by_modality(details: Any) -> dict[str, float]:
    """Tokens of speech, and of everything else."""
    sums = {"AUDIO": 0.0, "TEXT": 0.0}
    for part in details or ():
        sums["AUDIO" if part.get("modality") == "AUDIO" else "TEXT"] += _count(part.get("tokenCount"))
    return sums


def _count(value: Any) -> float:
    return float(max(value, 0)) if isinstance(value, int) and not isinstance(value, bool) else 0.0
