"""Names that users' own modules and configurations have: where the code is kept is ours, under which name is theirs."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import trio_voice.tools

ROOT = Path(__file__).parents[2]
PAPERS = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), ROOT / "config.toml"])
EXAMPLES = sorted([*(ROOT / "examples").rglob("*.py"), ROOT / "trio_voice" / "examples" / "shop.py"])
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"\btrio_voice\.(?:tools|examples)[\w.]*(?::\w+)?")


def imports(source):
    """Modules of ours and names in them that a Python text imports; no name for a module as it is."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module.startswith("trio_voice"):
                yield from ((module, alias.name) for alias in names)
            case ast.Import(names=names):
                yield from ((alias.name, "") for alias in names if alias.name.startswith("trio_voice"))


def named():
    """All that the documentation and the examples name, whether in Python or by a path such as ``module:tool``."""
    found = set()
    for path in PAPERS:
        text = path.read_text(encoding="utf-8")
        for block in PYTHON.findall(text):
            found.update(imports(block))
        found.update(tuple(f"{each.rstrip('.')}:".split(":")[:2]) for each in PATH.findall(text))
    for path in EXAMPLES:
        found.update(imports(path.read_text(encoding="utf-8")))
    return found


NAMED = named()


def test_the_names_are_found():
    assert ("trio_voice.tools", "CallFacts") in NAMED
    assert ("trio_voice.examples.shop", "get_order_status") in NAMED


@pytest.mark.parametrize(("module", "name"), sorted(NAMED), ids=lambda each: each or "itself")
def test_what_the_documentation_imports_is_there(module, name):
    found = importlib.import_module(module)
    assert not name or hasattr(found, name)


def test_users_import_from_two_places():
    """Anything else may move; whoever documents an import of it makes it theirs."""
    public = ("trio_voice.tools", "trio_voice.examples")
    assert [each for each in sorted(NAMED) if not each[0].startswith(public)] == []


def test_names_for_tools_stay():
    """The list may grow."""
    assert {
        "BUILT_IN",
        "MAX_RESULT_BYTES",
        "CallFacts",
        "DoNotCall",
        "Tool",
        "end_call",
        "generate_random_number",
        "load_tools",
        "transfer_to_human",
    } <= {name for name in trio_voice.tools.__all__ if hasattr(trio_voice.tools, name)}
