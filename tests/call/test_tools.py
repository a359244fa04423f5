"""Tools: what the model sees of a function, and an answer for every request."""

import json
import threading
from typing import Literal

import attrs
import msgspec
import pytest
import structlog
import trio

from trio_voice.call.built_in_tools import BUILT_IN
from trio_voice.call.tool_loading import load_tools
from trio_voice.call.tools import MAX_RESULT_BYTES, CallFacts, Tool, tool_of
from trio_voice.events.call import Then

CALL = CallFacts("c1", "CA1", "inbound", "+15550001111", "+15551234567", "desk")


class List:
    def __init__(self):
        self.marked = []

    async def mark_do_not_call(self, number, reason, call_id):
        self.marked.append((number, reason, call_id))


def order_status(order_id: int, detail: Literal["short", "long"] = "short") -> dict[str, str]:
    """Look up an order.

    The second paragraph is for programmers.

    Args:
        order_id: The number on the
            receipt.
        detail: How much to tell.

    Returns:
        Its status.
    """
    return {"status": f"order {order_id} is on its way", "detail": detail}


async def run(function, seconds=5.0, **arguments):
    return await Tool(function).run(arguments, CALL, seconds)


def test_a_signature_becomes_a_schema_and_a_docstring_the_description():
    schema = Tool(order_status).schema
    assert schema.name == "order_status"
    assert schema.description == "Look up an order."
    assert schema.parameters == {
        "type": "object",
        "properties": {
            "order_id": {"type": "integer", "description": "The number on the receipt."},
            "detail": {"enum": ["long", "short"], "default": "short", "description": "How much to tell."},
        },
        "required": ["order_id"],
        "additionalProperties": False,
    }


def test_a_parameter_without_a_type_is_refused():
    def vague(x):
        """Nobody knows."""

    with pytest.raises(TypeError, match="'x' of tool vague needs a type"):
        Tool(vague)


async def test_a_plain_function_and_an_async_one():
    async def wait(pause: float) -> str:
        await trio.sleep(pause)
        return "waited"

    assert json.loads((await run(order_status, order_id=7)).text)["status"] == "order 7 is on its way"
    assert (await run(wait, pause=0.001)).text == '"waited"'


async def test_arguments_are_held_against_the_schema():
    assert not (await run(order_status, order_id="7")).failed  # models write numbers as text
    for wrong in ({}, {"order_id": "seven"}, {"order_id": 7, "detail": "none"}):
        answer = await run(order_status, **wrong)
        assert answer.failed
        assert "the arguments do not fit" in json.loads(answer.text)["error"]


async def test_arguments_that_a_tool_has_no_name_for_are_left_out_and_counted():
    answer = await run(order_status, order_id=7, more=1, self={})
    assert not answer.failed
    assert answer.unknown_arguments == 2
    answer = await run(order_status, more=1)
    assert answer.failed  # what it needs is still missing


@pytest.mark.parametrize("wrapping", ["arguments", "parameters", "kwargs", "input"])
async def test_arguments_that_are_wrapped_up_once_more_are_unwrapped(wrapping):
    answer = await run(order_status, **{wrapping: {"order_id": 7}})
    assert (answer.failed, answer.unknown_arguments) == (False, 0)
    assert not (await run(order_status, **{wrapping: {"order_id": 7}, "more": 1})).failed

    def send(parameters: dict[str, int]) -> int:
        return parameters["order_id"]

    assert (await run(send, parameters={"order_id": 7})).text == "7"


@pytest.mark.parametrize("name", ["look_up", "lookUp", "Look-Up", "LOOK_UP"])
def test_a_tool_is_known_however_its_name_is_spelled(name):
    tools = {"look_up": Tool(order_status, "look_up"), "look": Tool(order_status, "look")}
    assert tool_of(name, tools) is tools["look_up"]
    assert tool_of("looks", tools) is None
    assert tool_of("look-up", tools | {"lookup": Tool(order_status, "lookup")}) is None  # it may be either


