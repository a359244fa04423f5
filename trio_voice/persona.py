"""Who answers, and within which limits: the frozen settings that one call begins with and keeps."""

from __future__ import annotations

from typing import Any, Final, Literal

import attrs

from trio_voice.speech_text.languages import Phrases, phrases_of

RANGE: Final = "range"
"""In a field's metadata: the least and the most that it may be."""


def bounded(low: float, high: float, default: Any = None) -> Any:
    """A number of a table of config.toml, which must lie between these, ends included."""
    return attrs.field(default=default, metadata={RANGE: (low, high)})


@attrs.frozen(kw_only=True)
class Limits:
    """What bounds a call; all in seconds unless the name says otherwise. The names are config.toml's."""

    max_calls: int = 100
    time_limit_seconds: float = 600
    """A call's length, from the moment its stream is accepted."""
    idle_seconds: float = 60
    """Nobody has spoken."""
    start_seconds: float = 5
    """The socket is open and Twilio's ``start`` has not come."""
    media_gap_seconds: float = 10
    """No frame from Twilio, which sends one every 20 ms even in silence."""
    model_ready_seconds: float = 10
    """From opening the model's socket to its being ready to talk."""
    close_seconds: float = 2
    """To close both sockets, whatever the peers do."""
    drain_seconds: float = 120
    """From SIGTERM to the last goodbye."""
    tool_seconds: float = 10
    """For one tool."""
    ring_seconds: float = 30
    """How long a call that we place may ring."""
    daily_cost: float | None = None
    """What all calls of a day, in UTC, may cost together, in the currency of ``[prices]``; more is refused."""
    playback_lead_seconds: float = 1
    """How far ahead of the caller's ear audio is handed to Twilio; the rest waits where a barge-in discards it. 4 at
    the most (``config/settings.py``)."""
    dead_air_seconds: float = 2.5
    """An answer is owed and the caller hears nothing: a filler is said."""


@attrs.frozen(kw_only=True)
class TurnDetection:
    """When the model decides that the caller has begun or finished speaking. Unset means the provider's default.

    Setting either silence switches off AssemblyAI's adaptive pacing for the whole session
    (``protocols/assemblyai.md`` A5), so none has a default of ours.
    """

    vad_threshold: float | None = bounded(0, 1)
    """0 to 1; higher for noisy lines."""
    min_silence: int | None = bounded(50, 10_000)
    """Milliseconds, 50 to 10000, below ``max_silence``."""
    max_silence: int | None = bounded(50, 10_000)
    """Milliseconds, 50 to 10000."""
    interrupt_response: bool | None = None
    """False switches barge-in off."""
    interruption_delay: int | None = bounded(0, 1_000)
    """Milliseconds, 0 to 1000."""
    min_interruption_ms: float | None = bounded(0, 5_000)
    """How long the caller must speak to take the floor, 0 to 5000. Decided by the bridge: no provider is told."""
    min_interruption_words: int | None = bounded(0, 20)
    """How many words it takes, 0 to 20; likewise."""

    @property
    def for_provider(self) -> dict[str, float | bool]:
        """The settings that a provider knows, as far as they are set."""
        ours = ("min_interruption_ms", "min_interruption_words")
        return attrs.asdict(self, filter=lambda field, value: value is not None and field.name not in ours)


