"""Numbers that are looked for, in every spelling in which people write the whole of one, or its end."""

from urllib.parse import quote

import pytest

from tests.edges.web.console.pages import OPERATOR, numbers  # noqa: F401 - a fixture

NUMBER = "+442079460000"
SPELT = [
    *(NUMBER, "442079460000", "+44 20 7946 0000", "+44 (0)20 7946 0000", "0044 20 7946 0000", "tel:+442079460000"),
    *(
        "+44\u00a020\u00a07946\u00a00000",
        "+44\u201120\u20117946\u20110000",
        "\uff0b\uff14\uff14\uff12\uff10 7946 0000",
        "sip:+442079460000@example.com",
    ),
    *("7946 0000", "7946-0000", "\uff10\uff10\uff10", "(20) 7946.0000", "\u0660\u0660\u0660"),
]
"""Spaces and hyphens that do not break, and digits of other scripts, among them."""
NONE = ["7+9", "abc", "12", "+", "1" * 16, "000 x"]


@pytest.mark.parametrize("spelt", SPELT)
@pytest.mark.parametrize("path", ["/console/history", "/calls", "/console/history.csv"])
async def test_calls_are_looked_for_by_a_number_in_any_spelling(client, context, path, spelt):
    answer = await client.get(f"{path}?number={quote(spelt)}", headers=OPERATOR)
    assert answer.status_code == 200
    await answer.get_data()
    [wanted] = context.journal.wanted
    assert NUMBER.endswith(wanted.number)
    assert len(wanted.number) >= 3


@pytest.mark.parametrize("spelt", SPELT)
@pytest.mark.parametrize("path", ["/console/do-not-call", "/do-not-call"])
async def test_the_list_is_looked_through_likewise(client, numbers, path, spelt):  # noqa: F811 - a fixture
    numbers.kept = {NUMBER: "here it is", "+442079460001": "another"}
    answer = await client.get(f"{path}?number={quote(spelt)}", headers=OPERATOR)
    text = await answer.get_data(as_text=True)
    assert "here it is" in text
    assert "another" not in text


@pytest.mark.parametrize("spelt", NONE)
@pytest.mark.parametrize("path", ["/calls", "/do-not-call"])
async def test_what_is_no_number_and_no_end_of_one_is_told_so(client, path, spelt):
    answer = await client.get(f"{path}?number={quote(spelt)}", headers=OPERATOR)
    assert answer.status_code == 400
    assert "number: must be the last 3 digits" in await answer.get_data(as_text=True)
