"""Databases that are full, locked, gone, dead or stuck: calls go on, and what can be written is."""

import os
import stat
import threading
from contextlib import ExitStack, closing, contextmanager

import attrs
import pytest
import trio

from tests.journal.calls import end_call, live_call, open_session, until
from tests.journal.conftest import IMPATIENT, PACE
from tests.journal.stands import BIG
from trio_voice.journal import JournalUnavailable, database_at, open_journal, opening, writer


def events(logged):
    """Lines that the journal logged, but for its opening."""
    return [line["event"] for line in logged if line["event"] != "journal_open"]


async def test_a_lock_keeps_no_call_waiting_and_loses_nothing(opened, stand, logged):
    one, other = live_call(), live_call()
    async with opened(pace=IMPATIENT) as journal:
        with stand.locked():
            assert not await open_session(journal, one)
            assert not journal.healthy
            assert "lock" in journal.trouble
            with trio.fail_after(20):  # no call waits for what is known not to work
                assert not await open_session(journal, other, seconds=3600)
            with pytest.raises(JournalUnavailable, match="lock"):
                await journal.is_do_not_call("+1")
            with pytest.raises(JournalUnavailable, match="lock"):
                await journal.mark_do_not_call("+15550001", "asked")
            await trio.sleep(0.05)  # several attempts
        await until(lambda: journal.healthy)
        assert journal.trouble == ""
        assert (await journal.call(one.call_id)).record == one
        assert (await journal.call(other.call_id)).record == other
        assert await journal.is_do_not_call("+15550001")
        assert journal.statistics().unwritten_openings == 2
    assert events(logged) == ["journal_trouble", "journal_recovered"]


async def test_a_full_disk(opened, stand, logged):
    async with opened():
        pass
    stand.fill_disk()
    big, small = live_call(end_detail=BIG), live_call()
    async with opened() as journal:
        assert not await open_session(journal, big)
        assert "room" in journal.trouble
        assert not await open_session(journal, small)
        stand.make_room()
        await until(lambda: journal.healthy)
        assert (await journal.call(big.call_id)).record == big
        assert (await journal.call(small.call_id)).record == small
    assert events(logged) == ["journal_trouble", "journal_recovered"]
    [trouble] = [line for line in logged if line["event"] == "journal_trouble"]
    assert "make room" in trouble["trouble"]


async def test_a_database_that_vanishes_and_comes_back(opened, stand, logged):
    before, meanwhile = live_call(), live_call()
    async with opened() as journal:
        assert await open_session(journal, before)
        stand.vanish()
        assert not await open_session(journal, meanwhile)
        await trio.sleep(0.05)  # several attempts
        assert not journal.healthy
        stand.come_back()
        await until(lambda: journal.healthy)
        assert (await journal.call(before.call_id)).record == before
        assert (await journal.call(meanwhile.call_id)).record == meanwhile
    assert [event for event in events(logged) if event != "journal_file_gone"] == [
        "journal_trouble",
        "journal_recovered",
    ]


async def test_a_database_that_is_not_there_at_first(opened, stand, logged):
    record = live_call()
    stand.vanish()
    async with opened() as journal:
        assert not journal.healthy
        assert not await open_session(journal, record)
        stand.come_back()
        await until(lambda: journal.healthy)
        assert (await journal.call(record.call_id)).record == record
    assert events(logged) == ["journal_trouble", "journal_recovered"]


async def test_closing_in_trouble_is_bounded_and_says_what_is_lost(opened, stand, logged):
    async with opened() as journal:
        stand.vanish()
        journal.call_began(live_call())
        await until(lambda: not journal.healthy)
        journal.call_began(live_call())
    assert journal.statistics().dropped == 3  # and the daemon's last word
    assert events(logged)[-1] == "journal_lost"
    assert logged[-1]["entries"] == 3
    stand.come_back()


async def test_trouble_that_ends_just_before_the_end_costs_nothing(opened, stand):
    record = live_call()
    async with opened(pace=attrs.evolve(PACE, retry_seconds=3600)) as journal:
        with stand.locked():
            assert not await open_session(journal, record)
    assert stand.query("SELECT call_id FROM calls") == [(record.call_id,)]
    assert stand.query("SELECT count(*) FROM runs WHERE ended_at IS NOT NULL") == [(1,)]


async def test_the_oldest_make_room_for_the_newest(opened, stand, monkeypatch):
    monkeypatch.setattr(writer, "BACKLOG_ENTRIES", 3)
    records = [live_call() for _ in range(5)]
    async with opened(pace=IMPATIENT) as journal:
        with stand.locked():
            for record in records:
                await open_session(journal, record)
            await until(lambda: journal.statistics().dropped == 2)
            assert journal.statistics().waiting <= 3
        await until(lambda: journal.healthy)
        assert [await journal.call(record.call_id) is None for record in records] == [True, True, False, False, False]


async def test_questions_push_nothing_out_of_the_backlog(opened, stand):
    async with opened(pace=IMPATIENT) as journal:
        with stand.locked():
            await open_session(journal, live_call())
            waiting = journal.statistics().waiting
            for _ in range(10):
                with pytest.raises(JournalUnavailable):
                    await journal.is_do_not_call("+1")
            assert journal.statistics().waiting <= waiting


