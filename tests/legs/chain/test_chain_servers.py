"""Whole calls with language models' servers that differ: the requests and answers are as their users have reported."""

import json

import attrs
import pytest
import trio

from tests import calls
from tests.calls import GREETING
from tests.chains import Chain
from trio_voice.limits import Limits
from trio_voice.record import EndReason
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.sandbox.providers.chain import ChainFaults, ChainManner, StageFaults

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


WHOLE = {"choices": [{"message": {"role": "assistant", "content": WORDS}, "finish_reason": "stop"}]}
PARTS = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": WORDS}]


@pytest.mark.parametrize(
    "body",
    [
        sse({"role": "assistant", "content": ""}, {"content": "We close "}, {"content": "at five."}),
        json.dumps(WHOLE).encode(),
        json.dumps(WHOLE, indent=2).encode(),
        sse({"content": WORDS}, finish=None),
        sse({"content": WORDS}, finish=None, done=False),
        sse({"content": PARTS}),
        sse({"content": "<think>They ask when.</think>\n\n"}, {"content": WORDS}),
        sse({"content": "<thi"}, {"content": "nk>They ask. When?</th"}, {"content": f"ink>{WORDS}"}),
        sse({"reasoning_content": "They ask."}, {"reasoning": "When?"}, {"content": WORDS}),
        sse({"content": WORDS, "tool_calls": None, "refusal": None}),
        b": OPENROUTER PROCESSING\n\n" + sse({"content": WORDS}),
        sse({"content": f'{{"response": "{WORDS}"}}'}),
        b'{"choices":[{"delta":{"content":"We close "}}]}\n{"choices":[{"delta":{"content":"at five."}}]}\n',
    ],
    ids=range(13),
)
async def test_an_answer_however_it_comes(autojump_clock, body):
    server, rig = await a_call(Answer(body=body))
    assert said(rig) == [WORDS]
    assert len(server.asked) == 1


async def test_each_template_is_content_with_the_conversation(autojump_clock):
    def refusal(asked):
        roles = [message["role"] for message in asked["messages"]]
        if roles[0] == "system":
            roles = roles[1:]
        if roles != ["user", "assistant"] * (len(roles) // 2) + ["user"]:
            return error(400, "Conversation roles must alternate user/assistant/user/assistant/...")
        return None

    server, rig = await a_call(YES, refusal=refusal)
    assert said(rig) == [WORDS]
    assert len(server.asked) == 1


def look_up_with(calls_to):
    async def look_up(n: int = 0) -> str:
        """Look something up."""
        calls_to.append(n)
        await trio.sleep(0.1)
        return "five"

    return look_up


def call(index, call_id, arguments, name="look_up"):
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}


@pytest.mark.parametrize(
    ("body", "ran"),
    [
        (sse(call(0, "a", '{"n":3}'), call(0, "b", '{"n":4}'), finish="tool_calls"), [3, 4]),
        (sse(call(0, "a", '{"n'), call(0, "a", '":3}'), finish="tool_calls"), [3]),
        (sse(call(0, "a", "null")), [0]),
        (sse({"content": '<tool_call>\n{"name": "look_up", "arguments": {"n": 3}}\n</tool_call>'}), [3]),
        (sse({"content": '{"name": "look_up", "parameters": {"n": 3}}'}), [3]),
        (sse({"content": "<function=look_up>"}, {"content": '{"n": 3}</function>'}), [3]),
        (sse({"content": '```json\n{"name": "look_up", "arguments": {"n": 3}}\n```'}), [3]),
        (sse({"content": '[TOOL_CALLS][{"name": "look_up", "arguments": {"n": 3}}]'}), [3]),
        (sse({"content": '<|python_tag|>{"name": "look_up", "parameters": {"n": 3}}'}), [3]),
    ],
    ids=range(9),
)
async def test_a_call_however_it_is_written_is_run_once_and_never_spoken(autojump_clock, body, ran):
    def refusal(asked):
        nulls = [message for message in asked["messages"] if message.get("content", "") is None]
        return error(400, "invalid message content type: <nil>") if nulls else None

    did = []
    server, rig = await a_call(Answer(body=body), YES, refusal=refusal, tools=[look_up_with(did)])
    assert sorted(did) == ran
    assert said(rig) == [WORDS]
    assert len(server.asked) == 2


