"""The shop's tools, on a real database, alone and in a call."""

import json
import sqlite3
from contextlib import closing
from functools import partial, wraps
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.call.test_tools import List
from tests.calls import live_call
from tests.chains import live_chain
from tests.config.files import ENVIRONMENT
from trio_voice.config.reading import read_settings
from trio_voice.examples import shop
from trio_voice.record import EndReason
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.providers.assemblyai_agent import Script, Turn
from trio_voice.tools import CallFacts, load_tools

CALL = CallFacts("c1", "CA1", "inbound", "+15550001111", "+15551234567", "shop")
NAMES = ["trio_voice.examples.shop:get_order_status", "trio_voice.examples.shop:schedule_callback"]


@pytest.fixture(autouse=True)
def book(tmp_path, monkeypatch):
    """Place of the order book; it is not there yet."""
    path = tmp_path / "orders.db"
    monkeypatch.setenv("TRIO_VOICE_ORDERS", str(path))
    return path


def rows(book, statement):
    with closing(sqlite3.connect(book)) as connection:
        return connection.execute(statement).fetchall()


async def ask(tool, **arguments):
    """Answer to the model."""
    answer = await load_tools(NAMES, List())[tool].run(arguments, CALL, 5)
    assert not answer.failed
    return json.loads(answer.text)


async def test_the_book_is_made_on_first_use_for_this_user_only(book):
    answer = await ask("get_order_status", order_number="AB3792")
    assert (answer["status"], answer["item"]) == ("on its way", "trail running shoes, size 42")
    assert answer["expected_on"] == rows(book, "SELECT date('now', '+2 days')")[0][0]
    assert book.stat().st_mode & 0o777 == 0o600
    assert len(rows(book, "SELECT * FROM orders")) == 3


async def test_what_is_in_the_book_is_told_and_kept(book):
    await ask("get_order_status", order_number="AB3792")
    with closing(sqlite3.connect(book)) as connection, connection:
        connection.execute("UPDATE orders SET status = 'delivered' WHERE number = 'AB3792'")
        connection.execute("INSERT INTO orders VALUES ('ZZ0001', 'laces', 'being packed', NULL)")
    assert (await ask("get_order_status", order_number="AB3792"))["status"] == "delivered"
    assert (await ask("get_order_status", order_number="ZZ0001"))["item"] == "laces"


@pytest.mark.parametrize(
    "said",
    [
        *("AB3792", "ab 3 7 9 2", "A-B-3792", "a b three seven nine two", "alpha bravo thirty-seven ninety two"),
        *("It is A, B, three, seven, nine, two, please.", "my order is ab3792", "order number a b thirty seven 92"),
    ],
)
async def test_a_number_is_understood_as_it_is_said(said):
    assert (await ask("get_order_status", order_number=said))["order_number"] == "AB3792"


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("E F double five eight zero", "EF5580"),
        ("ef five five eight oh", "EF5580"),
        ("EF558O", "EF5580"),
        ("C D twelve oh four", "CD1204"),
        ("echo foxtrot triple five 1", "EF5551"),
        ("x y forty twelve", "XY4012"),
        ("x y seventy eighty", "XY7080"),
        ("one two three", ""),
        ("AB37921", ""),
        ("", ""),
    ],
)
def test_numbers(said, number):
    assert shop.as_order_number(said) == number


@pytest.mark.parametrize("said", ["AB3793", "one two three", "", "'; DROP TABLE orders; --", "AB3792' OR '1'='1" * 9])
async def test_a_wrong_number_is_answered_in_words(book, said):
    answer = await ask("get_order_status", order_number=said)
    if not said.startswith("AB3792"):
        assert "order" in answer["error"]
    assert len(rows(book, "SELECT * FROM orders") if book.exists() else ["any"] * 3) == 3


@given(st.text(max_size=300))
def test_nothing_that_is_said_raises(said):
    assert len(shop.as_order_number(said)) in {0, 6}
    shop.as_phone_number(said)


async def test_a_callback_is_written_down_once_for_a_call(book):
    await ask("schedule_callback", preferred_time="tomorrow at ten", reason="a refund")
    answer = await ask("schedule_callback", preferred_time="'); DROP TABLE callbacks; --", phone="five five five 01 23")
    assert answer == {"status": "written down", "phone": "5550123", "preferred_time": "'); DROP TABLE callbacks; --"}
    assert rows(book, "SELECT call_id, phone, preferred_time, reason FROM callbacks") == [
        ("c1", "5550123", "'); DROP TABLE callbacks; --", "")
    ]


