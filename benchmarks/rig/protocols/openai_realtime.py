"""OpenAI's Realtime API in its GA shape, ``wss://api.openai.com/v1/realtime`` (its "server events" reference)."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

from rig.protocols.protocol import Heard

MULAW_TONE_5_MS = b"\x10" * 20 + b"\x90" * 20
PCM_TONE_5_MS = b"\x40\x1f" * 60 + b"\xc0\xe0" * 60
"""200 Hz in 16 bits at 24 kHz, which is what a client gets that asks for nothing else."""


class OpenAIRealtime:
    """One session. It speaks when it is asked to, and has no goodbye: a closed socket ends it."""

    url = "ws://{netloc}/v1/realtime"
    has_goodbye = False
    configured_by_url = False

    def __init__(self) -> None:
        self.asked = False
        self.tools: list[str] = []
        self._session: dict[str, Any] = {"type": "realtime", "object": "realtime.session", "id": "sess_1"}
        self._numbers = itertools.count(1)
        self._reply: dict[str, Any] = {}
        self._item = ""

    def _say(self, kind: str, **fields: Any) -> str:
        return json.dumps({"type": kind, "event_id": f"event_{next(self._numbers)}", **fields})

    def welcome(self) -> list[str]:
        return [self._say("session.created", session=self._session)]

    def heard(self, message: str | bytes) -> Heard:
        said = json.loads(message)
        match said["type"]:
            case "session.update":
                self._session |= said["session"]
                self.tools = [tool["name"] for tool in self._session.get("tools") or []]
                return Heard.CONFIGURES
            case "response.create":
                self.asked = True
                return Heard.ASKS
        return Heard.OTHER

    def ready(self) -> list[str]:
        return [self._say("session.updated", session=self._session)]

    def reply_begins(self) -> list[str]:
        number = next(self._numbers)
        self._item = f"item_{number}"
        self._reply = {"id": f"resp_{number}", "object": "realtime.response", "status": "in_progress", "output": []}
        return [
            self._say("response.created", response=self._reply),
            self._say("response.output_item.added", output_index=0, **self._ids(item=self._message("in_progress"))),
            self._say("conversation.item.added", previous_item_id=None, item=self._message("in_progress")),
            self._part("response.content_part.added"),
        ]

    def audio(self, milliseconds: int) -> list[str]:
        audio = self._session.get("audio") or {}
        mulaw = ((audio.get("output") or {}).get("format") or {}).get("type") == "audio/pcmu"
        tone = MULAW_TONE_5_MS if mulaw else PCM_TONE_5_MS
        delta = base64.b64encode(tone * (milliseconds // 5)).decode()
        return [self._spoken("response.output_audio.delta", delta=delta)]

    def reply_ends(self) -> list[str]:
        return [
            self._spoken("response.output_audio_transcript.delta", delta="Ahoy."),
            self._spoken("response.output_audio.done"),
            self._spoken("response.output_audio_transcript.done", transcript="Ahoy."),
            self._part("response.content_part.done"),
            *self._done("completed", self._message("completed")),
        ]

    def caller_speaks(self) -> list[str]:
        said = [self._say("input_audio_buffer.speech_started", audio_start_ms=1_000, item_id="item_caller")]
        if self._reply.get("status") == "in_progress":
            said += self._done("cancelled", self._message("incomplete"))
        return said

    def caller_spoke(self) -> list[str]:
        item = {"id": "item_caller", "object": "realtime.item", "type": "message", "role": "user", "content": []}
        return [
            self._say("input_audio_buffer.speech_stopped", audio_end_ms=1_500, item_id="item_caller"),
            self._say("input_audio_buffer.committed", previous_item_id=None, item_id="item_caller"),
            self._say("conversation.item.added", previous_item_id=None, item=item),
        ]

    def tool_call(self, name: str) -> list[str]:
        begun = self.reply_begins()[0]
        call = {
            "id": self._item,
            "object": "realtime.item",
            "type": "function_call",
            "status": "in_progress",
            "call_id": f"call_{next(self._numbers)}",
            "name": name,
            "arguments": "",
        }
        done = call | {"status": "completed", "arguments": "{}"}
        arguments = {"call_id": call["call_id"], "name": name, "arguments": "{}", "output_index": 0}
        return [
            begun,
            self._say("response.output_item.added", output_index=0, **self._ids(item=call)),
            self._say("conversation.item.added", previous_item_id=None, item=call),
            self._say("response.function_call_arguments.done", item_id=self._item, **self._ids(**arguments)),
            *self._done("completed", done),
        ]

    def going(self) -> list[str]:
        return []

    def error(self) -> list[str]:
        failure = {"type": "server_error", "code": "internal_error", "message": "the server had an error"}
        return [self._say("error", error=failure | {"param": None, "event_id": None})]

    def farewell(self) -> list[str]:
        return []

    def _ids(self, **fields: Any) -> dict[str, Any]:
        return {"response_id": self._reply["id"], **fields}

    def _message(self, status: str) -> dict[str, Any]:
        return {
            "id": self._item,
            "object": "realtime.item",
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [],
        }

    def _spoken(self, kind: str, **fields: Any) -> str:
        return self._say(kind, item_id=self._item, output_index=0, content_index=0, **self._ids(**fields))

    def _part(self, kind: str) -> str:
        return self._spoken(kind, part={"type": "audio", "transcript": ""})

    def _done(self, status: str, item: dict[str, Any]) -> list[str]:
        self._reply |= {"status": status, "output": [item], "usage": None, "status_details": None}
        return [
            self._say("response.output_item.done", output_index=0, **self._ids(item=item)),
            self._say("conversation.item.done", previous_item_id=None, item=item),
            self._say("response.done", response=self._reply),
        ]
