"""Lines that commands print: whatever strangers wrote in one, it commands no terminal and makes up no other line."""

import ast
from pathlib import Path

import pytest

import trio_voice.cli
from trio_voice.cli.exits import stop
from trio_voice.cli.printing import print_line

ODD = "one\x1b]0;evil\x07\ntwo\r\ud800" + "x" * 2_000
COMMANDS = Path(trio_voice.cli.__file__).parent
OURS_ALONE = {"console", "printing", "serve", "talk", "top", "unit"}
"""Files that print what is all our own, or escape it by themselves."""


def test_a_line_is_one_and_whole(capsys):
    print_line(ODD)
    print_line(ODD, err=True)
    with pytest.raises(SystemExit):
        stop(1, ODD)
    told = capsys.readouterr()
    assert told.out == "one\\x1b]0;evil\\x07\\ntwo\\r\\ud800" + "x" * 2_000 + "\n"
    assert told.err == told.out * 2


def test_every_command_prints_so():
    """But for JSON, which has its own escapes."""
    for file in COMMANDS.glob("*.py"):
        if file.stem in OURS_ALONE:
            continue
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in ("click.echo", "click.secho", "print"):
                assert ast.unparse(call.args[0]).startswith("json.dumps"), f"{file.name} line {call.lineno}"
