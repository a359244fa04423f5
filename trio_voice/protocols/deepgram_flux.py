"""Deepgram's Flux: speech-to-text that knows turns, raw mu-law up, turns down as JSON (``/v2/listen``).

Sources: the ``deepgram-sdk``'s types (7.17) and Deepgram's pages (2026-11). All configuration is in the address; the
server speaks first. The key goes up as ``Token``: ``Bearer`` is for its short-lived tokens. Whoever is not let in
learns it by the status of the handshake.

It says of a turn when it has begun, by words and not by noise, when it may be over and when it is. Between the last two
lies the time that the language model gains: an *eager* end of turn brings the same transcript as the end that follows,
if the caller does not go on. Sound is what is billed, by the second; ``CloseStream`` has it say what it still holds and
close.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlencode

import attrs

from trio_voice.audio.mulaw import BYTES_PER_MS
from trio_voice.events import model as c
from trio_voice.events import stage as s
from trio_voice.protocols.json_messages import MAX_ID
from trio_voice.protocols.settings import StageSettings
from trio_voice.protocols.stage_socket import EventDispatcher, SoundGatherer
from trio_voice.protocols.turn_numbers import TurnNumbers
from trio_voice.setting_fields import bounded, one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trio_voice.persona import Persona

FRAME_BYTES: Final = 80 * BYTES_PER_MS
"""Deepgram asks for messages of 80 ms."""
MAX_KEYTERMS: Final = 100
MAX_KEYTERM: Final = 50
MAX_MESSAGE_BYTES: Final = 1_048_576
SHORTEST_TIMEOUT_MS: Final = 500

ADVICE: Final = {
    "INTERNAL_SERVER_ERROR": "Deepgram failed; the next call may get through",
    "NET-0001": "Deepgram was sent no sound for too long",
    "UNPARSABLE_CLIENT_MESSAGE": "Deepgram does not understand what we send: report this",
}
"""Advice for each code of an ``Error``."""


@attrs.frozen(kw_only=True)
class DeepgramFluxSettings(StageSettings):
    """``stt = { kind = "deepgram-flux" }``: Deepgram's Flux, which tells early that a turn may be over."""

    default_url: ClassVar[str] = "wss://api.deepgram.com/v2/listen"
    own_credential: ClassVar[str] = "DEEPGRAM_API_KEY"
    scheme: ClassVar[str] = "wss"

    model: str = "flux-general-en"
    """Name of the model; ``flux-general-multi`` is for other languages than English."""
    language_hints: tuple[str, ...] = ()
    """Languages to expect, with ``flux-general-multi``."""
    eager_eot_threshold: float = one_of("from 0.3 to 0.9, or 0", 0.5)
    """Confidence that the turn is over at which the language model begins; at most ``eot_threshold``. Lower is earlier,
    and more answers are dropped and billed. 0 has nothing begin early."""
    eot_threshold: float | None = bounded(0.5, 1)
    """Confidence at which the answer is spoken; Deepgram's own is 0.7."""

    def __attrs_post_init__(self) -> None:
        if self.eager_eot_threshold != 0 and not 0.3 <= self.eager_eot_threshold <= 0.9:
            raise ValueError("eager_eot_threshold must be from 0.3 to 0.9, or 0 for none")
        if self.eot_threshold is not None and self.eager_eot_threshold > self.eot_threshold:
            raise ValueError("eager_eot_threshold must not be more than eot_threshold")


