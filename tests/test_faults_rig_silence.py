"""The caller's silence in the rig of ``benchmarks/faults.py``: what is heard, and how it is judged."""

import attrs
import pytest
import trio
from rig import session as sessions
from rig.cases import Case
from rig.faults import every_case
from rig.manner import ORDINARY
from rig.ours import our_daemon
from rig.outcome import Outcome
from rig.protocols import HEARING, KINDS, SPEAKING
from rig.protocols.elevenlabs import ElevenLabs
from rig.report import Table
from rig.sounds import Sounds

LOUD, HUSH, NOISE = b"\x10", b"\xff", b"\x7e\xfd"
OWED = Outcome("model falls silent", "greeting", model_seconds=1.0, caller_seconds=1.0, silent_seconds=5.9)


def ms(milliseconds, byte=LOUD):
    return byte * (8 * milliseconds // len(byte))


# What is heard


def test_silence_is_the_longest_time_between_two_sounds_or_before_and_after_them():
    sounds = Sounds()
    assert sounds.longest_silence(10, 14) == 4
    sounds.play(ms(1000), 11)
    assert sounds.longest_silence(10, 14) == pytest.approx(2)
    sounds.play(ms(1000), 15)
    assert sounds.longest_silence(10, 18) == pytest.approx(3)
    assert sounds.longest_silence(10, 12.5) == pytest.approx(1)
    assert sounds.longest_silence(10, 19) == pytest.approx(3)
    assert sounds.longest_silence(10, 20) == pytest.approx(4)


@pytest.mark.parametrize("quiet", [HUSH, NOISE])
def test_what_cannot_be_heard_is_silence(quiet):
    sounds = Sounds()
    sounds.play(ms(500) + ms(2000, quiet) + ms(500), 10)
    assert sounds.longest_silence(10, 13) == pytest.approx(2)


def test_what_is_cleared_is_not_heard():
    sounds = Sounds()
    sounds.play(ms(3000), 10)
    sounds.clear(11.0)
    assert sounds.longest_silence(10, 15) == pytest.approx(4)
    assert sounds.words_after(10.5, 15)
    assert not sounds.words_after(11, 15)


def test_a_last_word_comes_after_the_sign_is_no_click_and_is_heard_out():
    sounds = Sounds()
    assert not sounds.words_after(10, 20)
    sounds.play(ms(1000), 9)
    assert not sounds.words_after(10, 20)
    sounds.play(ms(100), 11)
    assert not sounds.words_after(10, 20)
    sounds.play(ms(1000), 12)
    assert sounds.words_after(10, 13.1)
    assert not sounds.words_after(10, 12.9)


# The verdict


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({}, []),
        ({"silent_seconds": 6.1}, ["silent"]),
        ({"silent_seconds": 6.1, "silent_bound_seconds": 7.0}, []),
        ({"silent_seconds": None}, []),
        ({"had_last_word": False}, ["no last word"]),
    ],
)
def test_a_caller_who_is_owed_an_answer_is_left_neither_in_silence_nor_without_a_word(change, problems):
    outcome = attrs.evolve(OWED, **change)
    assert outcome.problems == problems
    assert Table(15).line(outcome).endswith(f"  {problems[0] if problems else 'ok'}")


def test_the_longest_silence_of_several_runs_counts():
    worst = Outcome.worst([OWED, attrs.evolve(OWED, silent_seconds=6.5, had_last_word=False)])
    assert worst.problems == ["silent", "no last word"]
    assert Outcome.worst([attrs.evolve(OWED, silent_seconds=None)] * 2).silent_seconds is None


def found(kind, name) -> Case:
    (case,) = [each for each in every_case(kind) if each.name == name]
    return case


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_owed_whenever_the_model_goes_wrong_and_the_caller_has_not_left(kind):
    """It is never noticed by a caller's limit, and the call is over before the longest that one may last."""
    limits = our_daemon().limits
    for case in every_case(kind):
        words = case.fault.words
        if case.is_owed:
            assert case.limit in limits, case.name
            assert case.limit != "idle_seconds", case.name
            assert limits[case.limit] < limits["time_limit_seconds"], case.name
        elif "model" in words and "hang" not in words:
            assert (words, case.stage) == ("model falls silent", HEARING), case.name


def test_a_recogniser_that_hears_nothing_looks_like_a_caller_who_says_nothing():
    case = found("chain", "model falls silent (hearing), greeting")
    assert (case.is_owed, case.limit) == (False, "heard out and idle")
    assert found("chain", "model vanishes (hearing), greeting").is_owed


async def test_a_voice_that_has_fallen_silent_says_nothing_of_what_it_is_given_next(monkeypatch, autojump_clock):
    ours, theirs = trio.socket.socketpair()
    said = []
    with ours, theirs:
        async with trio.open_nursery() as nursery:
            voice = sessions.SocketSession(SPEAKING, trio.SocketStream(ours), ElevenLabs(), ORDINARY, nursery)

            async def send(message):
                said.append(message)

            monkeypatch.setattr(voice.line, "send", send)
            await voice.speak(400)
            assert len(said) == 4
            voice.be_quiet()
            await voice.speak(400)
            assert len(said) == 8
            voice.fall_silent()
            await voice.speak(400)
            assert len(said) == 8
