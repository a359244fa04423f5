"""What the benchmarks say about our daemon is still so."""

import pytest
from compare import CLASSES, table
from relaying.relays import PACING, RELAYS, WORKERS
from rig.families import KINDS
from rig.faults import cases_for
from rig.ours import our_daemon

from trio_voice.config import read_settings

KEPT = {
    "fault": "caller hangs up",
    "phase": "greeting",
    "model_seconds": 0.1,
    "caller_seconds": 0.2,
    "bound_seconds": 2.5,
    "limit_name": None,
    "limit_seconds": 0,
    "not_run": "",
    "unreached": "",
    "problems": [],
}


@pytest.mark.parametrize(
    "relay", [RELAYS["trio_voice"], PACING, *WORKERS.values()], ids=["echo", "pacing", "one", "two"]
)
def test_the_benchmark_s_configuration_is_one_that_we_take(tmp_path, relay):
    relay.command("ws://127.0.0.1:1/v1/ws", str(tmp_path))
    secrets = {"TWILIO_ACCOUNT_SID": "AC", "TWILIO_AUTH_TOKEN": "t", "ASSEMBLYAI_API_KEY": "k"}
    assert read_settings(tmp_path / "config.toml", secrets).limits.max_calls == 5_000


def test_what_the_rig_leaves_at_its_default_is_what_is_promised():
    assert "close_seconds" not in our_daemon().files["config.toml"]


def test_runs_of_one_server_become_one_column_with_the_worst_of_both():
    slow = KEPT | {
        "fault": "model vanishes (hearing)",
        "model_seconds": 6.0,
        "limit_name": "idle_seconds",
        "limit_seconds": 5,
    }
    never = KEPT | {"model_seconds": None, "problems": ["late", "untold"]}
    missing = slow | {"not_run": "no such thing"}
    lines = table(
        [
            {"target": "ours", "patience": 15, "cases": [KEPT, slow | {"bound_seconds": 7.5}]},
            {"target": "ours", "patience": 15, "cases": [KEPT | {"caller_seconds": 1.9}]},
            {"target": "theirs", "patience": 9, "cases": [never, missing, slow | {"unreached": "no greeting"}]},
        ]
    ).splitlines()
    assert lines[0] == "| seconds, model / caller | ours | theirs |"
    assert lines[2:] == [
        "| caller hangs up, or stop without a close | 0.1 / 1.9 | **> 9** / 0.2, untold |",
        "| model vanishes (`idle_seconds` 5) | 6.0 / 0.2 |  |",
        "| **as promised** | 3 of 3 | 0 of 1 (1 unreached) |",
    ]


def test_a_fault_that_the_table_names_is_one_of_the_rig_s_and_in_one_class_only():
    named = [fault for faults in CLASSES.values() for fault in faults]
    assert set(named) <= {case.fault.words for case in cases_for(list(KINDS), [])}
    assert len(named) == len(set(named))
