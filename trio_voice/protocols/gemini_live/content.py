"""The talk of both sides, as ``serverContent`` tells it: replies without ids, transcriptions in increments.

Rules where Gemini leaves something open:

- Replies have no ids: one begins with whatever comes of it first, and is done with ``generationComplete``, else with
  ``turnComplete``. Gemini speaks faster than is heard, so ``interrupted`` may come after either: then it is the last
  reply that was interrupted.
- What comes in the half second after ``interrupted``, up to ``turnComplete``, is late sound of what was interrupted. A
  caller who has only begun to speak cannot have been answered by then; but a wedged session never says
  ``turnComplete``, so there must be an end to it.
- Transcriptions are increments without ids. The caller's belong together until the turn is complete or interrupted; the
  agent's belong to the reply that is open, else to the last one of the same turn.
"""

from __future__ import annotations

import base64
import math
import re
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from trio_voice.audio import mulaw as audio
from trio_voice.audio.resampler import MODEL_RATES
from trio_voice.events import model as c
from trio_voice.protocols.gemini_live.frames import Frames
from trio_voice.protocols.gemini_live.setup import asked
from trio_voice.protocols.gemini_live.watchdog import SPOKEN_MS
from trio_voice.protocols.json_messages import text_in
from trio_voice.protocols.unanswered import Rests
from trio_voice.speech_text.backchannels import spoken_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio_voice.protocols.gemini_live.setup import GeminiLiveSettings
    from trio_voice.protocols.gemini_live.tools import ToolCalls
    from trio_voice.protocols.gemini_live.watchdog import Watchdog

MAX_LETTERS: Final = 5_000
"""Of what the caller says in one turn."""
SPEAKS: Final = 24_000
"""Hz."""
WHOLE: Final = frozenset({"", "TURN_COMPLETE_REASON_UNSPECIFIED", "NEED_MORE_INPUT"})
"""Reasons for which a turn is complete that leave nothing out; the others are filters and faults."""
LATE_SECONDS: Final = 0.5
LATE_WORDS_SECONDS: Final = 10.0
"""Time after the last of the caller that was heard in which its words may still be written."""
NEXT_TURN_SECONDS: Final = 1.0
"""Words that come so long after the last, and behind something of the model's, are of another turn."""

Event = c.ModelEvent | c.Outgoing


