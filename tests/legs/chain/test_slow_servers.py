"""Language models that are slow, load or hang."""

import json

import attrs
import pytest
import trio

from tests import calls
from tests.chains import Chain
from tests.legs.chain.chat_servers import SCRIPT, WORDS, YES, Answer, Server, a_call, error, said, sse
from trio_voice.limits import Limits
from trio_voice.record import EndReason


async def test_a_slow_starter_has_a_limit_of_its_own(autojump_clock):
    slow = attrs.evolve(YES, after=14.0)
    server, rig = await a_call(slow, models=({"model": "m", "first_byte_seconds": 20.0},), seconds=20)
    assert said(rig)[-1] == WORDS
    assert len(server.asked) == 1


IN_HOUSE = ({"model": "m", "url": "http://127.0.0.1:8080/v1"},)


async def test_a_server_of_ones_own_that_loads_is_not_hung_up_on(autojump_clock):
    """It answers all that wait once it has loaded; the first of them is heard, once."""
    loaded = trio.current_time() + 15.5

    class Loading(Server):
        async def answer(self, *request):
            await trio.sleep_until(loaded)
            await super().answer(*request)

    server = Loading(YES)
    async with calls.live_call(model=Chain(answerer=server, models=IN_HOUSE, filler=""), script=SCRIPT) as rig:
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(20)
        rig.twilio.hang_up()
    assert said(rig)[-1] == WORDS
    assert said(rig).count(WORDS) == 1
    assert rig.record.end_reason is EndReason.HANGUP


async def test_the_only_model_is_not_hung_up_on_where_it_is_slow(autojump_clock):
    server, rig = await a_call(attrs.evolve(YES, after=13.0), seconds=20)
    assert said(rig).count(WORDS) == 1
    assert len(server.asked) == 2  # the second, beside the first, is not waited for


async def test_a_second_question_that_is_refused_costs_the_first_nothing(autojump_clock):
    server, rig = await a_call(attrs.evolve(YES, after=13.0), error(429), seconds=20)
    assert said(rig).count(WORDS) == 1
    assert len(server.asked) == 2


@pytest.mark.parametrize("models", [IN_HOUSE, ({"model": "m"},)], ids=["in one's own network", "elsewhere"])
async def test_the_only_model_that_hangs_is_asked_a_second_time_meanwhile(autojump_clock, models):
    server, rig = await a_call(attrs.evolve(YES, after=1_000.0), YES, models=models, seconds=14)
    assert said(rig)[-1] == WORDS
    assert len(server.asked) == 2
    assert server.times[1] - server.times[0] == pytest.approx(8.0, abs=0.01)


async def test_a_silent_language_model_is_not_waited_for_where_there_is_another(autojump_clock):
    models = ({"model": "a"}, {"model": "b"})
    server, rig = await a_call(
        YES,
        models=models,
        seconds=12,
        refusal=lambda asked: attrs.evolve(YES, after=1_000.0) if asked["model"] == "a" else None,
    )
    assert said(rig)[-1] == WORDS
    assert server.times[1] - server.times[0] == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize(
    "nothing", [b": OPENROUTER PROCESSING\n\n", sse({"role": "assistant", "content": ""}, finish="", done=False)]
)
async def test_a_server_that_only_says_that_it_lives_is_not_waited_for(autojump_clock, nothing):
    async def lives(_target, _headers, body, sink):
        asked.append(json.loads(body)["model"])
        await sink.start(200, {})
        while asked[-1] == "slow":
            await sink.send(nothing)
            await trio.sleep(0.5)
        await sink.send(sse({"content": WORDS}))

    asked: list[str] = []
    server = Server(YES)
    server.answer = lives
    chain = Chain(answerer=server, models=({"model": "slow"}, {"model": "m"}), filler="")
    async with calls.live_call(model=chain, script=SCRIPT, limits=Limits(idle_seconds=100)) as rig:
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(9)
        assert said(rig)[-1] == WORDS
        rig.twilio.hang_up()
    assert asked == ["slow", "m"]


async def test_an_ollama_loads_its_model_during_the_greeting(autojump_clock):
    loading = Answer(body=b'{"done":true,"done_reason":"load"}', after=0.5)
    models = ({"model": "m", "url": "http://127.0.0.1:11434/v1"},)
    server, rig = await a_call(loading, YES, models=models)
    assert server.asked[0] == {"model": "m", "stream": False}
    assert server.times[0] < 0.1
    assert said(rig) == [WORDS]


async def test_nothing_is_asked_of_a_provider_before_the_first_question(autojump_clock):
    server, _ = await a_call(YES)
    assert server.times[0] > 1.5
