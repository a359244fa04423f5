"""Turns of a chain: facts of the three stages and the time in, commands to them and events for the bridge out.

No I/O. To the bridge a chain is a model like any other; this is the part of such a model that a hosted one keeps to
itself. Rules that a reader might ask about:

- **One reply at a time.** A reply is one answer of the language model, or one given text, spoken in one context. It is
  told to the bridge (``ReplyStarted``) when it is its turn and there is something to say; a given text may be said
  before an answer that is still being thought.
- **An answer may begin early.** When the recogniser believes that the caller has finished, the language model is asked
  at once. Nothing of that answer is spoken, and none of its tools run, until the turn is over with the same words;
  if the caller goes on, it is dropped. Not where the words are unfinished, or the caller mostly goes on.
- **Nothing is cut but by the bridge.** That the caller speaks stops no thought and no speech: it may be a cough. The
  bridge hears the words first and says whether they take the floor (``TruncateReply``), ask for nothing
  (``IgnoreTurn``) or are a question like any other. Meanwhile nothing new begins to be spoken.
- **A turn always ends.** If no word comes any more, and no end either, the recogniser is told to end the turn, and if
  it does not, what has been heard is the turn.
- **A tool that has begun is let finish.** Words meanwhile are answered together with its result, or, if that takes
  long, with the note that its outcome is not known yet; its result is told when it comes.
- **Every tool call has its answer in the history**, if only that its outcome is unknown.
- **A bound on the rounds of tools in a turn**: the last question of a turn offers none.
- **A question without an answer** (``answers.py``) is asked again as the provider tells (``tries.py``), shortened or
  without what a filter took offence at, then of the next language model; when there is none, the session is at its end.
- **A voice that makes no sound** of a text (``voicing.py``) is asked once more; then it has failed, and the next one
  takes over.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from trio_voice.chain.answers import Answers
from trio_voice.chain.eagerness import Eagerness
from trio_voice.chain.filler import Filler
from trio_voice.chain.hearing import HearingTurn
from trio_voice.chain.history import History
from trio_voice.chain.replies import Replies
from trio_voice.chain.reply import Reply
from trio_voice.chain.speech import Speech
from trio_voice.chain.tool_calls import AwaitedTools
from trio_voice.chain.voicing import Voicing
from trio_voice.events import model as c
from trio_voice.events import stage as s

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trio_voice.chain.replies import Output

VERDICT_SECONDS: Final = 0.25
"""Time that the bridge may take to say what a turn is that was spoken over the agent."""
SETTLE_SECONDS: Final = 0.001
"""From the first reply that is cut to the question: others may have to be cut, too."""
WISH_SECONDS: Final = 3.0
"""Time that words of the caller may wait for the result of a tool."""
MAX_ROUNDS: Final = 5
"""Questions to the language model in one turn of the caller's; the last offers no tools."""
CUT_FOR_NOTHING: Final = "A noise has interrupted you, and nobody has said anything. Go on where you stopped."
RESULT_HAS_COME: Final = "The result of {name} has come. Tell the caller what matters of it in a short sentence."


