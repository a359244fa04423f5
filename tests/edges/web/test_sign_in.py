"""Signing in: a token, a cookie, a link that is good once; and who may not, whatever their page sends."""

import re

import pytest

from tests.daemons import open_world, operator
from trio_voice.edges.web.app import create_app
from trio_voice.edges.web.entrypoints import Hosts
from trio_voice.edges.web.operator.tokens import WRONG_AT_ONCE

HTML = {"Accept": "text/html,application/xhtml+xml"}
OWN = {"Origin": "http://127.0.0.1:8081", "Host": "127.0.0.1:8081"}
PEOPLE = HTML | OWN


@pytest.fixture
def client(context):
    context.hosts = Hosts(("127.0.0.1", 8081), "https://desk.example.com")
    return create_app(context).test_client(use_cookies=False)


async def sign_in(client, token="op", **headers):
    return await client.post("/console/sign-in", form={"token": token}, headers=PEOPLE | headers)


async def cookie(client, **headers):
    answer = await sign_in(client, **headers)
    assert answer.status_code == 303
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


async def text(answer):
    return await answer.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/console", "/calls", "/calls/0123"])
async def test_people_without_a_cookie_are_given_a_page_to_sign_in_and_programs_are_told_so(client, path):
    page = await client.get(path, headers=HTML)
    assert page.content_type.startswith("text/html")
    assert len(re.findall('<input[^>]*type="password"', await text(page))) == 1
    program = await client.get(path)
    assert (program.status_code, (await program.get_json())["error"]["code"]) == (401, "unauthorized")


async def test_without_a_token_in_the_environment_the_page_names_it(client, context):
    context.api_token = None
    page = await client.get("/console", headers=HTML)
    assert page.status_code == 403
    assert "TRIO_VOICE_API_TOKEN" in await text(page)
    assert (await client.get("/calls")).status_code == 403
    assert (await sign_in(client)).status_code == 403


async def test_the_right_token_gives_a_cookie_that_opens_everything_the_operator_has(client):
    answer = await sign_in(client)
    set_cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} <= set(set_cookie.split("; "))
    assert "Secure" not in set_cookie
    assert set_cookie.partition("=")[2].partition(";")[0] != "op"
    have = await cookie(client)
    for path in ("/console", "/calls"):
        assert (await client.get(path, headers=HTML | OWN | have)).status_code == 200
    page = await text(await client.get("/console", headers=PEOPLE | have))
    assert "Hang up" not in page.partition("<template")[0]  # no call is live
    assert "Sign out" in page


async def test_behind_a_proxy_that_speaks_tls_the_cookie_is_secure(client):
    headers = {"Host": "desk.example.com", "Origin": "https://desk.example.com"}
    assert "; Secure" in (await sign_in(client, **headers)).headers["Set-Cookie"]


async def test_each_signing_in_gives_another_and_signing_out_ends_only_one_here_too(client):
    one, two = await cookie(client), await cookie(client)
    assert one != two
    out = await client.post("/console/sign-out", headers=PEOPLE | one)
    assert (out.status_code, "Max-Age=0" in out.headers["Set-Cookie"]) == (303, True)
    assert (await client.get("/calls", headers=OWN | one)).status_code == 401
    assert (await client.get("/calls", headers=OWN | two)).status_code == 200


async def test_a_wrong_token_is_told_so_and_the_same_is_not_judged_for_ever(client, context, mock_clock):
    wrong = await sign_in(client, "nope")
    assert (wrong.status_code, "Set-Cookie" in wrong.headers) == (401, False)
    assert "not the token" in await text(wrong)
    assert b'{code="unauthorized",what="operator"} 1.0' in context.metrics.render()
    for _ in range(WRONG_AT_ONCE + 1):
        last = await sign_in(client, "nope")
    assert last.status_code == 429


async def test_a_cookie_of_nobodys_opens_nothing(client):
    for value in ("x", "op", "a" * 3_000):
        assert (await client.get("/calls", headers=OWN | {"Cookie": f"trio_voice_8081={value}"})).status_code == 401


