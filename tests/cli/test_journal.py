"""Commands that read the journal, and a journal that cannot be opened."""

import json
from datetime import UTC, datetime

import pytest

from tests.cli.commands import AUDIT, CONFIG, process, run
from trio_voice.journal import open_journal
from trio_voice.record import CallRecord
from trio_voice.session_record import Closing, ModelSessionRecord


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
