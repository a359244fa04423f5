"""AssemblyAI's Voice Agent API, ``wss://agents.assemblyai.com/v1/ws`` (its "events reference")."""

from __future__ import annotations

import base64
import itertools
import json
import time
from typing import Any

from rig.protocols.protocol import Heard

TONE_5_MS = b"\x10" * 20 + b"\x90" * 20
"""200 Hz in mu-law, so that nobody takes the agent's speech for silence."""


class AssemblyAIAgent:
    """One session. The server is silent until it is configured, then ready within half a second; so is this one."""

    url = "ws://{netloc}/v1/ws"
    has_goodbye = True
    configured_by_url = False

    def __init__(self) -> None:
        self.asked = False
        self.tools: list[str] = []
        self._config: dict[str, Any] = {}
        self._numbers = itertools.count(1)
        self._reply = ""

    def _say(self, kind: str, **fields: Any) -> str:
        return json.dumps({"type": kind, **fields, "timestamp": time.time()})

    def welcome(self) -> list[str]:
        return []

    def heard(self, message: str | bytes) -> Heard:
        said = json.loads(message)
        match said["type"]:
            case "session.update":
                self._config = said["session"]
                self.asked = bool(self._config.get("greeting"))
                self.tools = [tool["name"] for tool in self._config.get("tools", [])]
                return Heard.CONFIGURES
            case "reply.create":
                return Heard.ASKS
            case "session.end":
                return Heard.GOODBYE
        return Heard.OTHER

    def ready(self) -> list[str]:
        config = {key: self._config.get(key) for key in ("system_prompt", "greeting", "input", "output", "tools")}
        return [
            self._say("session.updated", config=config),
            self._say("session.ready", session_id="sess_" + "0" * 32, config=config, resume_token=""),
        ]

    def reply_begins(self) -> list[str]:
        number = next(self._numbers)
        self._reply = f"resp_{number}"
        return [self._say("reply.started", reply_id=self._reply, item_id=f"msg_{number}")]

    def audio(self, milliseconds: int) -> list[str]:
        sound = base64.b64encode(TONE_5_MS * (milliseconds // 5)).decode()
        return [self._say("reply.audio", reply_id=self._reply, data=sound)]

    def reply_ends(self) -> list[str]:
        return [
            self._say("transcript.agent", reply_id=self._reply, item_id="msg", text="Ahoy.", interrupted=False),
            self._say("reply.done", reply_id=self._reply, status="completed"),
        ]

    def caller_speaks(self) -> list[str]:
        said = [self._say("input.speech.started")]
        if self._reply:
            said.append(
                self._say("transcript.agent", reply_id=self._reply, item_id="msg", text="Aho", interrupted=True)
            )
            said.append(self._say("reply.done", reply_id=self._reply, status="interrupted"))
        return said

    def caller_spoke(self) -> list[str]:
        return [
            self._say("input.speech.stopped"),
            self._say("transcript.user", item_id=f"item_{next(self._numbers)}", text="Hold on."),
        ]

    def tool_call(self, name: str) -> list[str]:
        return [
            *self.reply_begins(),
            self._say("tool.call", call_id=f"call_{next(self._numbers)}", name=name, arguments={}),
            self._say("reply.done", reply_id=self._reply, status="completed"),
        ]

    def going(self) -> list[str]:
        return []

    def error(self) -> list[str]:
        return [self._say("session.error", code="internal_error", message="the agent has crashed", session_id=None)]

    def farewell(self) -> list[str]:
        return [self._say("session.ended", session_duration_seconds=1.0, audio_duration_seconds=None)]


class AssemblyAIAgentOverTls(AssemblyAIAgent):
    """The same as it is on the internet."""

    url = "wss://{netloc}/v1/ws"