async def test_a_call_of_no_tool_of_ours_is_silent_and_the_question_is_asked_again(autojump_clock):
    server, rig = await a_call(Answer(body=sse({"content": '<tool_call>{"name":"launch"}</tool_call>'})), YES)
    assert said(rig) == [WORDS]
    assert len(server.asked) == 2


async def test_a_context_that_is_full_costs_the_older_half_and_no_call(autojump_clock):
    def refusal(asked):
        letters = sum(len(message.get("content") or "") for message in asked["messages"])
        full = error(400, "the request exceeds the available context size", type="exceed_context_size_error")
        return full if letters > 70 else None

    server, rig = await a_call(YES, refusal=refusal)
    assert said(rig) == [WORDS]
    assert rig.record.end_reason is EndReason.HANGUP
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        error(400, "Failed to call a function.", code="tool_use_failed"),
        error(503, "overloaded"),
        Answer(body=b'data: {"error":{"message":"Provider disconnected","code":502},"choices":[]}\n\n'),
        Answer(body=sse({"content": ""})),
        Answer(body=b""),
        error(400, "The response was filtered", code="content_filter"),
        Answer(204, b""),
        error(421, "misdirected"),
        error(403, "Rate limit exceeded"),
    ],
    ids=["tool_use_failed", "503", "an error in a 200", "an empty answer", "nothing", "a filter", "204", "421", "403"],
)
async def test_what_passes_is_asked_once_more(autojump_clock, answer):
    server, rig = await a_call(answer, YES)
    assert said(rig) == [WORDS]
    assert len(server.asked) == 2
    assert rig.record.end_reason is EndReason.HANGUP


@pytest.mark.parametrize(
    ("limited", "seconds"),
    [
        (error(429, "slow down", {"Retry-After": "1"}), 1.0),
        (error(429, "Rate limit reached. Please try again in 2.4s."), 2.4),
    ],
    ids=["header", "words"],
)
async def test_the_pause_that_a_provider_asks_for_is_kept(autojump_clock, limited, seconds):
    server, rig = await a_call(limited, limited, YES)
    assert said(rig)[-1] == WORDS  # after what is said meanwhile
    first, second, third = server.times
    assert [second - first, third - second] == [pytest.approx(seconds, abs=0.01)] * 2


async def test_an_answer_of_another_good_status_is_one(autojump_clock):
    server, rig = await a_call(attrs.evolve(YES, status=201))
    assert said(rig) == [WORDS]
    assert len(server.asked) == 1


async def test_the_next_language_model_answers_within_the_turn_and_is_in_the_record(autojump_clock):
    models = ({"model": "a"}, {"model": "b"})
    server, rig = await a_call(
        YES, models=models, refusal=lambda asked: error(401, "bad key") if asked["model"] == "a" else None
    )
    assert said(rig) == [WORDS]
    assert [asked["model"] for asked in server.asked] == ["a", "b"]
    providers = [session.provider for session in rig.record.model_sessions]
    assert providers.count("openai-chat") == 2
    assert rig.record.counters["llm_retries_http_401"] == 1


async def test_a_slow_starter_has_a_limit_of_its_own(autojump_clock):
    slow = attrs.evolve(YES, after=14.0)
    server, rig = await a_call(slow, models=({"model": "m", "first_byte_seconds": 20.0},), seconds=20)
    assert said(rig)[-1] == WORDS
    assert len(server.asked) == 1


IN_HOUSE = ({"model": "m", "url": "http://127.0.0.1:8080/v1"},)


async def test_a_server_of_ones_own_that_loads_is_not_hung_up_on(autojump_clock):
    """It answers all that wait once it has loaded; the first of them is heard, once."""
    loaded = trio.current_time() + 15.5

    class Loading(Server):
        async def answer(self, *request):
            await trio.sleep_until(loaded)
            await super().answer(*request)

    server = Loading(YES)
    async with calls.live_call(model=Chain(answerer=server, models=IN_HOUSE, filler=""), script=SCRIPT) as rig:
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(20)
        rig.twilio.hang_up()
    assert said(rig)[-1] == WORDS
    assert said(rig).count(WORDS) == 1
    assert rig.record.end_reason is EndReason.HANGUP


