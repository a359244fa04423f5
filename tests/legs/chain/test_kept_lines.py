"""The sound of lines, kept from one call for the next."""

import pytest

from trio_voice.audio.mulaw import encode
from trio_voice.events.stage import Sound, SpokenWords
from trio_voice.legs.chain.kept_lines import MAX_LINE_MS, MAX_LINES, KeptLines, VoiceLines

SOUND = encode(b"\x2a" * 800)
HELLO = "**Hello**, it is 5."


@pytest.fixture
def kept():
    return KeptLines()


def lines_of(kept, voice="anna", texts=(HELLO,), **more):
    return VoiceLines(kept, voice, texts, "en-US", **more)


def say(lines, context, text, *facts):
    assert lines.begin(context, text) == []
    for fact in facts or (SpokenWords(context, text, 0.0), Sound(context, SOUND)):
        lines.hear(fact)


def test_what_was_said_whole_is_said_again_in_another_context(kept):
    lines = lines_of(kept)
    assert not lines.has(HELLO)
    say(lines, "1", "Hello, it is 5.")
    lines.end("1")
    other = lines_of(kept)
    assert other.has(HELLO)
    assert other.begin("7", "Hello, it is 5.") == [SpokenWords("7", "Hello, it is 5.", 0.0), Sound("7", SOUND)]


def test_another_voice_or_way_of_speaking_has_not_said_it(kept):
    lines = lines_of(kept)
    say(lines, "1", "Hello, it is 5.")
    lines.end("1")
    assert not lines_of(kept, "george").has(HELLO)
    assert not lines_of(kept, spelled_out=True).has(HELLO)
    lines.forget()
    assert not lines.has(HELLO)


def test_what_is_not_among_the_personas_lines_is_not_kept(kept):
    lines = lines_of(kept)
    say(lines, "1", "An answer.")
    lines.end("1")
    assert kept.get("anna", "An answer.") == ()


def test_what_was_cut_made_no_sound_or_went_on_for_ever_is_not_kept(kept):
    lines = lines_of(kept)
    say(lines, "1", "Hello, it is 5.")
    lines.drop("1")
    lines.end("1")
    say(lines, "2", "Hello, it is 5.", SpokenWords("2", "Hello", 0.0))
    lines.end("2")
    say(lines, "3", "Hello, it is 5.", *[Sound("3", SOUND)] * (int(MAX_LINE_MS / 100) + 1))
    lines.end("3")
    assert not lines.has(HELLO)


def test_the_lines_that_were_used_longest_ago_are_forgotten(kept):
    for number in range(MAX_LINES):
        kept.put("anna", str(number), [Sound("1", SOUND)])
    assert kept.get("anna", "0")
    kept.put("anna", "one more", [Sound("1", SOUND)])
    assert kept.get("anna", "0")
    assert not kept.get("anna", "1")
