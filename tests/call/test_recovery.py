"""Settling of the calls of the dead: on a virtual clock, with a journal in memory."""

import itertools
from datetime import timedelta

import pytest
import trio
import trio.testing

from tests.call.orphans import LOOK_SECONDS, NOON, call_of, reckoner, until
from trio_voice.call.recovery import (
    ATTEMPT_SECONDS,
    FIRST_RETRY_SECONDS,
    LAST_RETRY_SECONDS,
    PHONE_LASTS_SECONDS,
    PHONES_AT_ONCE,
    SILENT_SECONDS,
)
from trio_voice.record import CallState, EndReason


async def test_the_calls_of_a_process_that_is_no_more_are_settled_at_once(archive, phones, autojump_clock, nursery):
    for number in range(50):
        archive.leave(archive.add_run("dead", process="p1"), call_of(number))
    nursery.start_soon(reckoner(archive, phones, gone=["p1"]).run)
    took = await until(lambda: not archive.open_calls)
    assert sorted(phones.hung_up) == sorted(f"CA{number}" for number in range(50))
    assert took <= 50 / PHONES_AT_ONCE * 0.1 + 0.2
    assert phones.most_at_once == PHONES_AT_ONCE
    for call in archive.calls.values():
        assert call.record.model_sessions[0].closed_at == NOON
        assert "run dead on node of dead, died" in call.record.end_detail


async def test_what_is_closed_is_told_with_its_end(archive, phones, autojump_clock, nursery):
    """Whoever listens to the feed would take the call for a live one otherwise."""
    told = []
    archive.leave(archive.add_run("dead", process="p1"), call_of(1, state=CallState.LIVE))
    archive.leave(archive.add_run("dead", process="p1"), call_of(2, ended_at=NOON, end_reason=EndReason.HANGUP))
    settler = reckoner(archive, phones, gone=["p1"], on_closed=lambda call, _: told.append(call.record))
    nursery.start_soon(settler.run)
    await until(lambda: not archive.open_calls)
    open_one, ended_one = sorted(told, key=lambda record: record.call_id)
    assert (open_one.state, open_one.ended_at, open_one.end_reason) == (CallState.ENDED, NOON, None)
    assert "run dead on node of dead, died" in open_one.end_detail
    assert (ended_one.end_reason, ended_one.end_detail) == (EndReason.HANGUP, "")


@pytest.mark.parametrize("other_lives", [True, False])
async def test_a_telephone_call_that_came_to_a_second_node_is_not_hung_up_for_the_first(
    archive, phones, autojump_clock, nursery, other_lives
):
    """Its balancer asked another for TwiML when the first died over it."""
    asked_first = call_of(1, model_sessions=[], started_at=None)
    archive.leave(archive.add_run("dead", process="p1"), asked_first)
    archive.leave(archive.add_run("other", process="p2"), call_of(2, call_sid="CA1"))
    nursery.start_soon(archive.beat, "other")
    nursery.start_soon(reckoner(archive, phones, gone=["p1"] if other_lives else ["p1", "p2"]).run)
    await until(lambda: "c1" not in archive.open_calls and (other_lives or not archive.open_calls))
    assert bool(phones.hung_up) is not other_lives


async def test_a_run_that_left_in_good_order_is_not_watched(archive, phones, autojump_clock, nursery):
    archive.leave(archive.add_run("left", ended=True), call_of(1))
    nursery.start_soon(reckoner(archive, phones).run)
    assert await until(lambda: not archive.open_calls) < 1


async def test_a_dead_node_is_found_by_a_live_one_whatever_their_clocks_show(archive, phones, autojump_clock, nursery):
    archive.leave(archive.add_run("dying"), call_of(1))
    archive.leave(archive.add_run("alive"), call_of(2))
    nursery.start_soon(archive.beat, "alive", lambda: NOON - timedelta(days=1))
    with trio.CancelScope() as life:
        nursery.start_soon(reckoner(archive, phones).run)
        with trio.move_on_after(100):
            await archive.beat("dying", lambda: NOON + timedelta(days=1))
    assert phones.asked == []
    last_beat = trio.current_time()
    took = await until(lambda: archive.open_calls == {"c2"}) - last_beat
    assert SILENT_SECONDS - 5 < took < SILENT_SECONDS + 2 * LOOK_SECONDS
    assert not life.cancelled_caught
    await trio.sleep(300)
    assert phones.hung_up == ["CA1"]


async def test_after_an_outage_of_the_journal_nobody_is_taken_for_dead(archive, phones, autojump_clock, nursery):
    archive.leave(archive.add_run("alive"), call_of(1))
    nursery.start_soon(archive.beat, "alive")
    nursery.start_soon(reckoner(archive, phones).run)
    await trio.sleep(60)
    archive.up = False
    await trio.sleep(600)
    archive.up = True
    await trio.sleep(600)
    assert (phones.asked, archive.declared) == ([], {})


# What is touched


async def test_what_is_handed_over_is_not_hung_up_and_what_has_no_phone_cannot_be(
    archive, phones, autojump_clock, nursery
):
    run = archive.add_run("dead", ended=True)
    archive.leave(run, call_of(1, handed_over=True))
    archive.leave(run, call_of(2, call_sid=None))
    archive.leave(run, call_of(4, ended_at=NOON))  # ended, and its daemon died before the phone was down
    archive.leave(run, call_of(5, ended_at=NOON), phone_down_at=NOON)  # only its session is open
    nursery.start_soon(reckoner(archive, phones).run)
    await until(lambda: not archive.open_calls)
    assert phones.hung_up == ["CA4"]


