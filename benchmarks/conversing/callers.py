"""Twilio's side of the benchmark's calls, and what their callers say: turns of several kinds."""

from __future__ import annotations

import json
import random
import sys
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import trio
import trio_websocket
from conversing.calls import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conversing.calls import Call, Kind

TURN_SECONDS: Final = 4.0
ANSWER_SECONDS: Final = 10.0
"""For a turn to be answered."""
QUIET: Final = b64encode(b"\xff" * 160).decode()


class Caller:
    """Sends silence, and notices the first sound of each answer."""

    def __init__(self, call: Call, url: str) -> None:
        self._call, self._url = call, url

    async def run(self) -> None:
        """Be on the line until it is hung up; turns that were not answered are the server's."""
        try:
            await self._be_on_the_line()
        except* (trio_websocket.ConnectionClosed, trio_websocket.HandshakeError) as ended:
            if not self._call.is_over:
                print(f"{self._call.name}: hung up: {ended.exceptions}", file=sys.stderr)

    async def _be_on_the_line(self) -> None:
        async with trio_websocket.open_websocket_url(self._url) as socket:
            sid = f"MZ{self._call.name}"
            form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
            start = {"streamSid": sid, "callSid": f"CA{self._call.name}", "tracks": ["inbound"], "mediaFormat": form}
            start |= {"accountSid": "AC0", "customParameters": {}}
            await socket.send_message('{"event":"connected","protocol":"Call","version":"1.0.0"}')
            await socket.send_message(json.dumps({"event": "start", "streamSid": sid, "start": start}))
            self._call.began = trio.current_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_silence, socket, sid)
                while True:
                    message = json.loads(await socket.get_message())
                    if message["event"] == "mark":
                        await socket.send_message(json.dumps(message))
                    elif message["event"] == "media":
                        self._hear(trio.current_time())

    def _hear(self, now: float) -> None:
        call = self._call
        if not call.greeted_at:
            call.greeted_at = now
            call.greeted.set()
        elif call.turns and (turn := call.turns[-1]).sound_sent and not turn.heard_at:
            turn.heard_at = now
            turn.heard.set()

    @staticmethod
    async def _send_silence(socket: trio_websocket.WebSocketConnection, sid: str) -> None:
        due = trio.current_time()
        media = json.dumps({"event": "media", "streamSid": sid, "media": {"track": "inbound", "payload": QUIET}})
        while True:
            due += 0.02
            await trio.sleep_until(due)
            await socket.send_message(media)


def kinds_of(turns: int, eager: int) -> Iterator[Kind]:
    """The kinds of a call's turns, but for the one after idling."""
    yield "first"
    for number in range(1, turns):
        yield ("resumed" if number % 2 else "eager") if number <= eager else "later"


async def converse(call: Call, kinds: list[Kind], idle: float, began: float, seed: int) -> None:
    """Have the turns of one call, the last after a silence."""
    dice = random.Random(seed)
    await trio.sleep_until(began + dice.random() * TURN_SECONDS)
    for number, kind in enumerate([*kinds, *(["after idling"] if idle else [])]):
        await trio.sleep(idle if kind == "after idling" else TURN_SECONDS * (0.75 + dice.random() / 2))
        turn = Turn(kind)
        call.turns.append(turn)
        with suppress(trio_websocket.ConnectionClosed):  # its turns are unanswered, then
            await _say(call, turn, number)
        with trio.move_on_after(ANSWER_SECONDS):
            await turn.heard.wait()
    call.is_over = True


async def _say(call: Call, turn: Turn, number: int) -> None:
    """One turn, as a recogniser tells it: with a pause in which it believes that this was all, or without."""
    say = call.say
    assert say is not None
    said, more = f"Are you open, asks caller {call.name}", f"Are you open, asks caller {call.name}, on Sunday"
    turn.words = more if turn.kind == "resumed" else said
    await say({"type": "SpeechStarted", "timestamp": 0})
    await trio.sleep(0.4)
    await say(_told(number, said, 0.05))
    if turn.kind in ("resumed", "eager"):
        for confidence in (0.3, 0.6):
            await trio.sleep(0.15)
            await say(_told(number, said, confidence))
        await trio.sleep(0.3)
    if turn.kind == "resumed":
        await say(_told(number, more, 0.05))
    if turn.kind != "eager":
        await trio.sleep(0.3)
    turn.final_sent = trio.current_time()
    await say(_told(number, f"{turn.words}.", 1.0, is_final=True))


def _told(number: int, words: str, confidence: float, *, is_final: bool = False) -> dict[str, Any]:
    spans = [
        {"text": word, "start": at * 100, "end": at * 100 + 90, "confidence": 0.9, "word_is_final": True}
        for at, word in enumerate(words.split())
    ]
    return {
        "type": "Turn",
        "turn_order": number,
        "turn_is_formatted": is_final,
        "end_of_turn": is_final,
        "transcript": words,
        "utterance": words if is_final else "",
        "end_of_turn_confidence": confidence,
        "words": spans,
    }
