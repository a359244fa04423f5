"""Docstrings begin with their subject: a noun, or a verb for what acts. Then a stranger knows what is spoken of."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NO_SUBJECT = re.compile(r"(What|How|Whether|When|Where|Who|Whom|Whose|Which|Why)\b")
FILES = sorted(path for folder in ("trio_voice", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))


def texts(tree):
    """Docstrings, and texts behind attributes: every string that stands alone."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text)), lineno=line):
                yield line, text


def subjectless(source):
    return [
        f"line {line}: {text.split(chr(10))[0]}" for line, text in texts(ast.parse(source)) if NO_SUBJECT.match(text)
    ]


def test_no_docstring_begins_with_a_question():
    """Say the thing itself: "Time that ...", "True if ...", "Number of ...", "Reason for which ..."."""
    assert [f"{path.relative_to(ROOT)} {line}" for path in FILES for line in subjectless(path.read_text())] == []


def test_the_test_sees_them():
    source = '''"""Where it is."""
class A:
    x: int = 1
    """How many."""

    def y(self):
        """True if it is."""
'''
    assert [line.partition(":")[0] for line in subjectless(source)] == ["line 1", "line 4"]
    assert len(FILES) > 800


@pytest.mark.parametrize(
    "folder", ["bridge", "protocols/assemblyai_agent", "protocols/gemini_live", "protocols/openai_realtime"]
)
def test_a_folder_that_tells_of_its_files_forgets_none(folder):
    files = {path.stem for path in (ROOT / "trio_voice" / folder).glob("*.py")} - {"__init__"}
    told = ast.get_docstring(ast.parse((ROOT / "trio_voice" / folder / "__init__.py").read_text()))
    assert files - set(re.findall(r"\w+", told)) == set()
