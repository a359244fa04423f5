"""Answers of the sandbox's agent."""

import json

import httpx2
import pytest
import trio

from trio_voice.protocols.unanswered import NUDGE
from trio_voice.sandbox.agent import keywords
from trio_voice.sandbox.agent.replies import APOLOGY, ChatResponses, KeywordResponses, Line, Reply, Tool, ToolUse

END = Tool("end_call")
TRANSFER = Tool(
    "transfer_to_human",
    parameters={"type": "object", "properties": {"reason": {"type": "string"}}, "required": ["reason"]},
)
RANDOM = Tool(
    "generate_random_number",
    parameters={"type": "object", "properties": {"min": {"type": "integer"}, "max": {"type": "integer"}}},
)
FORGET = Tool("mark_do_not_call")


async def ask(heard, tools=(), history=(), generator=None):
    return await (generator or KeywordResponses()).reply(heard, history, "", tools)


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("Hello?", "Hello!"),
        ("Hi there.", "Hello!"),
        ("When are you open on Sunday?", "seven in the morning"),
        ("what are your openning ours", "seven in the morning"),
        ("What's the prize of a loaf? How much is it?", "four dollars"),
        ("Tell me about the menu.", "sourdough"),
        ("Can I speak to a real person?", "take a message"),
        ("I'd like to talk to a reprsentative", "take a message"),
        ("Please don't call me... do not call again", "not call you again"),
        ("Take me off your list", "not call you again"),
        ("Stop.", "Go ahead"),
        ("Wait, wait.", "Go ahead"),
        ("Thank you so much.", "welcome"),
        ("Okay, bye.", "Goodbye"),
        ("Goodby!", "Goodbye"),
        ("Give me a random number.", "seven"),
        ("I want to book a tasting", "What day and time"),
    ],
)
async def test_intents(heard, expected):
    assert expected in (await ask(heard)).text


async def test_what_is_not_understood_is_quoted():
    reply = await ask(" The purple elephant. ")
    assert '"The purple elephant."' in reply.text
    assert reply.text.endswith("?")


async def test_the_menu_is_long_enough_to_be_interrupted():
    assert len((await ask("Tell me about your bread")).text.split()) > 100


@pytest.mark.parametrize(
    ("heard", "tools", "use"),
    [
        ("Goodbye", [END], ToolUse("end_call")),
        ("Can I speak to a human", [TRANSFER], ToolUse("transfer_to_human", {"reason": "Can I speak to a human"})),
        ("A random number please", [RANDOM], ToolUse("generate_random_number")),
        (
            "A random number between five and twenty five",
            [RANDOM],
            ToolUse("generate_random_number", {"min": 5, "max": 25}),
        ),
        ("Do not call me again", [END, FORGET], ToolUse("mark_do_not_call")),
    ],
)
async def test_tools_are_used_where_they_are_listed(heard, tools, use):
    assert (await ask(heard, tools)).tool == use
    assert (await ask(heard)).tool is None


