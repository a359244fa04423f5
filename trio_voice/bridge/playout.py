"""Speech on its way to the caller: paced, marked, and taken back when they interrupt.

- **Pacing.** Twilio is given at most ``playback_lead_seconds`` more than it has played; the rest waits here, where a
  barge-in can discard it.
- **Two replies at once** are said one after the other (``speech_queue.py``).
- **Barge-in.** What waits is dropped, and so is audio of an interrupted reply that comes late.
- **A pause** takes back what Twilio has not played, so that it can still be said, or thrown away. What is said again
  begins a moment before the place where it was cut: a word that was torn is whole.
- **A Twilio that takes audio and plays none** is not there: its marks do not come back. When the oldest is overdue by
  half of ``media_gap_seconds`` it is asked once more, by another mark; the bridge ends the call after all of it.

Pure: time is an argument, in seconds; what is to be done is returned.
"""

from __future__ import annotations

import base64
import math
from collections import deque
from typing import TYPE_CHECKING, Final

from trio_voice.audio.mulaw import BYTES_PER_MS, PIECE_CHARS, base64_ms, encode, is_audible, pieces
from trio_voice.bridge.playback import Playback
from trio_voice.bridge.speech_queue import SpeechQueue
from trio_voice.events.call import Command, PlaceMark, PlayAudio

if TYPE_CHECKING:
    from trio_voice.bridge.latency import Turns
    from trio_voice.bridge.marks import MarkLog
    from trio_voice.limits import Limits
    from trio_voice.record import CallRecord

MAX_QUEUED_MS: Final = 300_000.0
"""Most speech that may wait here. Beyond it the newest is dropped and counted: nobody listens to five minutes of
backlog, and Twilio itself refuses ten."""
HEARD_REPLIES: Final = 4
"""Replies of which it is remembered how much was heard, though nothing of them waits: more may come."""
MUTED_REPLIES: Final = 16
"""Interrupted replies that are remembered; one is open at a time, so audio of an older one cannot still come."""
FEED_EVERY_SECONDS: Final = 0.02
"""The shortest pause between two hand-overs of what waits."""
LINE: Final = "trio-voice-line-"
"""Prefix of the ids of replies that are made on this machine."""
AGAIN_MS: Final = 200.0
"""Length of what was heard that is said again after a pause."""
STANDS_STILL_SECONDS: Final = 0.5
"""Time after the last of a reply was played, and its end not told, at which another that is held goes before it."""
MAX_SENT: Final = 2_000
"""Pieces with Twilio that can be taken back: more than the longest lead and media gap hold. The oldest is forgotten."""


