"""Events about responses: their beginning, sound, text, calls and end, and what is asked for when they fail."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Final

from trio_voice.audio.mulaw import is_audible, is_base64, plain_base64
from trio_voice.events import model as c
from trio_voice.protocols.json_messages import table_in, text_in
from trio_voice.protocols.openai_realtime import usage
from trio_voice.protocols.openai_realtime.errors import is_fatal, is_passing, is_rate_limit
from trio_voice.protocols.openai_realtime.requests import RETRY_SECONDS, Ask
from trio_voice.protocols.openai_realtime.responses import MAX_LETTERS, id_in
from trio_voice.protocols.retry_after import wait_seconds
from trio_voice.protocols.unanswered import MAX_WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_voice.protocols.openai_realtime.context import Context
    from trio_voice.protocols.openai_realtime.responses import Response

MAX_FAILURES: Final = 2
MAX_PASSING_FAILURES: Final = 3
"""Responses that fail one after the other before the session is given up; the second where the cause may pass."""

Meaning = c.ModelEvent | c.Outgoing


class ResponseEvents:
    """Those of one session.

    Args:
        context: of the session.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._requests, self._turns, self._unanswered = context.requests, context.turns, context.unanswered
        self._responses, self._calls, self._dialect = context.responses, context.calls, context.dialect
        self._complaint = context.complaint
        self._failures = 0
        self._limited_until = -math.inf
        """Time at which the server's rate limits allow the next response, as far as it has told."""

    def _on_response_created(self, event: dict[str, Any], now: float) -> list[Meaning]:
        return self._open_response(id_in(table_in(event, "response"), "id"), now)[1]

    def _open_response(self, response_id: str, now: float) -> tuple[Response, list[Meaning]]:
        """The response of that id, begun if it was not; without an id it is the one that is being made."""
        response, is_new = self._responses.open(response_id)
        if not is_new:
            return response, []
        self._requests.response_began(now)
        self._turns.answered()
        self._unanswered.making(now)
        if len(self._responses.kept) == 1 and self._requests.begun is not None and not self._requests.begun.follows_up:
            self._context.first_id = response.response_id
        begun: list[Meaning] = [c.ReplyStarted(response.response_id)]
        if self._requests.begun is None:
            self._context.turn_waits = False
            if self._turns.answered_by(response, now):
                self._unanswered.settle()
                begun += map(c.Outgoing, self._context.drop(response.response_id))
        elif self._requests.begun.overtaken:
            self._context.turn_waits = True
        return response, begun

    def _on_audio(self, event: dict[str, Any], now: float) -> list[Meaning]:
        payload = plain_base64(event["delta"])
        if not is_base64(payload):
            return [c.Unrecognized("audio that is no base64", garbage=True)]
        response, begun = self._open_response(id_in(event, "response_id"), now)
        response.add_sound(id_in(event, "item_id"), payload)
        if not response.audible and is_audible(payload):
            response.audible, response.heard_from = True, max(now, self._responses.heard_until)
            self._unanswered.settle()
            self._requests.settle()
        response.passes = response.audible and not self._turns.holds(response.response_id)
        return [*begun, c.ReplyAudio(response.response_id, payload)]

    def _on_words(self, event: dict[str, Any], now: float) -> list[Meaning]:
        response, begun = self._open_response(id_in(event, "response_id"), now)
        return [*begun, c.ReplyWords(response.response_id, text_in(event, "delta"), None)]

    def _on_text(self, event: dict[str, Any], now: float) -> list[Meaning]:
        """The text of one item; a reply's is that of all its items."""
        response, begun = self._open_response(id_in(event, "response_id"), now)
        response.add_text(event)
        return [*begun, c.ReplyTranscript(response.response_id, response.text, interrupted=False)]

    def _on_written(self, event: dict[str, Any], now: float) -> list[Meaning]:
        """The text of one item that has no sound. xAI tells it of what was spoken, too."""
        response, begun = self._open_response(id_in(event, "response_id"), now)
        response.add_written(event)
        return begun

    def _on_rate_limits(self, event: dict[str, Any], now: float) -> list[Meaning]:
        """Note the time until something is left of what we may ask for."""
        used_up = [limit for limit in event["rate_limits"] if limit.get("remaining", 1) <= 0]
        self._limited_until = max((now + float(limit["reset_seconds"]) for limit in used_up), default=-math.inf)
        return []

    def _on_item_done(self, event: dict[str, Any], now: float) -> list[Meaning]:
        item = table_in(event, "item")
        if item.get("type") != "function_call":
            return []
        response, begun = self._open_response(id_in(event, "response_id"), now)
        response.add_call(item)
        return begun

    def _on_item_added(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        item, response = table_in(event, "item"), self._responses.kept.get(id_in(event, "response_id"))
        if response is not None and item.get("type") == "function_call":
            response.name_call(item)
        return []

    def _on_arguments(self, event: dict[str, Any], now: float) -> list[Meaning]:
        response, begun = self._open_response(id_in(event, "response_id"), now)
        response.add_arguments(event)
        return begun

    def _on_item_taken(self, event: dict[str, Any], _now: float) -> list[Meaning]:
        item = table_in(event, "item")
        if item.get("type") == "function_call_output":
            self._requests.result_echoed(id_in(item, "call_id"))
        return []

    def _on_response_done(self, event: dict[str, Any], now: float) -> list[Meaning]:
        told = table_in(event, "response")
        response, events = self._open_response(id_in(told, "id"), now)
        status = told.get("status")
        is_last = self._responses.close(response)
        written = "" if response.text else " ".join(filter(None, response.written.values()))[:MAX_LETTERS]
        if written:
            events.append(c.ReplyTranscript(response.response_id, written, interrupted=False))
        if self._context.bills_tokens:
            meters = usage.of_response(told.get("usage") or event.get("usage"))  # some have it at the top
            events += [c.Usage(meters)] if meters else []
        broke_off = status == "incomplete" or (status == "cancelled" and self._is_nobodys_wish(response, told))
        interrupted = status == "cancelled" and not broke_off and not response.gives_way
        done = c.ReplyDone(response.response_id, interrupted)
        if status == "failed":
            owed = [c.AnswerOwed()] if response.audible and not self._context.caller_speaks else []
            return [*events, done, *owed, *self._failed(table_in(table_in(told, "status_details"), "error"), now)]
        if is_last:
            self._requests.response_over()
        if done.interrupted or self._turns.is_dropped(response.response_id):
            return [*events, *self._calls.withhold(response), done]
        if status == "cancelled":
            events += self._calls.withhold(response)
        self._failures = 0
        output = told.get("output")
        for item in output if isinstance(output, list) and status != "cancelled" else ():
            # not every server has an event for each item
            if isinstance(item, dict) and item.get("type") == "function_call":
                response.add_call(item)
        if status == "completed":
            response.calls |= response.told_calls
        asks_tools = bool(response.calls)
        if asks_tools or (response.audible and not broke_off):
            self._context.rests.begin_again()
        if asks_tools:
            self._unanswered.settle()
            self._requests.settle()
        elif not response.audible:
            self._context.unheard = response.text or written
            self._unanswered.silent(now)
        events += self._calls.request(response)
        if broke_off:
            reason = text_in(table_in(told, "status_details"), "reason") or "no reason given"
            words = f"{self._dialect.vendor} broke a reply off: {reason[:60]}"
            rest = self._context.rests.next() if response.audible and not asks_tools else ""
            if rest is None:
                return [*events, done, c.ModelFault("broken_off", words, fatal=True)]
            events.append(c.ModelFault(str(status), words, fatal=False))
            if rest:
                self._requests.ask(Ask(instructions=self._context.in_character(rest)))
                if not self._context.caller_speaks:
                    return [*events, done, c.AnswerOwed()]
        return [*events, done]

    def _is_nobodys_wish(self, response: Response, told: dict[str, Any]) -> bool:
        """True if a response was cancelled though neither we nor the caller, as far as is known, put an end to it."""
        reason = text_in(table_in(told, "status_details"), "reason")
        return not (
            response.cancelled or self._context.caller_speaks or self._context.turn_waits or reason == "turn_detected"
        )

    def _failed(self, error: dict[str, Any], now: float) -> list[Meaning]:
        """Ask again, after the wait that is told; a caller who is not answered is better off with somebody else."""
        self._failures += 1
        wait = wait_seconds({}, text_in(error, "message"))
        if wait is None and is_rate_limit(error) and self._limited_until > now:
            wait = self._limited_until - now
        wait = wait or RETRY_SECONDS * self._failures
        most = MAX_PASSING_FAILURES if is_passing(error) else MAX_FAILURES
        fatal = self._failures >= most or is_fatal(error) or wait > MAX_WAIT_SECONDS
        if fatal:
            self._requests.response_over()
        else:
            self._requests.response_failed(now, wait)
        self._unanswered.suspend()  # until it is asked for
        return [self._complaint.about_response(error, fatal=fatal)]

    READERS: ClassVar[dict[str, Callable[[ResponseEvents, dict[str, Any], float], list[Meaning]]]] = {
        "rate_limits.updated": _on_rate_limits,
        "response.output_text.done": _on_written,
        "response.text.done": _on_written,  # beta
        "response.created": _on_response_created,
        "response.output_audio.delta": _on_audio,
        "response.audio.delta": _on_audio,  # beta, as the other two of this name
        "response.output_audio_transcript.delta": _on_words,
        "response.audio_transcript.delta": _on_words,
        "response.output_audio_transcript.done": _on_text,
        "response.audio_transcript.done": _on_text,
        "response.output_item.added": _on_item_added,
        "response.function_call_arguments.done": _on_arguments,
        "response.output_item.done": _on_item_done,
        "conversation.item.added": _on_item_taken,
        "conversation.item.created": _on_item_taken,  # beta
        "response.done": _on_response_done,
    }
