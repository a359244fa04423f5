"""The replies of a chain that are being made: their order, and what they ask of the stages and tell the bridge."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

from trio_voice.chain.reply import Reply
from trio_voice.chain.tries import Tries
from trio_voice.events import model as c
from trio_voice.events import stage as s

if TYPE_CHECKING:
    from trio_voice.chain.history import History

MAX_WANTED: Final = 8
"""Replies that are asked for while another is made; beyond them the oldest is forgotten."""

Output = c.ModelEvent | s.Think | s.StopThinking | s.Speak | s.BeSilent | s.ChangeVoice | s.EndTurn | s.Count


class Replies:
    """The replies of one call, each from its question to its end.

    Args:
        history: where what they say is written.
        prefix: begins every id.
        language: of the agent.
        members: how many language models there are.
    """

    def __init__(self, history: History, *, prefix: str, language: str, members: int) -> None:
        self._history = history
        self._prefix = prefix
        self._language = language
        self._members = members
        self.member = 0
        """The language model that is asked first: the one that has answered last."""
        self.queue: list[Reply] = []
        """In the order in which they are spoken. The first may have been told; one is thought at most."""
        self.wanted: deque[c.RequestReply] = deque(maxlen=MAX_WANTED)
        self.spoke_in_turn = False
        """Something of an answer was spoken since the caller's turn was taken up."""
        self.out: list[Output] = []
        """Outputs that were decided on and not handed over yet."""
        self._counted = 0

    def of(self, number: int) -> Reply | None:
        """The reply whose answer a request is; ``None`` if it was stopped."""
        return next((reply for reply in self.queue if reply.number == number), None)

    def spoken_in(self, context_id: str) -> Reply | None:
        """The reply whose sound a context of the voice makes; ``None`` if nothing more is to come of it."""
        return next((reply for reply in self.queue if reply.context_id == context_id and reply.is_open), None)

    def next_id(self) -> str:
        """An id that no reply had."""
        self._counted += 1
        return f"{self._prefix}{self._counted}"

    def ask(self, reply: Reply, after_seconds: float = 0.0) -> None:
        """Have the language model answer a conversation, now or in a while."""
        if reply not in self.queue:
            reply.tries = Tries(self._members, self.member)
            self.queue.append(reply)
        self._counted += 1
        reply.number = self._counted
        member = reply.tries.member
        self.out.append(s.Think(reply.number, reply.conversation, after_seconds, member, reply.with_tools))

    def ask_next(self) -> None:
        """Ask the next language model first, if there is one."""
        self.member = (self.member + 1) % self._members

    def say(self, command: c.SayExactly) -> None:
        """A reply whose text is given; it is said before all that have not begun.

        A filler comes first of all: it is asked for only where nothing is heard, be it in the middle of a reply. Where
        too many wait, the oldest of them is left out.
        """
        waiting = [reply for reply in self.queue if reply.is_given and not reply.told]
        if len(waiting) >= MAX_WANTED:
            self.queue.remove(waiting[0])
        reply = Reply(self.next_id(), self._language, is_given=True, is_filler=command.is_filler)
        reply.pieces.append(command.text)
        at = next((at for at, other in enumerate(self.queue) if not (other.told or other.is_given)), None)
        self.queue.insert(0 if command.is_filler else len(self.queue) if at is None else at, reply)

    def begin(self, reply: Reply) -> None:
        """Tell of a reply: it is its turn."""
        reply.told = True
        reply.line = self._history.speaking(reply.reply_id, is_filler=reply.is_filler)
        self.out.append(c.ReplyStarted(reply.reply_id, is_filler=reply.is_filler))

    def finish(self, reply: Reply) -> None:
        """All of a reply has been made."""
        self.queue.remove(reply)
        reply.sound_due = math.inf
        if reply.line is not None:
            reply.line.complete = True
            if reply.line.text.strip():
                self.out.append(c.ReplyTranscript(reply.reply_id, reply.line.text.strip(), interrupted=False))
        self.out.append(c.ReplyDone(reply.reply_id, interrupted=False))

    def finish_unspoken(self, reply: Reply) -> None:
        """A reply comes to nothing; the bridge may have been told of it."""
        reply.number = None
        if reply.told:
            self.finish(reply)
        else:
            self.queue.remove(reply)

    def stop(self, reply: Reply) -> None:
        """Nothing more is to be made of a reply."""
        self.queue.remove(reply)
        if reply.number is not None:
            self.out.append(s.StopThinking(reply.number))
        if reply.is_open:
            self.out.append(s.BeSilent(reply.context_id))
        if not reply.told:
            return
        if reply.line is not None:
            reply.line.cut_at_ms = reply.line.made_ms  # no more than this; the bridge may say less
            if reply.line.heard_words:
                self.out.append(c.ReplyTranscript(reply.reply_id, reply.line.heard_words, interrupted=True))
        self.out.append(c.ReplyDone(reply.reply_id, interrupted=True))