@pytest.mark.parametrize(
    "nothing", [None, {}, [], "", " ", "null", "{}", "[]", False, {"": None}, {"reason": "", "x": 1}]
)
@pytest.mark.parametrize("name", ["end_call", "transfer_to_human", "generate_random_number", "mark_do_not_call"])
async def test_what_is_as_good_as_no_arguments_is_none(name, nothing):
    tool = load_tools([name], List())[name]
    if isinstance(nothing, dict) and name == "generate_random_number":
        nothing = {key: value for key, value in nothing.items() if key != "reason"}
    assert not (await tool.run(nothing, CALL, 1)).failed


@pytest.mark.parametrize("something", ["all of it", ["all"], 7, "[7]"])
async def test_arguments_that_are_no_table_are_none_that_fit(something):
    assert (await load_tools(["end_call"], List())["end_call"].run(something, CALL, 1)).failed


async def test_a_number_that_is_withheld_is_asked_for_and_not_put_on_the_list():
    numbers = List()
    tool = load_tools(["mark_do_not_call"], numbers)["mark_do_not_call"]
    for shown in ("anonymous", "Restricted", "", "+266696687", "client:alice", "sip:6001@example.com"):
        withheld = attrs.evolve(CALL, from_number=shown)
        answer = json.loads((await tool.run({"reason": "asked"}, withheld, 1)).text)
        assert "ask for it" in answer["error"]
        answer = json.loads((await tool.run({"number": "no idea"}, withheld, 1)).text)
        assert "ask for it" in answer["error"]
    assert numbers.marked == []
    told = {"reason": "asked", "number": "+1 (555) 765-4321"}
    assert "status" in json.loads((await tool.run(told, attrs.evolve(CALL, from_number="anonymous"), 1)).text)
    await tool.run(told, attrs.evolve(CALL, from_number="sip:+15550002222@example.com"), 1)
    assert [number for number, *_ in numbers.marked] == ["+15557654321", "+15550002222"]


async def test_a_tool_may_know_its_call():
    def who(call: CallFacts) -> str:
        return call.other_number

    assert "call" not in Tool(who).schema.parameters["properties"]
    assert (await run(who)).text == '"+15550001111"'


async def test_a_tool_that_raises_gives_the_model_something_to_say():
    def broken() -> None:
        raise RuntimeError("s3cret")

    answer = await run(broken)
    assert answer.failed
    assert "s3cret" not in answer.text


async def test_a_tool_that_hangs_is_answered_for_and_left_behind():
    gate = threading.Event()

    def hang() -> None:
        gate.wait(30)

    async def hang_too() -> None:
        await trio.sleep_forever()

    with trio.fail_after(20):
        for function in (hang, hang_too):
            answer = await run(function, seconds=0.05)
            assert answer.failed
            assert "too long" in answer.text
    gate.set()


@pytest.mark.parametrize(
    "returned", [object(), {1, object()}, "\ud800", float("nan")], ids=["object", "set", "text", "nan"]
)
async def test_a_result_that_is_no_json(returned):
    def odd():
        return returned

    answer = await run(odd)
    json.loads(answer.text)


def rows(length, levels=5):
    """A table that is small, and long to be written."""
    table = "a row"
    for _ in range(levels):
        table = [table] * length
    return table


@attrs.define
class Answer:
    """A result with fields."""

    found: object


def cycle():
    """A list that is in itself."""
    found = []
    found.append({"again": found})
    return found


HUGE = {
    "text": lambda: "x" * 10_000_000,
    "bytes": lambda: memoryview(bytes(10_000_000)),
    "list": lambda: [None] * 1_000_000,
    "shared parts": lambda: rows(20),
    "nested": lambda: rows(1, 40_000),
    "cycle": cycle,
    "fields": lambda: Answer({"found": Answer(rows(20))}),
    "keys": lambda: {"x" * MAX_RESULT_BYTES: 1},
}


@pytest.mark.parametrize("returned", HUGE.values(), ids=HUGE)
async def test_a_huge_result_is_refused_before_it_is_written(returned, monkeypatch):
    """Writing it would have no end that anybody bounds, and every call waits for it."""
    encode, written = msgspec.json.encode, []

    def spy(value):
        written.append(len(encode(value)))
        return encode(value)

    monkeypatch.setattr(msgspec.json, "encode", spy)
    answer = await run(returned)
    assert answer.failed
    assert "too long" in answer.text
    assert max(written) < 200, "but for the answer to the model"


