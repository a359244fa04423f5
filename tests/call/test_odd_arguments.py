"""Arguments as models give them, where they differ from the schema and it is plain what is meant."""

import json

import pytest

from tests.call.test_tools import CALL
from trio_voice.call.tools import Tool


async def book(zip_code: str, guests: int = 2, name: str = "nobody", note: str | None = "none", at: float = 1.5) -> str:
    """Book."""
    return repr((zip_code, guests, name, note, at))


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ({"zip_code": "90210", "guests": None, "name": None, "at": None}, ("90210", 2, "nobody", "none", 1.5)),
        ({"zip_code": 90210}, ("90210", 2, "nobody", "none", 1.5)),
        ({"zip_code": 15551234567, "note": None}, ("15551234567", 2, "nobody", None, 1.5)),
        ({"zip_code": 90210.0, "note": 7, "name": 8}, ("90210", 2, "8", "7", 1.5)),
        ({"zip_code": "90210", "guests": "3", "at": "2.5"}, ("90210", 3, "nobody", "none", 2.5)),
    ],
    ids=str,
)
async def test_what_is_meant_is_plain(arguments, given):
    assert json.loads((await Tool(book).run(arguments, CALL, 5)).text) == repr(given)


@pytest.mark.parametrize(
    "arguments",
    [{"zip_code": None}, {"zip_code": True}, {"zip_code": ["90210"]}, {"zip_code": "90210", "guests": "several"}],
    ids=str,
)
async def test_what_is_not_is_told_to_the_model(arguments):
    answer = await Tool(book).run(arguments, CALL, 5)
    assert answer.failed
    assert "the arguments do not fit" in answer.text
