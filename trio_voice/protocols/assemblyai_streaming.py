"""AssemblyAI's streaming speech-to-text, version 3: raw mu-law up, turns down as JSON.

Sources: AssemblyAI's streaming schema and pages (2026-03 to 2026-09) and published traces of 53 live sessions
(2026-09). All configuration is in the address; the server speaks first. The key goes up bare, without ``Bearer``,
which this API refuses; whoever is not let in learns it after the 101, by an ``Error`` and a close with 1008.

The session is billed from socket to ``Termination``, silence included; one that is left without ``Terminate`` runs on
for three hours. ``inactivity_timeout`` is the fence behind our own: the provider ends a session that nobody feeds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlencode

import attrs

from trio_voice.audio.mulaw import BYTES_PER_MS
from trio_voice.events import model as c
from trio_voice.events import stage as s
from trio_voice.protocols.json_messages import MAX_ID, as_json
from trio_voice.protocols.retry_after import wait_seconds
from trio_voice.protocols.settings import StageSettings
from trio_voice.protocols.stage_socket import EventDispatcher, SoundGatherer
from trio_voice.protocols.turn_numbers import TurnNumbers
from trio_voice.setting_fields import bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trio_voice.persona import Persona

FRAME_BYTES: Final = 60 * BYTES_PER_MS
"""A message holds 50 to 1000 ms; others end the session with 3007. Three of Twilio's frames cost the least delay."""
LONGEST_FRAME_BYTES: Final = 1000 * BYTES_PER_MS
MAX_KEYTERMS: Final = 100
"""One more is fatal, 3006."""
MAX_KEYTERM: Final = 50
MAX_MESSAGE_BYTES: Final = 1_048_576

ADVICE: Final = {
    1008: "AssemblyAI refused the session: check {key} and the account's balance, or lower max_calls",
    1011: "AssemblyAI failed; the next call may get through",
    3005: "AssemblyAI failed; the next call may get through",
    3006: "AssemblyAI does not take a setting of this stage: check its keys, or nobody fed the session",
    3007: "AssemblyAI does not take how we send audio: report this",
    3008: "AssemblyAI's longest session time was reached; lower time_limit_seconds",
    3009: "the account's limit of concurrent AssemblyAI sessions is reached: lower max_calls",
    4001: "AssemblyAI refused the key: check {key}",
    4002: "the AssemblyAI account behind {key} has no funds",
    4003: "the AssemblyAI account behind {key} may not stream",
}
"""Advice for each code of an ``Error``; the socket is closed with the same code."""


_OURS: Final = frozenset({1008, 3006, 4001, 4002, 4003})
"""Codes of a key, an account or a setting: another session would be refused, too."""
_PASSES: Final = re.compile(r"concurrent|rate limit|too many|inactiv", re.IGNORECASE)
"""Words of those that would not: 1008 is the answer to many openings at once, too, and 3006 to silence."""


@attrs.frozen(kw_only=True)
class AssemblyAiStreamingSettings(StageSettings):
    """``stt = { kind = "assemblyai-streaming" }``: AssemblyAI's streaming speech-to-text."""

    default_url: ClassVar[str] = "wss://streaming.assemblyai.com/v3/ws"
    own_credential: ClassVar[str] = "ASSEMBLYAI_API_KEY"
    scheme: ClassVar[str] = "wss"

    model: str = "universal-3-6-pro"
    """Name of the model; ``universal-3-5-pro`` is the older one; the tutorials' ``u3-rt-pro`` is routed to it."""
    mode: str | None = None
    """``min_latency``, ``balanced`` or ``max_accuracy``; the provider's own by default."""
    language_codes: tuple[str, ...] = ()
    """Languages to expect, such as ``["en", "es"]``; any by default."""
    inactivity_timeout_seconds: int = bounded(5, 3600, 30)
    """Time without sound after which the provider ends the session. Twilio's frames flow even in silence, so such a
    session is a lost one."""
    eager_eot_threshold: float = bounded(0, 1, 0.7)
    """Confidence that the turn is over at which the language model begins, if it is more than that of the partial
    before. Lower is earlier, and more answers are dropped and billed. 0 has nothing begin early. Nothing does where the
    words are unfinished ("I would like to"), or where the caller mostly goes on after a pause."""


