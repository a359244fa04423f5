"""Chat completions' answers, as servers of many kinds write them; what all do is in ``chat``."""

import json

import pytest

from trio_voice.events import stage as s
from trio_voice.protocols.chat.call_pieces import MAX_CALLS
from trio_voice.protocols.chat.written_calls import MAX_VALUES
from trio_voice.protocols.chat_answers import ChatReader

WORDS = "We close at five."
MONDAY = [("look_up", {"day": "Monday"})]
BOTH = [*MONDAY, ("end_call", {})]


def event(message):
    return f"data: {json.dumps(message, ensure_ascii=False)}\n\n"


def chunk(delta=None, finish=None, **more):
    return event({"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more})


def piece(**fields):
    function = {key: fields.pop(key) for key in ("name", "arguments", "parameters", "input") if key in fields}
    return chunk({"tool_calls": [{**fields, "function": function}]})


def lines(*messages):
    return "".join(json.dumps(message) + "\n" for message in messages)


def read(body):
    """Text, calls and reason of an answer; the same wherever its pieces end."""
    raw = body.encode()
    outcomes = []
    for size in (10_000, 1, 7):
        reader = ChatReader(3, {"look_up", "end_call"})
        events = [event for at in range(0, len(raw), size) for event in reader.receive(raw[at : at + size])]
        events += reader.end()
        text = "".join(event.text for event in events if isinstance(event, s.Thought)).strip()
        over = next(event for event in events if isinstance(event, s.ThoughtOver | s.ThoughtFailed))
        outcomes.append((text, over))
    assert outcomes == outcomes[:1] * 3
    return outcomes[0]


def made(body):
    text, over = read(body)
    assert isinstance(over, s.ThoughtOver)
    assert not any(call.broken for call in over.calls)
    return text, [(call.name, call.arguments) for call in over.calls]


DONE = "data: [DONE]\n\n"


@pytest.mark.parametrize(
    "body",
    [
        lines({"message": {"role": "assistant", "content": "We close"}, "done": False})
        + lines({"message": {"content": " at five."}, "done": True, "done_reason": "stop"}),
        lines({"message": {"content": "", "thinking": "Hm."}}, {"message": {"content": WORDS}, "done": True}),
        lines({"response": "We close", "done": False}, {"response": " at five.", "done": True}),
        event({"response": "We close"}) + event({"response": " at five."}) + DONE,
        json.dumps([{"choices": [{"delta": {"content": part}}]} for part in ("We close", " at five.")]),
        chunk({"role": "user", "content": "Hello"}) + chunk({"role": "assistant", "content": WORDS}) + DONE,
        chunk({"role": "tool", "content": "late"}) + chunk({"role": "assistant", "content": WORDS}) + DONE,
        chunk({"content": [{"type": "text", "text": {"value": WORDS}}]}) + DONE,
        f"data: {chunk({'content': WORDS})}data: {DONE}",
        "\ufeff" + json.dumps({"choices": [{"message": {"content": WORDS}}]}),
        chunk({"content": WORDS, "tool_calls": None, "function_call": None}) + chunk({}, "tool_calls") + DONE,
        chunk({"content": "We close"}, "stop") + chunk({"content": " at five."}, "stop") + DONE,
        event({"type": "ping"})
        + "event: status\n"
        + event({"status": "loading", "error": None})
        + chunk({"content": WORDS}),
    ],
)
def test_an_answer_is_heard_in_whichever_shape_it_comes(body):
    assert made(body) == (WORDS, [])


@pytest.mark.parametrize(
    "body",
    [
        event({"choices": [{"index": 1, "delta": {"content": "No."}}, {"index": 0, "delta": {"content": WORDS}}]}),
        event({"choices": {"delta": {"content": WORDS}}}),
        event({"choices": [None]}) + chunk({"content": WORDS}),
        chunk({"text": WORDS}),
        event({"choices": [{"message": {"content": "We close"}}]})
        + event({"choices": [{"message": {"content": " at five."}}]}),
        event({"choices": [{"message": {"content": "We close"}}]})
        + event({"choices": [{"message": {"content": WORDS}}]}),
        "\ufeff" + chunk({"content": "We close"}) + "\ufeff" + chunk({"content": " at five."}),
        " " + chunk({"content": WORDS}),
    ],
)
def test_an_answer_is_heard_in_less_usual_shapes(body):
    assert made(body + DONE) == (WORDS, [])


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        (
            lines(
                {
                    "message": {
                        "content": "",
                        "tool_calls": [{"function": {"name": "look_up", "arguments": {"day": "Monday"}}}],
                    }
                }
            ),
            MONDAY,
        ),
        (
            piece(id="x", name="look_up", arguments='{"day":"Monday"}')
            + piece(id="x", name="end_call", arguments="{}"),
            BOTH,
        ),
        (piece(index=0, id="a", name="look_up", arguments='{"day":') + piece(index=1, arguments='"Monday"}'), MONDAY),
        (piece(index=0, id="a", name="look_up", arguments='\ufeff\u00a0{"day":"Monday"}'), MONDAY),
        (piece(index=0, id="a", name="look_up", parameters={"day": "Monday"}), MONDAY),
        (piece(index=0, id="a", name="look_up", input={"day": "Monday"}), MONDAY),
        (chunk({"tool_calls": [{"index": 0, "custom": {"name": "look_up", "input": '{"day":"Monday"}'}}]}), MONDAY),
        (piece(index=0, id="a", name='look_up({"day":"Monday"})', arguments=""), MONDAY),
        (piece(index=0, id="a", name="", arguments='{"name":"look_up","arguments":{"day":"Monday"}}'), MONDAY),
        (piece(index=0, id="a", name="default_api:look_up", arguments='{"day":"Monday"}'), MONDAY),
        (piece(index=0, id="a", name="functions/look_up", arguments='{"day":"Monday"}'), MONDAY),
        (piece(index=0, id="a", name="tool.look_up", arguments='{"day":"Monday"}'), MONDAY),
        (
            piece(
                index=0,
                id="a",
                name="multi_tool_use.parallel",
                arguments=json.dumps(
                    {
                        "tool_uses": [
                            {"recipient_name": "functions.look_up", "parameters": {"day": "Monday"}},
                            {"recipient_name": "functions.end_call", "parameters": {}},
                        ]
                    }
                ),
            ),
            BOTH,
        ),
        (piece(index=0, id="a", name="look_up", arguments='{"day":"Monday"'), MONDAY),
        (piece(index=0, id="a", name="end_call", arguments="nil"), [("end_call", {})]),
        # Pieces: numbers that are none, one a piece, JSON text, tables, nothing
        (piece(index=[0], id="a", name="look_up", arguments='{"day":"Monday"}'), MONDAY),
        (
            piece(index=0, id="a", name="look_up", arguments='{"day":') + piece(index=1, id="a", arguments='"Monday"}'),
            MONDAY,
        ),
        (chunk({"tool_calls": [None, {"index": 0, "function": "look_up", "arguments": '{"day":"Monday"}'}]}), MONDAY),
        (chunk({"tool_calls": [{"index": 0, "function": '{"name":"look_up","arguments":{"day":"Monday"}}'}]}), MONDAY),
        (chunk({"tool_calls": '[{"function":{"name":"look_up","arguments":{"day":"Monday"}}}]'}), MONDAY),
        (chunk({"tool_calls": {"0": {"function": {"name": "look_up", "arguments": '{"day":"Monday"}'}}}}), MONDAY),
        # Arguments that are nearly JSON, or Python's
        *(
            (piece(index=0, id="a", name="look_up", arguments=arguments), MONDAY)
            for arguments in (
                "{day: 'Monday'}",
                '{"day": "Monday"}}',
                '{"day": "Monday"} // as they said',
                '{"day": "Monday"}</s>',
                'json\n{"day": "Monday"}',
                'day="Monday"',
                '(day="Monday")',
                'look_up(day="Monday")',
            )
        ),
        # Names
        *(
            (piece(index=0, id="a", name=name, arguments='{"day":"Monday"}'), MONDAY)
            for name in (
                *('"look_up"', "Look_Up", "lookUp", "look-up", "functions_look_up", "functions-look_up"),
                "assistant<|channel|>commentary to=functions.look_up",
            )
        ),
        (
            piece(
                index=0,
                id="a",
                name="parallel",
                arguments='{"tool_uses":[{"recipient_name":"look_up","parameters":{"day":"Monday"}}]}',
            ),
            MONDAY,
        ),
        (
            chunk(
                {
                    "function_call": {"name": "end_call", "arguments": "{}"},
                    "tool_calls": [{"index": 0, "id": "a", "function": {"name": "end_call", "arguments": "{}"}}],
                }
            ),
            [("end_call", {})],
        ),
    ],
)
def test_a_call_is_read_in_whichever_shape_it_comes(body, calls):
    assert made(body + DONE if "data:" in body else body) == ("", calls)


