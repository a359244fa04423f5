"""The sandbox's Gemini: its order, its pace, its refusals, and that all it says is Gemini's protocol."""

import base64
import json

import pytest
import trio

from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Close, Script, Strike, Turn
from trio_voice.sandbox.providers.gemini_live import (
    IN_TOOL,
    GeminiFaults,
    GeminiLiveServer,
    GeminiManner,
    open_gemini_live,
)
from trio_voice.sandbox.transport.memory import memory_channels
from trio_voice.sandbox.transport.sockets import connect_socket

types = pytest.importorskip("google.genai.types")

SCRIPT = Script(
    onset_ms=40,
    quiet_ms=80,
    turns=(
        Turn(heard="Are you open?", reply="Yes, until six.", reply_ms=1_000),
        Turn(heard="Roll.", reply="", tool=ToolUse("roll", {"max": 6}), after_tool="Four."),
    ),
)
SETUP = {
    "model": "models/gemini-3.8-live",
    "generationConfig": {"responseModalities": ["AUDIO"]},
    "tools": [{"functionDeclarations": [{"name": "roll", "behavior": "BLOCKING"}]}],
    "inputAudioTranscription": {},
    "outputAudioTranscription": {},
    "sessionResumption": {},
}


class Client:
    """Speaks to it by hand, and finds everything that it says to be Gemini's."""

    def __init__(self, server, nursery):
        self.wire, theirs = memory_channels()
        self.heard = []
        nursery.start_soon(server.serve_session, theirs)

    async def say(self, **message):
        await self.wire.send(json.dumps(message))

    async def hear(self):
        message = await self.wire.receive()
        assert isinstance(message, bytes)
        types.LiveServerMessage.model_validate_json(message)
        self.heard.append(json.loads(message))
        return self.heard[-1]

    async def until(self, name):
        """The next message with such a field, in ``serverContent`` or beside it."""
        while True:
            message = await self.hear()
            if name in message or name in message.get("serverContent", {}):
                return message

    async def open(self, **more):
        await self.say(setup=SETUP | more)
        await self.until("setupComplete")

    async def speak(self, ms=200, then_quiet_ms=100):
        for sample, length in ((b"\xe8\x83", ms), (b"\0\0", then_quiet_ms)):
            for _ in range(length // 20):
                data = base64.b64encode(sample * 320).decode()
                await self.say(realtimeInput={"audio": {"mimeType": "audio/pcm;rate=16000", "data": data}})
                await trio.sleep(0.02)


@pytest.fixture
def server():
    return GeminiLiveServer(SCRIPT.backend)


async def test_a_turn_comes_faster_than_it_is_heard_and_lasts_as_long_as_that(autojump_clock, nursery, server):
    client = Client(server, nursery)
    await client.open()
    await client.speak()
    assert (await client.until("inputTranscription"))["serverContent"]["inputTranscription"]["text"] == "Are"
    await client.until("modelTurn")
    began = trio.current_time()
    await client.until("generationComplete")
    assert trio.current_time() - began == pytest.approx(0.25, abs=0.05)
    done = await client.until("turnComplete")
    assert trio.current_time() - began == pytest.approx(1, abs=0.05)
    assert done["usageMetadata"]["responseTokenCount"] == 25
    contents = [message.get("serverContent", {}) for message in client.heard]
    sound = b"".join(
        base64.b64decode(part["inlineData"]["data"])
        for content in contents
        for part in content.get("modelTurn", {}).get("parts", [])
    )
    assert len(sound) == 48_000
    assert any("modelTurn" in content and "outputTranscription" in content for content in contents)
    words = [content["outputTranscription"]["text"] for content in contents if "outputTranscription" in content]
    assert "".join(words) == "Yes, until six."
    assert server.sessions[0].client_errors == []


async def test_chunks_are_cut_in_the_middle_of_a_sample(autojump_clock, nursery, server):
    client = Client(server, nursery)
    await client.open()
    await client.speak()
    message = await client.until("modelTurn")
    data = message["serverContent"]["modelTurn"]["parts"][0]["inlineData"]["data"]
    assert len(base64.b64decode(data)) % 2 == 1


async def test_it_is_interrupted_though_all_of_it_was_sent(autojump_clock, nursery, server):
    client = Client(server, nursery)
    await client.open()
    await client.speak()
    await client.until("generationComplete")
    await client.speak()
    await client.until("interrupted")
    await client.until("turnComplete")
    assert len(server.sessions[0].history[1].text) < len("Yes, until six.")


async def test_tools_in_one_message_want_their_results_in_one(autojump_clock, nursery):
    server = GeminiLiveServer(only_from(SCRIPT, 1).backend, manner=GeminiManner(parallel_calls=2, null_ids=True))
    client = Client(server, nursery)
    await client.open()
    await client.speak()
    calls = (await client.until("toolCall"))["toolCall"]["functionCalls"]
    assert [call.get("id") for call in calls] == [None, None]
    answer = {"name": "roll", "response": {"output": 4}}
    await client.say(toolResponse={"functionResponses": [answer]})
    await client.say(toolResponse={"functionResponses": [answer, answer]})
    await client.until("modelTurn")
    assert [error.code for error in server.sessions[0].client_errors] == ["partial_batch"]


def only_from(script, first):
    return Script(onset_ms=script.onset_ms, quiet_ms=script.quiet_ms, turns=script.turns[first:])


async def test_an_interruption_cancels_calls(autojump_clock, nursery):
    server = GeminiLiveServer(only_from(SCRIPT, 1).backend)
    client = Client(server, nursery)
    await client.open()
    await client.speak()
    (call,) = (await client.until("toolCall"))["toolCall"]["functionCalls"]
    await client.speak()
    assert (await client.until("toolCallCancellation"))["toolCallCancellation"]["ids"] == [call["id"]]
    response = {"id": call["id"], "name": "roll", "response": {"output": 4}}
    await client.say(toolResponse={"functionResponses": [response]})
    await trio.sleep(0.1)
    assert server.sessions[0].late_results == 1


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ({"model": "models/gemini-0"}, 1008, "not found"),
        ({"foo": 1}, 1007, "unknown field `foo`"),
        ({"generationConfig": {"responseModalities": ["TEXT"]}}, 1007, "Invalid"),
        ({"model": "models/gemini-3.1-flash-live-preview"}, 1007, "invalid argument"),
        ({"model": "models/gemini-3.8-live-extended-thinking"}, 1007, "invalid argument"),
        ({"sessionResumption": {"handle": "nobody's"}}, 1008, "Session not found"),
        (
            {
                "generationConfig": {
                    "responseModalities": ["AUDIO"],
                    "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "alba"}}},
                }
            },
            1007,
            "voice 'alba'",
        ),
    ],
)
async def test_a_setup_that_cannot_be_had_closes_the_socket(autojump_clock, nursery, server, more, code, words):
    client = Client(server, nursery)
    with pytest.raises(trio.EndOfChannel):
        await client.open(**more)
    assert client.wire.close_code == code
    assert words in client.wire.close_reason
    assert len(server.sessions[0].client_errors) == 1


