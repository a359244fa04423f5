"""What a chain's stages do when: facts of the three and the time in, commands to them and events for the bridge out.

No I/O. To the bridge a chain is a model like any other; this is the part of such a model that a hosted one keeps to
itself. Rules that a reader might ask about:

- **One reply at a time.** A reply is one answer of the language model, or one given text, spoken in one context. It is
  told to the bridge (``ReplyStarted``) when it is its turn and there is something to say; a given text may be said
  before an answer that is still being thought.
- **An answer may begin early.** When the recogniser believes that the caller has finished, the language model is asked
  at once. Nothing of that answer is spoken, and none of its tools run, until the turn is over with the same words;
  if the caller goes on, it is dropped.
- **Nothing is cut but by the bridge.** That the caller speaks stops no thought and no speech: it may be a cough. The
  bridge hears the words first and says whether they take the floor (``TruncateReply``), ask for nothing
  (``IgnoreTurn``) or are a question like any other. Meanwhile nothing new begins to be spoken.
- **A turn always ends.** If no word comes any more, and no end either, the recogniser is told to end the turn, and if
  it does not, what has been heard is the turn.
- **A tool that has begun is let finish.** Words meanwhile are answered together with its result, or, if that takes
  long, with the note that its outcome is not known yet; its result is told when it comes.
- **Every tool call has its answer in the history**, if only that its outcome is unknown.
- **At most so many rounds of tools a turn**: the last question of a turn offers none.
- **A question without an answer** is asked again as the provider tells (``chain_tries.py``), shortened or without what
  a filter took offence at, then of the next language model; when there is none, the session is at its end.
- **A voice that makes no sound** of a text is asked once more; then it has failed, and the next one takes over.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, Final

from trio_voice.audio.mulaw import base64_ms
from trio_voice.chain.hearing import HearingTurn
from trio_voice.chain.history import History
from trio_voice.chain.reply import Reply, has_words
from trio_voice.chain.speech import Speech
from trio_voice.chain.tool_calls import AwaitedTools
from trio_voice.chain.tries import Tries
from trio_voice.events import model as c
from trio_voice.events import stage as s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_WANTED: Final = 8
"""Replies that are asked for while another is made; beyond them the oldest is forgotten."""
VERDICT_SECONDS: Final = 0.25
"""How long the bridge may take to say what a turn is that was spoken over the agent."""
SETTLE_SECONDS: Final = 0.001
"""From the first reply that is cut to the question: others may have to be cut, too."""
WISH_SECONDS: Final = 3.0
"""How long words of the caller may wait for the result of a tool."""
MAX_ROUNDS: Final = 5
"""Questions to the language model in one turn of the caller's; the last offers no tools."""

MAX_REFUSED: Final = 2
"""Replies in a row that a voice may refuse before it is the voice that has failed."""

SAY_SOMETHING: Final = "You have said nothing. Answer the caller in a short sentence."
NOT_UNDERSTOOD: Final = "You cannot repeat what the caller has said. Say in a few words that you did not understand."
OTHER_WORDS: Final = "Your last words could not be spoken. Say the same in other, plain words."
RESULT_HAS_COME: Final = "The result of {name} has come. Tell the caller what matters of it in a short sentence."