def test_the_arguments_of_many_calls_in_one_are_not_all_run():
    days = [f"day {number}" for number in range(2 * MAX_VALUES)]
    several = "".join(json.dumps({"day": day}) for day in days)
    _, calls = made(piece(index=0, id="a", name="look_up", arguments=several) + DONE)
    assert calls == [("look_up", {"day": day}) for day in days[:MAX_CALLS]]


@pytest.mark.parametrize(
    "arguments", ['{"day": "Monday"} {oops', "Monday", '("Monday")', "day=", '{"day": "Monday"} and then', "{day}"]
)
def test_what_is_not_surely_the_arguments_is_broken(arguments):
    _, over = read(piece(index=0, id="a", name="look_up", arguments=arguments) + DONE)
    assert over.calls[0].broken


def test_a_name_of_no_tool_is_told_again_as_servers_take_it():
    _, over = read(piece(index=0, id="a", name="functions.fly to<|x|>" + 80 * "y", arguments="{}") + DONE)
    assert over.calls[0].name == "functions_fly_to__x__" + 43 * "y"


def test_a_name_that_two_tools_could_have_is_neithers():
    reader = ChatReader(3, {"look_up", "lookup"})
    events = reader.receive((piece(index=0, id="a", name="LookUp", arguments="{}") + DONE).encode())
    assert [call.name for call in events[-1].calls] == ["LookUp"]