async def test_the_only_model_is_not_hung_up_on_where_it_is_slow(autojump_clock):
    server, rig = await a_call(attrs.evolve(YES, after=13.0), seconds=20)
    assert said(rig).count(WORDS) == 1
    assert len(server.asked) == 2  # the second, beside the first, is not waited for


async def test_a_second_question_that_is_refused_costs_the_first_nothing(autojump_clock):
    server, rig = await a_call(attrs.evolve(YES, after=13.0), error(429), seconds=20)
    assert said(rig).count(WORDS) == 1
    assert len(server.asked) == 2


@pytest.mark.parametrize("models", [IN_HOUSE, ({"model": "m"},)], ids=["in one's own network", "elsewhere"])
async def test_the_only_model_that_hangs_is_asked_a_second_time_meanwhile(autojump_clock, models):
    server, rig = await a_call(attrs.evolve(YES, after=1_000.0), YES, models=models, seconds=14)
    assert said(rig)[-1] == WORDS
    assert len(server.asked) == 2
    assert server.times[1] - server.times[0] == pytest.approx(8.0, abs=0.01)


async def test_a_silent_language_model_is_not_waited_for_where_there_is_another(autojump_clock):
    models = ({"model": "a"}, {"model": "b"})
    server, rig = await a_call(
        YES,
        models=models,
        seconds=12,
        refusal=lambda asked: attrs.evolve(YES, after=1_000.0) if asked["model"] == "a" else None,
    )
    assert said(rig)[-1] == WORDS
    assert server.times[1] - server.times[0] == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize(
    "nothing", [b": OPENROUTER PROCESSING\n\n", sse({"role": "assistant", "content": ""}, finish="", done=False)]
)
async def test_a_server_that_only_says_that_it_lives_is_not_waited_for(autojump_clock, nothing):
    async def lives(_target, _headers, body, sink):
        asked.append(json.loads(body)["model"])
        await sink.start(200, {})
        while asked[-1] == "slow":
            await sink.send(nothing)
            await trio.sleep(0.5)
        await sink.send(sse({"content": WORDS}))

    asked: list[str] = []
    server = Server(YES)
    server.answer = lives
    chain = Chain(answerer=server, models=({"model": "slow"}, {"model": "m"}), filler="")
    async with calls.live_call(model=chain, script=SCRIPT, limits=Limits(idle_seconds=100)) as rig:
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(9)
        assert said(rig)[-1] == WORDS
        rig.twilio.hang_up()
    assert asked == ["slow", "m"]


async def test_an_ollama_loads_its_model_during_the_greeting(autojump_clock):
    loading = Answer(body=b'{"done":true,"done_reason":"load"}', after=0.5)
    models = ({"model": "m", "url": "http://127.0.0.1:11434/v1"},)
    server, rig = await a_call(loading, YES, models=models)
    assert server.asked[0] == {"model": "m", "stream": False}
    assert server.times[0] < 0.1
    assert said(rig) == [WORDS]


async def test_nothing_is_asked_of_a_provider_before_the_first_question(autojump_clock):
    server, _ = await a_call(YES)
    assert server.times[0] > 1.5


async def test_tools_without_end_are_five_questions_and_then_words(autojump_clock):
    def answer(asked):
        return None if "tools" not in asked else Answer(body=sse(call(0, "a", "{}"), finish="tool_calls"))

    did = []
    server, rig = await a_call(YES, refusal=answer, tools=[look_up_with(did)])
    assert said(rig) == [WORDS]
    assert len(server.asked) == 5
    assert len(did) == 4


async def test_a_voice_that_fails_is_replaced_and_the_caller_hears_all_of_it(autojump_clock):
    manner = ChainManner(speed=3)
    server = Server(YES)
    chain = Chain(
        answerer=server,
        filler="",
        tts={"kind": "elevenlabs", "voice": "alba"},
        more_voices=({"kind": "cartesia", "voice": "alba"},),
        keys={"speaking": "a-key"},
    )
    async with calls.live_call(model=chain, script=SCRIPT, manner=manner) as rig:
        await trio.sleep(1.2)
        chain.wires["speaking"][1].cut()  # the first voice's server is gone
        await trio.sleep(0.2)
        rig.speak(0.5)
        await trio.sleep(6)
        rig.twilio.hang_up()
    assert said(rig) == [WORDS]
    assert rig.record.end_reason is EndReason.HANGUP
    assert {"elevenlabs", "cartesia"} <= {session.provider for session in rig.record.model_sessions}
    assert rig.record.counters["speaking_takeovers"] == 1


