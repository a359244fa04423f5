"""The console's pages as they are served: whole without a script, and text stays text, whoever wrote it."""

import csv
import gzip
import hashlib
import io
import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from trio_voice.edges.metrics.samples import Samples, increments, quantile, together
from trio_voice.edges.twilio.numbers import TwilioNumber
from trio_voice.edges.web.console.static_files import FOLDER
from trio_voice.edges.web.console.waterfall import WIDTH, waterfall
from trio_voice.edges.web.context import NumberRouting
from trio_voice.edges.web.number_file import GoodRow, read_rows
from trio_voice.edges.web.spreadsheet import safe_cell
from trio_voice.journal import JournaledCall, JournalUnavailable, Run
from trio_voice.journal.do_not_call import ListedNumber
from trio_voice.persona import Persona
from trio_voice.record import CallRecord, CallState, EndReason, Recording, ToolUse, Transfer, Turn, Utterance
from trio_voice.session_record import Closing, ModelSessionRecord
from trio_voice.timeline import Marks

EVIL = "<img src=x onerror=alert(1)>'\"&"
OPERATOR = {"Authorization": "Bearer op", "Accept": "text/html"}
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TOLD = {
    "caller_stopped": -240.0,
    "final_transcript": -40.0,
    "first_token": 410.0,
    "first_audio": 600.0,
    "first_frame": 640.0,
    "first_mark": 700.0,
}
RUN = Run("r", "n", 1, NOON, NOON)
PAGES = [
    *("/console", "/console/history", "/console/personas", "/console/numbers", "/console/do-not-call"),
    *("/console/health", "/console/drain", f"/console/calls/{'0' * 32}"),
]
VOID = {"meta", "link", "img", "input", "br", "rect"}