# One database or the other


async def test_a_connection_that_died_unnoticed_is_nobody_s_trouble(postgres_stand, clock, logged):
    """A server that was restarted in the night, a firewall that forgot: the next write finds out, and goes through."""
    record = live_call()
    async with open_journal(postgres_stand.url, node="here", clock=clock, pace=PACE) as journal:
        postgres_stand.cut_connections()
        assert await open_session(journal, record)
        assert (await journal.call(record.call_id)).record == record
    assert events(logged) == []


async def test_a_server_that_does_not_answer_is_interrupted(postgres_stand, clock, logged):
    pace = attrs.evolve(PACE, lock_seconds=3600, stuck_seconds=0.1)
    async with open_journal(postgres_stand.url, node="here", clock=clock, pace=pace) as journal:
        with postgres_stand.locked():
            assert not await open_session(journal, live_call(), seconds=0.2)
            journal.call_began(live_call())
            assert journal.trouble == "it has not answered for 0.1 s"
        await until(lambda: journal.healthy)
    assert events(logged)[:2] == ["journal_trouble", "journal_recovered"]
    assert events(logged)[-1] == "journal_recovered"  # a busy machine may take that long once more


async def test_a_server_that_does_not_answer_keeps_nobody_from_closing(postgres_stand, clock, logged):
    pace = attrs.evolve(PACE, lock_seconds=3600, flush_seconds=0.03)
    with ExitStack() as until_the_end, trio.fail_after(20):
        async with open_journal(postgres_stand.url, node="here", clock=clock, pace=pace) as journal:
            until_the_end.enter_context(postgres_stand.locked())
            journal.call_began(live_call())
    assert events(logged)[-1] == "journal_lost"


async def test_rows_that_a_dead_daemon_keeps_locked_hold_up_nothing_but_their_settlement(postgres_stand, clock):
    """It was stopped within a transaction, and its connection is still there."""
    left, own = live_call(), live_call()
    async with open_journal(postgres_stand.url, node="dead", clock=clock, pace=IMPATIENT) as journal:
        await open_session(journal, left)
        dead = journal.heartbeat.run
    async with open_journal(postgres_stand.url, node="here", clock=clock, pace=IMPATIENT) as journal:
        [call] = await journal.left_open(dead)
        with postgres_stand.locked_rows():
            for attempt in (
                lambda: journal.declare_dead(dead),
                lambda: journal.settle_sessions(call, clock.now),
                lambda: journal.settle_call(call, clock.now, "it died"),
            ):
                with pytest.raises(JournalUnavailable, match="lock"):
                    await attempt()
                journal.phone_is_down(own)  # or a beat, soon
                await until(lambda: journal.healthy)
            assert await open_session(journal, own)
        await journal.settle_call(call, clock.now, "it died")
        assert (await journal.call(left.call_id)).record.end_detail == "it died"


def test_the_server_is_asked_to_notice_that_we_are_gone(postgres_stand):
    """So that no row stays locked for hours that the others have to write."""
    database = database_at(postgres_stand.url, 2)
    database.connect()
    with closing(database):
        [told] = database.query("SELECT current_setting('lock_timeout'), current_setting('synchronous_commit')")
        assert told == ("2s", "on")
        [times] = database.query(
            "SELECT inet_client_addr()::text, current_setting('tcp_keepalives_idle'), "
            "current_setting('tcp_keepalives_interval'), current_setting('tcp_user_timeout')"
        )
    by_unix_socket = times[0] is None  # which has no such settings
    assert times[1:] == (("0", "0", "0") if by_unix_socket else ("10", "5", "20000"))


async def test_no_password_is_logged(postgres_stand, clock, logged):
    url = postgres_stand.url.replace("//tv@", "//tv:hush@") + "&port=1"
    async with open_journal(url, node="here", clock=clock, pace=PACE) as journal:
        assert not journal.healthy
    assert "hush" not in f"{logged}"


async def test_a_file_that_was_moved_away_is_noticed(sqlite_stand, clock, logged):
    one, other = live_call(), live_call()
    async with open_journal(sqlite_stand.url, node="here", clock=clock, pace=PACE) as journal:
        await open_session(journal, one)
        sqlite_stand.path.rename(sqlite_stand.path.with_suffix(".old"))
        assert await open_session(journal, other)
        assert await journal.call(one.call_id) is None
    assert sqlite_stand.query("SELECT call_id FROM calls") == [(other.call_id,)]
    assert events(logged) == ["journal_file_gone"]


async def test_a_file_that_is_no_database(sqlite_stand, clock):
    sqlite_stand.path.write_text("journal of a sea captain, " * 100)
    async with open_journal(sqlite_stand.url, node="here", clock=clock, pace=PACE) as journal:
        assert "no SQLite database" in journal.trouble
        assert not await open_session(journal, live_call())