async def test_a_tool_of_somebody_else_s_is_used_when_its_name_is_said():
    order = Tool(
        "get_order_status",
        parameters={
            "type": "object",
            "required": ["order_id", "kind", "urgent", "tags", "note"],
            "properties": {
                "order_id": {"type": "integer"},
                "kind": {"type": "string", "enum": ["bread", "cake"]},
                "urgent": {"type": "boolean"},
                "tags": {"type": "array"},
                "note": {},
                "max_age": {"type": "integer"},
            },
        },
    )
    heard = "What's the status of my cake order, number forty two?"
    expected = {"order_id": 42, "kind": "cake", "urgent": True, "tags": [], "note": None}
    assert (await ask(heard, [END, order])).tool == ToolUse("get_order_status", expected)
    assert (await ask("My order", [order])).tool is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (Line("tool", '{"number": 17}', ToolUse("generate_random_number")), "Your random number is 17."),
        (Line("tool", "{}", ToolUse("transfer_to_human")), "I am putting you through now. One moment, please."),
        (Line("tool", "{}", ToolUse("end_call")), ""),
        (Line("tool", '{"error":"no"}', ToolUse("end_call"), failed=True), "did not work"),
        (Line("tool", '{"order_state": "baked"}', ToolUse("get")), "Here is what I found: order state is baked."),
        (Line("tool", "baked", ToolUse("get")), "baked"),
        (Line("tool", "[1]", ToolUse("get")), "[1]"),
        (Line("instruction", "Say exactly this and nothing else: Hello there."), "Hello there."),
        (Line("instruction", 'Please say "Good morning"'), "Good morning"),
        (Line("instruction", "Read this to the caller, word for word: We open at 8:30."), "We open at 8:30."),
        (Line("instruction", "You were cut off. Repeat “One moment, please.”"), "One moment, please."),
        (Line("instruction", "We close soon."), "We close soon."),
        (Line("instruction", NUDGE), "I am sorry, I did not quite hear that. Could you say it again?"),
    ],
)
async def test_results_and_instructions(line, expected):
    reply = await ask("", history=[Line("caller", "x"), line])
    assert reply.text == expected or (expected and expected in reply.text)


async def test_it_speaks_first_when_asked_to_with_no_words():
    assert "help" in (await ask("")).text
    assert "help" in (await ask("", history=[Line("instruction", "")])).text


async def test_it_repeats_what_it_said():
    history = [Line("agent", "At seven."), Line("caller", "Pardon?")]
    assert (await ask("Could you repeat that", history=history)).text == "Of course. I said: At seven."
    assert "not said anything" in (await ask("Say that again")).text


async def converse(*lines):
    generator = KeywordResponses()
    return [(await ask(line, generator=generator)).text for line in lines]


async def test_a_booking_is_taken_down_step_by_step_and_read_back():
    replies = await converse("I want to make a reservation", "Friday at three p.m.", "Maria Lopez", "yes please")
    assert replies == [
        "What day and time would suit you?",
        "We have room Friday at 3 pm. What name shall I put it under?",
        "Let me read that back: a cake tasting Friday at 3 pm, for Maria Lopez. Is that right?",
        "Lovely, your tasting Friday at 3 pm is booked. We look forward to seeing you.",
    ]


async def test_a_booking_in_one_breath_and_corrected():
    replies = await converse(
        "Book a tasting tomorrow at half past ten, my name is John Smith", "Actually at eleven", "No", "noon", "Right"
    )
    assert "tomorrow at 10:30 am, for John Smith" in replies[0]
    assert "tomorrow at 11 am, for John Smith" in replies[1]
    assert replies[2] == "No problem. What day and time would suit you?"
    assert "at noon, for John Smith" in replies[3]
    assert "booked" in replies[4]


async def test_a_booking_does_not_hold_the_caller_captive():
    replies = await converse("Book an appointment", "Saturday", "How much is it?", "4", "goodbye")
    assert replies[1] == "What time on Saturday would suit you?"
    assert "four dollars" in replies[2]
    assert "Saturday at 4 pm" in replies[3]
    assert "Goodbye" in replies[4]


async def test_words_that_answer_no_question_of_the_booking_are_quoted():
    replies = await converse("Book a tasting", "the purple elephant sings")
    assert "purple elephant" in replies[1]


@pytest.mark.parametrize(
    ("said", "time"),
    [
        ("at three", "3 pm"),
        ("3pm", "3 pm"),
        ("at 9", "9 am"),
        ("nine thirty a.m.", "9:30 am"),
        ("at 15:45", "3:45 pm"),
        ("around noon", "noon"),
        ("six in the morning", "6 am"),
        ("half past four", "4:30 pm"),
        ("twelve o'clock", "12 pm"),
        ("three loaves", ""),
        ("at ninety", ""),
    ],
)
def test_times(said, time):
    assert keywords.time_in(keywords.words_of(said), asked=False) == time


