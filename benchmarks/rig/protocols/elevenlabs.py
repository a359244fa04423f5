"""ElevenLabs' multi-context speech socket (its "multi-context WebSocket" reference): what a chain speaks by."""

from __future__ import annotations

import base64
import json
from collections import deque

from rig.protocols.protocol import Heard

MULAW_TONE_5_MS = b"\x10" * 20 + b"\x90" * 20
"""200 Hz."""


class ElevenLabs:
    """One socket. Each reply is a context of its own, and ends when it has been spoken and the client has closed it."""

    url = "http://{netloc}"
    has_goodbye = True
    configured_by_url = False
    asked = False

    def __init__(self) -> None:
        self.tools: list[str] = []
        self._known: set[str] = set()
        self._begun: set[str] = set()
        self._to_speak: deque[str] = deque()
        self._spoken: set[str] = set()
        self._closed: set[str] = set()
        self._context = ""

    def welcome(self) -> list[str]:
        return []

    def heard(self, message: str | bytes) -> Heard:
        said = json.loads(message)
        if said.get("close_socket"):
            return Heard.GOODBYE
        context = said["context_id"]
        if said.get("close_context"):
            self._closed.add(context)
            if context in self._spoken:
                self._context = context
                return Heard.FINISHES
        elif context not in self._known:
            self._known.add(context)
            return Heard.CONFIGURES
        elif said["text"] and context not in self._begun:
            self._begun.add(context)
            self._to_speak.append(context)
            return Heard.WORDS
        return Heard.OTHER

    def ready(self) -> list[str]:
        return []

    def reply_begins(self) -> list[str]:
        if self._to_speak:
            self._context = self._to_speak.popleft()
        return []

    def audio(self, milliseconds: int) -> list[str]:
        sound = base64.b64encode(MULAW_TONE_5_MS * (milliseconds // 5)).decode()
        letters = {"chars": ["a", " "], "charStartTimesMs": [0, milliseconds // 2], "charDurationsMs": [9, 9]}
        return [json.dumps({"audio": sound, "contextId": self._context, "isFinal": None, "alignment": letters})]

    def reply_ends(self) -> list[str]:
        self._spoken.add(self._context)
        if self._context not in self._closed:
            return []
        return [json.dumps({"isFinal": True, "contextId": self._context})]

    def caller_speaks(self) -> list[str]:
        return []

    def caller_spoke(self) -> list[str]:
        return []

    def tool_call(self, name: str) -> list[str]:
        del name
        return []

    def going(self) -> list[str]:
        return []

    def error(self) -> list[str]:
        return [json.dumps({"message": "Internal error", "error": "internal_server_error", "code": 1011})]

    def farewell(self) -> list[str]:
        return []