async def test_a_caller_who_speaks_before_the_voice_is_ready_is_heard_and_greeted_first(autojump_clock):
    chain = Chain(answerer=Server(YES), filler="", voice_opens_after=2.0)
    async with calls.live_call(model=chain, script=SCRIPT) as rig:
        await trio.sleep(0.2)
        rig.speak(0.5)
        await trio.sleep(7)
        rig.twilio.hang_up()
    (session,) = rig.agent.hearing_sessions
    assert b"\x2a" * 3_000 in bytes(session.audio)
    assert [line.text for line in rig.record.transcript if line.role == "agent"] == [GREETING, WORDS]


async def test_the_greeting_waits_for_the_voice_alone(autojump_clock):
    faults = ChainFaults(hearing=StageFaults(ready_delay_seconds=3.0))
    async with calls.live_call(model=Chain(answerer=Server(YES)), script=SCRIPT, faults=faults) as rig:
        await trio.sleep(1)
        assert rig.twilio.line.heard(trio.current_time()).replace(b"\xff", b"")
        rig.twilio.hang_up()


async def test_a_voice_that_never_opens_is_not_waited_for(autojump_clock):
    chain = Chain(answerer=Server(YES), filler="", voice_opens_after=100.0)
    async with calls.live_call(model=chain, script=SCRIPT) as rig:
        await trio.sleep(30)
    assert rig.record.end_reason is EndReason.MODEL_FAILED
    assert "(speaking) was not ready within" in rig.record.end_detail


async def test_a_recogniser_that_drops_after_it_was_good_is_opened_anew_and_nothing_is_said_of_it(autojump_clock):
    server = Server(YES)
    chain = Chain(answerer=server, filler="")
    async with calls.live_call(model=chain, script=SCRIPT) as rig:
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(11)
        chain.wires["hearing"][1].cut()
        await trio.sleep(0.5)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    asked = "When do you close?"
    assert [line.text for line in rig.record.transcript] == [GREETING, asked, WORDS, asked, WORDS]
    assert rig.record.end_reason is EndReason.HANGUP
    assert len(rig.agent.hearing_sessions) == 2
    assert rig.record.counters["hearing_takeovers"] == 1
    assert "model_takeovers" not in rig.record.counters


LONG = "We close at five in the evening on weekdays, and on Saturdays we close at noon already."


@pytest.mark.parametrize("heard", ["Uh-huh.", ""], ids=["a word that only agrees", "noise"])
async def test_what_takes_no_floor_costs_no_word_and_no_question(autojump_clock, heard):
    script = Script(greeting_ms=500, turns=(Turn(heard="When do you close?"), Turn(heard=heard)))
    server = Server(Answer(body=sse({"content": LONG})))
    chain = Chain(answerer=server, filler="")
    async with calls.live_call(model=chain, script=script) as rig:
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(2.5)
        rig.speak(0.3)
        await trio.sleep(9)
        rig.twilio.hang_up()
    assert [(line.text, line.interrupted) for line in rig.record.transcript if line.role == "agent"] == [
        (GREETING, False),
        (LONG, False),
    ]
    assert len(server.asked) == 1
    made_ms = 50 * len(LONG)
    heard_bytes = len(rig.twilio.line.heard(trio.current_time()).replace(b"\xff", b""))
    assert heard_bytes >= 8 * (500 + made_ms) * 0.95


async def test_words_that_take_the_floor_are_answered_with_what_was_heard(autojump_clock):
    script = Script(greeting_ms=500, turns=(Turn(heard="When do you close?"), Turn(heard="And on Sunday?")))
    server = Server(Answer(body=sse({"content": LONG})), YES)
    chain = Chain(answerer=server, filler="")
    async with calls.live_call(model=chain, script=script) as rig:
        await trio.sleep(1)
        rig.speak(0.5)
        await trio.sleep(3)
        rig.speak(0.5)
        await trio.sleep(4)
        rig.twilio.hang_up()
    assert len(server.asked) == 2
    told = server.asked[1]["messages"]
    assert told[-1]["content"] == "And on Sunday?"
    cut = told[-2]["content"]
    assert cut.endswith(" —")
    assert LONG.startswith(cut.removesuffix(" —").strip())
