"""The rig of ``benchmarks/faults.py``: that it judges rightly, and that a real process passes what is quick of it."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from rig.faults import cases_for, every_case
from rig.manner import Handshake
from rig.ours import our_daemon
from rig.outcome import Goodbye, Outcome
from rig.process import Footprint
from rig.protocols import KINDS, MODEL
from rig.protocols.assemblyai_streaming import AssemblyAIStreaming
from rig.protocols.elevenlabs import ElevenLabs
from rig.protocols.gemini_live import GeminiLive
from rig.protocols.protocol import Heard
from rig.report import Table, summary
from rig.twilio import NoStream, read_twiml, sign

TREE = Path(__file__).parent.parent
RIG = TREE / "benchmarks" / "faults.py"
KEPT = Outcome(
    "caller hangs up",
    "mid-reply",
    bound_seconds=2.5,
    sessions=1,
    model_seconds=0.1,
    caller_seconds=0.2,
    goodbye=Goodbye.SAID,
)


def run_rig(*words, seconds=50):
    command = [sys.executable, str(RIG), *words]
    return subprocess.run(command, cwd=TREE, capture_output=True, text=True, timeout=seconds, check=False)


# What it is made of


def test_it_shares_no_code_with_the_daemon():
    for path in [RIG, *(TREE / "benchmarks" / "rig").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.partition(".")[0] == "trio_voice"], path


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_cases_have_one_name(kind):
    names = [case.name for case in every_case(kind)]
    assert len(set(names)) == len(names)


def test_a_limit_that_a_case_names_is_one_that_our_daemon_is_given():
    assert {case.limit for case in cases_for(list(KINDS), [])} - {None} <= our_daemon().limits.keys()


def test_every_kind_is_broken_in_all_the_ways_that_the_others_are_and_a_chain_at_each_socket():
    names = {kind: {case.name for case in every_case(kind)} for kind in KINDS}
    assert names["assemblyai-agent"] == names["openai-realtime"] < names["gemini-live"]
    assert {"TLS breaks, greeting", "TLS alert, mid-reply"} < names["assemblyai-agent-tls"] - names["assemblyai-agent"]
    assert "session expires as soon as it began, greeting" in names["gemini-live"] - names["openai-realtime"]
    assert "model's socket cut, greeting" in names["gemini-live"]
    assert {f"model's socket cut ({stage}), greeting" for stage in ("hearing", "speaking")} < names["chain"]
    assert "language model is reset, thinking" in names["chain"] - names["gemini-live"]


def test_only_what_is_struck_goes_wrong_and_the_others_are_to_be_told():
    (case,) = [each for each in every_case("chain") if each.name == "model refuses the handshake (hearing), handshake"]
    assert case.manner_of("hearing").handshake is Handshake.REFUSED
    assert case.manner_of("speaking").handshake is Handshake.ANSWERED
    assert (case.can_tell("hearing"), case.can_tell("speaking")) == (False, True)


# Twilio's side


def test_its_signature_is_that_of_twilio_s_own_example():
    form = {"Digits": "1234", "To": "+18005551212", "From": "+14158675310", "Caller": "+14158675310"}
    signed = sign("https://example.com/myapp.php?foo=1&bar=2", form | {"CallSid": "CA1234567890ABCDE"}, "12345")
    assert signed == "L/OH5YylLD5NRKLltdqwSvS0BnU="


def test_verbs_behind_the_stream_keep_the_caller_on_the_line():
    stream = '<Connect><Stream url="wss://x/s"><Parameter name="a" value="b"/></Stream></Connect>'
    assert read_twiml(f"<Response>{stream}</Response>").tail_seconds == 0
    assert read_twiml(f"<Response>{stream}<Hangup/><Pause length='40'/></Response>").tail_seconds == 0
    held = read_twiml(f"<Response>{stream}<Pause length='40'/><Pause/></Response>")
    assert (held.tail_seconds, held.stream_url, held.parameters) == (41, "wss://x/s", {"a": "b"})


def test_twiml_without_a_stream_is_none():
    with pytest.raises(NoStream, match="Reject"):
        read_twiml("<Response><Reject/></Response>")


# The model's side


SOCKETS = [protocol for kind in KINDS.values() for protocol in kind.sockets.values()]


@pytest.mark.parametrize("make", SOCKETS, ids=lambda protocol: protocol.__name__)
def test_all_that_a_protocol_says_is_an_object(make):
    protocol = make()
    said = [
        *protocol.welcome(),
        *protocol.ready(),
        *protocol.reply_begins(),
        *protocol.audio(100),
        *protocol.caller_speaks(),
        *protocol.caller_spoke(),
        *protocol.reply_begins(),
        *protocol.reply_ends(),
        *protocol.tool_call("end_call"),
        *protocol.error(),
        *protocol.farewell(),
    ]
    assert said
    assert all(isinstance(json.loads(message), dict) for message in said)


def test_what_a_client_says_to_assemblyai_is_understood():
    protocol = KINDS["assemblyai-agent"].sockets[MODEL]()
    session = {"greeting": "Ahoy.", "tools": [{"name": "end_call"}]}
    assert protocol.heard(json.dumps({"type": "session.update", "session": session})) is Heard.CONFIGURES
    assert (protocol.asked, protocol.tools) == (True, ["end_call"])
    assert protocol.heard('{"type":"input.audio","audio":""}') is Heard.OTHER
    assert protocol.heard('{"type":"session.end"}') is Heard.GOODBYE


def test_what_a_client_says_to_openai_is_understood():
    protocol = KINDS["openai-realtime"].sockets[MODEL]()
    session = {"tools": [{"name": "end_call"}], "audio": {"output": {"format": {"type": "audio/pcmu"}}}}
    protocol.reply_begins()
    (as_it_comes,) = protocol.audio(100)
    assert protocol.heard(json.dumps({"type": "session.update", "session": session})) is Heard.CONFIGURES
    assert (protocol.asked, protocol.tools) == (False, ["end_call"])
    assert protocol.heard('{"type":"response.create"}') is Heard.ASKS
    assert protocol.asked
    (as_asked,) = protocol.audio(100)
    assert len(json.loads(as_it_comes)["delta"]) == pytest.approx(6 * len(json.loads(as_asked)["delta"]), rel=0.01)


def test_what_a_client_says_to_gemini_is_understood():
    protocol = GeminiLive()
    tools = [{"functionDeclarations": [{"name": "end_call"}]}]
    assert protocol.heard(json.dumps({"setup": {"tools": tools}})) is Heard.CONFIGURES
    assert (protocol.asked, protocol.tools) == (False, ["end_call"])
    assert protocol.heard('{"realtimeInput":{"audio":{"data":""}}}') is Heard.OTHER
    assert protocol.heard('{"realtimeInput":{"text":"Say hello."}}') is Heard.ASKS
    assert protocol.asked


def test_gemini_says_that_a_reply_was_interrupted_only_if_there_was_one():
    protocol = GeminiLive()
    assert protocol.caller_speaks() == []
    protocol.reply_begins()
    assert b"interrupted" in protocol.caller_speaks()[0]


def test_a_voice_ends_a_reply_when_it_is_spoken_and_its_context_closed_whichever_comes_last():
    voice = ElevenLabs()

    def tell(**message):
        return voice.heard(json.dumps(message))

    assert tell(text=" ", context_id="a") is Heard.CONFIGURES
    assert tell(text="Ahoy. ", context_id="a") is Heard.WORDS
    assert tell(text="It is noon. ", context_id="a") is Heard.OTHER
    voice.reply_begins()
    assert '"contextId": "a"' in voice.audio(100)[0]
    assert voice.reply_ends() == []
    assert tell(context_id="a", close_context=True) is Heard.FINISHES
    assert voice.reply_ends() == ['{"isFinal": true, "contextId": "a"}']
    tell(text=" ", context_id="b")
    tell(text="Ahoy. ", context_id="b")
    assert tell(context_id="b", close_context=True) is Heard.OTHER
    voice.reply_begins()
    assert voice.reply_ends() == ['{"isFinal": true, "contextId": "b"}']
    assert tell(close_socket=True) is Heard.GOODBYE


def test_a_recogniser_is_told_to_terminate_and_has_no_other_goodbye():
    ears = AssemblyAIStreaming()
    assert ears.heard(b"\xff" * 480) is Heard.OTHER
    assert ears.heard('{"type":"Terminate"}') is Heard.GOODBYE


# The verdict


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({}, []),
        ({"model_seconds": 2.4}, []),
        ({"model_seconds": 2.6}, ["late"]),
        ({"caller_seconds": 2.6}, ["late"]),
        ({"model_seconds": None}, ["late"]),
        ({"caller_seconds": None}, ["late"]),
        ({"model_seconds": 5.0, "limit_seconds": 3.0, "bound_seconds": 5.5}, []),
        ({"goodbye": Goodbye.CLOSE_FRAME}, ["untold"]),
        ({"goodbye": Goodbye.CUT}, ["untold"]),
        ({"goodbye": Goodbye.NONE}, []),
        ({"descriptors": 1}, ["left over"]),
        ({"tasks": 1}, ["left over"]),
        ({"threads": 1, "memory_kb": 90}, []),
        ({"exit_status": 1}, ["died"]),
        ({"exit_status": 0, "ends_process": True}, []),
        ({"not_run": "it has no tools", "model_seconds": None}, []),
        ({"unreached": "waited 12 s for the greeting", "model_seconds": None}, ["unreached"]),
    ],
)
def test_a_promise_is_kept_or_it_is_said_how_not(change, problems):
    outcome = attrs.evolve(KEPT, **change)
    assert outcome.problems == problems
    said = Table(15).line(outcome)
    assert all(problem in said for problem in problems)
    assert ("  ok" in said) == (not problems and not outcome.not_run)


def test_the_worst_of_several_runs_counts():
    slow = attrs.evolve(KEPT, model_seconds=1.5, tasks=0)
    untold = attrs.evolve(KEPT, goodbye=Goodbye.CUT, tasks=2)
    worst = Outcome.worst([KEPT, slow, untold])
    assert (worst.model_seconds, worst.goodbye, worst.tasks) == (1.5, Goodbye.CUT, 2)
    assert Outcome.worst([slow, attrs.evolve(KEPT, model_seconds=None)]).model_seconds is None


def test_what_is_left_over_is_what_was_not_there_before():
    before, after = Footprint(12, 2, 1_000, 8), Footprint(13, 2, 1_100, 8)
    left = KEPT.with_footprints(before, after)
    assert (left.descriptors, left.threads, left.memory_kb, left.tasks) == (1, 0, 100, 0)
    assert KEPT.with_footprints(before, attrs.evolve(after, tasks=None)).tasks is None


def test_the_summary_counts_what_was_run():
    outcomes = [KEPT, attrs.evolve(KEPT, model_seconds=None), attrs.evolve(KEPT, not_run="no tools")]
    assert summary(outcomes) == "1 of 2 as promised, 1 late"


# The command


def test_a_case_that_does_not_exist_is_wrong_usage():
    rig = run_rig("--only", "caller yodels")
    assert (rig.returncode, rig.stdout) == (2, "")
    assert "no case has 'caller yodels' in its name" in rig.stderr


def test_a_server_that_does_not_start_is_said_to_and_why():
    rig = run_rig("--server", f"{sys.executable} -c 'print(6*7); raise SystemExit(3)'", "--name", "it")
    assert rig.returncode == 69
    assert rig.stderr == "it cannot be tested: it ended with status 3; the last it said was: 42\n"


WANTED = {
    "assemblyai-agent": [
        "stop, socket left open, mid-reply",
        "caller vanishes, in a tool",
        "model's socket reset, before ready",
        "goodbye and close are ignored, closing",
        "agent ends the call, in a tool",
        "SIGTERM, in a tool",
    ],
    "assemblyai-agent-tls": [
        "caller hangs up, before start",
        "goodbye and close are ignored, closing",
        "TLS breaks, caller hangs up, in a tool",
    ],
    "openai-realtime": [
        "stop, socket left open, mid-reply",
        "model's frames are garbage, greeting",
        "model falls silent, in a tool",
        "model vanishes, caller hangs up, in a tool",
        "goodbye and close are ignored, closing",
        "SIGTERM, handshake",
    ],
    "gemini-live": [
        "stop, socket left open, mid-reply",
        "model fails and closes, mid-reply",
        "model refuses the handshake, handshake",
        "session expires as soon as it began, mid-reply",
        "goodbye and close are ignored, closing",
        "agent ends the call, in a tool",
    ],
    "chain": [
        "stop, socket left open, mid-reply",
        "model's socket reset (hearing), mid-reply",
        "model vanishes, caller hangs up (speaking), greeting",
        "goodbye and close are ignored (hearing), closing",
        "caller hangs up, thinking",
        "language model is reset, thinking",
        "language model never stops, hang-up, thinking",
    ],
}


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", KINDS)
def test_our_daemon_keeps_its_promise(tmp_path, kind):
    found, wanted = tmp_path / "found.json", WANTED[kind]
    words = [word for name in wanted for word in ("--only", name)]
    words += ["--kind", kind, "--workers", "2", "--slack", "2", "--json", str(found)]
    rig = run_rig(*words, seconds=80)
    assert rig.returncode == 0, rig.stdout + rig.stderr
    cases = {f"{case['fault']}, {case['phase']}": case for case in json.loads(found.read_text())["cases"]}
    assert list(cases) == wanted
    assert cases[wanted[0]]["goodbye"] == "said"
    assert all(case["tasks"] == case["descriptors"] == 0 for case in cases.values() if not case["ends_process"])
    (ignored,) = [case for name, case in cases.items() if name.startswith("goodbye and close are ignored")]
    assert ignored["model_seconds"] > 1.9  # until the deadline
    assert cases[wanted[0]]["sessions"] == (3 if kind == "chain" else 1)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_server_that_ends_nothing_is_found_out(tmp_path):
    found = tmp_path / "found.json"
    relay = f"{sys.executable} {TREE}/benchmarks/peers/plain_relay.py {{model_url}} {{port}}"
    words = ["--only", "caller falls silent, greeting", "--patience", "3", "--times", "1", "--json", str(found)]
    rig = run_rig("--server", relay, *words, seconds=80)
    assert rig.returncode == 1, rig.stdout + rig.stderr
    (case,) = json.loads(found.read_text())["cases"]
    assert case["problems"] == ["late", "untold"]
    assert (case["model_seconds"], case["caller_seconds"], case["goodbye"]) == (None, None, "cut")
