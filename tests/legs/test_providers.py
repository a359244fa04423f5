"""Words of each kind when its provider refuses the handshake: the key or the credential that is wrong."""

from functools import partial

import pytest
import trio

from trio_voice.call.call import wall_clock
from trio_voice.events.call import LegClosed
from trio_voice.events.model import ModelFault
from trio_voice.legs.providers import KINDS, LegSpec
from trio_voice.legs.session_ledger import Ledger
from trio_voice.persona import Persona
from trio_voice.protocols.assemblyai_streaming import AssemblyAiStreamingSettings
from trio_voice.protocols.chat_completions import ChatSettings
from trio_voice.protocols.elevenlabs import ElevenLabsSettings
from trio_voice.record import CallRecord

PERSONA = Persona(name="p", model="desk", greeting="Hello.")
ADVICE = {
    401: "check {secret}",
    403: "check {secret}, and what its account may use",
    404: "check url, model and voice of {table}",
    429: "the account behind {secret} has as many sessions as it may: lower max_calls",
}


async def refuse(status, stream):
    """Answer one upgrade with this status."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += await stream.receive_some()
    await stream.send_all(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
    await stream.aclose()


def settings_of(kind, url):
    """A table of ``[models]``, and the secret that its first socket needs."""
    if kind != "chain":
        settings = KINDS[kind].settings(name="desk", kind=kind, url=url)
        return settings, settings.credentials[0], "[models.desk]"
    settings = KINDS[kind].settings(
        name="desk",
        kind=kind,
        stt=(AssemblyAiStreamingSettings(kind="assemblyai-streaming", url=url, credential="ASSEMBLYAI_API_KEY"),),
        llm=(ChatSettings(kind="openai-chat", url="http://127.0.0.1:1", model="m"),),
        tts=(ElevenLabsSettings(kind="elevenlabs", url="wss://127.0.0.1:1", voice="v"),),
    )
    return settings, "ASSEMBLYAI_API_KEY", "the stage assemblyai-streaming"


def words_of(fact):
    """Reason for which a session is at its end; a chain tells it as a fault, for no other try would do better."""
    return fact.detail if isinstance(fact, LegClosed) else fact.message if isinstance(fact, ModelFault) else ""


@pytest.mark.parametrize("status", ADVICE)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_refused_handshake_names_what_to_check(kind, status):
    told = []
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, partial(refuse, status), [listener])
            url = f"ws://127.0.0.1:{listener.socket.getsockname()[1]}"
            settings, secret, table = settings_of(kind, url)
            record = CallRecord(call_id="c1", direction="inbound", persona="p", from_number="", to_number="")
            spec = LegSpec(
                settings=settings, persona=PERSONA, tools=(), ledger=Ledger(record), keys={}, wall_clock=wall_clock
            )
            leg = KINDS[kind].make(spec)
            heard = trio.Event()

            def tell(fact):
                told.append(fact)
                if "handshake" in words_of(fact):
                    heard.set()

            nursery.start_soon(leg.run, tell)
            await heard.wait()
            nursery.cancel_scope.cancel()
    (why,) = [words for words in map(words_of, told) if "handshake" in words]
    assert f"HTTP {status}: {ADVICE[status].format(secret=secret, table=table)}" in why
