"""What the caller is still to hear: speech on its way to Twilio, paced, marked, and taken back when they interrupt.

- **Pacing.** Twilio is given at most ``playback_lead_seconds`` more than it has played; the rest waits here, where a
  barge-in can discard it.
- **Barge-in.** What waits is dropped, and so is audio of an interrupted reply that comes late.
- **A Twilio that takes audio and plays none** is not there: its marks do not come back. When the oldest is overdue by
  half of ``media_gap_seconds`` it is asked once more, by another mark; the bridge ends the call after all of it.

Pure: time is an argument, in seconds; what is to be done is returned.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from trio_voice.audio.mulaw import PIECE_CHARS, base64_ms, is_audible, pieces
from trio_voice.bridge.playback import Playback
from trio_voice.events.call import Command, PlaceMark, PlayAudio

if TYPE_CHECKING:
    from trio_voice.bridge.latency import Turns
    from trio_voice.persona import Limits
    from trio_voice.record import CallRecord

MAX_QUEUED_MS: Final = 300_000.0
"""How much speech may wait here. Beyond it the newest is dropped and counted: nobody listens to five minutes of
backlog, and Twilio itself refuses ten."""
MUTED_REPLIES: Final = 8
"""Interrupted replies that are remembered; one is open at a time, so audio of an older one cannot still come."""
FEED_EVERY_SECONDS: Final = 0.02
"""The shortest pause between two hand-overs of what waits."""
LINE: Final = "trio-voice-line-"
"""What the reply id begins with of what is said on this machine."""


class Playout:
    """The queue before Twilio's queue.

    Args:
        limits: of the call.
        record: where what is dropped is counted.
        turns: told when the first sound of an answer goes to Twilio.
    """

    __slots__ = (
        "_ask_after_seconds",
        "_asked_about",
        "_lead_ms",
        "_muted",
        "_record",
        "_turns",
        "_waiting",
        "_waiting_ms",
        "playback",
        "wake_at",
    )

    def __init__(self, limits: Limits, record: CallRecord, turns: Turns) -> None:
        self.playback = Playback()
        """What Twilio has."""
        self.wake_at = math.inf
        """When ``feed`` is next needed."""
        self._lead_ms = limits.playback_lead_seconds * 1000
        self._ask_after_seconds = limits.media_gap_seconds / 2
        self._record = record
        self._turns = turns
        self._waiting: list[tuple[str, str, float]] = []
        """Reply id, payload and length of audio that is not yet with Twilio; an empty payload asks for a mark."""
        self._waiting_ms = 0.0
        self._muted: list[str] = []
        """Replies that were interrupted; their late audio is dropped."""
        self._asked_about = -math.inf
        """When the mark was due of which Twilio was asked, by another, whether it has forgotten it."""

    @property
    def has_waiting(self) -> bool:
        """Whether something is not yet with Twilio."""
        return bool(self._waiting)

    def is_busy(self, now: float) -> bool:
        """Whether something is playing or waiting to."""
        return bool(self._waiting) or self.playback.is_playing(now)

    def unheard_replies(self, now: float) -> list[str]:
        """Replies of which the caller has not heard all that has come, in order."""
        return list(dict.fromkeys([*self.playback.unheard_replies(now), *(reply_id for reply_id, *_ in self._waiting)]))

    def reply_began(self, reply_id: str, now: float) -> None:
        """A new reply: its audio is wanted, even from a model that does not number its replies."""
        if reply_id in self._muted:
            self._muted.remove(reply_id)
        self.playback.forget_heard(now)

    def mute(self, reply_id: str) -> None:
        """Drop what may still come of a reply."""
        if reply_id not in self._muted:
            self._muted.append(reply_id)
            del self._muted[:-MUTED_REPLIES]

    def add(self, reply_id: str, payload: str) -> float:
        """Take speech in, base64 of mu-law of any length. Returns how many milliseconds: all, or 0 if it is dropped.

        It is kept in pieces: what is with Twilio cannot be held back, and a model may send a sentence at once.
        """
        if reply_id in self._muted:
            self._record.count("late_reply_frames")
            return 0.0
        length = base64_ms(payload)
        if self._waiting_ms + length > MAX_QUEUED_MS:
            self._record.count("reply_frames_over_the_bound")
            return 0.0
        self._waiting.extend((reply_id, piece, base64_ms(piece)) for piece in pieces(payload))
        self._waiting_ms += length
        return length

    def pass_on(self, reply_id: str, payload: str, ms: float, now: float) -> str | None:
        """``add`` and ``feed`` in one, for speech that goes straight to Twilio and asks for nothing else.

        Returns:
            The mark that is to be sent behind it, empty for none; ``None`` if it is not so simple: nothing was done.
        """
        if self._waiting or self._turns.awaits_answer or len(payload) > PIECE_CHARS or reply_id in self._muted:
            return None
        mark = self.playback.send_simply(
            reply_id, ms, now, lead_ms=self._lead_ms, overdue_seconds=self._ask_after_seconds
        )
        if mark:
            self.wake_at = min(self.wake_at, self.playback.echo_due + self._ask_after_seconds)
        return mark

    def add_mark(self, reply_id: str) -> None:
        """Mark the place behind all that waits: a reply is at its end."""
        self._waiting.append((reply_id, "", 0.0))

    def feed(self, now: float) -> list[Command]:
        """Hand over what waits, as far as the lead allows."""
        self.wake_at = math.inf
        playback, commands = self.playback, list[Command]()
        while self._waiting:
            too_far_ahead = playback.ahead_ms(now) - self._lead_ms
            if too_far_ahead > 0:
                self.wake_at = now + max(too_far_ahead / 1000, FEED_EVERY_SECONDS)
                break
            reply_id, payload, length = self._waiting.pop(0)
            if payload:
                self._waiting_ms -= length
                if self._turns.awaits_answer and is_audible(payload):
                    self._turns.sound_sent(now, playback.ahead_ms(now))
                    if not reply_id.startswith(LINE):
                        self._turns.frame_sent(now, playback.sent_ms)
                playback.send(reply_id, length, now)
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

    def interrupt(self, now: float) -> list[tuple[str, float]]:
        """The caller has taken the floor: nothing that was not heard will be. Each reply that is cut, and its heard ms.

        Twilio is to be sent ``ClearPlayback`` if it has begun to listen.
        """
        cut = [(reply_id, self.playback.heard_of(reply_id, now)) for reply_id in self.unheard_replies(now)]
        for reply_id, _ in cut:
            self.mute(reply_id)
        self.drop_waiting()
        self.playback.clear(now)
        return cut

    def drop_waiting(self) -> None:
        """Nothing more is to be said."""
        self._waiting.clear()
        self._waiting_ms = 0.0
