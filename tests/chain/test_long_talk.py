"""Two hours of talk with thirty tools: what a language model is told stays within its context, and memory is flat."""

import gc
import tracemalloc

import pytest

from tests.chain.stages import SOUND, Stage
from trio_voice.chain.history import MAX_LETTERS, MAX_RESULTS
from trio_voice.events import model as c
from trio_voice.events import stage as s

pytestmark = pytest.mark.slow

TURNS = 600
"""Of twelve seconds each."""
EVERY = 20
"""One turn in so many has a tool."""
RESULT = '"' + "r" * 30_000 + '"'
SENTENCE = "We close at five in the evening on weekdays, and on Saturdays we close at noon already. "


def test_two_hours_and_thirty_tools():
    stage, letters, results, memory = Stage(), [], [], []
    tracemalloc.start()
    try:
        for turn in range(TURNS):
            think = stage.asked(f"Tell me all about thing number {turn}, please.", f"c{turn}")
            if turn % EVERY == 0:
                stage.answered("", s.ToolCall(f"call{turn}", "look_up", {"n": turn}))
                (called,) = stage.of(c.ToolCalled)
                stage.do(c.SendToolResult(called.call_id, RESULT))
                think = stage.question
            told = [len(each.text) for each in think.conversation]
            results.append(sum(len(result.text) for each in think.conversation for result in each.results))
            letters.append(sum(told) + results[-1])
            assert think.conversation[0].role == "caller"
            assert any(f"number {turn}," in each.text for each in think.conversation)
            stage.answered(SENTENCE * 3)
            context = next(output.context_id for output in stage.out if isinstance(output, s.Speak))
            stage.do(s.SpokenWords(context, SENTENCE * 3, 0.0), *[s.Sound(context, SOUND)] * 6, s.SpeechOver(context))
            stage.wait(12)
            if turn % 100 == 99:
                gc.collect()
                memory.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert max(letters) <= MAX_LETTERS
    assert max(results) <= max(MAX_RESULTS, len(RESULT)) + 250 * (TURNS // EVERY)  # what is left of those before it
    assert memory[-1] - memory[2] < 100_000
