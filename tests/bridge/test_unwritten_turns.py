"""Turns whose words are never told: a server's transcription failed, or it was not asked to write."""

import attrs
import pytest

from tests.bridge.interrupted import CUTS_ITSELF, WRITES_LATE, sound_of, speaking
from tests.playbook import SPEECH
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import ClearPlayback


@pytest.mark.parametrize("capabilities", [WRITES_LATE, attrs.evolve(CUTS_ITSELF, truncates=True)])
@pytest.mark.parametrize("answered_after", [0.4, 1.3])
def test_the_answer_to_long_speech_without_a_word_is_heard_in_one_piece(capabilities, answered_after):
    book = speaking(capabilities)
    book.on(c.CallerSpeechStarted())
    for _ in range(20):
        book.after(0.1).on(ms.CallerAudio(SPEECH))
        book.tick()
    book.on(c.CallerSpeechStopped())
    done = [command for _, command in book.pass_time(answered_after)]
    done += book.speak("r2", *[SPEECH] * 30)
    done += book.on(c.ReplyDone("r2", interrupted=False))
    done = [*done, *(command for _, command in book.pass_time(6))]
    assert len(sound_of(done)) == 30 * 800
    assert not any(isinstance(command, ClearPlayback) for command in done)
    assert book.record.counters["barge_ins"] == 1
