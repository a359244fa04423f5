"""A call whose language model answers as it is told to."""

import json

import attrs
import trio

from tests import calls
from tests.calls import GREETING
from tests.chains import Chain
from trio_voice.limits import Limits
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn

WORDS = "We close at five."
SCRIPT = Script(greeting_ms=500, turns=(Turn(heard="When do you close?"), Turn(heard="Okay, thanks.")))


def sse(*deltas, finish="stop", done=True):
    """The body of a usual stream of these deltas."""
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}] if finish else []
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + (["data: [DONE]\n\n"] if done else [])
    return "".join(lines).encode()


def error(status, said="no", headers=None, **more):
    return Answer(status, json.dumps({"error": {"message": said, **more}}).encode(), headers or {})


@attrs.frozen
class Answer:
    """Answer of a server to a question, after so many seconds."""

    status: int = 200
    body: bytes = attrs.field(factory=lambda: sse({"content": WORDS}))
    headers: dict[str, str] = attrs.field(factory=dict)
    after: float = 0.0


YES = Answer()


class Server:
    """Answers the questions in turn, the last answer for all that follow; ``refusal`` may find something to refuse."""

    def __init__(self, *answers, refusal=None):
        self.answers = list(answers)
        self.refusal = refusal
        self.asked = []
        self.times = []
        self.began = trio.current_time()

    async def answer(self, _target, _headers, body, sink):
        asked = json.loads(body)
        self.asked.append(asked)
        self.times.append(trio.current_time() - self.began)
        refused = self.refusal and self.refusal(asked)
        answer = refused or (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        await trio.sleep(answer.after)
        await sink.start(answer.status, answer.headers)
        for at in range(0, len(answer.body), 23):
            await sink.send(answer.body[at : at + 23])


async def a_call(*answers, seconds=8.0, refusal=None, tools=(), models=({"model": "m"},), script=SCRIPT, **more):
    """A call in which the caller asks once; what became of it."""
    server = Server(*answers, refusal=refusal)
    chain = Chain(answerer=server, models=models, filler="", **more)
    async with calls.live_call(model=chain, script=script, tools=tools, limits=Limits(idle_seconds=100)) as rig:
        await trio.sleep(1)
        rig.speak(0.5)
        with trio.move_on_after(seconds):
            await rig.over.wait()
        rig.twilio.hang_up()
    return server, rig


def said(rig):
    return [line.text for line in rig.record.transcript if line.role == "agent" and line.text != GREETING]