@pytest.mark.parametrize(
    "message",
    [
        {"future": {}},
        {"setup": SETUP},
        {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=8000", "data": ""}}},
        {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": "?"}}},
        {"clientContent": {}},
        {"toolResponse": {"functionResponses": [{}]}},
        {},
    ],
)
async def test_a_message_that_is_wrong_closes_the_socket(autojump_clock, nursery, server, message):
    client = Client(server, nursery)
    await client.open()
    await client.say(**message)
    with pytest.raises(trio.EndOfChannel):
        while True:
            await client.hear()
    assert client.wire.close_code == 1007


async def test_nothing_may_be_said_before_setup_is_complete(autojump_clock, nursery):
    server = GeminiLiveServer(SCRIPT.backend, faults=GeminiFaults(ready_delay_seconds=1))
    client = Client(server, nursery)
    await client.say(setup=SETUP)
    await client.say(realtimeInput={"text": "Hello"})
    with pytest.raises(trio.EndOfChannel):
        await client.hear()


async def test_a_wrong_key_is_told_after_the_socket_is_open(autojump_clock, nursery):
    server = GeminiLiveServer(SCRIPT.backend, api_key="right")
    client = Client(server, nursery)
    with pytest.raises(trio.EndOfChannel):
        await client.open()
    assert (client.wire.close_code, client.wire.close_reason[:17]) == (1007, "API key not valid")


async def test_a_connection_ends_after_ten_minutes_and_says_so_before(autojump_clock, nursery, server):
    client = Client(server, nursery)
    await client.open()
    going = await client.until("goAway")
    assert (trio.current_time(), going["goAway"]) == (540, {"timeLeft": "60s"})
    with pytest.raises(trio.EndOfChannel):
        await client.hear()
    assert (trio.current_time(), client.wire.close_code) == (600, 1011)


async def test_it_is_taken_up_by_its_handle_once_its_socket_is_closed(autojump_clock, nursery, server):
    client = Client(server, nursery)
    await client.open()
    await client.speak()
    handle = None
    while handle is None:
        update = (await client.until("sessionResumptionUpdate"))["sessionResumptionUpdate"]
        handle = update["newHandle"] if update["resumable"] else None
    early = Client(server, nursery)
    with pytest.raises(trio.EndOfChannel):
        await early.open(sessionResumption={"handle": handle})
    assert early.wire.close_code == 1011
    await client.wire.aclose()
    later = Client(server, nursery)
    await later.open(sessionResumption={"handle": handle})
    assert [line.text for line in server.sessions[2].history] == ["Are you open?", "Yes, until six."]


async def test_it_wedges_when_it_is_told_to_and_may_wake_up(autojump_clock, nursery):
    server = GeminiLiveServer(SCRIPT.backend, faults=GeminiFaults(wedges=True, wakes_on_text=True))
    client = Client(server, nursery)
    await client.open()
    await client.speak()
    await client.until("modelTurn")
    await client.speak()
    await client.until("interrupted")
    with trio.move_on_after(20) as patience:
        await client.hear()
    assert patience.cancelled_caught
    await client.say(realtimeInput={"text": "Answer."})
    await client.until("modelTurn")


async def test_a_fault_strikes_at_its_moment(autojump_clock, nursery):
    strike = Strike(IN_TOOL, Close(1011, "made to fail"))
    server = GeminiLiveServer(only_from(SCRIPT, 1).backend, faults=GeminiFaults(strikes=(strike,)))
    client = Client(server, nursery)
    await client.open()
    await client.speak()
    with pytest.raises(trio.EndOfChannel):
        await client.until("turnComplete")
    assert "toolCall" in client.heard[-1]
    assert client.wire.close_code == 1011


async def test_over_a_socket(nursery):
    async with open_gemini_live(SCRIPT.backend, api_key="k") as server:
        port = int(server.url.split(":")[2].partition("/")[0])
        socket = await connect_socket(nursery, "127.0.0.1", port, GeminiLiveServer.path, [("x-goog-api-key", "k")])
        await socket.send(json.dumps({"setup": SETUP}))
        with trio.fail_after(5):
            assert "setupComplete" in json.loads(await socket.receive())
            await socket.aclose()
            await (await server.wait_session()).wait_closed()
        assert server.open_sessions == []
        assert server.sessions[0].told_goodbye
        nursery.cancel_scope.cancel()
