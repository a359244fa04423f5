"""What a chain's stages do when: facts of the three and the time in, commands to them and events for the bridge out.

No I/O. To the bridge a chain is a model like any other; this is the part of such a model that a hosted one keeps to
itself. Rules that a reader might ask about:

- **One reply at a time.** A reply is one answer of the language model, or one given text, spoken in one context. It is
  told to the bridge (``ReplyStarted``) when it is its turn; what it has said until then is held back.
- **An answer may begin early.** When the recogniser believes that the caller has finished, the language model is asked
  at once. Nothing of that answer is spoken, and none of its tools run, until the turn is over with the same words;
  if the caller goes on, it is dropped.
- **Barge-in** is the recogniser's word that the caller speaks. All that is being thought and spoken stops, tools that
  still run are withdrawn, and the history keeps what had been made; the bridge then says how much of that was heard.
- **Every tool call has its answer in the history**, if only that it was not carried out.
- **A slow tool** is covered by a filler if the model has said nothing before it. The filler is not in the history.
- **A failed question** is asked once more if nothing of the answer was heard; the second failure is fatal to the
  session, and another model may take over.
- **A silent voice** (no sound for ``SOUND_SECONDS`` though there is text) is fatal, too.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, Final

from trio_voice.audio.mulaw import base64_ms
from trio_voice.chain.history import History
from trio_voice.chain.reply import Reply
from trio_voice.chain.tool_calls import AwaitedTools
from trio_voice.events import model as c
from trio_voice.events import stage as s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_WANTED: Final = 8
"""Replies that are asked for while another is made; beyond them the oldest is forgotten."""
RETRY_SECONDS: Final = 0.3
SOUND_SECONDS: Final = 8.0
"""How long speech may keep a text without making a sound of it."""
SPEECH_SECONDS: Final = 5.0
"""How long a caller counts as speaking of whom no word comes: recognisers hear noise, and then say no more of it."""

Output = c.ModelEvent | s.Think | s.StopThinking | s.Speak | s.BeSilent


class ChainTurns:
    """One call's decisions between the stages.

    Args:
        interruptible: whether the caller may talk over the agent.
        said: the conversation so far, if this chain takes over from another model.
        prefix: begins every id, so that those of two chains in one call differ.
        timed_words: whether the speech stage says when each word is spoken.
        filler: what is said while a tool takes longer than ``filler_after_seconds``; empty for nothing.
    """

    def __init__(
        self,
        *,
        interruptible: bool = True,
        said: Iterable[c.Said] = (),
        prefix: str = "",
        timed_words: bool = True,
        filler: str = "",
        filler_after_seconds: float = 1.0,
    ) -> None:
        self._interruptible = interruptible
        self._history = History(said)
        self._prefix = prefix
        self._timed_words = timed_words
        self._filler = filler
        self._filler_after_seconds = filler_after_seconds
        self._filler_due = math.inf

        self._replies: list[Reply] = []
        """The first is being spoken; at most one waits behind it."""
        self._tools = AwaitedTools()
        self._wanted: deque[c.RequestReply | c.SayExactly] = deque(maxlen=MAX_WANTED)
        self._caller_waits = False
        """The caller's turn is over and was not answered yet."""
        self._speaks_until = -math.inf
        self._counted = 0
        self._out: list[Output] = []

    def handle(self, fact: Any, now: float) -> list[Output]:
        """What is to be done about a fact of a stage's or a command of the bridge's. Any may come in any state."""
        rule = self._rules.get(type(fact))
        if rule is not None:
            rule(self, fact, now)
        return self._take()

    def tick(self, now: float) -> list[Output]:
        """What is to be done because time has passed. Harmless to call too early."""
        if any(now >= reply.sound_due for reply in self._replies):
            self._out.append(c.ModelFault("speech_timeout", "the speech stage has made no sound in time", fatal=True))
            for reply in self._replies:
                reply.sound_due = math.inf
        if now >= self._filler_due:
            self._filler_due = math.inf
            self._say(Reply(self._next_id(), is_filler=True), self._filler, now)
        self._proceed(now)
        return self._take()

    @property
    def wake_at(self) -> float:
        """When ``tick`` is next needed, at the latest."""
        waits = self._speaks_until if self._wanted and not self._replies and not self._tools else math.inf
        return min([self._filler_due, waits, *(reply.sound_due for reply in self._replies)])

    # The caller

    def _speech_began(self, _fact: s.SpeechBegan, now: float) -> None:
        self._speaks_until = now + SPEECH_SECONDS
        self._out.append(c.CallerSpeechStarted())
        if self._interruptible:
            self._interrupt()

    def _turn_goes_on(self, fact: s.TurnGoesOn, now: float) -> None:
        self._speaks_until = now + SPEECH_SECONDS
        self._out.append(c.CallerTranscript(fact.item_id, fact.text, final=False))

    def _turn_may_be_over(self, fact: s.TurnMayBeOver, now: float) -> None:
        self._turn_goes_on(s.TurnGoesOn(fact.item_id, fact.text), now)
        if any(reply.speculates_that(fact.text) for reply in self._replies):
            return
        self._drop_speculation()
        if fact.text and not self._replies and not self._tools and not self._caller_waits:
            conversation = (*self._history.entries(), s.Entry("caller", fact.text))
            self._ask(Reply(self._next_id(), speculates_on=fact.text, conversation=conversation))

    def _turn_resumed(self, _fact: s.TurnResumed, now: float) -> None:
        self._speaks_until = now + SPEECH_SECONDS
        self._drop_speculation()

    def _turn_over(self, fact: s.TurnOver, now: float) -> None:
        self._speaks_until = -math.inf
        self._out.append(c.CallerSpeechStopped())
        if not fact.text:
            self._drop_speculation()
            self._proceed(now)
            return
        self._out.append(c.CallerTranscript(fact.item_id, fact.text, final=True))
        self._history.caller_said(fact.text)
        for reply in self._replies:
            if reply.speculates_that(fact.text) and not self._wanted:
                reply.speculates_on = None
                self._begin(reply, now)
                return
        self._drop_speculation()
        self._caller_waits = True
        self._proceed(now)

    def _drop_speculation(self) -> None:
        for reply in [reply for reply in self._replies if reply.is_speculative]:
            self._stop(reply)

    # What is answered

    def _proceed(self, now: float) -> None:
        """Begin the next reply, if there is one to begin and nothing is in its way."""
        if self._replies or self._tools or (self._interruptible and now < self._speaks_until):
            return
        if self._caller_waits:
            asked = [wanted for wanted in self._wanted if isinstance(wanted, c.RequestReply)]
            for request in asked:  # answered in the same reply
                self._wanted.remove(request)
                self._history.instructed(request.instructions)
        elif self._wanted:
            wanted = self._wanted.popleft()
            if isinstance(wanted, c.SayExactly):
                self._say(Reply(self._next_id()), wanted.text, now)
                return
            self._history.instructed(wanted.instructions)
        else:
            return
        self._caller_waits = False
        self._answer(now)

    def _reply_wanted(self, command: c.RequestReply | c.SayExactly, now: float) -> None:
        self._wanted.append(command)
        self._proceed(now)

    def _answer(self, now: float) -> None:
        """Have the language model answer the conversation as it stands."""
        reply = Reply(self._next_id(), conversation=self._history.entries())
        self._ask(reply)
        self._begin(reply, now)

    def _ask(self, reply: Reply, after_seconds: float = 0.0) -> None:
        if reply not in self._replies:
            self._replies.append(reply)
        self._counted += 1
        reply.number = self._counted
        self._out.append(s.Think(reply.number, reply.conversation, after_seconds))

    def _say(self, reply: Reply, text: str, now: float) -> None:
        """A reply whose text is given."""
        self._replies.append(reply)
        reply.pieces.append(text)
        self._begin(reply, now)

    # A reply

    def _begin(self, reply: Reply, now: float) -> None:
        """Tell of a reply if it is its turn, and let out what was held back."""
        if reply.told or reply.is_speculative or self._replies[0] is not reply:
            return
        reply.told = True
        if not reply.is_filler:
            reply.line = self._history.speaking(reply.reply_id)
        self._out.append(c.ReplyStarted(reply.reply_id))
        if reply.thought:
            self._out.append(c.StageReached("first_token"))
        self._let_out(reply, now)

    def _thought(self, fact: s.Thought, now: float) -> None:
        reply = self._reply_of(fact.number)
        if reply is None:
            return
        if not reply.thought:
            reply.thought = True
            if reply.told:
                self._out.append(c.StageReached("first_token"))
        reply.pieces += reply.clauses.add(fact.text)
        self._let_out(reply, now)

    def _thought_over(self, fact: s.ThoughtOver, now: float) -> None:
        reply = self._reply_of(fact.number)
        if reply is None:
            return
        reply.number = None
        rest = reply.clauses.rest()
        reply.pieces += [rest] if rest else []
        reply.calls = fact.calls
        if not (reply.pieces or reply.spoke or reply.calls):
            why = f" ({fact.cut_short})" if fact.cut_short else ""
            self._out.append(c.ModelFault("empty_answer", f"the language model said nothing{why}", fatal=False))
        self._let_out(reply, now)

    def _thought_failed(self, fact: s.ThoughtFailed, now: float) -> None:
        reply = self._reply_of(fact.number)
        if reply is None:
            return
        if reply.spoke:  # the caller has heard half an answer: it stays at that
            self._out.append(c.ModelFault(fact.code, fact.message, fatal=False))
            self._thought_over(s.ThoughtOver(fact.number), now)
        elif fact.retryable and reply.attempts == 1:
            self._out.append(c.ModelFault(fact.code, fact.message, fatal=False))
            reply.begin_again()
            self._ask(reply, RETRY_SECONDS)
        elif reply.is_speculative:
            self._stop(reply)  # asked again when the turn is over
        else:
            self._out.append(c.ModelFault(fact.code, fact.message, fatal=True))

    def _let_out(self, reply: Reply, now: float) -> None:
        """Have spoken what is ready of a reply that was told, and see whether that was all."""
        if not reply.told:
            return
        over = reply.number is None
        pieces, reply.pieces = reply.pieces, []
        for at, piece in enumerate(pieces):
            self._speak(reply, piece, last=over and at == len(pieces) - 1, now=now)
        if not over:
            return
        if reply.spoke and not pieces:
            self._out.append(s.Speak(reply.reply_id, "", last=True))
        if reply.calls:
            self._request_tools(reply, now)
        if not reply.spoke:
            self._finish(reply, now)

    def _speak(self, reply: Reply, text: str, *, last: bool, now: float) -> None:
        reply.spoke = True
        reply.sound_due = min(reply.sound_due, now + SOUND_SECONDS)
        if reply.line is not None:
            reply.line.text += text
        self._out.append(s.Speak(reply.reply_id, text, last))
        if not self._timed_words:
            self._out.append(c.ReplyWords(reply.reply_id, text, None))

    def _sound(self, fact: s.Sound, now: float) -> None:
        reply = self._spoken_in(fact.context_id)
        if reply is None:
            return
        reply.sound_due = now + SOUND_SECONDS if reply.number is None else math.inf
        if reply.line is not None:
            reply.line.made_ms += base64_ms(fact.payload)
        self._out.append(c.ReplyAudio(reply.reply_id, fact.payload))

    def _spoken_words(self, fact: s.SpokenWords, _now: float) -> None:
        reply = self._spoken_in(fact.context_id)
        if reply is None:
            return
        if reply.line is not None:
            reply.line.add_words(fact.text, fact.start_ms)
        self._out.append(c.ReplyWords(reply.reply_id, fact.text, fact.start_ms))

    def _speech_over(self, fact: s.SpeechOver, now: float) -> None:
        reply = self._spoken_in(fact.context_id)
        if reply is None:
            return
        if reply.number is None:
            self._finish(reply, now)
        else:  # the provider has closed what we have not: what is still thought of it will be said in another context
            self._out.append(c.ModelFault("speech_ended_early", "the speech stage closed a reply", fatal=False))

    def _finish(self, reply: Reply, now: float) -> None:
        """All of a reply has been made."""
        self._replies.remove(reply)
        if reply.line is not None:
            reply.line.complete = True
            if reply.line.text:
                self._out.append(c.ReplyTranscript(reply.reply_id, reply.line.text.strip(), interrupted=False))
        self._out.append(c.ReplyDone(reply.reply_id, interrupted=False))
        if self._replies:
            self._begin(self._replies[0], now)
        else:
            self._proceed(now)

    def _interrupt(self) -> None:
        """Nothing of what is being thought, spoken or looked up is wanted any more."""
        for reply in list(self._replies):
            self._stop(reply)
        self._filler_due = math.inf
        if not self._tools:
            return
        withdrawn, answers = self._tools.withdraw()
        self._out += withdrawn
        self._history.answered(answers)

    def _stop(self, reply: Reply) -> None:
        self._replies.remove(reply)
        if reply.number is not None:
            self._out.append(s.StopThinking(reply.number))
        if reply.spoke:
            self._out.append(s.BeSilent(reply.reply_id))
        if not reply.told:
            return
        if reply.line is not None:
            reply.line.cut_at_ms = reply.line.made_ms  # no more than this; the bridge may say less
            if reply.line.heard_words:
                self._out.append(c.ReplyTranscript(reply.reply_id, reply.line.heard_words, interrupted=True))
        self._out.append(c.ReplyDone(reply.reply_id, interrupted=True))

    def _truncate(self, command: c.TruncateReply, now: float) -> None:
        reply = self._spoken_in(command.reply_id)
        if reply is not None:  # the bridge has stopped it for a reason of its own
            self._stop(reply)
        self._history.cut(command.reply_id, command.heard_ms)
        self._proceed(now)

    # Tools

    def _request_tools(self, reply: Reply, now: float) -> None:
        calls, reply.calls = reply.calls, ()
        if reply.line is not None:
            reply.line.calls = calls
        self._out += self._tools.ask(reply.reply_id, calls)
        if not reply.spoke and self._filler:
            self._filler_due = now + self._filler_after_seconds
        self._go_on_if_answered(now)

    def _tool_answered(self, command: c.AnswerTool, now: float) -> None:
        if self._tools.answer(command.call_id, command.result, failed=command.failed):
            self._go_on_if_answered(now)

    def _go_on_if_answered(self, now: float) -> None:
        answers = self._tools.take_answers()
        if answers is None:
            return
        self._filler_due = math.inf
        self._history.answered(answers)
        self._caller_waits = False  # whoever spoke meanwhile without interrupting is answered along with it
        self._answer(now)

    # Looking things up

    def _reply_of(self, number: int) -> Reply | None:
        return next((reply for reply in self._replies if reply.number == number), None)

    def _spoken_in(self, context_id: str) -> Reply | None:
        return next((reply for reply in self._replies if reply.reply_id == context_id and reply.told), None)

    def _next_id(self) -> str:
        self._counted += 1
        return f"{self._prefix}{self._counted}"

    def _take(self) -> list[Output]:
        out, self._out = self._out, []
        return out

    _rules: ClassVar[dict[type, Callable[[ChainTurns, Any, float], None]]] = {
        s.SpeechBegan: _speech_began,
        s.TurnGoesOn: _turn_goes_on,
        s.TurnMayBeOver: _turn_may_be_over,
        s.TurnResumed: _turn_resumed,
        s.TurnOver: _turn_over,
        s.Thought: _thought,
        s.ThoughtOver: _thought_over,
        s.ThoughtFailed: _thought_failed,
        s.Sound: _sound,
        s.SpokenWords: _spoken_words,
        s.SpeechOver: _speech_over,
        c.RequestReply: _reply_wanted,
        c.SayExactly: _reply_wanted,
        c.AnswerTool: _tool_answered,
        c.TruncateReply: _truncate,
    }
