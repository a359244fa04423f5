"""Recordings of a real daemon: what its operator gets, in whole and in part, and what is written down of it."""

import base64
import signal
import struct

import httpx2
import pytest
import trio

from tests.daemons import SCRIPT, THEIR_NUMBER, Talker, eventually, noise, noisy, open_town, operator
from trio_voice.sandbox.agent.backend import Script, Turn
from trio_voice.sandbox.agent.replies import ToolUse
from trio_voice.sandbox.twilio.callers import Voice

NUMBER, SHY_NUMBER = "+15550000303", "+15550000304"
PERSONAS = f"""
"{NUMBER}" = "recorded"
"{SHY_NUMBER}" = "shy"

[personas.recorded]
model = "aai"
greeting = "Ahoy."
record = "here"
turn_detection = {{{{ interrupt_response = false }}}}

[personas.shy]
model = "aai"
greeting = "Ahoy."
record = "here"
record_after_consent = true
turn_detection = {{{{ interrupt_response = false }}}}

[recording]
directory = "{{directory}}"
keep_free_gb = 0
"""


def wav_of(data):
    """The channels of a recording, having looked at its sizes."""
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    assert struct.unpack_from("<I", data, 54)[0] == len(data) - 58
    return data[58::2], data[59::2]


def offset_of(part, whole):
    """Place at which a piece of noise begins in something longer."""
    at = whole.find(part)
    assert at >= 0
    return at


async def get(world, path, method="GET", **headers):
    async with operator() as http:
        return await http.request(method, world.daemon.operator_url + path, headers=headers)


async def test_a_recording_is_what_was_heard_and_is_served_to_operators_only(tmp_path):
    async with open_town(tmp_path, make_backend=noisy(SCRIPT)) as town:
        async with town.daemon(personas=PERSONAS.format(directory=tmp_path / "kept")) as world:
            talker = Talker()
            call, _ = await world.talk(to=NUMBER, caller=talker)
            peer = await call.wait_for_stream()
            await peer.until(lambda: sum(m.event == "mark" for m in peer.received) > 1)
            await eventually(lambda: len(talker.frames) > 60)
            record = await world.record(call)
            path = f"/calls/{record['call_id']}/recording"
            assert (await get(world, path)).status_code == 409
            assert (await get(world, path, "DELETE")).status_code == 409
            call.hang_up()
            record = await world.ended(call)
            heard = peer.line.heard(peer.end.at)

            whole = await get(world, path)
            assert whole.status_code == 200
            assert whole.headers["Content-Type"] == "audio/wav"
            assert whole.headers["Accept-Ranges"] == "bytes"
            assert "no-store" in whole.headers["Cache-Control"]
            left, right = wav_of(whole.content)
            assert record["recording"]["seconds"] == pytest.approx(len(left) / 8_000, abs=0.001)
            # The caller, by Twilio's timestamps, to the sample; what they heard, by the marks, within 0.1 s.
            said = b"".join(map(base64.b64decode, talker.frames))
            assert left[: 792 + 8_000] == b"\xff" * 792 + said[:8_000]  # the first is of 99 ms
            sound = heard.strip(b"\xff")[:160]  # one frame: the next may have come late, which leaves a hole
            assert abs(offset_of(sound, right) - offset_of(sound, heard)) < 800

            data = whole.content
            part = await get(world, path, Range="bytes=100-199")
            assert (part.status_code, part.content) == (206, data[100:200])
            assert part.headers["Content-Range"] == f"bytes 100-199/{len(data)}"
            last = await get(world, path, Range="bytes=-10")
            assert (last.status_code, last.content) == (206, data[-10:])
            more = await get(world, path, Range=f"bytes=-{len(data) + 1}")
            assert (more.status_code, more.content) == (206, data)
            beyond = await get(world, path, Range=f"bytes={len(data)}-")
            assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(data)}")
            assert (await get(world, path, Range="bytes=-0")).status_code == 416
            for whole_of in ({"Range": "lines=1-2"}, {"Range": "bytes=0-1", "If-Range": '"of another"'}):
                odd = await get(world, path, **whole_of)
                assert (odd.status_code, odd.content) == (200, data)
            async with httpx2.AsyncClient() as stranger:
                assert (await stranger.get(world.daemon.operator_url + path)).status_code == 401
            listened = (await world.record(call))["recording"]["listened"]
            assert len(listened) == 4
            world.assert_log_is_clean()
        # After a restart, too: the file, and who has listened.
        async with town.daemon(personas=PERSONAS.format(directory=tmp_path / "kept")) as world:
            known = (await get(world, f"/calls/{record['call_id']}")).json()["recording"]
            assert [each["at"] for each in known["listened"]] == [each["at"] for each in listened]
            assert (await get(world, path)).content == data
            known = (await get(world, f"/calls/{record['call_id']}")).json()["recording"]
            assert len(known["listened"]) == 5
            gone = await get(world, path, "DELETE")
            assert gone.status_code == 200
            assert (await get(world, path)).status_code == 404
            assert (await get(world, path, "DELETE")).status_code == 404
            known = (await get(world, f"/calls/{record['call_id']}")).json()["recording"]
            assert known["url"] is None
            assert known["deleted_at"]
            assert list((tmp_path / "kept").iterdir()) == []


