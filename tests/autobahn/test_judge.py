"""Findings of Autobahn, as they are told."""

import json

from tests.autobahn.judge import verdict_of


def index(tmp_path, **cases):
    written = {name: {"behavior": how, "behaviorClose": close} for name, (how, close) in cases.items()}
    path = tmp_path / "index.json"
    path.write_text(json.dumps({"trio_voice": written}))
    return path


def test_strict_and_informational_cases_pass_and_compression_is_left_out(tmp_path):
    found = index(tmp_path, a=("OK", "OK"), b=("INFORMATIONAL", "INFORMATIONAL"), c=("UNIMPLEMENTED", "OK"))
    counts, failed = verdict_of(found)
    assert counts == {"OK": 1, "INFORMATIONAL": 1, "UNIMPLEMENTED": 1}
    assert failed == []


def test_a_case_fails_that_is_not_strict_or_that_does_not_end_well(tmp_path):
    found = index(tmp_path, a=("NON-STRICT", "OK"), b=("OK", "UNCLEAN"), c=("FAILED", "FAILED"), d=("OK", "OK"))
    assert verdict_of(found)[1] == ["a (NON-STRICT, OK)", "b (OK, UNCLEAN)", "c (FAILED, FAILED)"]