def test_a_stream_that_ends_in_the_middle_of_an_event_was_cut_off():
    text, failed = read(chunk({"content": WORDS}) + 'data: {"choices":[{"delta":{"con')
    assert (text, failed.code, failed.retryable) == (WORDS, "cut", True)


def test_calls_may_come_in_the_message_at_the_end_alone():
    message = {
        "content": "One moment.",
        "tool_calls": [{"id": "a", "function": {"name": "end_call", "arguments": "{}"}}],
    }
    last = event({"choices": [{"delta": {}, "message": message, "finish_reason": "tool_calls"}]})
    assert made(chunk({"content": "One moment."}) + last + DONE) == ("One moment.", [("end_call", {})])


@pytest.mark.parametrize("arguments", ['{"day":"Mon', '{"day":1', '{"day":"', '{"day"'])
@pytest.mark.parametrize("finish", ["tool_calls", "length"])
def test_half_of_the_arguments_are_not_all_of_them(arguments, finish):
    _, over = read(piece(index=0, id="a", name="look_up", arguments=arguments) + chunk({}, finish) + DONE)
    assert over.calls[0].broken


def test_nothing_is_added_to_arguments_that_an_answer_was_too_long_for():
    _, over = read(piece(index=0, id="a", name="look_up", arguments='{"day":"Monday"') + chunk({}, "length") + DONE)
    assert over.calls[0].broken


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        *((told, "") for told in ("stop", "STOP", "eos", "eos_token", "end_turn", "COMPLETE", "tool_calls", "null")),
        *((told, "length") for told in ("length", "max_output_tokens", "TOKEN_LIMIT", "model_length")),
        ("MAX_TOKENS", "max_tokens"),
        *((told, "content_filter") for told in ("SAFETY", "content_filter: SAFETY", "sensitive", "RECITATION")),
        ("refusal", "refusal"),
        ("something new", "something new"),
    ],
)
def test_the_end_of_an_answer_is_understood_in_a_servers_own_words(told, meant):
    assert read(chunk({"content": WORDS}) + chunk({}, told) + DONE) == (WORDS, s.ThoughtOver(3, (), meant))


