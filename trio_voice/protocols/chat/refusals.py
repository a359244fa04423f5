"""Errors of chat servers: what each means for the call, whoever words it.

The same fact is worded differently by each server, and comes as a status, as a field of a JSON body or inside a stream
that began with 200. Sources: error bodies in the issue trackers of OpenAI's, Azure's, Groq's, OpenRouter's, vLLM's,
llama.cpp's, Ollama's, Mistral's, Gemini's and Anthropic's clients (2023 to 2026).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from trio_voice.protocols.json_messages import NO_JSON

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SAID: Final = 2_000
"""Letters of an error that are looked at."""

_TOO_LONG_KINDS: Final = frozenset(
    {
        "context_length_exceeded",
        "exceed_context_size_error",
        "model_context_window_exceeded",
        "request_too_large",
        "string_above_max_length",
        "array_above_max_length",
        "input_too_long",
        "1261",
    }
)
_TOO_LONG_WORDS: Final = re.compile(
    r"request too large|context shift|context[_ ](?:length|window|size|limit|overflow)"
    r"|(?:prompt|input) (?:is )?too (?:long|large)|\bn_ctx\b|context (?:is )?full|array too long|token limit exceeded"
    r"|maximum sequence length|max_seq_len|max(?:imum)? tokens allowed|exceeds? context|\u8d85\u957f"
    r"|too many (?:input |prompt )?tokens|reduce (?:the length|your (?:prompt|message))|longer than the model"
    r"|maximum (?:number of|allowed) (?:input )?tokens|exceeds? (?:the )?(?:model's |token limit)"
    r"|exceeds? (?:the )?max(?:imum)? (?:prompt|input)"
    r"|longer than the maximum|maximum prompt length|exceeds? the model|range of input length"
    r"|must (?:be <= \d|have less than \d{1,9} tokens)|tokens must be reduced"
    r"|exceed(?:s|ed)? (?:the )?(?:model(?:'s)?|max(?:imum)?) (?:(?:message|input|sequence) )?(?:token|length)"
    r"|(?:messages?|text|conversation|dialogue|history|tools) (?:is|are|too) (?:too )?long\b|length limit exceeded"
    r"|token limit (?:is )?exceeded|exceeded model token limit|kv cache is full|more than the (?:allowed|maximum) \d",
    re.IGNORECASE,
)
_TOO_LONG_EVER: Final = re.compile(r"request too large|tokens must be reduced", re.IGNORECASE)
"""Words of a limit of tokens a minute that this question alone exceeds."""
_ID_TOO_LONG: Final = re.compile(r"tool_call.{0,20}id'?:? string too long", re.IGNORECASE)
"""Words about the id of a call, which another server has given it, and not about the talk."""
_NO_FUNDS_KINDS: Final = frozenset({"insufficient_quota", "insufficient_balance", "billing_hard_limit_reached"})
_NO_FUNDS_WORDS: Final = re.compile(
    r"insufficient (?:credits?|balance|funds|quota)|(?:out of|no (?:more |remaining )?) ?credits"
    r"|credit balance is too low|billing (?:hard )?limit|(?:add|purchase|buy) (?:more )?credits",
    re.IGNORECASE,
)
_FILTERED_KINDS: Final = frozenset(
    {
        *("content_filter", "content_policy_violation", "responsibleaipolicyviolation", "data_inspection_failed"),
        *("refusal", "invalid_prompt", "blocked", "content_blocked", "guardrail_intervened", "1301"),
    }
)
_FILTERED_WORDS: Final = re.compile(
    r"content management policy|content[_ ]filter|flagged (?:by|as)|moderation|safety system|inappropriate content"
    r"|prohibited[_ ]content|prompt was blocked|sensitive (?:words?|content)|guardrail"
    r"|content exists risk|(?:usage|content|safety) (?:policy|policies|guidelines)|high risk|\u654f\u611f\u5185\u5bb9"
    r"|content ?policy|content violates|new_sensitive|llama ?guard"
    r"|(?:content|input|output|machine outputted) is blocked",
    re.IGNORECASE,
)
_AGAIN: Final = frozenset(
    {
        *("tool_use_failed", "output_parse_failed", "json_validate_failed"),
        *("unavailable", "overloaded", "overloaded_error", "capacity_exceeded"),
    }
)
"""Codes by which a server rejects its own model's answer (Groq), or says that it is busy: the next one is another."""
_BUSY: Final = re.compile(
    r"overloaded|try again later|temporarily|at capacity|capacity exceeded|(?:server|system|model) is (?:\w+ )?busy"
    r"|rate limit|too many requests",
    re.IGNORECASE,
)
_CODES: Final = ("code", "type", "status", "error_type")
_MAY_PASS: Final = frozenset({408, 409, 421, 424, 425, 429, 498, 499})
_WILL_NOT_PASS: Final = frozenset({501, 505, 511})


