"""Commands that ask a running daemon."""

import http.server
import json
import socket
import threading

import pytest
import trio

from tests.cli.commands import CONFIG, OF_THE_DAEMON, run
from tests.daemons import GREETING, SCRIPT, THEIR_NUMBER, eventually
from trio_voice.cli import call as call_command
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN
from trio_voice.sandbox.providers.assemblyai_agent import SPOKEN
from trio_voice.sandbox.twilio.account import Callee


@pytest.mark.parametrize("command", OF_THE_DAEMON, ids=" ".join)
def test_asking_where_no_daemon_runs_is_69_and_says_where(config, monkeypatch, taken, command):
    """And it asks there itself, whatever proxies the environment names: they would be told the token."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{taken}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{taken}")
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # nobody else gets it, and nobody listens
        port = unheard.getsockname()[1]
        result = run("--config", config(port), *command)
    assert (result.exit_code, result.stdout) == (69, "")
    assert result.stderr.startswith(f"no daemon answers at 127.0.0.1:{port}: ")
    assert len(result.stderr.splitlines()) == 1


class Stranger(http.server.BaseHTTPRequestHandler):
    """Some other server, which answers everything with a page."""

    status = 404

    def do_GET(self):
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"<html>It works!</html>")

    do_POST = do_DELETE = do_GET  # noqa: N815 - the base class's names

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("command", OF_THE_DAEMON, ids=" ".join)
def test_asking_something_that_is_no_daemon_is_69_and_says_so(config, monkeypatch, command, status):
    monkeypatch.setattr(Stranger, "status", status)
    with http.server.HTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            result = run("--config", config(server.server_port), *command)
        finally:
            server.shutdown()
            thread.join()
    assert (result.exit_code, result.stdout) == (69, "")
    assert result.stderr == f"what answers at 127.0.0.1:{server.server_port} is no trio-voice\n"


@pytest.fixture
def ask(world, tmp_path, monkeypatch):
    """Has the operator of a running daemon enter a command."""
    monkeypatch.setenv("TRIO_VOICE_API_TOKEN", OPERATOR_TOKEN)
    path = tmp_path / "operator.toml"
    path.write_text(CONFIG.format(port=world.daemon.port, folder=tmp_path))

    async def ask(*command):
        result = await trio.to_thread.run_sync(run, "--config", str(path), *command, abandon_on_cancel=True)
        return result.exit_code, result.stdout, result.stderr

    return ask


async def test_the_operator_lists_calls_and_hangs_one_up(world, ask, monkeypatch):
    assert await ask("calls") == (0, "", "no calls\n")
    call, session = await world.talk()
    call_id = (await world.record(call))["call_id"]
    code, listed, _ = await ask("calls")
    assert (code, len(listed.splitlines())) == (0, 1)
    assert listed.split()[:3] == [call_id, "live", "receptionist"]

    assert listed.split()[5] == THEIR_NUMBER

    code, said, complaint = await ask("hangup", "nonsense")
    assert (code, said) == (1, "")
    assert complaint.startswith("no call among the last 1,000 begins with 'nonsense'")
    code, said, complaint = await ask("hangup", "0" * 32)
    assert (code, said) == (1, "")
    assert complaint.startswith("there is no call of this id")
    assert session.is_open

    code, said, complaint = await ask("hangup", call_id[:6])
    assert (code, said.split()[0], complaint) == (0, call_id, "")
    assert (await world.ended(call))["end_reason"] == "operator"
    _, listed, _ = await ask("calls")
    assert listed.split()[:3] == [call_id, "ended", "receptionist"]
    assert listed.strip().endswith("operator: the operator hung up")
    code, shown, _ = await ask("calls", "show", call_id[:5])
    assert code == 0
    assert f"{call_id}  operator: the operator hung up" in shown.splitlines()
    assert json.loads((await ask("calls", "show", call_id, "--json"))[1])["call_id"] == call_id
    told = json.loads((await ask("calls", "--json", "--number", THEIR_NUMBER[-4:], "--end-reason", "operator"))[1])
    assert ([each["call_id"] for each in told["calls"]], told["next"]) == ([call_id], None)
    for others in (("--persona", "nobody"), ("--end-reason", "idle"), ("--number", "0000"), ("--since", "2099-01-01")):
        assert await ask("calls", *others) == (0, "", "no calls\n")

    monkeypatch.setenv("TRIO_VOICE_API_TOKEN", "a wrong one")
    assert await ask("calls") == (1, "", "this is not TRIO_VOICE_API_TOKEN\n")


def test_who_stops_following_a_call_is_told_that_it_goes_on_and_how_to_end_it(config, monkeypatch):
    call_id = "0a" * 16

    async def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(call_command, "ask", lambda *_: {"call_id": call_id, "status": "queued"})
    monkeypatch.setattr(call_command, "_follow", interrupted)
    result = run("--config", config(), "call", "+15557654321")
    assert (result.exit_code, result.stdout) == (130, f"{call_id}  queued\n")
    assert result.stderr == f"the call goes on, and its meters run; to end it: trio-voice hangup {call_id}\n"


@pytest.mark.parametrize(
    "command", ["calls", "hangup 01ab", "top", "console", "call +15550001111 --persona p", "do-not-call list"]
)
def test_whoever_asks_the_daemon_needs_no_credential_but_the_operators_token(config, monkeypatch, taken, command):
    """As the tutorial has it, in another terminal."""
    for name in ("TWILIO_AUTH_TOKEN", "ASSEMBLYAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    path = config(port=1)
    assert "credential TWILIO_AUTH_TOKEN is missing" in run("--config", path, "check").stderr
    result = run("--config", path, *command.split())
    assert result.exit_code == 69
    assert result.stderr.startswith("no daemon answers at 127.0.0.1:1: ")
    monkeypatch.delenv("TRIO_VOICE_API_TOKEN")
    assert run("--config", path, *command.split()).stderr.startswith("set TRIO_VOICE_API_TOKEN")


async def test_a_call_that_the_operator_has_placed_is_followed_to_its_end(world, ask, nursery):
    answers = []

    async def follow():
        answers.append(await ask("call", THEIR_NUMBER, "--persona", "receptionist"))

    nursery.start_soon(follow)
    session = await world.agent.wait_session()
    await eventually(lambda: "reply.done" in session.types_sent)
    (call,) = world.twilio.calls.values()
    await eventually(lambda: call.heard().count(SPOKEN) >= SCRIPT.greeting_ms * 8)
    call.hang_up()
    code, said, complaint = await eventually(lambda: answers and answers[0])
    assert (code, complaint) == (0, "")
    call_id = said.split()[0]
    lines = said.splitlines()
    assert set(lines[1:-2]) <= {f"{call_id}  {state}" for state in ("dialing", "ringing", "live", "ending", "ended")}
    assert lines[-3:] == [f"{call_id}  ended", f"{call_id}  hangup: Twilio sent stop", f"  agent   {GREETING}"]


async def test_a_call_that_nobody_answers_or_that_is_not_placed_is_1(world, ask):
    world.twilio.account.callees[THEIR_NUMBER] = Callee(answers="busy")
    code, said, _ = await ask("call", THEIR_NUMBER)
    assert (code, said.splitlines()[-1].split(maxsplit=1)[1]) == (
        1,
        "twilio_ended: Twilio says that the call is busy",
    )
    code, said, complaint = await ask("call", "911")
    assert (code, said) == (1, "")
    assert complaint.startswith("the number must be ")
    assert len(world.twilio.calls) == 1
