"""Ears and a voice that need no account, no key and no network.

The files, from the outside inwards:

    speech       load the models once, then listen, transcribe, say; threads and limits are here
    heard        what ears report: speech started, speech stopped
    voices       who can speak, and how a text is cut into what is said in one breath
    ears         mu-law in, reports out; its only clock is the audio
    recogniser   one utterance in, its words out
    mouth        a text in, telephone audio out
    telephone    mu-law tables, halving and doubling of the sample rate

The first three, and this package, can be imported without the libraries of the ``speech`` extra. The others need numpy
and are entered through ``load_speech`` and ``load_mouth``, which are also alone in naming the libraries that hear and
speak.
"""

from trio_voice.speech.heard import SILENCE_MS, Heard, SpeechStarted, SpeechStopped
from trio_voice.speech.speech import LIBRARIES, Speech, SpeechUnavailable, load_mouth, load_speech, why_not_built
from trio_voice.speech.voices import VOICES, Voice, split_sentences, voice_named, voice_of

__all__ = [
    "LIBRARIES",
    "SILENCE_MS",
    "VOICES",
    "Heard",
    "Speech",
    "SpeechStarted",
    "SpeechStopped",
    "SpeechUnavailable",
    "Voice",
    "load_mouth",
    "load_speech",
    "split_sentences",
    "voice_named",
    "voice_of",
    "why_not_built",
]
