"""The written can be read, by us and by anybody else; on both databases alike."""

from datetime import timedelta

import attrs
import pytest

from tests.journal.calls import NOON, close_session, end_call, live_call, open_session, until, without_words
from tests.journal.conftest import PACE
from trio_voice.journal import reading, schema
from trio_voice.journal.selection import Selection
from trio_voice.record import CallRecord, Utterance
from trio_voice.session_record import Closing, ModelSessionRecord


async def test_a_call_comes_back_as_it_was(opened, clock):
    record = end_call(live_call())
    async with opened(keep_transcripts=True) as journal:
        journal.call_ended(record)
        found = await journal.call(record.call_id)
        assert found.record == record
        assert found.began_at == clock.now
        assert found.run == journal.heartbeat.run
        assert found.settled_by is None
        assert await journal.call("another") is None


async def test_calls_that_are_over_are_listed_the_newest_first_a_page_at_a_time(opened, clock):
    async with opened() as journal:
        over = [end_call(live_call()) for _ in range(7)]
        for record in over:
            clock.now += timedelta(minutes=1)
            journal.call_ended(record)
        journal.call_began(live_call())  # it lives
        newest_first = [record.call_id for record in reversed(over)]

        async def listed(**wanted):
            return [found.record.call_id for found in await journal.listed(Selection(**wanted))]

        assert await listed() == newest_first
        first = await listed(limit=3)
        assert first == newest_first[:4]  # and one more, which says that there is a page behind it
        journal.call_ended(end_call(live_call()))  # shifts nothing
        assert await listed(limit=3, after=first[2]) == newest_first[3:7]
        assert await listed(limit=3, after=newest_first[-1]) == []
        assert await listed(since=clock.now - timedelta(minutes=1), until=clock.now) == [newest_first[1]]
        assert await listed(after="0" * 32) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"persona": "shop"}, 1),
        ({"persona": "nobody"}, 0),
        ({"end_reason": "hangup"}, 2),
        ({"end_reason": "idle"}, 0),
        ({"number": "+15557654321"}, 1),
        ({"number": "4321"}, 1),
        ({"number": "0002"}, 2),
        ({"number": "9999"}, 0),
    ],
)
async def test_calls_are_found_by_what_they_have(opened, wanted, found):
    async with opened() as journal:
        for fields in ({"persona": "shop", "from_number": "+15557654321"}, {}):
            record = end_call(live_call())
            for name, value in ({"from_number": "+15550001", "to_number": "+15550002"} | fields).items():
                setattr(record, name, value)
            journal.call_ended(record)
        assert len(await journal.listed(Selection(**wanted))) == found


async def test_transcripts_are_kept_only_where_that_was_asked_for(opened, stand):
    record = end_call(live_call())
    async with opened() as journal:
        journal.call_ended(record)
        assert (await journal.call(record.call_id)).record == without_words(record)
    assert stand.query("SELECT count(*) FROM utterances") == [(0,)]


async def test_a_session_is_on_the_disk_before_it_is_opened(opened, stand):
    record = live_call()
    async with opened() as journal:
        assert await open_session(journal, record)
        open_now = "SELECT call_sid, provider, opened_at FROM calls JOIN model_sessions USING (call_id)"
        assert stand.query(f"{open_now} WHERE closed_at IS NULL AND ended_at IS NULL") == [
            ("CA1", "aai", "2026-01-31T12:00:00.250000+00:00")
        ]


async def test_a_session_is_closed_in_its_row(opened):
    record = live_call()
    async with opened() as journal:
        await open_session(journal, record)
        record.model_sessions.append(ModelSessionRecord("speech", NOON))
        await open_session(journal, record)
        close_session(record.model_sessions[0])
        journal.session_closed(record, record.model_sessions[0])
        found = await journal.call(record.call_id)
    assert found.record.model_sessions == record.model_sessions
    assert [session.closing for session in found.record.model_sessions] == [Closing.ACKNOWLEDGED, None]


async def test_a_session_belongs_to_its_call(opened):
    async with opened() as journal:
        with pytest.raises(ValueError, match="model_sessions first"):
            journal.session_closed(live_call(), live_call().model_sessions[0])


async def test_records_are_copied_when_they_are_posted(opened):
    record = live_call()
    async with opened() as journal:
        journal.call_began(record)
        record.call_sid = "changed"
        assert (await journal.call(record.call_id)).record.call_sid == "CA1"


async def test_a_call_began_when_it_was_first_heard_of(opened, clock):
    record = live_call()
    async with opened() as journal:
        first = clock.now
        journal.call_began(record)
        clock.advance(60)
        journal.call_ended(record)
        assert (await journal.call(record.call_id)).began_at == first


async def test_calls_of_a_time_in_order_page_by_page(opened, clock, monkeypatch):
    monkeypatch.setattr(reading, "PAGE_CALLS", 3)
    async with opened() as journal:
        records = [live_call() for _ in range(10)]
        since = clock.now
        for n, record in enumerate(records):
            journal.call_began(record)
            if n % 2:
                clock.advance(1)
        found = await journal.calls(since, clock.now + timedelta(days=1))
        assert [call.record.call_id for call in found] == [record.call_id for record in records]
        found = await journal.calls(since + timedelta(seconds=1), since + timedelta(seconds=3))
        assert [call.record.call_id for call in found] == [record.call_id for record in records[2:6]]
        assert await journal.calls(since - timedelta(days=1), since) == []


