"""A recogniser that tells nothing of a loud line: when another is asked to listen."""

from trio_voice.chain.deafness import APART_SECONDS, Deafness


def loud(deafness, start, seconds):
    """Loud from then on for so long; returns when it is found to be deaf, in the six seconds that follow it."""
    for frame in range(round(seconds * 50) + 300):
        now = start + frame / 50
        if frame < seconds * 50:
            deafness.loud(0.02, now)
        if deafness.is_found(now):
            return round(now - start, 2)
    return None


def test_whoever_tells_nothing_of_a_caller_for_four_seconds_is_deaf():
    assert loud(Deafness(), 20, 1.5) == 4.0


def test_whoever_still_speaks_may_be_told_of_at_the_end():
    assert loud(Deafness(), 20, 5) == 6.48
    assert loud(Deafness(), 20, 30) == 12.0


def test_a_click_is_nothing_to_tell_of_unless_it_comes_again_and_again():
    assert loud(Deafness(), 20, 0.5) is None
    deafness = Deafness()
    assert loud(deafness, 20, 0.5) is None
    assert loud(deafness, 28, 0.7) == 2.18
    deafness = Deafness()
    assert loud(deafness, 20, 0.5) is None
    assert loud(deafness, 32, 0.7) is None


def test_whoever_tells_anything_has_ears():
    deafness = Deafness()
    for second in range(0, 60, 3):
        deafness.loud(2.0, second)
        assert not deafness.is_found(second + 3.9)
        deafness.told()
        assert not deafness.is_suspected


def test_what_another_tells_nothing_of_either_is_a_noise():
    deafness = Deafness()
    assert loud(deafness, 20, 2) == 4.0
    assert loud(deafness, 30, 2) is None
    assert all(loud(deafness, at, 2) is None for at in range(100, 400, 20))
    deafness.told()
    assert loud(deafness, 500, 2) == 4.0


def test_a_noise_between_words_has_nobody_replaced_twice_a_minute():
    deafness = Deafness()
    assert loud(deafness, 20, 2) == 4.0
    deafness.told()
    assert loud(deafness, 40, 2) is None
    deafness.told()
    assert loud(deafness, 24 + APART_SECONDS, 2) == 4.0