class Playout:
    """The queue before Twilio's queue.

    Args:
        limits: of the call.
        record: where what is dropped is counted.
        turns: told when the first sound of an answer goes to Twilio.
        marks: told of the marks.
    """

    __slots__ = (
        "_ask_after_seconds",
        "_asked_about",
        "_fillers",
        "_heard_before",
        "_lead_ms",
        "_muted",
        "_paused_at",
        "_queue",
        "_record",
        "_sent",
        "_turns",
        "is_silenced",
        "playback",
        "wake_at",
    )

    def __init__(self, limits: Limits, record: CallRecord, turns: Turns, marks: MarkLog) -> None:
        self.playback = Playback(marks)
        """Speech that Twilio has."""
        self.wake_at = math.inf
        """Time at which ``feed`` is next needed."""
        self.is_silenced = False
        """The operator has muted the agent: whatever it says is dropped."""
        self._lead_ms = limits.playback_lead_seconds * 1000
        self._ask_after_seconds = limits.media_gap_seconds / 2
        self._record = record
        self._turns = turns
        self._queue = SpeechQueue()
        """Speech that is not yet with Twilio."""
        self._fillers: deque[str] = deque(maxlen=MUTED_REPLIES)
        """Replies that are no answers."""
        self._muted: list[str] = []
        """Replies that were interrupted; their late audio is dropped."""
        self._asked_about = -math.inf
        """Time at which the mark was due that Twilio may have forgotten, which another mark asked about."""
        self._sent: deque[tuple[str, str, float]] = deque(maxlen=MAX_SENT)
        """Reply id, payload and end (ms, as ``Playback`` counts) of what Twilio has and may not have played."""
        self._heard_before: dict[str, float] = {}
        """Milliseconds of a reply that were heard before ``Playback`` knew of it."""
        self._paused_at: dict[str, float] | None = None
        """While paused: each reply that was cut, and how much of it was heard."""

    @property
    def is_paused(self) -> bool:
        """True if nothing is handed over."""
        return self._paused_at is not None

    @property
    def has_waiting(self) -> bool:
        """True if something is not yet with Twilio."""
        return bool(self._queue)

    def is_busy(self, now: float) -> bool:
        """True if something is playing or waiting to."""
        return bool(self._queue) or self.playback.is_playing(now)

    def unheard_replies(self, now: float) -> list[str]:
        """Replies that the caller has not heard as far as they have come, in order."""
        return list(dict.fromkeys([*self.playback.unheard_replies(now), *self._queue.reply_ids]))

    def is_no_answer(self, reply_id: str) -> bool:
        """True if this is a filler, or a line of this machine's."""
        return reply_id.startswith(LINE) or reply_id in self._fillers

    def said_beside(self, reply_id: str) -> str:
        """Another answer that is being said and made; empty if there is none."""
        speaks = self._queue.speaks
        return "" if speaks == reply_id or self.is_no_answer(speaks) else speaks

    def reply_began(self, reply_id: str, now: float, *, is_filler: bool = False) -> None:
        """A new reply: its audio is wanted, even from a model that does not number its replies."""
        if is_filler:
            self._fillers.append(reply_id)
        if reply_id in self._muted:
            self._muted.remove(reply_id)
        self._note_heard(now)
        self._forget_heard(now)
        kept = set(self.unheard_replies(now))
        kept |= set([*self._heard_before][-HEARD_REPLIES:])  # more of them may be to come
        self._heard_before = {old: ms for old, ms in self._heard_before.items() if old in kept}

    def is_muted(self, reply_id: str) -> bool:
        """True if what may still come of a reply is dropped."""
        return reply_id in self._muted

    def mute(self, reply_id: str) -> None:
        """Drop what may still come of a reply. Lines of this machine are whole: nothing more comes of them."""
        if reply_id not in self._muted and not reply_id.startswith(LINE):
            self._muted.append(reply_id)
            del self._muted[:-MUTED_REPLIES]
            self._queue.leave(reply_id)

    def add(self, reply_id: str, payload: str) -> float:
        """Take speech in, base64 of mu-law of any length. Returns how many milliseconds: all, or 0 if it is dropped.

        It is kept in pieces: what is with Twilio cannot be held back, and a model may send a sentence at once.
        """
        if self.is_silenced:
            self._record.count("muted_reply_frames")
            return 0.0
        if reply_id in self._muted:
            self._record.count("late_reply_frames")
            return 0.0
        length = base64_ms(payload)
        if self._queue.ms + length > MAX_QUEUED_MS:
            self._record.count("reply_frames_over_the_bound")
            return 0.0
        # nothing waits for a line, which is whole; and what is said where nothing is heard waits for nothing
        is_line = reply_id.startswith(LINE)
        whole = ((reply_id, piece, base64_ms(piece)) for piece in pieces(payload))
        self._queue.add(reply_id, whole, holds=not is_line, waits=not self.is_no_answer(reply_id))
        return length

    def forward_reply_audio(self, reply_id: str, payload: str, ms: float, now: float) -> str | None:
        """``add`` and ``feed`` in one, for speech that goes straight to Twilio and asks for nothing else.

        Returns:
            The mark that is to be sent behind it, empty for none; ``None`` if it is not so simple: nothing was done.
        """
        if self._queue or self._turns.awaits_answer or len(payload) > PIECE_CHARS or reply_id in self._muted:
            return None
        if reply_id != self._queue.speaks or self._paused_at is not None or self.is_silenced:
            return None
        mark = self.playback.forward(reply_id, ms, now, lead_ms=self._lead_ms, overdue_seconds=self._ask_after_seconds)
        if mark is not None:
            self._sent.append((reply_id, payload, self.playback.sent_ms))
        if mark:
            self.wake_at = min(self.wake_at, self.playback.echo_due + self._ask_after_seconds)
        return mark

    def pass_over(self, reply_id: str, payload: str) -> float:
        """Count a piece of speech as heard that is not worth playing. Returns its length, as ``add`` does."""
        if self.is_silenced or reply_id in self._muted:
            return self.add(reply_id, payload)
        length = base64_ms(payload)
        self._heard_before[reply_id] = self._heard_before.get(reply_id, 0.0) + length
        return length

    def add_mark(self, reply_id: str) -> None:
        """Mark the place behind all that waits: a reply is at its end."""
        if self.is_silenced:
            self._queue.leave(reply_id)
        else:
            self._queue.end(reply_id)

    def model_replaced(self) -> None:
        """Nothing more comes of any reply."""
        while self._queue.speaks:
            self._queue.go_on()

    def feed(self, now: float) -> list[Command]:
        """Hand over what waits, as far as the lead allows."""
        self.wake_at = math.inf
        playback, commands = self.playback, list[Command]()
        self._forget_heard(now)
        if self._queue.holds and self._paused_at is None:
            self.wake_at = playback.ends_at + STANDS_STILL_SECONDS
            if now >= self.wake_at:
                self._queue.go_on()
                self.wake_at = math.inf
        while self._queue.is_ready and self._paused_at is None:
            too_far_ahead = playback.ahead_ms(now) - self._lead_ms
            if too_far_ahead > 0:
                self.wake_at = now + max(too_far_ahead / 1000, FEED_EVERY_SECONDS)
                break
            reply_id, payload, length = self._queue.take()
            if payload:
                if self._turns.awaits_answer and is_audible(payload):
                    self._turns.sound_sent(now, playback.ahead_ms(now))
                    if not self.is_no_answer(reply_id):
                        self._turns.frame_sent(now, playback.sent_ms)
                playback.send(reply_id, length, now)
                self._sent.append((reply_id, payload, playback.sent_ms))
                commands.append(PlayAudio(payload))
            if playback.mark_is_due or (not payload and not playback.is_marked):
                commands.append(PlaceMark(playback.place_mark()))
        self._ask_after_marks(now, commands)
        return commands

    def _ask_after_marks(self, now: float, commands: list[Command]) -> None:
        """Send another mark where one is long overdue: if only that one was lost, this one comes back at once."""
        echo_due = self.playback.echo_due
        if self._asked_about == echo_due:
            return
        ask_at = echo_due + self._ask_after_seconds
        if now < ask_at:
            self.wake_at = min(self.wake_at, ask_at)
            return
        self._asked_about = echo_due
        commands.append(PlaceMark(self.playback.place_mark()))

    def interrupt(self, now: float, keep: str = "") -> list[tuple[str, float]]:
        """The caller has taken the floor: nothing that was not heard will be, but for what waits of the reply ``keep``.

        Returns each reply that is cut, and its heard ms.

        Twilio is to be sent ``ClearPlayback`` if it has begun to listen.
        """
        unheard = dict.fromkeys([*self.unheard_replies(now), *filter(None, [self._queue.speaks])])
        cut = [(reply_id, self.heard_of(reply_id, now)) for reply_id in unheard if not keep or reply_id != keep]
        self._paused_at = None
        self._queue.keep_only(lambda piece: bool(keep) and piece[0] == keep)
        for reply_id, _ in cut:
            self.mute(reply_id)
        self._clear(now)
        self._heard_before.clear()
        return cut

    def forget(self, reply_id: str) -> None:
        """Nothing of a reply that waits, or is still to come, will be said."""
        if not reply_id:
            return
        self._queue.keep_only(lambda piece: piece[0] != reply_id)
        self.mute(reply_id)

    def skip(self, reply_id: str) -> None:
        """Drop the part of a reply that waits; whatever is still to come is said."""
        self._queue.keep_only(lambda piece: piece[0] != reply_id or not piece[1])

    def heard_of(self, reply_id: str, now: float) -> float:
        """Milliseconds of a reply that the caller has heard."""
        if self._paused_at is not None and reply_id in self._paused_at:
            return self._paused_at[reply_id]
        return self._heard_before.get(reply_id, 0.0) + self.playback.heard_of(reply_id, now)

    def ended_before(self, ms: float, now: float) -> float:
        """Time by the clock at which all that had come before the latest so many milliseconds is, or was, played."""
        waiting_ms = self._queue.ms - ms
        return max(self.playback.ends_at, now) + waiting_ms / 1000 if waiting_ms > 0 else self.playback.ends_at

    def unheard_ms(self, now: float) -> float:
        """Milliseconds of what has come that the caller has not heard."""
        return self._queue.ms + self.playback.sent_ms - self.playback.heard_ms(now)

    # A pause

    def pause(self, now: float) -> None:
        """Take back what Twilio has not played, and hand over nothing. Twilio is to be sent ``ClearPlayback``."""
        if self._paused_at is not None:
            return
        heard = self.playback.heard_ms(now)
        self._note_heard(now)
        ids = self.playback.unheard_replies(now)
        self._paused_at = {reply_id: self.heard_of(reply_id, now) for reply_id in ids}
        self._forget_heard(now)
        rest = list(self._sent)
        if rest and ids:
            # Said again from a moment before the cut, but of no reply that was heard to its end.
            rest = [sent for sent in rest if sent[0] in self._paused_at]
        elif not ids:
            rest = []
        back = 0.0
        if rest:
            reply_id, payload, end_ms = rest[0]
            begins = end_ms - base64_ms(payload)
            rest[0] = (reply_id, _cut(payload, heard - AGAIN_MS - begins), end_ms)
            back = heard - (end_ms - base64_ms(rest[0][1]))
        for reply_id in ids:
            self._heard_before[reply_id] = self._paused_at[reply_id]
        if ids:
            self._heard_before[ids[0]] -= min(max(back, 0.0), self._paused_at[ids[0]])
        taken_back = [(reply_id, payload, base64_ms(payload)) for reply_id, payload, _ in rest]
        self._queue.put_back(_with_ends(taken_back))
        self._clear(now)

    def go_on(self) -> None:
        """Say what was taken back, and whatever has come since; ``feed`` begins with it."""
        self._paused_at = None

    def _clear(self, now: float) -> None:
        self.playback.clear(now)
        self._sent.clear()

    def _note_heard(self, now: float) -> None:
        """Remember how much was heard of replies that are played to their end so far."""
        for reply_id, ms in self.playback.forget_heard(now):
            self._heard_before[reply_id] = self._heard_before.pop(reply_id, 0.0) + ms

    def _forget_heard(self, now: float) -> None:
        """Let go of what can never be said again."""
        sent, heard = self._sent, self.playback.heard_ms(now) - AGAIN_MS
        while sent and sent[0][2] <= heard:
            sent.popleft()

    def drop_waiting(self) -> None:
        """Nothing more is to be said."""
        self._queue.keep_only(lambda _: False)
        self._paused_at = None


def _cut(payload: str, ms: float) -> str:
    """The payload without its first ``ms`` milliseconds; whole where it cannot be cut."""
    at = int(ms) * BYTES_PER_MS
    if at <= 0:
        return payload
    try:
        return encode(base64.b64decode(payload)[at:])
    except ValueError:
        return payload


def _with_ends(taken_back: list[tuple[str, str, float]]) -> list[tuple[str, str, float]]:
    """The same with a mark asked for behind each reply; one too many, in the middle of a reply, does no harm."""
    ends: list[tuple[str, str, float]] = []
    for at, piece in enumerate(taken_back):
        ends.append(piece)
        if at + 1 == len(taken_back) or taken_back[at + 1][0] != piece[0]:
            ends.append((piece[0], "", 0.0))
    return ends