async def test_whom_never_to_call(opened, stand, clock):
    async with opened() as journal:
        assert not await journal.is_do_not_call("+15550001")
        await journal.mark_do_not_call("+15550001", "asked", "call-1")
        await journal.mark_do_not_call("+15550001", "asked again", None)
        assert await journal.is_do_not_call("+15550001")
        assert not await journal.is_do_not_call("+1555000")
    assert stand.query("SELECT * FROM do_not_call") == [
        ("+15550001", "asked", "call-1", "2026-01-31T09:00:00.000001+00:00")
    ]


async def test_what_a_call_costs_the_database(stand, opened):
    """Rows written and commits, of a call that comes alone and is hung up by REST, and of one that we place."""
    async with opened(pace=attrs.evolve(PACE, gather_seconds=0.1)) as journal:
        await journal.is_do_not_call("+1")
        rows, commits = stand.rows_written(), journal.statistics().commits
        for outbound in (False, True):
            record = live_call(call_sid=None if outbound else "CA1")
            [session] = record.model_sessions
            record.model_sessions.clear()
            journal.call_began(record)  # before Twilio hears of it, or with the TwiML
            await until(lambda: journal.statistics().waiting == 0)
            if outbound:
                record.call_sid = "CA2"
                journal.call_began(record)
                await until(lambda: journal.statistics().waiting == 0)
            journal.call_began(record)  # it is answered, its stream comes
            record.model_sessions.append(session)
            assert await open_session(journal, record)
            close_session(session)
            journal.session_closed(record, session)
            journal.call_ended(record, phone_is_down=not outbound)
            if outbound:
                journal.phone_is_down(record)
            await until(lambda: journal.statistics().waiting == 0)
            await journal.call(record.call_id)
            now, commits_now = stand.rows_written(), journal.statistics().commits
            assert now - rows <= (7 if outbound else 5)
            assert commits_now - commits <= (4 if outbound else 3)
            rows, commits = now, commits_now


def test_a_record_has_no_field_that_the_journal_cannot_name():
    """A field called like a column of another meaning would be lost."""
    assert {"details", "run_id", "began_at", "settled_by", "phone_down_at"}.isdisjoint(attrs.fields_dict(CallRecord))
    assert {"details", "number", "settled_by"}.isdisjoint(attrs.fields_dict(ModelSessionRecord))
    assert set(attrs.fields_dict(CallRecord)) >= set(schema.CALL_COLUMNS) - {
        "details",
        "run_id",
        "began_at",
        "settled_by",
    }


@pytest.mark.parametrize(
    ("words", "found"), [("sourdough", 1), ("SOUR", 1), ("50% off_", 1), ("5_% off", 0), ("!", 1), ("rye", 0), ("'", 0)]
)
async def test_calls_are_found_by_what_was_said(opened, words, found):
    async with opened(keep_transcripts=True) as journal:
        said = live_call()
        said.transcript.append(Utterance("caller", "Sourdough, 50% off_today!", 1.0))
        journal.call_ended(end_call(said))
        journal.call_ended(end_call(live_call()))
        assert len(await journal.listed(Selection(words=words))) == found


@pytest.mark.parametrize("words", ["Öffnung", "öffnung", "ÖFFNUNG", "ÉTÉ", "été", "çilek"])
async def test_capitals_do_not_matter_in_any_alphabet(opened, words):
    async with opened(keep_transcripts=True) as journal:
        said = live_call()
        said.transcript.append(Utterance("caller", "Die Öffnung, ÇILEK, été.", 1.0))
        journal.call_ended(end_call(said))
        assert len(await journal.listed(Selection(words=words))) == 1


@pytest.mark.parametrize("odd", ["\0", "a\0b", "\ud83d"])
async def test_what_no_database_can_hold_is_found_nowhere_and_breaks_nothing(opened, odd):
    async with opened() as journal:
        journal.call_ended(end_call(live_call()))
        for selection in (Selection(persona=odd), Selection(words=odd), Selection(number=odd), Selection(after=odd)):
            assert await journal.listed(selection) == []
        assert await journal.do_not_call_numbers(odd, "", 10) == []
        assert await journal.do_not_call_numbers("", odd, 10) == []
        assert not await journal.is_do_not_call(odd)
        assert await journal.call(odd) is None
        assert len(await journal.listed(Selection())) == 1


async def test_the_do_not_call_list_is_read_page_by_page_and_numbers_leave_it(opened):
    async with opened() as journal:
        await journal.mark_do_not_call("+14155550101", "asked", "c1")
        await journal.set_all_do_not_call([("+14155550102", "once"), ("+14155550102", "twice")])
        await journal.set_all_do_not_call([])
        await journal.set_do_not_call("+14155550101", "asked again")
        listed = await journal.do_not_call_numbers("", "", 10)
        assert [(each.number, each.reason, each.call_id) for each in listed] == [
            ("+14155550101", "asked again", "c1"),
            ("+14155550102", "twice", None),
        ]
        assert [each.number for each in await journal.do_not_call_numbers("", "+14155550101", 10)] == ["+14155550102"]
        assert [each.number for each in await journal.do_not_call_numbers("0102", "", 1)] == ["+14155550102"]
        assert await journal.remove_do_not_call("+14155550101")
        assert not await journal.remove_do_not_call("+14155550101")
        assert not await journal.is_do_not_call("+14155550101")
        assert await journal.is_do_not_call("+14155550102")
