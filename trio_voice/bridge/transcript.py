"""The transcript: words by who said them, as the caller heard them.

A model's own text of a reply may hold more than was heard: it is written when the audio has been made, not when it has
been played. So the bridge says how much was heard, and the text is cut there: by the words' own times where the model
gives them, else by proportion, always between words.

A caller's text may come long after they have spoken, behind the answer to it. Their line stands where they began, and
``at`` is then: lines are in the order in which they began, whenever their text came.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from trio_voice.bridge.watcher import NOBODY
from trio_voice.record import Utterance

if TYPE_CHECKING:
    from collections.abc import Collection, MutableSequence

    from trio_voice.bridge.watcher import Watcher
    from trio_voice.record import CallRecord

T = TypeVar("T")

MAX_LINES: Final = 2_000
MAX_LETTERS: Final = 5_000
"""Of one line. A record is kept after its call, so a model that never stops must not fill it."""
MAX_LETTERS_OF_A_CALL: Final = 500_000
"""Of all its lines, beyond which it takes no more: ten hours of speech, and two megabytes at the most."""
LATEST_LINES: Final = 100
"""The newest lines, which a session that takes over is told; a record that is full does not take any of its own."""
KEPT_TURNS: Final = 8
"""Turns of the caller's whose text may still come or change."""
KEPT_REPLIES: Final = 8
"""Replies whose text may still change: they are made faster than they are heard, and asking for a tool is one, too."""


@attrs.define
class _Reply:
    line: Utterance | None = None
    words: list[tuple[str, float | None]] = attrs.field(factory=list)
    letters: int = 0
    sent_ms: float = 0.0
    cut_at_ms: float | None = None
    over: bool = False
    """No more comes of it."""
    settled: bool = False
    """It was heard to its end, or cut: nothing of its line changes any more."""


