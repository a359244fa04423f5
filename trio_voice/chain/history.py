"""What was said in a call with a chain, as its language model is told it: of the agent only what was heard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.events.stage import Entry, ToolAnswer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trio_voice.events.model import Said
    from trio_voice.events.stage import ToolCall

MAX_ENTRIES: Final = 400
"""Beyond them the oldest are forgotten, a caller's line being the first that is left."""
MAX_WORDS: Final = 5_000
"""Of one reply, whose times are kept."""
CUT_MARK: Final = " —"
"""Ends what the caller has interrupted, as a writer would; words such as "[interrupted]" end up being spoken."""
CANCELLED: Final = '{"error":"not carried out: the caller spoke before the result was there"}'


@attrs.define
class SpokenText:
    """What was said of one reply, and when."""

    reply_id: str
    text: str = ""
    """What was sent to be spoken."""
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
        """What the language model is told that the agent said."""
        words = self.heard_words
        return words + CUT_MARK if words and self._was_cut else words

    @property
    def heard_words(self) -> str:
        """What the caller heard of it, as far as is known."""
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
            keep_from = next(
                (
                    at
                    for at, old in enumerate(self._lines)
                    if at >= MAX_ENTRIES // 4 and isinstance(old, Entry) and old.role == "caller"
                ),
                MAX_ENTRIES // 4,
            )
            del self._lines[:keep_from]

    def caller_said(self, text: str) -> None:
        """A turn of the caller's is over."""
        self._add(Entry("caller", text))

    def instructed(self, text: str) -> None:
        """The model is asked for a reply for another reason than the caller's words."""
        self._add(Entry("instruction", text))

    def speaking(self, reply_id: str) -> SpokenText:
        """The agent begins a reply; what becomes of it is written into the line that is returned."""
        line = SpokenText(reply_id)
        self._add(line)
        return line

    def answered(self, answers: Iterable[ToolAnswer]) -> None:
        """The results of the calls of the last reply with calls."""
        self._add(Entry("results", results=tuple(answers)))

    def cut(self, reply_id: str, heard_ms: float) -> None:
        """Of this reply only so much was heard."""
        for line in reversed(self._lines):
            if isinstance(line, SpokenText) and line.reply_id == reply_id:
                line.cut_at_ms = heard_ms if line.cut_at_ms is None else min(heard_ms, line.cut_at_ms)
                return

    def entries(self) -> tuple[Entry, ...]:
        """All of it, in the order in which it was said; but the answers to tool calls stand right after the calls.

        A call without an answer gets one that says so: a request with an unanswered call would be refused.
        """
        entries: list[Entry] = []
        for at, line in enumerate(self._lines):
            entry = line if isinstance(line, Entry) else Entry("agent", line.heard, line.calls)
            if entry.role == "results" or not (entry.text or entry.calls):
                continue
            entries.append(entry)
            if entry.calls:
                entries.append(self._answers_after(at, entry.calls))
        return tuple(entries)

    def _answers_after(self, at: int, calls: Iterable[ToolCall]) -> Entry:
        """The answers to the calls of a line: the next results, if they come before another line with calls."""
        answers: dict[str, ToolAnswer] = {}
        for line in self._lines[at + 1 :]:
            if isinstance(line, SpokenText) and line.calls:
                break
            if isinstance(line, Entry) and line.role == "results":
                answers = {answer.call_id: answer for answer in line.results}
                break
        missing = {call.call_id: ToolAnswer(call.call_id, CANCELLED, failed=True) for call in calls}
        return Entry("results", results=tuple(answers.get(call_id, none) for call_id, none in missing.items()))
