"""The feed: nobody is waited for, what passes is dropped first, and whoever comes back has missed nothing else."""

import json
from datetime import UTC, datetime

import pytest
import trio
import trio.testing

from trio_voice.billing.prices import ModelPrices, Prices, TwilioPrices
from trio_voice.call.call_teller import CallTeller
from trio_voice.call.feed import COST_SECONDS, MAX_KEPT, Feed
from trio_voice.call.mailbox import Cursor, Mailbox, Reach
from trio_voice.record import CallRecord, CallState, EndReason, ToolUse, Turn, Utterance
from trio_voice.session_record import ModelSessionRecord

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def call(call_id="c1", **fields):
    record = CallRecord(
        call_id=call_id, direction="inbound", persona="desk", from_number="+15550001", to_number="+15550002"
    )
    for name, value in fields.items():
        setattr(record, name, value)
    return record


@pytest.fixture
def feed():
    return Feed()


def told(events):
    return [(event.kind, json.loads(event.data)) for event in events]


def kinds(events):
    return [event.kind for event in events]


def say(feed, record, text, *, final, line=None):
    line = line or Utterance("caller", text, 1.0)
    line.text = text
    teller = CallTeller(feed, record)
    teller.line(line, settled=final)
    return line


async def test_a_call_from_its_beginning_to_its_end(feed):
    record = call()
    with feed.listening() as mailbox:
        feed.call_changed(record)
        record.state, record.started_at = CallState.LIVE, NOON
        feed.call_changed(record)
        teller = CallTeller(feed, record)
        line = Utterance("caller", "Are you", 1.0)
        teller.line(line, settled=False)
        first = await mailbox.take()
        line.text = "Are you open?"
        teller.line(line, settled=True)
        teller.turn(Turn(2.0, 640.4, {"first_frame": 640.4}, 900.2))
        teller.tool(ToolUse("look_up", failed=False, milliseconds=12, arguments={"day": "today"}))
        record.state, record.end_reason, record.seconds = CallState.ENDED, EndReason.HANGUP, 9.0
        feed.call_ended(record)
        rest = await mailbox.take()
    assert [(kind, data.get("state"), data.get("text"), data.get("final")) for kind, data in told(first)] == [
        ("call", "ringing", None, None),
        ("call", "live", None, None),
        ("words", None, "Are you", False),
    ]
    assert kinds(rest) == ["words", "turn", "tool", "cost", "end"]
    data = dict(told(rest))
    assert (data["words"]["text"], data["words"]["role"], data["words"]["final"]) == ("Are you open?", "caller", True)
    assert (data["turn"]["latency_ms"], data["turn"]["heard_after_ms"]) == (640, 900)
    assert (data["tool"]["name"], data["tool"]["arguments"]) == ("look_up", {"day": "today"})
    assert data["end"]["end_reason"] == "hangup"
    assert {each["call_id"] for each in data.values()} == {"c1"}


async def test_of_a_call_whose_node_died_the_end_is_told_with_what_there_is(feed):
    """By the node that settles it, which may never have heard of it."""
    with feed.listening() as mailbox:
        feed.call_ended(call(state=CallState.ENDED, end_detail="its daemon died"))
        events = told(await mailbox.take())
    assert [kind for kind, _ in events] == ["call", "cost", "end"]
    assert (events[-1][1]["end_reason"], events[-1][1]["end_detail"]) == (None, "its daemon died")


async def test_words_that_are_not_final_take_the_place_of_those_before_them(feed):
    record = call()
    teller = CallTeller(feed, record)
    with feed.listening() as mailbox:
        line, other = Utterance("caller", "", 1.0), Utterance("agent", "", 2.0)
        for text in ("Are", "Are you", "Are you o"):
            line.text = text
            teller.line(line, settled=False)
            other.text = text.upper()
            teller.line(other, settled=False)
        line.text = "Are you open?"
        teller.line(line, settled=True)
        assert [data["text"] for _, data in told(await mailbox.take())] == ["ARE YOU O", "Are you open?"]


async def test_whoever_comes_later_hears_first_which_calls_there_are(feed):
    feed.call_changed(call("c1", state=CallState.LIVE))
    feed.call_changed(call("c2", state=CallState.LIVE))
    over = call("c0")
    feed.call_changed(over)
    feed.call_ended(over)
    with feed.listening() as mailbox:
        assert [data["call_id"] for _, data in told(await mailbox.take())] == ["c1", "c2"]


