"""Arguments of a tool in the odd shapes that models give them: what is in them is meant, not the tool's defaults."""

import pytest

from trio_voice.call.tools import CallFacts, Tool

CALL = CallFacts("c1", "CA1", "inbound", "+15550001111", "+15551234567", "desk")


async def book(day: str = "today", first_name: str = "", n: int = 1) -> str:
    """Books a table."""
    return f"{day} {first_name} {n}"


async def greet(name: str = "nobody") -> str:
    """Greets."""
    return name


@pytest.mark.parametrize(
    ("arguments", "unknown"),
    [
        ({"book": {"day": "monday", "n": 3}}, 0),
        ({"name": "book", "arguments": {"day": "monday", "n": 3}}, 0),
        ({"function": "book", "parameters": {"day": "monday", "n": 3, "why": "?"}}, 1),
        ({"arguments": '{"day": "monday", "n": 3}'}, 0),
        ({"type": "object", "properties": {"day": "monday", "n": 3}, "required": []}, 0),
        ({"Day": "monday", "N": 3}, 0),
        ({"day ": "monday", "n": 3}, 0),
        ({"day": "monday", "n": 3, "arguments": {"day": "friday"}}, 1),
    ],
)
async def test_a_tool_acts_on_what_the_model_meant(arguments, unknown):
    answer = await Tool(book).run(arguments, CALL, 5)
    assert (answer.text, answer.unknown_arguments) == ('"monday  3"', unknown)


async def test_a_name_may_be_spelled_otherwise_if_only_one_can_be_meant():
    assert (await Tool(book).run({"firstName": "Ann"}, CALL, 5)).text == '"today Ann 1"'
    both = await Tool(book).run({"firstName": "Ann", "first_name": "Bea"}, CALL, 5)
    assert (both.text, both.unknown_arguments) == ('"today Bea 1"', 1)


async def test_a_tools_own_name_is_no_argument_beside_a_wrapping():
    assert (await Tool(greet).run({"name": "greet", "arguments": {"name": "Ann"}}, CALL, 5)).text == '"Ann"'
    assert (await Tool(greet).run({"name": "greet"}, CALL, 5)).text == '"greet"'


@pytest.mark.parametrize("arguments", [{"a": {"day": "monday"}, "b": {"day": "friday"}}, {"a": "{", "b": "[1]"}])
async def test_of_two_wrappings_none_is_meant(arguments):
    answer = await Tool(book).run(arguments, CALL, 5)
    assert (answer.text, answer.unknown_arguments) == ('"today  1"', 2)