class Transcript:
    """Writes the lines of a call's record.

    Args:
        record: the call's.
        watcher: told of each line as it changes.
    """

    __slots__ = ("_began", "_callers", "_letters", "_record", "_replies", "_watcher", "latest")

    def __init__(self, record: CallRecord, watcher: Watcher = NOBODY) -> None:
        self._record = record
        self._watcher = watcher
        self._began: dict[str, float] = {}
        """Times at which the turns began whose text has not come, by their items; one that is not named yet has an
        empty id."""
        self._callers: dict[str, Utterance] = {}
        self._replies: dict[str, _Reply] = {}
        self._letters = sum(len(line.text) for line in record.transcript)
        self.latest: deque[Utterance] = deque(record.transcript, maxlen=LATEST_LINES)
        """The newest lines, in order."""

    def caller_began(self, item_id: str, at: float) -> None:
        """The caller begins a turn, or goes on with it; ``item_id`` is empty if the model has not named it."""
        if item_id not in self._callers:
            _forget_oldest(self._began, KEPT_TURNS)
            self._began[item_id] = at

    def caller_said(self, item_id: str, text: str, at: float, *, final: bool) -> float:
        """The caller's words so far; a later text of the same item replaces it. Returns when their turn began."""
        line, began = self._callers.get(item_id), at
        if line is None and (text or final):
            began = self._began.pop(item_id if item_id in self._began else "", at)
            line = self._new_line("caller", text, began)
        if line is None:
            return began
        if item_id not in self._callers:
            _forget_oldest(self._callers, KEPT_TURNS)
            self._callers[item_id] = line
        self._letters += max(0, len(text[:MAX_LETTERS]) - len(line.text))
        line.text, line.final = text[:MAX_LETTERS] or line.text, final
        if final:
            self._callers.pop(item_id)
        self._watcher.line(line, settled=final)
        return line.at - self._record.earlier_seconds

    def reply_began(self, reply_id: str) -> None:
        """A new reply: what is known of those before it need not be kept once it is settled, but for the last."""
        for settled in [old for old, reply in self._replies.items() if reply.settled][:-1]:
            del self._replies[settled]
        self._forget_oldest_reply()
        self._replies[reply_id] = _Reply()

    def reply_sent(self, reply_id: str, ms: float) -> None:
        """More of a reply's sound has come from the model."""
        self._reply(reply_id).sent_ms += ms

    def reply_lost(self, reply_id: str, ms: float) -> None:
        """More of the sound of a reply that was cut has come, which nobody hears."""
        reply = self._reply(reply_id)
        reply.sent_ms += ms
        self._cut_at_last(reply)

    def reply_words(self, reply_id: str, text: str, start_ms: float | None, at: float) -> None:
        """Some words of a reply."""
        reply = self._reply(reply_id)
        if reply.letters >= MAX_LETTERS:
            return
        reply.words.append((text[:MAX_LETTERS], start_ms))
        reply.letters += max(len(text), 1)
        self._write(reply, "".join(word for word, _ in reply.words).strip(), at)
        self._cut_at_last(reply)

    def reply_said(self, reply_id: str, text: str, at: float, *, interrupted: bool) -> None:
        """The whole text of a reply, or what the model believes was heard of it."""
        reply = self._reply(reply_id)
        self._write(reply, text, at)
        if interrupted and reply.line is not None:
            reply.line.interrupted = True
        self._cut_at_last(reply)
        if reply.cut_at_ms is not None:
            self._settle(reply)

    def reply_cut(self, reply_id: str, heard_ms: float) -> None:
        """The caller interrupted a reply after hearing so much of it."""
        reply = self._reply(reply_id)
        reply.cut_at_ms = heard_ms
        if reply.line is not None:
            self._cut(reply, heard_ms)
            self._settle(reply)

    def text_of(self, reply_id: str) -> str:
        """The text of a reply as far as it is known; empty if nothing is."""
        reply = self._replies.get(reply_id)
        return "" if reply is None or reply.line is None else reply.line.text

    def reply_done(self, reply_id: str, *, audible: bool) -> None:
        """No more comes of a reply; one without a sound was not heard, whatever its text says."""
        reply = self._replies.get(reply_id)
        if reply is not None and reply.line is not None and not audible:
            reply.line.interrupted, reply.line.heard_ms = True, 0.0

    def reply_over(self, reply_id: str) -> None:
        """No more comes of a reply, whichever it is; it is settled once all of it was heard."""
        reply = self._replies.get(reply_id)
        if reply is not None:
            reply.over = True

    @property
    def awaits_hearing(self) -> bool:
        """True if there is a reply of which no more comes, and that is not known to be heard."""
        return any(reply.over and not reply.settled for reply in self._replies.values())

    def heard(self, unheard: Collection[str]) -> None:
        """All has been heard but for something of these replies."""
        for reply_id, reply in self._replies.items():
            if reply.over and reply_id not in unheard:
                self._settle(reply)

    def close(self) -> None:
        """The call is over: every line stays as it is. A reply that is still being made was not heard to its end."""
        for reply in self._replies.values():
            if reply.line is not None and not reply.over:
                reply.line.interrupted = True
            self._settle(reply)
        for line in self._callers.values():
            self._watcher.line(line, settled=True)
        self._replies.clear()
        self._callers.clear()

    def _settle(self, reply: _Reply) -> None:
        if reply.line is not None and not reply.settled:
            reply.settled = True
            self._watcher.line(reply.line, settled=True)

    def _reply(self, reply_id: str) -> _Reply:
        reply = self._replies.get(reply_id)
        if reply is None:
            self._forget_oldest_reply()
            reply = self._replies[reply_id] = _Reply()
        return reply

    def _forget_oldest_reply(self) -> None:
        while len(self._replies) >= KEPT_REPLIES:
            self._settle(self._replies.pop(next(iter(self._replies))))

    def _new_line(self, role: str, text: str, at: float) -> Utterance | None:
        """A line in its place; a record that is full has none, and counts it."""
        if not text:
            return None
        line = Utterance(role, text[:MAX_LETTERS], self._record.earlier_seconds + at)
        if len(self.latest) == LATEST_LINES:
            self.latest.popleft()
        _place(self.latest, line)
        if len(self._record.transcript) < MAX_LINES and self._letters < MAX_LETTERS_OF_A_CALL:
            self._letters += len(line.text)
            _place(self._record.transcript, line)
        else:
            self._record.count("transcript_lines_over_the_bound")
        return line

    def _write(self, reply: _Reply, text: str, at: float) -> None:
        if reply.line is None:
            reply.line = self._new_line("agent", text, at)
        elif reply.cut_at_ms is None or not reply.line.interrupted:
            self._letters += max(0, len(text[:MAX_LETTERS]) - len(reply.line.text))
            reply.line.text = text[:MAX_LETTERS]
        if reply.line is not None and not reply.settled:
            self._watcher.line(reply.line, settled=False)

    def _cut(self, reply: _Reply, heard_ms: float) -> None:
        line = reply.line
        if line is None or heard_ms >= reply.sent_ms > 0:
            return
        line.interrupted, line.heard_ms, whole = True, heard_ms, line.text
        self._shorten(reply, line, heard_ms)
        unheard = whole.removeprefix(line.text).strip()
        if unheard:
            self._record.note_unheard(line, unheard)

    def _cut_at_last(self, reply: _Reply) -> None:
        """Cut a text that has come after its reply was cut, unless whoever sent it has done so."""
        if reply.cut_at_ms is not None and reply.line is not None and not reply.line.interrupted:
            self._cut(reply, reply.cut_at_ms)

    def _shorten(self, reply: _Reply, line: Utterance, heard_ms: float) -> None:
        if reply.words and all(start is not None for _, start in reply.words):
            line.text = "".join(word for word, start in reply.words if start is not None and start < heard_ms).strip()
            return
        share = heard_ms / reply.sent_ms if reply.sent_ms else 0.0
        letters = round(len(line.text) * share)
        if letters < len(line.text):
            line.text = line.text[:letters].rpartition(" ")[0]


def _place(lines: MutableSequence[Utterance], line: Utterance) -> None:
    """Put a line where it began."""
    place = len(lines)
    while place and lines[place - 1].at > line.at:
        place -= 1
    lines.insert(place, line)


def _forget_oldest(kept: dict[str, T], most: int) -> None:
    """Make room for one more."""
    while len(kept) >= most:
        kept.pop(next(iter(kept)))