@attrs.frozen
class Complaint:
    """A server's words instead of an answer."""

    status: int
    """The HTTP status, or what stands for it in the error; 0 for an error without one."""
    said: str
    """Its words; empty if it had none."""
    kinds: frozenset[str] = frozenset()
    """Its codes and types, in lower case."""

    @property
    def is_too_long(self) -> bool:
        """True if the question does not fit into the model's context."""
        if self.status == 429:
            return _TOO_LONG_EVER.search(self.said) is not None
        if _ID_TOO_LONG.search(self.said):
            return False
        return self.status == 413 or bool(self.kinds & _TOO_LONG_KINDS or _TOO_LONG_WORDS.search(self.said))

    @property
    def is_filtered(self) -> bool:
        """True if a filter takes offence at the conversation: asking the same again would bring the same."""
        if self.status not in {0, 400, 403, 422, 446, 451}:
            return False
        return bool(self.kinds & _FILTERED_KINDS or _FILTERED_WORDS.search(self.said))

    @property
    def has_no_funds(self) -> bool:
        """True if nobody answers before somebody has paid: no waiting mends it."""
        return bool(self.kinds & _NO_FUNDS_KINDS) or _NO_FUNDS_WORDS.search(self.said) is not None

    @property
    def may_pass(self) -> bool:
        """True if the very same question may be answered the next time."""
        if self.status in {401, 402} or self.has_no_funds:
            return False
        return bool(self.kinds & _AGAIN) or _BUSY.search(self.said) is not None

    @property
    def is_passing(self) -> bool:
        """True if its status is one that passes: the server's own (its proxies' 520 to 530, too), or a limit's."""
        return self.status in _MAY_PASS or (self.status >= 500 and self.status not in _WILL_NOT_PASS)


def complaint_in(status: int, body: bytes) -> Complaint:
    """The complaint in the body of a refusal. Never raises."""
    try:
        found = msgspec.json.decode(body)
    except NO_JSON:
        return Complaint(status, body[:200].decode(errors="replace").strip(), frozenset())
    return complaint_of(status, found)


def complaint_of(status: int, message: Any) -> Complaint:
    """The complaint in a JSON error, in whichever of the known places."""
    if isinstance(message, list) and message:  # Gemini's
        message = message[0]
    if not isinstance(message, dict):
        return Complaint(status, str(message)[:MAX_SAID] if message else "", frozenset())
    error = next(filter(None, (message.get(name) for name in ("error", "detail", "errors", "base_resp"))), message)
    if isinstance(error, list) and error:  # FastAPI's list of what is wrong
        error = error[0]
    if not isinstance(error, dict):
        error = {"message": str(error), **{name: message[name] for name in _CODES if name in message}}
    inner = error.get("innererror") or error.get("inner_error")
    metadata = error.get("metadata")
    said = [error.get("message") or error.get("msg") or error.get("status_msg") or ""]
    if isinstance(metadata, dict) and metadata.get("raw"):  # OpenRouter's: the words of the provider behind it
        said.append(metadata["raw"])
    if isinstance(metadata, dict) and isinstance(metadata.get("headers"), dict):  # those of its own limits, likewise
        said += [f"({name}: {told})" for name, told in metadata["headers"].items() if "reset" in str(name).lower()][:8]
    if error.get("param"):
        said.append(f"(param: {error['param']})")
    if isinstance(message.get("estimated_time"), int | float):  # Hugging Face's, while it loads the model
        said.append(f"(available in {message['estimated_time']:.1f}s)")
    details = error.get("details")
    said += [  # Google's
        f"(retry in {detail['retryDelay']})"
        for detail in (details[:8] if isinstance(details, list) else ())
        if isinstance(detail, dict) and "retryDelay" in detail
    ]
    if isinstance(error.get("loc"), list):
        said.append(f"(param: {'.'.join(map(str, error['loc']))})")
    kinds = _kinds(error) | (_kinds(inner) if isinstance(inner, dict) else frozenset())
    code = error.get("code")
    if not status and isinstance(code, int) and not isinstance(code, bool):
        status = code
    return Complaint(status, " ".join(str(part) for part in said if part)[:MAX_SAID], kinds)


def _kinds(error: Mapping[str, Any]) -> frozenset[str]:
    told = (error.get(key) for key in _CODES)
    return frozenset(kind.lower() for kind in told if isinstance(kind, str))