async def test_whoever_comes_back_is_told_what_they_missed_once_and_in_order_and_of_calls_that_are_over(feed):
    record = call()
    with feed.listening() as mailbox:
        feed.call_changed(record)
        say(feed, record, "One", final=True)
        say(feed, record, "Two", final=False)
        *_, last = await mailbox.take()
    cursor = Cursor({last.origin: last.number})
    say(feed, record, "Two is", final=False)
    say(feed, record, "Two is enough.", final=True)
    CallTeller(feed, record).turn(Turn(1, 500))
    feed.call_ended(record)
    with feed.listening(Cursor.read(str(cursor))) as mailbox:
        events = await mailbox.take()
    assert kinds(events) == ["words", "turn", "end"]
    assert json.loads(events[0].data)["text"] == "Two is enough."
    with feed.listening(Cursor({last.origin: events[-1].number})) as mailbox:
        assert mailbox.take_now() == []


@pytest.mark.parametrize(
    "text", ["", "x", "1", "a1b2c3d4", "a1b2c3d4.x", "A1B2C3D4.1", "a1b2c3d4.1-", "é", "a" * 9_000]
)
def test_what_is_no_place_is_told_so(text):
    with pytest.raises(ValueError, match="id of no event"):
        Cursor.read(text)


def test_a_place_is_read_as_it_is_written():
    cursor = Cursor({"a1b2c3d4": 15, "0f9e8d7c": 3})
    assert str(Cursor.read(str(cursor))) == str(cursor) == "a1b2c3d4.15-0f9e8d7c.3"


def test_a_place_never_goes_back():
    """A newcomer is told which calls live by an event of long ago, and has missed nothing since."""
    cursor = Cursor({"a1b2c3d4": 15})
    cursor.move("a1b2c3d4", 3)
    cursor.move("0f9e8d7c", 3)
    assert str(cursor) == "a1b2c3d4.15-0f9e8d7c.3"


async def test_a_place_in_a_process_that_is_gone_is_no_error(feed):
    feed.call_changed(call())
    with feed.listening(Cursor({"00000000": 99})) as mailbox:
        assert kinds(await mailbox.take()) == ["call"]


async def test_a_place_that_has_not_happened_yet_is_the_last_that_has(feed):
    feed.call_changed(call())
    end = str(feed.cursor())
    later = Cursor.read(f"{feed.origin}.1000-00000000.7")
    assert str(feed.within(later)) == f"{end}-00000000.7"  # of others nobody here knows
    assert str(feed.within(Cursor.read(end))) == end
    assert str(feed.within(Cursor.read("00000000.7"))) == "00000000.7"
    with feed.listening(feed.within(later)) as mailbox:
        feed.call_changed(call("c2"))
        assert [data["call_id"] for _, data in told(await mailbox.take())] == ["c2"]


async def test_a_full_mailbox_loses_what_passes_first_and_is_given_up_when_that_is_not_enough(feed):
    record = call()
    mailbox = Mailbox(Cursor(), most=10)
    feed._mailboxes.add(mailbox)
    say(feed, record, "passing", final=False)
    for number in range(9):
        say(feed, record, str(number), final=True)
    assert not mailbox.is_overrun
    say(feed, record, "9", final=True)
    say(feed, call("c2"), "no room for this", final=False)
    assert [data["text"] for _, data in told(mailbox.take_now())] == [str(number) for number in range(10)]
    for number in range(11):
        say(feed, record, str(number), final=True)
    assert mailbox.is_overrun
    assert await mailbox.take() == []


def test_what_is_kept_is_bounded(feed):
    record = call()
    for number in range(MAX_KEPT + 10):
        say(feed, record, str(number), final=True)
    assert len(feed._kept) == MAX_KEPT
    for _ in range(900):
        say(feed, record, "x" * 5_000, final=True)
    assert feed._kept_bytes <= 4_000_000
    assert feed._kept_bytes == sum(len(event.data) for event in feed._kept)


def test_nothing_is_made_of_what_passes_while_nobody_listens(feed):
    say(feed, call(), "Are you", final=False)
    assert str(feed.cursor()) == f"{feed.origin}.0"


class Live:
    """A call, as the costs see it."""

    seconds = 0.0

    def __init__(self, record):
        self.record = record