async def test_a_callback_goes_to_the_number_that_called(book):
    assert (await ask("schedule_callback", preferred_time="soon"))["phone"] == "+15550001111"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"preferred_time": "soon", "phone": "my sister's"}, "digit by digit"),
        ({"preferred_time": "soon", "phone": "1" * 16}, "digit by digit"),
        ({"preferred_time": "  "}, "when"),
    ],
)
async def test_a_callback_that_cannot_be_is_answered_in_words(book, arguments, words):
    assert words in (await ask("schedule_callback", **arguments))["error"]
    assert not book.exists()


async def test_ten_calls_at_once_find_one_book(book):
    answers = []

    async def look():
        answers.append(await ask("get_order_status", order_number="CD1204"))

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(look)
    assert [answer["status"] for answer in answers] == ["being packed"] * 10
    assert len(rows(book, "SELECT * FROM orders")) == 3


async def test_a_book_that_is_locked_is_not_waited_for(book):
    await ask("get_order_status", order_number="AB3792")
    status = load_tools(NAMES, List())["get_order_status"]
    with closing(sqlite3.connect(book, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with trio.fail_after(5):
            assert "too long" in (await status.run({"order_number": "AB3792"}, CALL, 0.05)).text
        other.execute("ROLLBACK")
    assert (await ask("get_order_status", order_number="AB3792"))["status"] == "on its way"


async def test_a_book_that_cannot_be_made_is_an_answer(book, monkeypatch):
    monkeypatch.setenv("TRIO_VOICE_ORDERS", str(book / "not" / "there.db"))
    answer = await load_tools(NAMES, List())["get_order_status"].run({"order_number": "AB3792"}, CALL, 5)
    assert answer.failed
    assert "offer something else" in answer.text


def test_the_persona_that_is_shipped_has_these_tools():
    shipped = read_settings(Path(__file__).parents[2] / "config.toml", ENVIRONMENT).personas["shop"]
    assert {*NAMES, "transfer_to_human"} <= {*shipped.tools}
    assert load_tools(shipped.tools, List()).keys() >= {"get_order_status", "schedule_callback", "transfer_to_human"}


# In a call. Threads and a virtual clock do not know of each other, so the tools run in the loop here.


def inline(function):
    @wraps(function)
    async def run(**given):
        await trio.lowlevel.checkpoint()
        return function(**given)

    return run


TOOLS = [inline(shop.get_order_status), inline(shop.schedule_callback)]


@pytest.fixture(params=["voice agent", "openai-chat", "anthropic"])
def a_call(request):
    """A call with a model that asks for tools as it is told to."""
    return live_call if request.param == "voice agent" else partial(live_chain, llm=request.param)


async def speak_once(a_call, turn):
    async with a_call(script=Script(greeting_ms=500, turns=(turn,)), tools=TOOLS) as rig:
        await trio.sleep(2)
        rig.speak(0.5)
        await trio.sleep(9)
        rig.twilio.hang_up()
    assert rig.record.end_reason is EndReason.HANGUP
    assert rig.record.transcript[-1].text == turn.after_tool
    return rig


async def test_a_caller_asks_for_an_order(autojump_clock, a_call):
    wanted = ToolUse("get_order_status", {"order_number": "A B three seven nine two"})
    rig = await speak_once(a_call, Turn(heard="Where are my shoes?", reply="", tool=wanted, after_tool="On their way."))
    assert [(use.name, use.failed) for use in rig.record.tools] == [("get_order_status", False)]
    if a_call is not live_call:
        told = rig.agent.thinking.exchanges[1].lines[-1]
        assert json.loads(told.text)["status"] == "on its way"


async def test_a_caller_asks_to_be_called_back(autojump_clock, a_call, book):
    wanted = ToolUse("schedule_callback", {"preferred_time": "tomorrow at ten", "phone": "555 01 23"})
    rig = await speak_once(a_call, Turn(heard="Call me back.", reply="", tool=wanted, after_tool="We will."))
    assert rows(book, "SELECT call_id, phone, preferred_time FROM callbacks") == [
        (rig.record.call_id, "5550123", "tomorrow at ten")
    ]