class DeepgramFlux(EventDispatcher):
    """One session, from ``Connected`` to the server's closing of the socket."""

    provider = "deepgram-flux"

    def __init__(self, settings: DeepgramFluxSettings, persona: Persona) -> None:
        self._settings = settings
        self._persona = persona
        self._ready = False
        self._sound = SoundGatherer(FRAME_BYTES, FRAME_BYTES)
        self._begun = -1
        """The last turn that was told of as the caller's speaking."""
        self._turns = TurnNumbers()
        self._text = ""
        """The transcript of the turn, as it was last told."""

    # What we say

    @property
    def url(self) -> str:
        """Address to connect to, with the whole configuration."""
        settings, turns = self._settings, self._persona.turn_detection
        query: list[tuple[str, Any]] = [("model", settings.model), ("encoding", "mulaw"), ("sample_rate", 8000)]
        if settings.eager_eot_threshold:
            query.append(("eager_eot_threshold", settings.eager_eot_threshold))
        if settings.eot_threshold is not None:
            query.append(("eot_threshold", settings.eot_threshold))
        if turns is not None and turns.max_silence is not None:
            query.append(("eot_timeout_ms", max(turns.max_silence, SHORTEST_TIMEOUT_MS)))
        query += [("keyterm", term[:MAX_KEYTERM]) for term in self._persona.keyterms[:MAX_KEYTERMS]]
        query += [("language_hint", language) for language in settings.language_hints]
        return f"{settings.address}?{urlencode(query)}"

    @staticmethod
    def headers(key: str) -> dict[str, str]:
        """Those of the handshake."""
        return {"Authorization": f"Token {key}"} if key else {}

    def encode(self, command: object, _now: float) -> Sequence[str | bytes]:
        """The caller's sound, gathered into messages of the length that is asked for, or the end of their turn."""
        if isinstance(command, s.EndTurn):
            return ['{"type":"ForceEndTurn"}']
        if not isinstance(command, c.HearCaller):
            return []
        return self._sound.add(command.payload)

    def goodbye(self) -> str:
        """The message that ends the session; the server says what it still holds, and closes."""
        return '{"type":"CloseStream"}'

    # What we hear

    def _on_connected(self, event: dict[str, Any]) -> list[Any]:
        if self._ready:
            return []
        self._ready = True
        return [c.ModelReady(str(event.get("request_id") or "")[:MAX_ID])]

    def _on_turn_info(self, event: dict[str, Any]) -> list[Any]:
        number, text = self._turns.number_of(event.get("turn_index")), str(event.get("transcript") or "").strip()
        if self._turns.is_over(number, with_this=event.get("event") == "EndOfTurn"):
            return []  # of a turn that has been answered
        kind, item_id, events = event.get("event"), f"caller_{number}", list[Any]()
        if number != self._begun and (text or kind == "StartOfTurn"):
            self._begun, self._text = number, ""
            events.append(s.SpeechBegan())
        if kind == "EndOfTurn":
            self._turns.end(number)
            events.append(s.TurnOver(item_id, text))
        elif kind == "EagerEndOfTurn":
            events.append(s.TurnMayBeOver(item_id, text))
        elif kind == "TurnResumed":
            events.append(s.TurnResumed(item_id))
        elif text and text != self._text:  # ``Update`` comes four times a second, whether or not there are new words
            events.append(s.TurnGoesOn(item_id, text))
        self._text = text
        return events

    def _on_error(self, event: dict[str, Any]) -> list[Any]:
        code, said = str(event.get("code"))[:60], str(event.get("description") or "")
        advice = ADVICE.get(code, "Deepgram gave the session up with {code}").format(code=code)
        passing = code != "UNPARSABLE_CLIENT_MESSAGE"
        return [c.ModelFault(f"deepgram_{code}", f"{advice}: {said}"[:500], fatal=True, passing=passing)]

    def _on_warning(self, event: dict[str, Any]) -> list[Any]:
        said = f"Deepgram warns: {event.get('description')}"[:500]
        return [c.ModelFault(f"deepgram_{str(event.get('code'))[:60]}", said, fatal=False)]

    _readers: ClassVar[dict[Any, Callable[[DeepgramFlux, dict[str, Any]], list[Any]]]] = {
        "Connected": _on_connected,
        "TurnInfo": _on_turn_info,
        "Error": _on_error,
        "Warning": _on_warning,
    }
    _meaningless = frozenset({"ConfigureSuccess", "ConfigureFailure"})
