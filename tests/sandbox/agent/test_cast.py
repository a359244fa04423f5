"""The scripted ears."""

from trio_voice.sandbox.agent.backend import LoudnessEars
from trio_voice.speech import SpeechStarted, SpeechStopped


def test_loudness_is_heard_by_the_audio_s_own_clock():
    ears = LoudnessEars(100, 300)
    audio = b"\xff" * 1600 + b"\x10" * 3200 + b"\x7e" * 4000
    whole = ears.hear(audio)
    assert whole == [SpeechStarted(200), SpeechStopped(600, b"")]
    ears = LoudnessEars(100, 300)
    assert [report for at in range(0, len(audio), 7) for report in ears.hear(audio[at : at + 7])] == whole


def test_a_click_is_not_speech_and_a_breath_not_its_end():
    ears = LoudnessEars(100, 300)
    assert ears.hear(b"\x10" * 720 + b"\xff" * 8000) == []
    assert ears.hear(b"\x10" * 1600 + b"\xff" * 2320 + b"\x10" * 1600) == [SpeechStarted(1090)]
