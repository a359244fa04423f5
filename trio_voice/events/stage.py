"""Facts and commands between the three stages of a chain and the decisions between them, whoever the vendors are.

A chain is a model made of speech-to-text, a language model and speech. Each stage's protocol in ``protocols/`` turns
its vendor's messages into the facts here; ``chain/turns.py`` answers with the commands here; ``legs/chain/leg.py``
carries both. Audio is base64 mu-law at 8 kHz, as everywhere (``audio/mulaw.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import attrs

from trio_voice.events.model import Capabilities, Meter, ModelCommand

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trio_voice.persona import ToolSchema

CHAIN: Final = Capabilities(
    speaks_first=True,
    truncates=True,
    withdraws_tools=True,
    exact_speech=True,
    yields_on_request=True,
    words_while_speaking=True,
    speaks_meanwhile=True,
    billed_by="parts",
)
"""Abilities of every chain: the decisions are ours, so they do not depend on who its stages are."""

# Facts of the stage that hears. ``item_id`` numbers the caller's turns.


@attrs.frozen
class SpeechBegan:
    """The caller is speaking."""

    words_come_last: bool = False
    """The recogniser tells no word before the turn is over."""


@attrs.frozen
class TurnGoesOn:
    """Words of the caller in this turn so far; they replace those that were told before."""

    item_id: str
    text: str


@attrs.frozen
class TurnMayBeOver:
    """The caller has probably finished: time to begin an answer that may have to be dropped."""

    item_id: str
    text: str


@attrs.frozen
class TurnResumed:
    """The caller goes on after all."""

    item_id: str


@attrs.frozen
class TurnOver:
    """The caller has finished; an empty text means that there were no words in it."""

    item_id: str
    text: str


@attrs.frozen
class HearingChanged:
    """Another recogniser hears from here on, which knows nothing of a turn that the one before has begun to hear."""


# Facts of the stage that thinks. ``number`` is the request's, from ``Think``.


@attrs.frozen
class ToolCall:
    """A tool that the language model wants run; ``arguments`` is empty where its JSON was broken."""

    call_id: str
    """The provider's, or one of our own making where it gave none."""
    name: str
    arguments: dict[str, Any]
    broken: str = ""
    """The start of arguments that are no JSON object: such a call is answered with an error, not run."""
    extra: Mapping[str, Any] | None = None
    """Other things that the provider wants to see again beside the call, such as Gemini's signature of a thought."""


@attrs.frozen
class Thought:
    """The next piece of the answer's text."""

    number: int
    text: str


@attrs.frozen
class Unthought:
    """The text so far was no part of the answer: what of it has not been spoken yet is to be forgotten."""

    number: int


@attrs.frozen
class ThoughtOver:
    """The answer is complete."""

    number: int
    calls: tuple[ToolCall, ...] = ()
    cut_short: str = ""
    """Reason for which the provider stopped before its end, such as ``length``."""


@attrs.frozen
class ThoughtFailed:
    """There will be no more of this answer. ``message`` says what to do."""

    number: int
    code: str
    message: str
    retryable: bool
    """The same question may be answered the next time."""
    wait_seconds: float | None = None
    """The pause that the provider asks for before it is asked again, where it says."""
    remedy: Literal["", "shorten", "rephrase", "adapted"] = ""
    """Another question that may be answered: one with less of the conversation; one without the caller's last words;
    the same one, as the protocol has learned to put it to this server."""


# Facts of the stage that speaks. ``context_id`` is that of ``Speak``.


@attrs.frozen
class Sound:
    """A piece of speech."""

    context_id: str
    payload: str


@attrs.frozen
class SpokenWords:
    """Some words of the speech, and when they begin in it (ms from the context's first sample)."""

    context_id: str
    text: str
    start_ms: float


@attrs.frozen
class SpeechOver:
    """All that was to be spoken in this context has come."""

    context_id: str


@attrs.frozen
class VoiceChanged:
    """Another voice speaks from here on: what the one before has not spoken of its contexts, it never will."""

    timed_words: bool = True
    """The voice says when each word is spoken."""


@attrs.frozen
class SpeechFailed:
    """This context's text was refused; others are not concerned. ``message`` says what to do."""

    context_id: str
    code: str
    message: str


