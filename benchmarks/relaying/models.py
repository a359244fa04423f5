"""Wires of models, as much of them as an echo and a conversation need: one class for each protocol."""

from __future__ import annotations

import base64
import json
from typing import Any, Protocol

from relaying.audio import AUDIBLE, PCM_FRAME_BYTES


class Model(Protocol):
    """One protocol, for every session of it: a reply is known by the name that it is given."""

    transcoded: bool
    """True if its audio is 16 bits at 24 kHz, so that a relay has to resample; else it is Twilio's own mu-law."""

    def welcome(self) -> list[bytes]:
        """Messages that it sends when a socket has opened."""

    def answers(self, message: bytes) -> list[bytes]:
        """To anything but audio."""

    def is_goodbye(self, message: bytes) -> bool:
        """True if the socket is to be closed after that."""

    def caller_speaks(self) -> list[bytes]: ...

    def caller_spoke(self, turn: int) -> list[bytes]: ...

    def reply_begins(self, reply: str) -> list[bytes]: ...

    def audio(self, reply: str, payload: bytes) -> bytes:
        """Audio in base64, as it goes over this wire."""

    def speech(self, milliseconds: int) -> bytes:
        """Sound of this length, as ``audio`` takes it."""

    def reply_ends(self, reply: str, *, interrupted: bool) -> list[bytes]: ...


class AssemblyAI:
    """AssemblyAI's voice agent with mu-law."""

    transcoded = False

    def welcome(self) -> list[bytes]:
        return []

    def answers(self, message: bytes) -> list[bytes]:
        if b"session.update" in message:
            return [b'{"type":"session.ready","session_id":"s","config":{}}']
        return [b'{"type":"session.ended","session_duration_seconds":1}'] if self.is_goodbye(message) else []

    def is_goodbye(self, message: bytes) -> bool:
        return b"session.end" in message

    def caller_speaks(self) -> list[bytes]:
        return [b'{"type":"input.speech.started"}']

    def caller_spoke(self, turn: int) -> list[bytes]:
        said = b'{"type":"transcript.user","item_id":"i%d","text":"What is it?"}' % turn
        return [b'{"type":"input.speech.stopped"}', said]

    def reply_begins(self, reply: str) -> list[bytes]:
        return [b'{"type":"reply.started","reply_id":"%b"}' % reply.encode()]

    def audio(self, reply: str, payload: bytes) -> bytes:
        return b'{"type":"reply.audio","reply_id":"%b","data":"%b"}' % (reply.encode(), payload)

    def speech(self, milliseconds: int) -> bytes:
        return _mulaw(milliseconds)

    def reply_ends(self, reply: str, *, interrupted: bool) -> list[bytes]:
        if interrupted:
            return [b'{"type":"reply.done","reply_id":"%b","status":"interrupted"}' % reply.encode()]
        return [
            b'{"type":"reply.done","reply_id":"%b","status":"completed"}' % reply.encode(),
            b'{"type":"transcript.agent","reply_id":"%b","text":"It is what it is."}' % reply.encode(),
        ]


class OpenAIRealtime:
    """OpenAI's Realtime API in its GA shape (its "server events" reference).

    Args:
        transcoded: for a client that asks for no format and so gets 16 bits at 24 kHz, instead of one that asks for
            mu-law.
    """

    def __init__(self, *, transcoded: bool) -> None:
        self.transcoded = transcoded

    def welcome(self) -> list[bytes]:
        return [_event("session.created", session={"type": "realtime", "id": "sess_1"})]

    def answers(self, message: bytes) -> list[bytes]:
        if b"session.update" not in message:
            return []
        asked = json.loads(message)["session"]
        if (b"audio/pcmu" in message) is self.transcoded:
            raise RuntimeError(f"a relay asked for another format than its row in RELAYS says: {asked.get('audio')}")
        return [_event("session.updated", session={"type": "realtime", "id": "sess_1", **asked})]

    def is_goodbye(self, message: bytes) -> bool:
        del message
        return False  # a closed socket is

    def caller_speaks(self) -> list[bytes]:
        return [_event("input_audio_buffer.speech_started", audio_start_ms=0, item_id="caller")]

    def caller_spoke(self, turn: int) -> list[bytes]:
        item = f"caller{turn}"
        return [
            _event("input_audio_buffer.speech_stopped", audio_end_ms=0, item_id=item),
            _event("input_audio_buffer.committed", previous_item_id=None, item_id=item),
        ]

    def reply_begins(self, reply: str) -> list[bytes]:
        return [
            _event("response.created", response=_response(reply, "in_progress")),
            _event("response.output_item.added", response_id=reply, output_index=0, item=_item(reply, "in_progress")),
            _event("conversation.item.added", previous_item_id=None, item=_item(reply, "in_progress")),
        ]

    def audio(self, reply: str, payload: bytes) -> bytes:
        name = reply.encode()
        return (
            b'{"type":"response.output_audio.delta","event_id":"e","response_id":"%b","item_id":"%b-item",'
            b'"output_index":0,"content_index":0,"delta":"%b"}' % (name, name, payload)
        )

    def speech(self, milliseconds: int) -> bytes:
        if not self.transcoded:
            return _mulaw(milliseconds)
        return base64.b64encode((b"\x00\x10" * 24 + b"\x00\xf0" * 24) * (milliseconds * PCM_FRAME_BYTES // 20 // 96))

    def reply_ends(self, reply: str, *, interrupted: bool) -> list[bytes]:
        status = "cancelled" if interrupted else "completed"
        where = {"response_id": reply, "item_id": f"{reply}-item", "output_index": 0, "content_index": 0}
        item = _item(reply, "incomplete" if interrupted else "completed")
        words = "It is what it is."
        said = [
            _event("response.output_audio_transcript.delta", **where, delta=words),
            _event("response.output_audio.done", **where),
            _event("response.output_audio_transcript.done", **where, transcript=words),
        ]
        return [
            *([] if interrupted else said),
            _event("response.output_item.done", response_id=reply, output_index=0, item=item),
            _event("response.done", response=_response(reply, status)),
        ]


def _event(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, "event_id": "e", **fields}).encode()


def _response(reply: str, status: str) -> dict[str, Any]:
    return {"object": "realtime.response", "id": reply, "status": status, "output": [], "usage": None}


def _item(reply: str, status: str) -> dict[str, Any]:
    kind = {"object": "realtime.item", "type": "message", "role": "assistant"}
    return {"id": f"{reply}-item", "status": status, "content": [], **kind}


def _mulaw(milliseconds: int) -> bytes:
    return base64.b64encode(AUDIBLE[: milliseconds * 8])