@pytest.mark.parametrize(
    "told",
    [
        "error",
        "abort",
        "network_error",
        "insufficient_system_resource",
        "function_call_filter: MALFORMED_FUNCTION_CALL",
    ],
)
def test_an_answer_that_a_server_gave_up_is_asked_for_again(told):
    text, failed = read(chunk({"content": "We close"}) + chunk({}, told) + DONE)
    assert (text, failed.code, failed.retryable) == ("We close", "cut", True)
    assert told in failed.message
    whole = piece(index=0, id="a", name="end_call", arguments="{}")
    assert made(whole + chunk({}, told) + DONE) == ("", [("end_call", {})])  # this much it has told


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (event({"detail": "Internal"}), "Internal"),
        (event({"message": "boom", "type": "server_error"}), "boom"),
        (
            event({"choices": [{"delta": {}, "finish_reason": "error"}], "x_groq": {"error": "over capacity"}}),
            "capacity",
        ),
        (json.dumps({"status": "error", "message": "no quota"}), "no quota"),
        (json.dumps({"success": False, "errors": [{"code": 7009, "message": "no route"}]}), "no route"),
        ("<html><body>Bad gateway</body></html>", "Bad gateway"),
        ("Internal Server Error", "Internal Server Error"),
        ('{"neither": 1', "no answer"),
        ("", "cut off"),
        (chunk({"role": "assistant"}), "cut off"),
    ],
)
def test_a_body_that_is_no_answer_is_told_of_and_asked_for_again(body, words):
    text, failed = read(body)
    assert (text, failed.retryable) == ("", True)
    assert words in failed.message


@pytest.mark.parametrize(
    ("body", "has"),
    [
        (": keep-alive\n\n", False),
        (chunk({"role": "assistant", "content": ""}), False),
        (event({"choices": [], "usage": None}), False),
        (chunk({"content": "We"}), True),
        (chunk({"reasoning_content": "Hm."}), True),
        (piece(index=0, id="a", name="look_up"), True),
        ("{", True),
    ],
)
def test_a_server_that_only_says_that_it_lives_has_not_gone_on(body, has):
    reader = ChatReader(3)
    reader.receive(body.encode())
    assert reader.has_gone_on is has
    reader.receive(b"\n")
    assert reader.has_gone_on is (body == "{")


@pytest.mark.parametrize(
    "pieces",
    [
        [{"audio": {"id": "a", "transcript": "We close "}}, {"audio": {"transcript": "at five.", "data": "AAAA"}}],
        [{"content": "We close at "}, {"content": 5}, {"content": "."}],
        [{"content": [{"type": "text", "text": "Hm.", "thought": True}, {"type": "text", "text": WORDS}]}],
    ],
    ids=["transcript of a sound", "number", "thought with a flag"],
)
def test_words_are_found_in_odd_places(pieces):
    reader = ChatReader(1)
    events = reader.receive("".join([*map(chunk, pieces), chunk(finish="stop"), "data: [DONE]\n\n"]).encode())
    assert "".join(event.text for event in events if isinstance(event, s.Thought)).replace("5", "five") == WORDS