async def test_the_file_is_for_its_owner_s_eyes(sqlite_stand, clock):
    previous = os.umask(0o022)
    try:
        async with open_journal(sqlite_stand.url, node="here", clock=clock, pace=PACE) as journal:
            await open_session(journal, live_call())
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in sqlite_stand.directory.iterdir()}
    finally:
        os.umask(previous)
    assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}


async def test_a_journal_in_memory(clock):
    record = end_call(live_call())
    async with open_journal("sqlite:///:memory:", node="here", clock=clock, pace=PACE) as journal:
        journal.call_ended(record)
        assert (await journal.call(record.call_id)).record.seconds == record.seconds


# A database that takes its time, as long as the test likes


class SlowDatabase:
    """Lets a transaction end when it is told to, or interrupted; or never."""

    name = "slow"
    is_by_month = False

    def __init__(self, heeds_interrupts=True):
        self.go = threading.Event()
        self.go.set()
        self.heeds_interrupts = heeds_interrupts
        self.interrupted = False
        self.interruptions = 0
        self.connected = False

    def is_connected(self):
        return self.connected

    def connect(self):
        self.connected = True

    def close(self):
        self.connected = False

    def interrupt(self):
        self.interrupted = True
        self.interruptions += 1
        if self.heeds_interrupts:
            self.go.set()

    @contextmanager
    def transaction(self, *, writes):
        yield
        self.go.wait()
        if self.interrupted and self.heeds_interrupts:
            self.interrupted = False
            raise OSError("interrupted")

    def is_there(self):
        return True

    def lock_schema(self):
        pass

    def has_column(self, table, column):
        return True

    def execute(self, sql, rows=((),)):
        pass

    def query(self, sql, values=()):
        return [(99,)] if "max(version)" in sql else []

    def blames_entry(self, error):
        return False

    def describe(self, error):
        return str(error)


@pytest.fixture
def slow(monkeypatch):
    database = SlowDatabase()
    monkeypatch.setattr(opening, "database_at", lambda url, lock_seconds: database)
    yield database
    database.go.set()


async def test_nobody_waits_longer_than_they_said(slow, clock, logged):
    async with open_journal("", node="here", clock=clock, pace=attrs.evolve(PACE, answer_seconds=0.01)) as journal:
        slow.go.clear()
        assert not await open_session(journal, live_call(), seconds=0.01)
        assert journal.healthy  # slow is no trouble yet
        with pytest.raises(JournalUnavailable, match=r"did not answer within 0.01 s"):
            await journal.is_do_not_call("+1")
        slow.go.set()
    assert events(logged) == ["journal_is_newer", "session_not_journaled_yet"]


async def test_the_loop_turns_while_the_database_does_not(slow, clock):
    async with open_journal("", node="here", clock=clock, pace=PACE) as journal, trio.open_nursery() as nursery:
        slow.go.clear()
        nursery.start_soon(open_session, journal, live_call())
        for _ in range(100):
            journal.call_began(live_call())
            await trio.lowlevel.checkpoint()
        assert journal.statistics().written == 1
        slow.go.set()


async def test_a_stuck_database_is_trouble_and_is_interrupted(slow, clock):
    pace = attrs.evolve(PACE, stuck_seconds=0.01)
    async with open_journal("", node="here", clock=clock, pace=pace) as journal:
        slow.go.clear()
        assert not await open_session(journal, live_call(), seconds=0.02)
        journal.call_began(live_call())
        assert not journal.healthy
        await until(lambda: slow.interruptions)
        await until(lambda: journal.healthy)
        assert journal.statistics().waiting == 0


async def test_closing_interrupts_what_does_not_end(slow, clock, logged):
    async with open_journal("", node="here", clock=clock, pace=attrs.evolve(PACE, flush_seconds=0.01)) as journal:
        slow.go.clear()
        journal.call_began(live_call())
    assert events(logged)[-1] == "journal_lost"
    assert "journal" not in [thread.name for thread in threading.enumerate()]


async def test_what_cannot_be_interrupted_is_left_behind_in_bounded_time(slow, clock, logged):
    slow.heeds_interrupts = False
    pace = attrs.evolve(PACE, flush_seconds=0.01, interrupt_seconds=0.01)
    with trio.fail_after(20):
        async with open_journal("", node="here", clock=clock, pace=pace) as journal:
            slow.go.clear()
            journal.call_began(live_call())
    assert events(logged)[-1] == "journal_thread_left_behind"


async def test_a_bug_in_a_question_is_the_asker_s(slow, clock, monkeypatch, logged):
    monkeypatch.setattr(slow, "blames_entry", lambda error: True)
    monkeypatch.setattr(slow, "query", lambda sql, values=(): [(99,)] if "max" in sql else [("too", "short")])
    monkeypatch.setattr(slow, "execute", lambda sql, rows=((),): {}[sql] if "phone_down_at" in sql else None)
    async with open_journal("", node="here", clock=clock, pace=PACE) as journal:
        with pytest.raises(JournalUnavailable):
            await journal.call("c")
        journal.phone_is_down(live_call())
        await until(lambda: journal.statistics().refused)
        assert journal.healthy
    assert events(logged)[-1] == "journal_entry_refused"