Output = c.ModelEvent | s.Think | s.StopThinking | s.Speak | s.BeSilent | s.ChangeVoice | s.EndTurn | s.Count


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
        self._history = History(said)
        self._prefix = prefix
        self._language = language
        self._members = members
        self._member = 0
        """The language model that is asked first: the one that has answered last."""
        self._filler = filler
        self._filler_after_seconds = filler_after_seconds
        self._filler_due = math.inf

        self._hearing = HearingTurn(hang_seconds)
        self._speech = Speech(sound_seconds, language, timed_words=timed_words, spelled_out=spelled_out)
        self._has_voice = has_voice
        self._replies: list[Reply] = []
        """In the order in which they are spoken. The first may have been told; one is thought at most."""
        self._tools = AwaitedTools()
        self._results_end_turn = False
        """The call or the talk is over once the results are there: nothing is asked of the model."""
        self._wanted: deque[c.RequestReply] = deque(maxlen=MAX_WANTED)
        self._waiting: dict[str, s.Entry] = {}
        """Turns of the caller that are over and were not answered yet, by their item ids."""
        self._verdict_due = -math.inf
        """Until then the bridge may say what the last of them is."""
        self._floor_taken = False
        """The bridge has said so of the turn that is being spoken."""
        self._wish_due = -math.inf
        """Until then they wait for the tools."""
        self._rounds = 0
        self._spoke_in_turn = False
        self._refused = 0
        """Replies in a row that the voice would not speak."""
        self._owes = False
        self._now = -math.inf
        self._counted = 0
        self._out: list[Output] = []

    def handle(self, fact: Any, now: float) -> list[Output]:
        """What is to be done about a fact of a stage's or a command of the bridge's. Any may come in any state."""
        self._now = now
        rule = self._rules.get(type(fact))
        if rule is not None:
            rule(self, fact, now)
            self._advance(now)
        return self._take(now)

    def tick(self, now: float) -> list[Output]:
        """What is to be done because time has passed. Harmless to call too early."""
        self._now = now
        if any(now >= reply.sound_due for reply in self._replies):
            self._voice_failed("speech_timeout", "the speech stage has made no sound in time")
        hung = self._hearing.hung(now)
        if isinstance(hung, s.EndTurn):
            self._out.append(hung)
        elif hung is not None:
            self._turn_over(hung, now)
            self._hearing.end_for(hung)
        if now >= self._filler_due:
            self._filler_due = math.inf
            self._say(c.SayExactly(self._filler, is_filler=True))
        self._advance(now)
        return self._take(now)

    @property
    def wake_at(self) -> float:
        """When ``tick`` is next needed, at the latest."""
        waits = [reply.sound_due for reply in self._replies]
        if self._waiting or self._wanted or any(not reply.told for reply in self._replies):
            holds = (self._hearing.speaks_until, self._verdict_due, self._wish_due if self._tools else -math.inf)
            waits += [hold for hold in holds if hold > self._now]
        return min([self._filler_due, self._hearing.wake_at, *waits])

    # The caller

    def _speech_began(self, _fact: s.SpeechBegan, now: float) -> None:
        self._hearing.began(now)
        self._out.append(c.CallerSpeechStarted())

    def _turn_goes_on(self, fact: s.TurnGoesOn, now: float) -> None:
        heard = self._hearing.goes_on(fact.item_id, fact.text, now)
        if heard is not None:
            self._out.append(c.CallerTranscript(*heard, final=False))

    def _turn_may_be_over(self, fact: s.TurnMayBeOver, now: float) -> None:
        self._turn_goes_on(s.TurnGoesOn(fact.item_id, fact.text), now)
        if any(reply.speculates_that(fact.text) for reply in self._replies):
            return
        self._drop_speculation()
        busy = self._replies or self._tools or self._waiting or self._speech.is_playing(now)
        if fact.text and not busy:
            conversation = (*self._history.entries(), s.Entry("caller", fact.text))
            self._ask(Reply(self._next_id(), self._language, speculates_on=fact.text, conversation=conversation))

    def _turn_resumed(self, _fact: s.TurnResumed, now: float) -> None:
        self._hearing.resumed(now)
        self._drop_speculation()

    def _turn_over(self, fact: s.TurnOver, now: float) -> None:
        heard = self._hearing.over(fact.item_id, fact.text)
        if heard is None:
            return  # it was ended for the recogniser
        item_id, text = heard
        self._out.append(c.CallerSpeechStopped())
        floor_taken, self._floor_taken = self._floor_taken, False
        if not text:
            self._drop_speculation()
            return
        self._waiting[item_id] = self._history.caller_said(text)
        self._filler_due = math.inf
        confirmed = next((reply for reply in self._replies if reply.speculates_that(text)), None)
        if confirmed is not None and len(self._waiting) == 1 and not self._wanted and not self._tools:
            confirmed.speculates_on = None
            self._begin_turn()
        else:
            self._drop_speculation()
            over_the_agent = self._replies or self._speech.is_playing(now)
            if self._interruptible and over_the_agent and not floor_taken:
                self._verdict_due = now + VERDICT_SECONDS
            self._wish_due = now + WISH_SECONDS
        self._out.append(c.CallerTranscript(item_id, text, final=True))  # the bridge may answer with its verdict
        if confirmed is not None and confirmed.thought and not confirmed.is_speculative:
            self._out.append(c.StageReached("first_token"))

    def _begin_turn(self) -> None:
        """The caller's words are being answered."""
        self._waiting.clear()
        self._rounds = 1
        self._spoke_in_turn = False
        self._verdict_due = self._wish_due = -math.inf

    def _drop_speculation(self) -> None:
        for reply in [reply for reply in self._replies if reply.is_speculative]:
            self._out.append(s.Count("answers_in_vain"))
            self._stop(reply)

    def _ignore(self, command: c.IgnoreTurn, _now: float) -> None:
        entry = self._waiting.pop(command.item_id, None)
        if entry is not None:
            self._history.take_back(entry)
            self._verdict_due = -math.inf

    def _truncate(self, command: c.TruncateReply, now: float) -> None:
        reply = next((reply for reply in self._replies if reply.reply_id == command.reply_id), None)
        if reply is not None:
            self._stop(reply)
        self._history.cut(command.reply_id, command.heard_ms)
        self._speech.cut(now)
        self._floor_taken = self._hearing.speaks_until > now
        if self._verdict_due > now:
            self._verdict_due = now + SETTLE_SECONDS  # that is the verdict

    # What is answered

    def _advance(self, now: float) -> None:
        """Let out what may be spoken, and begin the next answer, as far as nothing is in its way."""
        self._ask_next(now)
        while self._replies and not (reply := self._replies[0]).is_speculative:
            if not reply.told:
                if not (reply.is_ready and self._has_voice) or self._must_hold(now):
                    return
                self._begin(reply)
            self._let_out(reply, now)
            if reply in self._replies:
                return
            self._ask_next(now)

    def _must_hold(self, now: float) -> bool:
        """Whether nothing new may begin to be spoken: the caller speaks, or has just spoken."""
        return self._interruptible and (self._hearing.speaks_until > now or self._verdict_due > now)

    def _ask_next(self, now: float) -> None:
        """Begin the next answer, if there is one to begin and nothing is in its way."""
        if not (self._waiting or self._wanted) or self._must_hold(now):
            return
        thinking = [reply for reply in self._replies if not reply.is_given]
        if self._waiting and all(not reply.told for reply in thinking):
            for reply in thinking:  # nobody has heard of it: the caller goes on with the same turn
                self._stop(reply)
            thinking = []
        if thinking:
            return
        if self._tools:
            if not self._waiting or now < self._wish_due:
                return
            self._history.answered(self._tools.give_up())
        if self._waiting:
            for request in self._wanted:  # answered in the same reply
                self._history.instructed(request.instructions)
            self._wanted.clear()
        elif self._replies:
            return
        else:
            self._history.instructed(self._wanted.popleft().instructions)
        self._begin_turn()
        self._answer()

    def _reply_wanted(self, command: c.RequestReply, _now: float) -> None:
        self._wanted.append(command)

    def _said_exactly(self, command: c.SayExactly, _now: float) -> None:
        waiting = [reply for reply in self._replies if reply.is_given and not reply.told]
        if len(waiting) >= MAX_WANTED:
            self._replies.remove(waiting[0])
        self._say(command)

    def _answer(self) -> None:
        """Have the language model answer the conversation as it stands."""
        with_tools = self._rounds < MAX_ROUNDS and not self._tools.has_late
        reply = Reply(self._next_id(), self._language, conversation=self._history.entries(), with_tools=with_tools)
        self._ask(reply)

    def _ask(self, reply: Reply, after_seconds: float = 0.0) -> None:
        if reply not in self._replies:
            reply.tries = Tries(self._members, self._member)
            self._replies.append(reply)
        self._counted += 1
        reply.number = self._counted
        member = reply.tries.member
        self._out.append(s.Think(reply.number, reply.conversation, after_seconds, member, reply.with_tools))

    def _say(self, command: c.SayExactly) -> None:
        """A reply whose text is given; it is said before those of which nothing has been said yet."""
        reply = Reply(self._next_id(), self._language, is_given=True, is_filler=command.is_filler)
        reply.pieces.append(command.text)
        at = next((at for at, other in enumerate(self._replies) if not (other.told or other.is_given)), None)
        self._replies.insert(len(self._replies) if at is None else at, reply)

    # A reply

    def _begin(self, reply: Reply) -> None:
        """Tell of a reply: it is its turn."""
        reply.told = True
        reply.line = self._history.speaking(reply.reply_id, is_filler=reply.is_filler)
        self._out.append(c.ReplyStarted(reply.reply_id, is_filler=reply.is_filler))

    def _thought(self, fact: s.Thought, _now: float) -> None:
        reply = self._reply_of(fact.number)
        if reply is None:
            return
        if not reply.thought:
            reply.thought = True
            if not reply.is_speculative:
                self._out.append(c.StageReached("first_token"))
        reply.pieces += reply.clauses.add(fact.text)

    def _unthought(self, fact: s.Unthought, _now: float) -> None:
        reply = self._reply_of(fact.number)
        if reply is not None:
            reply.forget_thoughts()

    def _thought_over(self, fact: s.ThoughtOver, _now: float) -> None:
        reply = self._reply_of(fact.number)
        if reply is None:
            return
        rest = reply.clauses.rest()
        reply.pieces += [rest] if rest else []
        calls = fact.calls if reply.with_tools else ()
        if not (reply.spoke or calls or any(map(has_words, reply.pieces))):
            self._thought_nothing(reply, fact.cut_short)
            return
        reply.number, reply.calls = None, calls
        if not any(map(has_words, reply.pieces)):
            reply.pieces.clear()
        self._member = reply.tries.member

    def _thought_nothing(self, reply: Reply, cut_short: str) -> None:
        """An answer without a word and without a call."""
        why = f" ({cut_short})" if cut_short else ""
        message = f"the language model said nothing{why}"
        number = reply.number or 0
        if cut_short in {"model_context_window_exceeded", "length"}:
            remedy = s.ThoughtFailed(number, "empty_answer", message, retryable=True, remedy="shorten")
        elif cut_short in {"content_filter", "refusal"}:
            remedy = s.ThoughtFailed(number, "empty_answer", message, retryable=True, remedy="rephrase")
        else:
            remedy = s.ThoughtFailed(number, "empty_answer", message, retryable=True)
        if self._spoke_in_turn and reply.tries.empty:  # its words before the tool were all that it had to say
            self._out.append(c.ModelFault("empty_answer", message, fatal=False))
            self._finish_unspoken(reply)
            return
        self._failed(reply, remedy, nothing=not remedy.remedy)

    def _thought_failed(self, fact: s.ThoughtFailed, _now: float) -> None:
        reply = self._reply_of(fact.number)
        if reply is not None:
            self._failed(reply, fact)

    def _failed(self, reply: Reply, failed: s.ThoughtFailed, *, nothing: bool = False) -> None:
        """The question was not answered: it is put again in one way or another, or given up."""
        if reply.spoke:  # the caller has heard half an answer: it stays at that
            self._out.append(c.ModelFault(failed.code, failed.message, fatal=False))
            self._thought_over(s.ThoughtOver(failed.number), 0.0)
            return
        if reply.is_speculative:
            self._stop(reply)  # asked again when the turn is over
            return
        can_shorten = failed.remedy == "shorten" and self._history.forget_half()
        tries = reply.tries
        wait = tries.after_nothing() if nothing else tries.after_failure(failed, can_shorten=can_shorten)
        if wait is None:
            self._give_up(reply, failed)
            return
        self._out.append(c.ModelFault(failed.code, failed.message, fatal=False))
        self._out.append(s.Count(f"llm_retries_{failed.remedy or failed.code}"))
        if failed.remedy == "rephrase":
            self._history.hide_last_words()
            self._history.instructed(NOT_UNDERSTOOD)
        elif tries.empty == 2:
            self._history.instructed(SAY_SOMETHING)
            reply.with_tools = False  # some servers lose the words where tools are offered
        reply.forget_thoughts()
        reply.conversation = self._history.entries()
        self._ask(reply, wait)

    def _give_up(self, reply: Reply, failed: s.ThoughtFailed) -> None:
        """Nobody answers: what came of the last answer is said, or the session is at its end."""
        rest = reply.clauses.rest()
        reply.pieces += [rest] if rest else []
        if any(map(has_words, reply.pieces)):
            self._out.append(c.ModelFault(failed.code, failed.message, fatal=False))
            reply.number = None
            return
        reply.number = None
        self._replies.remove(reply)
        self._out.append(c.ModelFault(failed.code, failed.message, fatal=True))

    def _let_out(self, reply: Reply, now: float) -> None:
        """Have spoken what is ready of a reply that was told, and see whether that was all."""
        over = reply.number is None
        pieces, reply.pieces = reply.pieces, []
        self._out += self._speech.speak(reply, pieces, over=over, now=now)
        self._spoke_in_turn = self._spoke_in_turn or (reply.spoke and not reply.is_given)
        if reply.spoke:
            self._filler_due = math.inf
        if not over:
            return
        if reply.calls:
            self._request_tools(reply)
        if not reply.is_open:
            self._finish(reply)

    def _sound(self, fact: s.Sound, now: float) -> None:
        reply = self._spoken_in(fact.context_id)
        if reply is None:
            return
        ms = base64_ms(fact.payload)
        self._speech.sounded(reply, ms, now)
        self._refused = 0
        if reply.line is not None:
            reply.line.made_ms += ms
        self._out.append(c.ReplyAudio(reply.reply_id, fact.payload))

    def _spoken_words(self, fact: s.SpokenWords, _now: float) -> None:
        reply = self._spoken_in(fact.context_id)
        if reply is None:
            return
        start_ms = fact.start_ms + reply.offset_ms
        if reply.line is not None:
            reply.line.add_words(fact.text, start_ms)
        self._out.append(c.ReplyWords(reply.reply_id, fact.text, start_ms))

    def _speech_over(self, fact: s.SpeechOver, now: float) -> None:
        reply = self._spoken_in(fact.context_id)
        if reply is None:
            return
        if not reply.closed:  # in a pause of the language model: what comes of it goes on in another context
            self._speech.paused(reply)
        elif reply.sounded:
            self._finish(reply)
        elif not reply.repeated:
            reply.repeated = True
            self._out.append(s.Count("speech_repeated"))
            self._out += self._speech.again(reply, reply.texts, now)
        else:
            self._voice_failed("speech_silent", "the speech stage has made no sound of a text, twice")

    def _speech_failed(self, fact: s.SpeechFailed, now: float) -> None:
        reply = self._spoken_in(fact.context_id)
        if reply is None:
            return
        self._out.append(c.ModelFault(fact.code, fact.message, fatal=False))
        if not (reply.sounded or reply.repeated):
            reply.repeated = True
            self._out += self._speech.again_plainly(reply, now)
            return
        if reply.number is not None:
            self._out.append(s.StopThinking(reply.number))
            reply.number = None
        reply.pieces.clear()
        if not reply.sounded and reply.line is not None:
            reply.line.text = ""
        self._refused += not reply.sounded
        self._finish(reply)
        if self._refused >= MAX_REFUSED:
            self._voice_failed("speech_refused", "the speech stage has refused one reply after the other")
        elif not reply.sounded:
            self._wanted.append(c.RequestReply(OTHER_WORDS))

    def _voice_failed(self, code: str, message: str) -> None:
        for reply in self._replies:
            reply.sound_due = math.inf
            if not reply.sounded and reply.line is not None:
                reply.line.cut_at_ms = 0.0  # nobody has heard it
        self._out.append(s.ChangeVoice(code, message))

    def _voice_changed(self, fact: s.VoiceChanged, now: float) -> None:
        """What the voice before has not spoken, the new one does."""
        self._has_voice = True
        self._speech.timed_words = fact.timed_words
        for reply in [reply for reply in self._replies if reply.is_open]:
            texts, reply.repeated = reply.unspoken, False
            if reply.line is not None:
                reply.line.cut_at_ms = None
                reply.offset_ms = reply.line.made_ms
            if texts:
                self._out += self._speech.again(reply, texts, now)
            elif reply.closed:
                self._finish(reply)
            else:
                reply.is_open = False

    def _finish(self, reply: Reply) -> None:
        """All of a reply has been made."""
        self._replies.remove(reply)
        reply.sound_due = math.inf
        if reply.line is not None:
            reply.line.complete = True
            if reply.line.text.strip():
                self._out.append(c.ReplyTranscript(reply.reply_id, reply.line.text.strip(), interrupted=False))
        self._out.append(c.ReplyDone(reply.reply_id, interrupted=False))

    def _finish_unspoken(self, reply: Reply) -> None:
        """A reply comes to nothing; the bridge may have been told of it."""
        reply.number = None
        if reply.told:
            self._finish(reply)
        else:
            self._replies.remove(reply)

    def _stop(self, reply: Reply) -> None:
        """Nothing more is to be made of a reply."""
        self._replies.remove(reply)
        if reply.number is not None:
            self._out.append(s.StopThinking(reply.number))
        if reply.is_open:
            self._out.append(s.BeSilent(reply.context_id))
        if not reply.told:
            return
        if reply.line is not None:
            reply.line.cut_at_ms = reply.line.made_ms  # no more than this; the bridge may say less
            if reply.line.heard_words:
                self._out.append(c.ReplyTranscript(reply.reply_id, reply.line.heard_words, interrupted=True))
        self._out.append(c.ReplyDone(reply.reply_id, interrupted=True))

    # Tools

    def _request_tools(self, reply: Reply) -> None:
        calls, reply.calls = reply.calls, ()
        if reply.line is not None:
            reply.line.calls = calls
        self._results_end_turn = False
        self._out += self._tools.ask(reply.reply_id, calls)
        self._go_on_if_answered()

    def _tool_answered(self, command: c.AnswerTool, _now: float) -> None:
        if self._tools.answer(command.call_id, command.result, failed=command.failed):
            self._results_end_turn = self._results_end_turn or not command.go_on
            self._go_on_if_answered()
        elif (call := self._tools.late(command.call_id)) is not None:
            self._history.answered_late(s.ToolAnswer(call.call_id, command.result, command.failed))
            self._wanted.append(c.RequestReply(RESULT_HAS_COME.format(name=call.name)))

    def _go_on_if_answered(self) -> None:
        answers = self._tools.take_answers()
        if answers is None:
            return
        self._history.answered(answers)
        if self._results_end_turn:
            return
        self._rounds += 1
        self._waiting.clear()  # whoever spoke meanwhile is answered along with it
        self._verdict_due = -math.inf
        self._answer()

    # Looking things up

    def _reply_of(self, number: int) -> Reply | None:
        return next((reply for reply in self._replies if reply.number == number), None)

    def _spoken_in(self, context_id: str) -> Reply | None:
        return next((reply for reply in self._replies if reply.context_id == context_id and reply.is_open), None)

    def _next_id(self) -> str:
        self._counted += 1
        return f"{self._prefix}{self._counted}"

    def _take(self, now: float) -> list[Output]:
        """What has been decided; and if an answer is owed from now on, or still after a reply's end, that it is."""
        out, self._out = self._out, []
        thinks = any(not (reply.is_speculative or reply.is_given or reply.sounded) for reply in self._replies)
        owes = bool((self._waiting and self._verdict_due <= now) or self._tools or thinks)
        if owes and (not self._owes or any(isinstance(output, c.ReplyDone) for output in out)):
            out.append(c.AnswerOwed())
        if owes and not self._owes and self._filler and not self._spoke_in_turn:
            self._filler_due = now + self._filler_after_seconds
        if not owes:
            self._filler_due = math.inf
        self._owes = owes
        return out

    _rules: ClassVar[dict[type, Callable[[ChainTurns, Any, float], None]]] = {
        s.SpeechBegan: _speech_began,
        s.TurnGoesOn: _turn_goes_on,
        s.TurnMayBeOver: _turn_may_be_over,
        s.TurnResumed: _turn_resumed,
        s.TurnOver: _turn_over,
        s.Thought: _thought,
        s.Unthought: _unthought,
        s.ThoughtOver: _thought_over,
        s.ThoughtFailed: _thought_failed,
        s.Sound: _sound,
        s.SpokenWords: _spoken_words,
        s.SpeechOver: _speech_over,
        s.SpeechFailed: _speech_failed,
        s.VoiceChanged: _voice_changed,
        c.RequestReply: _reply_wanted,
        c.SayExactly: _said_exactly,
        c.AnswerTool: _tool_answered,
        c.TruncateReply: _truncate,
        c.IgnoreTurn: _ignore,
    }
