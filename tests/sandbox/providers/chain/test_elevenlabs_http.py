"""ElevenLabs' speech over HTTP on this machine."""

import json

import pytest
import trio

from tests.sandbox.providers.chain.client import KEY, Sink
from trio_voice.sandbox.providers.assemblyai_agent import Script
from trio_voice.sandbox.providers.chain import ChainFaults, ChainManner, ChainServer, scripted

TARGET = "/v1/text-to-speech/al%2Fba/stream?output_format=ulaw_8000"


async def ask(text="Hello there.", *, target=TARGET, key=KEY, server=None, **more):
    server = server or ChainServer(scripted(Script(ms_per_letter=50)), api_key=KEY)
    sink = Sink()
    body = {"text": text, "model_id": "eleven_flash_v2_5"} | more
    await server.answer(target, {"xi-api-key": key}, json.dumps(body).encode(), sink)
    return sink, server.speaking_http.exchanges[-1]


async def test_a_text_becomes_sound_faster_than_it_is_heard_in_pieces_of_any_size(autojump_clock):
    began = trio.current_time()
    sink, exchange = await ask()
    assert sink.status == exchange.status == 200
    assert len(sink.body) == 12 * 50 * 8
    assert len(sink.pieces[0]) % 8 != 0
    assert 0 < trio.current_time() - began < 12 * 0.05
    assert exchange.complete
    assert exchange.client_errors == []


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"key": "another"}, 401),
        ({"target": TARGET.replace("al%2Fba", "")}, 404),
        ({"target": TARGET.replace("ulaw", "pcm")}, 400),
        ({"text": " "}, 400),
        ({"text": 7}, 400),
        ({"model_id": "sonic"}, 400),
    ],
)
async def test_what_is_refused(autojump_clock, wrong, status):
    sink, exchange = await ask(**wrong)
    assert sink.status == exchange.status == status
    assert json.loads(sink.body)["detail"]["status"]
    assert len(exchange.client_errors) == 1


async def test_its_whims_come_in_their_order(autojump_clock):
    faults = ChainFaults(speaking_http=("refuse", "overload", "cut", None))
    server = ChainServer(scripted(Script()), api_key=KEY, faults=faults, manner=ChainManner(sound_ms=40))
    sinks = [(await ask(server=server))[0] for _ in range(5)]
    assert [sink.status for sink in sinks] == [401, 429, 200, 200, 200]
    assert [sink.was_cut for sink in sinks] == [False, False, True, False, False]
    assert len(sinks[2].body) < len(sinks[3].body)
    assert [exchange.client_errors for exchange in server.speaking_http.exchanges] == [[]] * 5


async def test_a_server_that_is_there_for_long_remembers_nothing(autojump_clock):
    server = ChainServer(scripted(Script()), remembers=False)
    sink = Sink()
    await server.answer(TARGET, {}, b'{"text":"Hi","model_id":"eleven_flash_v2_5"}', sink)
    await server.answer("/v1/chat/completions", {}, b"{}", sink)
    assert server.speaking_http.exchanges == server.thinking.exchanges == []
