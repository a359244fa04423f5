"""Google's Gemini Live API, ``BidiGenerateContent`` (its "WebSockets API reference"): JSON in binary frames."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

from rig.protocols.protocol import Heard

PCM_TONE_5_MS = b"\x40\x1f" * 60 + b"\xc0\xe0" * 60
"""200 Hz in 16 bits at 24 kHz, which is all that it speaks."""


class GeminiLive:
    """One session. It speaks when it is asked to, and has no goodbye: a closed socket ends it."""

    url = "ws://{netloc}/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    has_goodbye = False
    configured_by_url = False

    def __init__(self) -> None:
        self.asked = False
        self.tools: list[str] = []
        self._numbers = itertools.count(1)
        self._speaking = False

    @staticmethod
    def _say(**fields: Any) -> bytes:
        return json.dumps(fields).encode()

    def welcome(self) -> list[bytes]:
        return []

    def heard(self, message: str | bytes) -> Heard:
        said = json.loads(message)
        if "setup" in said:
            declared = [tool.get("functionDeclarations", []) for tool in said["setup"].get("tools", [])]
            self.tools = [function["name"] for functions in declared for function in functions]
            return Heard.CONFIGURES
        if said.get("clientContent", {}).get("turnComplete") or "text" in said.get("realtimeInput", {}):
            self.asked = True
            return Heard.ASKS
        return Heard.OTHER

    def ready(self) -> list[bytes]:
        return [self._say(setupComplete={"sessionId": "session-1"})]

    def reply_begins(self) -> list[bytes]:
        self._speaking = True
        return [self._say(sessionResumptionUpdate={"newHandle": "", "resumable": False})]

    def audio(self, milliseconds: int) -> list[bytes]:
        sound = base64.b64encode(PCM_TONE_5_MS * (milliseconds // 5)).decode()
        parts = [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": sound}}]
        return [self._say(serverContent={"modelTurn": {"parts": parts}})]

    def reply_ends(self) -> list[bytes]:
        return [
            self._say(serverContent={"outputTranscription": {"text": "Ahoy."}}),
            self._say(serverContent={"generationComplete": True}),
            *self._turn_ends(),
        ]

    def caller_speaks(self) -> list[bytes]:
        if not self._speaking:
            return []
        return [self._say(serverContent={"interrupted": True}), *self._turn_ends()]

    def caller_spoke(self) -> list[bytes]:
        return [self._say(serverContent={"inputTranscription": {"text": "Hold on."}})]

    def tool_call(self, name: str) -> list[bytes]:
        call = {"id": f"function-call-{next(self._numbers)}", "name": name, "args": {}}
        return [*self.reply_begins(), self._say(toolCall={"functionCalls": [call]})]

    def going(self) -> list[bytes]:
        return [self._say(goAway={"timeLeft": "1s"})]

    def error(self) -> list[bytes]:
        return []  # it says so in the close frame only

    def farewell(self) -> list[bytes]:
        return []

    def _turn_ends(self) -> list[bytes]:
        self._speaking = False
        usage = {"promptTokenCount": 300, "responseTokenCount": 30, "totalTokenCount": 330}
        handle = {"newHandle": f"handle-{next(self._numbers)}", "resumable": True}
        return [
            self._say(serverContent={"turnComplete": True}, usageMetadata=usage),
            self._say(sessionResumptionUpdate=handle),
        ]