class Page(HTMLParser):
    """A page, as a browser would read it."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.text = ""
        self._skips = 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def ended(number=0, **fields):
    """A call that is over, with hostile names wherever somebody else writes them."""
    record = CallRecord(
        call_id=f"{number:032x}",
        direction="inbound",
        persona="desk",
        from_number=f"+1555000{number:04}",
        to_number="+15551234567",
        call_sid="CA1",
        state=CallState.ENDED,
        started_at=NOON - timedelta(minutes=number),
        ended_at=NOON,
        seconds=63.4,
        end_reason=EndReason.HANGUP,
        end_detail=EVIL,
        telephone_cost=0.0125,
        currency="USD",
    )
    session = ModelSessionRecord("aai", NOON, model="m", opened_after_seconds=0.1, seconds=63.5, cost=0.08)
    session.closed_at, session.closing = NOON, Closing.ACKNOWLEDGED
    record.model_sessions.append(session)
    record.transcript += [
        Utterance("agent", "Good day, this", 0.5, interrupted=True, heard_ms=900.0),
        Utterance("caller", EVIL, 2.0),
    ]
    record.unheard["0.5"] = f"is the bakery {EVIL}"
    record.tools.append(ToolUse("look_up", False, 12, at=2.5, arguments={"day": EVIL}, result={"open": EVIL}))
    record.turns.append(Turn(2.2, 640.0, TOLD, 900.0))
    record.transfers.append(Transfer("+15550100", 30.0, "busy"))
    record.note("callback", -2.04, "call-status: ringing")
    record.note("barge_in", 1.4, "0.9 s of it were heard")
    record.note("takeover", 40.0, EVIL)
    record.note("a newer version's", 41.0)
    record.marks.append(Marks(0.7, 1.42, placed=5, played=4, discarded=1, late_ms=31.6))
    for name, value in fields.items():
        setattr(record, name, value)
    return JournaledCall(record, NOON, RUN, None)


class Numbers:
    def __init__(self):
        self.pointed = []
        self.known = [
            TwilioNumber(sid="PN1", number="+15550001111", name=EVIL, voice_url="https://other.example/x"),
            TwilioNumber(sid="PN2", number="+15550002222", voice_url="https://voice.example.com/twiml"),
        ]

    async def listed(self):
        return self.known

    def points_here(self, number):
        return number.sid == "PN2"

    async def point(self, number):
        self.pointed.append(number.sid)


class List:
    """The do-not-call list of a stub journal."""

    def __init__(self, journal):
        self.kept = {"+15550100": EVIL}
        journal.set_do_not_call = self.set
        journal.set_all_do_not_call = self.set_all
        journal.remove_do_not_call = self.remove
        journal.do_not_call_numbers = self.page
        journal.keeps_words = False
        self._journal = journal

    async def set(self, number, reason):
        if self._journal.trouble:
            raise JournalUnavailable(self._journal.trouble)
        self.kept[number] = reason

    async def set_all(self, numbers):
        for number, reason in numbers:
            await self.set(number, reason)

    async def remove(self, number):
        return self.kept.pop(number, None) is not None

    async def page(self, digits, after, limit):
        if self._journal.trouble:
            raise JournalUnavailable(self._journal.trouble)
        found = sorted(number for number in self.kept if number > after and number.endswith(digits))
        return [ListedNumber(number, self.kept[number], None, "2026-01-31T09:00:00") for number in found[:limit]]


@pytest.fixture(autouse=True)
def numbers(context):
    context.journal.over = [ended(number) for number in range(120)]
    context.numbers = Numbers()
    context.samples = Samples(context.metrics, lambda: NOON)
    context.warnings = lambda: ["personas.desk.greeting: says nothing", f"server.bind: {EVIL}"]
    context.routing = NumberRouting(
        {
            **context.routing.personas,
            "evil": Persona(name="evil", model="m", greeting=EVIL, prompt=EVIL, tools=(EVIL,)),
        },
        {"default": "desk"},
    )
    return List(context.journal)


async def get(client, path, **headers):
    answer = await client.get(path, headers=OPERATOR | headers)
    return answer, Page(await answer.get_data(as_text=True))


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_whole_and_nothing_in_it_is_anybody_elses_markup(client, path):
    answer, page = await get(client, path)
    assert answer.status_code == 200
    [html] = page.all("html")
    assert html["lang"] == "en"
    assert page.all("title")
    for tag in ("main", "h1"):
        assert len(page.all(tag)) == 1
    assert page.all("nav")
    assert any("width=device-width" in meta.get("content", "") for meta in page.all("meta"))
    for word in ("Live", "History", "Personas", "Numbers", "Do not call", "Health", "Sign out"):
        assert word in page.text
    assert all(image["src"].startswith("/console/static/") for image in page.all("img"))
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert all(script.get("src", "").startswith("/console/static/") for script in page.all("script"))
    assert page.all("style") == []
    labels = {label["for"] for label in page.all("label")}
    assert all(field.get("type") == "hidden" or field["id"] in labels for field in page.all("input"))


@pytest.mark.parametrize("path", PAGES)
async def test_a_first_view_is_small(client, path):
    answer, page = await get(client, path)
    parts = [tag["src"] for tag in page.all("script")] + [tag["href"] for tag in page.all("link")]
    total = len(gzip.compress(await answer.get_data()))
    for part in parts:
        sent = await client.get(part, headers={"Accept-Encoding": "gzip"})
        assert sent.status_code == 200
        total += len(await sent.get_data())
    assert total < 60_000


async def test_big_pages_are_zipped(client):
    answer, _ = await get(client, "/console/history")
    zipped = await client.get("/console/history", headers=OPERATOR | {"Accept-Encoding": "gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(await zipped.get_data()) == await answer.get_data()


def test_what_is_vendored_is_what_was_published_and_has_its_licence():
    for line in (FOLDER / "VENDORED.sha256").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest, name
    named = (FOLDER / "VENDORED.sha256").read_text()
    for library in ("htmx", "htmx-ext-sse", "uplot"):
        assert f"  {library}-LICENSE.txt" in named
    assert all(path.name in named for path in FOLDER.glob("*.min.*"))


# A call


async def test_a_calls_timeline_has_marks_callbacks_barge_ins_and_takeovers_in_their_order(client):
    _, page = await get(client, f"/console/calls/{'0' * 32}")
    told = (
        *("\N{MINUS SIGN}0:02.0", "call-status: ringing", "0:00.1", "session opened", "0:00.7"),
        *("4 of 5 marks came back, by 0:01.4; 32 ms late at most; 1 thrown away", "0:01.4", "barge-in"),
        *("0:40.0", "another session takes over", "a newer version's"),
        *("1:03.4", "end_reason: hangup", "1:03.6", "session closed"),
    )
    at = [page.text.index(words) for words in told]
    assert at == sorted(at)


async def test_a_turns_waterfall_has_all_its_steps_in_a_picture_and_in_figures(client):
    _, page = await get(client, f"/console/calls/{'0' * 32}")
    [picture] = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    assert picture["aria-label"] == (
        "words certain 200 ms, end of turn decided 240 ms, first token 650 ms, first audio 840 ms, sent 880 ms, "
        "heard 940 ms"
    )
    assert [(bar["class"], bar["x"], bar["width"]) for bar in page.all("rect")] == [
        *[("final_transcript", "0.0", "212.8"), ("decided", "212.8", "42.6"), ("first_token", "255.3", "436.2")],
        *[("first_audio", "691.5", "202.1"), ("first_frame", "893.6", "42.6"), ("first_mark", "936.2", "63.8")],
    ]
    assert "0200240650840880940" in re.sub(r"\s", "", page.text)


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (Turn(1.0, 300.0), "sent 300 ms"),
        (Turn(1.0, 300.0, {}, 900.0), "end of turn decided 600 ms, sent 900 ms"),
        (Turn(1.0, 300.0, {"first_token": -50.0}), "end of turn decided 50 ms, sent 350 ms"),
        (Turn(1.0, 0.0), "sent 0 ms"),
    ],
    ids=["of a caller who made no sound", "of a version before", "thought of before the end", "at once"],
)
def test_a_waterfall_of_which_little_is_known(turn, words):
    [fall] = waterfall([turn])
    assert fall.words == words
    assert max(bar.x + bar.width for bar in fall.bars) <= WIDTH + 0.2


async def test_a_calls_page_shows_what_was_heard_and_what_was_not(client):
    _, page = await get(client, f"/console/calls/{'0' * 32}")
    assert len(page.all("s")) == 1
    for words in (
        *("Good day, this", f"is the bakery {EVIL}", "interrupted", "look_up", "12 ms", "closing: acknowledged"),
        *("end_reason: hangup", "$ 0.0925", "1:03", "put through to +15550100", "busy", "900 ms"),
    ):
        assert words in page.text, words
    assert json.dumps({"day": EVIL}) in page.text
    assert page.all("audio") == []


async def test_what_was_recorded_can_be_played(client, context):
    context.journal.over = [ended(recording=Recording("/calls/x/recording", 63.0))]
    _, page = await get(client, f"/console/calls/{'0' * 32}")
    assert [audio["src"] for audio in page.all("audio")] == ["/calls/x/recording"]


async def test_a_recording_says_who_listened_and_when_it_was_deleted(client, context):
    listened = ["2026-01-31T12:30:00+00:00", "2026-01-31T13:00:00.5+00:00"]
    recording = Recording(None, 63.0, 0.0, listened, deleted_at="2026-02-01T09:00:00+00:00")
    context.journal.over = [ended(recording=recording)]
    _, page = await get(client, f"/console/calls/{'0' * 32}")
    assert page.all("audio") == []
    assert "recordingdeleted 2026-02-01 09:00:00" in page.text
    assert "listened to2 times, last 2026-01-31 13:00:00" in page.text


async def test_a_call_that_nobody_knows_is_told_so(client, context):
    context.journal.over = []
    answer, page = await get(client, f"/console/calls/{'f' * 32}")
    assert (answer.status_code, "No such call" in page.text) == (404, True)


# History


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/console/nowhere", 404), ("PUT", "/console/history", 405), ("POST", "/console/do-not-call", 413)],
)
async def test_a_request_that_cannot_be_served_is_a_page_for_people_and_json_for_programs(client, method, path, status):
    body = {"data": "x" * 100_000, "headers": OPERATOR | {"Content-Type": "multipart/form-data; boundary=b"}}
    answer = await client.open(path, method=method, **body)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert Page(await answer.get_data(as_text=True)).all("main")
    body["headers"] |= {"Accept": "application/json"}
    answer = await client.open(path, method=method, **body)
    assert (answer.status_code, answer.mimetype) == (status, "application/json")


@pytest.mark.parametrize("path", ["/", "/console/"])
async def test_whoever_types_the_address_alone_comes_to_the_console_and_a_program_to_nothing(client, path):
    answer = await client.get(path, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console")
    assert (await client.get(path, headers=OPERATOR | {"Accept": "application/json"})).status_code == 404


def calls_of(page):
    return [row["data-call"] for row in page.all("tr") if "data-call" in row]


async def test_history_is_paged_and_no_call_is_missed_or_told_twice(client):
    seen, path = [], "/console/history"
    while path:
        _, page = await get(client, path)
        assert 0 < len(calls_of(page)) <= 120
        seen += calls_of(page)
        path = next((link["href"] for link in page.all("a") if link.get("rel") == "next"), None)
    assert seen == [f"{number:032x}" for number in range(120)]


async def test_history_asks_the_journal_for_what_was_asked_and_exports_the_same(client, context):
    asked = "/console/history?number=0007&persona=desk&end_reason=hangup&day=2026-01-31&words=bread"
    _, page = await get(client, asked)
    wanted = context.journal.wanted[-1]
    assert (wanted.number, wanted.persona, wanted.end_reason, wanted.words) == ("0007", "desk", "hangup", "bread")
    assert (wanted.since, wanted.until) == (datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    links = [link["href"] for link in page.all("a") if "history." in link["href"]]
    assert {urlsplit(link).path for link in links} == {"/console/history.csv", "/console/history.json"}
    for link in links:
        assert parse_qs(urlsplit(link).query)["words"] == ["bread"]
    assert "keep_transcripts" in page.text


@pytest.mark.parametrize(
    "query", ["number=1", "number=abc", "day=yesterday", "day=9999-12-31", "end_reason=boredom", "after=x"]
)
async def test_a_question_that_cannot_be_meant_is_told_so(client, query):
    answer, page = await get(client, f"/console/history?{query}")
    assert answer.status_code == 200
    assert [tag for tag, attributes in page.tags if attributes.get("role") == "alert"]
    assert (await client.get(f"/console/history.csv?{query}", headers=OPERATOR)).status_code in (200, 400)


async def test_all_pages_come_out_as_csv_and_as_json(client, context):
    text = await (await client.get("/console/history.csv", headers=OPERATOR)).get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["call_id"] for row in rows] == [f"{number:032x}" for number in range(120)]
    assert rows[0]["from"] == "'+15550000000"
    whole = json.loads(await (await client.get("/console/history.json", headers=OPERATOR)).get_data())
    assert len(whole["calls"]) == 120
    assert whole["calls"][0]["tools"][0]["name"] == "look_up"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1"])
def test_no_cell_is_a_formula(text):
    assert safe_cell(text) == f"'{text}"
    assert [safe_cell(value) for value in (-1.5, 3, None, "a=b")] == ["-1.5", "3", "", "a=b"]


async def test_history_says_when_the_journal_cannot_be_read(client, context):
    context.journal.trouble = "the disk is gone"
    _, page = await get(client, "/console/history")
    assert "the disk is gone" in page.text


# Personas, numbers


async def test_personas_show_what_they_say_and_may_do_and_what_is_warned_of(client):
    _, page = await get(client, "/console/personas")
    cards = [article["data-persona"] for article in page.all("article")]
    assert cards == ["desk", "shop", "evil"]
    assert "personas.desk.greeting: says nothing" in page.text
    assert page.text.count(EVIL) >= 4
    assert "/console/talk?persona=evil" in [link["href"] for link in page.all("a")]


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


# Do not call


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


# Health


async def test_the_alarm_is_shown_when_it_is_one_and_never_else(client, context):
    _, page = await get(client, "/console/health")
    assert "outlived" not in page.text
    context.metrics.count_outlived(ModelSessionRecord("assemblyai-agent", NOON))
    _, page = await get(client, "/console/health")
    [alert] = [attributes for _, attributes in page.tags if attributes.get("role") == "alert"]
    assert alert["role"] == "alert"
    assert "outlived" in page.text


async def test_a_drain_is_asked_back(client, context):
    drained = []
    context.drain = lambda: drained.append(True)
    _, page = await get(client, "/console/health")
    assert "/console/drain" in [link["href"] for link in page.all("a")]
    await get(client, "/console/drain")
    assert drained == []
    await client.post("/console/drain", headers=OPERATOR)
    assert drained == [True]


async def test_charts_are_of_all_that_was_sampled(client, context):
    now = [NOON]
    context.samples = Samples(context.metrics, lambda: now[0])
    context.samples.take()
    context.metrics.observe_call(ended().record)
    now[0] += timedelta(seconds=30)
    answer = await client.get("/console/health.json", headers=OPERATOR)
    found = await answer.get_json()
    assert len(found["times"]) == 2
    charts = {chart["title"]: chart for chart in found["charts"]}
    assert charts["Calls that ended"]["series"][0]["values"] == [None, 1.0]
    minutes = charts["Session minutes in an hour by provider"]["series"]
    assert [each["values"] for each in minutes] == [[None, pytest.approx(63.5 * 60 / 30)]]
    assert 500 < charts["Caller hears an answer after"]["series"][0]["now"] < 1_100


def test_samples_of_several_processes_are_one_and_counters_that_begin_anew_do_not_run_backwards():
    assert together([[[30, {"a": 1.0}]], [[30, {"a": 2.0, "b": 1.0}], [60, {"a": 1.0}]]]) == [
        (30, {"a": 3.0, "b": 1.0}),
        (60, {"a": 1.0}),
    ]
    assert increments({"a": 5.0}, {"a": 7.0, "b": 2.0}) == {"a": 2.0, "b": 2.0}
    assert increments({"a": 5.0}, {"a": 1.0}) == {"a": 1.0}
    buckets = {"x le=0.1": 0.0, "x le=0.2": 10.0, "x le=+Inf": 10.0}
    assert quantile(buckets, "x", 0.5) == pytest.approx(0.15)
    assert quantile({"x le=0.1": 0.0, "x le=+Inf": 0.0}, "x", 0.5) is None
    assert quantile({"x le=0.1": 0.0, "x le=+Inf": 4.0}, "x", 0.5) == 0.1


def test_no_file_of_a_page_asks_another_address():
    for path in Path(FOLDER).iterdir():
        if path.suffix in (".js", ".css") and ".min." not in path.name:
            asked = r"""(?:import|fetch|src|href|url|WebSocket|EventSource)\W{1,3}https?://"""
            assert not re.search(asked, path.read_text())
