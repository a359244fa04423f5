"""Every place where a linter or the type checker is told to look away says why, on its line."""

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("trio_voice", "tests", "benchmarks", "docs")
IGNORE = re.compile(r"# (?:noqa(?:: *[A-Z]+\d+(?:, *[A-Z]+\d+)*)?|type: ignore(?:\[[^\]]*\])?)(?P<reason>.*)")
REASON = re.compile(r"(?: - |  # ).*[^\W\d_]{2}")
"""Behind a dash or a hash, and with a word in it."""


def unexplained(source: str) -> list[int]:
    """Numbers of the lines that silence a check and do not say why."""
    comments = (
        each for each in tokenize.generate_tokens(io.StringIO(source).readline) if each.type == tokenize.COMMENT
    )
    found = ((each.start[0], IGNORE.search(each.string)) for each in comments)
    return [line for line, match in found if match is not None and REASON.match(match["reason"]) is None]


def test_every_ignore_has_its_reason():
    sources = ((path, path.read_text()) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))
    silencing = [(path, source) for path, source in sources if "noqa" in source or "type: ignore" in source]
    assert len(silencing) > 50
    assert [f"{path.relative_to(ROOT)}:{line}" for path, source in silencing for line in unexplained(source)] == []


@pytest.mark.parametrize(
    ("line", "is_explained"),
    [
        ("x = 1  # noqa: S105 - a name", True),
        ("x = 1  # noqa: S105, E501 - a name", True),
        ("x = 1  # type: ignore[misc]  # the library has no types", True),
        ('x = "# noqa"', True),
        ("x = 1  # noqa", False),
        ("x = 1  # noqa: S105, E501", False),
        ("x = 1  # noqa: S105 - ", False),
        ("x = 1  # type: ignore[misc]", False),
        ("x = 1  # type: ignore", False),
        ("x = 1  # a remark  # noqa: S105", False),
    ],
)
def test_what_a_reason_is(line, is_explained):
    assert unexplained(line) == ([] if is_explained else [1])