async def test_a_result_of_just_the_length_that_may_be():
    assert len((await run(lambda: "x" * (MAX_RESULT_BYTES - 2))).text) == MAX_RESULT_BYTES
    assert (await run(lambda: "x" * (MAX_RESULT_BYTES - 1))).failed
    assert not (await run(lambda: [[0]] * (MAX_RESULT_BYTES // 5))).failed


async def test_a_result_of_ten_megabytes():
    answer = await run(lambda: "x" * 10_000_000)
    assert answer.failed
    assert len(answer.text) < MAX_RESULT_BYTES


async def test_the_built_in_tools():
    numbers = List()
    tools = load_tools(sorted(BUILT_IN), numbers)
    assert tools.keys() == BUILT_IN
    drawn = json.loads((await tools["generate_random_number"].run({"minimum": 5, "maximum": 5}, CALL, 1)).text)
    assert drawn == {"number": 5}
    assert (await tools["end_call"].run({}, CALL, 1)).then is Then.END_CALL
    assert (await tools["transfer_to_human"].run({"reason": "angry"}, CALL, 1)).then is Then.TRANSFER
    assert not (await tools["mark_do_not_call"].run({"reason": "asked"}, CALL, 1)).failed
    assert numbers.marked == [("+15550001111", "asked", "c1")]


def test_the_users_own_tools_are_imported():
    assert load_tools(["tests.call.test_tools:order_status"], List()).keys() == {"order_status"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fly", "no built-in tool 'fly'"),
        ("nowhere.at_all:x", "cannot be imported"),
        ("tests.call.test_tools:nothing", "cannot be imported"),
        ("tests.call.test_tools:CALL", "is no function"),
    ],
)
def test_a_tool_that_cannot_be_loaded_says_why(name, words):
    with pytest.raises(ValueError, match=words):
        load_tools([name], List())


def raising(call):
    raise ValueError(f"no customer Ann at {call.from_number}")


async def raising_in_a_nursery(call):
    async with trio.open_nursery() as nursery:

        async def fail():
            try:
                raise KeyError(call.from_number)  # noqa: TRY301 - as a tool might
            except KeyError as missing:
                missing.add_note(f"asked for by {call.from_number}")
                raise RuntimeError(f"gone: {call.from_number}") from missing

        nursery.start_soon(fail)


@pytest.mark.parametrize(("function", "kind"), [(raising, "ValueError"), (raising_in_a_nursery, "RuntimeError")])
async def test_what_a_tool_raises_reaches_the_log_as_type_and_place(function, kind):
    """Its words are the caller's, or their number."""
    facts = attrs.evolve(CALL, from_number="+15551230042")
    with structlog.testing.capture_logs() as lines:
        await Tool(function).run({}, facts, 1)
    spoken = [line for line in lines if line["log_level"] != "debug"]
    (line,) = [line for line in spoken if line["event"] == "tool_failed"]
    assert line["error"] == kind
    assert "test_tools.py:" in line["at"][0]
    assert "5551230042" not in str(spoken)
    assert "Ann" not in str(spoken)
    assert any("exc_info" in line for line in lines if line["log_level"] == "debug")


@attrs.define
class Fails:
    """An argument's type with code of its own."""

    number: int

    def __attrs_post_init__(self):
        raise SystemExit(self.number)


class Unspeakable(type):
    """Classes that cannot even be named."""

    def __getattribute__(cls, _name):
        raise KeyboardInterrupt


async def takes(number: int, what: Fails | None = None) -> int:
    """Take something."""
    return number


async def raises_what_has_no_name() -> None:
    """Fails oddly."""

    class Odd(Exception, metaclass=Unspeakable):
        pass

    raise Odd


async def returns_what_is_no_json() -> object:
    """Returns something that fails while it is read."""
    return {"a": object()}


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (takes, {"number": 1, "what": {"number": 3}}, "the tool failed"),
        (takes, {"number": "\ud800"}, "do not fit"),
        (takes, {"number": [[[]]]}, "do not fit"),
        (raises_what_has_no_name, {}, "the tool failed"),
        (returns_what_is_no_json, {}, "cannot be read"),
    ],
    ids=["type that exits", "half a letter", "nested", "nameless", "no JSON"],
)
async def test_code_of_a_tools_types_is_a_tools_too(function, arguments, words):
    result = await run(function, **arguments)
    assert result.failed
    assert words in json.loads(result.text)["error"]
