"""The table of coverage: a row for each folder, and a gate that shuts."""

import pytest

from tests.coverage_gate import ROOT, TABLE, Row, by_folder, is_ring_0, judged, rows, written

FOLDERS = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "trio_voice").rglob("*.py")}


def file(covered, total, branches=0):
    return {
        "summary": {
            "covered_lines": covered,
            "num_statements": total,
            "covered_branches": branches,
            "num_branches": branches,
        }
    }


def test_every_folder_of_the_package_has_one_row():
    assert sorted(row.folder for row in rows(TABLE.read_text())) == sorted(FOLDERS)


@pytest.mark.parametrize("row", rows(TABLE.read_text()), ids=lambda row: row.folder)
def test_a_row_has_a_figure_or_a_reason_and_ring_0_its_aim(row):
    assert (row.least is None) == bool(row.reason)
    assert not is_ring_0(row.folder) or row.least == 98


def test_a_folder_is_its_own_files_with_their_branches():
    measured = by_folder({"a/x.py": file(8, 10), "a/y.py": file(0, 0, 10), "a/b/z.py": file(1, 2)})
    assert measured == {"a": 90.0, "a/b": 50.0}


def test_a_folder_below_its_figure_fails_and_every_row_is_told():
    table = [Row("a", 91), Row("a/b", 50), Row("c", None, "nobody calls it")]
    told, below = judged(table, {"a": 90.9, "a/b": 50.0, "c": 1.0})
    assert below == [Row("a", 91)]
    assert told == [
        "a: 90.9 %, at least 91 %: BELOW",
        "a/b: 50.0 %, at least 50 %",
        "c: 1.0 %, not gated: nobody calls it",
    ]


def test_what_was_measured_is_written_but_for_ring_0():
    text = "# About\ntrio_voice/bridge 98\ntrio_voice/net 70\ntrio_voice/cli - why\n"
    measured = {"trio_voice/bridge": 99.9, "trio_voice/net": 91.9, "trio_voice/cli": 80.0}
    assert written(text, measured) == "# About\ntrio_voice/bridge 98\ntrio_voice/net 91\ntrio_voice/cli 80\n"
