"""The command line: what each command prints and where, and its exit code."""

import http.server
import json
import socket
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click.testing
import httpx2
import pytest
import structlog
import structlog.testing
import trio

from tests.daemons import GREETING, THEIR_NUMBER, eventually, open_world
from trio_voice.cli import call as call_command
from trio_voice.cli import check as check_command
from trio_voice.cli import main
from trio_voice.journal import open_journal
from trio_voice.record import CallRecord
from trio_voice.sandbox.demo.demo import AGENT_KEY
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN
from trio_voice.sandbox.demo.try_it import write_unless_changed
from trio_voice.sandbox.twilio.account import Callee
from trio_voice.session_record import Closing, ModelSessionRecord
from trio_voice.speech import SpeechUnavailable

CONFIG = """\
[server]
bind = "127.0.0.1:{port}"
public_url = "https://voice.example.com"
[twilio]
account_sid = "AC1"
[journal]
url = "sqlite:///{folder}/journal.db"
[models.aai]
kind = "assemblyai-agent"
[personas.receptionist]
model = "aai"
[numbers]
default = "receptionist"
"""
OF_THE_DAEMON = ("calls",), ("hangup", "1"), ("call", "+15557654321")
AUDIT = ("calls", "--audit")
ALL = ("serve",), ("check",), AUDIT, *OF_THE_DAEMON


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Credentials, and a working directory of the test's own."""
    for name in ("TWILIO_ACCOUNT_SID", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC"):
        monkeypatch.delenv(name, raising=False)
    for name in ("TWILIO_AUTH_TOKEN", "ASSEMBLYAI_API_KEY", "TRIO_VOICE_API_TOKEN"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def config(tmp_path):
    """Writes a configuration whose daemon listens on this port, and says where it is."""

    def write(port=0, text=CONFIG):
        file = tmp_path / "config.toml"
        file.write_text(text.format(port=port, folder=tmp_path))
        return str(file)

    return write


@pytest.fixture
def taken():
    """A port that somebody listens on and nobody answers at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def run(*arguments):
    """A command in this process: for those that set up no logging."""
    return click.testing.CliRunner().invoke(main, arguments)


def process(*arguments):
    """A command as a process of its own."""
    command = [sys.executable, "-m", "trio_voice", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_version_is_one_line():
    shown = run("--version")
    assert (shown.exit_code, shown.stdout) == (0, "trio-voice 0.1.0\n")


def test_the_module_is_the_command():
    shown = process("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    for command in ("serve", "check", "call", "calls", "hangup", "demo"):
        assert f"  {command} " in shown.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        *[("seve",), ("serve", "--port", "1"), ("hangup",), ("call",), ("check", "more")],
        *[("calls", "--day", "2026-11-20"), ("calls", "--since", "noon"), (*AUDIT, "--day", "yesterday")],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_says_how_it_is_used(arguments):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_a_wrong_configuration_is_78_with_a_line_for_each_mistake(config, command):
    path = config(text='[server]\nbind = 7\n[limits]\nmax_call = 1\n[personas.p]\nmodel = "m"\n')
    result = run("--config", path, *command)
    assert (result.exit_code, result.stdout) == (78, "")
    lines = result.stderr.splitlines()
    assert len(lines) >= 4
    assert all(line.startswith(f"{path}: ") for line in lines)
    assert f"{path}: limits.max_call: no such key; did you mean 'max_calls'?" in lines


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_no_configuration_is_78_and_names_the_file_that_was_looked_for(command):
    result = run(*command)
    assert (result.exit_code, result.stdout) == (78, "")
    assert result.stderr.startswith("config.toml: cannot be read: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("missing", ["TWILIO_AUTH_TOKEN", "ASSEMBLYAI_API_KEY"])
def test_a_credential_that_is_missing_is_78_and_named(config, monkeypatch, missing):
    monkeypatch.delenv(missing)
    result = run("--config", config(), "check")
    assert result.exit_code == 78
    assert f"credential {missing} is missing" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_configuration_may_be_named_before_and_behind_the_command_or_be_the_usual_one(config):
    path = config()
    before, behind = ("--config", path, "check"), ("check", "--config", path)
    for arguments in (before, behind, ("--config", "x", *behind)):
        result = run(*arguments)
        assert (result.exit_code, result.stdout.splitlines()[0]) == (0, f"{path}: in order")
    result = run("check")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "config.toml: in order")


def test_check_says_what_would_run_tells_no_secret_and_touches_no_network(config, monkeypatch):
    def touched(*_):
        raise AssertionError("check touches the network")

    for method in ("connect", "connect_ex", "bind", "listen", "sendto"):
        monkeypatch.setattr(socket.socket, method, touched)
    for function in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, function, touched)
    result = run("--config", config(8080), "check")
    assert result.exit_code == 0
    for word in ("127.0.0.1:8080", "https://voice.example.com", "AC1", "default", "receptionist", "assemblyai-agent"):
        assert word in result.stdout
    assert "s3cret" not in result.output
    assert "warning: prices: not set, so what calls cost is unknown" in result.stderr


def test_serve_says_one_line_on_stdout_and_logs_json_to_stderr(config):
    command = [sys.executable, "-m", "trio_voice", "serve", "--config", config()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as daemon:
        first = daemon.stdout.readline()
        daemon.terminate()
        rest, log = daemon.communicate(timeout=120)
    assert first.startswith("listening on http://127.0.0.1:")
    assert (rest, daemon.returncode) == ("", 0)
    events = [json.loads(line) for line in log.splitlines()]
    assert [event["event"] for event in events][-2:] == ["draining", "stopped"]
    assert all({"event", "level", "logger", "timestamp"} <= event.keys() for event in events)


def test_a_port_that_is_taken_is_69_and_one_line(config, taken):
    result = process("--config", config(taken), "serve")
    assert (result.returncode, result.stdout) == (69, "")
    said = result.stderr.splitlines()[-1]
    assert said.startswith(f"cannot listen on 127.0.0.1:{taken}: ")
    assert "in use" in said
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", OF_THE_DAEMON, ids=" ".join)
def test_asking_without_a_token_is_69_and_says_which(config, monkeypatch, command):
    monkeypatch.delenv("TRIO_VOICE_API_TOKEN")
    result = run("--config", config(), *command)
    assert (result.exit_code, result.stdout) == (69, "")
    assert result.stderr == "set TRIO_VOICE_API_TOKEN to the token that the daemon was started with\n"


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
async def world(tmp_path):
    async with open_world(tmp_path, seconds=50) as world:
        yield world


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


@pytest.mark.parametrize("recorded", [True, False])
def test_a_demo_that_is_stopped_says_in_a_line_what_is_left_of_it(tmp_path, monkeypatch, recorded):
    async def interrupted(out, **_):
        if recorded:
            (out / "call.wav").write_bytes(b"RIFF")
        async with trio.open_nursery():
            raise KeyboardInterrupt

    monkeypatch.setattr("trio_voice.sandbox.demo.demo.run_demo", interrupted)
    result = run("demo", "--out", str(tmp_path))
    until_now = f"; what was recorded until now is in {tmp_path}/call.wav" if recorded else ""
    assert (result.exit_code, result.stderr) == (130, f"stopped{until_now}\n")


@pytest.mark.parametrize("status", [404, None])
def test_a_demo_with_a_language_model_that_does_not_answer_is_red_before_anybody_calls(tmp_path, monkeypatch, status):
    def answer(request):
        if status is None:
            raise httpx2.ConnectError("nothing is there")
        return httpx2.Response(status, json={"error": "model not found, try pulling it first"})

    client = partial(httpx2.AsyncClient, transport=httpx2.MockTransport(answer))
    monkeypatch.setattr("trio_voice.sandbox.peers.httpx2.AsyncClient", client)
    result = run("demo", "--out", str(tmp_path), "--chat-url", "http://127.0.0.1:1/v1")
    why = "ConnectError: nothing is there" if status is None else '404: {"error":"model not found, try pulling it'
    assert result.exit_code == 1
    assert f"✗ the language model at http://127.0.0.1:1/v1 answers: {why}" in result.stdout
    assert "✓" not in result.stdout


@pytest.mark.parametrize("group", [(), ("calls",), ("journal",), ("do-not-call",), ("numbers",)])
def test_a_list_of_commands_breaks_off_in_no_sentence(group):
    shown = click.testing.CliRunner(env={"COLUMNS": "80"}).invoke(main, [*group, "--help"], terminal_width=80)
    listed = shown.stdout.partition("Commands:")[2].splitlines()[1:]
    assert listed
    assert not [line for line in listed if line.endswith("...")]


@pytest.mark.parametrize(
    ("ends", "status", "said"),
    [
        (KeyboardInterrupt(), 0, ""),
        (OSError(98, "Address already in use"), 69, "the sandbox cannot begin: [Errno 98] Address already in use"),
        (SpeechUnavailable("no voice"), 69, "no voice"),
    ],
)
def test_a_sandbox_that_ends_says_so_in_a_line(monkeypatch, ends, status, said):
    async def playground(*_, **__):
        async with trio.open_nursery():
            raise ends

    monkeypatch.setattr("trio_voice.sandbox.demo.try_it.run_playground", playground)
    result = run("sandbox")
    assert result.exit_code == status
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == bool(said)


def test_a_sandbox_leaves_a_configuration_that_was_changed_as_it_is(tmp_path):
    file = tmp_path / "sandbox.toml"
    assert write_unless_changed(file, "ours", force=False)
    assert write_unless_changed(file, "ours", force=False)
    file.write_text("mine")
    assert not write_unless_changed(file, "ours", force=False)
    assert file.read_text() == "mine"
    assert write_unless_changed(file, "ours", force=True)
    assert file.read_text() == "ours"


def test_a_demo_that_can_write_nothing_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for out in ("/proc/nope", str(tmp_path / "file")):
        result = run("demo", "--out", out)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"--out {out}: nothing can be written there: ")
        assert result.stderr.count("\n") == 1
    assert run("demo", "--out", str(tmp_path), "--outbound", "--transfer").exit_code == 2


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


def test_a_journal_is_looked_after_without_any_credential(config, monkeypatch):
    for name in ("TWILIO_AUTH_TOKEN", "ASSEMBLYAI_API_KEY", "TRIO_VOICE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    path = config()
    for command in ("migrate", "journal check"):
        assert run("--config", path, *command.split()).exit_code == 0


def test_an_audit_without_a_journal_is_69_and_says_where_it_was_looked_for(config, tmp_path):
    result = run("--config", config(), *AUDIT)
    assert (result.exit_code, result.stdout) == (69, "")
    assert result.stderr.startswith(f"the journal cannot be read: there is no journal at {tmp_path}/journal.db: ")
    assert not (tmp_path / "journal.db").exists()


async def test_a_day_is_summed_up_from_the_journal_while_no_daemon_runs(config, tmp_path, monkeypatch):
    monkeypatch.delenv("TRIO_VOICE_API_TOKEN")
    path = config(text=CONFIG + "[prices]\nas_of = 2026-11-20\n[prices.aai]\nminute = 6\n")
    days = [datetime(2026, 1, day, hour, tzinfo=UTC) for day, hour in ((19, 23), (20, 0), (20, 23), (21, 0))]
    for began_at in days:
        async with open_journal(f"sqlite:///{tmp_path}/journal.db", node="n", clock=lambda at=began_at: at) as journal:
            closed = {"closed_at": began_at, "closing": Closing.ACKNOWLEDGED, "seconds": 30.0}
            session = ModelSessionRecord("assemblyai-agent", began_at, model="aai", **closed)
            fields = {"direction": "inbound", "persona": "p", "from_number": "", "to_number": "", "ended_at": began_at}
            journal.call_ended(CallRecord(call_id=f"c{began_at:%d%H}", model_sessions=[session], **fields))
    result = run("--config", path, *AUDIT, "--day", "2026-01-20")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0] == "2026-01-20, UTC; USD, prices of 2026-11-20"
    assert result.stdout.splitlines()[3].split() == [
        "aai",
        "2",
        "0.00",
        "2",
        "1.00",
        *["0.00"],
        *["0.000"] * 2,
        "6.0000",
    ]
    told = json.loads(run("--config", path, *AUDIT, "--day", "2026-01-20", "--json").stdout)
    assert (told["calls"], told["models"]["aai"]["cost"]["amount"]) == (2, 6.0)
    today = json.loads(run("--config", path, *AUDIT, "--json").stdout)
    assert (today["day"], today["calls"]) == (f"{datetime.now(UTC):%Y-%m-%d}", 0)


async def test_a_call_that_the_operator_has_placed_is_followed_to_its_end(world, ask, nursery):
    answers = []

    async def follow():
        answers.append(await ask("call", THEIR_NUMBER, "--persona", "receptionist"))

    nursery.start_soon(follow)
    session = await world.agent.wait_session()
    await eventually(lambda: "reply.done" in session.types_sent)
    (call,) = world.twilio.calls.values()
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


async def test_a_persona_is_tried_for_real_each_model_by_itself(world, monkeypatch):
    def check(persona):
        return trio.to_thread.run_sync(lambda: run("--config", str(world.config), "check", "--live", persona))

    monkeypatch.setenv("ASSEMBLYAI_API_KEY", AGENT_KEY)
    monkeypatch.setattr(check_command, "LIVE_SECONDS", 0.5)
    tried = await check("receptionist")
    assert tried.exit_code == 0, tried.output
    assert "closed: acknowledged" in tried.stdout
    assert "  cost: about 0.00" in tried.stdout
    (session,) = world.agent.sessions
    assert session.told_goodbye
    tried = await check("understudied")
    assert tried.exit_code == 1
    (problem,) = [line for line in tried.stdout.splitlines() if "it does not work: " in line]
    assert "cannot be reached" in problem
    assert len(world.agent.sessions) == 2  # the second model is tried all the same
    assert (await check("nobody")).exit_code == 2


def test_a_demo_without_the_speech_extra_is_69_and_says_how_to_get_it(tmp_path):
    without = "import sys; sys.modules['py_nanotts'] = None; from trio_voice.cli import main; main()"
    command = [sys.executable, "-c", without, "demo", "--quiet", "--out", str(tmp_path / "demo")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 69
    assert "trio-voice[speech]" in result.stderr
    assert "Traceback" not in result.stderr


def test_serving_a_sandbox_model_without_the_speech_extra_is_69_and_says_how_to_get_it(config):
    path = config(text=CONFIG.replace('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "sandbox"'))
    without = "import sys; sys.modules['py_nanotts'] = None; from trio_voice.cli import main; main()"
    command = [sys.executable, "-c", without, "serve", "--config", path]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stdout) == (69, "")
    assert "trio-voice[speech]" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_journal_in_a_directory_that_is_not_there_is_78_and_one_line(config, tmp_path, command):
    file = config(text=CONFIG.replace("{folder}/journal.db", "{folder}/missing/journal.db"))
    ended = process("--config", file, command)
    assert ended.returncode == 78
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1
    assert "journal.url: " in lines[0]


def test_the_journals_address_may_be_a_credential(config, monkeypatch, tmp_path):
    monkeypatch.setenv("TRIO_VOICE_JOURNAL_URL", f"sqlite:///{tmp_path}/missing/secret.db")
    checked = run("--config", config(), "check")
    assert checked.exit_code == 78
    assert "missing/secret.db" in checked.output


def test_a_new_journal_is_accepted_by_a_word(config, tmp_path):
    refused = run("--config", config(), "journal", "accept-new")
    assert (refused.exit_code, "there is no journal" in refused.output) == (69, True)


def test_a_voice_that_this_machine_has_not_is_a_warning(config):
    chain = """kind = "chain"
stt = { kind = "local" }
llm = { kind = "openai-chat", model = "m", url = "http://127.0.0.1:1/v1" }
tts = { kind = "local", voice = "nope" }"""
    text = CONFIG.replace('kind = "assemblyai-agent"', chain.replace("{", "{{").replace("}", "}}"))
    checked = run("--config", config(text=text), "check")
    assert checked.exit_code == 0
    assert "models.aai.tts.voice: 'nope' is no voice of this machine" in checked.output
    good = run("--config", config(text=text.replace('"nope"', '"anna"')), "check")
    assert "voice of this machine" not in good.output


@pytest.mark.parametrize("command", ["check", "numbers"])
def test_without_an_account_nothing_is_logged_into_what_programs_read(command, config, monkeypatch):
    """Logs of a command would be on stdout; ``doctor --json`` makes the same client."""
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "t" * 32)
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", AGENT_KEY)
    with structlog.testing.capture_logs() as logged:
        result = run("--config", config(text=CONFIG.replace('account_sid = "AC1"', "")), command)
    assert logged == []
    assert "account_sid" in result.stderr


def test_what_is_closed_at_the_start_is_no_file_of_ours_later(tmp_path):
    script = f"""
        import os, sys
        from trio_voice.__main__ import fill_standard_descriptors
        fill_standard_descriptors()
        print("to nobody")
        print("to nobody", file=sys.stderr)
        with open({str(tmp_path / "ours")!r}, "w") as file:
            file.write(str(file.fileno()))
    """
    closed = 'exec "$0" "$@" <&- >&- 2>&-'
    subprocess.run(["sh", "-c", closed, sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=120)
    assert int((tmp_path / "ours").read_text()) > 2