class ChainTurns:
    """One call's decisions between the stages.

    Args:
        interruptible: whether the caller may talk over the agent.
        said: the conversation so far, if this chain takes over from another model.
        prefix: begins every id, so that those of two chains in one call differ.
        timed_words: whether the speech stage says when each word is spoken.
        language: of the agent, a BCP 47 tag.
        spelled_out: whether the voice has to be given figures and abbreviations in words.
        members: how many language models there are; the next takes over where one fails.
        filler: what is said while an answer takes longer than ``filler_after_seconds``; empty for nothing.
        hang_seconds: how long after its last word a turn may stay open.
        sound_seconds: how long the voice may keep a text without making a sound of it.
        has_voice: whether the voice is ready; if not, nothing is spoken before ``VoiceChanged``.
    """

    def __init__(
        self,
        *,
        interruptible: bool = True,
        said: Iterable[c.Said] = (),
        prefix: str = "",
        timed_words: bool = True,
        language: str = "en-US",
        spelled_out: bool = False,
        members: int = 1,
        filler: str = "",
        filler_after_seconds: float = 1.0,
        hang_seconds: float = 4.0,
        sound_seconds: float = 5.0,
        has_voice: bool = True,
    ) -> None:
        self._interruptible = interruptible
        self._language = language
        self._history = History(said)
        self._filler = Filler(filler, filler_after_seconds)

        self._hearing = HearingTurn(hang_seconds)
        self._eagerness = Eagerness(language)
        self._speech = Speech(sound_seconds, language, timed_words=timed_words, spelled_out=spelled_out)
        self._replies = Replies(self._history, prefix=prefix, language=language, members=members)
        self._answers = Answers(self._replies, self._history)
        self._voicing = Voicing(self._replies, self._speech, has_voice=has_voice)
        self._tools = AwaitedTools()
        self._waiting: dict[str, s.Entry] = {}
        """Turns of the caller that are over and were not answered yet, by their item ids."""
        self._verdict_due = -math.inf
        """Until then the bridge may say what the last of them is."""
        self._floor_taken = False
        """The bridge has said so of the turn that is being spoken."""
        self._wish_due = -math.inf
        """Until then they wait for the tools."""
        self._rounds = 0
        self._owes = False
        self._now = -math.inf

    def handle(self, fact: s.ChainFact, now: float) -> list[Output]:
        """Outputs for a fact of a stage's or a command of the bridge's. Any may come in any state."""
        self._now = now
        self._understand(fact, now)
        self._advance(now)
        return self._take(now)

    def _understand(self, fact: s.ChainFact, now: float) -> None:
        match fact:
            case s.Sound():
                self._voicing.sound(fact, now)
            case s.SpokenWords():
                self._voicing.spoken_words(fact)
            case s.Thought():
                self._answers.thought(fact)
            case s.SpeechBegan():
                self._speech_began(fact, now)
            case s.TurnGoesOn():
                self._turn_goes_on(fact, now)
            case s.TurnMayBeOver():
                self._turn_may_be_over(fact, now)
            case s.TurnResumed():
                self._turn_resumed(now)
            case s.TurnOver():
                self._turn_over(fact, now)
            case s.HearingChanged():
                self._hearing.changed(now)
            case s.Unthought():
                self._answers.unthought(fact)
            case s.ThoughtOver():
                self._answers.thought_over(fact)
            case s.ThoughtFailed():
                self._answers.thought_failed(fact)
            case s.SpeechOver():
                self._voicing.speech_over(fact, now)
            case s.SpeechFailed():
                self._voicing.speech_failed(fact, now)
            case s.VoiceChanged():
                self._voicing.voice_changed(fact, now)
            case c.RequestReply():
                self._replies.wanted.append(fact)
            case c.SayExactly():
                self._say(fact)
            case c.SendToolResult():
                self._tool_answered(fact)
            case c.TruncateReply():
                self._truncate(fact, now)
            case c.IgnoreTurn():
                self._ignore(fact)
            case _:
                pass  # for the stages, or not for a chain

    def tick(self, now: float) -> list[Output]:
        """Outputs that time asks for. Harmless to call too early."""
        self._now = now
        self._voicing.tick(now)
        hung = self._hearing.hung(now)
        if isinstance(hung, s.EndTurn):
            self._replies.out.append(hung)
        elif hung is not None:
            self._turn_over(hung, now)
            self._hearing.end_for(hung)
        if self._filler.is_due(now):
            self._say(c.SayExactly(self._filler.text, is_filler=True))
        self._advance(now)
        return self._take(now)

    def _say(self, command: c.SayExactly) -> None:
        """Have a given text said; a filler only where there is a voice to say it now."""
        if command.is_filler and not self._voicing.has_voice:
            self._replies.out.append(c.FillerUnspoken())
        else:
            self._replies.say(command)

    @property
    def wake_at(self) -> float:
        """Time at which ``tick`` is next needed, at the latest."""
        waits = [reply.sound_due for reply in self._replies.queue]
        if self._waiting or self._replies.wanted or any(not reply.told for reply in self._replies.queue):
            holds = (self._hearing.speaks_until, self._verdict_due, self._wish_due if self._tools else -math.inf)
            waits += [hold for hold in holds if hold > self._now]
        return min([self._filler.due, self._hearing.wake_at, *waits])

    # The caller

    def _speech_began(self, fact: s.SpeechBegan, now: float) -> None:
        self._hearing.began(now, may_hang=not fact.words_come_last)
        self._replies.out.append(c.CallerSpeechStarted())

    def _turn_goes_on(self, fact: s.TurnGoesOn, now: float) -> None:
        was_open = self._hearing.is_open
        heard = self._hearing.goes_on(fact.item_id, fact.text, now)
        if heard is not None:
            if not was_open:  # it was taken for a noise
                self._replies.out.append(c.CallerSpeechStarted())
            self._replies.out.append(c.CallerTranscript(*heard, final=False))

    def _turn_may_be_over(self, fact: s.TurnMayBeOver, now: float) -> None:
        self._turn_goes_on(s.TurnGoesOn(fact.item_id, fact.text), now)
        if any(reply.speculates_that(fact.text) for reply in self._replies.queue):
            return
        self._drop_speculation()
        begins = self._eagerness.begins(fact.text)
        busy = self._replies.queue or self._tools or self._waiting or self._speech.is_playing(now)
        if fact.text and begins and not busy:
            conversation = (*self._history.entries(), s.Entry("caller", fact.text))
            self._replies.ask(
                Reply(self._replies.next_id(), self._language, speculates_on=fact.text, conversation=conversation)
            )

    def _turn_resumed(self, now: float) -> None:
        self._hearing.resumed(now)
        self._eagerness.went_on()
        self._drop_speculation()

    def _turn_over(self, fact: s.TurnOver, now: float) -> None:
        had_words = bool(self._hearing.words)
        heard = self._hearing.over(fact.item_id, fact.text, now)
        if heard is None:
            return  # it was ended for the recogniser
        item_id, text = heard
        self._eagerness.over(text)
        floor_taken, self._floor_taken = self._floor_taken, False
        if had_words and not text:  # they are taken back
            self._replies.out.append(c.CallerTranscript(item_id, "", final=True))
        self._replies.out.append(c.CallerSpeechStopped())
        if not text:
            self._drop_speculation()
            if floor_taken:
                self._replies.wanted.append(c.RequestReply(CUT_FOR_NOTHING))
            return
        self._waiting[item_id] = self._history.caller_said(text)
        self._filler.begin_anew(now)
        confirmed = next((reply for reply in self._replies.queue if reply.speculates_that(text)), None)
        if confirmed is not None and len(self._waiting) == 1 and not self._replies.wanted and not self._tools:
            confirmed.speculates_on = None
            self._begin_turn()
        else:
            self._drop_speculation()
            over_the_agent = self._replies.queue or self._speech.is_playing(now)
            if self._interruptible and over_the_agent and not floor_taken:
                self._verdict_due = now + VERDICT_SECONDS
            self._wish_due = now + WISH_SECONDS
        # The bridge may answer with its verdict.
        self._replies.out.append(c.CallerTranscript(item_id, text, final=True))
        if confirmed is not None and confirmed.thought and not confirmed.is_speculative:
            self._replies.out.append(c.StageReached("first_token"))

    def _begin_turn(self) -> None:
        """The caller's words are being answered."""
        self._waiting.clear()
        self._rounds = 1
        self._replies.spoke_in_turn = False
        self._verdict_due = self._wish_due = -math.inf

    def _drop_speculation(self) -> None:
        for reply in [reply for reply in self._replies.queue if reply.is_speculative]:
            self._replies.out.append(s.Count("answers_in_vain"))
            self._replies.stop(reply)

    def _ignore(self, command: c.IgnoreTurn) -> None:
        entry = self._waiting.pop(command.item_id, None)
        if entry is not None:
            self._history.take_back(entry)
            self._verdict_due = -math.inf

    def _truncate(self, command: c.TruncateReply, now: float) -> None:
        reply = next((reply for reply in self._replies.queue if reply.reply_id == command.reply_id), None)
        if reply is not None:
            self._replies.stop(reply)
        self._history.cut(command.reply_id, command.heard_ms)
        self._speech.cut(now)
        self._floor_taken = self._hearing.speaks_until > now
        if self._verdict_due > now:
            self._verdict_due = now + SETTLE_SECONDS  # that is the verdict

    # What is answered

    def _advance(self, now: float) -> None:
        """Let out what may be spoken, and begin the next answer, as far as nothing is in its way."""
        self._ask_next(now)
        while self._replies.queue and not (reply := self._replies.queue[0]).is_speculative:
            if not reply.told:
                if not (reply.is_ready and self._voicing.has_voice) or self._must_hold(now):
                    return
                self._replies.begin(reply)
            self._let_out(reply, now)
            if reply in self._replies.queue:
                return
            self._ask_next(now)

    def _must_hold(self, now: float) -> bool:
        """True if nothing new may begin to be spoken: the caller speaks, or has just spoken."""
        return self._interruptible and (self._hearing.speaks_until > now or self._verdict_due > now)

    def _ask_next(self, now: float) -> None:
        """Begin the next answer, if there is one to begin and nothing is in its way."""
        if not (self._waiting or self._replies.wanted) or self._must_hold(now):
            return
        thinking = [reply for reply in self._replies.queue if not reply.is_given]
        if self._waiting and all(not reply.told for reply in thinking):
            for reply in thinking:  # nobody has heard of it: the caller goes on with the same turn
                self._replies.stop(reply)
            thinking = []
        if thinking:
            return
        if self._tools:
            if not self._waiting or now < self._wish_due:
                return
            self._history.answered(self._tools.give_up())
        if self._waiting:
            for request in self._replies.wanted:  # answered in the same reply
                self._history.instructed(request.instructions)
            self._replies.wanted.clear()
        elif self._replies.queue:
            return
        else:
            self._history.instructed(self._replies.wanted.popleft().instructions)
        self._begin_turn()
        self._answer()

    def _answer(self) -> None:
        """Have the language model answer the conversation as it stands."""
        with_tools = self._rounds < MAX_ROUNDS and not self._tools.has_late
        reply = Reply(
            self._replies.next_id(), self._language, conversation=self._history.entries(), with_tools=with_tools
        )
        self._replies.ask(reply)

    # A reply

    def _let_out(self, reply: Reply, now: float) -> None:
        """Have spoken what is ready of a reply that was told, and see whether that was all."""
        over = reply.number is None
        pieces, reply.pieces = reply.pieces, []
        self._replies.out += self._speech.speak(reply, pieces, over=over, now=now)
        self._replies.spoke_in_turn = self._replies.spoke_in_turn or (reply.spoke and not reply.is_given)
        if reply.spoke:
            self._filler.not_needed()
        if not over:
            return
        if reply.calls:
            self._request_tools(reply)
        if not reply.is_open:
            self._replies.finish(reply)

    # Tools

    def _request_tools(self, reply: Reply) -> None:
        calls, reply.calls = reply.calls, ()
        if reply.line is not None:
            reply.line.calls = calls
        self._replies.out += self._tools.ask(reply.reply_id, calls)
        self._go_on_if_answered()

    def _tool_answered(self, command: c.SendToolResult) -> None:
        if self._tools.answer(command):
            self._go_on_if_answered()
        elif (call := self._tools.late(command.call_id)) is not None:
            self._history.answered_late(s.ToolCallResult(call.call_id, command.result, command.failed))
            self._replies.wanted.append(c.RequestReply(RESULT_HAS_COME.format(name=call.name)))

    def _go_on_if_answered(self) -> None:
        answers = self._tools.take_answers()
        if answers is None:
            return
        self._history.answered(answers)
        if self._tools.end_turn:
            return
        self._rounds += 1
        self._waiting.clear()  # whoever spoke meanwhile is answered along with it
        self._verdict_due = -math.inf
        self._answer()

    def _take(self, now: float) -> list[Output]:
        """Outputs that were decided on; with them, that an answer is owed from now on or is still owed."""
        out, self._replies.out = self._replies.out, []
        thinks = any(not (reply.is_speculative or reply.is_given or reply.sounded) for reply in self._replies.queue)
        owes = bool((self._waiting and self._verdict_due <= now) or self._tools or thinks)
        if owes and (not self._owes or any(isinstance(output, c.ReplyDone) for output in out)):
            out.append(c.AnswerOwed())
        if owes and not self._owes and not self._replies.spoke_in_turn:
            self._filler.wait(now)
        if not owes:
            self._filler.not_needed()
        self._owes = owes
        return out
