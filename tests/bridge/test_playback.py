"""Sound that the caller has heard, by marks and by the clock between them."""

import math

import pytest

from trio_voice.bridge.marks import MarkLog
from trio_voice.bridge.playback import Playback
from trio_voice.record import CallRecord


@pytest.fixture
def record():
    return CallRecord(call_id="1", direction="inbound", persona="p", from_number="", to_number="")


@pytest.fixture
def playback(record):
    return Playback(MarkLog(record, began=0.0))


def test_nothing_sent_is_nothing_heard(playback):
    assert playback.heard_ms(5.0) == 0
    assert not playback.is_playing(5.0)


def test_the_clock_fills_in_between_marks(playback):
    playback.send("r", 1_000, now=10.0)
    assert playback.heard_ms(10.25) == pytest.approx(250)
    assert playback.ahead_ms(10.25) == pytest.approx(750)


def test_the_clock_does_not_pass_a_mark_that_has_not_come_back(playback):
    playback.send("r", 200, now=0.0)
    name = playback.place_mark()
    playback.send("r", 800, now=0.0)
    assert playback.heard_ms(0.9) == 200  # Twilio is late: by the clock it would be 900

    assert playback.echo(name, now=0.9)
    assert playback.heard_ms(1.0) == pytest.approx(300)
    assert playback.ahead_ms(0.9) == pytest.approx(800)


def test_a_mark_that_comes_early_moves_the_ear_forward(playback):
    playback.send("r", 400, now=0.0)
    name = playback.place_mark()
    playback.echo(name, now=0.3)
    assert playback.heard_ms(0.3) == 400
    assert not playback.is_playing(0.3)


def test_an_echo_passes_every_mark_before_it(playback):
    playback.send("r", 200, now=0.0)
    playback.place_mark()
    playback.send("r", 200, now=0.0)
    second = playback.place_mark()
    assert playback.echo(second, now=0.4)
    assert playback.heard_ms(0.4) == 400


def test_echoes_after_a_clear_mean_that_audio_was_thrown_away(playback):
    playback.send("r", 1_000, now=0.0)
    old = playback.place_mark()
    playback.clear(now=0.1)
    assert not playback.echo(old, now=0.11)
    assert playback.heard_ms(0.2) == 0
    assert not playback.is_playing(0.2)


def test_names_of_two_generations_differ(playback):
    playback.send("r", 200, now=0.0)
    old = playback.place_mark()
    playback.clear(now=0.1)
    playback.send("s", 200, now=0.1)
    assert playback.place_mark() != old


def test_a_name_that_we_never_placed_means_nothing(playback):
    playback.send("r", 1_000, now=0.0)
    assert not playback.echo("9.99", now=0.1)


def test_replies_are_told_apart(playback):
    playback.send("a", 300, now=0.0)
    playback.send("b", 300, now=0.0)
    assert playback.heard_of("a", 0.4) == pytest.approx(300)
    assert playback.heard_of("b", 0.4) == pytest.approx(100)
    assert playback.unheard_replies(0.4) == ["b"]
    playback.forget_heard(0.4)
    assert playback.heard_of("a", 0.4) == 0
    assert playback.heard_of("b", 0.4) == pytest.approx(100)


def test_a_mark_is_due_every_200_ms(playback):
    playback.send("r", 150, now=0.0)
    assert not playback.mark_is_due
    playback.send("r", 50, now=0.0)
    assert playback.mark_is_due
    playback.place_mark()
    assert not playback.mark_is_due
    assert playback.is_marked


def test_a_mark_is_due_when_its_audio_has_been_played_by_the_clock(playback):
    assert playback.echo_due == math.inf
    playback.send("r", 200, now=10.0)
    first = playback.place_mark()
    playback.send("r", 800, now=10.0)
    second = playback.place_mark()
    assert playback.echo_due == pytest.approx(10.2)
    playback.echo(first, now=10.4)
    assert playback.echo_due == pytest.approx(11.0)
    playback.echo(second, now=11.2)
    assert playback.echo_due == math.inf


def test_a_clear_leaves_no_mark_due(playback):
    playback.send("r", 200, now=10.0)
    playback.place_mark()
    playback.clear(10.1)
    assert playback.echo_due == math.inf


def test_more_is_sent_simply_up_to_the_lead_and_until_an_echo_is_overdue(playback):
    def send(now):
        return playback.forward("r", 100, now, lead_ms=500, overdue_seconds=2)

    assert send(10.0) == ""
    assert send(10.0) == "0.1"
    assert [send(10.0) for _ in range(4)] == ["", "0.2", "", "0.3"]  # the last of them at 500 ms ahead
    assert send(10.0) is None
    assert playback.sent_ms == 600
    assert send(12.1) == ""  # the first mark was due at 10.2
    assert send(12.2) is None


def marks_of(record):
    return [(each.placed, each.played, each.discarded, round(each.late_ms)) for each in record.marks]


def test_the_marks_of_a_stretch_are_one_entry_that_says_how_late_they_were(playback, record):
    names = []
    for _ in range(3):
        playback.send("r", 200, now=1.0)
        names.append(playback.place_mark())
    playback.echo(names[0], 1.21)
    playback.echo(names[2], 1.65)  # and the second with it
    assert marks_of(record) == [(3, 3, 0, 50)]
    assert (record.marks[0].at, record.marks[0].until) == (1.2, 1.65)
    playback.send("r", 200, now=2.0)  # soon after: the same stretch
    playback.echo(playback.place_mark(), 2.2)
    playback.send("r2", 200, now=9.0)
    playback.echo(playback.place_mark(), 9.2)
    assert [(each.placed, each.played) for each in record.marks] == [(4, 4), (1, 1)]


def test_marks_that_a_clear_threw_away_were_not_played(playback, record):
    playback.send("r", 200, now=1.0)
    first = playback.place_mark()
    playback.send("r", 400, now=1.0)
    second = playback.place_mark()
    playback.echo(first, 1.2)
    playback.clear(1.3)
    playback.echo(second, 1.31)
    assert marks_of(record) == [(2, 1, 1, 0)]
    assert record.marks[0].pending == 0


def test_a_call_that_goes_on_after_a_transfer_has_its_marks_where_they_are(record):
    record.earlier_seconds = 60.0
    playback = Playback(MarkLog(record, began=1_000.0))
    playback.send("r", 200, now=1_001.0)
    playback.place_mark()
    assert record.marks[0].at == pytest.approx(61.2)


def test_so_many_stretches_are_kept(record, monkeypatch):
    monkeypatch.setattr("trio_voice.bridge.marks.MAX_STRETCHES", 2)
    playback = Playback(MarkLog(record, began=0.0))
    for second in (0, 10, 20, 30):
        playback.send("r", 200, now=second)
        playback.echo(playback.place_mark(), second + 0.2)
    assert len(record.marks) == 2
