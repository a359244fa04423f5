"""Numbers that are ours, and numbers that nobody calls."""

import re

import pytest

from tests.edges.web.console.pages import EVIL, OPERATOR, Page, get, numbers
from trio_voice.edges.web.operator.number_file import GoodRow, read_rows

__all__ = ["numbers"]


async def test_a_number_is_pointed_here_after_it_was_asked_and_what_that_replaces_is_named(client, context):
    _, page = await get(client, "/console/numbers")
    assert [row["data-number"] for row in page.all("tr") if "data-number" in row] == ["+15550001111", "+15550002222"]
    links = [link["href"] for link in page.all("a") if link["href"].endswith("/point")]
    assert links == ["/console/numbers/PN1/point"]
    _, asks = await get(client, links[0])
    assert "https://other.example/x" in asks.text
    assert context.numbers.pointed == []
    done = await client.post(links[0], headers=OPERATOR)
    assert (done.status_code, context.numbers.pointed) == (303, ["PN1"])


async def test_without_an_account_the_page_of_numbers_says_what_to_set(client, context):
    context.numbers = None
    _, page = await get(client, "/console/numbers")
    assert "account_sid" in page.text


async def test_numbers_are_added_looked_up_and_removed(client, numbers):
    added = await client.post(
        "/console/do-not-call", form={"number": "+1 415 555-0199", "reason": "x"}, headers=OPERATOR
    )
    assert added.status_code == 303
    assert numbers.kept["+14155550199"] == "x"
    _, page = await get(client, "/console/do-not-call?number=0199")
    assert [row["data-number"] for row in page.all("tr") if "data-number" in row] == ["+14155550199"]
    removed = await client.post("/console/do-not-call/remove", form={"number": "+14155550199"}, headers=OPERATOR)
    assert (removed.status_code, list(numbers.kept)) == (303, ["+15550100"])
    wrong = await client.post("/console/do-not-call", form={"number": "the boss"}, headers=OPERATOR)
    assert wrong.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/do-not-call", None, 200),
        ("PUT", "/do-not-call/+14155550199", {"reason": "asked"}, 200),
        ("PUT", "/do-not-call/+14155550199", None, 200),
        ("PUT", "/do-not-call/the-boss", {"reason": ""}, 400),
        ("PUT", "/do-not-call/+1", {"reason": ""}, 400),
        ("PUT", "/do-not-call/+14155550199", {"reason": 1}, 400),
        ("PUT", "/do-not-call/+14155550199", ["x"], 400),
        ("PUT", "/do-not-call/+14155550199", {"why": ""}, 400),
        ("PUT", "/do-not-call/+14155550199", {"reason": "x" * 501}, 400),
        ("DELETE", "/do-not-call/+14155550199", None, 404),
        ("DELETE", "/do-not-call/x", None, 400),
        ("GET", "/do-not-call/+14155550199", None, 404),
        ("GET", "/do-not-call?limit=x", None, 400),
        ("GET", f"/do-not-call?limit={'9' * 5_000}", None, 400),
        ("GET", "/do-not-call?limit=1001", None, 400),
        ("GET", "/do-not-call?limit=1000", None, 200),
        ("GET", "/do-not-call?number=x", None, 400),
    ],
)
async def test_the_list_by_program(client, method, path, body, status):
    sent = {} if body is None else {"json": body}
    answer = await client.open(path, method=method, headers={"Authorization": "Bearer op"}, **sent)
    assert answer.status_code == status
    assert status == 200 or (await answer.get_json())["error"]["message"]


async def test_a_list_that_cannot_be_kept_is_told_so(client, context):
    context.journal.trouble = "gone"
    for method, path in (("GET", "/do-not-call"), ("PUT", "/do-not-call/+14155550199")):
        answer = await client.open(path, method=method, headers={"Authorization": "Bearer op"})
        assert (answer.status_code, (await answer.get_json())["error"]["code"]) == (503, "no_list")


async def test_what_comes_out_goes_in_again(client, numbers):
    numbers.kept["+14155550102"] = "=1+1"
    text = await (await client.get("/console/do-not-call.csv", headers=OPERATOR)).get_data(as_text=True)
    assert list(read_rows(text)) == [GoodRow("+14155550102", "=1+1"), GoodRow("+15550100", EVIL)]
    for row in text.splitlines()[1:]:
        assert not row.partition(",")[2].startswith(("=", "-", "@"))


async def test_a_file_of_numbers_is_brought_in_at_once_and_its_bad_rows_are_counted(client, numbers):
    rows = "".join(f"+1415556{n:04},\r\n" for n in range(1_000)) + "x\n" * 5_000
    body = f'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n{rows}\r\n--b--\r\n'
    headers = OPERATOR | {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await client.post("/console/do-not-call/import", data=body.encode(), headers=headers)
    page = Page(await answer.get_data(as_text=True))
    assert "1000 numbers were brought in" in page.text
    assert re.findall(r"and (\d+) more", page.text) == ["4980"]
    assert len(page.all("li")) == 21
    assert len(numbers.kept) == 1_001


async def test_a_file_of_a_hundred_thousand_lines_is_brought_in(client, numbers):
    rows = "\r\n".join(f"+1 415 {n // 10_000 + 550} {n % 10_000:04};asked" for n in range(100_000))
    data = f"\ufeffTelefon;Grund\r\n{rows}".encode("utf-16-le")
    headers = {"Authorization": "Bearer op", "Content-Type": "text/csv"}
    answer = await client.post("/do-not-call", data=data, headers=headers)
    assert await answer.get_json() == {"added": 100_000, "bad": [], "bad_rows": 0}
    assert numbers.kept["+14155599999"] == "asked"


async def test_a_file_that_is_too_big_or_none_is_refused(client, numbers):
    headers = {"Authorization": "Bearer op", "Content-Type": "text/csv"}
    assert (await client.post("/do-not-call", data=b"x" * 8_388_609, headers=headers)).status_code == 413
    headers["Content-Type"] = "application/json"
    assert (await client.post("/do-not-call", data=b"{}", headers=headers)).status_code == 415
    assert (
        await client.post("/do-not-call", data=b"+14155550101", headers={"Content-Type": "text/csv"})
    ).status_code == 401
    assert list(numbers.kept) == ["+15550100"]


async def test_what_was_done_is_told_of_a_number_and_a_link_can_say_nothing_else(client):
    _, page = await get(client, "/console/do-not-call?added=%2B14155550199")
    assert "+14155550199 is never called again." in page.text
    _, page = await get(client, "/console/do-not-call?done=Call+me&added=Call+me&removed=%3Cb%3E")
    assert "Call me" not in page.text
    assert not [tag for tag, attributes in page.tags if attributes.get("role") == "status"]
