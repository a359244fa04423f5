"""The conversation of a chain, as its language model is told it: of the agent only what was heard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.events.stage import Entry, ToolCallResult
from trio_voice.protocols.json_messages import as_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trio_voice.events.model import Said
    from trio_voice.events.stage import ToolCall

MAX_ENTRIES: Final = 400
"""Beyond them the oldest are forgotten, a caller's line being the first that is left."""
MAX_LETTERS: Final = 200_000
"""Of all lines together, some 50,000 tokens; beyond them the oldest are forgotten likewise."""
MAX_RESULTS: Final = 24_000
"""Letters of all results of tools together. Beyond them the oldest are shortened, down to half of it; never
the newest."""
SHORTENED: Final = 200
"""Letters that are left of a result that is shortened."""
MAX_WORDS: Final = 5_000
"""Of one reply, whose times are kept."""
CUT_MARK: Final = " —"
"""Ends what the caller has interrupted, as a writer would; words such as "[interrupted]" end up being spoken."""
UNKNOWN: Final = '{"error":"outcome unknown: it may have been carried out; do not repeat it without asking the caller"}'
"""Answers a call whose result never came."""
FOUND: Final = "A look-up has brought this: {result}"
PENDING: Final = '{"status":"still being carried out, outcome unknown; its result will be told: do not call it again"}'
"""Answers a call for now whose result is still to come."""
NOT_UNDERSTOOD: Final = "(not to be repeated)"
"""Stands for words of the caller that a provider's filter takes offence at."""


@attrs.define
class SpokenText:
    """Text of one reply that was spoken, and when."""

    reply_id: str
    is_filler: bool = False
    """It was said until the answer came."""
    text: str = ""
    """Text that was sent to be spoken."""
    words: list[tuple[str, float]] = attrs.field(factory=list)
    """As far as the voice tells: each with the space after it, and where it begins (ms)."""
    made_ms: float = 0.0
    """Sound that has come."""
    complete: bool = False
    """All the sound has come."""
    cut_at_ms: float | None = None
    calls: tuple[ToolCall, ...] = ()

    def add_words(self, words: str, start_ms: float) -> None:
        """The voice tells when it speaks these."""
        if len(self.words) < MAX_WORDS:
            self.words.append((words, start_ms))

    @property
    def heard(self) -> str:
        """Words of the agent that the language model is told."""
        words = self.heard_words
        return words + CUT_MARK if words and self._was_cut else words

    @property
    def heard_words(self) -> str:
        """Words of it that the caller heard, as far as is known."""
        if self.cut_at_ms is None or not self._was_cut:
            return self.text.strip()
        if self.words:
            return "".join(word for word, start_ms in self.words if start_ms < self.cut_at_ms).strip()
        # Of what has come so much of the letters as of the sound.
        share = min(self.cut_at_ms / self.made_ms, 1.0) if self.made_ms else 0.0
        letters = round(len(self.text) * share)
        return (self.text if letters >= len(self.text) else self.text[:letters].rpartition(" ")[0]).strip()

    @property
    def _was_cut(self) -> bool:
        return self.cut_at_ms is not None and not (self.complete and self.cut_at_ms >= self.made_ms)