class AssemblyAiStreaming(EventDispatcher):
    """One session, from ``Begin`` to ``Termination``."""

    provider = "assemblyai-streaming"

    def __init__(self, settings: AssemblyAiStreamingSettings, persona: Persona) -> None:
        self._settings = settings
        self._persona = persona
        self._ready = False
        self._sound = SoundGatherer(FRAME_BYTES, LONGEST_FRAME_BYTES)
        self._begun = -1
        """The last turn that was told of as the caller's speaking."""
        self._turns = TurnNumbers()
        self._confidence = 0.0
        """Of the last partial that the turn is over."""
        self._may_be_over = ""
        """Words of the turn that was told of as maybe over."""

    # What we say

    @property
    def url(self) -> str:
        """Address to connect to, with the whole configuration. Unknown names in it would be ignored without a word."""
        settings, turns = self._settings, self._persona.turn_detection
        query: dict[str, Any] = {
            "speech_model": settings.model,
            "encoding": "pcm_mulaw",
            "sample_rate": 8000,
            "inactivity_timeout": settings.inactivity_timeout_seconds,
        }
        if settings.mode is not None:
            query["mode"] = settings.mode
        if settings.language_codes:
            query["language_codes"] = as_json(settings.language_codes)
        if self._persona.keyterms:
            query["keyterms_prompt"] = as_json([term[:MAX_KEYTERM] for term in self._persona.keyterms[:MAX_KEYTERMS]])
        if turns is not None:
            named = {
                "vad_threshold": turns.vad_threshold,
                "min_turn_silence": turns.min_silence,
                "max_turn_silence": turns.max_silence,
                "interruption_delay": turns.interruption_delay,
            }
            query |= {name: value for name, value in named.items() if value is not None}
        return f"{settings.address}?{urlencode(query)}"

    @staticmethod
    def headers(key: str) -> dict[str, str]:
        """Those of the handshake."""
        return {"Authorization": key} if key else {}

    def encode(self, command: object, _now: float) -> Sequence[str | bytes]:
        """The caller's sound, gathered into messages of a length that is taken, or the end of their turn."""
        if isinstance(command, s.EndTurn):
            return ['{"type":"ForceEndpoint"}']
        if not isinstance(command, c.HearCaller):
            return []
        return self._sound.add(command.payload)

    def goodbye(self) -> str:
        """The message that ends the session and its bill; ``Termination`` follows within a second or so."""
        return '{"type":"Terminate"}'

    # What we hear

    def _kind_of(self, event: dict[str, Any]) -> Any:
        return event.get("type", "Error" if "error" in event else None)  # an Error may come without a type

    def _on_begin(self, event: dict[str, Any]) -> list[Any]:
        if self._ready:
            return []
        self._ready = True
        told = event.get("configuration")
        echo = {key: told.get(key) for key in ("model", "mode")} if isinstance(told, dict) else {}
        accepted = {key: str(value)[:MAX_ID] for key, value in echo.items() if value is not None}
        return [c.ModelReady(str(event.get("id") or "")[:MAX_ID], accepted)]

    def _on_speech_started(self, _event: dict[str, Any]) -> list[Any]:
        return [s.SpeechBegan()]

    def _on_turn(self, event: dict[str, Any]) -> list[Any]:
        number, text = self._turns.number_of(event.get("turn_order")), str(event.get("transcript") or "").strip()
        if self._turns.is_over(number, with_this=event.get("end_of_turn") is True):
            return []  # a second, formatted final of older models
        item_id, events = f"caller_{number}", list[Any]()
        if text and number != self._begun:  # older models have no SpeechStarted, and words are speech
            self._begun = number
            events.append(s.SpeechBegan())
        # Not ``turn_is_formatted``: live, partials of 3.5 carry it too.
        if event.get("end_of_turn") is True:
            self._turns.end(number)
            self._confidence, self._may_be_over = 0.0, ""
            events.append(s.TurnOver(item_id, text))
        elif text:
            events += self._partial(item_id, text, event.get("end_of_turn_confidence"))
        return events

    def _partial(self, item_id: str, text: str, confidence: object) -> list[Any]:
        """Events of the words so far.

        Models from 3.5 on tell in the pause how sure they are that this is all, and more so.
        """
        before, self._confidence = self._confidence, float(confidence) if isinstance(confidence, int | float) else 0.0
        threshold = self._settings.eager_eot_threshold
        if self._may_be_over and (text != self._may_be_over or self._confidence < threshold):
            self._may_be_over = ""
            return [s.TurnResumed(item_id), s.TurnGoesOn(item_id, text)]
        if threshold and not self._may_be_over and self._confidence >= threshold and self._confidence > before > 0:
            self._may_be_over = text
            return [s.TurnMayBeOver(item_id, text)]
        return [s.TurnGoesOn(item_id, text)]

    def _on_error(self, event: dict[str, Any]) -> list[Any]:
        code, said = event.get("error_code"), str(event.get("error") or "")
        advice = ADVICE.get(code, "AssemblyAI gave the session up") if isinstance(code, int) else "AssemblyAI failed"
        key = self._settings.key_name or "the key of this stage"
        passing = code not in _OURS or _PASSES.search(said[:500]) is not None
        words = f"{advice.format(key=key)}: {said}"[:500]
        wait = wait_seconds({}, said)
        return [c.ModelFault(f"assemblyai_{code}", words, fatal=True, passing=passing, retry_after=wait)]

    def _on_warning(self, event: dict[str, Any]) -> list[Any]:
        said = f"AssemblyAI warns: {event.get('warning')}"[:500]
        return [c.ModelFault(f"assemblyai_{event.get('warning_code')}", said, fatal=False)]

    def _on_termination(self, event: dict[str, Any]) -> list[Any]:
        seconds = event.get("session_duration_seconds")
        return [c.ModelEnded(float(seconds) if isinstance(seconds, int | float) else None)]

    _readers: ClassVar[dict[Any, Callable[[AssemblyAiStreaming, dict[str, Any]], list[Any]]]] = {
        "Begin": _on_begin,
        "SpeechStarted": _on_speech_started,
        "Turn": _on_turn,
        "Termination": _on_termination,
        "Error": _on_error,
        "Warning": _on_warning,
    }
    _meaningless = frozenset({"Heartbeat", "Silence", "SpeakerRevision"})
