"""Pauses before a question is put again."""

from tests.chain.failing import refused
from tests.chain.stages import Stage
from trio_voice.chain.tries import RETRY_SECONDS


def test_who_asks_for_no_pause_at_all_is_given_one():
    stage = Stage()
    stage.do(refused(stage.asked().number, wait_seconds=0.0))
    assert stage.question.after_seconds == RETRY_SECONDS
