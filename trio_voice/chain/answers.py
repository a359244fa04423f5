"""Answers of the language model, and steps where none comes: asked again, shortened, reworded or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trio_voice.chain.sentences import Sentences
from trio_voice.events import model as c
from trio_voice.events import stage as s

if TYPE_CHECKING:
    from trio_voice.chain.history import History
    from trio_voice.chain.replies import Replies
    from trio_voice.chain.reply import Reply

SAY_SOMETHING: Final = "You have said nothing. Answer the caller in a short sentence."
GO_ON: Final = "Your answer broke off there. Say the rest of it, and do not begin again."
GO_ON_OTHERWISE: Final = "Your answer broke off there. Say the rest of it in other words, and do not begin again."
MAX_BROKEN_OFF: Final = 2
"""Answers in a row whose rest is asked for."""
FILTERED: Final = frozenset({"content_filter", "refusal"})
"""Ends of an answer that a filter has cut short, in the vendors' words."""
LIMITED: Final = frozenset({"length", "max_tokens", "model_context_window_exceeded"})
"""Ends of one that has become too long."""
UNEXPLAINED: Final = frozenset({"http_400", "http_422"})
"""Refusals of the question itself: where nothing else helps, it is put as plainly as can be."""
NOT_UNDERSTOOD: Final = "You cannot repeat what the caller has said. Say in a few words that you did not understand."


class Answers:
    """The language model's side of the replies."""

    def __init__(self, replies: Replies, history: History) -> None:
        self._replies = replies
        self._history = history
        self._broken_off = 0
        """Answers in a row that broke off when a part of them had been spoken."""

    def thought(self, fact: s.Thought) -> None:
        """More text of an answer has come."""
        reply = self._replies.of(fact.number)
        if reply is None:
            return
        if not reply.thought:
            reply.thought = True
            if not reply.is_speculative:
                self._replies.out.append(c.StageReached("first_token"))
        for piece in filter(reply.is_heard, reply.clauses.add(fact.text)):
            if reply.circles.closes(piece):
                self._end_circle(reply)
                return
            reply.pieces.append(piece)

    def _end_circle(self, reply: Reply) -> None:
        """An answer that repeats itself is over where it began to; if that is at once, it is none."""
        number, message = reply.number or 0, "the language model repeats itself"
        self._replies.out.append(s.StopThinking(number))
        if not (reply.spoke or reply.pieces):
            self._failed(reply, s.ThoughtFailed(number, "repeats", message, retryable=True))
            return
        self._replies.out.append(c.ModelFault("repeats", message, fatal=False))
        reply.number, reply.clauses = None, Sentences(reply.language)
        self._broken_off = 0

    def unthought(self, fact: s.Unthought) -> None:
        """Void the answer so far: it is asked for once more."""
        reply = self._replies.of(fact.number)
        if reply is not None:
            reply.forget_thoughts()

    def thought_over(self, fact: s.ThoughtOver) -> None:
        """An answer has come whole; one without a word and without a call is none."""
        reply = self._replies.of(fact.number)
        if reply is None:
            return
        is_filtered = fact.cut_short in FILTERED
        rest, calls = reply.clauses.rest(), fact.calls if reply.with_tools else ()
        breaks_off = (is_filtered or fact.cut_short in LIMITED) and not calls and not reply.is_speculative
        if rest and reply.is_heard(rest) and not (breaks_off and (reply.spoke or reply.pieces)):  # half a sentence
            reply.pieces.append(rest)
        if not (reply.spoke or calls) and (is_filtered or not reply.pieces):
            self._thought_nothing(reply, fact.cut_short)
            return
        reply.number, reply.calls = None, calls
        self._replies.member = reply.tries.member
        if not breaks_off:
            self._broken_off = 0
        elif (rest or is_filtered) and self._broken_off < (1 if is_filtered else MAX_BROKEN_OFF):
            self._broken_off += 1
            self._replies.out.append(s.Count("llm_retries_broken_off"))
            self._replies.wanted.append(c.RequestReply(GO_ON_OTHERWISE if is_filtered else GO_ON))

    def _thought_nothing(self, reply: Reply, cut_short: str) -> None:
        """An answer without a word and without a call."""
        why = f" ({cut_short})" if cut_short else ""
        message = f"the language model said nothing{why}"
        number = reply.number or 0
        if cut_short in {"model_context_window_exceeded", "length"}:
            remedy = s.ThoughtFailed(number, "empty_answer", message, retryable=True, remedy="shorten")
        elif cut_short in FILTERED:
            remedy = s.ThoughtFailed(number, "empty_answer", message, retryable=True, remedy="rephrase")
        else:
            remedy = s.ThoughtFailed(number, "empty_answer", message, retryable=True)
        if self._replies.spoke_in_turn and reply.tries.empty:  # its words before the tool were all that it had to say
            self._replies.out.append(c.ModelFault("empty_answer", message, fatal=False))
            self._replies.finish_unspoken(reply)
            return
        self._failed(reply, remedy, nothing=not remedy.remedy)

    def thought_failed(self, fact: s.ThoughtFailed) -> None:
        """A question was refused, or its answer broke off."""
        reply = self._replies.of(fact.number)
        if reply is not None:
            self._failed(reply, fact)

    def _failed(self, reply: Reply, failed: s.ThoughtFailed, *, nothing: bool = False) -> None:
        """The question was not answered: it is put again in one way or another, or given up."""
        if reply.spoke:  # the caller has heard half an answer
            self._replies.out.append(c.ModelFault(failed.code, failed.message, fatal=False))
            reply.forget_thoughts()  # half a sentence
            reply.number = None
            self._broken_off += 1
            if failed.retryable and self._broken_off <= MAX_BROKEN_OFF:
                self._replies.out.append(s.Count("llm_retries_broken_off"))
                self._replies.ask_next()
                self._replies.wanted.append(c.RequestReply(GO_ON))
            return
        if reply.is_speculative:
            self._replies.stop(reply)  # asked again when the turn is over
            return
        can_shorten = failed.remedy == "shorten" and self._history.forget_half()
        tries = reply.tries
        wait = tries.after_nothing() if nothing else tries.after_failure(failed, can_shorten=can_shorten)
        plainly = wait is None and failed.code in UNEXPLAINED and tries.once_plainly()
        if plainly:
            wait = 0.0
        if wait is None:
            self._give_up(reply, failed)
            return
        self._replies.out.append(c.ModelFault(failed.code, failed.message, fatal=False))
        self._replies.out.append(s.Count(f"llm_retries_{failed.remedy or failed.code}"))
        if failed.remedy == "rephrase":
            self._history.hide_last_words()
            self._history.instructed(NOT_UNDERSTOOD)
        elif tries.empty == 2:
            self._history.instructed(SAY_SOMETHING)
            reply.with_tools = False  # some servers lose the words where tools are offered
        reply.forget_thoughts()
        reply.conversation = self._history.last_words() if plainly else self._history.entries()
        reply.with_tools = reply.with_tools and not plainly
        self._replies.ask(reply, wait)

    def _give_up(self, reply: Reply, failed: s.ThoughtFailed) -> None:
        """Nobody answers: what came of the last answer is said, or the session is at its end."""
        rest = reply.clauses.rest()
        reply.pieces += filter(reply.is_heard, [rest] if rest else [])
        if reply.pieces:
            self._replies.out.append(c.ModelFault(failed.code, failed.message, fatal=False))
            reply.number = None
            return
        reply.number = None
        self._replies.queue.remove(reply)
        self._replies.out.append(c.ModelFault(failed.code, failed.message, fatal=True))
