"""Lines of this machine that are said because the model, which was asked for them, cannot be heard."""

import attrs
import pytest

from tests.bridge.silences import CHAIN, HOSTED, LINES, PATIENT, WORDS, pass_time
from tests.playbook import GREETS_NOBODY, Playbook


@pytest.mark.parametrize("capabilities", [HOSTED, CHAIN], ids=["hosted", "chain"])
def test_a_second_request_does_not_put_off_what_is_said_instead_of_the_first(capabilities):
    """With a short ``idle_seconds`` a dead model is asked for the goodbye before its question was given up."""
    limits = attrs.evolve(PATIENT, idle_seconds=5.0)
    book = Playbook(capabilities=capabilities, limits=limits, lines=LINES, persona=GREETS_NOBODY).live()
    ((at, text),), _ = pass_time(book, 7)
    assert text == WORDS.idle_goodbye
    assert at == pytest.approx(5 * 2 / 3 + limits.dead_air_seconds, abs=0.05)