@pytest.mark.parametrize("days", [-3, 3])
async def test_whoever_settles_may_have_a_clock_that_is_wrong_by_days(archive, phones, autojump_clock, nursery, days):
    archive.leave(archive.add_run("dead", ended=True), call_of(1), began_at=NOON + timedelta(days=days))
    nursery.start_soon(reckoner(archive, phones).run)
    await until(lambda: not archive.open_calls)
    assert phones.hung_up == ["CA1"]


async def test_a_phone_is_given_up_when_twilio_must_have_ended_it_by_itself(archive, phones, autojump_clock, nursery):
    archive.leave(archive.add_run("dead", ended=True), call_of(1))
    phones.refused = {"CA1"}
    nursery.start_soon(reckoner(archive, phones).run)
    await trio.sleep(PHONE_LASTS_SECONDS - 60)
    assert archive.open_calls
    await trio.sleep(LAST_RETRY_SECONDS + 120)
    assert not archive.open_calls
    assert not phones.hung_up


async def test_what_is_settled_while_somebody_looks_is_not_settled_again(archive, phones, autojump_clock, nursery):
    """The look began before and is answered after."""
    archive.leave(archive.add_run("dead", ended=True), call_of(1))
    archive.answers_after, phones.takes = 3, LOOK_SECONDS + 1
    nursery.start_soon(reckoner(archive, phones).run)
    await until(lambda: not archive.open_calls)
    await trio.sleep(60)
    assert [call_sid for _, call_sid in phones.asked] == ["CA1"]


async def test_without_twilios_api_calls_are_settled_on_paper(archive, autojump_clock, nursery):
    archive.leave(archive.add_run("dead", ended=True), call_of(1))
    nursery.start_soon(reckoner(archive, None).run)
    await until(lambda: not archive.open_calls)


# Phones that cannot be hung up


async def test_a_phone_that_is_not_hung_up_is_tried_again_ever_more_slowly_and_holds_up_no_other(
    archive, phones, autojump_clock, nursery
):
    run = archive.add_run("dead", ended=True)
    for number in range(50):
        archive.leave(run, call_of(number))
    phones.silent = {f"CA{number}" for number in range(5)}
    phones.refused = {"CA5"}
    phones.broken = {"CA6"}
    nursery.start_soon(reckoner(archive, phones).run)
    took = await until(lambda: len(phones.hung_up) == 43)
    assert took < 3
    assert all(call.record.model_sessions[0].closed_at for call in archive.calls.values())  # that waits for no phone
    await trio.sleep(3600)
    for sid in ("CA0", "CA5", "CA6"):
        asked = [at for at, call_sid in phones.asked if call_sid == sid]
        gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
        attempt = ATTEMPT_SECONDS if sid == "CA0" else 0.1
        assert FIRST_RETRY_SECONDS <= gaps[0] - attempt <= FIRST_RETRY_SECONDS + LOOK_SECONDS
        assert gaps[1] > gaps[0]
        assert LAST_RETRY_SECONDS <= max(gaps) - attempt <= LAST_RETRY_SECONDS + LOOK_SECONDS
        assert trio.current_time() - asked[-1] < LAST_RETRY_SECONDS + attempt + LOOK_SECONDS  # never given up
    phones.silent, phones.refused, phones.broken = set(), set(), set()
    await until(lambda: not archive.open_calls)
    assert len(phones.hung_up) == 50


async def test_more_silent_phones_than_are_tried_at_once_keep_nobody_waiting_for_ever(
    archive, phones, autojump_clock, nursery
):
    run = archive.add_run("dead", ended=True)
    for number in range(50):
        archive.leave(run, call_of(number))
    phones.silent = {f"CA{number}" for number in range(30)}
    nursery.start_soon(reckoner(archive, phones).run)
    assert await until(lambda: len(phones.hung_up) == 20) < 50 / PHONES_AT_ONCE * ATTEMPT_SECONDS + 1


async def test_who_dies_meanwhile_does_not_wait_for_phones_that_do_not_answer(archive, phones, autojump_clock, nursery):
    phones.silent = {"CA0"}
    archive.leave(archive.add_run("dead", ended=True), call_of(0))
    nursery.start_soon(reckoner(archive, phones).run)
    await trio.sleep(1)
    archive.leave(archive.add_run("dead too", ended=True), call_of(1))
    assert await until(lambda: archive.open_calls == {"c0"}) < 1 + LOOK_SECONDS + 1


async def test_a_journal_that_is_away_is_asked_again(archive, phones, autojump_clock, nursery):
    archive.leave(archive.add_run("dead", ended=True), call_of(1))
    archive.up = False
    nursery.start_soon(reckoner(archive, phones).run)
    await trio.sleep(60)
    archive.up = True
    await until(lambda: not archive.open_calls)


async def test_attempts_are_forgotten_with_their_calls(archive, phones, autojump_clock, nursery):
    phones.refused = {"CA1"}
    archive.leave(archive.add_run("dead", ended=True), call_of(1))
    here = reckoner(archive, phones)
    nursery.start_soon(here.run)
    await trio.sleep(30)
    assert here._attempts.keys() == {"c1"}
    await here._journal.settle_call(archive.calls["c1"], NOON, "")  # by another
    await trio.sleep(30)
    assert (here._attempts, here._gone_since) == ({}, {})