@attrs.frozen(kw_only=True)
class Persona:
    """A character that answers or places calls."""

    name: str
    model: str | tuple[str, ...]
    """A key of ``[models]``, or several: the next takes over when one fails."""
    voice: str | None = None
    greeting: str | None = None
    """Spoken first; without one the caller speaks first."""
    prompt: str = ""
    tools: tuple[str, ...] = ()
    turn_detection: TurnDetection | None = None
    keyterms: tuple[str, ...] = ()
    """Words that the recogniser should expect."""
    transfer_to: str | None = None
    """Where ``transfer_to_human`` puts a caller through to, in E.164."""
    record: bool = False
    """Have Twilio record the calls that this persona places, each side on a channel of its own."""
    detect_machine: bool = False
    """Have Twilio find out whether a machine answers a call that this persona places."""
    time_limit_seconds: float | None = None
    """The longest call of this persona, where it is not that of ``[limits]``."""
    idle_seconds: float | None = None
    """How long nobody need speak in its calls, likewise."""
    on_failure: Literal["hang_up", "transfer"] = "hang_up"
    """What becomes of the caller when the last of its models has failed: the end, or ``transfer_to``."""
    takeover_line: str = "One moment, please."
    """Said on this machine while the next model takes over."""
    failure_line: str | None = None
    """Said on this machine when no model is left, before the call ends or is transferred; the language's own by
    default, none if empty."""
    voicemail: str | None = None
    """Said to a machine after its beep; without it the call is ended when a machine answers."""
    language: str = "en-US"
    """A BCP 47 tag: of the words that take no floor, of spoken forms and of the lines below (``speech_text``)."""
    backchannels: tuple[str, ...] = ()
    """Words that take no floor, besides the language's own."""
    greeting_interruptible: bool = True
    """Whether the caller may talk over the greeting."""
    fillers: tuple[str, ...] | None = None
    """Said while an answer is owed and does not come; the language's own by default, none if empty."""
    still_there: str | None = None
    """Said at two thirds of ``idle_seconds``; the language's own by default."""
    idle_goodbye: str | None = None
    """Said at ``idle_seconds``, before the call ends; the language's own by default."""

    def within(self, limits: Limits) -> Limits:
        """The limits of this persona's calls: those of ``[limits]``, but for its own."""
        return attrs.evolve(
            limits,
            time_limit_seconds=self.time_limit_seconds or limits.time_limit_seconds,
            idle_seconds=self.idle_seconds or limits.idle_seconds,
        )

    @property
    def models(self) -> tuple[str, ...]:
        """The models, in the order in which they are tried."""
        return (self.model,) if isinstance(self.model, str) else self.model

    @property
    def takes_over(self) -> bool:
        """Whether another model can take over in the middle of a call."""
        return len(self.models) > 1

    @property
    def said_by_itself(self) -> Phrases:
        """The lines that this persona says without a model's wish: its own words, else its language's; "" for none."""
        own = phrases_of(self.language)
        return attrs.evolve(
            own,
            fillers=own.fillers if self.fillers is None else self.fillers,
            still_there=own.still_there if self.still_there is None else self.still_there,
            idle_goodbye=own.idle_goodbye if self.idle_goodbye is None else self.idle_goodbye,
            last_line=own.last_line if self.failure_line is None else self.failure_line,
        )

    @property
    def interruptible(self) -> bool:
        """Whether the caller may talk over this persona."""
        return self.turn_detection is None or self.turn_detection.interrupt_response is not False

    @property
    def min_interruption_ms(self) -> float | None:
        """How long the caller must speak to take the floor; None for the default."""
        return None if self.turn_detection is None else self.turn_detection.min_interruption_ms

    @property
    def min_interruption_words(self) -> int | None:
        """How many words it takes to take the floor; None for any."""
        return None if self.turn_detection is None else self.turn_detection.min_interruption_words


@attrs.frozen
class Line:
    """Something that is said on this machine: its words, and its sound as base64 mu-law."""

    text: str
    payload: str


@attrs.frozen
class Lines:
    """What a persona says when no model speaks."""

    takeover: Line | None = None
    failure: Line | None = None
    still_there: Line | None = None
    idle_goodbye: Line | None = None
    fillers: tuple[Line, ...] = ()

    def filler(self, text: str) -> Line | None:
        """The filler of these words."""
        return next((line for line in self.fillers if line.text == text), None)


SILENT: Final = Lines()


@attrs.frozen(kw_only=True)
class ToolSchema:
    """A tool as a model sees it; ``parameters`` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, Any]
