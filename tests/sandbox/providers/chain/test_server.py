"""The chain over real sockets on loopback, by the very legs that a call has."""

import socket
import struct
from datetime import UTC, datetime
from functools import partial

import pytest
import trio

from tests.sandbox.providers.chain.client import KEY, SCRIPT
from trio_voice.call.probe import rehearse
from trio_voice.errors import ModelUnavailable
from trio_voice.legs.providers import KINDS, LegSpec
from trio_voice.legs.session_ledger import Ledger
from trio_voice.limits import Limits
from trio_voice.net.websocket import open_websocket
from trio_voice.persona import Persona
from trio_voice.protocols.chain_stages import HEARING, SPEAKING, THINKING, ChainSettings
from trio_voice.record import CallRecord
from trio_voice.sandbox.providers.chain import open_chain, scripted
from trio_voice.sandbox.providers.chain.http import serve_http
from trio_voice.session_record import Closing

PERSONA = Persona(name="p", model="m", greeting="Hello.", voice="alba")
CREDENTIALS = {"stt": "STT_KEY", "llm": "LLM_KEY", "tts": "TTS_KEY"}


def chain_of(*, stt="assemblyai-streaming", tts="elevenlabs"):
    stages = {"stt": (HEARING, stt, {}), "llm": (THINKING, "openai-chat", {"model": "m"}), "tts": (SPEAKING, tts, {})}
    return ChainSettings(
        name="desk",
        kind="chain",
        url="sandbox",
        **{
            key: (table[kind].settings(kind=kind, credential=CREDENTIALS[key], **more),)
            for key, (table, kind, more) in stages.items()
        },
    )


async def try_out(settings, keys):
    """Open the chain against the sandbox and close it; what came of it, what is in the record, and the server."""
    record = CallRecord(call_id="c", direction="none", persona="p", from_number="", to_number="")
    async with open_chain(scripted(SCRIPT), api_key=KEY) as server:
        spec = LegSpec(
            settings=settings.at(server.urls),
            persona=PERSONA,
            tools=(),
            ledger=Ledger(record),
            keys=keys,
            wall_clock=lambda: datetime.now(UTC),
        )
        heard = await rehearse(KINDS["chain"].make(spec), PERSONA, Limits(), 1.0)
    return heard, record, server


KINDS_OF_STAGE = [
    (key, kind)
    for key, table in {"stt": HEARING, "tts": SPEAKING}.items()
    for kind, stage in table.items()
    if not stage.in_process
]


@pytest.mark.parametrize(("key", "kind"), KINDS_OF_STAGE, ids=map(" ".join, KINDS_OF_STAGE))
async def test_each_provider_is_found_at_its_own_path(key, kind):
    with trio.fail_after(20):
        heard, record, server = await try_out(chain_of(**{key: kind}), dict.fromkeys(CREDENTIALS.values(), KEY))
    assert heard.problem is None
    assert [mistake for session in server.sessions for mistake in session.client_errors] == server.turned_away == []
    assert kind.removesuffix("-http") in {session.provider for session in record.model_sessions}
    assert heard.heard_ms > 0
    assert {session.closing for session in record.model_sessions} == {Closing.ACKNOWLEDGED}
    assert all(session.told_goodbye for session in server.sessions)


@pytest.mark.parametrize(("key", "kind"), KINDS_OF_STAGE, ids=map(" ".join, KINDS_OF_STAGE))
async def test_a_wrong_key_is_one_line_that_names_it(key, kind):
    keys = dict.fromkeys(CREDENTIALS.values(), KEY) | {CREDENTIALS[key]: "another"}
    with trio.fail_after(20):
        heard, _, server = await try_out(chain_of(**{key: kind}), keys)
    assert CREDENTIALS[key] in heard.problem
    assert "another" not in heard.problem
    assert "\n" not in heard.problem
    whose = [*server.sessions, *server.speaking_http.exchanges]
    assert len([mistake for each in whose for mistake in each.client_errors] + server.turned_away) == 1


async def test_what_is_not_there_is_not_found():
    with trio.fail_after(20):
        async with open_chain(scripted(SCRIPT)) as server:
            address = server.urls["tts.url"].replace("http", "ws")
            with pytest.raises(ModelUnavailable, match="404") as refused:
                await open_websocket(f"{address}/v9/listen", {}, max_message_bytes=1_000)
    assert refused.value.status == 404


def test_a_stage_by_another_host_is_at_its_own_path():
    urls = {"stt.url": "ws://127.0.0.1:7/v3/ws", "llm.url": "http://127.0.0.1:8/v1", "tts.url": "http://127.0.0.1:7"}
    moved = chain_of(stt="deepgram-flux").at(urls)
    assert moved.stt[0].url == "ws://127.0.0.1:7/v2/listen"
    assert (moved.llm[0].url, moved.tts[0].url) == (urls["llm.url"], urls["tts.url"])


async def test_a_server_that_is_there_for_long_remembers_no_session():
    record = CallRecord(call_id="c", direction="none", persona="p", from_number="", to_number="")
    with trio.fail_after(20):
        async with open_chain(scripted(SCRIPT), remembers=False) as server:
            settings = chain_of(stt="deepgram-flux", tts="cartesia").at(server.urls)
            spec = LegSpec(
                settings=settings,
                persona=PERSONA,
                tools=(),
                ledger=Ledger(record),
                keys=dict.fromkeys(CREDENTIALS.values(), KEY),
                wall_clock=lambda: datetime.now(UTC),
            )
            heard = await rehearse(KINDS["chain"].make(spec), PERSONA, Limits(), 0.3)
            while server.sessions:
                await trio.sleep(0.01)
    assert heard.problem is None


async def test_a_client_that_drops_an_answer_ends_no_other():
    class Talkative:
        async def answer(self, _target, _headers, _body, sink):
            await sink.start(200)
            while True:
                await sink.send(b"x" * 10_000)

    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(serve_http, Talkative()))
        for _ in range(3):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(request)
            assert await stream.receive_some()
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it is reset
            await stream.aclose()
        nursery.cancel_scope.cancel()