@pytest.mark.parametrize(
    "foreign",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8080"},
        {"Origin": "https://127.0.0.1:8081"},
        {"Origin": "http://127.0.0.1:8081.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_of_another_address_changes_nothing_with_somebodys_cookie(client, registry, foreign):
    have = await cookie(client) | {"Host": "127.0.0.1:8081"}
    for path, method in (("/call", "POST"), ("/calls/0123", "DELETE")):
        answer = await client.open(path, method=method, json={"to": "+1415"}, headers=have | foreign)
        assert (answer.status_code, (await answer.get_json())["error"]["code"]) == (403, "wrong_origin")
    assert (await client.post("/console/sign-out", headers=have | foreign)).status_code == 403
    assert (await client.get("/calls", headers=have | foreign)).status_code == 200  # it cannot read what it gets
    assert registry.records() == []
    assert (await client.post("/console/sign-in", form={"token": "op"}, headers=have | foreign)).status_code == 403


async def test_json_in_disguise_does_nothing(client, registry):
    have = await cookie(client) | {"Host": "127.0.0.1:8081"}
    body = b'{"to": "+14155550100", "persona": "desk"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = await client.post("/call", data=body, headers=have | {"Content-Type": kind})
        assert answer.status_code == 415
    assert registry.records() == []
    answer = await client.post("/call", data=body, headers=have | OWN | {"Content-Type": "application/json"})
    assert answer.status_code == 201


async def test_no_answer_lets_another_page_read_it_or_stand_around_it(client):
    have = await cookie(client)
    for path in ("/console", "/calls", "/console/static/console.css"):
        answer = await client.get(path, headers=HTML | OWN | have | {"Origin": "http://evil.example"})
        assert not [name for name in answer.headers if name[0].lower().startswith("access-control")]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    page = await client.get("/console", headers=PEOPLE | have)
    policy = page.headers["Content-Security-Policy"]
    for words in ("default-src 'none'", "script-src 'self'", "base-uri", "form-action", "frame-ancestors 'none'"):
        assert words in policy
    assert not re.search("unsafe|data:|\\*", policy)
    assert page.headers["Cache-Control"] == "no-store"


async def test_a_link_signs_in_once_and_looking_at_it_does_not_use_it_up(client):
    made = await client.post("/console/links", headers={"Authorization": "Bearer op"})
    path = (await made.get_json())["path"]
    assert "op" not in path.rpartition("/")[2] or len(path) > 30
    for _ in range(2):
        looked = await client.get(path, headers=HTML)
        assert (looked.status_code, "Sign in</button>" in await text(looked)) == (200, True)
    used = await client.post(path, headers=PEOPLE)
    have = {"Cookie": used.headers["Set-Cookie"].partition(";")[0]}
    assert (used.status_code, (await client.get("/calls", headers=OWN | have)).status_code) == (303, 200)
    for method in ("GET", "POST"):
        again = await client.open(path, method=method, headers=PEOPLE)
        assert (again.status_code, "Set-Cookie" in again.headers) == (410, False)
    assert (await client.post("/console/links")).status_code == 401


async def test_a_program_that_looks_at_the_head_of_a_link_uses_up_none(client):
    for way in ("enter", "talk"):
        path = (await (await client.post("/console/links", headers={"Authorization": "Bearer op"})).get_json())["path"]
        path = path.replace("/enter/", f"/{way}/")
        looked = await client.head(path, headers=HTML)
        assert (looked.status_code, "Set-Cookie" in looked.headers) == ({"enter": 200, "talk": 303}[way], False)
        used = await client.open(path, method={"enter": "POST", "talk": "GET"}[way], headers=PEOPLE)
        assert (used.status_code, "Set-Cookie" in used.headers) == (303, True)


async def test_big_answers_are_zipped_for_those_who_understand_it(client):
    zipped = await client.get("/console/static/console.css", headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    plain = await client.get("/console/static/console.css")
    assert "Content-Encoding" not in plain.headers
    assert len(await zipped.get_data()) < len(await plain.get_data())
    assert (await client.get("/console/static/../rendering.py")).status_code in (401, 404)


async def test_a_cookie_of_one_worker_opens_the_others_and_out_of_one_is_out_of_all(tmp_path):
    async with open_world(tmp_path, workers=2, operator="127.0.0.1:0", seconds=50) as world:
        url = world.daemon.operator_url
        async with operator() as http:
            token = http.headers.pop("Authorization").partition(" ")[2]
            assert (await http.post(f"{url}/console/sign-in", data={"token": token})).status_code == 303
            # Each connection is accepted by whichever worker is quicker.
            assert {(await http.get(f"{url}/calls")).status_code for _ in range(20)} == {200}
            assert (await http.post(f"{url}/console/sign-out")).status_code == 303
            assert {(await http.get(f"{url}/calls")).status_code for _ in range(5)} == {401}
