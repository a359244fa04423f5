"""Events about the caller: when they speak, and what they have said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from trio_voice.events import model as c
from trio_voice.protocols.json_messages import table_in, text_in
from trio_voice.protocols.openai_realtime import usage
from trio_voice.protocols.openai_realtime.errors import MAX_SAID
from trio_voice.protocols.openai_realtime.responses import MAX_LETTERS, id_in
from trio_voice.speech_text.backchannels import spoken_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.protocols.openai_realtime.context import Context

KEPT_TRANSCRIPTIONS: Final = 8

Meaning = c.ModelEvent | c.Outgoing


class CallerEvents:
    """Those of one session.

    Args:
        context: of the session.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._requests, self._turns, self._unanswered = context.requests, context.turns, context.unanswered
        self._responses, self._dialect = context.responses, context.dialect
        self._transcriptions: dict[str, str] = {}
        """The text of each item that is written down, until it is whole."""

    def _on_speech_started(self, event: dict[str, Any], now: float) -> list[Meaning]:
        item_id = id_in(event, "item_id")
        self._context.caller_speaks = True
        self._requests.caller_began(now)
        self._unanswered.suspend()
        self._turns.begin(item_id, overlaps=now < self._responses.heard_until)
        return [c.CallerSpeechStarted(item_id=item_id)]

    def _on_speech_stopped(self, _event: dict[str, Any], now: float) -> list[Meaning]:
        self._context.caller_speaks = False
        self._requests.caller_finished(now)
        if not self._turns.are_written:
            self._requests.settle()
        self._turns.end(now)
        self._context.unheard = ""
        self._context.rests.begin_again()
        if self._responses.in_the_making is not None:
            self._context.turn_waits = True
        elif not self._turns.is_undecided(now) or self._unanswered.is_suspended:
            self._unanswered.owe(now)  # else it may be a noise: their words come, or do not
        return [c.CallerSpeechStopped()]

    def _on_committed(self, event: dict[str, Any], now: float) -> list[Meaning]:
        """The turn is over; not every server has said so before."""
        return self._on_speech_stopped(event, now) if self._context.caller_speaks else []

    def _on_caller_delta(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        item_id = id_in(event, "item_id")
        return self._transcribed(item_id, self._transcriptions.get(item_id, "") + text_in(event, "delta"))

    def _on_caller_so_far(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        return self._transcribed(id_in(event, "item_id"), text_in(event, "transcript") or text_in(event, "text"))

    def _transcribed(self, item_id: str, text: str) -> list[Meaning]:
        self._transcriptions[item_id] = text = text[:MAX_LETTERS]
        if len(self._transcriptions) > KEPT_TRANSCRIPTIONS:
            self._transcriptions.pop(next(iter(self._transcriptions)))
        return [c.CallerTranscript(item_id, spoken_in(text), final=False)]

    def _on_caller_text(self, event: dict[str, Any], now: float) -> list[Meaning]:
        item_id = id_in(event, "item_id")
        self._transcriptions.pop(item_id, None)
        ignored: list[str] = []
        text = spoken_in(text_in(event, "transcript"))
        if text:
            self._turns.written(item_id, now)
            self._requests.settle()
            if self._turns.awaits_answer(item_id) and not self._context.caller_speaks and not self._context.turn_waits:
                self._unanswered.owe(now)
        elif not self._context.caller_speaks:  # a noise, to which nothing is owed
            self._requests.turn_was_nothing()
            ignored = self._context.ignore(item_id, now) if self._turns.waits_for(item_id) else []
            self._unanswered.resume(now)
            self._context.turn_waits = False
        meters = usage.of_transcription(event.get("usage"))
        billed = [c.Usage(meters)] if meters and self._context.bills_tokens else []
        written = c.CallerTranscript(item_id, text, final=True)
        return [written, *map(c.Outgoing, ignored), *billed]

    def _on_caller_lost(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        self._transcriptions.pop(id_in(event, "item_id"), None)
        said = text_in(table_in(event, "error"), "message")
        words = f"{self._dialect.vendor} could not write down what the caller said"
        words = f"{words}: {said[:MAX_SAID]}" if said else words
        return [c.ModelFault("transcription_failed", words, fatal=False)]

    READERS: ClassVar[dict[str, Callable[[CallerEvents, dict[str, Any], float], list[Meaning]]]] = {
        "input_audio_buffer.speech_started": _on_speech_started,
        "input_audio_buffer.speech_stopped": _on_speech_stopped,
        "input_audio_buffer.committed": _on_committed,
        "conversation.item.input_audio_transcription.delta": _on_caller_delta,
        "conversation.item.input_audio_transcription.updated": _on_caller_so_far,  # xAI
        "conversation.item.input_audio_transcription.completed": _on_caller_text,
        "conversation.item.input_audio_transcription.failed": _on_caller_lost,
    }
