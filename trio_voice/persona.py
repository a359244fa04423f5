"""Personas: the frozen settings that one call begins with and keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from trio_voice.setting_fields import bounded, one_of, positive
from trio_voice.speech_text.languages import Phrases, phrases_of

if TYPE_CHECKING:
    from trio_voice.limits import Limits


@attrs.frozen(kw_only=True)
class TurnDetection:
    """``turn_detection``: when the caller has begun or finished speaking. Unset means the provider's own default.

    Setting either silence switches off AssemblyAI's adaptive pacing for the whole session, so none has a default of
    ours. A key that the model's kind does not know is ignored by it.
    """

    vad_threshold: float | None = bounded(0, 1)
    """Loudness that counts as speech; higher for noisy lines."""
    min_silence: int | None = bounded(50, 10_000)
    """Milliseconds of silence that may end a turn; less than ``max_silence``."""
    max_silence: int | None = bounded(50, 10_000)
    """Milliseconds of silence that end a turn in any case."""
    interrupt_response: bool | None = None
    """``false`` switches barge-in off: the agent is never interrupted."""
    interruption_delay: int | None = bounded(0, 1_000)
    """Milliseconds of speech before the provider takes it for an interruption."""
    min_interruption_ms: float | None = bounded(0, 5_000)
    """Milliseconds that the caller must speak to take the floor. Decided here, for every kind of model."""
    min_interruption_words: int | None = bounded(0, 20)
    """Words that it takes to take the floor. Decided here, for every kind of model; "no", "wait", "stop" and questions
    always take it."""

    @property
    def for_provider(self) -> dict[str, float | bool]:
        """The settings that a provider knows, as far as they are set."""
        ours = ("min_interruption_ms", "min_interruption_words")
        return attrs.asdict(self, filter=lambda field, value: value is not None and field.name not in ours)


@attrs.frozen(kw_only=True)
class Persona:
    """``[personas.NAME]``: a character that answers or places calls."""

    name: str
    """The table's own name: ``receptionist`` of ``[personas.receptionist]``."""
    model: str | tuple[str, ...]
    """A table of ``[models]``, or a list of some: the next takes over when one is not ready in time, or fails."""
    voice: str | None = None
    """The provider's name or id of the voice, exact; a chain's goes before its ``tts.voice``. Without one it is the
    provider's choice."""
    greeting: str | None = None
    """Spoken first; without one the caller speaks first."""
    prompt: str = ""
    """Instructions for the model: who it is, what it may do, how it speaks."""
    tools: tuple[str, ...] = ()
    """Built-in tools (``end_call``, ``transfer_to_human``, ``mark_do_not_call``, ``generate_random_number``) and your
    own functions, as ``module:function``."""
    turn_detection: TurnDetection | None = None
    """A table of its own, below."""
    keyterms: tuple[str, ...] = ()
    """Words and names that the recogniser should expect."""
    transfer_to: str | None = None
    """Number that ``transfer_to_human`` and ``on_failure = "transfer"`` put a caller through to, with its country."""
    record: bool | Literal["here"] = one_of('true, false or "here"', default=False)
    """``"here"``: its calls are recorded on this machine, as they were heard. ``true``: Twilio records the calls that
    this persona places, each side on a channel of its own."""
    record_after_consent: bool = False
    """Nothing is recorded here until the model calls ``consent_to_recording``, a tool that it then has."""
    keep_tool_details: bool = True
    """True: a call's record says what its tools were given and what came of it. The journal keeps that only with
    ``[journal] keep_transcripts``."""
    detect_machine: bool = False
    """Have Twilio find out whether a machine answers a call that this persona places. Twilio bills it."""
    time_limit_seconds: float | None = positive()
    """The longest call of this persona, instead of that of ``[limits]``."""
    idle_seconds: float | None = positive()
    """Silence that ends its calls, instead of that of ``[limits]``."""
    on_failure: Literal["hang_up", "transfer"] = "hang_up"
    """Fate of the caller when the last of its models has failed: the end, or ``transfer_to``."""
    takeover_line: str | None = None
    """Said on this machine while the next model takes over; the language's "One moment, please." by default, ``""`` for
    none."""
    failure_line: str | None = None
    """Said on this machine when no model is left, before the call ends or is transferred; the language's own by
    default, ``""`` for none."""
    goodbye_line: str | None = None
    """Said on this machine before a call ends that has lasted as long as it may, or that a drain ends, and where the
    agent ends one without a word; the language's own by default, ``""`` for none."""
    voicemail: str | None = None
    """Said to a machine after its beep; without it the call is ended when a machine answers."""
    language: str = "en-US"
    """A language tag (BCP 47): of the words that take no floor, of times and amounts as they are spoken, of the lines
    below and of this machine's voice. English, German, French, Spanish, Italian, Portuguese and Dutch have phrases."""
    backchannels: tuple[str, ...] = ()
    """Words that take no floor, besides the language's own ("uh-huh", "okay", "I see" ...)."""
    greeting_interruptible: bool = True
    """``false``: the greeting is said to its end."""
    fillers: tuple[str, ...] | None = None
    """Said in turn while an answer is owed and nothing was heard for ``dead_air_seconds``; the language's own by
    default, ``[]`` for none."""
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
        """True if another model can take over in the middle of a call."""
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
            goodbye=own.goodbye if self.goodbye_line is None else self.goodbye_line,
            last_line=own.last_line if self.failure_line is None else self.failure_line,
        )

    @property
    def said_at_takeover(self) -> str:
        """The words while the next model takes over: its own, else its language's; "" for none."""
        return phrases_of(self.language).fillers[0] if self.takeover_line is None else self.takeover_line

    @property
    def interruptible(self) -> bool:
        """True if the caller may talk over this persona."""
        return self.turn_detection is None or self.turn_detection.interrupt_response is not False

    @property
    def min_interruption_ms(self) -> float | None:
        """Milliseconds that the caller must speak to take the floor; None for the default."""
        return None if self.turn_detection is None else self.turn_detection.min_interruption_ms

    @property
    def min_interruption_words(self) -> int | None:
        """Words that it takes to take the floor; None for any."""
        return None if self.turn_detection is None else self.turn_detection.min_interruption_words


@attrs.frozen
class Line:
    """Something that is said on this machine: its words, and its sound as base64 mu-law."""

    text: str
    payload: str


@attrs.frozen
class Lines:
    """Lines of a persona, for when no model speaks."""

    takeover: Line | None = None
    failure: Line | None = None
    still_there: Line | None = None
    idle_goodbye: Line | None = None
    goodbye: Line | None = None
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