async def test_a_killed_daemons_recording_can_be_played(tmp_path):
    async with open_town(tmp_path) as town:
        async with town.daemon(personas=PERSONAS.format(directory=tmp_path / "kept")) as world:
            call, _ = await world.talk(to=NUMBER)
            (file,) = await eventually(lambda: list((tmp_path / "kept").glob("*.wav")))
            await eventually(lambda: file.stat().st_size > 20_000)
            await world.kill()
        wav_of(file.read_bytes())
        async with town.daemon(personas=PERSONAS.format(directory=tmp_path / "kept")) as world:
            known = (await get(world, f"/calls/{file.stem}")).json()
            assert known["call_sid"] == call.sid
            answer = await get(world, f"/calls/{file.stem}/recording")
            assert answer.status_code == 200
            wav_of(answer.content)


async def test_nothing_is_kept_before_the_caller_has_consented(tmp_path):
    consent = Turn(heard="Yes.", reply="", tool=ToolUse("consent_to_recording"), after_tool="Thanks.", reply_ms=300)
    script = Script(greeting_ms=600, turns=(consent,))
    async with (
        open_town(tmp_path, make_backend=noisy(script)) as town,
        town.daemon(personas=PERSONAS.format(directory=tmp_path / "kept")) as world,
    ):
        silent, _ = await world.talk(to=SHY_NUMBER, from_=THEIR_NUMBER)
        silent.hang_up()
        record = await world.ended(silent)
        assert record["recording"] is None
        assert (await get(world, f"/calls/{record['call_id']}/recording")).status_code == 404

        voice = Voice()
        call, _ = await world.talk(to=SHY_NUMBER, caller=voice)
        voice.say(b"\x2a" * 8_000)
        await eventually(lambda: world.logged("tool"), seconds=20)
        voice.say(b"\x31" * 8_000)
        peer = await call.wait_for_stream()
        await eventually(lambda: b"\x31" * 8_000 in peer.spoken.heard(trio.current_time()))
        call.hang_up()
        record = await world.ended(call)
        left, right = wav_of((await get(world, f"/calls/{record['call_id']}/recording")).content)
        assert record["recording"]["at"] > 1
        assert b"\x31" * 8_000 in left
        assert b"\x2a" * 160 not in left
        assert noise("Thanks.", 300)[:1_000] in right
        assert noise("Ahoy.", 600)[-800:] not in right


async def test_a_folder_that_cannot_be_made_is_one_line_and_the_call_goes_on(tmp_path):
    async with open_town(tmp_path) as town:
        (tmp_path / "file").write_text("")
        async with town.daemon(personas=PERSONAS.format(directory=tmp_path / "file" / "kept")) as world:
            call, _ = await world.talk(to=NUMBER)
            call.hang_up()
            record = await world.ended(call)
            assert record["end_reason"] == "hangup"
            assert (await get(world, f"/calls/{record['call_id']}/recording")).status_code == 404
            said = [line for line in world.log_file.read_text().splitlines() if "record" in line]
            assert len([line for line in said if '"error"' in line or "warning" in line]) == 1


async def test_who_is_recorded_is_read_again_on_sighup(tmp_path):
    async with (
        open_town(tmp_path) as town,
        town.daemon(personas=PERSONAS.format(directory=tmp_path / "kept")) as world,
    ):
        config = world.config.read_text().replace("record_after_consent = true", "")
        world.config.write_text(config.replace('record = "here"', "record = false"))
        world.tell(signal.SIGHUP)
        await eventually(lambda: world.logged("reloaded"))
        call, _ = await world.talk(to=NUMBER)
        call.hang_up()
        assert (await world.ended(call))["recording"] is None
        assert not (tmp_path / "kept").exists()


async def test_an_interruption_cuts_what_was_heard_where_the_telephone_was_silent(tmp_path):
    """Over sockets. To the sample it is looked at on the virtual clock (``tests/recorder``): a busy machine is late."""
    script = Script(greeting_ms=6_000, turns=(Turn(heard="Please wait there.", reply="", reply_ms=20),))
    personas = PERSONAS.format(directory=tmp_path / "kept").replace("interrupt_response = false", "vad_threshold = 0.5")
    async with (
        open_town(tmp_path, make_backend=noisy(script)) as town,
        town.daemon(personas=personas) as world,
    ):
        voice = Voice()
        call, _ = await world.talk(to=NUMBER, caller=voice)
        peer = await call.wait_for_stream()
        await peer.until(lambda: sum(m.event == "mark" for m in peer.received) > 3)
        voice.say(b"\x2a" * 6_000)
        with trio.fail_after(30):
            await peer.until(lambda: any(m.event == "clear" for m in peer.received))
        call.hang_up()
        record = await world.ended(call)
        _, right = wav_of((await get(world, f"/calls/{record['call_id']}/recording")).content)
    greeting = noise("Ahoy.", 6_000)
    played, kept = reached(greeting, peer.line.heard(peer.end.at)), reached(greeting, right)
    assert 0 < played < len(greeting)
    assert abs(kept - played) < 0.25 * 8_000


def reached(noise, track):
    """Length to which some noise came in a track, to 20 ms, wherever it paused."""
    return max(at + 160 for at in range(0, len(noise) - 159, 160) if noise[at : at + 160] in track)
