"""A session of OpenAI's Realtime protocol, what it was told, and what a server says to it."""

import base64
import json

from trio_voice.events import model as c
from trio_voice.persona import Persona, ToolSchema
from trio_voice.protocols.openai_realtime import OpenAIRealtimeSession
from trio_voice.protocols.openai_realtime.dialects import OpenAIRealtimeSettings

CREATED = {"type": "session.created", "session": {"type": "realtime", "id": "sess_1", "expires_at": 1_790_003_600}}
STARTED_AT = 1_790_000_000.0
UPDATED = {
    "type": "session.updated",
    "session": {
        "type": "realtime",
        "id": "sess_1",
        "audio": {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcmu"}}},
    },
}
READY = c.ModelReady("sess_1", {"audio.input.format.type": "audio/pcmu", "audio.output.format.type": "audio/pcmu"})
ROLL = ToolSchema(name="roll", description="Rolls.", parameters={"type": "object", "properties": {}})
CREATE = {"type": "response.create"}


def persona(**more):
    return Persona(**{"name": "p", "model": "m", "voice": "marin", "prompt": "Be brief.", "greeting": "Hello"} | more)


def settings(**more):
    url = {"url": "wss://127.0.0.1/v1/realtime"} if more.get("dialect") == "beta" else {}
    return OpenAIRealtimeSettings(**{"name": "desk", "kind": "openai-realtime"} | url | more)


def make(dialect="ga", *, tools=(), history=(), **more):
    return OpenAIRealtimeSession(settings(dialect=dialect), persona(**more), tools, history, STARTED_AT)


class Talk:
    """A session and what it was told; what it wants sent is kept apart from its events."""

    def __init__(self, session):
        self.session = session
        self.now = 0.0
        self.sent = []

    def hear(self, kind, **fields):
        return self._sort(self.session.receive(json.dumps({"type": kind, **fields}), self.now))

    def tick(self):
        return self._sort(self.session.tick(self.now))

    def do(self, command):
        self.sent += [json.loads(message) for message in self.session.encode(command, self.now)]

    def _sort(self, meanings):
        self.sent += [json.loads(meaning.message) for meaning in meanings if isinstance(meaning, c.Outgoing)]
        return [meaning for meaning in meanings if not isinstance(meaning, c.Outgoing)]

    def take(self):
        """Messages that were sent since last asked, without the ids that only we give."""
        sent, self.sent = self.sent, []
        return [{key: value for key, value in message.items() if key != "event_id"} for message in sent]

    # What a server says

    def begin(self, response_id="r1"):
        return self.hear("response.created", response={"id": response_id, "status": "in_progress"})

    def audio(self, ms, response_id="r1", item_id="i1"):
        delta = base64.b64encode(b"\x2a" * round(ms * 8)).decode()
        fields = {"item_id": item_id, "output_index": 0, "content_index": 0, "delta": delta}
        return self.hear("response.output_audio.delta", response_id=response_id, **fields)

    def call(self, call_id="c1", arguments="{}", response_id="r1", status="completed", name="roll"):
        item = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, "status": status}
        return self.hear("response.output_item.done", response_id=response_id, item={"id": f"item_{call_id}", **item})

    def done(self, response_id="r1", status="completed", **more):
        return self.hear("response.done", response={"id": response_id, "status": status, **more})

    def refuse(self, code="conversation_already_has_active_response", event_id=None, message=""):
        error = {"type": "invalid_request_error", "code": code, "message": message, "event_id": event_id}
        return self.hear("error", error=error)


CREATED_FIELDS = {"kind": CREATED["type"], "session": CREATED["session"]}
UPDATED_FIELDS = {"kind": UPDATED["type"], "session": UPDATED["session"]}


def ready(dialect, **more):
    talk = Talk(make(dialect, **more))
    talk.hear(**CREATED_FIELDS)
    talk.hear("session.updated", session={})
    return talk


def output(call_id, result):
    item = {"type": "function_call_output", "call_id": call_id, "output": result}
    return {"type": "conversation.item.create", "item": item}


def words(reply_id, text):
    return c.ReplyWords(reply_id, text, None)


def says(instructions):
    return {"type": "response.create", "response": {"instructions": f"Be brief.\n\n{instructions}"}}


def spoke(talk, item_id="u1", text="Are you open?", at=0.0):
    """The caller has asked something."""
    talk.now = at
    talk.hear("input_audio_buffer.speech_started", item_id=item_id)
    talk.hear("input_audio_buffer.speech_stopped", item_id=item_id)
    talk.hear("input_audio_buffer.committed", item_id=item_id)
    return written(talk, item_id, text)


def written(talk, item_id="u1", text="Are you open?"):
    kind = "conversation.item.input_audio_transcription.completed"
    return talk.hear(kind, item_id=item_id, transcript=text) if text is not None else []


def turn(talk, words="When do you open?", seconds=1.0):
    """The caller's, whole."""
    talk.hear("input_audio_buffer.speech_started", item_id="i1")
    talk.now += seconds
    talk.hear("input_audio_buffer.speech_stopped", item_id="i1")
    talk.hear("conversation.item.input_audio_transcription.completed", item_id="i1", transcript=words)