HearingFact = SpeechBegan | TurnGoesOn | TurnMayBeOver | TurnResumed | TurnOver | HearingChanged
ThinkingFact = Thought | Unthought | ThoughtOver | ThoughtFailed
SpeakingFact = Sound | SpokenWords | SpeechOver | SpeechFailed | VoiceChanged
ChainFact = HearingFact | ThinkingFact | SpeakingFact | ModelCommand
"""All that the decisions are told of: what the stages say, and what the bridge wants."""

# Commands


@attrs.frozen
class Think:
    """Ask the language model for the answer to the conversation so far."""

    number: int
    conversation: tuple[Entry, ...]
    after_seconds: float = 0.0
    """Time to wait first: it is asked again after a failure."""
    member: int = 0
    """Index of the chain's language model that is asked."""
    with_tools: bool = True
    """Off for the last question of a turn in which many tools have been run."""


@attrs.frozen
class StopThinking:
    """Close the request: its answer is not wanted any more."""

    number: int


@attrs.frozen
class Speak:
    """Have this spoken; the first of a ``context_id`` opens it, the ``last`` closes it once all of it was made."""

    context_id: str
    text: str
    last: bool = False


@attrs.frozen
class EndTurn:
    """Have the stage that hears end the caller's turn now: no further word comes, and no end of it either."""


@attrs.frozen
class ChangeVoice:
    """The stage that speaks has failed as a whole: the next voice takes over, or the session is at its end."""

    code: str
    message: str


@attrs.frozen
class Count:
    """Something has happened that the record counts."""

    name: str


@attrs.frozen
class BeSilent:
    """Stop making the speech of this context."""

    context_id: str


# The conversation as the language model is told it


@attrs.frozen
class Entry:
    """One line of the conversation, in the order in which things were said."""

    role: Literal["caller", "agent", "instruction", "results"]
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    """Of an ``agent``'s line: the tools that it asked for with it. ``results`` follow."""
    results: tuple[ToolCallResult, ...] = ()
    """One for each of the calls of the line before."""


@attrs.frozen
class ToolCallResult:
    """Result of one ``ToolCall``; ``text`` is JSON."""

    call_id: str
    text: str
    failed: bool = False


class LanguageModel(Protocol):
    """A language model's protocol, without I/O."""

    @property
    def provider(self) -> str:
        """The kind's name, for the record."""

    @property
    def address(self) -> str:
        """The base of its requests' URLs: a connection can be opened there ahead of them."""

    def first_byte_seconds(self, *, others: bool) -> float:
        """Time that the server may take for the first piece of an answer, if ``others`` could be asked in its place."""

    @property
    def second_after_seconds(self) -> float:
        """After how long without any piece it is asked a second time, beside the first; infinite for never."""

    def request(
        self, conversation: Sequence[Entry], tools: Sequence[ToolSchema], *, with_tools: bool = True
    ) -> ModelRequest:
        """The request for an answer to this conversation; without ``with_tools`` it may ask for none of the tools."""

    def reader(self, number: int, tools: Sequence[ToolSchema] = ()) -> AnswerReader:
        """Understands the answer to one request in which these tools were offered."""

    def refusal(self, number: int, status: int, body: bytes, headers: Mapping[str, str] = ...) -> ThoughtFailed:
        """The failure that an answer of another status than 200 means; the names of the headers are in lower case."""

    def loading(self) -> ModelRequest | None:
        """The request that has a server load the model before any question; ``None`` where it is always loaded."""


class AnswerReader(Protocol):
    """Understands one streamed answer. Never raises."""

    @property
    def has_gone_on(self) -> bool:
        """True if the last piece of the body had anything of the answer: more than that the server still lives."""

    def receive(self, data: bytes, /) -> Sequence[Any]:
        """Events that a piece of the body means: ``ThinkingFact``, ``events.model.Usage``, ``Unrecognized``."""

    def end(self) -> Sequence[Any]:
        """The body has ended; what had to wait for that. Nothing if the answer was complete before."""


@attrs.frozen
class ModelRequest:
    """A POST of JSON whose answer is a stream."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def usage_of(**meters: float) -> dict[Meter, float]:
    """Meters that are not zero, as ``events.model.Usage`` wants them."""
    return {meter: amount for meter, amount in meters.items() if amount}  # type: ignore[misc]  # the names are Meters