async def test_costs_tick_and_never_fall(feed, autojump_clock):
    record = call(state=CallState.LIVE)
    record.model_sessions.append(ModelSessionRecord("aai", NOON, opened_after_seconds=0.0))
    live = Live(record)
    prices = Prices(
        as_of=NOON.date(),
        currency="USD",
        twilio=TwilioPrices(inbound_minute=0.01, outbound_minute=0.02, media_stream_minute=0.004),
        models={"aai": ModelPrices(minute=0.6)},
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed.keep_costs, lambda: [live], lambda: prices)
        with feed.listening() as mailbox:
            totals = []
            for live.seconds in (2, 30, 90, 60):
                await trio.sleep(COST_SECONDS)
                await trio.testing.wait_all_tasks_blocked()
                totals += [data["total"] for _, data in told(mailbox.take_now())]
        nursery.cancel_scope.cancel()
    assert totals == [pytest.approx(0.034), pytest.approx(0.314), pytest.approx(0.928), pytest.approx(0.928)]
    assert (record.cost, record.model_sessions[0].seconds) == (None, None)  # it is as it was


async def test_without_prices_a_cost_is_unknown_and_not_nothing(feed):
    with feed.listening() as mailbox:
        feed.call_ended(call(seconds=10.0, started_at=NOON))
        data = dict(told(await mailbox.take()))
    assert data["cost"]["total"] is None


# Other processes


def pass_on(mailbox, to, *, is_past=False):
    for event in mailbox.take_now():
        to.take_over(event.origin, event.number, event.kind, event.data, is_past=is_past)


async def test_what_another_process_tells_is_told_here_once(feed):
    other = Feed()
    record = call("o1")
    with other.listening(Cursor(), Reach.PROCESS) as theirs, feed.listening() as mailbox:
        other.call_changed(record)
        say(other, record, "Hello", final=True)
        events = theirs.take_now()
        for _ in range(2):  # the connection broke, and it tells again
            for event in events:
                feed.take_over(event.origin, event.number, event.kind, event.data)
        assert kinds(await mailbox.take()) == ["call", "words"]
    with feed.listening(Cursor({feed.origin: 0, other.origin: 1})) as mailbox:
        assert kinds(mailbox.take_now()) == ["words"]
    with feed.listening(reach=Reach.PROCESS) as mailbox:  # who asks this process wants nothing of others
        say(feed, call(), "Mine", final=True)
        feed.take_over(other.origin, 9, "end", b'{"call_id":"o1"}')
        assert [data["text"] for _, data in told(mailbox.take_now())] == ["Mine"]


async def test_what_is_past_there_is_told_to_those_who_come_back_and_others_hear_which_calls_live(feed):
    other = Feed()
    gone, live = call("o1"), call("o2")
    other.call_changed(gone)
    other.call_ended(gone)
    other.call_changed(live)
    with feed.listening() as new, feed.listening(Cursor({feed.origin: 0})) as back:
        with other.listening(Cursor(), Reach.PROCESS) as theirs:
            pass_on(theirs, feed, is_past=True)
        feed.caught_up({other.origin})
        assert [data["call_id"] for _, data in told(new.take_now())] == ["o2"]
        assert kinds(back.take_now()) == ["call", "end", "call"]
        feed.forget(other.origin)
    with feed.listening() as mailbox:
        assert mailbox.take_now() == []


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"call_id": 1}', b"\xff"])
def test_nonsense_of_another_process_is_told_so(feed, data):
    with pytest.raises(ValueError, match="no event"):
        feed.take_over("a1b2c3d4", 1, "words", data)


async def test_somebody_who_wants_to_hear_of_all_is_noticed(feed, autojump_clock):
    async with trio.open_nursery() as nursery:
        heard = trio.Event()

        async def wait():
            await feed.wait_heard_of_all()
            heard.set()

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        with feed.listening(reach=Reach.PROCESS):
            await trio.testing.wait_all_tasks_blocked()
            assert not heard.is_set()
        with feed.listening():
            await trio.testing.wait_all_tasks_blocked()
            assert heard.is_set()
            assert feed.is_heard_of_all


async def test_another_machine_is_not_told_what_it_may_have_told_itself(feed):
    other, node = Feed(), Feed()
    with feed.listening(Cursor(), Reach.NODE) as asked, feed.listening() as all_of_it:
        feed.take_over(node.origin, 1, "end", b'{"call_id":"n1"}', of_node=True)
        feed.take_over(other.origin, 1, "end", b'{"call_id":"o1"}')
        assert [data["call_id"] for _, data in told(asked.take_now())] == ["o1"]
        assert [data["call_id"] for _, data in told(all_of_it.take_now())] == ["n1", "o1"]
        assert feed.is_heard_of_nodes
    with feed.listening(Cursor(), Reach.NODE):
        assert (feed.is_heard_of_all, feed.is_heard_of_nodes) == (True, False)