def test_numbers():
    assert keywords.numbers_in(keywords.words_of("one, twenty five, 7 - thirty")) == [1, 25, 7, 30]


def test_words_are_alike_in_spite_of_a_slip():
    assert keywords.is_like("apointment", "appointment")
    assert not keywords.is_like("wait", "what")
    assert not keywords.is_like("open", "often")


# A language model


def completion(**message):
    return httpx2.Response(200, json={"choices": [{"message": {"role": "assistant", **message}}]})


async def chat(answer, heard="Hi", history=(), prompt="Be kind.", tools=(), **settings):
    """A reply, what was posted for it, and why it failed if it did."""
    posted = []

    async def handle(request):
        posted.append(request)
        return await answer() if callable(answer) else answer

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(handle)) as client:
        generator = ChatResponses(client, "http://model.test/v1/", "small", **settings)
        reply = await generator.reply(heard, history, prompt, tools)
    return reply, posted[0], generator.last_failure


async def test_a_language_model_is_asked_with_everything_that_was_said():
    history = [
        Line("agent", "Hello."),
        Line("caller", "Roll."),
        Line("tool", "6", ToolUse("roll", {"sides": 6})),
        Line("agent", "Six."),
        Line("agent", ""),
        Line("instruction", "Be quick."),
    ]
    answer = completion(content=" Good. ")
    reply, request, failure = await chat(answer, history=history, tools=[RANDOM], key="secret")
    body = json.loads(request.content)
    assert (reply, failure) == (Reply("Good."), "")
    assert str(request.url) == "http://model.test/v1/chat/completions"
    assert request.headers["Authorization"] == "Bearer secret"
    assert body["model"] == "small"
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": RANDOM.name, "description": "", "parameters": RANDOM.parameters},
        }
    ]
    call = {"id": "call_2", "type": "function", "function": {"name": "roll", "arguments": '{"sides": 6}'}}
    assert body["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Roll."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_2", "content": "6"},
        {"role": "assistant", "content": "Six."},
        {"role": "system", "content": "Be quick."},
        {"role": "user", "content": "Hi"},
    ]


async def test_what_there_is_not_is_not_sent():
    _, request, _ = await chat(completion(content="Yes?"), heard="", prompt="")
    assert json.loads(request.content) == {"model": "small", "messages": []}
    assert "Authorization" not in request.headers


async def test_a_language_model_that_wants_a_tool():
    for arguments, understood in (('{"sides": 6}', {"sides": 6}), ("", {})):
        calls = [{"id": "c", "type": "function", "function": {"name": "roll", "arguments": arguments}}]
        reply, _, _ = await chat(completion(content=None, tool_calls=calls))
        assert reply == Reply("", ToolUse("roll", understood))


BROKEN = {
    "an error": httpx2.Response(500, text="no"),
    "no JSON": httpx2.Response(200, text="<html>"),
    "no choices": httpx2.Response(200, json={"choices": []}),
    "a list": httpx2.Response(200, json=[]),
    "no message": httpx2.Response(200, json={"choices": [{"message": None}]}),
    "content in parts": completion(content=[{"type": "text"}]),
    "arguments of no kind": completion(tool_calls=[{"function": {"name": "roll", "arguments": "[1]"}}]),
    "arguments that are no JSON": completion(tool_calls=[{"function": {"name": "roll", "arguments": "{"}}]),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_language_model_that_fails_is_apologised_for(case):
    reply, _, failure = await chat(BROKEN[case], key="secret")
    assert reply == Reply(APOLOGY)
    assert failure
    assert "secret" not in failure


async def test_a_language_model_that_cannot_be_reached():
    async def refuse():
        raise httpx2.ConnectError("refused")

    assert (await chat(refuse))[2] == "ConnectError: refused"


async def test_a_language_model_that_takes_too_long(autojump_clock):
    reply, _, failure = await chat(trio.sleep_forever, deadline_seconds=4)
    assert trio.current_time() == 4
    assert (reply, failure) == (Reply(APOLOGY), "no answer within 4 s")
