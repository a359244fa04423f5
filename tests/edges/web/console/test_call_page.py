"""A call's page: its timeline, its turns, what was heard, what was recorded."""

import json
import re

import pytest

from tests.edges.web.console.pages import EVIL, ended, get, numbers
from trio_voice.edges.web.console.waterfall import WIDTH, waterfall
from trio_voice.record import Recording, Turn

__all__ = ["numbers"]


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