class Content:
    """The talk of one session.

    Args:
        settings: the model, and how it is asked.
        calls: tools that the model waits for.
        watchdog: told of every sign of an answer, and of none.
    """

    def __init__(self, settings: GeminiLiveSettings, calls: ToolCalls, watchdog: Watchdog) -> None:
        self._settings = settings
        self._calls = calls
        self._watchdog = watchdog
        self._to_caller = Frames(SPEAKS)
        self._numbers = count(1)
        self._reply_id = ""
        """The last reply's."""
        self.reply_open = False
        self._speaks = False
        """There is sound in the reply that is open."""
        self.audible = False
        """And something of it can be heard: since Gemini was asked to go on with it, if it was."""
        self._stood_still = False
        """Something of it could be heard before that, and nothing since."""
        self._has_words = False
        self._written = ""
        """Text of the reply in writing, which is said to nobody."""
        self.unheard = ""
        """The words of the last reply, if nothing of it could be heard."""
        self.asked_last = ""
        """Words that Gemini was asked to say since the caller has spoken last."""
        self._asked_before = ""
        """The same, if the caller has made a sound before anything of it was heard: it may have been nothing."""
        self.heard_until = -math.inf
        """Time at which all that has come was heard, by the clock: until then Gemini says itself who speaks over it."""
        self.rests = Rests()
        self.rejects = False
        """A turn was over without a sound: taken up where it stopped, the session would do so again."""
        self.turn_open = False
        """The model's turn: it may go on after a reply is done."""
        self._late_until = -math.inf
        self._caller_item = ""
        self.caller_words = ""
        """Text of the turn that the caller is in."""
        self.has_spoken = False
        """There are words in it; Gemini writes noises down as well."""
        self._words_at = -math.inf
        """Time of the last of them."""
        self.is_answered = False
        """The model has said or asked for something since."""
        self._answered_ms, self._answered_at = 0.0, -math.inf
        """As much of the caller had been heard when it began the reply, and when the last of it was."""

    def understand(self, content: dict[str, Any], now: float) -> Iterator[Event]:
        """Events that one ``serverContent`` means."""
        heard = content.get("inputTranscription")
        if heard:
            yield from self._caller_said(text_in(heard, "text"), now, over=bool(heard.get("finished")))
        parts = (content.get("modelTurn") or {}).get("parts") or ()
        for part in parts:
            yield from self._on_part(part, now)
        words = content.get("outputTranscription")
        if words and text_in(words, "text"):
            yield from self._agent_said(text_in(words, "text"), now)
        if content.get("interrupted"):
            yield from self._interrupted(now)
        if content.get("generationComplete"):
            yield from self.reply_done()
        if content.get("turnComplete"):
            yield from self.reply_done()
            yield from self._caller_said("", now, over=True)
            if not self.audible and not self._calls:
                self.rejects = self._watchdog.silent(now)
                if self.rejects and self._stood_still:  # to everybody else it is a reply that was heard
                    yield c.AnswerOwed()
            elif self.audible:
                yield from self._broken_off(str(content.get("turnCompleteReason") or ""), now)
            self.audible = False
            self.turn_open, self._late_until = False, -math.inf

    def was_asked(self, instructions: str, now: float) -> None:
        """Gemini is asked to say something: what is heard from here on answers it, be it in a reply that is open."""
        self.asked_last = instructions
        self._stood_still = self.reply_open and (self.audible or self._stood_still)
        self.audible = False
        self._watchdog.expect_answer(now)

    def ask_still(self, now: float) -> None:
        """A sound of the caller's was nothing: what Gemini was asked to say before it is still to be heard."""
        if self._asked_before:
            self.asked_last, self._asked_before = self._asked_before, ""
            self._watchdog.expect_answer(now)

    def _broken_off(self, reason: str, now: float) -> Iterator[Event]:
        """A turn that could be heard is over; ask for the rest, once, if it was a filter or a fault that ended it."""
        if reason in WHOLE:
            self.rests.begin_again()
            return
        if self._calls:
            return
        words, said = self.rests.next(), f"Gemini broke an answer off: {reason[:60]}"
        if words is None:
            yield c.ModelFault("broken_off", said, fatal=True)
            return
        self.asked_last = words
        self._watchdog.expect_answer(now)
        yield c.ModelFault("broken_off", said, fatal=False)
        yield c.AnswerOwed()
        yield c.Outgoing(asked(self._settings, words))

    def _on_part(self, part: dict[str, Any], now: float) -> Iterator[Event]:
        sound = part.get("inlineData")
        if not sound:
            self._watchdog.making(now)
            text = text_in(part, "text")
            if text and not part.get("thought") and now >= self._late_until:  # it was asked to speak
                yield from self.reply_goes_on()
                self._written = (self._written + text)[:MAX_LETTERS]
            return
        kind = str(sound.get("mimeType"))
        rate = re.search(r"rate=(\d{1,6})", kind)
        if not kind.startswith("audio/pcm"):
            yield c.Unrecognized(f"data of type {kind[:60]!r}", garbage=True)
        elif rate is not None and int(rate[1]) not in {8_000, *MODEL_RATES}:
            yield c.Unrecognized(f"sound of {rate[1]} Hz", garbage=True)
        elif now < self._late_until:
            yield c.Unrecognized("sound of a reply that was interrupted")
        else:
            pcm = base64.b64decode(audio.plain_base64(sound["data"]), validate=True)
            yield from self.reply_goes_on()
            self._speaks = True
            mulaw = self._to_caller.feed(pcm, int(rate[1]) if rate else SPEAKS)
            if mulaw:
                payload = audio.encode(mulaw)
                self.heard_until = max(self.heard_until, now) + len(mulaw) / (audio.BYTES_PER_MS * 1000)
                # what was left in the filter may still sound behind a pause, and answers nothing
                if not self.audible and audio.is_audible(payload) and pcm.strip(b"\0"):
                    self.audible, self.rejects, self._stood_still = True, False, False
                    self.asked_last = self._asked_before = ""
                    self._watchdog.settle()
                yield c.ReplyAudio(self._reply_id, payload)

    def _agent_said(self, text: str, now: float) -> Iterator[Event]:
        if now < self._late_until:
            return
        if not self.turn_open:
            yield from self.reply_goes_on()
        self._watchdog.making(now)
        self._has_words = True
        if not self.audible:
            self.unheard = (self.unheard + text)[:MAX_LETTERS]
        yield c.ReplyWords(self._reply_id, text, None)

    def reply_goes_on(self) -> Iterator[Event]:
        """Something of a reply has come: of the open one, else of a new one."""
        self.turn_open = self.is_answered = True
        if not self.reply_open:
            self._answered_ms, self._answered_at = self._watchdog.heard_ms, self._watchdog.heard_at
            self.reply_open, self._speaks, self.audible, self._stood_still = True, False, False, False
            self._has_words, self._written, self.unheard = False, "", ""
            self._reply_id = f"reply-{next(self._numbers)}"
            yield c.ReplyStarted(self._reply_id)

    def reply_done(self) -> Iterator[Event]:
        """Nothing more of the reply that is open comes."""
        if not self.reply_open:
            return
        self.reply_open = False
        if self._speaks and (last := self._to_caller.finish()):
            yield c.ReplyAudio(self._reply_id, audio.encode(last))
        if self._written and not self._has_words:
            self.unheard = self._written
            yield c.ReplyTranscript(self._reply_id, self._written, interrupted=False)
        yield c.ReplyDone(self._reply_id, interrupted=False)

    def _interrupted(self, now: float) -> Iterator[Event]:
        """The caller has begun to speak while the model spoke, or while it believes that it is still heard."""
        self.reply_open = False
        self._late_until, self.heard_until, self._answered_at = now + LATE_SECONDS, -math.inf, -math.inf
        self._to_caller.reset()
        self._asked_before = self.asked_last if self._watchdog.is_asked else ""
        self._watchdog.interrupted(now)
        yield from self._caller_said("", now, over=True)  # what comes now is what they interrupt with
        yield c.CallerSpeechStarted()
        if self._reply_id:
            yield c.ReplyDone(self._reply_id, interrupted=True)

    def _is_late(self, now: float) -> bool:
        """True if words that are told now were said before the reply began: nothing of the caller was heard since.

        Gemini writes independently of its answers, which may be made before the words that they answer.
        """
        heard_since = self._watchdog.heard_ms - self._answered_ms
        return heard_since < SPOKEN_MS and now - self._answered_at < LATE_WORDS_SECONDS

    def _caller_said(self, text: str, now: float, *, over: bool) -> Iterator[Event]:
        if text and self._caller_item and self.is_answered and now - self._words_at > NEXT_TURN_SECONDS:
            yield from self._caller_said("", now, over=True)
        self.caller_words = (self.caller_words + text)[:MAX_LETTERS]
        spoken = spoken_in(self.caller_words.strip())
        if text and spoken:
            self.is_answered, self._words_at = False, now
        if text and not self._caller_item:
            self._caller_item = f"caller-{next(self._numbers)}"
        if not self._caller_item:
            return
        if text and spoken and not self.has_spoken:
            self.has_spoken = True
            self.rests.begin_again()
        if text and spoken and not self.reply_open and not self._calls and not self._is_late(now):
            self.asked_last = self.unheard = ""
            self._watchdog.hear_words(now)
        if (text and spoken) or over:
            yield c.CallerTranscript(self._caller_item, spoken, final=over)
        if over:
            self._caller_item, self.caller_words, self.has_spoken = "", "", False