class History:
    """The conversation so far. Its lines may still change: an interruption is told after the words were made."""

    def __init__(self, said: Iterable[Said] = ()) -> None:
        self._lines: list[Entry | SpokenText] = []
        for line in said:
            self._add(Entry(line.role, line.text))

    def _add(self, line: Entry | SpokenText) -> None:
        self._lines.append(line)
        if len(self._lines) > MAX_ENTRIES:
            self._forget(MAX_ENTRIES // 4)
        elif self._letters() > MAX_LETTERS:
            self.forget_half()

    def _letters(self) -> int:
        return sum(map(_letters_of, self._lines))

    def _forget(self, count: int) -> None:
        """Forget the oldest ``count`` lines, and results that are not understood without them."""
        begins = (isinstance(line, Entry) and line.role == "caller" for line in self._lines[count:])
        del self._lines[: next((count + at for at, is_caller in enumerate(begins) if is_caller), count)]

    def forget_half(self) -> bool:
        """Forget the older half of the letters, but for the last exchange; returns whether there was any to forget."""
        last = max((at for at, line in enumerate(self._lines) if _is_callers(line)), default=0)
        half, gone, count = self._letters() / 2, 0, 0
        for line in self._lines[:last]:
            if gone >= half:
                break
            gone, count = gone + _letters_of(line), count + 1
        if count:
            del self._lines[:count]  # up to here; the rest begins with whatever is the next exchange
            self._forget(0)
            return True
        return self._shorten_results(self._lines, to=0)

    def _shorten_results(self, lines: Sequence[Entry | SpokenText], *, to: int) -> bool:
        """Shorten the results of the first lines until all have at most ``to`` letters together.

        Returns:
            Whether any was.
        """
        total, did = sum(_letters_of(line) for line in self._lines if _is_results(line)), False
        for at, line in enumerate(lines):
            if total <= to:
                break
            if isinstance(line, Entry) and line.role == "results":
                before = _letters_of(line)
                results = tuple(
                    attrs.evolve(result, text=_shortened(result.text)) if len(result.text) > 2 * SHORTENED else result
                    for result in line.results
                )
                did = did or results != line.results
                self._lines[at] = attrs.evolve(line, results=results)
                total -= before - _letters_of(self._lines[at])
        return did

    def caller_said(self, text: str) -> Entry:
        """A turn of the caller's is over."""
        line = Entry("caller", text)
        self._add(line)
        return line

    def take_back(self, entry: Entry) -> None:
        """A turn asked for nothing: it is not told."""
        self._lines = [line for line in self._lines if line is not entry]

    def hide_last_words(self) -> None:
        """A filter takes offence at the conversation: what the caller said last is not told any more."""
        for at in reversed(range(len(self._lines))):
            line = self._lines[at]
            if isinstance(line, Entry) and line.role == "caller":
                self._lines[at] = Entry("caller", NOT_UNDERSTOOD)
                return

    def instructed(self, text: str) -> None:
        """The model is asked for a reply for another reason than the caller's words."""
        self._add(Entry("instruction", text))

    def speaking(self, reply_id: str, *, is_filler: bool = False) -> SpokenText:
        """The agent begins a reply; what becomes of it is written into the line that is returned."""
        line = SpokenText(reply_id, is_filler)
        self._add(line)
        return line

    def answered(self, answers: Iterable[ToolCallResult]) -> None:
        """The results of the calls of the last reply with calls."""
        self._add(Entry("results", results=tuple(answers)))
        if sum(_letters_of(line) for line in self._lines if _is_results(line)) > MAX_RESULTS:
            self._shorten_results(self._lines[:-1], to=MAX_RESULTS // 2)  # what was just found is told whole

    def answered_late(self, answer: ToolCallResult) -> None:
        """The result of a call that has been answered with ``PENDING``."""
        for at in reversed(range(len(self._lines))):
            line = self._lines[at]
            if isinstance(line, Entry) and ToolCallResult(answer.call_id, PENDING, failed=True) in line.results:
                results = tuple(answer if old.call_id == answer.call_id else old for old in line.results)
                self._lines[at] = attrs.evolve(line, results=results)
                return

    def cut(self, reply_id: str, heard_ms: float) -> None:
        """Of this reply only so much was heard."""
        for line in reversed(self._lines):
            if isinstance(line, SpokenText) and line.reply_id == reply_id:
                line.cut_at_ms = heard_ms if line.cut_at_ms is None else min(heard_ms, line.cut_at_ms)
                return

    def entries(self) -> tuple[Entry, ...]:
        """All of it, in the order in which it was said; but the answers to tool calls stand right after the calls.

        What the agent says while a tool runs stands with the call, and a call without an answer gets one that says so:
        servers refuse anything between a call and its answer, and a call without one. Fillers whose answer is still to
        come are not told: they would look like that answer.
        """
        entries: list[Entry] = []
        waiting = -1
        """Place of the call whose answer is still to come."""
        for at, line in enumerate(self._lines):
            entry = line if isinstance(line, Entry) else Entry("agent", line.heard, line.calls)
            if entry.role == "results":
                waiting = -1
            elif entry.calls:
                entries += [entry, self._answers_after(at, entry.calls)]
                waiting = len(entries) - 2
            elif entry.role == "agent" and entry.text and waiting >= 0:
                call = entries[waiting]
                entries[waiting] = attrs.evolve(call, text=f"{call.text} {entry.text}".strip())
            elif entry.text:
                entries.append(entry)
        for last in reversed(self._lines):
            if not (isinstance(last, SpokenText) and last.is_filler):
                break
            if entries and entries[-1] == Entry("agent", last.heard):
                entries.pop()
        return tuple(entries)

    def last_words(self) -> tuple[Entry, ...]:
        """The question, as plainly as can be told: without the talk before it, and without tool calls."""
        entries = self.entries()
        begins = max((at for at, entry in enumerate(entries) if entry.role == "caller"), default=0)
        plain: list[Entry] = []
        for entry in entries[begins:]:
            plain += [Entry("instruction", FOUND.format(result=answer.text)) for answer in entry.results]
            plain += [attrs.evolve(entry, calls=())] if entry.text and not entry.results else []
        return tuple(plain)

    def _answers_after(self, at: int, calls: Iterable[ToolCall]) -> Entry:
        """The answers to the calls of a line: the next results, if they come before another line with calls."""
        answers: dict[str, ToolCallResult] = {}
        for line in self._lines[at + 1 :]:
            if isinstance(line, SpokenText) and line.calls:
                break
            if isinstance(line, Entry) and line.role == "results":
                answers = {answer.call_id: answer for answer in line.results}
                break
        missing = {call.call_id: ToolCallResult(call.call_id, UNKNOWN, failed=True) for call in calls}
        return Entry("results", results=tuple(answers.get(call_id, none) for call_id, none in missing.items()))


def _is_callers(line: Entry | SpokenText) -> bool:
    return isinstance(line, Entry) and line.role == "caller"


def _is_results(line: Entry | SpokenText) -> bool:
    return isinstance(line, Entry) and line.role == "results"


def _letters_of(line: Entry | SpokenText) -> int:
    results = line.results if isinstance(line, Entry) else ()
    return len(line.text) + sum(len(result.text) for result in results)


def _shortened(result: str) -> str:
    """The beginning of a result, as JSON."""
    return as_json({"shortened": result[:SHORTENED]})
