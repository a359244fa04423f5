"""The voice's side of the replies, and steps where it makes nothing of them: repeated, said plainly, given up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from trio_voice.audio.mulaw import base64_ms, format_named, is_audible, without_header
from trio_voice.chain.history import MAX_WORDS
from trio_voice.events import model as c
from trio_voice.events import stage as s

if TYPE_CHECKING:
    from trio_voice.chain.replies import Replies
    from trio_voice.chain.reply import Reply
    from trio_voice.chain.speech import Speech

MAX_REFUSED: Final = 2
"""Replies in a row that a voice may refuse before it is the voice that has failed."""
OTHER_WORDS: Final = "Your last words could not be spoken. Say the same in other, plain words."


class Voicing:
    """The voice's side of the replies."""

    def __init__(self, replies: Replies, speech: Speech, *, has_voice: bool) -> None:
        self._replies = replies
        self._speech = speech
        self.has_voice = has_voice
        """True if the voice is ready; if not, nothing is spoken."""
        self._refused = 0
        """Replies in a row that the voice would not speak."""

    def sound(self, fact: s.Sound, now: float) -> None:
        """A piece of sound has come."""
        reply = self._replies.spoken_in(fact.context_id)
        if reply is None:
            return
        if not reply.sounded and (named := format_named(fact.payload)):
            self.voice_failed("speech_format", f"the speech stage sends {named}: ask it for mu-law of 8,000 Hz")
            return
        payload = without_header(fact.payload)
        ms = base64_ms(payload)
        if reply.sounded or is_audible(payload):  # digital silence is none
            self._speech.sounded(reply, ms, now)
            self._refused = 0
        if reply.line is not None:
            reply.line.made_ms += ms
        self._replies.out.append(c.ReplyAudio(reply.reply_id, payload))
        if reply.sounded:
            self._tell_words(reply)

    def spoken_words(self, fact: s.SpokenWords) -> None:
        """The voice tells when it speaks these words."""
        reply = self._replies.spoken_in(fact.context_id)
        if reply is None:
            return
        if len(reply.words_ahead) < MAX_WORDS:
            reply.words_ahead.append((fact.text, fact.start_ms + reply.offset_ms))
        if reply.sounded:
            self._tell_words(reply)

    def _tell_words(self, reply: Reply, *, is_over: bool = False) -> None:
        """Tell the words whose sound has been made: a voice that breaks off has spoken no others."""
        line, ahead = reply.line, reply.words_ahead
        while line is not None and ahead and (is_over or ahead[0][1] < line.made_ms):
            words, start_ms = ahead.popleft()
            line.add_words(words, start_ms)
            self._replies.out.append(c.ReplyWords(reply.reply_id, words, start_ms))

    def speech_over(self, fact: s.SpeechOver, now: float) -> None:
        """A context is at its end: a reply that was not heard, or its last text, is spoken once more."""
        reply = self._replies.spoken_in(fact.context_id)
        if reply is None:
            return
        if reply.sounded:
            self._tell_words(reply, is_over=True)
        if not reply.closed:  # in a pause of the language model: what comes of it goes on in another context
            self._speech.paused(reply)
        elif reply.sounded and not reply.has_lost_text:
            self._replies.finish(reply)
        elif not reply.repeated:
            reply.repeated = True
            self._replies.out.append(s.Count("speech_repeated"))
            texts = reply.texts[-1:] if reply.sounded else reply.texts
            self._replies.out += self._speech.again(reply, texts, now)
        elif reply.sounded:
            reply.forget_lost_text()
            self._replies.finish(reply)
        else:
            self.voice_failed("speech_silent", "the speech stage has made no sound of a text, twice")

    def speech_failed(self, fact: s.SpeechFailed, now: float) -> None:
        """The voice refuses a text: it is given it plainly, and then other words are asked for."""
        reply = self._replies.spoken_in(fact.context_id)
        if reply is None:
            return
        self._replies.out.append(c.ModelFault(fact.code, fact.message, fatal=False))
        if not (reply.sounded or reply.repeated):
            reply.repeated = True
            self._replies.out += self._speech.again_plainly(reply, now)
            return
        if reply.number is not None:
            self._replies.out.append(s.StopThinking(reply.number))
            reply.number = None
        reply.pieces.clear()
        if not reply.sounded and reply.line is not None:
            reply.line.text = ""
        self._refused += not reply.sounded
        self._replies.finish(reply)
        if self._refused >= MAX_REFUSED:
            self.voice_failed("speech_refused", "the speech stage has refused one reply after the other")
        elif not reply.sounded:
            self._replies.wanted.append(c.RequestReply(OTHER_WORDS))

    def tick(self, now: float) -> None:
        """A voice that makes no more sound has failed, unless only the end of a reply was not told."""
        for reply in [reply for reply in self._replies.queue if now >= reply.sound_due]:
            if reply.sounded and reply.is_spoken:
                self._replies.out.append(s.Count("speech_ends_missed"))
                reply.is_open = False
                self._replies.finish(reply)
            else:
                self.voice_failed("speech_timeout", "the speech stage has made no sound in time")
                return

    def voice_failed(self, code: str, message: str) -> None:
        """The voice has failed; another may take over."""
        for reply in self._replies.queue:
            reply.sound_due = math.inf
            if not reply.sounded and reply.line is not None:
                reply.line.cut_at_ms = 0.0  # nobody has heard it
        self._replies.out.append(s.ChangeVoice(code, message))

    def voice_changed(self, fact: s.VoiceChanged, now: float) -> None:
        """Give the new voice what the one before has not spoken."""
        self.has_voice = True
        self._speech.timed_words = fact.timed_words
        for reply in [reply for reply in self._replies.queue if reply.is_open]:
            texts, reply.repeated = reply.take_unspoken(), False
            if reply.line is not None:
                reply.line.cut_at_ms = None
            if texts:
                self._replies.out += self._speech.again(reply, texts, now)
            elif reply.closed:
                self._replies.finish(reply)
            else:
                reply.is_open = False
